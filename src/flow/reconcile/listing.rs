//! A side that is a list in a file: what a target holds, as its operators or another office wrote it.
//!
//! Read once from end to end, put in the order of the keys on disk, and then asked like any other
//! observer: ranges by digest, units in full. In memory stand one unit and a sparse index.
//!
//! A list is of a moment: what was delivered later is not held against it. Rows that cannot be read
//! have no key, and a list may be cut short, or not say how many rows it has: then nothing is missing.

mod lines;
mod sorted;
mod columns;
mod expected;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use canonical::Digest;
use canonical::values::UtcInstant;
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use contract::{
    AdapterError, DigestPage, Digests, ErrorKind, FieldValue, InventoryPage, KeyRange, ObservedUnit, Observer,
    RangeDigest, Row, Target, UnitKey,
};
use tokio::task::spawn_blocking;

use self::columns::Columns;
pub use self::expected::Expected;
use self::lines::Lines;
use self::sorted::{Sorted, Sorter};
use super::inventory::completeness::{self, Read};
use super::inventory::{Completeness, InventoryError, Kind};
use super::why;
use crate::flow::{Flow, FlowError};
use crate::storage::RunSummary;

/// Units that are given in full at a time.
const UNITS: usize = 64;
/// Digests that are listed at a time.
const DIGESTS: usize = 1_000;
/// It may have been cut anywhere.
const NO_TOTAL: &str = "il file non dice quante righe ha";

/// What is said of a list beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The moment of which it is; without it, the list itself must say it.
    pub as_of: Option<UtcInstant>,
    /// How many rows it must have.
    pub rows: Option<u64>,
}

/// A list that was read.
#[derive(Debug)]
pub struct Listing {
    sorted: Arc<Sorted>,
    as_of: UtcInstant,
    columns: Columns,
    /// By which the same list is known again.
    evidence: String,
    /// Why it does not tell everything, in the words of people.
    incomplete_because: Option<String>,
}

impl Listing {
    /// Reads a file on a thread of its own: CSV by its name, one JSON object a line otherwise.
    pub async fn read(path: &Path, said: Said) -> Result<Self, InventoryError> {
        let path = path.to_owned();
        spawn_blocking(move || Self::read_now(&path, &said)).await.map_err(|_| InventoryError::Interrupted)?
    }

    fn read_now(path: &Path, said: &Said) -> Result<Self, InventoryError> {
        let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        let mut lines = Lines::open(File::open(path)?, is_csv)?;
        let mut rows = Sorter::default();
        let mut read = Read { pages: 1, ..Read::default() };
        let mut columns = Columns::default();
        while let Some(line) = lines.next()? {
            match line {
                Some((unit, row)) => {
                    read.records += 1;
                    columns.note(&row)?;
                    rows.add(unit, &row)?;
                }
                None => read.unreadable += 1,
            }
        }
        let header = lines.header();
        has_rows(&read)?;
        let as_of = said.as_of.or(header.as_of).ok_or_else(|| InventoryError::Format {
            problem: "it does not say of which moment it is: say it with --as-of".to_owned(),
        })?;
        let announced = said.rows.or(header.rows);
        columns.be_announced(header.fields.clone())?;
        let sorted = rows.finish()?;
        read.unreadable += sorted.contradicted();
        let expected = completeness::Expected { records: announced, ..completeness::Expected::default() };
        let incomplete_because = match Completeness::of(&expected, &read) {
            Completeness::Partial(shortfall) => Some(why::short(&shortfall)),
            // Whoever does not know how long it was cannot see that it was cut.
            Completeness::Complete => announced.is_none().then(|| NO_TOTAL.to_owned()),
        };
        let evidence = evidence(as_of, &sorted, &columns, &[announced, Some(read.unreadable)]);
        Ok(Self { sorted: Arc::new(sorted), as_of, columns, evidence, incomplete_because })
    }

