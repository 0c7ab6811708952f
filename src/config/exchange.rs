//! The exchange API: where partners find it, who they are, and what each of them may see and do.
//! What is not written here is refused. What cannot work is told in `checks`.

mod checks;

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
    /// sign: a client of the platform's own services, with `scheme = "dpop"`.
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
    /// PEM file with the certificates by which he signs, in place of a key that is registered with the
    /// platform, and with the authorities that vouch for them. No other certificate of theirs is his.
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

    /// Whether he reads our e-service on the national platform.
    pub fn reads_by_voucher(&self) -> bool {
        self.consumer_id.is_some() && self.roles.contains(&Role::Read)
    }

    /// Whether records of a kind are taken from him.
    pub fn may_send(&self, kind: Kind) -> bool {
        self.kinds.as_ref().map_or_else(|| PROCUREMENT.contains(&kind), |kinds| kinds.contains(&kind))
    }
}

#[cfg(test)]
mod tests;
