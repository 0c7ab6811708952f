//! Code lists: what the codes of the official lists mean, and when they were in force.
//!
//! The lists are embedded as published and parsed once, at the first use; nothing is fetched. The
//! service that owns them may know newer codes: a code that is absent here is unknown, not wrong.

pub mod fasi_esecuzione;
pub mod scelta_contraente;
pub mod transizioni;
mod table;

pub use scelta_contraente::{L190Version, SceltaContraente};

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::values::CalendarDate;
use crate::values::date::DateFormat;

/// One row of an official list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRow {
    /// The code, exactly as published.
    pub code: Box<str>,
    /// What it means, in Italian.
    pub description: Box<str>,
    /// The first day of its validity; none when open.
    pub valid_from: Option<CalendarDate>,
    /// The last day of its validity; none when open.
    pub valid_to: Option<CalendarDate>,
}

impl CodeRow {
    /// True when the code was in force on that day.
    pub fn is_valid_on(&self, day: CalendarDate) -> bool {
        self.valid_from.is_none_or(|first| first <= day) && self.valid_to.is_none_or(|last| day <= last)
    }
}

/// The meaning of a code in a list, as the list calls itself (`motivoSospensione`).
///
/// With a day, only a row in force on that day answers. Without, a closed code answers too: old
/// records must still be understood. Where windows overlap, the one that began later wins.
///
/// ```
/// let row = canonical::code_lists::lookup("avanzamento", "11", None).unwrap();
/// assert_eq!(&*row.description, "Ritardo");
/// ```
pub fn lookup(list: &str, code: &str, on: Option<CalendarDate>) -> Option<&'static CodeRow> {
    rows(list)?
        .iter()
        .filter(|row| &*row.code == code && on.is_none_or(|day| row.is_valid_on(day)))
        .max_by_key(|row| row.valid_from)
}

/// The rows of a list in the published order; none when the list is not embedded.
pub fn rows(list: &str) -> Option<&'static [CodeRow]> {
    parsed_lists().get(list).map(Vec::as_slice)
}

/// The names of the embedded lists.
pub fn names() -> impl Iterator<Item = &'static str> {
    LISTS.iter().map(|(name, _)| *name)
}

macro_rules! lists {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../code-lists/anac/", $name, ".csv")))),*]
    };
}

const LISTS: [(&str, &str); 32] = lists![
    "avanzamento",
    "categoria",
    "causaInterruzioneAnticipata",
    "codiceScheda",
    "esito",
    "modalitaPagamento",
    "modalitaRealizzazione",
    "modoCollaudo",
    "motiviModifica",
    "motiviRisoluzione",
    "motivoCorrezione",
    "motivoCorrezioneUrl",
    "motivoMancataEsecuzioneSubappalto",
    "motivoMancatoSubappalto",
    "motivoRevisionePrezzi",
    "motivoRichiestaModifica",
    "motivoSospensione",
    "motivoVariazione",
    "motivoVariazioneCUP",
    "oneriEconomiciRisoluzioneRecesso",
    "ruoloOE",
    "sceltaContraente",
    "statoContratto",
    "statoSubappalto",
    "tipoComunicazione",
    "tipoIncarico",
    "tipologiaAvvalimento",
    "tipologiaLavoro",
    "tipoOE",
    "tipoProcedura",
    "tipoProgettazione",
    "tipoSoggetto",
];

fn parsed_lists() -> &'static HashMap<&'static str, Vec<CodeRow>> {
    static PARSED: OnceLock<HashMap<&'static str, Vec<CodeRow>>> = OnceLock::new();
    PARSED.get_or_init(|| LISTS.into_iter().map(|(name, text)| (name, parse(text))).collect())
}

fn parse(text: &str) -> Vec<CodeRow> {
    // The windows are instants at midnight UTC; the day as written is the one that counts.
    let day = |text: &str| CalendarDate::read(text, DateFormat::Iso).value;
    table::rows(text)
        .filter_map(|fields| match fields.as_slice() {
            [code, description, _, from, to, ..] => Some(CodeRow {
                code: code.as_str().into(),
                description: description.as_str().into(),
                valid_from: day(from),
                valid_to: day(to),
            }),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> CalendarDate {
        CalendarDate::parse(text).unwrap()
    }

    #[test]
    fn every_row_of_every_list_is_parsed() {
        for (name, text) in LISTS {
            // No embedded list breaks a line inside a field.
            assert_eq!(rows(name).unwrap().len(), text.lines().count() - 1, "{name}");
            for fields in table::rows(text) {
                assert_eq!((fields.len(), fields[2].as_str()), (8, name));
                for window in &fields[3..5] {
                    let date = CalendarDate::read(window, DateFormat::Iso).value;
                    assert_eq!(date.is_some(), !window.is_empty(), "{name} {window}");
                }
            }
        }
    }

    #[test]
    fn a_closed_code_is_still_understood() {
        assert!(lookup("tipologiaLavoro", "11", None).is_some());
        assert!(lookup("tipologiaLavoro", "11", Some(day("2014-05-12"))).is_some());
        assert_eq!(lookup("tipologiaLavoro", "11", Some(day("2014-05-13"))), None);
    }

    #[test]
    fn a_repeated_code_answers_by_its_window() {
        let description = |on: &str| &*lookup("tipoProcedura", "comp-tend", Some(day(on))).unwrap().description;
        assert_eq!(description("2024-01-01"), "Procedura di gara");
        assert!(description("2025-06-01").starts_with("Gara d'appalto"));
        assert!(description("2026-08-03").starts_with("Procedura di gara (articolo 5, paragrafo 3"));
    }

    #[test]
    fn codes_are_opaque() {
        assert!(lookup("categoria", "OG 1", None).is_some());
        assert_eq!(lookup("categoria", "OG1", None), None);
        assert_eq!(lookup("avanzamento", "09", None), None);
        assert_eq!(lookup("nosuch", "1", None), None);
    }
}
