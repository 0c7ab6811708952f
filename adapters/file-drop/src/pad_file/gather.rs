//! From rows to raw records: consecutive rows with the same key are one record.
//!
//! Platforms write one row for each lot and winner; an award is all of its winners. Rows of the same
//! key that are not consecutive are another record, with the next occurrence: the document says the
//! same thing twice, and a person should know (R06).

use std::sync::Arc;

use contract::{DocumentHeader, RawRecord, Received};
use kit::{Cells, Closed, Give, Occurrences};
use serde_json::Value;

use crate::mapping::Plan;

/// The most rows of a record; the next ones are another record, with the next occurrence.
const MOST_ROWS: usize = 5_000;

/// The longest text of a record, unless one row alone is longer.
const LONGEST_TEXT: usize = 4 << 20;

/// Gathers the rows of one document.
pub(crate) struct Gatherer<'a, 'g> {
    plan: &'a Plan,
    give: &'a mut Give<'g>,
    document: Arc<DocumentHeader>,
    occurrences: Occurrences,
    open: Option<Group>,
}

struct Group {
    record: RawRecord,
    /// None: stands alone.
    key: Option<Vec<String>>,
    rows: usize,
}

impl<'a, 'g> Gatherer<'a, 'g> {
    /// Begins a document.
    pub(crate) fn begin(plan: &'a Plan, document: DocumentHeader, give: &'a mut Give<'g>) -> Result<Self, Closed> {
        let document = Arc::new(document);
        give(Received::Begin(Arc::clone(&document)))?;
        Ok(Self { plan, give, document, occurrences: Occurrences::default(), open: None })
    }

    /// Takes the next row.
    pub(crate) fn row(&mut self, line: u64, text: String) -> Result<(), Closed> {
        let record = RawRecord { document: Arc::clone(&self.document), line, occurrence: 0, text };
        // A row with more or fewer values than the header has no key that can be trusted.
        let (gathers, natural) = match Cells::of(&record) {
            Ok(cells) => (values(&cells, &self.plan.gather), values(&cells, &self.plan.key)),
            Err(_) => (None, None),
        };
        if let (Some(group), Some(gathers)) = (&mut self.open, &gathers)
            && group.key.as_ref() == Some(gathers)
            && group.rows < MOST_ROWS
            && group.record.text.len() + record.text.len() < LONGEST_TEXT
        {
            group.record.text.push('\n');
            group.record.text.push_str(&record.text);
            group.rows += 1;
            return Ok(());
        }
        self.flush()?;
        let occurrence = natural.map_or(0, |natural| self.occurrences.add_values(natural));
        self.open = Some(Group { record: RawRecord { occurrence, ..record }, key: gathers, rows: 1 });
        Ok(())
    }

    /// Gives the record that is still open.
    pub(crate) fn flush(&mut self) -> Result<(), Closed> {
        match self.open.take() {
            Some(group) => (self.give)(Received::Record(group.record)),
            None => Ok(()),
        }
    }

    /// Gives anything else, for instance the end of the document.
    pub(crate) fn give(&mut self, received: Received) -> Result<(), Closed> {
        (self.give)(received)
    }
}

/// The values of some columns; none when all are empty, or a null CIG: the key of nothing.
fn values(cells: &Cells<'_>, columns: &[String]) -> Option<Vec<String>> {
    let values: Vec<_> = columns.iter().map(|column| cells.get(column).unwrap_or_default().to_uppercase()).collect();
    let is_nothing = values.iter().all(|value| value.is_empty() || value == "0000000000");
    (!is_nothing).then_some(values)
}

/// What stands in the context of every document, beside its columns.
pub(crate) fn context(plan: &Plan, is_windows_1252: bool) -> serde_json::Map<String, Value> {
    let mut context = serde_json::Map::new();
    context.insert("platform".to_owned(), plan.platform.clone().into());
    context.insert("mapping_version".to_owned(), plan.version.into());
    if is_windows_1252 {
        context.insert("encoding".to_owned(), "windows-1252".into());
    }
    context
}
