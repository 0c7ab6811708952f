//! From canonical records to a publication. Pure.
//!
//! A unit is a whole programme: the record of the programme and those of its items travel
//! together, in one request, in a lane of their own.

use std::collections::BTreeMap;

use canonical::kinds::{Intervento, Persona, Programma};
use canonical::{Body, Finding, Kind, Record, RecordKey, Rule, Severity};
use contract::{Composed, Explanation, FieldValue, Lane, Placement, Row, Unit, UnitKey};
use serde_json::value::{RawValue, to_raw_value};

use crate::campi::{
    ACQUISTO, ADOZIONE, Campo, Contesto, INTERVENTO, NON_RIPROPOSTO, OPERA_INCOMPIUTA, PROGRAMMA, REGOLA_RISORSE,
    TECNICO, Tipo, Valore, risorse,
};
use crate::checks::{Problems, check_intervento, check_programma};
use crate::wire::{Genere, OPERE_INCOMPIUTE, Voce};

/// The row of the programme itself.
pub(crate) const PROGRAMMA_ROW: &str = "programma";

/// Where a record goes.
pub(crate) fn place(record: &Record) -> Placement {
    let id = match &record.body {
        Body::Programma(programma) => &programma.id,
        Body::Intervento(intervento) => &intervento.id_programma,
        _ => return Placement::Elsewhere,
    };
    if Genere::of_id(id).is_none() {
        return Placement::Withheld { code: "programme_unknown" };
    }
    Placement::Unit(Unit { key: UnitKey(id.clone()), lane: Lane(id.clone()) })
}

/// Composes the publication of a programme, without the identifier that SCP gave to it.
pub(crate) fn compose(unit: &UnitKey, members: &[Record]) -> Result<Composed, String> {
    let parts = Parts::of(unit, members)?;
    let mut problems = Problems::default();
    check_programma(parts.programma, parts.genere, &mut problems);
    for intervento in &parts.interventi {
        check_intervento(intervento, parts.programma, parts.genere, &mut problems);
    }
    let pages = parts.pages();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for page in &pages {
        page.check(&mut problems);
        if rows.insert(page.row.clone(), page.to_row()).is_some() {
            problems.add(&page.row, "è ripetuto nello stesso programma");
        }
    }
    problems.into_result()?;
    let body = body(&pages).map_err(|error| format!("programma non scrivibile: {error}"))?;
    Ok(Composed { body, rows: rows.into_values().collect(), findings: left_out(parts.programma, parts.genere) })
}

/// What the service has no place for, and is left out.
fn left_out(programma: &Programma, genere: Genere) -> Vec<Finding> {
    let has_adozione = genere == Genere::FornitureServizi && !programma.adozione.is_empty();
    let finding = Finding::new(Rule::N07).at("/adozione").detail("not_in_contract").severity(Severity::Info);
    has_adozione.then_some(finding).into_iter().collect()
}

/// Why each field has its value, from the same tables.
pub(crate) fn explain(unit: &UnitKey, members: &[Record]) -> Vec<Explanation> {
    let Ok(parts) = Parts::of(unit, members) else { return Vec::new() };
    parts.pages().iter().flat_map(|page| page.explain(parts.programma)).collect()
}

/// The members of a unit, each in its place.
struct Parts<'m> {
    genere: Genere,
    programma: &'m Programma,
    interventi: Vec<&'m Intervento>,
}

impl<'m> Parts<'m> {
    fn of(unit: &UnitKey, members: &'m [Record]) -> Result<Self, String> {
        let genere = Genere::of_id(unit.as_str()).ok_or("l'identificativo non è di un programma")?;
        let (mut whole, mut items) = (Vec::new(), Vec::new());
        for member in members {
            match &member.body {
                Body::Programma(programma) if programma.id == unit.as_str() => whole.push(programma),
                Body::Intervento(intervento) if intervento.id_programma == unit.as_str() => items.push(intervento),
                _ => return Err(format!("un record non è del programma {unit}")),
            }
        }
        items.sort_by(|a, b| a.cui.cmp(&b.cui));
        match whole.as_slice() {
            [programma] => Ok(Self { genere, programma, interventi: items }),
            [] => Err(format!("di {unit} ci sono {} interventi ma non il programma", items.len())),
            _ => Err(format!("il programma {unit} è dato due volte")),
        }
    }

