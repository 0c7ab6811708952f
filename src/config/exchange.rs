//! The exchange API: where partners find it, who they are, and what each of them may see and do.
//! What is not written here is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use canonical::Kind;
use canonical::identifiers::CodiceFiscale;
use kit::http::HttpSettings;
use kit::pdnd::settings::AuditPattern;
use serde::Deserialize;

use crate::flow::exchange::territory;
use crate::storage::exchange::Scope;

/// The exchange API. Without partners it answers 401 to everybody.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExchangeConfig {
    /// The address under which partners reach it, `https://…` without what follows the host name's
    /// path; links and the description begin with it.
    pub address: Option<String>,
    /// Who publishes OCDS releases; without it there are none.
    pub ocds: Option<OcdsConfig>,
    /// Vouchers of the national platform.
    pub pdnd: Option<PdndConfig>,
    /// Access tokens of a provider of ours, for partners outside the national platform.
    pub oidc: Option<OidcConfig>,
    /// The partners, by a name of ours.
    pub partners: BTreeMap<String, PartnerConfig>,
}

/// Who publishes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OcdsConfig {
    /// The prefix given by the Open Contracting Partnership, `ocds-` and six characters.
    pub prefix: String,
    /// The name of the publisher.
    pub publisher: String,
}

/// What a voucher must say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PdndConfig {
    /// Who issues: the environment, for instance `uat.interop.pagopa.it`.
    pub issuer: String,
    /// Where the keys of the platform are.
    pub keys_url: String,
    /// The audience of our e-service.
    pub audience: String,
    /// The e-service.
    pub eservice_id: String,
    /// Us.
    pub producer_id: String,
    /// Its versions that we serve.
    pub descriptor_ids: BTreeSet<String>,
    /// PEM file with the authorities of the platform, instead of those of the machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether the name of the platform may lead to a machine of our own networks.
    #[serde(default)]
    pub allow_private: bool,
    /// The client of `[pdnd.NAME]` with which the keys of partners are asked for, to verify what they
    /// sign: a client of the platform's own services.
    #[serde(default)]
    pub client: Option<String>,
    /// Where the platform's own services are, in place of the address of the client's environment.
    #[serde(default)]
    pub api_url: Option<String>,
}

/// What an access token must say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// The provider, exactly as its tokens name it.
    pub issuer: String,
    /// The audience of our API.
    pub audience: String,
    /// Signatures that are accepted.
    #[serde(default = "algorithms")]
    pub algorithms: BTreeSet<String>,
    /// What `typ` may say. Some providers write `JWT`.
    #[serde(default = "types")]
    pub types: BTreeSet<String>,
    /// PEM file with the authorities of the provider, instead of those of the machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether the name of the provider may lead to a machine of our own networks.
    #[serde(default)]
    pub allow_private: bool,
}

fn algorithms() -> BTreeSet<String> {
    BTreeSet::from(["RS256".to_owned()])
}

fn types() -> BTreeSet<String> {
    BTreeSet::from(["at+jwt".to_owned(), "application/at+jwt".to_owned()])
}

/// What a partner may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read records and changes.
    Read,
    /// Take all of them at once.
    Export,
    /// Send records of his own.
    Contribute,
}

/// Whether something must come, or is verified when it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// It may come.
    #[default]
    Optional,
    /// It must.
    Required,
}

/// What partners send when nothing else is written.
const PROCUREMENT: &[Kind] = &[
    Kind::Programma,
    Kind::Intervento,
    Kind::Procedura,
    Kind::Lotto,
    Kind::Aggiudicazione,
    Kind::Contratto,
    Kind::EventoEsecuzione,
    Kind::Pagamento,
    Kind::Progetto,
    Kind::CollegamentoCupCig,
];

