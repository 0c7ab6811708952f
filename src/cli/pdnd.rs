//! `raccordo pdnd`: what an administrator needs to find out why the platform says no.
//!
//! The platform never says which part of an assertion is wrong. The pre-flight does, and what passes
//! it can be pasted into the platform's own debugger; what is not in an assertion, [`state`] asks for.
//! [`tracing`] writes and sends the daily files of calls, which are [`counted`].

mod chosen;
mod state;
mod tracing;
mod counted;

use std::path::Path;

use kit::pdnd::access::Access;
use kit::pdnd::assertion::{Asked, LIFE_SECONDS, mint};
use kit::pdnd::client::random_name;
use kit::pdnd::preflight::{self, Mistake};
use kit::pdnd::settings::{Connection, ConnectionKeys};

use self::chosen::{chosen, clients, table};
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
    /// The client, as named in `[pdnd.NAME]`, `[systems.NAME.pdnd]` or `[nodes.NAME.pdnd]`; not needed when there is one
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
        Command::Tracing(arguments) => return tracing::run(parts, &config, arguments, output).await,
        Command::State(arguments) => return state::run(&clients(&config), arguments, language, output).await,
    };
    let clients = clients(&config);
    if clients.is_empty() {
        output.note(output.words.no_pdnd_client);
        return Ok(Exit::Configuration);
    }
    let (name, connection) = match chosen(&clients, arguments.name.as_deref(), |_| true) {
        Ok(found) => found,
        Err(unclear) => {
            unclear.tell(output.words.any_client, output);
            return Ok(Exit::Usage);
        }
    };
    // What stops the start where a system or another node is an e-service is told here too.
    if !config.pdnd.contains_key(name)
        && let Err(error) = Access::open(connection)
    {
        return Ok(misconfigured(&config, name, error, output));
    }
    let checked = connection.keys().and_then(|keys| {
        connection.signer()?;
        connection.check_identity()?;
        Ok(keys)
    });
    match checked {
        Ok(keys) => assertion(&config, (name, connection), &keys, arguments.digest.as_deref(), (language, output)),
        Err(error) => Ok(misconfigured(&config, name, error, output)),
    }
}

/// Tells a mistake of the configuration with its line, in the file or in a file that it names.
fn misconfigured(
    config: &Config,
    name: &str,
    error: impl std::error::Error + Send + Sync + 'static,
    output: &Output,
) -> Exit {
    let place = config.lines.place_named(&table(config, name), &error.to_string());
    output.problem(&anyhow::Error::new(error).context(place));
    Exit::Configuration
}

fn assertion(
    config: &Config,
    (name, connection): (&str, &Connection),
    keys: &ConnectionKeys,
    digest: Option<&str>,
    (language, output): (Language, &Output),
) -> anyhow::Result<Exit> {
    let (endpoints, now) = (connection.endpoints(), SystemClock.now());
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
    let place = |mistake: &Mistake| {
        let table = table(config, name);
        config.lines.place(&table.into_iter().chain(mistake.setting()).collect::<Vec<_>>())
    };
    if output.is_json() {
        let told = |mistake: &Mistake| {
            let (code, message, place) = (mistake.code(), sentence(mistake), place(mistake));
            serde_json::json!({ "code": code, "message": message, "place": place })
        };
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
            output.note(&format!("{}: {}: {}", place(mistake), mistake.code(), sentence(mistake)));
        }
        if mistakes.is_empty() {
            output.line(&made);
        }
    }
    Ok(if mistakes.is_empty() { Exit::Done } else { Exit::Configuration })
}
