//! A dataset as a table: its columns, with where each value comes from and by which rule, what
//! makes a row, its key, its totals.
//!
//! Everything that concerns a column comes from the same line: the bytes that leave, the rows that
//! are compared, the rows that are read back, the explanation of a value.

mod appalti;
mod gare;
mod progetti;
mod programmazione;
mod qualificazione;
mod rilevazioni;
mod servizi_associati;
mod schede;
mod subject;
mod totals;
#[cfg(test)]
mod tests;

use canonical::{Finding, Kind, Record, Rule};
use contract::{Explanation, Row};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::cell::{Cell, Shape};

pub(crate) use programmazione::anno as year_of_programme;
pub(crate) use rilevazioni::of as of_theme;
pub(crate) use schede::{RISORSA_STATES, RISORSA_TYPES, RISORSE, SEGNALAZIONI};
pub(crate) use subject::{Origin, Subject, Took};
pub(crate) use totals::{Total, TotalValue};

/// The datasets that travel in packages, in the order of the documentation.
pub(crate) const ALL: [&Dataset; 12] = [
    &appalti::APPALTI,
    &gare::GARE,
    &progetti::PNRR_PNC,
    &progetti::EUROPEI,
    &programmazione::PROGRAMMAZIONE,
    &qualificazione::QUALIFICAZIONE,
    &servizi_associati::SERVIZI_ASSOCIATI,
    &rilevazioni::PERSONALE,
    &rilevazioni::FORMAZIONE,
    &rilevazioni::PIAO,
    &rilevazioni::GARE,
    &rilevazioni::PROGETTI_EUROPEI,
];

/// The dataset with this name, among those that travel in packages.
pub(crate) fn by_name(name: &str) -> Option<&'static Dataset> {
    ALL.into_iter().find(|dataset| dataset.name == name)
}

/// What one package of a dataset covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    /// A year.
    Year,
    /// What stands today: `corrente`.
    Current,
}

impl Period {
    /// The one period of datasets whose rows have no year.
    pub(crate) const CURRENT: &'static str = "corrente";

    pub(crate) fn admits(self, text: &str) -> bool {
        match self {
            Self::Year => text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Current => text == Self::CURRENT,
        }
    }
}

/// A dataset.
pub(crate) struct Dataset {
    pub(crate) name: &'static str,
    pub(crate) period: Period,
    /// The columns that make the key of a row; the last ones may be empty.
    pub(crate) key: &'static [&'static str],
    pub(crate) columns: &'static [Column],
    pub(crate) totals: &'static [(&'static str, Total)],
    /// Members of a unit, by the row they make together.
    pub(crate) group: for<'a> fn(&[&'a Record]) -> Vec<Vec<&'a Record>>,
    /// A kind without which a row is made all the same, with this finding.
    pub(crate) expects: Option<(Kind, &'static str)>,
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Dataset").field(&self.name).finish()
    }
}

/// A column.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// Whether a row without it is no row.
    pub(crate) is_required: bool,
    /// The kind that is asked first; none when the value comes from the unit, or from nowhere.
    pub(crate) kind: Option<Kind>,
    /// The fields of that kind that decide it, as in the canonical schema.
    pub(crate) path: &'static str,
    /// How the value is made, in one Italian sentence.
    pub(crate) rule: &'static str,
    pub(crate) take: Take,
}

/// How a column takes its value.
pub(crate) type Take = for<'a> fn(&Subject<'a>) -> Option<Took<'a>>;

impl Column {
    pub(crate) const fn new(
        name: &'static str,
        shape: Shape,
        kind: Kind,
        path: &'static str,
        rule: &'static str,
        take: Take,
    ) -> Self {
        Self { name, shape, is_required: false, kind: Some(kind), path, rule, take }
    }

    /// The body of the unit: the first column of every dataset.
    pub(crate) const fn ente() -> Self {
        Self {
            name: "codice_fiscale_ente",
            shape: Shape::Body,
            is_required: true,
            kind: None,
            path: "",
            rule: "codice fiscale dell'ente a cui appartiene il pacchetto",
            take: |subject| subject.ente(),
        }
    }

    /// The same column, without which a row is no row.
    pub(crate) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }
}

/// Rules that many columns share.
pub(crate) const COPIED: &str = "copiato senza modifiche";
pub(crate) const CLEANED: &str = "copiato, con i codici fiscali di persone sostituiti da «[codice fiscale omesso]»";

/// A row of a dataset: one cell for each column, or none. It holds cells alone, hence no person.
#[derive(Clone)]
pub(crate) struct Riga {
    dataset: &'static Dataset,
    cells: Vec<Option<Cell>>,
}

impl Riga {
    pub(crate) fn cell(&self, column: &str) -> Option<&Cell> {
        let position = self.dataset.columns.iter().position(|it| it.name == column)?;
        self.cells.get(position)?.as_ref()
    }

