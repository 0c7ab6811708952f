//! The one table of the schede: which fields each of them has, of which type, and from where in
//! the canonical model each comes.
//!
//! Everything goes through it: what is written, what is read back, the rows that are compared, the
//! explanation of each value. Paths are the published names of the national platform (`anacForm`);
//! what the execution platforms keep beside them is ours and stands under `integrazioni`. What is
//! not in the table is not compared: the platform may add fields of its own to a draft.

mod contratto;
mod fine;
mod lotto;
mod row;
mod values;

use canonical::kinds::{Body, Dettaglio, EventoEsecuzione, Fase, Modifica};
use serde_json::Value;

pub(crate) use row::{is_same, row};
#[cfg(test)]
pub(crate) use values::number;
pub(crate) use values::{Learnt, put};

/// The type of a field: how it is written in JSON, how it is read, by which rule it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldType {
    /// A JSON number, exact to the cent.
    Amount,
    /// A JSON number; a decimal text in the canonical model.
    Decimal,
    /// The midnight of a day in Italy.
    Date,
    /// A day alone, for our own fields.
    Day,
    /// Free text.
    Text,
    /// An identifier or a published word, as it is.
    Id,
    /// A CIG.
    Cig,
    /// A CUP.
    Cup,
    /// An AUSA code.
    Ausa,
    /// The fiscal code of a company or of a person.
    CodiceFiscale,
    /// Whole number from zero.
    Number,
    /// Whole number.
    Signed,
    /// True or false.
    Flag,
    /// One of two words for true and false.
    Words(&'static str, &'static str),
    /// A code of a list: `{idTipologica, codice}`.
    Code(&'static str),
    /// The first of many codes: the scheda has room for one.
    FirstCode(&'static str),
    /// All the codes, where there are more than one.
    AllCodes,
    /// A list of values of one type.
    List(&'static FieldType),
    /// A list whose first value has a place of its own in the canonical model; the others stand
    /// at this path.
    HeadAndTail(&'static FieldType, &'static str),
    /// A list of objects.
    Items(&'static [Field]),
    /// A list of one object, made of the record itself.
    Itself(&'static [Field]),
}

/// When a field is written, and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Always.
    Always,
    /// Only where this canonical field is true, or given.
    If(&'static str),
    /// Only where it is not.
    Unless(&'static str),
}

/// A field of a scheda.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// Where it stands in the draft.
    pub(crate) path: &'static str,
    /// Its type.
    pub(crate) kind: FieldType,
    /// Where its value stands in the canonical event.
    pub(crate) from: &'static str,
    /// When it applies.
    pub(crate) when: When,
}

/// A field of the national scheda, or of ours (`integrazioni.…`).
const fn field(path: &'static str, kind: FieldType, from: &'static str) -> Field {
    Field { path, kind, from, when: When::Always }
}

impl Field {
    const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    /// Whether it applies to a canonical body.
    pub(crate) fn applies(&self, body: &Value) -> bool {
        match self.when {
            When::Always => true,
            When::If(path) => is_given(at(body, path)),
            When::Unless(path) => !is_given(at(body, path)),
        }
    }
}

fn is_given(value: Option<&Value>) -> bool {
    !matches!(value, None | Some(Value::Null | Value::Bool(false)))
}

/// The block of our own fields.
pub(crate) const OURS: &str = "integrazioni.";

/// The value at a path of names parted by points.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

/// A scheda: its code and its fields.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scheda {
    /// The published code.
    pub(crate) code: &'static str,
    /// The phase it belongs to.
    pub(crate) fase: Fase,
    /// Name of the canonical detail.
    pub(crate) evento: &'static str,
    /// The canonical field with the day of what happened.
    pub(crate) day: Option<&'static str>,
    /// The fields, apart from those of every scheda.
    pub(crate) fields: &'static [&'static [Field]],
}

/// Ours: the fields that every scheda may have.
const OF_EVERY_SCHEDA: &[Field] = &[
    field("integrazioni.codiceFiscaleSA", FieldType::CodiceFiscale, "stazione_appaltante"),
    field("integrazioni.dataEvento", FieldType::Day, "data"),
    field("integrazioni.annoRiferimento", FieldType::Number, "anno_riferimento"),
];

/// What a contract says of its own signature: the field of SC1 and that of the contract. Sums paid
/// are no part of it. Its first and last day are those of the performance, planned or actual: only
/// the event of the signature knows from when and until when the contract runs.
pub(crate) const OF_CONTRATTO: &[Field] = &[
    field("integrazioni.codiceFiscaleSA", FieldType::CodiceFiscale, "stazione_appaltante"),
    field("datiContratto.cig", FieldType::List(&FieldType::Cig), "cig"),
    field("integrazioni.numero", FieldType::Text, "numero"),
    field("datiContratto.dataStipula", FieldType::Date, "data_stipula"),
    field("integrazioni.importo", FieldType::Amount, "importo"),
];

impl Scheda {
    /// Every scheda, in the order of a contract's life.
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        contratto::SCHEDE.iter().chain(lotto::SCHEDE)
    }

    /// The scheda with this code.
    pub(crate) fn of_code(code: &str) -> Option<&'static Self> {
        Self::all().find(|scheda| scheda.code == code)
    }

    /// The schede of a phase: four for a modification, one for every other.
    pub(crate) fn of_fase(fase: Fase) -> impl Iterator<Item = &'static Self> {
        Self::all().filter(move |scheda| scheda.fase == fase)
    }

    /// The scheda of a record.
    pub(crate) fn of_body(body: &Body) -> Option<&'static Self> {
        match body {
            Body::EventoEsecuzione(evento) => Some(Self::of_evento(evento)),
            Body::Contratto(_) => Self::of_code("SC1"),
            _ => None,
        }
    }

    /// The scheda of an event.
    pub(crate) fn of_evento(evento: &EventoEsecuzione) -> &'static Self {
        let scheda = match &evento.dettaglio {
            Dettaglio::Modifica(modifica) => Self::of_code(of_modifica(modifica)),
            _ => Self::of_fase(evento.fase()).next(),
        };
        scheda.unwrap_or_else(|| unreachable!("every phase has its scheda"))
    }

    /// Every field of this scheda.
    pub(crate) fn all_fields(&self) -> impl Iterator<Item = &'static Field> {
        OF_EVERY_SCHEDA.iter().chain(self.fields.iter().copied().flatten())
    }
}

/// Which of the four schede a modification needs.
///
/// Concession: said by the event, or else told by an amount that only concessions have. Above the
/// threshold: said by the event, or else the scheda that has room for what the event says: only
/// M2 has the additional act, its reasons and its cause.
fn of_modifica(modifica: &Modifica) -> &'static str {
    let only_concessions = [modifica.finanziamenti_canoni_pa, modifica.entrate_utenza, modifica.introito_attivo];
    let is_concession = modifica.concessione.unwrap_or_else(|| only_concessions.iter().any(Option::is_some));
    let only_below = modifica.data_atto_aggiuntivo.is_some() || !modifica.motivi.is_empty() || modifica.causa.is_some();
    match (modifica.sopra_soglia.unwrap_or(!only_below), is_concession) {
        (true, false) => "M1",
        (true, true) => "M1_40",
        (false, false) => "M2",
        (false, true) => "M2_40",
    }
}

#[cfg(test)]
mod tests;
