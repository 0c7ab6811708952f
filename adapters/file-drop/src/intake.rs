//! From one file to raw records, in order, with memory that does not grow with the file.
//!
//! The file is opened once and read twice: once for its digest, which stands on every record, and
//! once for its records. Whether it changed meanwhile is asked at the end.

use std::fs::{File, Metadata};
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

use canonical::code_lists::L190Version;
use canonical::values::CalendarDate;
use canonical::values::date::DateFormat;
use contract::{DocumentHeader, RawRecord, Received, Refusal};
use sha2::{Digest as _, Sha256};

use crate::l190::{Document, Parser, Receiver};
use crate::ndjson;
use crate::occurrences::Occurrences;
use crate::read::Context;
use crate::refuse;
use crate::sniff::{Promise, not_readable, sniff};
use crate::strict_xml;
use crate::wire::{Campo, LottoL190, MetadataL190};

/// Nobody takes what is read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// Whether the end of a path may be a link to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Named by a person: a link is what they meant.
    Follow,
    /// Found in a folder where anybody may drop: a link could lead anywhere.
    Refuse,
}

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
        let outcome = take_open(&mut file, opened.len(), &remote_id, &mut giver);
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

fn take_open(
    file: &mut File,
    length: u64,
    remote_id: &str,
    giver: &mut Giver<'_, impl FnMut(Received) -> Result<(), Closed>>,
) -> Result<(), Refusal> {
    let (promise, prefix) = sniff(file)?;
    let digest = digest(prefix, file)?;
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
        let occurrence = self.occurrences.add_cig(lotto.get(Campo::Cig));
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

fn open(path: &Path, links: Links, max_bytes: u64) -> Result<File, Refusal> {
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

fn metadata(file: &File) -> Result<Metadata, Refusal> {
    file.metadata().map_err(|error| not_readable(&error))
}

fn changed() -> Refusal {
    refuse(
        "changed_while_reading",
        "the file changed while it was read: write under a name ending in .part, then rename",
    )
}

fn is_same(before: &Metadata, after: &Metadata) -> bool {
    #[cfg(unix)]
    let is_same_file = {
        use std::os::unix::fs::MetadataExt;
        (before.dev(), before.ino()) == (after.dev(), after.ino())
    };
    #[cfg(not(unix))]
    let is_same_file = true;
    is_same_file && before.len() == after.len() && before.modified().ok() == after.modified().ok()
}

fn digest(prefix: Vec<u8>, rest: &mut impl Read) -> Result<String, Refusal> {
    let mut hasher = Sha256::new();
    hasher.update(&prefix);
    let mut chunk = prefix;
    chunk.resize(128 * 1024, 0);
    loop {
        match rest.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => hasher.update(&chunk[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(not_readable(&error)),
        }
    }
    Ok(canonical::Digest::from_bytes(&hasher.finalize()).map(|digest| digest.to_string()).unwrap_or_default())
}
