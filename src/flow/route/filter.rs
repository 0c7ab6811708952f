//! What one target is given, of all that it could take: the configured part of the routes.

use std::collections::BTreeSet;

use canonical::identifiers::CodiceFiscale;
use canonical::{Kind, Record};
use serde::Deserialize;

/// Conditions that a record must meet to be routed to a target. Without any, everything that the
/// target takes goes there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Only these kinds.
    pub kinds: Option<BTreeSet<Kind>>,
    /// Only what comes from these sources, by their names in the configuration.
    pub from: Option<BTreeSet<String>>,
    /// Only what belongs to these bodies, by fiscal code. Records that name no body pass.
    pub enti: Option<BTreeSet<CodiceFiscale>>,
}

impl Filter {
    /// Whether a record passes.
    pub fn admits(&self, record: &Record) -> bool {
        let source = record.provenance.source.as_str();
        let of_body = |enti: &BTreeSet<CodiceFiscale>| record.body.ente().is_none_or(|ente| enti.contains(ente));
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&record.kind()))
            && self.from.as_ref().is_none_or(|from| from.contains(source))
            && self.enti.as_ref().is_none_or(of_body)
    }

    /// The filter as one text, for those who must see whether it changed.
    pub fn describe(&self) -> String {
        let list = |items: Option<Vec<&str>>| items.map_or_else(|| "*".to_owned(), |items| items.join(","));
        let kinds = list(self.kinds.as_ref().map(|kinds| kinds.iter().map(|kind| kind.name()).collect()));
        let from = list(self.from.as_ref().map(|from| from.iter().map(String::as_str).collect()));
        let enti = list(self.enti.as_ref().map(|enti| enti.iter().map(CodiceFiscale::as_str).collect()));
        format!("{kinds} {from} {enti}")
    }
}