    /// By which the same list is known again: its moment, and a digest of all that it says.
    pub(super) fn evidence(&self) -> String {
        self.evidence.clone()
    }

    /// The moment of which it is.
    pub fn as_of(&self) -> UtcInstant {
        self.as_of
    }

    /// Whether it can be compared now: a list of before the last complete comparison would close and
    /// open again what was seen later, one of the future was never made. The same list once more says
    /// what it said, as long as nothing else was looked at since. The last runs come first.
    pub(super) fn fits(&self, now: UtcInstant, runs: &[RunSummary]) -> Result<(), FlowError> {
        let complete = runs.iter().position(|run| run.complete);
        let since = complete.and_then(|last| runs.get(..=last)).unwrap_or_default();
        let is_again = since.iter().all(|run| run.evidence.as_ref() == Some(&self.evidence));
        let problem = match since.last().filter(|run| self.as_of < run.started_at) {
            _ if self.as_of > now => "it lies in the future".to_owned(),
            Some(run) if !is_again => {
                format!("the target was compared in full later, at {}: ask for a newer list", run.started_at)
            }
            _ => return Ok(()),
        };
        Err(FlowError::List { as_of: self.as_of, problem })
    }

    /// Finds out which of its fields nobody here knows: they are not compared.
    pub(super) async fn learn_fields(&self, flow: &Flow, name: &str, target: &dyn Target) -> Result<(), FlowError> {
        self.columns.learn(flow, name, target).await
    }

    /// What people must know of a comparison with it: fields that were not compared.
    pub fn notice(&self) -> Option<String> {
        self.columns.notice()
    }

    /// How many units it has.
    pub fn units(&self) -> u64 {
        self.sorted.units()
    }

    /// Why it does not tell everything, in the words of people.
    pub(super) fn incomplete_because(&self) -> Option<String> {
        if self.incomplete_because.is_some() {
            return self.incomplete_because.clone();
        }
        self.columns.lacking()
    }

    /// Leaves of our rows what the list has columns for, and remembers what it has not.
    pub(super) fn keep_listed_fields(&self, rows: &mut [Row]) {
        self.columns.keep_listed(rows);
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Sorted) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, AdapterError> {
        let sorted = Arc::clone(&self.sorted);
        let failed = || AdapterError::new(ErrorKind::Local, "read a list that was put in order");
        match spawn_blocking(move || question(&sorted)).await {
            Ok(answer) => answer.map_err(|error| failed().caused_by(error)),
            Err(error) => Err(failed().caused_by(error)),
        }
    }
}

#[async_trait]
impl Observer for Listing {
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        let after = from.map(|from| UnitKey(from.to_owned()));
        let columns = self.columns.clone();
        self.ask(move |sorted| {
            let mut units = Vec::new();
            let mut entries = sorted.after(after.as_ref())?;
            while units.len() < UNITS
                && let Some(entry) = entries.next()?
            {
                let rows = columns.of_known_fields(sorted.rows(&entry)?);
                units.push(ObservedUnit { rows, key: entry.key, revision: None });
            }
            let goes_on = entries.next()?.is_some();
            let next = units.last().filter(|_| goes_on).map(|last| last.key.0.clone());
            Ok(InventoryPage { units, next, extent: None })
        })
        .await
    }

    /// With fields that are not compared no digest says anything: the list is read from its beginning.
    fn digests(&self) -> Option<&dyn Digests> {
        self.columns.are_all_known().then_some(self)
    }
}

#[async_trait]
impl Digests for Listing {
    async fn ranges(&self, ranges: &[KeyRange]) -> Result<Option<Vec<RangeDigest>>, AdapterError> {
        let ranges = ranges.to_vec();
        self.ask(move |sorted| ranges.iter().map(|range| sorted.sum(range)).collect::<Result<_, _>>().map(Some)).await
    }

