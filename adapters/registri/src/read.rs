//! From a row of a reference table to bodies and territories. Pure.
//!
//! A body is known by its fiscal code only, never by its name; a territory by its ISTAT code.

use std::collections::BTreeMap;

use canonical::identifiers::{CodiceAusa, CodiceFiscale, CodiceIpa, CodiceIstat, CodiceNuts};
use canonical::kinds::{Ente, Territorio, TipoEnte, TipoTerritorio};
use canonical::values::text::read_text;
use canonical::values::{CalendarDate, Note, Reading};
use canonical::{Body, FieldPath, Finding, Rule, Severity};
use contract::{DraftRecord, Normalized, RawRecord, SetAside};
use kit::{Cells, note_finding, showable, with_received};

use crate::wire::{Format, Tabella};

/// Understands one row.
pub(crate) fn normalize(raw: &RawRecord) -> Normalized {
    let mut findings = Vec::new();
    let (records, set_aside) = match records(raw, &mut findings) {
        Ok(records) => (records, None),
        Err(set_aside) => (Vec::new(), Some(set_aside)),
    };
    Normalized { records, findings, set_aside }
}

fn records(raw: &RawRecord, findings: &mut Vec<Finding>) -> Result<Vec<DraftRecord>, SetAside> {
    let format = Format::named(&raw.document.format)
        .ok_or_else(|| aside(Rule::N03, "the format of the document is not known any more"))?;
    let cells = Cells::of(raw).map_err(|error| aside(Rule::N03, &error.to_string()))?;
    let mut row = Row { cells, findings };
    match format.tabella {
        Tabella::Province => row.provincia(),
        Tabella::Comuni => row.comune(),
        Tabella::Ricodifica => row.ricodifica(),
        Tabella::EntiIpa => row.ente_ipa(),
    }
}

fn aside(rule: Rule, reason: &str) -> SetAside {
    SetAside { rule, reason: reason.to_owned() }
}

/// A row and what is found in it.
struct Row<'r> {
    cells: Cells<'r>,
    findings: &'r mut Vec<Finding>,
}

/// A record being read, with the received texts that are not the canonical ones.
#[derive(Default)]
struct Raw(BTreeMap<FieldPath, String>);

impl Raw {
    fn keep(&mut self, path: &str, received: &str, canonical: Option<&str>) {
        if Some(received) != canonical {
            self.0.insert(path.into(), received.to_owned());
        }
    }

    fn record(self, body: impl Into<Body>) -> DraftRecord {
        DraftRecord { body: body.into(), raw: self.0 }
    }
}

