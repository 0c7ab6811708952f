//! Other nodes: where their exchange API is, and how we prove there who we are.

use std::path::{Path, PathBuf};

use canonical::SourceName;
use canonical::identifiers::CodiceFiscale;
use kit::http::HttpSettings;
use kit::oauth::settings::Registration;
use kit::pdnd::settings::Connection;
use serde::Deserialize;

use super::Config;
use crate::discrepancy::SOURCES;
use crate::flow::reconcile::nodes::wire::MOST_BODIES;

/// Another node, a Province's or an observatory's, with which this one compares what both hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Where its exchange API is: what stands before `/api/v1`.
    pub address: String,
    /// The bodies whose records are compared: what we hold of others is not told there, not even hashed.
    #[serde(default)]
    pub bodies: Vec<CodiceFiscale>,
    /// The records of every body, and those that belong to none, in place of `bodies`.
    #[serde(default)]
    pub everything: bool,
    /// Hours for which what was stored on one side is not expected on the other yet.
    #[serde(default = "grace_hours")]
    pub grace_hours: u16,
    /// PEM file with the authorities of the node, instead of those of the machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether its name may lead to a machine of our own networks.
    #[serde(default)]
    pub allow_private: bool,
    /// The client of the national platform through which it is reached, where its API is an e-service.
    #[serde(default)]
    pub pdnd: Option<Connection>,
    /// How we are registered with the authorization server that gives tokens for it, in place of `pdnd`.
    #[serde(default)]
    pub oauth: Option<Registration>,
}

fn grace_hours() -> u16 {
    24
}

impl NodeConfig {
    /// How it is reached.
    pub fn http(&self) -> HttpSettings {
        HttpSettings {
            ca_file: self.ca_file.clone(),
            allow_private: self.allow_private,
            pdnd: self.pdnd.clone().map(Box::new),
            oauth: self.oauth.clone().map(Box::new),
            ..HttpSettings::new(&self.address)
        }
    }

    pub(super) fn in_folder(&mut self, folder: &Path) {
        self.ca_file = self.ca_file.take().map(|file| folder.join(file));
        if let Some(pdnd) = &mut self.pdnd {
            pdnd.be_relative_to(folder);
        }
        if let Some(oauth) = &mut self.oauth {
            oauth.be_relative_to(folder);
        }
    }
}

/// What is wrong with how the nodes are written: the keys, and what to write instead.
pub(super) fn problem(config: &Config) -> Option<(Vec<&str>, String)> {
    let wrong = config.nodes.iter().find_map(|(name, node)| {
        let why = if SourceName::parse(name).is_none() {
            "use 1 to 64 lower-case letters, digits and hyphens, for instance `osservatorio-lombardia`"
        } else if config.systems.contains_key(name) {
            "a system has this name: comparisons are known by name, give one another"
        } else if node.pdnd.is_some() && config.pdnd.contains_key(name) {
            "a client of [pdnd.NAME] has this name: commands know clients by name, give one another"
        } else if name == SOURCES {
            "this is the name of the comparison of the sources: give it another"
        } else if node.everything && !node.bodies.is_empty() {
            "everything = true together with bodies: take one of them away"
        } else if node.bodies.is_empty() != node.everything {
            "write the tax codes of the bodies whose records are compared, `bodies = [\"…\"]`, or `everything = true`"
        } else if node.bodies.len() > MOST_BODIES || node.bodies.iter().any(|body| body.is_person()) {
            "write in bodies the tax codes of bodies, at most a thousand of them"
        } else if node.pdnd.is_some() == node.oauth.is_some() {
            "say in [nodes.NAME.oauth] or in [nodes.NAME.pdnd], and not in both, how we prove there who we are"
        } else {
            return None;
        };
        Some((name, why))
    });
    wrong.map(|(name, why)| (vec!["nodes", name.as_str()], format!("node name `{name}`: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OAUTH: &str =
        "oauth]\ntoken_url = \"https://a.example/token\"\nclient_id = \"c\"\nclient_secret_file = \"s\"\n";

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/srv/raccordo"))
    }

    #[test]
    fn a_node_has_an_address_and_a_name_of_its_own() {
        let config =
            parse(&format!("[nodes.regione]\neverything = true\naddress = \"https://r.example\"\nca_file = \"ca.pem\"\n[nodes.regione.{OAUTH}"))
                .expect("valid");
        let node = &config.nodes["regione"];
        assert_eq!((node.grace_hours, node.bodies.len()), (24, 0));
        assert_eq!(node.http().ca_file.as_deref(), Some(Path::new("/srv/raccordo/ca.pem")));
        for (name, words) in [
            ("hub", "a system has this name"),
            ("fonti", "of the sources"),
            ("Hub", "lower-case"),
            ("x", "tax codes of the bodies"),
        ] {
            let everything = if name == "x" { "" } else { "everything = true\n" };
            let text = format!(
                "[systems.hub]\n[nodes.{name}]\naddress = \"https://r.example\"\n{everything}[nodes.{name}.{OAUTH}"
            );
            let problem = parse(&text).expect_err(words);
            assert!(problem.starts_with("line 2: ") && problem.contains(words), "{problem}");
        }
    }

    #[test]
    fn a_client_by_which_a_node_is_reached_has_a_name_of_its_own() {
        let client = "environment = \"uat\"\nclient_id = \"c\"\nprivate_key_file = \"c.pem\"\n";
        let node = format!(
            "[nodes.regione]\neverything = true\naddress = \"https://r.example\"\n[nodes.regione.pdnd]\n{client}"
        );
        assert!(parse(&format!("{node}[pdnd.altro]\n{client}")).is_ok());
        let problem = parse(&format!("{node}[pdnd.regione]\n{client}")).expect_err("one name for two");
        assert!(problem.starts_with("line 1: ") && problem.contains("give one another"), "{problem}");
        let by_token = parse(&format!(
            "[nodes.regione]\neverything = true\naddress = \"https://r.example\"\n[nodes.regione.{OAUTH}[pdnd.regione]\n{client}"
        ));
        assert!(by_token.is_ok(), "a token is no client");
    }
}