    async fn list(&self, range: &KeyRange) -> Result<DigestPage, AdapterError> {
        let range = range.clone();
        self.ask(move |sorted| {
            let mut entries = sorted.after(range.after.as_ref())?;
            let mut units = Vec::new();
            while let Some(entry) = entries.next()?.filter(|entry| range.is_before_end(&entry.key)) {
                if units.len() == DIGESTS {
                    let next = units.last().map(|last: &contract::UnitDigest| last.key.clone());
                    return Ok(DigestPage { units, next, whole: None });
                }
                units.push(contract::UnitDigest { key: entry.key, digest: entry.digest });
            }
            Ok(DigestPage { units, next: None, whole: None })
        })
        .await
    }

    async fn observe(&self, keys: &[UnitKey]) -> Result<Vec<ObservedUnit>, AdapterError> {
        let (keys, columns) = (keys.to_vec(), self.columns.clone());
        self.ask(move |sorted| {
            let mut units = Vec::new();
            for key in keys {
                if let Some(entry) = sorted.find(&key)? {
                    let rows = columns.of_known_fields(sorted.rows(&entry)?);
                    units.push(ObservedUnit { rows, key, revision: None });
                }
            }
            Ok(units)
        })
        .await
    }
}

/// A file with lines of which none can be read is no list.
fn has_rows(read: &Read) -> Result<(), InventoryError> {
    if read.records > 0 || read.unreadable == 0 {
        return Ok(());
    }
    let problem = format!(
        "none of its {} lines is a row: in a table every row has a value in the column `unita`, otherwise each line \
         is a JSON object with the member `unita`",
        read.unreadable
    );
    Err(InventoryError::Format { problem })
}

/// By which the same list is known again, whatever the order of its rows: its moment, and a digest of
/// its units, its columns and these numbers.
fn evidence(as_of: UtcInstant, sorted: &Sorted, columns: &Columns, numbers: &[Option<u64>]) -> String {
    let whole = sorted.whole();
    let numbers = format!("{} {numbers:?}", whole.units);
    let parts = [whole.digest.as_bytes().as_slice(), numbers.as_bytes()].into_iter();
    format!("{as_of} {}", Digest::of_parts(parts.chain(columns.names().map(str::as_bytes))))
}

/// Their rows with values of the types that ours have: a list is written in texts.
pub(super) fn typed_like(ours: &[Row], theirs: &[Row]) -> Vec<Row> {
    let by_key: HashMap<&str, &Row> = ours.iter().map(|row| (row.key.as_str(), row)).collect();
    let by_name: HashMap<&str, &FieldValue> =
        ours.iter().flat_map(|row| &row.fields).map(|(name, value)| (name.as_str(), value)).collect();
    let field = |row: &Row, name: &str| -> Option<&FieldValue> {
        let of_row = by_key.get(row.key.as_str()).and_then(|ours| ours.fields.get(name));
        of_row.or_else(|| by_name.get(name).copied())
    };
    let typed = |row: &Row| Row {
        key: row.key.clone(),
        fields: row.fields.iter().map(|(name, value)| (name.clone(), like(field(row, name), value))).collect(),
    };
    theirs.iter().map(typed).collect()
}

fn like(ours: Option<&FieldValue>, theirs: &FieldValue) -> FieldValue {
    let FieldValue::Text(text) = theirs else { return theirs.clone() };
    let read = match ours {
        Some(FieldValue::Amount(_)) => Kind::Amount(NumberFormat::Undeclared).read(text),
        Some(FieldValue::Date(_)) => Kind::Date(DateFormat::Iso).read(text),
        Some(FieldValue::Code(_)) => Some(FieldValue::Code(text.clone())),
        Some(FieldValue::Codes(_)) => {
            let codes = text.split([',', ';', '|']).map(str::trim).filter(|code| !code.is_empty());
            Some(FieldValue::Codes(codes.map(str::to_owned).collect()))
        }
        Some(FieldValue::Text(_)) | None => None,
    };
    read.unwrap_or_else(|| theirs.clone())
}

#[cfg(test)]
mod tests;