/// A partner.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartnerConfig {
    /// His identity on the national platform: `consumerId`.
    pub consumer_id: Option<String>,
    /// Purposes for which he may ask; all of his, when none is written.
    pub purposes: BTreeSet<String>,
    /// His identity at the provider: `client_id`.
    pub client_id: Option<String>,
    /// What he may do.
    pub roles: BTreeSet<Role>,
    /// Tax codes of the bodies whose records he may see and send.
    pub bodies: BTreeSet<String>,
    /// Regions whose bodies' records he may see: two digits of ISTAT.
    pub regions: BTreeSet<String>,
    /// Whether he may see everything, records without a body among it.
    pub everything: bool,
    /// The configured system, with adapter `file-drop`, as which his records are read.
    pub system: Option<String>,
    /// What he may send; records of procurement, when none is written. A membership opens a gate, and
    /// a body says whose region it is in: neither is sent by whom it concerns.
    pub kinds: Option<BTreeSet<Kind>>,
    /// Whether what he sends must be signed: `Agid-JWT-Signature` with `Digest`.
    pub integrity: Demand,
    /// The evidence that must come with what he sends: `Agid-JWT-TrackingEvidence`.
    pub audit: AuditPattern,
    /// PEM file with the authorities, or the certificates, by which he signs in place of a key that is
    /// registered with the platform.
    pub certificates_file: Option<PathBuf>,
    /// Requests in a minute, for each purpose.
    pub requests_per_minute: Option<u32>,
    /// Requests in a day, for each purpose.
    pub requests_per_day: Option<u32>,
    /// Where he is told that there are changes for him; nowhere, when it is not written.
    pub webhook: Option<WebhookConfig>,
    /// Where he is told that an export is there, when he asks for it (`X-ReplyTo`).
    pub callback: Option<CallbackConfig>,
}

/// Where a partner is told that what he asked for is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackConfig {
    /// The address, `https://…` without a query: the only one that he may name.
    pub url: String,
    /// The file that holds the secret shared with him, `whsec_…`. While it is replaced: the new one,
    /// and on a line of its own the old one.
    pub secret_file: PathBuf,
    /// PEM file with the authorities of his server, instead of those of the machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether he may be on a network of ours.
    #[serde(default)]
    pub allow_private: bool,
}

impl CallbackConfig {
    /// How his address is spoken with.
    pub fn http(&self) -> HttpSettings {
        told_at(&self.url, self.ca_file.as_ref(), self.allow_private)
    }
}

/// How an address is spoken with at which a partner is told something.
fn told_at(url: &str, ca_file: Option<&PathBuf>, allow_private: bool) -> HttpSettings {
    let ca_file = ca_file.cloned();
    HttpSettings { max_answer_bytes: LONGEST_ANSWER, ca_file, allow_private, ..HttpSettings::new(url) }
}

/// Where a partner is told that there are changes for him.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// The address, `https://…` without a query.
    pub url: String,
    /// The file that holds the secret shared with him, `whsec_…`. While it is replaced: the new one,
    /// and on a line of its own the old one.
    pub secret_file: PathBuf,
    /// At least so many seconds lie between two messages that he took.
    #[serde(default = "pause_seconds")]
    pub pause_seconds: u16,
    /// PEM file with the authorities of his server, instead of those of the machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether he may be on a network of ours: the address is his, and nothing else leads there.
    #[serde(default)]
    pub allow_private: bool,
}

fn pause_seconds() -> u16 {
    10
}

/// The longest answer to a message whose head is looked at; its body says nothing to us.
const LONGEST_ANSWER: usize = 64 * 1024;

impl WebhookConfig {
    /// How his address is spoken with.
    pub fn http(&self) -> HttpSettings {
        told_at(&self.url, self.ca_file.as_ref(), self.allow_private)
    }
}