    /// The objects of the request, filled from the tables.
    fn pages(&self) -> Vec<Page> {
        let &Self { genere, programma, .. } = self;
        let mut pages = Pages { contesto: Contesto { anno: programma.anno }, filled: Vec::new() };
        pages.programma(programma, genere);
        for intervento in &self.interventi {
            pages.intervento(intervento, genere);
        }
        for item in &programma.non_riproposti {
            pages.item(genere.non_riproposti(), item.cui.as_str(), NON_RIPROPOSTO, item);
        }
        for opera in &programma.opere_incompiute {
            pages.item(OPERE_INCOMPIUTE, opera.cup.as_str(), OPERA_INCOMPIUTA, opera);
        }
        pages.filled
    }
}

/// An object of the request, field by field.
struct Page {
    /// The list it stands in; none for the programme itself.
    list: Option<&'static str>,
    row: String,
    fields: Vec<Field>,
}

struct Field {
    /// The person it belongs to, for `referente` and `rup`.
    inside: Option<&'static str>,
    nome: &'static str,
    tipo: Tipo,
    massimo: usize,
    obbligatorio: bool,
    percorso: &'static str,
    regola: &'static str,
    valore: Result<Option<Valore>, String>,
}

/// The objects of a request.
struct Pages {
    contesto: Contesto,
    filled: Vec<Page>,
}

impl Pages {
    fn fields<T>(&self, campi: &'static [Campo<T>], it: &T, inside: Option<&'static str>) -> Vec<Field> {
        let field = |campo: &Campo<T>| Field {
            inside,
            nome: campo.nome,
            tipo: campo.tipo,
            massimo: campo.massimo,
            obbligatorio: campo.obbligatorio,
            percorso: campo.percorso,
            regola: campo.regola,
            valore: (campo.valore)(it, &self.contesto),
        };
        campi.iter().map(field).collect()
    }

    fn programma(&mut self, programma: &Programma, genere: Genere) {
        let mut fields = self.fields(PROGRAMMA, programma, None);
        if genere == Genere::Lavori {
            fields.extend(self.fields(ADOZIONE, programma, None));
        }
        fields.extend(self.persona("referente", programma.referente.as_ref()));
        self.filled.push(Page { list: None, row: PROGRAMMA_ROW.to_owned(), fields });
    }

    fn intervento(&mut self, intervento: &Intervento, genere: Genere) {
        let mut fields = self.fields(INTERVENTO, intervento, None);
        if genere == Genere::FornitureServizi {
            fields.extend(self.fields(ACQUISTO, intervento, None));
        }
        fields.extend(risorse().map(|(nome, fonte, slot)| {
            let rows = intervento.risorse.iter().filter(|riga| (riga.fonte, riga.annualita) == (fonte, slot));
            let amounts: Vec<_> = rows.map(|riga| riga.importo).collect();
            let sum = (!amounts.is_empty()).then(|| canonical::values::Importo::checked_sum(amounts)).flatten();
            Field {
                inside: None,
                nome,
                tipo: Tipo::Importo,
                massimo: 0,
                obbligatorio: false,
                percorso: "/risorse",
                regola: REGOLA_RISORSE,
                valore: Ok(sum.map(Valore::Importo)),
            }
        }));
        fields.extend(self.persona("rup", intervento.rup.as_ref()));
        let list = genere.interventi();
        self.filled.push(Page { list: Some(list), row: row_key(list, intervento.cui.as_str()), fields });
    }

    fn item<T>(&mut self, list: &'static str, key: &str, campi: &'static [Campo<T>], it: &T) {
        let fields = self.fields(campi, it, None);
        self.filled.push(Page { list: Some(list), row: row_key(list, key), fields });
    }

    fn persona(&self, inside: &'static str, persona: Option<&Persona>) -> Vec<Field> {
        persona.map(|persona| self.fields(TECNICO, persona, Some(inside))).unwrap_or_default()
    }
}

