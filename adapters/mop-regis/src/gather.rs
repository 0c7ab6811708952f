//! Which rows belong together, and which come again.
//!
//! The rows of one project are its parts: they are summed, and a sum is right only when it has them
//! all. What a document says of a project is one record when its rows stand together. Where they do
//! not, or are too many to be held at once, nothing of that project is read: half a sum would pass
//! for the whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use canonical::identifiers::{Cig, Cup};
use contract::{DocumentHeader, RawRecord, Received, Refusal};
use kit::documents::changed;
use kit::published::LocalTable;
use kit::{Cells, Closed, Give, Occurrences, TableFormat, give_table, refuse};
use serde_json::Value;

use crate::row::Row;
use crate::wire::{Campo, Format};

/// The rows of a project are held together up to this size: memory stays bounded.
const LONGEST_GROUP: usize = 1 << 20;

/// With more projects than this apart, the document is not one that is read by project.
const MOST_APART: usize = 1000;

/// In the context of a document: the projects whose rows do not stand together.
const APART: &str = "apart";

/// Gives a table with one record for the consecutive rows of each project.
pub(crate) fn give_projects(
    local: &LocalTable<'_>,
    mut table: TableFormat,
    column: &'static str,
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    let (digest, apart) = match find_apart(local, &table, column) {
        Ok(found) => found,
        Err(refusal) => return give(local.refused(refusal)),
    };
    table.context.insert(APART.to_owned(), apart.iter().map(Cup::as_str).collect());
    let mut groups = Groups { boundaries: Boundaries::new(column), pending: None };
    let mut is_other = false;
    give_table(local.path, local.links, &table, local.max_bytes, &mut |received| {
        if let Received::Begin(header) = &received {
            is_other = header.digest != digest;
            if is_other {
                return give(local.refused(changed()));
            }
        }
        if is_other { Ok(()) } else { groups.take(received, give) }
    })
}

/// Whether the rows of a project do not stand together in its document.
pub(crate) fn is_apart(document: &DocumentHeader, cup: Cup) -> bool {
    let apart = document.context.get(APART).and_then(Value::as_array);
    apart.is_some_and(|apart| apart.iter().any(|apart| apart == cup.as_str()))
}

/// Reads the table once for the projects whose rows do not stand together, and for the digest of
/// the bytes that were read.
fn find_apart(
    local: &LocalTable<'_>,
    table: &TableFormat,
    column: &'static str,
) -> Result<(String, BTreeSet<Cup>), Refusal> {
    let (mut digest, mut apart, mut refused) = (String::new(), BTreeSet::new(), None);
    let mut boundaries = Boundaries::new(column);
    let read = give_table(local.path, local.links, table, local.max_bytes, &mut |received| {
        match received {
            Received::Begin(header) => digest.clone_from(&header.digest),
            Received::Record(row) => {
                if let Place::Begins { occurrence: 1.., cup: Some(cup) } = boundaries.place(&row) {
                    apart.insert(cup);
                }
            }
            Received::Refused { refusal, .. } => refused = Some(refusal),
            Received::End | Received::Cursor(_) => {}
        }
        if apart.len() > MOST_APART { Err(Closed) } else { Ok(()) }
    });
    match (refused, read) {
        (Some(refusal), _) => Err(refusal),
        (None, Ok(())) => Ok((digest, apart)),
        (None, Err(Closed)) => {
            let problem = format!("the rows of more than {MOST_APART} projects do not stand together");
            Err(refuse("rows_apart", format!("{problem}: sort the table by {column}")))
        }
    }
}

/// Where a row stands among those before it.
enum Place {
    /// It is another part of the project of the row before.
    Goes,
    /// It is the first of its project, or the first after others. The CUP is there when it is one.
    Begins { occurrence: u32, cup: Option<Cup> },
    /// It cannot be read by column: it stands alone, and will be set aside.
    Alone,
}

