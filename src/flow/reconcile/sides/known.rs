//! What registries say of codes: who circulates under two of them, which territory got another one.

use std::collections::BTreeMap;

use canonical::{Body, Record};

use super::super::judge::Known;

/// Codes by what they stand for. Two codes of one thing have the same representative.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    operators: BTreeMap<String, String>,
    territories: BTreeMap<String, String>,
}

impl Registry {
    /// The registry that some records make: bodies, operators, territories.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut registry = Self::default();
        let mut cadastral: BTreeMap<String, String> = BTreeMap::new();
        for record in records {
            match &record.body {
                Body::Ente(body) => {
                    let codes = body.altri_codici.iter().map(canonical::identifiers::CodiceFiscale::as_str);
                    codes.for_each(|code| join(&mut registry.operators, body.codice_fiscale.as_str(), code));
                }
                Body::OperatoreEconomico(body) => {
                    let codes = body.altri_codici.iter().map(canonical::identifiers::CodiceFiscale::as_str);
                    codes.for_each(|code| join(&mut registry.operators, body.codice_fiscale.as_str(), code));
                }
                Body::Territorio(body) => {
                    let code = body.codice_istat.as_str();
                    if let Some(next) = &body.sostituito_da {
                        join(&mut registry.territories, code, next.as_str());
                    }
                    // The cadastral code survives a recoding.
                    if let Some(one) = &body.codice_catastale {
                        let first = cadastral.entry(one.clone()).or_insert_with(|| code.to_owned());
                        join(&mut registry.territories, first, code);
                    }
                }
                _ => {}
            }
        }
        registry
    }
}

impl Known for Registry {
    fn are_one_operator(&self, one: &str, other: &str) -> bool {
        are_joined(&self.operators, one, other)
    }

    fn are_one_territory(&self, one: &str, other: &str) -> bool {
        are_joined(&self.territories, one, other)
    }
}

/// The representative of a code.
fn root<'a>(codes: &'a BTreeMap<String, String>, code: &'a str) -> &'a str {
    let mut code = code;
    while let Some(next) = codes.get(code) {
        code = next;
    }
    code
}

fn join(codes: &mut BTreeMap<String, String>, one: &str, other: &str) {
    let (one, other) = (root(codes, one).to_owned(), root(codes, other).to_owned());
    if one != other {
        codes.insert(one, other);
    }
}

fn are_joined(codes: &BTreeMap<String, String>, one: &str, other: &str) -> bool {
    root(codes, one) == root(codes, other)
}
