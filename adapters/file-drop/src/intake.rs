//! From one file to raw records, in order, with memory that does not grow with the file.
//!
//! The file is opened once and read twice. The first time says whether it can be read to its end,
//! and its digest, which stands on every record: a file that is refused gives no record at all. The
//! second time gives the records. Whether the file changed meanwhile is asked after each.

use std::fs::{File, Metadata};
use std::io::{Cursor, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use canonical::code_lists::L190Version;
use canonical::values::CalendarDate;
use canonical::values::date::DateFormat;
use contract::{DocumentHeader, RawRecord, Received, Refusal};
use kit::{Closed, Links, Occurrences, refuse};
use sha2::{Digest as _, Sha256};

use crate::l190::{Document, Parser, Receiver};
use crate::ndjson;
use crate::occurrences::add_cig;
use crate::read::Context;
use crate::sniff::{Promise, not_readable, sniff};
use crate::strict_xml;
use crate::wire::{Campo, LottoL190, MetadataL190};

/// Reads one file, and gives what it holds.
pub(crate) fn take(
    path: &Path,
    links: Links,
    max_bytes: u64,
    give: &mut impl FnMut(Received) -> Result<(), Closed>,
) -> Result<(), Closed> {
    let remote_id = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut giver = Giver { give, is_closed: false };
    let outcome = open(path, links, max_bytes).and_then(|mut file| {
        let opened = metadata(&file)?;
        let checked = check(&mut file, opened.len());
        if !is_same(&opened, &metadata(&file)?) {
            return Err(changed());
        }
        let (promise, digest) = checked?;
        let outcome = give_all(&mut file, opened.len(), promise, digest, &remote_id, &mut giver);
        // A file that changed was read half before and half after: whatever else is wrong with it.
        if is_same(&opened, &metadata(&file)?) { outcome } else { Err(changed()) }
    });
    if giver.is_closed {
        return Err(Closed);
    }
    let last = match outcome {
        Ok(()) => Received::End,
        Err(refusal) => Received::Refused { remote_id, refusal },
    };
    (giver.give)(last)
}

/// Reads a file to its end, and says what it is and its digest.
fn check(file: &mut File, length: u64) -> Result<(Promise, String), Refusal> {
    let (promise, prefix) = sniff(file)?;
    let rest = length.saturating_sub(prefix.len() as u64);
    let mut source = Hashing { source: Cursor::new(prefix).chain(file.take(rest)), hasher: Sha256::new() };
    match promise {
        Promise::Xml => {
            let mut parser = Parser::new(Nobody);
            strict_xml::parse(&mut source, &mut parser)?;
            parser.finish()?;
        }
        Promise::Json => ndjson::read_lines(&mut source, |_| Ok(()))?,
    }
    std::io::copy(&mut source, &mut std::io::sink()).map_err(|error| not_readable(&error))?;
    let digest = canonical::Digest::from_bytes(&source.hasher.finalize());
    Ok((promise, digest.map(|digest| digest.to_string()).unwrap_or_default()))
}

/// A source whose bytes are digested as they are read.
struct Hashing<R> {
    source: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

/// Takes everything, to see whether it can be read.
struct Nobody;

impl Receiver for Nobody {
    const WANTS_TEXT: bool = false;

    fn envelope(&mut self, _: Document, _: &MetadataL190, _: L190Version) -> Result<(), Refusal> {
        Ok(())
    }

    fn lotto(&mut self, _: &LottoL190, _: u64, _: &str) -> Result<(), Refusal> {
        Ok(())
    }
}

fn give_all(
    file: &mut File,
    length: u64,
    promise: Promise,
    digest: String,
    remote_id: &str,
    giver: &mut Giver<'_, impl FnMut(Received) -> Result<(), Closed>>,
) -> Result<(), Refusal> {
    file.rewind().map_err(|error| not_readable(&error))?;
    let source = file.take(length);
    let header = DocumentHeader {
        remote_id: remote_id.to_owned(),
        digest,
        format: ndjson::FORMAT.to_owned(),
        version: ndjson::VERSION.to_owned(),
        as_of: None,
        context: serde_json::Value::Null,
    };
    match promise {
        Promise::Xml => {
            let mut parser = Parser::new(Intake { giver, header, document: None, occurrences: Occurrences::default() });
            strict_xml::parse(source, &mut parser)?;
            parser.finish()
        }
        Promise::Json => {
            let document = Arc::new(header);
            giver.give(Received::Begin(Arc::clone(&document)))?;
            ndjson::read_lines(source, |line| {
                let document = Arc::clone(&document);
                giver.give(Received::Record(RawRecord {
                    document,
                    line: line.number,
                    occurrence: line.occurrence,
                    text: line.text,
                }))
            })
        }
    }
}

/// Gives what is read, until nobody takes it.
struct Giver<'g, G> {
    give: &'g mut G,
    is_closed: bool,
}

impl<G: FnMut(Received) -> Result<(), Closed>> Giver<'_, G> {
    fn give(&mut self, received: Received) -> Result<(), Refusal> {
        (self.give)(received).map_err(|Closed| {
            self.is_closed = true;
            // Never seen: it only ends the reading.
            refuse("closed", "nobody takes the records")
        })
    }
}