    /// The key among the rows of its unit: the columns of the key, as long as there are more.
    pub(crate) fn key(&self) -> String {
        let mut parts: Vec<Option<&Cell>> = self.dataset.key.iter().map(|column| self.cell(column)).collect();
        while parts.last().is_some_and(Option::is_none) {
            parts.pop();
        }
        let texts: Vec<String> =
            parts.iter().map(|part| part.map_or_else(|| "-".to_owned(), Cell::to_string)).collect();
        texts.join("/")
    }

    /// The cells with their columns.
    pub(crate) fn filled(&self) -> impl Iterator<Item = (&'static Column, &Cell)> {
        self.columns().filter_map(|(column, cell)| Some((column, cell?)))
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = (&'static Column, Option<&Cell>)> {
        self.dataset.columns.iter().zip(self.cells.iter().map(Option::as_ref))
    }

    /// The row in the words of the comparison.
    pub(crate) fn row(&self) -> Row {
        let mut row = Row::new(self.key());
        for (column, cell) in self.filled() {
            row.fields.insert(column.name.to_owned(), column.shape.field(cell));
        }
        row
    }

    /// Reads a row. Fields that the table does not know are left alone; the error never repeats a
    /// value.
    pub(crate) fn read(dataset: &'static Dataset, value: &Value) -> Result<Self, String> {
        let fields = value.as_object().ok_or("not an object")?;
        let read = |column: &Column| match fields.get(column.name) {
            None if column.is_required => Err(format!("{} is missing", column.name)),
            None => Ok(None),
            Some(value) => {
                let cell = column.shape.read(value).ok_or_else(|| format!("{} has another shape", column.name))?;
                Ok(Some(cell))
            }
        };
        Ok(Self { dataset, cells: dataset.columns.iter().map(read).collect::<Result<_, _>>()? })
    }
}

/// One JSON object, in the order of the columns. Absent values are absent: there is no null.
impl Serialize for Riga {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, cell) in self.filled() {
            map.serialize_entry(column.name, cell)?;
        }
        map.end()
    }
}

impl Dataset {
    /// The name of the shape of its rows.
    pub(crate) fn schema(&self) -> String {
        format!("{}/0", self.name)
    }

    /// The rows of a unit, in the order of their keys, and what was left out on the way.
    pub(crate) fn rows(&'static self, origin: Origin<'_>, members: &[&Record]) -> (Vec<Riga>, Vec<Finding>) {
        let (mut rows, mut findings) = (Vec::new(), Vec::new());
        for subject in self.subjects(origin, members) {
            let taken: Vec<Option<Took<'_>>> = self.columns.iter().map(|column| (column.take)(&subject)).collect();
            let withheld: Vec<&str> = std::iter::zip(self.columns, &taken)
                .filter(|(_, took)| took.as_ref().is_some_and(|took| took.is_withheld))
                .map(|(column, _)| column.name)
                .collect();
            let cells = taken.into_iter().map(|took| took?.cell).collect();
            let row = Riga { dataset: self, cells };
            let key = row.key();
            if let Some((kind, detail)) = self.expects
                && subject.first(kind).is_none()
            {
                findings.push(Finding::new(Rule::N08).at(key.as_str()).detail(detail));
            }
            findings.extend(
                withheld
                    .iter()
                    .map(|column| Finding::new(Rule::N09).at(format!("{key}/{column}")).detail("codice_fiscale")),
            );
            rows.push((key, row));
        }
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        (rows.into_iter().map(|(_, row)| row).collect(), findings)
    }

    /// Why each field of each row has its value.
    pub(crate) fn explain(&'static self, origin: Origin<'_>, members: &[&Record]) -> Vec<Explanation> {
        let mut rows = Vec::new();
        for subject in self.subjects(origin, members) {
            let taken: Vec<Option<Took<'_>>> = self.columns.iter().map(|column| (column.take)(&subject)).collect();
            let cells = taken.iter().map(|took| took.as_ref()?.cell.clone()).collect();
            let key = Riga { dataset: self, cells }.key();
            let explain = |(column, took): (&Column, &Option<Took<'_>>)| Explanation {
                row: key.clone(),
                field: column.name.to_owned(),
                value: took.as_ref().and_then(|took| took.cell.as_ref()).map(|cell| column.shape.field(cell)),
                // An empty field is explained by the record that leaves it empty.
                record: took
                    .as_ref()
                    .map_or_else(|| subject.first(column.kind?), |took| took.record)
                    .map(|record| (record.kind(), record.key())),
                path: took.as_ref().and_then(|took| took.path).unwrap_or(column.path),
                rule: column.rule,
                code_list: None,
            };
            let explanations: Vec<Explanation> = std::iter::zip(self.columns, &taken).map(explain).collect();
            rows.push((key, explanations));
        }
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        rows.into_iter().flat_map(|(_, explanations)| explanations).collect()
    }

    fn subjects<'a>(&self, origin: Origin<'a>, members: &[&'a Record]) -> Vec<Subject<'a>> {
        let groups = (self.group)(members);
        groups.into_iter().map(|records| Subject { origin, records }).collect()
    }
}
