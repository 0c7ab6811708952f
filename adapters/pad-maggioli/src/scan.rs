//! Reads a whole list of the platform, page by page, while others write to it.
//!
//! Pages are cut from a list that has no order of its own: a row that appears or goes moves all those
//! after it, and one pass over the pages proves nothing. Two passes do, one after the other: a row that
//! both met was there when the first ended, since what goes does not come back. When those are as many
//! as the platform held at that moment, they are all of them, in whatever order and whatever came or
//! went; so no row that stayed is missing. Otherwise the pages are read once more, and compared with
//! the pass before; after a few passes the scan is an error, and nothing of it is handed over.
//!
//! What the edges of two pages say would be cheaper, and prove nothing where rows have no order.
//!
//! The rows wait in a temporary file, not in memory, until the list is complete and they can be
//! put in an order that does not change.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use canonical::Digest;
use contract::{AdapterError, Advice, ErrorKind};
use serde_json::value::RawValue;

use crate::SYSTEM;
use crate::client::Client;
use crate::registers::{Query, Register, RowKey};

/// How many times the pages of a moving list are read before it is an error.
const PASSES: u32 = 4;

/// Where a text stands in the temporary file.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: u64,
    length: usize,
    digest: Digest,
}

/// The rows of a list, each once, in the temporary file.
#[derive(Debug)]
pub(crate) struct Rows {
    file: File,
    end: u64,
    by_identity: HashMap<String, (RowKey, Span)>,
}

impl Rows {
    /// No rows yet.
    pub(crate) fn new() -> Result<Self, AdapterError> {
        Ok(Self { file: tempfile::tempfile().map_err(local)?, end: 0, by_identity: HashMap::new() })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_identity.len()
    }

    /// The keys, in no order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &RowKey> {
        self.by_identity.values().map(|(key, _)| key)
    }

    /// The keys in the order in which the rows are handed over.
    pub(crate) fn sorted(&self) -> Vec<RowKey> {
        let mut keys: Vec<_> = self.keys().cloned().collect();
        keys.sort();
        keys
    }

    /// Keeps a row. The later words about the same row take the place of the earlier.
    pub(crate) fn put(&mut self, key: RowKey, text: &str) -> Result<(), AdapterError> {
        let digest = Digest::of(text.as_bytes());
        if self.by_identity.get(&key.identity).is_some_and(|(held, span)| *held == key && span.digest == digest) {
            return Ok(());
        }
        self.file.write_all(text.as_bytes()).map_err(local)?;
        let span = Span { from: self.end, length: text.len(), digest };
        self.end += text.len() as u64;
        self.by_identity.insert(key.identity.clone(), (key, span));
        Ok(())
    }

    /// The text of a row. What is written goes to the end of the file all the same.
    pub(crate) fn text(&mut self, key: &RowKey) -> Result<String, AdapterError> {
        let Some((_, span)) = self.by_identity.get(&key.identity) else {
            return Err(local(io::Error::other("the row is not there")));
        };
        let mut bytes = vec![0; span.length];
        self.file.seek(SeekFrom::Start(span.from)).map_err(local)?;
        self.file.read_exact(&mut bytes).map_err(local)?;
        self.file.seek(SeekFrom::Start(self.end)).map_err(local)?;
        String::from_utf8(bytes).map_err(|error| local(io::Error::other(error.utf8_error())))
    }

    /// SHA-256 over the rows of these keys, in this order: the same rows give the same digest, in
    /// whatever order the platform gave them.
    pub(crate) fn digest(&self, keys: &[RowKey]) -> Digest {
        let digests: Vec<_> =
            keys.iter().filter_map(|key| self.by_identity.get(&key.identity)).map(|(_, span)| span.digest).collect();
        Digest::of_parts(digests.iter().map(|digest| &digest.as_bytes()[..]))
    }
}

/// How the pages of a list are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pages<'a> {
    pub(crate) client: &'a Client,
    pub(crate) register: Register,
    pub(crate) size: u16,
    /// The most rows that the list may have.
    pub(crate) most: u64,
}

impl Pages<'_> {
    /// Reads a whole list into the rows, or fails.
    pub(crate) async fn scan(&self, query: &Query, rows: &mut Rows) -> Result<(), AdapterError> {
        let mut before = self.pass(query, rows).await?;
        for _ in 1..PASSES {
            let pass = self.pass(query, rows).await?;
            if before.is_whole_by(&pass) {
                return Ok(());
            }
            before = pass;
        }
        let problem = format!(
            "the list moved while it was read: met {} rows, {} were held at the end of the last of {PASSES} passes",
            before.met.len(),
            before.held_last
        );
        Err(AdapterError::new(ErrorKind::Unavailable, self.attempted()).caused_by(problem))
    }

    /// One pass over the pages, to the one that is the last when it is read.
    async fn pass(&self, query: &Query, rows: &mut Rows) -> Result<Pass, AdapterError> {
        let mut met = HashSet::new();
        let mut page = self.page(1, query, rows, &mut met).await?;
        let held_first = page.held;
        for number in 2.. {
            if page.is_last {
                break;
            }
            page = self.page(number, query, rows, &mut met).await?;
        }
        Ok(Pass { met, held_first, held_last: page.held })
    }

    async fn page(
        &self,
        number: u64,
        query: &Query,
        rows: &mut Rows,
        met: &mut HashSet<Mark>,
    ) -> Result<PageSeen, AdapterError> {
        let (page, answer) = self.client.page(self.register.list(), number, self.size, query).await?;
        if page.number + 1 != number {
            return Err(answer.not_understood("another page than the one asked for"));
        }
        // So many pages behind, each with a row, would be a list without an end.
        if [page.total_elements, rows.len() as u64, number - 1].into_iter().any(|count| count > self.most) {
            let problem = format!("the list has more than {} rows: raise `max_rows`", self.most);
            let error = AdapterError::new(ErrorKind::Local, self.attempted()).caused_by(problem);
            return Err(error.advice(Advice::FixConfiguration));
        }
        // A page without rows ends the list whatever it says: asking on would never end.
        let is_last = page.last || page.content.is_empty();
        for row in &page.content {
            let key = self.key(row).map_err(|_| answer.not_understood("a row of another shape"))?;
            met.insert(mark(&key.identity));
            rows.put(key, row.get())?;
        }
        Ok(PageSeen { is_last, held: page.total_elements })
    }

    /// What tells a row from the others.
    fn key(&self, row: &RawValue) -> Result<RowKey, serde_json::Error> {
        self.register.key(row.get())
    }

    fn attempted(&self) -> String {
        format!("{SYSTEM} read the whole register {}", self.register.name())
    }
}

/// What one page says of the list.
struct PageSeen {
    is_last: bool,
    held: u64,
}

/// The start of the digest of an identity.
type Mark = [u8; 16];

fn mark(identity: &str) -> Mark {
    Digest::of(identity.as_bytes()).as_bytes().first_chunk().copied().unwrap_or_default()
}

/// The different rows that a pass met, and how many rows the platform held at its first and at its
/// last page.
struct Pass {
    met: HashSet<Mark>,
    held_first: u64,
    held_last: u64,
}

impl Pass {
    /// Whether the pass after this one proves that the rows that both met are all that the platform
    /// held in between.
    fn is_whole_by(&self, after: &Self) -> bool {
        let stayed = self.met.intersection(&after.met).count() as u64;
        stayed == self.held_last && stayed == after.held_first
    }
}

fn local(error: io::Error) -> AdapterError {
    AdapterError::new(ErrorKind::Local, format!("{SYSTEM} keep rows in a temporary file")).caused_by(error)
}

#[cfg(test)]
mod tests;
