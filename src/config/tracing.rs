//! Who sends the daily tracing files to the national platform by itself, and when.

use kit::pdnd::environment::{Environment, host_of};
use kit::pdnd::settings::Connection;
use serde::Deserialize;

use super::Config;
use super::reconciliation::DailyTime;

/// The first minute of a day at which all calls of the day before are surely written.
const EARLIEST: DailyTime = DailyTime::At { hour: 0, minute: 15 };

/// The daily tracing files, sent by the daemon.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracingConfig {
    /// The client api interop that sends them: the name of a `[pdnd.NAME]` with a `tracing_url`.
    pub client: String,
    /// The time at which the file of the day before is sent, on clocks in Italy: `"02:30"`.
    #[serde(default = "at_night")]
    pub at: DailyTime,
}

fn at_night() -> DailyTime {
    DailyTime::At { hour: 2, minute: 30 }
}

/// Whether a client can send them.
pub fn may_send(connection: &Connection) -> bool {
    connection.is_api_client && connection.tracing_url.is_some()
}

/// What is wrong with it: the keys, and what to write instead.
pub(super) fn problem(config: &Config) -> Option<(Vec<&str>, String)> {
    let tracing = config.tracing.as_ref()?;
    let (name, at) = (&tracing.client, tracing.at);
    let Some(client) = config.pdnd.get(name).filter(|client| may_send(client)) else {
        let able = config.pdnd.iter().filter(|(_, connection)| may_send(connection));
        let able: Vec<&str> = able.map(|(name, _)| name.as_str()).collect();
        let instead = if able.is_empty() {
            format!("write [pdnd.{name}] with both")
        } else {
            format!("those that have both: {}", able.join(", "))
        };
        let problem = format!(
            "tracing.client: there is no [pdnd.{name}] with is_api_client = true and a tracing_url, which the platform \
             tells to who takes part; {instead}"
        );
        return Some((vec!["tracing", "client"], problem));
    };
    if at == DailyTime::Never {
        let problem = "tracing.at is \"never\": nothing would be sent; write a time, or take [tracing] away";
        return Some((vec!["tracing", "at"], problem.to_owned()));
    }
    if at < EARLIEST {
        let problem = format!(
            "tracing.at is \"{at}\": the last calls of the day before may not be written yet; write \"{EARLIEST}\" or later"
        );
        return Some((vec!["tracing", "at"], problem));
    }
    let keys = of_another(config, client.environment)?;
    let problem = format!(
        "{} is of another environment of the platform than [pdnd.{name}], which sends the tracing files: its calls would \
         stand in them; environments are never mixed",
        keys.join(".")
    );
    Some((keys, problem))
}

/// The keys of something whose calls are counted, and that is of another environment.
fn of_another(config: &Config, environment: Environment) -> Option<Vec<&str>> {
    let systems = config.systems.iter().map(|(name, system)| ("systems", name, system.pdnd.as_ref()));
    let nodes = config.nodes.iter().map(|(name, node)| ("nodes", name, node.pdnd.as_ref()));
    let is_other = |connection: &Connection| connection.environment != environment;
    let other = systems.chain(nodes).find(|(_, _, connection)| connection.is_some_and(is_other));
    if let Some((table, name, _)) = other {
        return Some(vec![table, name.as_str(), "pdnd", "environment"]);
    }
    let ours = config.exchange.pdnd.as_ref()?;
    let is_other = Environment::of_host(host_of(&ours.issuer)).is_some_and(|issuer| issuer != environment);
    is_other.then(|| vec!["exchange", "pdnd", "issuer"])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CLIENTS: &str = "[pdnd.servizi]\nenvironment = \"uat\"\nclient_id = \"c\"\nprivate_key_file = \"c.pem\"\n\
                           is_api_client = true\ntracing_url = \"https://tracing.example/\"\n\
                           [pdnd.appalti]\nenvironment = \"uat\"\nclient_id = \"c\"\nprivate_key_file = \"c.pem\"\n";

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(&format!("[tracing]\n{text}\n{CLIENTS}"), Path::new("/srv/raccordo"))
    }

    #[test]
    fn files_are_sent_at_night_unless_another_time_is_written() {
        let time = |text: &str| parse(text).expect("valid").tracing.expect("it is there").at.to_string();
        assert_eq!(time("client = \"servizi\""), "02:30");
        assert_eq!(time("client = \"servizi\"\nat = \"00:15\""), "00:15");
        assert!(Config::parse(CLIENTS, Path::new("/srv")).expect("valid").tracing.is_none(), "not by itself");
    }

    #[test]
    fn a_client_that_cannot_send_and_a_time_that_is_too_early_are_refused_with_their_line() {
        for (text, line, words) in [
            ("client = \"servizio\"", 2, "those that have both: servizi"),
            ("client = \"appalti\"", 2, "is_api_client = true and a tracing_url"),
            ("client = \"servizi\"\nat = \"00:14\"", 3, "\"00:15\" or later"),
            ("client = \"servizi\"\nat = \"never\"", 3, "take [tracing] away"),
            ("client = \"servizi\"\nat = \"2:30\"", 3, "a time of the day"),
            ("client = \"servizi\"\norario = \"02:30\"", 3, "orario"),
        ] {
            let problem = parse(text).expect_err(words);
            assert!(problem.contains(&format!("line {line}")) && problem.contains(words), "{problem}");
        }
        let alone = Config::parse("[tracing]\nclient = \"x\"", Path::new("/srv")).expect_err("nobody can");
        assert!(alone.contains("write [pdnd.x] with both"), "{alone}");
    }

    #[test]
    fn what_is_counted_is_of_the_environment_of_the_client() {
        let connection = |environment: &str| {
            format!(
                "environment = \"{environment}\"\nclient_id = \"c\"\npurpose_id = \"p\"\nprivate_key_file = \"c.pem\"\n"
            )
        };
        let system = |environment: &str| format!("[systems.scp]\n[systems.scp.pdnd]\n{}", connection(environment));
        let node = |environment: &str| {
            let address = "address = \"https://r.example\"\neverything = true\n";
            format!("[nodes.regione]\n{address}[nodes.regione.pdnd]\n{}", connection(environment))
        };
        let ours = |issuer: &str| {
            format!(
                "[exchange.pdnd]\nissuer = \"{issuer}\"\nkeys_url = \"https://k.example\"\naudience = \"a\"\n\
                 eservice_id = \"e\"\nproducer_id = \"p\"\ndescriptor_ids = [\"d\"]\n"
            )
        };
        let with = |other: &str| {
            let text = format!("[tracing]\nclient = \"servizi\"\n{CLIENTS}{other}");
            Config::parse(&text, Path::new("/srv/raccordo")).map(drop)
        };
        for other in [system("uat"), node("uat"), ours("uat.interop.pagopa.it"), ours("https://voucher.example")] {
            assert_eq!(with(&other), Ok(()), "{other}");
        }
        for (other, place) in [
            (system("prod"), "line 15: systems.scp.pdnd.environment"),
            (node("att"), "line 17: nodes.regione.pdnd.environment"),
            (ours("interop.pagopa.it"), "line 14: exchange.pdnd.issuer"),
        ] {
            let problem = with(&other).expect_err(place);
            assert!(problem.starts_with(place) && problem.contains("than [pdnd.servizi]"), "{problem}");
        }
        let alone = Config::parse(&format!("{CLIENTS}{}", system("prod")), Path::new("/srv"));
        assert!(alone.is_ok(), "without files that are sent nothing is mixed");
    }
}