impl ExchangeConfig {
    /// Makes paths relative to a folder.
    pub(super) fn in_folder(&mut self, folder: &Path) {
        let files =
            [self.oidc.as_mut().map(|oidc| &mut oidc.ca_file), self.pdnd.as_mut().map(|pdnd| &mut pdnd.ca_file)];
        let files = files.into_iter().flatten();
        let certificates = self.partners.values_mut().map(|partner| &mut partner.certificates_file);
        for file in files.chain(certificates).flatten() {
            *file = folder.join(&*file);
        }
        for callback in self.partners.values_mut().filter_map(|partner| partner.callback.as_mut()) {
            callback.secret_file = folder.join(&callback.secret_file);
            callback.ca_file = callback.ca_file.take().map(|file| folder.join(file));
        }
        for webhook in self.partners.values_mut().filter_map(|partner| partner.webhook.as_mut()) {
            webhook.secret_file = folder.join(&webhook.secret_file);
            webhook.ca_file = webhook.ca_file.take().map(|file| folder.join(file));
        }
    }

    /// What is wrong with it: where, and what to write instead.
    pub(super) fn problem(
        &self,
        systems: &[&str],
        is_api_client: &dyn Fn(&str) -> bool,
    ) -> Option<(Vec<String>, String)> {
        let at = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        if let Some(address) = &self.address
            && (!is_address(address) || address.ends_with('/'))
        {
            let problem =
                "exchange.address is not an address such as https://scambio.provincia.example: no slash ends it";
            return Some((at(&["exchange", "address"]), problem.to_owned()));
        }
        if let Some(oidc) = &self.oidc {
            const KNOWN: [&str; 6] = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];
            let unknown = oidc.algorithms.iter().find(|name| !KNOWN.contains(&name.as_str()));
            if let Some(name) = unknown {
                let problem = format!("exchange.oidc.algorithms names `{name}`; accepted are: {}", KNOWN.join(", "));
                return Some((at(&["exchange", "oidc", "algorithms"]), problem));
            }
        }
        if let Some(client) =
            self.pdnd.as_ref().and_then(|pdnd| pdnd.client.as_deref()).filter(|name| !is_api_client(name))
        {
            let problem = format!(
                "exchange.pdnd.client: there is no [pdnd.{client}] with is_api_client = true, which a client of the \
                 platform's own services has"
            );
            return Some((at(&["exchange", "pdnd", "client"]), problem));
        }
        if let Some(found) = self.said_twice(at) {
            return Some(found);
        }
        self.partners.iter().find_map(|(name, partner)| {
            let wrong = |key: &str, problem: String| Some((at(&["exchange", "partners", name, key]), problem));
            if partner.consumer_id.is_none() && partner.client_id.is_none() {
                let problem = format!("exchange.partners.{name} has neither consumer_id nor client_id: nobody can be him");
                return Some((at(&["exchange", "partners", name]), problem));
            }
            if let Some(body) = partner.bodies.iter().find(|body| !is_body(body)) {
                let problem = format!("exchange.partners.{name}.bodies: `{body}` is not the tax code of a body, eleven digits");
                return wrong("bodies", problem);
            }
            if let Some(region) = partner.regions.iter().find(|region| territory::units(region).is_none()) {
                let known = territory::regions();
                return wrong("regions", format!("exchange.partners.{name}.regions: no region is `{region}`; known are: {known}"));
            }
            if partner.roles.contains(&Role::Contribute) && partner.system.is_none() {
                let problem = format!("exchange.partners.{name} may contribute: name in `system` the file-drop as which his records are read");
                return wrong("roles", problem);
            }
            if let Some((key, problem)) = self.unverifiable(name, partner) {
                return wrong(key, problem);
            }
            if let Some(system) = partner.system.as_deref().filter(|system| !systems.contains(system)) {
                return wrong("system", format!("exchange.partners.{name}.system: no system is called `{system}`"));
            }
            let (keys, problem) = partner.webhook_problem(name).or_else(|| partner.callback_problem(name))?;
            let keys = keys.into_iter().map(str::to_owned);
            Some((at(&["exchange", "partners", name]).into_iter().chain(keys).collect(), problem))
        })
    }
}

