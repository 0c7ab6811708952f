//! Which client of the configuration is meant, and what is said where that is not clear.

use std::collections::BTreeMap;

use kit::pdnd::settings::Connection;

use crate::cli::output::Output;
use crate::cli::words::Words;
use crate::config::Config;

/// The clients, by name.
pub(super) type Clients = BTreeMap<String, Connection>;

/// The clients of a configuration: those of `[pdnd.NAME]`, of systems that are e-services, and of other
/// nodes. No name stands in two places: the configuration is refused.
pub(super) fn clients(config: &Config) -> Clients {
    let of_systems = config.systems.iter().filter_map(|(name, system)| Some((name.clone(), system.pdnd.clone()?)));
    let of_nodes = config.nodes.iter().filter_map(|(name, node)| Some((name.clone(), node.pdnd.clone()?)));
    of_systems.chain(of_nodes).chain(config.pdnd.clone()).collect()
}

/// The table of a client.
pub(super) fn table<'a>(config: &Config, name: &'a str) -> Vec<&'a str> {
    if config.pdnd.contains_key(name) {
        vec!["pdnd", name]
    } else if config.systems.contains_key(name) {
        vec!["systems", name, "pdnd"]
    } else {
        vec!["nodes", name, "pdnd"]
    }
}

/// Nobody is meant, or not one alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unclear {
    named: Option<String>,
    possible: Vec<String>,
}

/// The one that was named, or the only one that it can be.
pub(super) fn chosen<'c>(
    clients: &'c Clients,
    name: Option<&str>,
    is_it: impl Fn(&Connection) -> bool,
) -> Result<(&'c String, &'c Connection), Unclear> {
    let mut possible = clients.iter().filter(|(_, connection)| is_it(connection));
    let found = match name {
        Some(name) => clients.get_key_value(name),
        None => possible.next().filter(|_| possible.next().is_none()),
    };
    found.ok_or_else(|| Unclear {
        named: name.map(str::to_owned),
        possible: clients.iter().filter(|(_, it)| is_it(it)).map(|(name, _)| name.clone()).collect(),
    })
}

impl Unclear {
    /// Says what to write. `wanted` are the words for a client of the kind that is asked for.
    pub(super) fn tell(&self, wanted: &str, output: &Output) {
        output.note(&self.sentence(wanted, output.words));
    }

    fn sentence(&self, wanted: &str, words: &Words) -> String {
        let possible = self.possible.join(", ");
        let absent = || format!("{} {wanted} (docs/guida/pdnd.md).", words.no_such_client);
        match (&self.named, self.possible.is_empty()) {
            (Some(name), false) => {
                let name = words.quoted(name);
                format!("{} {name}. {}: {possible}.", words.no_client_of_this_name, words.it_may_be)
            }
            (Some(name), true) => {
                format!("{} {}. {}", words.no_client_of_this_name, words.quoted(name), absent())
            }
            (None, false) => format!("{}: {possible}.", words.name_one_client),
            (None, true) => absent(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::Language;

    fn client(is_api_client: bool, scheme: &str) -> Connection {
        let written = serde_json::json!({
            "environment": "uat", "client_id": "c", "private_key_file": "k",
            "is_api_client": is_api_client, "scheme": scheme,
        });
        serde_json::from_value(written).expect("settings")
    }

    fn three() -> Clients {
        let all = [("a", client(true, "dpop")), ("b", client(false, "bearer")), ("c", client(true, "bearer"))];
        all.into_iter().map(|(name, it)| (name.to_owned(), it)).collect()
    }

    #[test]
    fn a_client_need_not_be_named_when_there_is_no_other() {
        let clients = three();
        let name = |named: Option<&str>, is_api: bool| {
            let found = chosen(&clients, named, |it| it.is_api_client == is_api && (!is_api || it.scheme.is_dpop()));
            found.ok().map(|(name, _)| name.as_str())
        };
        assert_eq!((name(None, false), name(None, true)), (Some("b"), Some("a")));
        assert_eq!((name(Some("c"), false), name(Some("nobody"), true)), (Some("c"), None));
        assert!(chosen(&clients, None, |it| it.is_api_client).is_err(), "two: one must be named");
    }

    #[test]
    fn a_name_that_nobody_has_is_told_with_those_that_could_be_meant() {
        let clients = three();
        let said = |named: Option<&str>, language, is_it: fn(&Connection) -> bool| {
            let unclear = chosen(&clients, named, is_it).expect_err("nobody");
            unclear.sentence("un client di prova", Words::of(language))
        };
        let (it, en) = (Language::It, Language::En);
        let unknown = said(Some("servizio"), it, |it| it.is_api_client);
        assert_eq!(unknown, "Nessun client della configurazione si chiama «servizio». Può essere: a, c.");
        let unknown = said(Some("servizio"), en, |it| it.is_api_client);
        assert_eq!(unknown, "No client of the configuration is called `servizio`. It may be: a, c.");
        assert!(said(None, it, |it| it.is_api_client).ends_with("a, c."));
        let nobody = said(Some("servizio"), it, |_| false);
        assert!(nobody.contains("«servizio»") && nobody.contains("un client di prova"), "{nobody}");
        assert!(!said(None, it, |_| false).contains('«'), "no name was given");
    }

    #[test]
    fn a_client_stands_in_its_own_table_in_that_of_a_system_or_in_that_of_a_node() {
        let of = "environment = \"uat\"\nclient_id = \"c\"\nprivate_key_file = \"c.pem\"\n";
        let text = format!(
            "[pdnd.servizi]\n{of}[systems.hub.pdnd]\n{of}[nodes.regione]\naddress = \"https://r.example\"\n\
             everything = true\n[nodes.regione.pdnd]\n{of}"
        );
        let config = Config::parse(&text, Path::new("/srv")).expect("valid");
        let names: Vec<_> = clients(&config).into_keys().collect();
        assert_eq!(names, ["hub", "regione", "servizi"]);
        assert_eq!(table(&config, "servizi"), ["pdnd", "servizi"]);
        assert_eq!(table(&config, "hub"), ["systems", "hub", "pdnd"]);
        assert_eq!(table(&config, "regione"), ["nodes", "regione", "pdnd"]);
    }
}