/// Makes raw records of the lots of a dataset.
struct Intake<'i, 'g, G> {
    giver: &'i mut Giver<'g, G>,
    header: DocumentHeader,
    document: Option<Arc<DocumentHeader>>,
    occurrences: Occurrences,
}

impl<G: FnMut(Received) -> Result<(), Closed>> Receiver for Intake<'_, '_, G> {
    const WANTS_TEXT: bool = true;

    fn envelope(&mut self, document: Document, metadata: &MetadataL190, version: L190Version) -> Result<(), Refusal> {
        let format = if document == Document::Dataset { FORMAT } else { FORMAT_INDICE };
        let updated = metadata.data_ultimo_aggiornamento.as_deref().unwrap_or_default();
        let header = Arc::new(DocumentHeader {
            format: format.to_owned(),
            version: version.as_str().to_owned(),
            as_of: CalendarDate::read(updated, DateFormat::Iso).value,
            context: serde_json::to_value(Context::of(metadata)).unwrap_or_default(),
            ..self.header.clone()
        });
        self.document = Some(Arc::clone(&header));
        self.giver.give(Received::Begin(header))
    }

    fn lotto(&mut self, lotto: &LottoL190, line: u64, text: &str) -> Result<(), Refusal> {
        let occurrence = add_cig(&mut self.occurrences, lotto.get(Campo::Cig));
        let Some(document) = self.document.clone() else {
            return Ok(());
        };
        self.giver.give(Received::Record(RawRecord { document, line, occurrence, text: text.to_owned() }))
    }
}

/// The name of the format of a dataset.
pub(crate) const FORMAT: &str = "l190";
/// The name of the format of an index, which lists datasets and holds no record.
pub(crate) const FORMAT_INDICE: &str = "l190-indice";

/// Opens a regular file that is not too long.
pub(crate) fn open(path: &Path, links: Links, max_bytes: u64) -> Result<File, Refusal> {
    let found = match links {
        Links::Follow => std::fs::metadata(path),
        Links::Refuse => std::fs::symlink_metadata(path),
    };
    let found = found.map_err(|error| not_readable(&error))?;
    if !found.is_file() {
        return Err(refuse("not_a_file", "the path is not that of a regular file: drop the file itself"));
    }
    if found.len() > max_bytes {
        let message =
            format!("the file is longer than {max_bytes} bytes: split it, or raise max_bytes in the settings");
        return Err(refuse("too_large", message));
    }
    let file = File::open(path).map_err(|error| not_readable(&error))?;
    // Between the look and the opening the name may have been given to something else.
    if is_same(&found, &metadata(&file)?) { Ok(file) } else { Err(changed()) }
}

pub(crate) fn metadata(file: &File) -> Result<Metadata, Refusal> {
    file.metadata().map_err(|error| not_readable(&error))
}

pub(crate) fn changed() -> Refusal {
    refuse(
        "changed_while_reading",
        "the file changed while it was read: write under a name ending in .part, then rename",
    )
}

pub(crate) fn is_same(before: &Metadata, after: &Metadata) -> bool {
    #[cfg(unix)]
    let is_same_file = {
        use std::os::unix::fs::MetadataExt;
        (before.dev(), before.ino()) == (after.dev(), after.ino())
    };
    #[cfg(not(unix))]
    let is_same_file = true;
    is_same_file && before.len() == after.len() && before.modified().ok() == after.modified().ok()
}
