//! What is wrong with the exchange API as it is configured: each problem with its key, and what to write.

use std::collections::{BTreeMap, BTreeSet};

use canonical::identifiers::CodiceFiscale;
use kit::pdnd::environment::{Environment, host_of};
use kit::pdnd::settings::{AuditPattern, Connection};

use super::{Demand, ExchangeConfig, PartnerConfig, PdndConfig, Role};
use crate::flow::exchange::territory;

/// Where, and what to write instead.
type Problem = (Vec<String>, String);

impl ExchangeConfig {
    /// What is wrong with it: where, and what to write instead.
    pub(in crate::config) fn problem(
        &self,
        systems: &[&str],
        clients: &BTreeMap<String, Connection>,
    ) -> Option<Problem> {
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
        if let Some(found) = self.pdnd.as_ref().and_then(|pdnd| pdnd.problem(clients)).or_else(|| self.said_twice()) {
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

    /// What is asked of a partner and could not be verified: the key, and what to write.
    fn unverifiable(&self, name: &str, partner: &PartnerConfig) -> Option<(&'static str, String)> {
        let (signs, tells) = (partner.integrity == Demand::Required, partner.audit != AuditPattern::None);
        if (signs || tells) && !partner.roles.contains(&Role::Contribute) {
            let key = if signs { "integrity" } else { "audit" };
            let problem = format!(
                "exchange.partners.{name}.{key} is about what he sends, and he may send nothing: add \"contribute\" to \
                 his roles, or take {key} away"
            );
            return Some((key, problem));
        }
        let has_keys =
            self.pdnd.as_ref().is_some_and(|pdnd| pdnd.client.is_some()) || partner.certificates_file.is_some();
        if (signs || tells) && !has_keys {
            let key = if signs { "integrity" } else { "audit" };
            let problem = format!(
                "exchange.partners.{name}.{key} cannot be verified: name in exchange.pdnd.client the client of \
                 [pdnd.NAME] that asks for his keys, or in certificates_file his certificate and its authorities"
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
    fn said_twice(&self) -> Option<Problem> {
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

impl PdndConfig {
    /// What is wrong with the client that asks for the keys of partners.
    fn problem(&self, clients: &BTreeMap<String, Connection>) -> Option<Problem> {
        let name = self.client.as_deref()?;
        let Some(client) = clients.get(name).filter(|client| client.is_api_client) else {
            let problem = format!(
                "exchange.pdnd.client: there is no [pdnd.{name}] with is_api_client = true, which a client of the \
                 platform's own services has"
            );
            return Some((at(&["exchange", "pdnd", "client"]), problem));
        };
        let needs = "exchange.pdnd.client asks by it for keys at the platform's own services (version 3), which take \
                     no voucher but one bound to a key";
        if !client.scheme.is_dpop() {
            let problem =
                format!("pdnd.{name}.scheme: {needs}; write scheme = \"dpop\", and name that key in dpop_key_file");
            return Some((at(&["pdnd", name, "scheme"]), problem));
        }
        if client.dpop_key_file.is_none() {
            let problem =
                format!("pdnd.{name}.dpop_key_file is missing: {needs}; name its file, not that of private_key_file");
            return Some((at(&["pdnd", name, "dpop_key_file"]), problem));
        }
        // Keys of one environment say nothing about signatures of another.
        let written =
            [("issuer", Some(&self.issuer)), ("keys_url", Some(&self.keys_url)), ("api_url", self.api_url.as_ref())];
        let of_another = |address: &str| {
            Environment::of_host(host_of(address)).is_some_and(|environment| environment != client.environment)
        };
        let (key, address) =
            written.into_iter().find_map(|(key, address)| Some((key, address.filter(|it| of_another(it))?)))?;
        let problem = format!(
            "exchange.pdnd.{key} is {address}, of another environment of the platform than [pdnd.{name}]: environments \
             are never mixed"
        );
        Some((at(&["exchange", "pdnd", key]), problem))
    }
}

impl PartnerConfig {
    /// What is wrong with where he is told of changes: the key, and what to write instead.
    pub(super) fn webhook_problem(&self, name: &str) -> Option<([&'static str; 2], String)> {
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
    pub(super) fn callback_problem(&self, name: &str) -> Option<([&'static str; 2], String)> {
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
}

fn at(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn is_body(code: &str) -> bool {
    CodiceFiscale::parse(code).is_ok_and(|code| !code.is_person())
}

pub(super) fn is_address(address: &str) -> bool {
    let behind = |host: &str| address.strip_prefix(host).map(|rest| rest.is_empty() || rest.starts_with([':', '/']));
    let is_local = behind("http://127.0.0.1").or_else(|| behind("http://localhost")).unwrap_or(false);
    (address.starts_with("https://") || is_local) && !address.contains(char::is_whitespace)
}
