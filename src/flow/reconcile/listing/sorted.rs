//! The units of a list in the order of their keys, on disk.
//!
//! Rows are gathered until they fill the memory they may take, sorted, and written to a file without a
//! name; at the end those files are merged into one, unit after unit, each with its digest before its
//! rows, so that digests are read without them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use canonical::Digest;
use contract::{KeyRange, RangeDigest, Row, UnitKey, rows_digest};
use sha2::{Digest as _, Sha256};

/// What rows may take in memory before they go to a file.
const MEMORY: usize = 64 * 1024 * 1024;
/// One unit of so many stands in the index.
const SPARSE: u64 = 64;
/// Length of the key, length of the rows, digest.
const HEAD: usize = 8 + 8 + 32;

/// A row in the order of the list: its unit, its key, and how it is written.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    unit: String,
    row: String,
    /// Rows with the same key stay in the order of the file.
    run: usize,
    place: u64,
    json: Vec<u8>,
}

impl Item {
    fn size(&self) -> usize {
        size_of::<Self>() + self.unit.len() + self.row.len() + self.json.len()
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for bytes in [self.unit.as_bytes(), self.row.as_bytes(), &self.json] {
            out.write_all(&(bytes.len() as u64).to_le_bytes())?;
            out.write_all(bytes)?;
        }
        Ok(())
    }

    /// None at the end.
    fn read(from: &mut BufReader<File>, run: usize, place: u64) -> io::Result<Option<Self>> {
        let Some(unit) = read_bytes(from)? else { return Ok(None) };
        let (row, json) = (read_bytes(from)?.ok_or_else(cut)?, read_bytes(from)?.ok_or_else(cut)?);
        Ok(Some(Self { unit: of_utf8(unit)?, row: of_utf8(row)?, run, place, json }))
    }
}

fn read_bytes(from: &mut BufReader<File>) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut bytes = vec![0; usize::try_from(u64::from_le_bytes(length)).map_err(|_| cut())?];
    from.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

fn of_utf8(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| cut())
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a temporary file is not as it was written")
}

/// Takes rows in any order.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    items: Vec<Item>,
    bytes: usize,
    runs: Vec<File>,
    /// Other than usual, for tests.
    memory: Option<usize>,
}

impl Sorter {
    #[cfg(test)]
    pub(super) fn within(memory: usize) -> Self {
        Self { memory: Some(memory), ..Self::default() }
    }

    /// Takes one row.
    pub(super) fn add(&mut self, unit: String, row: &Row) -> io::Result<()> {
        let json = serde_json::to_vec(row)?;
        let item = Item { unit, row: row.key.clone(), run: 0, place: self.items.len() as u64, json };
        self.bytes += item.size();
        self.items.push(item);
        if self.bytes >= self.memory.unwrap_or(MEMORY) {
            self.items.sort_unstable();
            let mut out = BufWriter::new(tempfile::tempfile()?);
            self.items.drain(..).try_for_each(|item| item.write(&mut out))?;
            let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.seek(SeekFrom::Start(0))?;
            self.runs.push(file);
            self.bytes = 0;
        }
        Ok(())
    }

    /// Everything, in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        self.items.sort_unstable();
        let last = self.runs.len();
        let mut files: Vec<_> = self.runs.into_iter().map(BufReader::new).collect();
        let mut in_memory = self.items.into_iter();
        let mut next = |run: usize, place: u64| match files.get_mut(run) {
            Some(file) => Item::read(file, run, place),
            None => Ok(in_memory.next().map(|item| Item { run, place, ..item })),
        };
        let mut heads = BinaryHeap::new();
        for run in 0..=last {
            heads.extend(next(run, 0)?.map(Reverse));
        }
        let mut writer = Writer::new()?;
        while let Some(Reverse(item)) = heads.pop() {
            heads.extend(next(item.run, item.place + 1)?.map(Reverse));
            writer.add(item)?;
        }
        writer.finish()
    }
}

/// Writes units one after the other.
struct Writer {
    out: BufWriter<File>,
    unit: Option<String>,
    rows: Vec<Row>,
    /// How the last row was written, and whether another one contradicted it.
    last: Option<(String, Vec<u8>, bool)>,
    sorted: Index,
    whole: Summing,
}

/// As `RangeDigest::of`, one unit at a time: what is added up may be the whole list.
#[derive(Default)]
struct Summing {
    units: u64,
    hasher: Sha256,
}

impl Summing {
    fn add(&mut self, key: &UnitKey, digest: &Digest) {
        self.units += 1;
        for part in [key.as_str().as_bytes(), &digest.as_bytes()[..]] {
            self.hasher.update((part.len() as u64).to_be_bytes());
            self.hasher.update(part);
        }
    }

    fn finish(self) -> io::Result<RangeDigest> {
        let digest = Digest::from_bytes(&self.hasher.finalize()).ok_or_else(cut)?;
        Ok(RangeDigest { units: self.units, digest })
    }
}

/// Where units stand.
#[derive(Debug, Default)]
struct Index {
    keys: Vec<(UnitKey, u64)>,
    units: u64,
    contradicted: u64,
    end: u64,
}

impl Writer {
    fn new() -> io::Result<Self> {
        let out = BufWriter::with_capacity(64 * 1024, tempfile::tempfile()?);
        let (sorted, whole) = (Index::default(), Summing::default());
        Ok(Self { out, unit: None, rows: Vec::new(), last: None, sorted, whole })
    }