impl Row<'_> {
    /// A unit: its territory, and its body when the fiscal code is certain.
    fn provincia(&mut self) -> Result<Vec<DraftRecord>, SetAside> {
        let (mut raw, mut own) = (Raw::default(), Raw::default());
        let codice_istat = self.territory_key("codice_uts", &mut raw)?;
        let (tipo, tipo_ente) = self.tipo("tipo");
        let name = self.name("denominazione", &mut raw)?;
        let first_day = self.year("valida_dal", "/valido_dal", (1, 1), &mut raw);
        let last_day = self.year("valida_al", "/valido_al", (12, 31), &mut raw);
        let codice_fiscale = self.certain_code(&mut own);
        let ente = codice_fiscale.map(|codice_fiscale| {
            let altro = self.body_code("altro_codice", "/altri_codici/0", &mut own);
            Ente {
                codice_fiscale,
                denominazione: Some(name.clone()),
                altri_codici: altro.into_iter().collect(),
                codice_ausa: self.value("codice_ausa", "/codice_ausa", &mut own, CodiceAusa::read),
                codice_ipa: self.value("codice_ipa", "/codice_ipa", &mut own, CodiceIpa::read),
                tipo: tipo_ente,
                codice_istat: Some(codice_istat),
                valido_dal: first_day,
                valido_al: last_day,
            }
        });
        let territorio = Territorio {
            codice_istat,
            denominazione: name,
            tipo,
            codice_catastale: None,
            sigla: self.text("sigla"),
            provincia: None,
            nuts: self.nuts("nuts3_2024", &mut raw),
            valido_dal: first_day,
            valido_al: last_day,
            sostituito_da: self.successor(),
        };
        Ok(ente.map(|ente| own.record(ente)).into_iter().chain([raw.record(territorio)]).collect())
    }

    /// A municipality: its territory and its body.
    fn comune(&mut self) -> Result<Vec<DraftRecord>, SetAside> {
        let (mut raw, mut own) = (Raw::default(), Raw::default());
        let codice_istat = self.territory_key("Codice Comune (alfanumerico)", &mut raw)?;
        let name = self.name("Comune", &mut raw)?;
        let codice_fiscale = self.body_code("Codice fiscale", "/codice_fiscale", &mut own);
        if codice_fiscale.is_none() {
            self.findings.push(Finding::new(Rule::N08).at("/codice_fiscale"));
        }
        let ente = codice_fiscale.map(|codice_fiscale| Ente {
            denominazione: Some(name.clone()),
            tipo: Some(TipoEnte::Comune),
            codice_istat: Some(codice_istat),
            ..ente(codice_fiscale)
        });
        let territorio = Territorio {
            codice_istat,
            denominazione: name,
            tipo: TipoTerritorio::Comune,
            codice_catastale: self.text("Codice catasto"),
            sigla: self.text("Sigla automobilistica"),
            provincia: self.value("Codice Provincia/Uts", "/provincia", &mut raw, CodiceIstat::read),
            nuts: self.nuts("Codice NUTS3 2024", &mut raw),
            valido_dal: None,
            valido_al: None,
            sostituito_da: None,
        };
        Ok(ente.map(|ente| own.record(ente)).into_iter().chain([raw.record(territorio)]).collect())
    }

    /// A municipality under its old code, which ended with the year that its column names.
    fn ricodifica(&mut self) -> Result<Vec<DraftRecord>, SetAside> {
        let mut raw = Raw::default();
        let codice_istat = self.territory_key("codice_comune_fino_2025", &mut raw)?;
        let sostituito_da = self.value("codice_comune_2026", "/sostituito_da", &mut raw, CodiceIstat::read);
        if sostituito_da.is_none() {
            return Err(aside(Rule::N08, "the row has no new code"));
        }
        let territorio = Territorio {
            codice_istat,
            denominazione: self.name("comune", &mut raw)?,
            tipo: TipoTerritorio::Comune,
            codice_catastale: self.text("codice_catasto"),
            sigla: None,
            provincia: self.value("codice_uts_fino_2025", "/provincia", &mut raw, CodiceIstat::read),
            nuts: None,
            valido_dal: None,
            valido_al: CalendarDate::from_numbers(2025, 12, 31).ok(),
            sostituito_da,
        };
        Ok(vec![raw.record(territorio)])
    }

    /// A body of the index. `IT-CF-` stands before its fiscal code.
    fn ente_ipa(&mut self) -> Result<Vec<DraftRecord>, SetAside> {
        let mut raw = Raw::default();
        let read = |text: &str| CodiceFiscale::read(text.strip_prefix("IT-CF-").unwrap_or(text));
        let codice_fiscale = self
            .value("id_ente", "/codice_fiscale", &mut raw, read)
            .filter(|code| !code.is_person())
            .ok_or_else(|| aside(Rule::N04, "the row has no fiscal code of a body"))?;
        let ente = Ente {
            denominazione: Some(self.name("denominazione", &mut raw)?),
            codice_ipa: self.value("codice_ipa", "/codice_ipa", &mut raw, CodiceIpa::read),
            ..ente(codice_fiscale)
        };
        Ok(vec![raw.record(ente)])
    }

    fn territory_key(&mut self, column: &str, raw: &mut Raw) -> Result<CodiceIstat, SetAside> {
        self.value(column, "/codice_istat", raw, CodiceIstat::read)
            .ok_or_else(|| aside(Rule::N08, "the row has no ISTAT code"))
    }

    /// The fiscal code of a body; that of a person is none.
    fn body_code(&mut self, column: &str, path: &str, own: &mut Raw) -> Option<CodiceFiscale> {
        let codice_fiscale = self.value(column, path, &mut *own, CodiceFiscale::read)?;
        if codice_fiscale.is_person() {
            own.0.remove(path);
            self.findings.push(Finding::new(Rule::N09).at(path).detail("person"));
            return None;
        }
        Some(codice_fiscale)
    }

    /// The fiscal code of a unit, unless the table itself says that it is still to be verified: it
    /// may be that of a body that ceased.
    fn certain_code(&mut self, own: &mut Raw) -> Option<CodiceFiscale> {
        let is_doubtful = self.cells.get("note").is_some_and(|note| note.contains("da verificare"));
        let codice_fiscale = self.body_code("codice_fiscale", "/codice_fiscale", own);
        let missing = match codice_fiscale {
            None => "fiscal_code_not_known",
            Some(_) if is_doubtful => "fiscal_code_to_verify",
            Some(_) => return codice_fiscale,
        };
        // What is no code may be a person's, or a name.
        let received = codice_fiscale.map(|code| code.to_string());
        self.findings.push(with_received(Finding::new(Rule::N08).at("/codice_fiscale").detail(missing), received));
        None
    }

    /// The unit that took the place of a ceased one, which the table tells in a note. The others
    /// were parted among several: no one code took their place.
    fn successor(&self) -> Option<CodiceIstat> {
        let code = self.cells.get("note")?.strip_prefix("codice ISTAT cessato: sostituita dalla unita ")?;
        CodiceIstat::parse(code).ok()
    }

    /// What a unit is, and what its body is.
    fn tipo(&mut self, column: &str) -> (TipoTerritorio, Option<TipoEnte>) {
        match self.cells.get(column).unwrap_or_default() {
            // The autonomous provinces are Provinces with more powers.
            "provincia" | "provincia autonoma" => (TipoTerritorio::Provincia, Some(TipoEnte::Provincia)),
            "citta metropolitana" => (TipoTerritorio::CittaMetropolitana, Some(TipoEnte::CittaMetropolitana)),
            "libero consorzio comunale" => (TipoTerritorio::LiberoConsorzio, Some(TipoEnte::LiberoConsorzio)),
            // The code is that of the Province that was there.
            "unita non amministrativa (ex provincia)" => {
                (TipoTerritorio::UnitaNonAmministrativa, Some(TipoEnte::Provincia))
            }
            other => {
                let finding = Finding::new(Rule::N05).at("/tipo").received(showable(other).unwrap_or_default());
                self.findings.push(finding);
                (TipoTerritorio::UnitaNonAmministrativa, None)
            }
        }
    }

    /// A year, as the first or the last of its days.
    fn year(&mut self, column: &str, path: &str, (month, day): (u8, u8), raw: &mut Raw) -> Option<CalendarDate> {
        let received = self.cells.get(column)?;
        let date = received.parse().ok().and_then(|year| CalendarDate::from_numbers(year, month, day).ok());
        let finding = match date {
            Some(_) => Finding::new(Rule::N02).detail("year_only"),
            None => Finding::new(Rule::N03).detail(Note::NotADate.code()),
        };
        self.findings.push(finding.at(path).received(received));
        raw.keep(path, received, None);
        date
    }

    /// The NUTS code; a unit that lies in two has none of its own.
    fn nuts(&mut self, column: &str, raw: &mut Raw) -> Option<CodiceNuts> {
        let received = self.cells.get(column)?;
        if !received.contains(';') {
            return self.value(column, "/nuts", raw, CodiceNuts::read);
        }
        let finding = Finding::new(Rule::N05).severity(Severity::Info).detail("more_than_one");
        self.findings.push(finding.at("/nuts").received(received));
        raw.keep("/nuts", received, None);
        None
    }

    fn name(&mut self, column: &str, raw: &mut Raw) -> Result<String, SetAside> {
        let received = self.cells.get(column).unwrap_or_default();
        let Reading { value, note } = read_text(received);
        if note == Some(Note::TextRepaired) {
            self.findings.push(Finding::from(Note::TextRepaired).at("/denominazione"));
        }
        raw.keep("/denominazione", received, value.as_deref());
        value.ok_or_else(|| aside(Rule::N08, "the row has no name"))
    }

    fn text(&self, column: &str) -> Option<String> {
        self.cells.get(column).and_then(|text| read_text(text).value)
    }

    fn value<T: ToString>(
        &mut self,
        column: &str,
        path: &str,
        raw: &mut Raw,
        read: impl Fn(&str) -> Reading<T>,
    ) -> Option<T> {
        let received = self.cells.get(column)?;
        let Reading { value, note } = read(received);
        self.findings.extend(note.map(|note| note_finding(note, received).at(path)));
        raw.keep(path, received, value.as_ref().map(T::to_string).as_deref());
        value
    }
}

/// A body of which only the fiscal code is known.
fn ente(codice_fiscale: CodiceFiscale) -> Ente {
    Ente {
        codice_fiscale,
        denominazione: None,
        altri_codici: Vec::new(),
        codice_ausa: None,
        codice_ipa: None,
        tipo: None,
        codice_istat: None,
        valido_dal: None,
        valido_al: None,
    }
}
