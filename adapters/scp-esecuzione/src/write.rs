//! From canonical records to the draft of a scheda. Pure.
//!
//! A unit is one scheda of one award: `CIG/award/phase/progressive`. Its lane is the award, so a
//! resumption never overtakes its suspension. Where several members speak of the same unit their
//! order does not matter: the order of preference is fixed here.

use std::collections::BTreeMap;

use canonical::identifiers::{Cig, CigClass};
use canonical::kinds::{Body, Fase, StatoEvento};
use canonical::{Finding, Record, Rule, Severity};
use contract::{Composed, Lane, Placement, Unit, UnitKey};
use serde_json::Value;

use crate::dati::Dati;
use crate::schede::{self, FieldType, Scheda};
use crate::wire::BozzaInviata;

/// Where a record goes. A contract is the draft of its own signature. An event that its owner has
/// not sent yet travels like the others: what is prepared here is a draft too, that a person confirms.
pub(crate) fn place(record: &Record) -> Placement {
    let (cig, award, fase, progressivo) = match &record.body {
        Body::EventoEsecuzione(evento) if evento.stato == StatoEvento::Scartato => {
            return Placement::Withheld { code: "rejected" };
        }
        Body::EventoEsecuzione(evento) => (evento.cig, evento.id_aggiudicazione, evento.fase(), evento.progressivo),
        Body::Contratto(contratto) => (contratto.cig, contratto.id_aggiudicazione, Fase::Stipula, 1),
        _ => return Placement::Elsewhere,
    };
    if cig.class() == CigClass::SmartCig {
        return Placement::Withheld { code: "smartcig" };
    }
    Placement::Unit(Unit { key: key(cig, award, fase, progressivo), lane: Lane(format!("{cig}/{award}")) })
}

fn key(cig: Cig, award: u32, fase: Fase, progressivo: u32) -> UnitKey {
    UnitKey(format!("{cig}/{award}/{}/{progressivo}", fase.code()))
}

/// Composes the draft of a unit. The event that speaks of it wins; a contract fills what the event
/// of its signature leaves out.
///
/// Two sources may speak of one event: the first by name wins, the others are compared only, and
/// every difference is a finding.
pub(crate) fn compose(unit: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String> {
    let scheda = scheda_of(unit).ok_or_else(|| format!("no scheda for unit {unit}"))?;
    let mut members: Vec<_> = members.iter().map(Member::of).collect::<Option<_>>().ok_or("member of another kind")?;
    if members.iter().any(|member| &member.unit != unit) {
        return Err(format!("member of another unit than {unit}"));
    }
    members.sort_by(|a, b| a.rank.cmp(&b.rank));
    let mut members = members.into_iter();
    let mut first = members.next().ok_or("no member")?;
    let mut findings = Vec::new();
    for other in members {
        let fills = other.is_contratto() && (!first.is_contratto() || first.source() == other.source());
        findings.extend(first.merge(&other, scheda, fills));
    }
    let dati = first.dati.nested();
    let rows = vec![schede::row(unit.as_str(), scheda.code, &dati)];
    let draft = BozzaInviata { versione: revision, scheda: scheda.code.to_owned(), dati };
    let body = serde_json::to_vec(&draft).map_err(|error| format!("draft not writable: {error}"))?;
    Ok(Composed { body, rows, findings })
}

fn scheda_of(unit: &UnitKey) -> Option<&'static Scheda> {
    let phase = unit.as_str().split('/').nth(2)?.parse().ok()?;
    Scheda::of_fase(Fase::from_code(phase)?)
}

/// A record as a member of a unit.
struct Member {
    unit: UnitKey,
    /// Events before contracts, then by name of the source, then by content.
    rank: (bool, String, String),
    dati: Dati,
}

impl Member {
    fn of(record: &Record) -> Option<Self> {
        let (unit, is_contratto, dati) = match &record.body {
            Body::EventoEsecuzione(evento) => {
                let unit = key(evento.cig, evento.id_aggiudicazione, evento.fase(), evento.progressivo);
                (unit, false, Dati::of_evento(evento))
            }
            Body::Contratto(contratto) => {
                let unit = key(contratto.cig, contratto.id_aggiudicazione, Fase::Stipula, 1);
                (unit, true, Dati::of_contratto(contratto))
            }
            _ => return None,
        };
        let source = record.provenance.source.as_str().to_owned();
        Some(Self { unit, rank: (is_contratto, source, record.body.to_json()), dati })
    }

    fn is_contratto(&self) -> bool {
        self.rank.0
    }

    fn source(&self) -> &str {
        &self.rank.1
    }

    /// Compares another member with this one, and takes from it what is missing when it may fill.
    /// The findings never carry values: some are personal.
    fn merge(&mut self, other: &Self, scheda: &Scheda, fills: bool) -> Vec<Finding> {
        let types: BTreeMap<_, _> = scheda.all_fields().collect();
        let differs = |mine: Option<&Value>, theirs: &Value| mine.is_some_and(|mine| mine != theirs);
        let mut findings = Vec::new();
        for (path, value) in &other.dati.0 {
            if differs(self.dati.0.get(path), value) {
                let rule = match types.get(path) {
                    Some(FieldType::Amount) => Rule::R02,
                    Some(FieldType::Date) => Rule::R03,
                    Some(FieldType::Text) => Rule::R12,
                    _ => Rule::R14,
                };
                let severity = if fills { Severity::Info } else { Severity::Warning };
                findings.push(Finding::new(rule).at(*path).detail("another_member").severity(severity));
            } else if fills {
                self.dati.0.entry(path).or_insert_with(|| value.clone());
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests;
