//! Records between delimiters, names in the first line.
//!
//! Read block by block and cut without a copy: most of the time of a comparison is spent here and in
//! the normalisation. What a record is and where its fields end is what the `csv` crate says, and a
//! test holds the two against each other.

mod blocks;
mod split;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use contract::Row;

use self::blocks::Blocks;
use self::split::{Found, Splitter};
use super::{FileSource, Pass, name};
use crate::flow::reconcile::inventory::{InventoryError, Layout};

/// Where a single record is fetched: more than most of them have.
const SHORT_READ: usize = 2 * 1024;

/// Where the columns stand.
struct Columns {
    /// How many there are.
    count: usize,
    key: usize,
    /// Number of the field and of its column, in order of the fields.
    fields: Vec<(usize, usize)>,
}

/// Reads a file, a long one in two halves at once.
///
/// Where the second half starts is a guess: the first line after the middle, unless it stands
/// between quotes. The first half reads on until a record starts there or beyond, and so knows: a
/// second half that began elsewhere is forgotten, and the first one goes on to the end.
pub(super) fn scan(
    source: &FileSource,
    delimiter: u8,
    layout: &Layout,
    pass: &mut Pass<'_>,
) -> Result<(), InventoryError> {
    let mut records = Records::open(File::open(&source.path)?, delimiter)?;
    let columns = records.columns(source, layout)?;
    let guess = if pass.is_shared { line_after_middle(&source.path)? } else { None };
    if let Some(guess) = guess {
        let mut second = pass.half();
        let read_second = || -> Result<_, InventoryError> {
            let mut records = Records::at(File::open(&source.path)?, delimiter, guess)?;
            let start = records.peek()?;
            records.take(&columns, &mut second, u64::MAX)?;
            Ok((start, second))
        };
        let (reached, second) = thread::scope(|scope| {
            let second = scope.spawn(read_second);
            (records.take(&columns, pass, guess), second.join())
        });
        let reached = reached?;
        match second.map_err(|_| InventoryError::Interrupted)? {
            Ok((start, second)) if start == reached => {
                pass.add(second);
                return Ok(());
            }
            Err(error) if reached == Some(guess) => return Err(error),
            _ => {}
        }
    }
    records.take(&columns, pass, u64::MAX).map(drop)
}

/// The place of the first line that starts after the middle of a file.
fn line_after_middle(path: &Path) -> Result<Option<u64>, InventoryError> {
    let mut file = BufReader::new(File::open(path)?);
    let middle = file.get_ref().metadata()?.len() / 2;
    file.seek(SeekFrom::Start(middle))?;
    let length = file.skip_until(b'\n')? as u64;
    Ok((length > 0).then_some(middle + length))
}

pub(super) fn records(
    source: &FileSource,
    delimiter: u8,
    layout: &Layout,
    file: File,
    places: impl Iterator<Item = u64>,
) -> Result<Vec<Option<Row>>, InventoryError> {
    let mut records = Records::open(file, delimiter)?;
    let columns = records.columns(source, layout)?;
    let file = records.blocks.into_file();
    let mut split = records.split;
    let mut bytes = vec![0; SHORT_READ];
    let mut rows = Vec::new();
    for place in places {
        rows.push(record_at(&file, place, &mut bytes, &mut split)?.and_then(|range| {
            let text = str::from_utf8(&bytes[range]).ok()?;
            split.unescape(text);
            (split.len() == columns.count).then(|| row(text, &split, &columns, layout))
        }));
    }
    Ok(rows)
}

/// Cuts the record that starts at this place of the file.
fn record_at(
    file: &File,
    place: u64,
    bytes: &mut Vec<u8>,
    split: &mut Splitter,
) -> Result<Option<Range<usize>>, InventoryError> {
    loop {
        let read = read_at(file, place, bytes)?;
        match split.next(&bytes[..read], 0, read < bytes.len()) {
            Found::Record(range) => return Ok(Some(range)),
            Found::More => bytes.resize(bytes.len() * 2, 0),
            Found::End => return Ok(None),
        }
    }
}

fn read_at(file: &File, place: u64, bytes: &mut [u8]) -> Result<usize, InventoryError> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], place + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

fn row(text: &str, split: &Splitter, columns: &Columns, layout: &Layout) -> Row {
    let fields = columns.fields.iter().filter_map(|(field, column)| {
        let (name, kind) = &layout.fields()[*field];
        Some((name.clone(), kind.read(split.field(text, *column))?))
    });
    Row { key: split.field(text, columns.key).trim().to_owned(), fields: fields.collect() }
}

/// The records of a file, one after the other.
struct Records {
    blocks: Blocks,
    split: Splitter,
    /// Where the next one starts in the block.
    at: usize,
}