/// Where the parts of one project end and those of the next begin.
struct Boundaries {
    column: &'static str,
    /// The key of the open group, and how many bytes it has.
    open: Option<(String, usize)>,
    occurrences: Occurrences,
}

impl Boundaries {
    fn new(column: &'static str) -> Self {
        Self { column, open: None, occurrences: Occurrences::default() }
    }

    fn place(&mut self, row: &RawRecord) -> Place {
        let key = Cells::of(row).ok().and_then(|cells| {
            let received = cells.get(self.column)?;
            let cup = Cup::read(received).value;
            Some((cup.map_or_else(|| received.to_owned(), |cup| cup.to_string()), cup))
        });
        let Some((key, cup)) = key else {
            self.open = None;
            return Place::Alone;
        };
        let added = row.text.len() + 1;
        match &mut self.open {
            Some((open, bytes)) if *open == key && *bytes + added <= LONGEST_GROUP => {
                *bytes += added;
                Place::Goes
            }
            open => {
                let occurrence = self.occurrences.add_values([&key]);
                *open = Some((key, added));
                Place::Begins { occurrence, cup }
            }
        }
    }
}

/// Makes one record of the consecutive rows of one project.
struct Groups {
    boundaries: Boundaries,
    pending: Option<RawRecord>,
}

impl Groups {
    fn take(&mut self, received: Received, give: &mut Give<'_>) -> Result<(), Closed> {
        let Received::Record(row) = received else {
            self.close(give)?;
            return give(received);
        };
        match (self.boundaries.place(&row), &mut self.pending) {
            (Place::Goes, Some(group)) => {
                group.text.push('\n');
                group.text.push_str(&row.text);
                Ok(())
            }
            (Place::Begins { occurrence, .. }, _) => {
                self.close(give)?;
                self.pending = Some(RawRecord { occurrence, ..row });
                Ok(())
            }
            (Place::Alone | Place::Goes, _) => {
                self.close(give)?;
                give(Received::Record(RawRecord { occurrence: 0, ..row }))
            }
        }
    }

    fn close(&mut self, give: &mut Give<'_>) -> Result<(), Closed> {
        self.pending.take().map_or(Ok(()), |group| give(Received::Record(group)))
    }
}

/// The rows of a record: one, or those of a group.
pub(crate) fn rows_of(raw: &RawRecord) -> Vec<RawRecord> {
    let mut is_quoted = false;
    let ends_row = |character: char| {
        is_quoted ^= character == '"';
        character == '\n' && !is_quoted
    };
    let row = |text: &str| RawRecord { document: Arc::clone(&raw.document), text: text.to_owned(), ..*raw };
    raw.text.split(ends_row).map(row).collect()
}

/// Gives a table of procedures. Those without CIG are told apart by their number, so that is what
/// comes again, not the CUP alone.
pub(crate) fn give_procedures(
    local: &LocalTable<'_>,
    table: &TableFormat,
    format: &'static Format,
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    let mut occurrences = Occurrences::default();
    give_table(local.path, local.links, table, local.max_bytes, &mut |received| {
        let Received::Record(mut row) = received else { return give(received) };
        let key = Row::of(format, &row).ok().map(|row| procedure_key(&row));
        row.occurrence = key.map_or(0, |key| occurrences.add_values(key));
        give(Received::Record(row))
    })
}

/// What tells a link from the others: CUP and CIG, or CUP and procedure.
fn procedure_key(row: &Row<'_>) -> [String; 3] {
    let received = |campo| row.received(campo).unwrap_or_default().to_owned();
    let cup = row.cup().value.map_or_else(|| received(Campo::Cup), |cup| cup.to_string());
    match row.received(Campo::Cig).map(|text| (text, Cig::read(text).value)) {
        None => [cup, String::new(), received(Campo::IdProcedura)],
        Some((_, Some(cig))) if cig.is_null() => [cup, String::new(), received(Campo::IdProcedura)],
        Some((_, Some(cig))) => [cup, cig.to_string(), String::new()],
        Some((text, None)) => [cup, text.to_owned(), String::new()],
    }
}
