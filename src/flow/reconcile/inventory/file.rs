//! A side that is a file: CSV or one JSON object a line. Read once from end to end for keys and
//! hashes; the few records that differ are found again by where they start.
//!
//! Two files are read at once by awaiting both, a long CSV file on two threads of its own. A record that cannot be read has no key, so
//! nobody can say that it is missing elsewhere: it is counted, and the side is not complete.

mod csv;
mod ndjson;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use contract::Row;
use tokio::task::spawn_blocking;

use super::completeness::{Expected, Read};
use super::partition::{Collector, Sorted};
use super::{Completeness, Digester, Entry, Inventory, InventoryError, Layout, Limits, RunKey, Summary};

/// Shorter files are read before a second thread has started.
const WORTH_SHARING: u64 = 4 * 1024 * 1024;

/// How the records of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Values between delimiters, names in the first line, UTF-8.
    Csv {
        /// Between two values.
        delimiter: u8,
    },
    /// One JSON object a line.
    Ndjson,
}

/// A file of records.
#[derive(Debug, Clone)]
pub struct FileSource {
    /// Where it is.
    pub path: PathBuf,
    /// How it is written.
    pub format: Format,
    /// The column of the key.
    pub key: String,
    /// Columns with another name than their field: column, field. Every other column is the field
    /// of its name, if the layout has it.
    pub renamed: Vec<(String, String)>,
    /// What the file announced.
    pub expected: Expected,
}

impl FileSource {
    /// A CSV file with commas, whose columns have the names of the fields.
    pub fn csv(path: impl Into<PathBuf>, key: &str) -> Self {
        Self {
            path: path.into(),
            format: Format::Csv { delimiter: b',' },
            key: key.to_owned(),
            renamed: Vec::new(),
            expected: Expected::default(),
        }
    }

    /// A file with one JSON object a line, whose members have the names of the fields.
    pub fn ndjson(path: impl Into<PathBuf>, key: &str) -> Self {
        Self { format: Format::Ndjson, ..Self::csv(path, key) }
    }

    /// The column of a field.
    fn column<'s>(&'s self, field: &'s str) -> &'s str {
        self.renamed.iter().find(|(_, renamed)| renamed == field).map_or(field, |(column, _)| column)
    }
}

/// A file that was read.
#[derive(Debug)]
pub struct FileInventory {
    file: Arc<Scanned>,
    sorted: Sorted,
    completeness: Completeness,
}

/// What is needed to find a record again.
#[derive(Debug)]
struct Scanned {
    source: FileSource,
    layout: Arc<Layout>,
    size: u64,
}

impl FileInventory {
    /// Reads the file on a thread of its own.
    pub async fn read(
        source: FileSource,
        layout: Arc<Layout>,
        key: RunKey,
        limits: Limits,
    ) -> Result<Self, InventoryError> {
        spawn_blocking(move || Self::read_now(source, layout, key, limits))
            .await
            .map_err(|_| InventoryError::Interrupted)?
    }

    fn read_now(source: FileSource, layout: Arc<Layout>, key: RunKey, limits: Limits) -> Result<Self, InventoryError> {
        let size = std::fs::metadata(&source.path)?.len();
        let mut pass = Pass {
            key,
            layout: &layout,
            limits,
            is_shared: size >= WORTH_SHARING,
            digester: Digester::new(key, &layout),
            collector: Collector::new(limits),
            read: Read { pages: 1, ..Read::default() },
        };
        match source.format {
            Format::Csv { delimiter } => csv::scan(&source, delimiter, &layout, &mut pass)?,
            Format::Ndjson => ndjson::scan(&source, &layout, &mut pass)?,
        }
        let completeness = Completeness::of(&source.expected, &pass.read);
        let sorted = pass.collector.finish()?;
        Ok(Self { file: Arc::new(Scanned { source, layout, size }), sorted, completeness })
    }

    /// How many records were read.
    pub fn count(&self) -> u64 {
        self.sorted.count()
    }
}

/// What a pass over a file makes.
struct Pass<'a> {
    key: RunKey,
    layout: &'a Layout,
    limits: Limits,
    /// Whether the file is worth a second thread.
    is_shared: bool,
    digester: Digester<'a>,
    collector: Collector,
    read: Read,
}

impl Pass<'_> {
    /// An empty one for the other half of the file. From here on each has half the memory.
    fn half(&mut self) -> Self {
        let limits = Limits { entries_in_memory: self.limits.entries_in_memory.div_ceil(2), ..self.limits };
        self.collector.limit(limits);
        Self {
            digester: Digester::new(self.key, self.layout),
            collector: Collector::new(limits),
            read: Read::default(),
            ..*self
        }
    }

    /// Takes what the other half has.
    fn add(&mut self, half: Self) {
        self.read.records += half.read.records;
        self.read.unreadable += half.read.unreadable;
        self.collector.append(half.collector);
    }

    /// Takes one record.
    fn record<'t>(
        &mut self,
        key: &str,
        place: u64,
        texts: impl IntoIterator<Item = (usize, &'t str)>,
    ) -> io::Result<()> {
        let key = key.trim();
        if key.is_empty() {
            self.unreadable();
            return Ok(());
        }
        self.read.records += 1;
        self.collector.add(Entry::new(self.digester.texts(key, texts), place))
    }

    fn unreadable(&mut self) {
        self.read.unreadable += 1;
    }
}

#[async_trait]
impl Inventory for FileInventory {
    async fn partitions(&self) -> Result<Vec<Summary>, InventoryError> {
        Ok(self.sorted.summaries().to_vec())
    }

    async fn pairs(&self, partition: usize) -> Result<Vec<Entry>, InventoryError> {
        Ok(self.sorted.entries(partition)?)
    }

    async fn records(&self, entries: &[Entry]) -> Result<Vec<Option<Row>>, InventoryError> {
        let file = Arc::clone(&self.file);
        let places: Vec<_> = entries.iter().map(|entry| entry.place).collect();
        spawn_blocking(move || file.records(&places)).await.map_err(|_| InventoryError::Interrupted)?
    }

    fn completeness(&self) -> Completeness {
        self.completeness.clone()
    }
}

impl Scanned {
    fn records(&self, places: &[u64]) -> Result<Vec<Option<Row>>, InventoryError> {
        let file = File::open(&self.source.path)?;
        if file.metadata()?.len() != self.size {
            return Err(InventoryError::Format { problem: "it changed while it was compared".to_owned() });
        }
        // In the order of the file, which a disk reads best; given back in the order asked for.
        let mut order: Vec<_> = (0..places.len()).collect();
        order.sort_unstable_by_key(|n| places[*n]);
        let in_order = order.iter().map(|n| places[*n]);
        let found = match self.source.format {
            Format::Csv { delimiter } => csv::records(&self.source, delimiter, &self.layout, file, in_order)?,
            Format::Ndjson => ndjson::records(&self.source, &self.layout, file, in_order)?,
        };
        let mut rows = vec![None; places.len()];
        for (n, row) in order.into_iter().zip(found) {
            rows[n] = row;
        }
        Ok(rows)
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
