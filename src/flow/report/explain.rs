//! Why each field on a target has its value: the record, the document, the received text, the rule.

use std::panic::{AssertUnwindSafe, catch_unwind};

use canonical::identifiers::without_personal_codes;
use canonical::{Kind, Record};
use contract::Explanation;
use serde::Serialize;

use crate::flow::{Flow, FlowError};

/// The fields of what a target should hold about a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The target.
    pub target: String,
    /// The contract that it speaks.
    pub contract: &'static str,
    /// The version of the mapping.
    pub mapping: &'static str,
    /// The fields, in order of row.
    pub fields: Vec<ExplainedField>,
}

/// One field, with its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedField {
    /// The unit that carries it.
    pub unit: String,
    /// What the mapping says.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// The source of the record, the document and the line.
    pub origin: Option<String>,
    /// The received text, where it was not canonical already.
    pub received: Option<String>,
}

/// Explains what a target should hold about the records with this key.
pub async fn explain(flow: &Flow, target_name: &str, key: &str) -> Result<Explained, FlowError> {
    let adapter = flow.system(target_name)?;
    let no_role = || FlowError::NoRole { system: target_name.to_owned(), role: "target" };
    let target = adapter.target().ok_or_else(no_role)?;
    let mut fields = Vec::new();
    for delivery in flow.store.trace(key).await?.deliveries {
        if delivery.target != target_name {
            continue;
        }
        let Some(loaded) = flow.store.load(delivery.id).await? else { continue };
        // A mapping that stops explains nothing; the delivery itself says so.
        let explain = || target.explain(&loaded.unit, &loaded.members);
        let explanations = catch_unwind(AssertUnwindSafe(explain)).unwrap_or_default();
        let is_unit = loaded.unit.as_str() == key;
        let about = explanations.into_iter().filter(|explanation| is_unit || is_about(explanation, key));
        fields.extend(about.map(|explanation| field(loaded.unit.as_str(), explanation, &loaded.members)));
    }
    let contract = adapter.capability().contract;
    Ok(Explained { target: target_name.to_owned(), contract, mapping: target.mapping_version(), fields })
}

/// Whether a field belongs to a row of the key, or comes from a record of it.
fn is_about(explanation: &Explanation, key: &str) -> bool {
    let is_of = |text: &str| text.split('/').any(|part| part == key) || text == key;
    is_of(&explanation.row) || explanation.record.as_ref().is_some_and(|(_, record)| is_of(record.as_str()))
}

fn field(unit: &str, explanation: Explanation, members: &[Record]) -> ExplainedField {
    let record = explanation.record.as_ref().and_then(|(kind, key)| find(members, *kind, key.as_str()));
    let origin = record.map(|record| {
        let from = &record.provenance;
        let line = from.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{} {}{line}", from.source, from.remote_id)
    });
    // A value that was left out is left out here too.
    let received = record.filter(|_| explanation.value.is_some()).and_then(|record| {
        let texts = record.provenance.raw.iter().filter(|(path, _)| is_one_of(explanation.path, path.as_str()));
        let texts: Vec<_> =
            texts.map(|(_, text)| without_personal_codes(text, "[codice fiscale omesso]").into_owned()).collect();
        (!texts.is_empty()).then(|| texts.join(" · "))
    });
    ExplainedField { unit: unit.to_owned(), explanation, origin, received }
}

/// Whether a path of the provenance (`/dettaglio/importo`) is one of those that a mapping names
/// (`importo_totale, dettaglio.importo`).
fn is_one_of(named: &str, path: &str) -> bool {
    let path = path.trim_start_matches('/');
    named.split(',').any(|name| name.trim().trim_start_matches('/').replace('.', "/") == path)
}

fn find<'r>(members: &'r [Record], kind: Kind, key: &str) -> Option<&'r Record> {
    members.iter().find(|member| member.kind() == kind && member.key().as_str() == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_provenance_is_found_among_those_that_a_mapping_names() {
        assert!(is_one_of("importo_totale, dettaglio.importo", "/dettaglio/importo"));
        assert!(is_one_of("cig", "/cig"));
        assert!(!is_one_of("importo_totale", "/importo"));
    }
}