impl ExchangeConfig {
    /// What is asked of a partner and could not be verified: the key, and what to write.
    fn unverifiable(&self, name: &str, partner: &PartnerConfig) -> Option<(&'static str, String)> {
        let (signs, tells) = (partner.integrity == Demand::Required, partner.audit != AuditPattern::None);
        let has_keys =
            self.pdnd.as_ref().is_some_and(|pdnd| pdnd.client.is_some()) || partner.certificates_file.is_some();
        if (signs || tells) && !has_keys {
            let key = if signs { "integrity" } else { "audit" };
            let problem = format!(
                "exchange.partners.{name}.{key} cannot be verified: name in exchange.pdnd.client the client of \
                 [pdnd.NAME] that asks for his keys, or in certificates_file his authorities"
            );
            return Some((key, problem));
        }
        if tells && partner.consumer_id.is_none() {
            let problem = "only a voucher has a purpose; write his consumer_id";
            return Some(("audit", format!("exchange.partners.{name}.audit: {problem}")));
        }
        None
    }

    /// Two partners who are one at the door, or whose records would replace each other's.
    fn said_twice(&self, at: impl Fn(&[&str]) -> Vec<String>) -> Option<(Vec<String>, String)> {
        let sends = |partner: &PartnerConfig| partner.roles.contains(&Role::Contribute);
        let mut seen = BTreeSet::new();
        for (name, partner) in &self.partners {
            let system = partner.system.as_ref().filter(|_| sends(partner));
            for (key, said) in [("consumer_id", &partner.consumer_id), ("client_id", &partner.client_id)]
                .into_iter()
                .filter_map(|(key, said)| Some((key, said.as_ref()?)))
                .chain(system.map(|system| ("system", system)))
            {
                if !seen.insert((key, said)) {
                    let problem = format!("exchange.partners.{name}.{key}: another partner has `{said}` too");
                    return Some((at(&["exchange", "partners", name, key]), problem));
                }
            }
        }
        None
    }
}

impl PartnerConfig {
    /// Whose records he may see.
    pub fn scope(&self) -> Scope {
        let units: BTreeSet<_> = self.regions.iter().filter_map(|region| territory::units(region)).flatten().collect();
        Scope {
            everything: self.everything,
            bodies: self.bodies.iter().filter_map(|body| CodiceFiscale::parse(body).ok()).collect(),
            units: units.into_iter().map(|unit| (*unit).to_owned()).collect(),
        }
    }

