//! From canonical records to an update of what the platform holds of a CIG. Pure.
//!
//! A unit is a CIG: the platform writes the same values into every contract of it. One table of
//! columns decides each value, says why, and notices what is doubtful; the request, the row and the
//! explanation all come from it.

use canonical::identifiers::CodiceFiscale;
use canonical::kinds::{Body, Contratto, Pagamento, TipoPagamento};
use canonical::values::{CalendarDate, Importo};
use canonical::{Finding, Kind, Record, RecordKey, Rule, Severity};
use contract::{Composed, Explanation, FieldValue, Lane, Placement, Row, Unit, UnitKey};

use crate::wire::Aggiornamento;

/// The platform's own names of the values, in a row and in a request.
pub(crate) const IMPORTO: &str = "importoLiquidato";
pub(crate) const INIZIO: &str = "dataInizio";
pub(crate) const FINE: &str = "dataFine";
const ENTE: &str = "codiceFiscaleSA";
const OPZIONE: &str = "opzione";

/// The given values take the place of those held: the owner's value wins.
const SOVRASCRIVI: u8 = 1;

/// Where a record goes. Commitments say nothing of what was paid.
pub(crate) fn place(record: &Record) -> Placement {
    let cig = match &record.body {
        Body::Contratto(contratto) => contratto.cig,
        Body::Pagamento(Pagamento { tipo: TipoPagamento::Mandato, cig: Some(cig), .. }) => *cig,
        _ => return Placement::Elsewhere,
    };
    if cig.is_null() {
        return Placement::Withheld { code: "null_cig" };
    }
    Placement::Unit(Unit { key: UnitKey(cig.to_string()), lane: Lane(cig.to_string()) })
}

/// Composes the update of a CIG. The revision is no part of it: the platform keeps none.
pub(crate) fn compose(unit: &UnitKey, members: &[Record]) -> Result<Composed, String> {
    let members = Members::of(unit, members)?;
    let mut findings = Vec::new();
    let mut update = Aggiornamento {
        cig: unit.as_str().to_owned(),
        codice_fiscale_sa: String::new(),
        importo_liquidato: None,
        data_inizio: None,
        data_fine: None,
        opzione: SOVRASCRIVI,
    };
    let mut row = Row::new(unit.as_str());
    for column in COLUMNS {
        let decided = (column.decide)(&members)?;
        findings.extend(decided.findings);
        let Some(value) = decided.value else { continue };
        let text = value.to_string();
        match column.name {
            ENTE => update.codice_fiscale_sa = text,
            IMPORTO => update.importo_liquidato = Some(text),
            INIZIO => update.data_inizio = Some(text),
            FINE => update.data_fine = Some(text),
            _ => {}
        }
        if column.is_held {
            row.fields.insert(column.name.to_owned(), value);
        }
    }
    if row.fields.is_empty() {
        return Err(format!(
            "del CIG {unit} non si conosce né una somma liquidata né una data: completare nella fonte \
             il contratto o i mandati"
        ));
    }
    if let (Some(inizio), Some(fine)) = (&update.data_inizio, &update.data_fine)
        && fine < inizio
    {
        findings.push(Finding::new(Rule::R25).at(FINE).detail("end_before_start"));
    }
    let body = serde_json::to_vec(&update).map_err(|error| {
        format!("l'aggiornamento del CIG {unit} non può essere scritto ({error}): segnalarlo a chi mantiene Raccordo")
    })?;
    Ok(Composed { body, rows: vec![row], findings })
}

/// Why each value is what it is.
pub(crate) fn explain(unit: &UnitKey, members: &[Record]) -> Vec<Explanation> {
    let Ok(members) = Members::of(unit, members) else { return Vec::new() };
    let explained = COLUMNS.iter().filter_map(|column| {
        let decided = (column.decide)(&members).ok()?;
        Some(Explanation {
            row: unit.as_str().to_owned(),
            field: column.name.to_owned(),
            value: decided.value,
            record: decided.record,
            path: decided.path,
            rule: decided.rule,
            code_list: None,
        })
    });
    explained.collect()
}

/// The row of a CIG: the same for what we send and for what the platform holds.
pub(crate) fn row(
    key: impl Into<String>,
    importo: Option<Importo>,
    inizio: Option<CalendarDate>,
    fine: Option<CalendarDate>,
) -> Row {
    Row::new(key)
        .with(IMPORTO, importo.map(FieldValue::Amount))
        .with(INIZIO, inizio.map(FieldValue::Date))
        .with(FINE, fine.map(FieldValue::Date))
}

