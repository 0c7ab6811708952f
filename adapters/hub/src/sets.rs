//! The sets of publications: which records each takes, by what a publication is known, and how its
//! content becomes rows.
//!
//! A content is an object; some sets have a list inside. The fields of both stand in the tables of
//! [`crate::fields`], once: what is sent, what is read back, what is explained and what the simulator
//! admits all come from there.

use canonical::Kind;
use canonical::kinds::Body;
use contract::Row;
use serde_json::{Map, Value};

use crate::fields::{self, Field};

/// A set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// Projects, with their procedures.
    Progetti,
    /// Qualifications, one a publication.
    Qualificazioni,
    /// Figures of a body, a subject and a period.
    Rilevazioni,
    /// Resources, one a publication.
    Risorse,
    /// Services that a Province gives.
    Servizi,
}

/// The list inside a content.
pub(crate) struct List {
    /// Its name.
    pub(crate) name: &'static str,
    /// The kind of record from which an element is made.
    pub(crate) kind: Kind,
    /// The fields of an element.
    pub(crate) fields: &'static [Field],
    /// The fields by which an element is known.
    key_fields: &'static [&'static str],
    /// The fields that an element must have.
    pub(crate) required: &'static [&'static str],
}

impl Set {
    pub(crate) const ALL: [Self; 5] =
        [Self::Progetti, Self::Qualificazioni, Self::Rilevazioni, Self::Risorse, Self::Servizi];

    /// The name: the first part of the keys.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Progetti => "progetti",
            Self::Qualificazioni => "qualificazioni",
            Self::Rilevazioni => "rilevazioni",
            Self::Risorse => "risorse",
            Self::Servizi => "servizi",
        }
    }

    /// The set of a key.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        let (name, _) = key.split_once('/')?;
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// The set that takes a record.
    pub(crate) fn of_body(body: &Body) -> Option<Self> {
        let kind = body.kind();
        Self::ALL.into_iter().find(|it| it.kind() == kind || it.list().is_some_and(|list| list.kind == kind))
    }

    /// The kind of record from which the content itself is made.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Progetti => Kind::Progetto,
            Self::Qualificazioni => Kind::Qualificazione,
            Self::Rilevazioni => Kind::Rilevazione,
            Self::Risorse => Kind::Risorsa,
            Self::Servizi => Kind::ServizioAssociato,
        }
    }

    /// The fields of the content, beside its list.
    pub(crate) fn fields(self) -> &'static [Field] {
        match self {
            Self::Progetti => fields::PROGETTO,
            Self::Qualificazioni => fields::QUALIFICAZIONE,
            Self::Rilevazioni => fields::RILEVAZIONI,
            Self::Risorse => fields::RISORSA,
            Self::Servizi => fields::SERVIZI,
        }
    }

    /// The list inside the content, when it has one.
    pub(crate) fn list(self) -> Option<List> {
        match self {
            Self::Progetti => Some(List {
                name: "collegamenti",
                kind: Kind::CollegamentoCupCig,
                fields: fields::COLLEGAMENTO,
                key_fields: &["cig", "idProcedura"],
                required: &[],
            }),
            Self::Rilevazioni => Some(List {
                name: "indicatori",
                kind: Kind::Rilevazione,
                fields: fields::INDICATORE,
                key_fields: &["indicatore", "dimensione"],
                required: &["indicatore", "valore"],
            }),
            Self::Servizi => Some(List {
                name: "servizi",
                kind: Kind::ServizioAssociato,
                fields: fields::SERVIZIO,
                key_fields: &["fruitore", "tipo", "servizio"],
                required: &["fruitore", "tipo"],
            }),
            Self::Qualificazioni | Self::Risorse => None,
        }
    }

    /// The fields of the content that make its key.
    fn key_fields(self) -> &'static [&'static str] {
        match self {
            Self::Progetti => &["cup"],
            Self::Qualificazioni => &["codiceFiscale", "ambito", "fase", "validaDal"],
            Self::Rilevazioni => &["codiceFiscale", "tema", "periodo"],
            Self::Risorse => &["origine", "id"],
            Self::Servizi => &["codiceFiscale"],
        }
    }

    /// The fields that a content must have.
    pub(crate) fn required(self) -> &'static [&'static str] {
        match self {
            Self::Progetti | Self::Rilevazioni | Self::Servizi => self.key_fields(),
            Self::Qualificazioni => &["codiceFiscale", "ambito", "fase", "livello", "validaDal"],
            Self::Risorse => &["origine", "id", "tipo", "titolo"],
        }
    }

    /// The key of a content; none when a part of it is missing or cannot stand in a path.
    pub(crate) fn key(self, contenuto: &Map<String, Value>) -> Option<String> {
        let mut key = self.name().to_owned();
        for field in self.key_fields() {
            let part = segment(contenuto.get(*field)?.as_str()?)?;
            key.push('/');
            key.push_str(&part);
        }
        Some(key)
    }

    /// The row of the content itself. The content of a set that is only its list has none: its
    /// fields are those of the key.
    pub(crate) fn row_key(self) -> Option<&'static str> {
        match self {
            Self::Progetti => Some("progetto"),
            Self::Qualificazioni => Some("qualificazione"),
            Self::Risorse => Some("risorsa"),
            Self::Rilevazioni | Self::Servizi => None,
        }
    }

    /// The rows of a content, in key order: of one that is sent, and of one that is read back.
    pub(crate) fn rows(self, contenuto: &Map<String, Value>) -> Vec<Row> {
        let row = |key: String, fields: &[Field], values: &Map<String, Value>| {
            fields.iter().fold(Row::new(key), |row, field| {
                row.with(field.name, values.get(field.name).and_then(|value| field.shape.read(value)))
            })
        };
        let head = self.row_key().map(|key| row(key.to_owned(), self.fields(), contenuto));
        let mut rows: Vec<Row> = head.into_iter().collect();
        if let Some(list) = self.list() {
            let elements = contenuto.get(list.name).and_then(Value::as_array).into_iter().flatten();
            let elements = elements.filter_map(Value::as_object);
            rows.extend(elements.map(|element| row(list.key(element), list.fields, element)));
        }
        rows.sort_by(|one, other| one.key.cmp(&other.key));
        rows
    }
}

impl List {
    /// The key of an element among those of its content.
    pub(crate) fn key(&self, element: &Map<String, Value>) -> String {
        let part = |field: &&str| element.get(*field).and_then(Value::as_str).unwrap_or("-");
        self.key_fields.iter().map(part).collect::<Vec<_>>().join("/")
    }
}

/// A part of a key as one segment of a path: what would part it is written as in addresses.
fn segment(part: &str) -> Option<String> {
    if matches!(part, "" | "." | "..") || part.chars().any(char::is_control) {
        return None;
    }
    Some(part.replace('%', "%25").replace('/', "%2F"))
}
