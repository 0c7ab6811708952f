//! What the evidence of a system says of the rows it holds, as data (`holds.json`): where they stand,
//! how its lists are cut into pages, and what a cursor is tried with.
//!
//! The suite counts, cuts and hides rows by these words alone; the adapter has no part in them.

use std::collections::BTreeMap;

use contract::Settings;
use serde::Deserialize;
use serde_json::Value;

/// What a system holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holds {
    /// Where rows stand: each row stands in one of these places.
    pub rows: Vec<Rows>,
    /// Whether what we send can be read again: then it is sent before the source is tried.
    #[serde(default)]
    pub populated: bool,
    /// How many rows the text of one raw record holds, where an adapter gathers them.
    pub gathered: Option<Form>,
    /// The lists that are cut into pages.
    #[serde(default)]
    pub lists: Vec<List>,
    /// Why the source has no pages, where it has none.
    pub whole: Option<Whole>,
    /// What the cursor of the source is tried with.
    pub resumes: Option<Resumes>,
}

/// Rows in one kind of document.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Which documents.
    #[serde(rename = "in")]
    pub place: Place,
    /// How they stand there.
    #[serde(rename = "as")]
    pub form: Form,
    /// Whether the same row may be met again, and counts once.
    #[serde(default)]
    pub distinct: bool,
}

/// Where documents are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Answers to requests of this path; `{name}` stands for one segment.
    Answer(String),
    /// A file of the evidence.
    File(String),
}

/// How rows stand in a document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The values at these places: `*` is any member, `**` any depth.
    Json(Vec<String>),
    /// The records of a table after its header, with this between their cells.
    Csv(char),
    /// The elements of this name.
    Xml(String),
    /// The lines that are not blank.
    Lines,
    /// As many as a person counted, with how.
    Counted(usize, String),
}

/// A list that is cut into pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// What it is called here.
    pub name: String,
    /// Who reads it.
    pub read_by: Reader,
    /// Path of its pages; `{name}` stands for one segment.
    pub path: String,
    /// Settings with which it is read, beside those of the simulator.
    #[serde(default)]
    pub settings: Settings,
    /// Where the rows stand in a page, as a JSON pointer.
    pub rows: String,
    /// What tells a row from the others, as JSON pointers inside it; for an observer, the parts of
    /// the key of its unit.
    pub identity: Vec<String>,
    /// Rows that the suite adds where the simulator has few: copies of the last one, with these
    /// values by JSON pointer.
    #[serde(default)]
    pub copies: Vec<BTreeMap<String, Value>>,
    /// How many rows a page has when the suite cuts them. It must be that of the settings, where an
    /// adapter knows the last page by its size.
    pub page_rows: usize,
    /// How pages follow each other.
    pub paging: Paging,
    /// The parameter that asks for what changed only, where there is one.
    pub since: Option<Since>,
}

/// Who reads a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reader {
    /// The source.
    Source,
    /// The source, which has it whole: it is here for the cursor.
    SourceWhole,
    /// The observer.
    Observer,
}

/// How the pages of a list follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by", deny_unknown_fields)]
pub enum Paging {
    /// The next page begins after a key of the last row.
    Key {
        /// Query parameter with the key.
        param: String,
        /// What stands before the key inside the parameter; the key is the number after it.
        behind: Option<String>,
        /// The parts of the key inside a row.
        key: Vec<String>,
        /// Where a page says the key after which the next begins.
        next: Option<String>,
    },
    /// Rows are changes with a number; the next page begins after a number.
    Change {
        /// Query parameter with the number.
        param: String,
        /// Where a page says its last number.
        next: String,
        /// Where a page says whether there is more.
        more: String,
    },
    /// The next page begins at a place in the list.
    Offset {
        /// Query parameter with how many rows come before.
        param: String,
    },
    /// Pages have numbers, from one, which stand at `{page}` in the path.
    Number {
        /// Where a page says its number, from zero.
        number: String,
        /// Where a page says how many rows there are in all.
        total: String,
        /// Where a page says that it is the last.
        last: String,
    },
    /// There is one answer.
    Whole,
}

/// A parameter that asks for what changed since then.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// Query parameter.
    pub param: String,
    /// When a row changed, as a JSON pointer inside it; none when rows do not say it.
    pub row: Option<String>,
    /// What the system calls now, as a JSON pointer into an answer, where rows do not say when they
    /// changed: a row that appears changed then, one that was there before it.
    pub now: Option<String>,
}

/// Why a source has no pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    /// Why.
    pub reason: String,
    /// Query parameters that name what is asked for, not where a page begins.
    #[serde(default)]
    pub asked_by: Vec<String>,
}

/// What a cursor is tried with.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resumes {
    /// A row of the list with this name appears after the first read.
    List(String),
    /// The last row of a document appears after the first read.
    Document {
        /// Path of the document.
        path: String,
        /// How rows stand in it.
        form: Form,
    },
}

impl Holds {
    /// The lists of a role.
    pub fn lists_of(&self, reader: Reader) -> impl Iterator<Item = &List> {
        self.lists.iter().filter(move |list| list.read_by == reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_not_known_is_refused() {
        let known = r#"{"rows": [{"in": {"answer": "/v0/risorse"}, "as": {"json": ["/elementi/*"]}}]}"#;
        assert!(serde_json::from_str::<Holds>(known).is_ok());
        for unknown in [known.replace("rows", "row"), known.replace("json", "jsn"), known.replace("\"in\"", "\"on\"")] {
            assert!(serde_json::from_str::<Holds>(&unknown).is_err(), "{unknown}");
        }
    }
}
