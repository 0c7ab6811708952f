//! From canonical records to the draft of a scheda. Pure.
//!
//! A unit is one scheda of one award: `CIG/award/phase/progressive`. Its lane is the award, so a
//! resumption never overtakes its suspension. Where several members speak of the same unit their
//! order does not matter: the order of preference is fixed here.
//!
//! A draft is held against the official model before it exists. What only the person who confirms
//! it knows may be missing, and is told; what the scheda does not admit is not sent.

use std::collections::BTreeMap;

use canonical::identifiers::{Cig, CigClass};
use canonical::kinds::{Body, Fase, StatoEvento};
use canonical::values::CalendarDate;
use canonical::{Finding, Record, Rule, Severity};
use contract::{Composed, Lane, Placement, Unit, UnitKey};
use serde_json::{Value, json};

use crate::official;
use crate::schede::{self, Field, FieldType, Learnt, OF_CONTRATTO, Scheda, at, put};
use crate::wire::{BozzaInviata, parti};

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
    match cig.class() {
        CigClass::SmartCig => return Placement::Withheld { code: "smartcig" },
        CigClass::Null => return Placement::Withheld { code: "null_cig" },
        _ => {}
    }
    Placement::Unit(Unit { key: key(cig, award, fase, progressivo), lane: Lane(format!("{cig}/{award}")) })
}

/// Why a unit without members is not composed: there is no request that takes a draft back.
const NOBODY: &str = "nessuna fonte parla più di questa scheda: chi la segue verifichi la bozza su SCP Esecuzione \
                      e, se non serve più, la elimini a mano";

fn key(cig: Cig, award: u32, fase: Fase, progressivo: u32) -> UnitKey {
    UnitKey(format!("{cig}/{award}/{}/{progressivo}", fase.code()))
}

/// Composes the draft of a unit.
pub(crate) fn compose(unit: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String> {
    let Gathered { scheda, values, findings: mut told, .. } = gather(unit, members)?;
    let mut contenuto = json!({});
    for (path, (value, _)) in values {
        put(&mut contenuto, path, value);
    }
    let rows = vec![schede::row(unit.as_str(), scheda.code, &contenuto)];
    let (anac_form, integrazioni) = parti(contenuto);
    let problems = official::problems_of_draft(scheda.code, &anac_form);
    if let Some(wrong) = problems.iter().find(|problem| !problem.is_missing()) {
        return Err(format!(
            "the draft of {} does not follow its model at {} ({})",
            scheda.code, wrong.path, wrong.rule
        ));
    }
    let to_complete =
        |path: &String| Finding::new(Rule::N08).at(path.as_str()).detail("to_complete").severity(Severity::Info);
    told.extend(problems.iter().map(|missing| to_complete(&missing.path)));
    let draft = BozzaInviata { versione: revision, scheda: scheda.code.to_owned(), anac_form, integrazioni };
    let body = serde_json::to_vec(&draft).map_err(|error| format!("draft not writable: {error}"))?;
    Ok(Composed { body, rows, findings: told })
}

/// The fields of a draft, and which member each comes from.
pub(crate) struct Gathered<'m> {
    pub(crate) scheda: &'static Scheda,
    /// Value and place in `members`, by path.
    pub(crate) values: BTreeMap<&'static str, (Value, usize)>,
    /// The members, the preferred first.
    pub(crate) members: Vec<&'m Record>,
    findings: Vec<Finding>,
}

/// Gathers what the members of a unit say. The event that speaks of it wins; a contract fills what
/// the event of its signature leaves out.
///
/// Two sources may speak of one event: the first by name wins, the others are compared only, and
/// every difference is a finding.
pub(crate) fn gather<'m>(unit: &UnitKey, members: &'m [Record]) -> Result<Gathered<'m>, String> {
    if members.iter().any(|member| unit_of(&member.body).as_ref() != Some(unit)) {
        return Err(format!("member of another unit than {unit}, or of another kind"));
    }
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_cached_key(|member| {
        (is_contratto(member), member.provenance.source.as_str().to_owned(), member.body.to_json())
    });
    let first = *members.first().ok_or(NOBODY)?;
    let scheda = Scheda::of_body(&first.body).ok_or_else(|| format!("no scheda for unit {unit}"))?;
    let mut learnt = Learnt::default();
    let values = fields(scheda, &first.body, &mut learnt);
    let mut values: BTreeMap<_, _> = values.into_iter().map(|(path, value)| (path, (value, 0))).collect();
    let mut findings = learnt.findings;
    for (place, other) in members.iter().enumerate().skip(1) {
        let same_source = first.provenance.source == other.provenance.source;
        let fills = is_contratto(other) && (!is_contratto(first) || same_source);
        for (path, value) in fields(scheda, &other.body, &mut Learnt::default()) {
            if let Some((mine, _)) = values.get(path) {
                if *mine != value {
                    findings.push(difference(scheda, path, fills));
                }
            } else if fills {
                values.insert(path, (value, place));
            }
        }
    }
    Ok(Gathered { scheda, values, members, findings })
}

/// A difference between two members. It never carries values: some are personal.
fn difference(scheda: &Scheda, path: &str, fills: bool) -> Finding {
    let rule = match scheda.all_fields().find(|field| field.path == path).map(|field| field.kind) {
        Some(FieldType::Amount) => Rule::R02,
        Some(FieldType::Date | FieldType::Day) => Rule::R03,
        Some(FieldType::Text) => Rule::R12,
        _ => Rule::R14,
    };
    let severity = if fills { Severity::Info } else { Severity::Warning };
    Finding::new(rule).at(path).detail("another_member").severity(severity)
}

fn unit_of(body: &Body) -> Option<UnitKey> {
    match body {
        Body::EventoEsecuzione(it) => Some(key(it.cig, it.id_aggiudicazione, it.fase(), it.progressivo)),
        Body::Contratto(it) => Some(key(it.cig, it.id_aggiudicazione, Fase::Stipula, 1)),
        _ => None,
    }
}

fn is_contratto(record: &Record) -> bool {
    matches!(record.body, Body::Contratto(_))
}

/// What a record says, in the words of its scheda.
fn fields(scheda: &'static Scheda, body: &Body, learnt: &mut Learnt) -> Vec<(&'static str, Value)> {
    let source = canonical_json(body);
    let table: Box<dyn Iterator<Item = &'static Field>> = match body {
        Body::Contratto(_) => Box::new(OF_CONTRATTO.iter()),
        _ => Box::new(scheda.all_fields()),
    };
    let on = day(scheda, &source);
    table.filter_map(|field| Some((field.path, field.write(&source, on, learnt)?))).collect()
}

/// The day of an event: said by it, or else that of what happened.
pub(crate) fn day(scheda: &Scheda, source: &Value) -> Option<CalendarDate> {
    let said = |path: &str| CalendarDate::parse(at(source, path)?.as_str()?).ok();
    said("data").or_else(|| said(scheda.day?))
}

/// The body of a record as JSON. A subcontract that knows the code of its subcontractor only is
/// written like one that knows all of him.
pub(crate) fn canonical_json(body: &Body) -> Value {
    let mut source: Value = serde_json::from_str(&body.to_json())
        .unwrap_or_else(|never| unreachable!("the JSON of a body is JSON: {never}"));
    let subappaltatore = source.pointer("/dettaglio/subappaltatore").filter(|code| code.is_string()).cloned();
    if let Some(code) = subappaltatore
        && source.pointer("/dettaglio/soggetti").is_none()
    {
        put(&mut source, "dettaglio.soggetti", json!([{"codice_fiscale": code}]));
    }
    source
}

#[cfg(test)]
mod tests;
