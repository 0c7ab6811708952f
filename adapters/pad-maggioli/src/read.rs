//! From a row as received to canonical records. Pure: the same row always gives the same records.

mod fields;
mod instants;
mod operators;
mod procedure;
mod dati;
mod contratti;

use canonical::identifiers::Cig;
use canonical::values::Reading;
use canonical::{Finding, Rule};
use contract::{Normalized, RawRecord, SetAside};

use crate::registers::Register;

pub(crate) use fields::{giorno_of, importo_of};

/// Understands one row, by the register it comes from.
pub(crate) fn normalize(raw: &RawRecord) -> Normalized {
    let understood = match Register::from_name(&raw.document.format) {
        Some(Register::Bandi) => procedure::bando(&raw.text),
        Some(Register::Avvisi) => procedure::avviso(&raw.text),
        Some(Register::Esiti) => procedure::esito(&raw.text),
        Some(Register::Dati) => dati::lotto(&raw.text, raw.occurrence),
        Some(Register::Contratti) => contratti::contratto(&raw.text, raw.occurrence),
        None => return not_a_row("the format of the document is not a register of this platform"),
    };
    // The words of the parser may repeat received values.
    understood.unwrap_or_else(|_| not_a_row("the row has another shape than the published one"))
}

fn not_a_row(reason: &str) -> Normalized {
    Normalized {
        records: Vec::new(),
        findings: vec![Finding::new(Rule::N03).detail("not_a_row")],
        set_aside: Some(SetAside { rule: Rule::N03, reason: reason.to_owned() }),
    }
}

/// The CIG under which the records of a row are kept, or why there is none.
fn usable(reading: &Reading<Cig>) -> Result<Cig, SetAside> {
    let set_aside = |rule, reason: &str| SetAside { rule, reason: reason.to_owned() };
    match (reading.value, reading.note) {
        (Some(cig), _) if cig.is_null() => {
            Err(set_aside(Rule::R05, "the row has a null CIG, which is the key of nothing"))
        }
        (Some(cig), _) => Ok(cig),
        (None, None) => Err(set_aside(Rule::R05, "the row has no CIG")),
        (None, Some(_)) => Err(set_aside(Rule::R04, "the CIG of the row is malformed")),
    }
}

#[cfg(test)]
mod tests;
