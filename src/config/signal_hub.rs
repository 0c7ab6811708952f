//! Signal Hub: whether the readers of our e-service are told of changes, and the systems of which we are
//! told.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use kit::pdnd::environment::{Endpoints, Environment, host_of};
use kit::pdnd::settings::Connection;
use kit::pdnd::signal_hub::pseudonym::PseudonymRule;
use serde::Deserialize;

use super::Config;
use super::exchange::PartnerConfig;

/// What the hub takes from one organisation in a second, by its documentation.
const MOST_PER_SECOND: u16 = 25;

/// Signal Hub.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalHubConfig {
    /// The client of `[pdnd.NAME]` that speaks with the hub: a client of the platform's own services.
    pub client: String,
    /// Where the hub is, with its version, in place of the address of the client's environment. That of
    /// the test environment is not published: it is told to whoever asks.
    pub url: Option<String>,
    /// Whether the readers of the e-service of `[exchange.pdnd]` are told of changes.
    pub tell: bool,
    /// Requests in a second, from 1 to 25, of both sides together; the hub takes 25 from an organisation.
    pub requests_per_second: Option<NonZeroU16>,
    /// What is heard of e-services of others, by the configured system that is behind each.
    pub listen: BTreeMap<String, ListenConfig>,
}

/// An e-service whose signals are heard.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// The e-service.
    pub eservice_id: String,
    /// Seconds between two looks.
    #[serde(default = "every_seconds")]
    pub every_seconds: NonZeroU16,
    /// Minutes, at least, between two comparisons for which signals are the reason: each reads all that the
    /// system holds.
    #[serde(default = "compare_minutes")]
    pub compare_minutes: NonZeroU16,
    /// Which signals are a reason to look.
    #[serde(default)]
    pub about: About,
    /// How the e-service makes pseudonyms, where its signals name objects by them.
    #[serde(default)]
    pub pseudonyms: Option<PseudonymConfig>,
}

/// Which signals are a reason to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// All of them.
    #[default]
    Everything,
    /// Those about an object whose name is the key of one of our records, or begins one.
    KnownRecords,
}

/// How an e-service makes pseudonyms, as it documents it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PseudonymConfig {
    /// Where it gives the seed, `{ "seed", "cryptoHashFunction" }`, to a voucher of
    /// `[systems.NAME.pdnd]`.
    pub seed_url: String,
    /// Composition, hash and encoding. The hash that comes with the seed goes before the one written.
    #[serde(default)]
    pub rule: PseudonymRule,
}

fn every_seconds() -> NonZeroU16 {
    NonZeroU16::new(60).unwrap_or(NonZeroU16::MIN)
}

fn compare_minutes() -> NonZeroU16 {
    NonZeroU16::new(60).unwrap_or(NonZeroU16::MIN)
}

impl SignalHubConfig {
    /// Requests in a minute.
    pub fn requests_per_minute(&self) -> u32 {
        // Below what the hub takes: whoever else works for the organisation has room too.
        u32::from(self.requests_per_second.map_or(20, NonZeroU16::get)) * 60
    }

    /// The address of the hub, for a client of an environment.
    pub fn url(&self, client: &Connection) -> Option<String> {
        self.url.clone().or_else(|| client.endpoints().signal_hub_url)
    }
}

