//! The environments of the platform and their addresses: defaults that a connection may replace,
//! and one rule: they are never mixed.

use serde::{Deserialize, Serialize};

/// An environment of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// Collaudo: for tests.
    #[default]
    Uat,
    /// Attestazione: for the acceptance of an e-service.
    Att,
    /// Produzione.
    Prod,
}

impl Environment {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Uat, Self::Att, Self::Prod];

    /// What stands before the domain of the platform in its hosts.
    fn label(self) -> &'static str {
        match self {
            Self::Uat => "uat.",
            Self::Att => "att.",
            Self::Prod => "",
        }
    }

    /// The environment that a host or an issuer belongs to; none for hosts that are not the
    /// platform's, as those of tests.
    pub fn of_host(host: &str) -> Option<Self> {
        let before = host.strip_suffix(DOMAIN)?;
        if !before.is_empty() && !before.ends_with('.') {
            return None;
        }
        let label = before.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        Some(match label {
            "uat" => Self::Uat,
            "att" => Self::Att,
            _ => Self::Prod,
        })
    }
}

const DOMAIN: &str = "interop.pagopa.it";

/// Where the platform answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Where vouchers are asked for.
    pub token_url: String,
    /// The `aud` of an assertion. It has no scheme.
    pub assertion_audience: String,
    /// The `iss` of a voucher.
    pub issuer: String,
    /// The keys that sign vouchers.
    pub voucher_keys_url: String,
    /// The platform's own services.
    pub api_url: String,
    /// The keys that sign their answers.
    pub api_keys_url: String,
    /// The notifications of change. The address of the test environment is not public.
    pub signal_hub_url: Option<String>,
}

impl Endpoints {
    /// The addresses of an environment. The issuer of att is as the other two suggest: confirm it
    /// with the first voucher.
    pub fn of(environment: Environment) -> Self {
        let label = environment.label();
        let signal_hub = match environment {
            Environment::Uat => None,
            Environment::Att => Some(format!("https://api.att.signalhub.{DOMAIN}/1.0")),
            Environment::Prod => Some(format!("https://api.signalhub.{DOMAIN}/1.0")),
        };
        Self {
            token_url: format!("https://auth.{label}{DOMAIN}/token.oauth2"),
            assertion_audience: format!("auth.{label}{DOMAIN}/client-assertion"),
            issuer: format!("{label}{DOMAIN}"),
            voucher_keys_url: format!("https://{label}{DOMAIN}/.well-known/jwks.json"),
            api_url: format!("https://api.{label}{DOMAIN}/v3"),
            api_keys_url: format!("https://api.{label}{DOMAIN}/.well-known/jwks.json"),
            signal_hub_url: signal_hub,
        }
    }

    /// The token endpoint of the asynchronous exchange.
    pub fn asynchronous_token_url(&self) -> String {
        format!("{}.async", self.token_url)
    }

    /// The environment that all these addresses belong to, or the two that disagree. Addresses
    /// outside the platform say nothing, save that an assertion for the platform goes nowhere else.
    pub fn environment(&self) -> Result<Option<Environment>, Mixed> {
        let named = [
            ("token_url", Some(&self.token_url)),
            ("assertion_audience", Some(&self.assertion_audience)),
            ("issuer", Some(&self.issuer)),
            ("voucher_keys_url", Some(&self.voucher_keys_url)),
            ("api_url", Some(&self.api_url)),
            ("api_keys_url", Some(&self.api_keys_url)),
            ("signal_hub_url", self.signal_hub_url.as_ref()),
        ];
        let known = named.into_iter().filter_map(|(name, address)| {
            let host = host_of(address?);
            Some((name, Environment::of_signal_hub(host).or_else(|| Environment::of_host(host))?))
        });
        let known: Vec<_> = known.collect();
        let Some((first, environment)) = known.first().copied() else { return Ok(None) };
        match known.iter().find(|(_, other)| *other != environment) {
            Some((second, _)) => Err(Mixed { first, second }),
            None => Ok(Some(environment)),
        }
    }
}

impl Environment {
    /// The hub's hosts have the environment in another place.
    fn of_signal_hub(host: &str) -> Option<Self> {
        let before = host.strip_suffix(DOMAIN)?.strip_suffix("signalhub.")?;
        Self::of_host(&format!("{before}{DOMAIN}"))
    }
}

/// Two addresses of different environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} belong to different environments of the platform")]
pub struct Mixed {
    /// One of them.
    pub first: &'static str,
    /// The other.
    pub second: &'static str,
}

/// The host of an address, with or without a scheme, without its port.
pub fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    host.rsplit_once(':').map_or(host, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_an_environment_belong_together() {
        for environment in Environment::ALL {
            assert_eq!(Endpoints::of(environment).environment(), Ok(Some(environment)));
        }
    }

    #[test]
    fn an_address_of_another_environment_is_named() {
        let uat = Endpoints::of(Environment::Uat);
        let audience = Endpoints::of(Environment::Prod).assertion_audience;
        let mixed = Endpoints { assertion_audience: audience, ..uat.clone() };
        let expected = Mixed { first: "token_url", second: "assertion_audience" };
        assert_eq!(mixed.environment(), Err(expected));
        let hub = Endpoints::of(Environment::Att).signal_hub_url;
        let mixed = Endpoints { signal_hub_url: hub, ..uat };
        assert_eq!(mixed.environment(), Err(Mixed { first: "token_url", second: "signal_hub_url" }));
    }

    #[test]
    fn a_host_that_only_looks_like_the_platform_is_none_of_its_environments() {
        assert_eq!(Environment::of_host("evilinterop.pagopa.it"), None);
        assert_eq!(Environment::of_host("interop.pagopa.it.example"), None);
        assert_eq!(Environment::of_host("127.0.0.1"), None);
    }
}
