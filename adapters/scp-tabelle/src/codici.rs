//! Codes against the tables that were read. Pure.
//!
//! The values of the tables are not published anywhere but in the service: what was read last, with
//! the day on which it was read, is all there is to check against. A table that was never read
//! stops nothing: its codes pass, with a warning.

use std::collections::BTreeMap;

use canonical::kinds::Codice;
use canonical::values::{CalendarDate, UtcInstant};
use canonical::{Body, Finding, Rule};

/// The tables as they were read last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Codici {
    tables: BTreeMap<String, Table>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    read_at: UtcInstant,
    values: BTreeMap<String, Codice>,
}

/// What a table says of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'c> {
    /// It is there, and may be used on the day asked about.
    Known(&'c Codice),
    /// It is there, and may not be used on the day asked about.
    Expired(&'c Codice),
    /// The table was read at this time and does not have it.
    Unknown(UtcInstant),
    /// The table was never read: nothing can be said.
    NotRead,
}

impl Codici {
    /// The tables made of these values, each with the time of its reading: a table is as old as
    /// the latest reading of one of its values.
    pub fn of(values: impl IntoIterator<Item = (Codice, UtcInstant)>) -> Self {
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        for (value, read_at) in values {
            let table = tables.entry(value.lista.clone()).or_insert_with(|| Table { read_at, values: BTreeMap::new() });
            table.read_at = table.read_at.max(read_at);
            table.values.insert(value.codice.clone(), value);
        }
        Self { tables }
    }

    /// When a table was read.
    pub fn read_at(&self, lista: &str) -> Option<UtcInstant> {
        self.tables.get(lista).map(|table| table.read_at)
    }

    /// What a table says of a code; without a day, of any day.
    pub fn look_up(&self, lista: &str, codice: &str, on: Option<CalendarDate>) -> Verdict<'_> {
        let Some(table) = self.tables.get(lista) else { return Verdict::NotRead };
        let Some(value) = table.values.get(codice) else { return Verdict::Unknown(table.read_at) };
        let is_before = |day: CalendarDate| value.valido_dal.is_some_and(|first| day < first);
        let is_after = |day: CalendarDate| value.valido_al.is_some_and(|last| day > last);
        match on {
            Some(day) if is_before(day) || is_after(day) => Verdict::Expired(value),
            _ => Verdict::Known(value),
        }
    }

    /// The codes of a programme or of an item that SCP may not know, one finding each. Codes of
    /// tables that were never read pass, and a finding says so.
    pub fn check(&self, body: &Body) -> Vec<Finding> {
        let used: Vec<(&str, String, Option<&String>)> = match body {
            Body::Intervento(it) => vec![("Priorita", "/priorita".to_owned(), it.priorita.as_ref())],
            Body::Programma(it) => {
                let not_again = it.non_riproposti.iter().enumerate();
                let unfinished = it.opere_incompiute.iter().enumerate();
                not_again
                    .map(|(n, it)| ("Priorita", format!("/non_riproposti/{n}/priorita"), it.priorita.as_ref()))
                    .chain(unfinished.flat_map(|(n, it)| {
                        let at = |field| format!("/opere_incompiute/{n}/{field}");
                        [
                            ("Causa", at("causa"), it.causa.as_ref()),
                            ("StatoRealizzazione", at("stato_realizzazione"), it.stato_realizzazione.as_ref()),
                        ]
                    }))
                    .collect()
            }
            _ => Vec::new(),
        };
        used.into_iter().filter_map(|(lista, path, code)| self.finding(lista, path, code?)).collect()
    }

    fn finding(&self, lista: &str, path: String, code: &str) -> Option<Finding> {
        let detail = match self.look_up(lista, code, None) {
            Verdict::Known(_) | Verdict::Expired(_) => return None,
            Verdict::Unknown(_) => "not_in_list",
            Verdict::NotRead => "list_not_read",
        };
        let finding = Finding::new(Rule::N05).at(path).detail(detail);
        Some(kit::showable(code).map_or(finding.clone(), |code| finding.received(code)))
    }
}

#[cfg(test)]
mod tests {
    use canonical::{Kind, Severity};
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> UtcInstant {
        UtcInstant::parse(text).unwrap()
    }

    fn codice(lista: &str, codice: &str, valido_al: Option<&str>) -> Codice {
        Codice {
            lista: lista.to_owned(),
            codice: codice.to_owned(),
            descrizione: None,
            valido_dal: None,
            valido_al: valido_al.map(|day| CalendarDate::parse(day).unwrap()),
            fonte: None,
        }
    }

    fn codici() -> Codici {
        let (first, second) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        Codici::of([
            (codice("Priorita", "1", None), second),
            (codice("Priorita", "2", Some("2025-12-31")), first),
            (codice("Causa", "a", None), first),
        ])
    }

    #[test]
    fn a_code_is_known_expired_unknown_or_nothing_can_be_said() {
        let codici = codici();
        let today = Some(CalendarDate::parse("2026-01-15").unwrap());
        assert!(matches!(codici.look_up("Priorita", "1", today), Verdict::Known(_)));
        assert!(matches!(codici.look_up("Priorita", "2", today), Verdict::Expired(_)));
        assert!(matches!(codici.look_up("Priorita", "2", None), Verdict::Known(_)));
        assert_eq!(codici.look_up("Priorita", "01", None), Verdict::Unknown(at("2026-02-01T00:00:00Z")));
        assert_eq!(codici.look_up("Finalita", "1", None), Verdict::NotRead);
        assert_eq!((codici.read_at("Causa"), codici.read_at("SN")), (Some(at("2026-01-01T00:00:00Z")), None));
    }

    fn programma() -> Body {
        let body = json!({
            "id": "LP800046501332025001", "tipo": "lavori", "ente": "80004650133", "anno": 2025, "descrizione": "x",
            "non_riproposti": [{"cui": "L80004650133202300004", "descrizione": "y", "priorita": "9", "motivo": "z"}],
            "opere_incompiute": [{"cup": "F41B21000000001", "descrizione": "w", "causa": "a", "stato_realizzazione": "b"}],
        });
        Body::from_json(Kind::Programma, &body.to_string()).unwrap()
    }

    #[test]
    fn codes_outside_their_table_are_told_and_codes_of_no_table_pass_with_a_warning() {
        let found: Vec<_> = codici()
            .check(&programma())
            .into_iter()
            .map(|it| (it.severity, it.field.unwrap().as_str().to_owned(), it.detail.unwrap(), it.received.unwrap()))
            .collect();
        let row = |field: &str, detail: &str, code: &str| {
            (Severity::Warning, field.to_owned(), detail.to_owned(), code.to_owned())
        };
        assert_eq!(
            found,
            [
                row("/non_riproposti/0/priorita", "not_in_list", "9"),
                row("/opere_incompiute/0/stato_realizzazione", "list_not_read", "b"),
            ]
        );
    }

    #[test]
    fn without_any_table_every_code_passes_with_a_warning() {
        let found = Codici::default().check(&programma());
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|it| it.detail.as_deref() == Some("list_not_read")));
    }
}
