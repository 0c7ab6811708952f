//! From a raw record to canonical records: which mapping reads it, and what stands aside. Pure.

use canonical::identifiers::{Cig, CigClass};
use canonical::{FieldPath, Finding, Kind, Rule};
use contract::{DraftRecord, Normalized, RawRecord, SetAside};
use kit::Cells;

use crate::formats::{AVVISI, GREZZO, OCDS, OCDS_L190, SCHEDA, STAZIONI};
use crate::intake::HAS_REGISTRY;
use crate::node::Node;
use crate::values::Values;
use crate::{avvisi, codice, collegamento, esecuzione, ocds, operatore, scheda};

/// What a mapping gives: records, or the reason why there are none.
pub(crate) type Mapped = Result<Vec<DraftRecord>, SetAside>;

/// What every mapping needs beside the values.
pub(crate) struct Context {
    /// How many earlier records of the document have the same key.
    pub(crate) occurrence: u32,
}

/// Understands one raw record.
pub(crate) fn normalize(raw: &RawRecord) -> Normalized {
    let context = Context { occurrence: raw.occurrence };
    let mut findings = Vec::new();
    let mapped = match raw.document.format.as_str() {
        OCDS | OCDS_L190 | AVVISI | SCHEDA | GREZZO => json(raw, &context, &mut findings),
        dataset => table(raw, dataset, &context, &mut findings),
    };
    match mapped {
        Ok(mut records) => {
            if has_registry(raw) {
                records.retain(|record| record.body.kind() != Kind::Ente);
            }
            Normalized { records, findings, set_aside: None }
        }
        Err(set_aside) => Normalized { records: Vec::new(), findings, set_aside: Some(set_aside) },
    }
}

/// Whether authorities are left to their registry, which says more of them.
fn has_registry(raw: &RawRecord) -> bool {
    raw.document.format != STAZIONI && raw.document.context.get(HAS_REGISTRY) == Some(&true.into())
}

fn json(raw: &RawRecord, context: &Context, findings: &mut Vec<Finding>) -> Mapped {
    let node = Node::parse(&raw.text).map_err(|error| aside(Rule::N03, &error.to_string()))?;
    match raw.document.format.as_str() {
        OCDS | OCDS_L190 => ocds::release(&node, findings),
        AVVISI => avvisi::avviso(&node, findings),
        SCHEDA => scheda::scheda(&node, context, findings),
        _ => scheda::grezzo(&node, context, findings),
    }
}

fn table(raw: &RawRecord, dataset: &str, context: &Context, findings: &mut Vec<Finding>) -> Mapped {
    let cells = Cells::of(raw).map_err(|error| aside(Rule::N03, &error.to_string()))?;
    match dataset {
        "cig" => scheda::row(&cells, context, findings),
        "cup" => collegamento::row(&cells, findings),
        "codici" => codice::row(&cells, context, findings),
        "stazioni-appaltanti" => operatore::stazione(&cells, findings),
        "aggiudicatari" | "partecipanti" => operatore::row(&cells, findings),
        name => esecuzione::row(name, &cells, context, findings),
    }
}

pub(crate) fn aside(rule: Rule, reason: &str) -> SetAside {
    SetAside { rule, reason: reason.to_owned() }
}

/// The finding of a part that gives nothing, while the rest of its record does.
pub(crate) fn left_out(rule: Rule, place: impl Into<FieldPath>) -> Finding {
    Finding::new(rule).at(place).detail("part_left_out")
}

/// The CIG of a record, or why the record stands aside; with the findings that a CIG deserves.
pub(crate) fn cig(values: &dyn Values, name: &str, findings: &mut Vec<Finding>) -> Result<Cig, SetAside> {
    let Some(text) = values.given(name) else { return Err(aside(Rule::R05, "the record has no CIG")) };
    let reading = Cig::read(text);
    let Some(cig) = reading.value else { return Err(aside(Rule::R04, "the CIG of the record is malformed")) };
    if cig.is_null() {
        return Err(aside(Rule::R05, "the record has a null CIG, which is the key of nothing"));
    }
    if let Some(note) = reading.note {
        let finding = Finding::new(if cig.is_verified() { note.rule() } else { Rule::R04 });
        findings.push(finding.at(name).detail(note.code()).received(text));
    }
    if cig.class() == CigClass::SmartCig {
        findings.push(Finding::new(Rule::R09).at(name).received(cig.as_str()));
    }
    Ok(cig)
}

/// The finding of a key that its document has already given.
pub(crate) fn repeated(name: &str, context: &Context, findings: &mut Vec<Finding>) {
    if context.occurrence > 0 {
        findings.push(Finding::new(Rule::R06).at(name).detail("repeated_key"));
    }
}