    /// What is wrong with where he is told of changes: the key, and what to write instead.
    fn webhook_problem(&self, name: &str) -> Option<([&'static str; 2], String)> {
        let webhook = self.webhook.as_ref()?;
        let place = format!("exchange.partners.{name}.webhook");
        if !self.roles.contains(&Role::Read) {
            let problem =
                format!("{place}: he may not read the changes that he would be told of; add \"read\" to his roles");
            return Some((["webhook", "url"], problem));
        }
        if webhook.pause_seconds == 0 {
            return Some((["webhook", "pause_seconds"], format!("{place}.pause_seconds is 0: write at least 1")));
        }
        let problem = webhook.http().check_address_of_others().err()?;
        Some((["webhook", "url"], format!("{place}.url: {}", problem.replace("base_url", "it"))))
    }

    /// What is wrong with where he is told that an export is there.
    fn callback_problem(&self, name: &str) -> Option<([&'static str; 2], String)> {
        let callback = self.callback.as_ref()?;
        let place = format!("exchange.partners.{name}.callback");
        if !self.roles.contains(&Role::Export) {
            let problem =
                format!("{place}: he may not export, and so is told of no export; add \"export\" to his roles");
            return Some((["callback", "url"], problem));
        }
        let problem = callback.http().check_address_of_others().err()?;
        Some((["callback", "url"], format!("{place}.url: {}", problem.replace("base_url", "it"))))
    }

    /// Whether records of a kind are taken from him.
    pub fn may_send(&self, kind: Kind) -> bool {
        self.kinds.as_ref().map_or_else(|| PROCUREMENT.contains(&kind), |kinds| kinds.contains(&kind))
    }
}

fn is_body(code: &str) -> bool {
    CodiceFiscale::parse(code).is_ok_and(|code| !code.is_person())
}

fn is_address(address: &str) -> bool {
    let behind = |host: &str| address.strip_prefix(host).map(|rest| rest.is_empty() || rest.starts_with([':', '/']));
    let is_local = behind("http://127.0.0.1").or_else(|| behind("http://localhost")).unwrap_or(false);
    (address.starts_with("https://") || is_local) && !address.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<(Vec<String>, String)> {
        toml::from_str::<ExchangeConfig>(text)
            .expect("a section")
            .problem(&["invii", "altri"], &|name| name == "interop")
    }

    #[test]
    fn two_partners_are_never_one_and_never_write_over_each_other() {
        let partner = |name: &str, client: &str, system: &str| {
            format!("[partners.{name}]\nclient_id = \"{client}\"\nroles = [\"contribute\"]\nsystem = \"{system}\"\n")
        };
        assert_eq!(problem(&(partner("a", "a", "invii") + &partner("b", "b", "altri"))), None);
        let same_client = problem(&(partner("a", "a", "invii") + &partner("b", "a", "altri"))).expect("refused");
        assert_eq!(same_client.0, ["exchange", "partners", "b", "client_id"]);
        let same_system = problem(&(partner("a", "a", "invii") + &partner("b", "b", "invii"))).expect("refused");
        assert_eq!(same_system.0, ["exchange", "partners", "b", "system"]);
    }

    #[test]
    fn a_signature_that_nobody_could_verify_is_not_asked_for() {
        let pdnd = |client: &str| {
            format!(
                "[pdnd]\nissuer = \"i\"\nkeys_url = \"k\"\naudience = \"a\"\neservice_id = \"e\"\nproducer_id = \"p\"\n\
                 descriptor_ids = [\"d\"]\n{client}\n"
            )
        };
        let partner = |text: &str| format!("[partners.a]\nconsumer_id = \"c\"\nroles = [\"read\"]\n{text}\n");
        let signs = partner("integrity = \"required\"");
        assert_eq!(problem(&signs).expect("no key").0, ["exchange", "partners", "a", "integrity"]);
        assert_eq!(problem(&(pdnd("client = \"interop\"") + &signs)), None);
        assert_eq!(problem(&(pdnd("client = \"appalti\"") + &signs)).expect("none").0, ["exchange", "pdnd", "client"]);
        assert_eq!(problem(&partner("integrity = \"required\"\ncertificates_file = \"x.pem\"")), None);
        let stranger = partner("audit = \"audit_rest_01\"").replace("consumer_id", "client_id");
        let asked = problem(&(pdnd("client = \"interop\"") + &stranger)).expect("no purpose");
        assert!(asked.1.contains("consumer_id"), "{asked:?}");
    }

    #[test]
    fn what_opens_a_gate_is_taken_only_from_whom_it_is_written_for() {
        let usual = PartnerConfig::default();
        assert!(usual.may_send(Kind::Lotto) && !usual.may_send(Kind::Adesione) && !usual.may_send(Kind::Ente));
        let named: PartnerConfig = toml::from_str("kinds = [\"adesione\"]").expect("a partner");
        assert!(named.may_send(Kind::Adesione) && !named.may_send(Kind::Lotto));
    }

    #[test]
    fn an_address_that_only_begins_like_this_machine_is_none() {
        for (address, is_good) in [
            ("https://scambio.provincia.example", true),
            ("http://127.0.0.1:8470", true),
            ("http://localhost", true),
            ("http://127.0.0.1.evil.example", false),
            ("http://scambio.provincia.example", false),
        ] {
            assert_eq!(is_address(address), is_good, "{address}");
        }
    }

    #[test]
    fn the_settings_of_the_guide_are_understood() {
        let guide = include_str!("../../docs/guida/api.md");
        let (_, rest) = guide.split_once("```toml\n").expect("settings");
        let (settings, _) = rest.split_once("```").expect("their end");
        let config: crate::config::Config = toml::from_str(settings).expect("a configuration");
        assert_eq!(config.exchange.problem(&["invii-lombardia"], &|name| name == "interop"), None);
        let partner = &config.exchange.partners["osservatorio-lombardia"];
        assert!(partner.webhook.is_some() && partner.callback.is_some());
    }
}
