//! `raccordo pdnd`: what an administrator needs to find out why the platform says no.
//!
//! The platform never says which part of an assertion is wrong. The pre-flight does, and what passes
//! it can be pasted into the platform's own debugger; what is not in an assertion, [`state`] asks for.
//! [`tracing`] writes and sends the daily files of calls, which are [`counted`].

mod state;
mod tracing;
mod counted;

use std::collections::BTreeMap;
use std::path::Path;

use kit::pdnd::access::Access;
use kit::pdnd::assertion::{Asked, LIFE_SECONDS, mint};
use kit::pdnd::client::random_name;
use kit::pdnd::preflight::{self, Mistake};
use kit::pdnd::settings::Connection;

use super::output::Output;
use super::{Exit, Language};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::node::Parts;

/// Speak with the national platform as one of its clients.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check the settings of a client and print an assertion for the platform's debugger; nothing is sent
    Assertion(Arguments),
    /// Ask the platform whether key, purpose and agreement of a client are in order; nothing is changed
    State(state::Arguments),
    /// Write the daily files of calls, send them to the platform, and ask what it says of them
    Tracing(tracing::Arguments),
}

/// Check the settings of a client and print an assertion; nothing is sent.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The client, as named in `[pdnd.NAME]` or `[systems.NAME.pdnd]`; not needed when there is one
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Hash of an evidence that the voucher would be bound to: 64 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    digest: Option<String>,
}

pub(super) async fn run(
    parts: &Parts,
    folder: Option<&Path>,
    command: &Command,
    language: Language,
    output: &Output,
) -> anyhow::Result<Exit> {
    let config = Config::load(folder.unwrap_or(Path::new(".")))?;
    let arguments = match command {
        Command::Assertion(arguments) => arguments,
        Command::Tracing(arguments) => return tracing::run(parts, &config, arguments, language, output).await,
        Command::State(arguments) => return state::run(&clients(&config), arguments, language, output).await,
    };
    let clients = clients(&config);
    let found = match (&arguments.name, clients.len()) {
        (Some(name), _) => clients.get_key_value(name),
        (None, 1) => clients.first_key_value(),
        _ => None,
    };
    let Some((name, connection)) = found else {
        let names: Vec<_> = clients.keys().map(String::as_str).collect();
        if names.is_empty() {
            output.note(output.words.no_pdnd_client);
            return Ok(Exit::Configuration);
        }
        output.note(&format!("error: name one of the clients of the configuration: {}", names.join(", ")));
        return Ok(Exit::Usage);
    };
    // What stops the start of a system that is an e-service is told here too.
    if config.systems.get(name).is_some_and(|system| system.pdnd.is_some())
        && let Err(error) = Access::open(connection)
    {
        output.problem(&anyhow::Error::new(error).context(format!("systems.{name}.pdnd")));
        return Ok(Exit::Configuration);
    }
    assertion(name, connection, arguments.digest.as_deref(), language, output)
}

/// The clients by name: those of the systems that are e-services, and those of `[pdnd.NAME]`.
fn clients(config: &Config) -> BTreeMap<String, Connection> {
    let of_systems = config.systems.iter().filter_map(|(name, system)| Some((name.clone(), system.pdnd.clone()?)));
    of_systems.chain(config.pdnd.clone()).collect()
}

fn assertion(
    name: &str,
    connection: &Connection,
    digest: Option<&str>,
    language: Language,
    output: &Output,
) -> anyhow::Result<Exit> {
    let (endpoints, now) = (connection.endpoints(), SystemClock.now());
    let keys = match connection.keys() {
        Ok(keys) => keys,
        Err(error) => {
            output.problem(&anyhow::Error::new(error).context(format!("reading the keys of the client {name}")));
            return Ok(Exit::Configuration);
        }
    };
    let mut mistakes = preflight::connection(connection, &keys.assertion, keys.dpop.as_ref(), None);
    let asked = Asked {
        client_id: &connection.client_id,
        audience: &endpoints.assertion_audience,
        purpose_id: connection.purpose_id.as_deref(),
        evidence_digest: digest,
        step: None,
    };
    let made = mint(&keys.assertion, &asked, &random_name(), now)?;
    let expected = preflight::Expected {
        client_id: &connection.client_id,
        audience: &endpoints.assertion_audience,
        is_api_client: connection.is_api_client,
        is_asynchronous: false,
    };
    let of_settings: Vec<_> = mistakes.iter().map(Mistake::code).collect();
    let of_assertion = preflight::assertion(&made, &expected, None, now);
    mistakes.extend(of_assertion.into_iter().filter(|mistake| !of_settings.contains(&mistake.code())));
    let sentence = |mistake: &Mistake| match language {
        Language::It => mistake.italian(),
        Language::En => mistake.english(),
    };
    if output.is_json() {
        let told = |mistake: &Mistake| serde_json::json!({ "code": mistake.code(), "message": sentence(mistake) });
        output.json(&serde_json::json!({
            "name": name,
            "client_id": connection.client_id,
            "kid": keys.assertion.thumbprint(),
            "purpose_id": connection.purpose_id,
            "audience": endpoints.assertion_audience,
            "token_url": endpoints.token_url,
            "good_for_seconds": LIFE_SECONDS,
            "mistakes": mistakes.iter().map(told).collect::<Vec<_>>(),
            "client_assertion": mistakes.is_empty().then_some(made),
        }));
    } else {
        output.note(&format!("client_id  {}", connection.client_id));
        output.note(&format!("kid        {}", keys.assertion.thumbprint()));
        output.note(&format!("aud        {}", endpoints.assertion_audience));
        for mistake in &mistakes {
            output.note(&format!("{}: {}", mistake.code(), sentence(mistake)));
        }
        if mistakes.is_empty() {
            output.line(&made);
        }
    }
    Ok(if mistakes.is_empty() { Exit::Done } else { Exit::Configuration })
}
