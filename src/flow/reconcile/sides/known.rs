//! What registries say of codes: who circulates under two of them, which territory got another one.

use std::collections::BTreeMap;

use canonical::identifiers::CodiceFiscale;
use canonical::{Body, Record};

use super::super::judge::Known;

/// Codes by what they stand for. Two codes of one thing have the same representative.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    operators: BTreeMap<String, String>,
    territories: BTreeMap<String, String>,
    /// The first code of a territory, by the cadastral code that survives a recoding.
    cadastral: BTreeMap<String, String>,
}

impl Registry {
    /// The registry that some records make: bodies, operators, territories.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut registry = Self::default();
        records.into_iter().for_each(|record| registry.add(record));
        registry
    }

    /// Adds what one record says. Who has one code only takes no room.
    pub fn add(&mut self, record: &Record) {
        match &record.body {
            Body::Ente(body) => self.add_codes(&body.codice_fiscale, &body.altri_codici),
            Body::OperatoreEconomico(body) => self.add_codes(&body.codice_fiscale, &body.altri_codici),
            Body::Territorio(body) => {
                let code = body.codice_istat.as_str();
                if let Some(next) = &body.sostituito_da {
                    join(&mut self.territories, code, next.as_str());
                }
                if let Some(one) = &body.codice_catastale {
                    let first = self.cadastral.entry(one.clone()).or_insert_with(|| code.to_owned());
                    join(&mut self.territories, first, code);
                }
            }
            _ => {}
        }
    }

    fn add_codes<'c>(&mut self, code: &CodiceFiscale, others: impl IntoIterator<Item = &'c CodiceFiscale>) {
        others.into_iter().for_each(|other| join(&mut self.operators, code.as_str(), other.as_str()));
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