/// What is wrong with it: the keys, and what to write instead.
pub(super) fn problem(config: &Config) -> Option<(Vec<&str>, String)> {
    let hub = config.signal_hub.as_ref()?;
    let wrong =
        |key: &'static str, problem: String| Some((vec!["signal_hub", key], format!("signal_hub.{key}{problem}")));
    let Some(client) = config.pdnd.get(&hub.client).filter(|client| client.is_api_client) else {
        let known = config.pdnd.iter().filter(|(_, client)| client.is_api_client).map(|(name, _)| name.as_str());
        let known = known.collect::<Vec<_>>().join(", ");
        let problem = if config.pdnd.contains_key(&hub.client) {
            format!(
                ": [pdnd.{}] has a purpose; the hub is spoken with by a client of the platform's own services, \
                 is_api_client = true",
                hub.client
            )
        } else if known.is_empty() {
            format!(": there is no [pdnd.{}]; write it, with is_api_client = true", hub.client)
        } else {
            format!(": there is no [pdnd.{}]; those with is_api_client = true are: {known}", hub.client)
        };
        return wrong("client", problem);
    };
    let Some(url) = hub.url(client) else {
        let problem = " is missing: the platform does not publish the address of this environment; it tells it to \
                       whoever asks, for instance https://…/1.0";
        return wrong("url", problem.to_owned());
    };
    if let Err(problem) = client.http(&url).check_address() {
        return wrong("url", format!(": {}", problem.replace("base_url", "it")));
    }
    let endpoints = Endpoints { signal_hub_url: Some(url), ..client.endpoints() };
    if let Err(mixed) = endpoints.environment() {
        return wrong("url", format!(": {mixed}; environments are never mixed"));
    }
    if hub.requests_per_second.is_some_and(|requests| requests.get() > MOST_PER_SECOND) {
        return wrong("requests_per_second", format!(": the hub takes {MOST_PER_SECOND} from an organisation"));
    }
    if let Some(why) = hub.tell.then(|| untold(config, client)).flatten() {
        return wrong("tell", why.to_owned());
    }
    if !hub.tell && hub.listen.is_empty() {
        let problem = " is false and nothing is listened to: write tell = true, or [signal_hub.listen.NAME]";
        return wrong("tell", problem.to_owned());
    }
    hub.listen.iter().find_map(|(name, listen)| {
        let wrong = |key: Option<&'static str>, problem: &str| {
            let place = key.map_or_else(String::new, |key| format!(".{key}"));
            let keys = ["signal_hub", "listen", name].into_iter().chain(key).collect();
            Some((keys, format!("signal_hub.listen.{name}{place}: {problem}")))
        };
        let Some(system) = config.systems.get(name) else {
            let known = config.systems.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let problem = "no system has this name; name the one that is read, or compared, when something changes";
            return wrong(None, &format!("{problem}: {known}"));
        };
        if listen.pseudonyms.is_some() && listen.about == About::Everything {
            return wrong(Some("about"), "pseudonyms tell which records are meant: write about = \"known_records\"");
        }
        let seeds = listen.pseudonyms.is_some().then_some(system.pdnd.as_ref());
        match seeds {
            Some(None) => {
                return wrong(Some("pseudonyms"), "the seed is given to a voucher: describe it in [systems.NAME.pdnd]");
            }
            Some(Some(seeds)) if seeds.environment != client.environment => {
                return wrong(Some("pseudonyms"), "systems.NAME.pdnd is of another environment; they are never mixed");
            }
            _ => {}
        }
        let ours = config.exchange.pdnd.as_ref().is_some_and(|ours| ours.eservice_id == listen.eservice_id);
        let mut others = hub.listen.iter().filter(|(other, _)| *other < name);
        let same = others.find(|(_, other)| other.eservice_id == listen.eservice_id).map(|(other, _)| other);
        if listen.eservice_id.trim().is_empty() {
            wrong(Some("eservice_id"), "write the id of the e-service, as the catalogue of the platform has it")
        } else if ours {
            wrong(Some("eservice_id"), "this is our own e-service, of [exchange.pdnd]: we know what changes here")
        } else if let Some(other) = same {
            let problem = format!("[signal_hub.listen.{other}] listens to it: one e-service stands for one system");
            wrong(Some("eservice_id"), &problem)
        } else {
            None
        }
    })
}

