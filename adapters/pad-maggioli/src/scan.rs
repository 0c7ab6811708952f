//! Reads a whole list of the platform, page by page, while others write to it.
//!
//! Pages are cut from a list that has no order of its own: a new row moves all those after it. So a
//! pass over the pages is believed only when it met as many different rows as the platform says it
//! holds, and when its last page, read again, is the same. Otherwise the pages are read again; after
//! a few passes the scan is an error, and nothing of it is handed over.
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

/// How many times in a row the last page is read again while it still changes.
const LAST_PAGE_READS: u32 = 8;

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
        let mut last = None;
        for _ in 0..PASSES {
            let pass = self.pass(query, rows).await?;
            match pass {
                Some((met, held)) if met == held => return Ok(()),
                _ => last = pass,
            }
        }
        let (met, held) = last.unwrap_or_default();
        let problem =
            format!("the list moved while it was read: met {met} rows of {held} in the last of {PASSES} passes");
        Err(AdapterError::new(ErrorKind::Unavailable, self.attempted()).caused_by(problem))
    }

    /// One pass over the pages: how many different rows it met, and how many the platform says it
    /// holds. None when the last page never stood still.
    async fn pass(&self, query: &Query, rows: &mut Rows) -> Result<Option<(u64, u64)>, AdapterError> {
        let mut met = HashSet::new();
        let (mut number, mut rereads) = (1, 0);
        let mut page = self.page(number, query, rows, &mut met).await?;
        loop {
            if !page.is_last {
                number += 1;
                page = self.page(number, query, rows, &mut met).await?;
                continue;
            }
            // New rows push others onto pages that were not there yet.
            let again = self.page(number, query, rows, &mut met).await?;
            if again == page {
                return Ok(Some((met.len() as u64, again.held)));
            }
            rereads += 1;
            if rereads == LAST_PAGE_READS {
                return Ok(None);
            }
            page = again;
        }
    }

    async fn page(
        &self,
        number: u64,
        query: &Query,
        rows: &mut Rows,
        met: &mut HashSet<String>,
    ) -> Result<PageSeen, AdapterError> {
        let (page, answer) = self.client.page(self.register.list(), number, self.size, query).await?;
        if page.number + 1 != number {
            return Err(answer.not_understood("another page than the one asked for"));
        }
        if page.total_elements > self.most || rows.len() as u64 > self.most {
            let problem = format!("the list has more than {} rows: raise `max_rows`", self.most);
            let error = AdapterError::new(ErrorKind::Local, self.attempted()).caused_by(problem);
            return Err(error.advice(Advice::FixConfiguration));
        }
        // A page without rows ends the list whatever it says: asking on would never end.
        let is_last = page.last || page.content.is_empty();
        let mut identities = Vec::with_capacity(page.content.len());
        for row in &page.content {
            let key = self.key(row).map_err(|_| answer.not_understood("a row of another shape"))?;
            met.insert(key.identity.clone());
            identities.push(key.identity.clone());
            rows.put(key, row.get())?;
        }
        identities.sort();
        Ok(PageSeen { identities, is_last, held: page.total_elements })
    }

    /// What tells a row from the others.
    fn key(&self, row: &RawValue) -> Result<RowKey, serde_json::Error> {
        self.register.key(row.get())
    }

    fn attempted(&self) -> String {
        format!("{SYSTEM} read the whole register {}", self.register.name())
    }
}

/// What one page held.
#[derive(PartialEq, Eq)]
struct PageSeen {
    identities: Vec<String>,
    is_last: bool,
    held: u64,
}

fn local(error: io::Error) -> AdapterError {
    AdapterError::new(ErrorKind::Local, format!("{SYSTEM} keep rows in a temporary file")).caused_by(error)
}

#[cfg(test)]
mod tests;