/// The key of the row of an item of a list.
pub(crate) fn row_key(list: &str, key: &str) -> String {
    format!("{list}/{key}")
}

impl Page {
    /// Adds what the service would refuse: what is missing, too long or not expressible.
    fn check(&self, problems: &mut Problems) {
        for field in &self.fields {
            let name = field.inside.map_or(field.nome.to_owned(), |inside| format!("{inside}.{}", field.nome));
            match &field.valore {
                Err(problem) => problems.add(&self.row, format!("{name}: {problem}")),
                Ok(None) if field.obbligatorio => problems.add(&self.row, format!("manca {name}")),
                Ok(Some(valore)) if field.massimo > 0 && valore.length() > field.massimo => {
                    let (length, most) = (valore.length(), field.massimo);
                    problems.add(&self.row, format!("{name} ha {length} caratteri, il servizio ne prende {most}"));
                }
                Ok(_) => {}
            }
        }
    }

    fn to_row(&self) -> Row {
        let public = self.fields.iter().filter(|field| field.inside.is_none());
        public.fold(Row::new(self.row.clone()), |row, field| {
            row.with(field.nome, field.present().and_then(|valore| comparable(field.nome, valore, field.tipo)))
        })
    }

    fn to_voce(&self) -> Result<Voce, serde_json::Error> {
        let (mut voce, mut inside) = (Voce::new(), BTreeMap::<&str, Voce>::new());
        for field in &self.fields {
            let Some(valore) = field.present() else { continue };
            let into = match field.inside {
                Some(person) => inside.entry(person).or_default(),
                None => &mut voce,
            };
            into.insert(field.nome.to_owned(), valore.to_json()?);
        }
        for (person, fields) in inside {
            voce.insert(person.to_owned(), to_raw_value(&fields)?);
        }
        Ok(voce)
    }

    fn explain(&self, programma: &Programma) -> Vec<Explanation> {
        // Items not proposed again and unfinished works are parts of the programme.
        let record = match self.list {
            Some("interventi" | "acquisti") => {
                let cui = self.row.split('/').next_back().unwrap_or_default();
                (Kind::Intervento, RecordKey::from_stored(cui.to_owned()))
            }
            _ => (Kind::Programma, RecordKey::from_stored(programma.id.clone())),
        };
        let explanation = |field: &Field| Explanation {
            row: self.row.clone(),
            field: field.inside.map_or(field.nome.to_owned(), |inside| format!("{inside}.{}", field.nome)),
            value: field.present().map(|valore| match field.inside {
                Some(_) => FieldValue::Text("…".to_owned()),
                None => valore.to_field(field.tipo),
            }),
            record: Some(record.clone()),
            path: match (field.inside, field.nome) {
                (Some("referente"), _) => "/referente",
                (Some(_), _) => "/rup",
                (None, _) => field.percorso,
            },
            rule: field.regola,
            code_list: None,
        };
        self.fields.iter().map(explanation).collect()
    }
}

impl Field {
    fn present(&self) -> Option<&Valore> {
        self.valore.as_ref().ok()?.as_ref()
    }
}

/// A value as it is compared. A row of money of zero euro is no row: the service gives zeros back
/// for what nobody wrote.
pub(crate) fn comparable(nome: &str, valore: &Valore, tipo: Tipo) -> Option<FieldValue> {
    let is_no_money = nome.starts_with("risorse") && matches!(valore, Valore::Importo(amount) if amount.is_zero());
    (!is_no_money).then(|| valore.to_field(tipo))
}

/// The body of the request: the programme, with its lists in it.
fn body(pages: &[Page]) -> Result<Vec<u8>, serde_json::Error> {
    let (mut programma, mut lists) = (Voce::new(), BTreeMap::<&str, Vec<Voce>>::new());
    for page in pages {
        match page.list {
            Some(list) => lists.entry(list).or_default().push(page.to_voce()?),
            None => programma = page.to_voce()?,
        }
    }
    for (list, items) in lists {
        let items: Box<RawValue> = to_raw_value(&items)?;
        programma.insert(list.to_owned(), items);
    }
    serde_json::to_vec(&programma)
}

#[cfg(test)]
mod tests;