impl Records {
    /// Those after this place of the file, where a line starts.
    fn at(mut file: File, delimiter: u8, place: u64) -> Result<Self, InventoryError> {
        file.seek(SeekFrom::Start(place))?;
        let mut blocks = Blocks::new(file, place);
        blocks.read_on(0)?;
        Ok(Self { blocks, split: Splitter::new(delimiter), at: 0 })
    }

    fn open(file: File, delimiter: u8) -> Result<Self, InventoryError> {
        let mut records = Self::at(file, delimiter, 0)?;
        // The mark of UTF-8, which is no part of the first name.
        records.at = if records.blocks.bytes().starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        Ok(records)
    }

    /// The place of the next record, which stays the next one.
    fn peek(&mut self) -> Result<Option<u64>, InventoryError> {
        let next = self.next()?;
        if let Some((_, range)) = &next {
            self.at = range.start;
        }
        Ok(next.map(|(place, _)| place))
    }

    /// Takes every record that starts before this place; the place of the one that comes then.
    fn take(&mut self, columns: &Columns, pass: &mut Pass<'_>, until: u64) -> Result<Option<u64>, InventoryError> {
        while let Some((place, range)) = self.next()? {
            if place >= until {
                self.at = range.start;
                return Ok(Some(place));
            }
            match self.blocks.text(range) {
                Some(text) if self.split.len() == columns.count => {
                    self.split.unescape(text);
                    let split = &self.split;
                    let texts = columns.fields.iter().map(|(field, column)| (*field, split.field(text, *column)));
                    pass.record(split.field(text, columns.key), place, texts)?;
                }
                // The next record starts at the next line: only this one is lost, and is counted.
                _ => pass.unreadable(),
            }
        }
        Ok(None)
    }

    /// The place of the next record, and where it stands in the block.
    fn next(&mut self) -> Result<Option<(u64, Range<usize>)>, InventoryError> {
        loop {
            match self.split.next(self.blocks.bytes(), self.at, self.blocks.is_end()) {
                Found::Record(range) => {
                    self.at = range.end;
                    return Ok(Some((self.blocks.place(range.start), range)));
                }
                Found::More => {
                    self.blocks.read_on(self.at)?;
                    self.at = 0;
                }
                Found::End => return Ok(None),
            }
        }
    }

    fn columns(&mut self, source: &FileSource, layout: &Layout) -> Result<Columns, InventoryError> {
        let lacks =
            |what: &str| InventoryError::Format { problem: format!("{} has no column {what}", name(&source.path)) };
        let (_, range) = self.next()?.ok_or_else(|| lacks(&source.key))?;
        let text = self.blocks.text(range).ok_or_else(|| lacks(&source.key))?;
        self.split.unescape(text);
        let split = &self.split;
        let find = |wanted: &str| (0..split.len()).find(|column| split.field(text, *column).trim() == wanted);
        let key = find(&source.key).ok_or_else(|| lacks(&source.key))?;
        let fields = layout.fields().iter().enumerate();
        let fields = fields.filter_map(|(number, (field, _))| Some((number, find(source.column(field))?))).collect();
        Ok(Columns { count: split.len(), key, fields })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::flow::reconcile::inventory::completeness::Read;
    use crate::flow::reconcile::inventory::partition::Collector;
    use crate::flow::reconcile::inventory::{Digester, Entry, Kind, Limits, RunKey};

    fn scanned(source: &FileSource, is_shared: bool) -> (Vec<Entry>, Read) {
        let layout = Layout::new([("a".to_owned(), Kind::Code)]);
        let (key, limits) = (RunKey::new([1; 16]), Limits { partition_bits: 0, entries_in_memory: 7 });
        let mut pass = Pass {
            key,
            layout: &layout,
            limits,
            is_shared,
            digester: Digester::new(key, &layout),
            collector: Collector::new(limits),
            read: Read::default(),
        };
        scan(source, b',', &layout, &mut pass).unwrap();
        (pass.collector.finish().unwrap().entries(0).unwrap(), pass.read)
    }

    proptest! {
        #[test]
        fn two_halves_read_at_once_are_the_whole_file(
            records in prop::collection::vec(
                prop_oneof!["[a-z]{1,3},[a-zé]{0,9}\r?\n", "[a-z]{1,3},\"[a-z\n]{0,9}\"\n", "[a-z,\"\r\n]{0,9}"], 0..30,
            ),
        ) {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            write!(file, "cig,a\n{}", records.concat()).unwrap();
            let source = FileSource::csv(file.path(), "cig");
            prop_assert_eq!(scanned(&source, true), scanned(&source, false));
        }
    }
}