/// Why nobody could be told.
fn untold(config: &Config, client: &Connection) -> Option<&'static str> {
    let Some(ours) = &config.exchange.pdnd else {
        return Some(": there is no e-service of ours; describe it in [exchange.pdnd]");
    };
    if Environment::of_host(host_of(&ours.issuer)).is_some_and(|environment| environment != client.environment) {
        return Some(": exchange.pdnd.issuer is of another environment than the client; environments are never mixed");
    }
    let is_read = config.exchange.partners.values().any(PartnerConfig::reads_by_voucher);
    (!is_read).then_some(": no partner with a consumer_id has the role \"read\": there is nobody to be told")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CLIENT: &str = "[pdnd.servizi]\nenvironment = \"att\"\nclient_id = \"c\"\nprivate_key_file = \"c.pem\"\n\
                          is_api_client = true\n[systems.hub]\n";

    const OURS: &str = "[exchange.pdnd]\nissuer = \"att.interop.pagopa.it\"\nkeys_url = \"https://k.example\"\n\
                        audience = \"a\"\neservice_id = \"nostro\"\nproducer_id = \"p\"\ndescriptor_ids = [\"d\"]\n";
    const READS: &str = "[exchange.partners.regione]\nconsumer_id = \"c\"\nroles = [\"read\"]\n";

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(&format!("{CLIENT}{text}"), Path::new("/srv/raccordo"))
    }

    #[test]
    fn a_hub_has_a_client_an_address_and_something_to_do() {
        let listen = "[signal_hub.listen.hub]\neservice_id = \"e\"\n";
        let config = parse(&format!("[signal_hub]\nclient = \"servizi\"\n{listen}")).expect("valid");
        let hub = config.signal_hub.expect("a hub");
        assert_eq!(hub.requests_per_minute(), 1_200);
        assert_eq!(
            hub.url(&config.pdnd["servizi"]).as_deref(),
            Some("https://api.att.signalhub.interop.pagopa.it/1.0")
        );
        let seed = "pseudonyms = { seed_url = \"https://e.example/seme\" }\n";
        for (text, place, words) in [
            ("client = \"altri\"\ntell = true\n".to_owned(), "line 8: ", "no [pdnd.altri]"),
            (
                format!("client = \"servizi\"\nurl = \"https://api.signalhub.interop.pagopa.it/1.0\"\n{listen}"),
                "line 9: ",
                "never mixed",
            ),
            ("client = \"servizi\"\ntell = true\n".to_owned(), "line 9: ", "[exchange.pdnd]"),
            ("client = \"servizi\"\n".to_owned(), "line 7: ", "nothing is listened to"),
            (
                format!("client = \"servizi\"\n{}", listen.replace("\"e\"", "\" \"")),
                "line 10: ",
                "the id of the e-service",
            ),
            (
                format!("client = \"servizi\"\n{listen}[signal_hub.listen.due]\neservice_id = \"e\"\n[systems.due]\n"),
                "line 10: ",
                "[signal_hub.listen.due] listens",
            ),
            (format!("client = \"servizi\"\ntell = true\n{OURS}"), "line 9: ", "nobody to be told"),
            (
                format!("client = \"servizi\"\ntell = true\n{}{READS}", OURS.replace("att.", "")),
                "line 9: ",
                "another environment",
            ),
            (format!("client = \"servizi\"\n{}{OURS}", listen.replace("\"e\"", "\"nostro\"")), "line 10: ", "our own"),
            (format!("client = \"servizi\"\nrequests_per_second = 26\n{listen}"), "line 9: ", "takes 25"),
            (
                format!("client = \"servizi\"\n{}", listen.replace("hub]", "altro]")),
                "line 9: ",
                "no system has this name",
            ),
            (format!("client = \"servizi\"\n{listen}{seed}"), "line 9: ", "known_records"),
            (
                format!("client = \"servizi\"\n{listen}about = \"known_records\"\n{seed}"),
                "line 12: ",
                "[systems.NAME.pdnd]",
            ),
        ] {
            let problem = parse(&format!("[signal_hub]\n{text}")).expect_err(words);
            assert!(problem.starts_with(place) && problem.contains(words), "{problem}");
        }
        let unpublished = CLIENT.replace("att", "uat") + "[signal_hub]\nclient = \"servizi\"\n" + listen;
        let problem = Config::parse(&unpublished, Path::new("/srv")).expect_err("no address");
        assert!(problem.contains("signal_hub.url is missing"), "{problem}");
    }
}