/// The row that an update leaves behind.
pub(crate) fn row_of(update: &Aggiornamento) -> Row {
    let day = |text: &Option<String>| text.as_deref().and_then(|text| CalendarDate::parse(text).ok());
    let importo = update.importo_liquidato.as_deref().and_then(|text| Importo::parse(text).ok());
    row(update.cig.clone(), importo, day(&update.data_inizio), day(&update.data_fine))
}

/// What is known of a CIG.
struct Members<'a> {
    contratti: Vec<(&'a Contratto, RecordKey)>,
    mandati: Vec<(&'a Pagamento, RecordKey)>,
}

impl<'a> Members<'a> {
    fn of(unit: &UnitKey, records: &'a [Record]) -> Result<Self, String> {
        let mut members = Self { contratti: Vec::new(), mandati: Vec::new() };
        for record in records {
            match place(record) {
                Placement::Unit(of) if of.key == *unit => {}
                _ => {
                    let kind = record.kind();
                    return Err(format!(
                        "un record di tipo {kind} non appartiene al CIG {unit}: segnalare il caso a chi \
                         mantiene Raccordo"
                    ));
                }
            }
            match &record.body {
                Body::Contratto(contratto) => members.contratti.push((contratto, record.key())),
                Body::Pagamento(pagamento) => members.mandati.push((pagamento, record.key())),
                _ => {}
            }
        }
        members.contratti.sort_by(|a, b| a.1.cmp(&b.1));
        members.mandati.sort_by(|a, b| a.1.cmp(&b.1));
        if members.contratti.is_empty() && members.mandati.is_empty() {
            Err(format!(
                "del CIG {unit} non resta alcun record, e la piattaforma non toglie i valori già scritti: \
                 se non valgono più, correggerli là"
            ))
        } else {
            Ok(members)
        }
    }
}

/// One value of the update.
struct Column {
    name: &'static str,
    /// Whether the platform shows it again.
    is_held: bool,
    decide: fn(&Members<'_>) -> Result<Decided, String>,
}

/// The table: every value that the update has, in the order of the published interface.
const COLUMNS: &[Column] = &[
    Column { name: ENTE, is_held: false, decide: ente },
    Column { name: IMPORTO, is_held: true, decide: importo },
    Column { name: INIZIO, is_held: true, decide: inizio },
    Column { name: FINE, is_held: true, decide: fine },
    Column { name: OPZIONE, is_held: false, decide: opzione },
];

/// A value and why.
struct Decided {
    value: Option<FieldValue>,
    record: Option<(Kind, RecordKey)>,
    path: &'static str,
    rule: &'static str,
    findings: Vec<Finding>,
}

impl Decided {
    fn new(value: Option<FieldValue>, path: &'static str, rule: &'static str) -> Self {
        Self { value, record: None, path, rule, findings: Vec::new() }
    }

    /// The same, from these records: named when it is one, since a sum comes from none alone.
    fn from(mut self, kind: Kind, keys: &[&RecordKey]) -> Self {
        if let [key] = keys {
            self.record = Some((kind, (*key).clone()));
        }
        self
    }
}

fn ente(members: &Members<'_>) -> Result<Decided, String> {
    let of_contratti =
        members.contratti.iter().filter_map(|(contratto, key)| Some((contratto.stazione_appaltante?, key)));
    let (found, kind, path, rule): (Vec<_>, _, _, _) = match of_contratti.collect::<Vec<_>>() {
        found if found.is_empty() => (
            members.mandati.iter().map(|(mandato, key)| (mandato.ente, key)).collect(),
            Kind::Pagamento,
            "/ente",
            "ente che paga, perché nessun contratto dice la stazione appaltante",
        ),
        found => (found, Kind::Contratto, "/stazione_appaltante", "stazione appaltante del contratto, senza modifiche"),
    };
    let one: Option<CodiceFiscale> = found.first().map(|(codice, _)| *codice);
    let Some(one) = one else {
        return Err("nessun record dice la stazione appaltante: indicarla nel contratto, nella fonte".to_owned());
    };
    if found.iter().any(|(codice, _)| codice.is_person()) {
        let told = "al posto della stazione appaltante c'è il codice fiscale di una persona: \
                    scrivere nella fonte quello dell'ente";
        return Err(told.to_owned());
    }
    if found.iter().any(|(codice, _)| *codice != one) {
        let told = "i record indicano più di una stazione appaltante: correggere nella fonte quella sbagliata";
        return Err(told.to_owned());
    }
    let keys: Vec<_> = found.into_iter().map(|(_, key)| key).collect();
    Ok(Decided::new(Some(FieldValue::Code(one.to_string())), path, rule).from(kind, &keys))
}

/// The accounting system owns what was paid: the contract is asked only where no order is known.
fn importo(members: &Members<'_>) -> Result<Decided, String> {
    if members.mandati.is_empty() {
        let declared = members.contratti.iter().filter_map(|(contratto, key)| Some((contratto.somme_liquidate?, key)));
        let (amounts, keys): (Vec<_>, Vec<_>) = declared.unzip();
        let total = if amounts.is_empty() { None } else { Some(sum(amounts)?) };
        let rule = "somme liquidate dichiarate dal contratto, sommate se sono più d'uno: non risultano mandati del CIG";
        let decided = Decided::new(total.map(FieldValue::Amount), "/somme_liquidate", rule);
        return Ok(decided.from(Kind::Contratto, &keys));
    }
    let (mut amounts, mut findings) = (Vec::new(), Vec::new());
    for (mandato, _) in &members.mandati {
        let (amount, is_net) = net(mandato)
            .ok_or("un mandato non ha importo e il totale sarebbe sbagliato: completarlo nella contabilità")?;
        amounts.push(amount);
        if !is_net {
            findings
                .push(Finding::new(Rule::R02).severity(Severity::Warning).at(IMPORTO).detail("order_with_unknown_vat"));
        }
    }
    let keys: Vec<_> = members.mandati.iter().map(|(_, key)| key).collect();
    let rule = "somma dei mandati del CIG, ciascuno al netto dell'IVA quando è nota";
    let decided = Decided::new(Some(FieldValue::Amount(sum(amounts)?)), "/importo_netto, /importo, /iva", rule);
    Ok(Decided { findings, ..decided.from(Kind::Pagamento, &keys) })
}

/// The amount of an order, and whether it is surely without VAT. Under split payment the order to
/// the supplier is net already; the order of the VAT alone comes to zero.
fn net(mandato: &Pagamento) -> Option<(Importo, bool)> {
    if let Some(netto) = mandato.importo_netto {
        return Some((netto, true));
    }
    let importo = mandato.importo?;
    match mandato.iva {
        Some(iva) => Some((importo.checked_sub(iva)?, true)),
        None => Some((importo, mandato.scissione_pagamenti == Some(true))),
    }
}

fn sum(amounts: Vec<Importo>) -> Result<Importo, String> {
    let total = Importo::checked_sum(amounts)
        .ok_or("la somma liquidata è troppo grande: correggere nella fonte gli importi fuori scala")?;
    if total < Importo::ZERO {
        let told =
            "la somma liquidata è negativa, e la piattaforma non la accetta: verificare i mandati nella contabilità";
        Err(told.to_owned())
    } else {
        Ok(total)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature is that of every column")]
fn inizio(members: &Members<'_>) -> Result<Decided, String> {
    let rule = "inizio del contratto, il primo se i contratti del CIG sono più d'uno";
    Ok(day(members, "/data_inizio", rule, |contratto| contratto.data_inizio, Iterator::min))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature is that of every column")]
fn fine(members: &Members<'_>) -> Result<Decided, String> {
    let rule = "fine del contratto, l'ultima se i contratti del CIG sono più d'uno";
    Ok(day(members, "/data_fine", rule, |contratto| contratto.data_fine, Iterator::max))
}

fn day(
    members: &Members<'_>,
    path: &'static str,
    rule: &'static str,
    of: fn(&Contratto) -> Option<CalendarDate>,
    choose: fn(std::vec::IntoIter<CalendarDate>) -> Option<CalendarDate>,
) -> Decided {
    let known = members.contratti.iter().filter_map(|(contratto, key)| Some((of(contratto)?, key)));
    let (days, keys): (Vec<_>, Vec<_>) = known.unzip();
    let chosen = choose(days.clone().into_iter());
    let keys: Vec<_> = days.iter().zip(keys).filter(|(day, _)| Some(**day) == chosen).map(|(_, key)| key).collect();
    Decided::new(chosen.map(FieldValue::Date), path, rule).from(Kind::Contratto, &keys)
}

#[expect(clippy::unnecessary_wraps, reason = "the signature is that of every column")]
fn opzione(_: &Members<'_>) -> Result<Decided, String> {
    let rule = "sempre 1: i valori mandati prendono il posto di quelli presenti";
    Ok(Decided::new(Some(FieldValue::Code(SOVRASCRIVI.to_string())), "", rule))
}

#[cfg(test)]
mod tests;