    fn add(&mut self, item: Item) -> io::Result<()> {
        if self.unit.as_ref() != Some(&item.unit) {
            self.flush()?;
            self.unit = Some(item.unit);
        }
        if let Some((row, json, is_contradicted)) = &mut self.last
            && *row == item.row
        {
            // The same row twice is one row. Two that say different things under one key say nothing.
            if *json != item.json {
                self.sorted.contradicted += 1;
                if !std::mem::replace(is_contradicted, true) {
                    self.sorted.contradicted += 1;
                    self.rows.pop();
                }
            }
            return Ok(());
        }
        self.rows.push(serde_json::from_slice(&item.json)?);
        self.last = Some((item.row, item.json, false));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(unit) = self.unit.take() else { return Ok(()) };
        self.last = None;
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let json = serde_json::to_vec(&rows)?;
        self.out.write_all(&(unit.len() as u64).to_le_bytes())?;
        self.out.write_all(&(json.len() as u64).to_le_bytes())?;
        let (unit, digest) = (UnitKey(unit), rows_digest(&rows));
        self.whole.add(&unit, &digest);
        self.out.write_all(digest.as_bytes())?;
        let unit = unit.0;
        self.out.write_all(unit.as_bytes())?;
        self.out.write_all(&json)?;
        let length = (HEAD + unit.len() + json.len()) as u64;
        if self.sorted.units.is_multiple_of(SPARSE) {
            self.sorted.keys.push((UnitKey(unit), self.sorted.end));
        }
        self.sorted.units += 1;
        self.sorted.end += length;
        Ok(())
    }

    fn finish(mut self) -> io::Result<Sorted> {
        self.flush()?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Sorted { file, index: self.sorted, whole: self.whole.finish()? })
    }
}

/// All units of a list, in order.
#[derive(Debug)]
pub(super) struct Sorted {
    file: File,
    index: Index,
    whole: RangeDigest,
}

/// A unit without its rows.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: UnitKey,
    pub(super) digest: Digest,
    rows_at: u64,
    rows_length: u64,
}

impl Sorted {
    /// How many units there are.
    pub(super) fn units(&self) -> u64 {
        self.index.units
    }

    /// All of it in few words.
    pub(super) fn whole(&self) -> RangeDigest {
        self.whole
    }

    /// How many rows were left out because others contradict them.
    pub(super) fn contradicted(&self) -> u64 {
        self.index.contradicted
    }

    /// The units after a key.
    pub(super) fn after(&self, after: Option<&UnitKey>) -> io::Result<Entries<'_>> {
        let indexed = self.index.keys.partition_point(|(key, _)| Some(key) <= after);
        let at = indexed.checked_sub(1).and_then(|place| self.index.keys.get(place)).map_or(0, |(_, at)| *at);
        let mut entries = Entries { sorted: self, at };
        loop {
            let before = entries.at;
            match entries.next()? {
                Some(entry) if after.is_some_and(|after| entry.key <= *after) => {}
                _ => return Ok(Entries { sorted: self, at: before }),
            }
        }
    }

    /// One unit.
    pub(super) fn find(&self, key: &UnitKey) -> io::Result<Option<Entry>> {
        let indexed = self.index.keys.partition_point(|(indexed, _)| indexed <= key);
        let Some((_, at)) = indexed.checked_sub(1).and_then(|place| self.index.keys.get(place)) else {
            return Ok(None);
        };
        let mut entries = Entries { sorted: self, at: *at };
        while let Some(entry) = entries.next()?.filter(|entry| entry.key <= *key) {
            if entry.key == *key {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// A range in few words.
    pub(super) fn sum(&self, range: &KeyRange) -> io::Result<RangeDigest> {
        let mut entries = self.after(range.after.as_ref())?;
        let mut sum = Summing::default();
        while let Some(entry) = entries.next()?.filter(|entry| range.is_before_end(&entry.key)) {
            sum.add(&entry.key, &entry.digest);
        }
        sum.finish()
    }

    /// The rows of a unit.
    pub(super) fn rows(&self, entry: &Entry) -> io::Result<Vec<Row>> {
        let mut bytes = vec![0; usize::try_from(entry.rows_length).map_err(|_| cut())?];
        self.file.read_exact_at(&mut bytes, entry.rows_at)?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

/// Units in order.
pub(super) struct Entries<'a> {
    sorted: &'a Sorted,
    at: u64,
}

impl Entries<'_> {
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        if self.at >= self.sorted.index.end {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        self.sorted.file.read_exact_at(&mut head, self.at)?;
        let (lengths, digest) = head.split_at(16);
        let [Some(key_length), Some(rows_length)] =
            [0, 8].map(|at| Some(u64::from_le_bytes(lengths.get(at..at + 8)?.try_into().ok()?)))
        else {
            return Err(cut());
        };
        let mut key = vec![0; usize::try_from(key_length).map_err(|_| cut())?];
        self.sorted.file.read_exact_at(&mut key, self.at + HEAD as u64)?;
        let rows_at = self.at + HEAD as u64 + key_length;
        self.at = rows_at + rows_length;
        let digest = Digest::from_bytes(digest).ok_or_else(cut)?;
        Ok(Some(Entry { key: UnitKey(of_utf8(key)?), digest, rows_at, rows_length }))
    }
}
