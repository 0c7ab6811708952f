//! From one file to raw records. A file that is refused gives none.
//!
//! A file may still be written while it is read. No clock is needed to notice: it is read to its end
//! before anything is given, and its length, its time of writing and its identity are asked before
//! and after both readings. What changed is refused, and the next round reads it again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{Read, Seek};
use std::path::Path;

use canonical::values::importo::NumberFormat;
use contract::{DocumentHeader, Received, Refusal};
use kit::{Closed, Delimiter, Dialect, Document, Give, Links, Looks, TableFormat, give_table, refuse};

use super::choose::{choose, first_row, missing};
use super::config::PadFileSettings;
use super::gather::{Gatherer, context};
use super::rows::write;
use super::{package, workbook};
use crate::intake::{changed, is_same, metadata, open};
use crate::mapping::{Encoding, FileKind, Plan};
use crate::sniff::not_readable;

/// The name of the format in the headers of documents.
pub(crate) const FORMAT: &str = "pad-file";

/// The header must end within this many bytes.
const HEADER_BYTES: u64 = 1 << 16;

/// Reads one file, and gives what it holds.
pub(crate) fn take(
    path: &Path,
    links: Links,
    settings: &PadFileSettings,
    plans: &[Plan],
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    let remote_id = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let taken = match is_zip(path, links, settings.max_bytes) {
        Ok(true) => take_workbook(path, links, settings, plans, &remote_id, give),
        Ok(false) => take_csv(path, links, settings, plans, &remote_id, give),
        Err(refusal) => Err(Stop::Refused(refusal)),
    };
    match taken {
        Ok(()) => Ok(()),
        Err(Stop::Closed) => Err(Closed),
        Err(Stop::Refused(refusal)) => give(Received::Refused { remote_id, refusal }),
    }
}

/// Why a reading ends early.
enum Stop {
    Closed,
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

fn is_zip(path: &Path, links: Links, max_bytes: u64) -> Result<bool, Refusal> {
    let mut start = Vec::with_capacity(4);
    let file = open(path, links, max_bytes)?;
    file.take(4).read_to_end(&mut start).map_err(|error| not_readable(&error))?;
    Ok(start == b"PK\x03\x04")
}

fn take_csv(
    path: &Path,
    links: Links,
    settings: &PadFileSettings,
    plans: &[Plan],
    remote_id: &str,
    give: &mut Give<'_>,
) -> Result<(), Stop> {
    let (document, probed) = Document::open_checked(path, links, settings.max_bytes, probe)?;
    let digest = document.digest().to_owned();
    drop(document);
    let plan = choose(plans, FileKind::Csv, |plan| Ok(Some(first_row(&probed.start, plan.separator))))?;
    let dialect = Dialect {
        delimiter: Delimiter::Byte(plan.separator),
        encoding: kit::Encoding::Utf8OrWindows1252,
        required_columns: &[],
        key_columns: &[],
    };
    let is_surprise = !probed.is_utf8 && plan.encoding == Encoding::Utf8;
    let format = TableFormat {
        remote_id: Some(remote_id.to_owned()),
        context: context(plan, is_surprise),
        ..TableFormat::new(FORMAT, "", dialect)
    };
    let mut csv = Csv { plan, digest, refusal: None };
    match csv.read(path, links, &format, settings.max_bytes, give) {
        Err(Closed) => Err(csv.refusal.map_or(Stop::Closed, Stop::Refused)),
        Ok(()) => Ok(()),
    }
}

/// One CSV, whose rows are given by the reader of tables and gathered here.
struct Csv<'p> {
    plan: &'p Plan,
    /// Of the first reading.
    digest: String,
    /// Why the reading was ended from here.
    refusal: Option<Refusal>,
}

impl Csv<'_> {
    fn read(
        &mut self,
        path: &Path,
        links: Links,
        format: &TableFormat,
        max_bytes: u64,
        give: &mut Give<'_>,
    ) -> Result<(), Closed> {
        let mut give = Some(give);
        let mut gatherer: Option<Gatherer<'_, '_>> = None;
        let (plan, digest, refused) = (self.plan, &self.digest, &mut self.refusal);
        give_table(path, links, format, max_bytes, &mut |received| match (received, &mut gatherer) {
            (Received::Begin(header), _) => {
                let columns = header.context.get("columns").and_then(|columns| columns.as_array());
                let columns: Vec<_> =
                    columns.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect();
                // Another file has taken the name since the mapping was chosen.
                if header.digest != *digest || !missing(plan, &columns).is_empty() {
                    *refused = Some(changed());
                    return Err(Closed);
                }
                let header = DocumentHeader { version: version(plan), ..(*header).clone() };
                gatherer = Some(Gatherer::begin(plan, header, give.take().ok_or(Closed)?)?);
                Ok(())
            }
            (Received::Record(record), Some(gatherer)) => gatherer.row(record.line, record.text),
            (Received::End, Some(gatherer)) => {
                gatherer.flush()?;
                gatherer.give(Received::End)
            }
            (other, Some(gatherer)) => gatherer.give(other),
            (other, None) => give.as_mut().map_or(Err(Closed), |give| give(other)),
        })
    }
}

/// What the first reading of a CSV tells.
struct Probed {
    start: Vec<u8>,
    is_utf8: bool,
}

fn probe(looks: Looks, bytes: &mut dyn Read) -> Result<Probed, Refusal> {
    if looks != Looks::Text {
        let message = "the file is XML or JSON, not a table: drop it into the folder of file-drop";
        return Err(refuse("not_a_table", message));
    }
    let failed = |error: std::io::Error| not_readable(&error);
    let mut start = Vec::new();
    bytes.take(HEADER_BYTES).read_to_end(&mut start).map_err(failed)?;
    let mut utf8 = Utf8::default();
    utf8.add(&start);
    let mut buffer = vec![0; 1 << 16];
    while utf8.is_valid {
        match bytes.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => utf8.add(&buffer[..read]),
        }
    }
    Ok(Probed { start, is_utf8: utf8.is_valid && utf8.rest.is_empty() })
}

/// Whether bytes are UTF-8, wherever they are cut.
struct Utf8 {
    rest: Vec<u8>,
    is_valid: bool,
}

impl Default for Utf8 {
    fn default() -> Self {
        Self { rest: Vec::new(), is_valid: true }
    }
}

impl Utf8 {
    fn add(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        match std::str::from_utf8(&self.rest) {
            Ok(_) => self.rest.clear(),
            Err(error) if error.error_len().is_none() => {
                self.rest.drain(..error.valid_up_to());
            }
            Err(_) => self.is_valid = false,
        }
    }
}

fn take_workbook(
    path: &Path,
    links: Links,
    settings: &PadFileSettings,
    plans: &[Plan],
    remote_id: &str,
    give: &mut Give<'_>,
) -> Result<(), Stop> {
    let bytes = read_whole(path, links, settings.max_xlsx_bytes)?;
    let digest = canonical::Digest::of(&bytes).to_string();
    let checked = package::checked(&bytes)?;
    drop(bytes);
    let (plan, mut rows) = choose_sheet(plans, &checked)?;
    drop(checked);
    let mut columns = if rows.is_empty() { Vec::new() } else { rows.remove(0).1 };
    // Values beyond the header belong to columns without a name.
    let width = rows.iter().map(|(_, texts)| texts.len()).max().unwrap_or_default().max(columns.len());
    columns.resize(width, String::new());
    let mut context = context(plan, false);
    context.insert("columns".to_owned(), columns.into());
    let header = DocumentHeader {
        remote_id: remote_id.to_owned(),
        digest,
        format: FORMAT.to_owned(),
        version: version(plan),
        as_of: None,
        context: context.into(),
    };
    let mut gatherer = Gatherer::begin(plan, header, give)?;
    for (line, mut texts) in rows {
        texts.resize(width, String::new());
        gatherer.row(line, write(&texts))?;
    }
    gatherer.flush()?;
    gatherer.give(Received::End)?;
    Ok(())
}

fn read_whole(path: &Path, links: Links, max_bytes: u64) -> Result<Vec<u8>, Refusal> {
    let failed = |error: std::io::Error| not_readable(&error);
    let mut file = open(path, links, max_bytes).map_err(|refusal| match refusal.code.as_str() {
        "too_large" => refuse(
            "too_large",
            format!("the workbook is longer than {max_bytes} bytes: split it, or raise max_xlsx_bytes in the settings"),
        ),
        _ => refusal,
    })?;
    let opened = metadata(&file)?;
    file.rewind().map_err(failed)?;
    let mut bytes = Vec::new();
    (&mut file).take(max_bytes).read_to_end(&mut bytes).map_err(failed)?;
    let is_whole = u64::try_from(bytes.len()) == Ok(opened.len());
    if is_whole && is_same(&opened, &metadata(&file)?) { Ok(bytes) } else { Err(changed()) }
}

/// The mapping of a workbook, and the rows of its sheet.
fn choose_sheet<'p>(plans: &'p [Plan], bytes: &[u8]) -> Result<(&'p Plan, Vec<workbook::Row>), Refusal> {
    let place = |plan: &Plan| (plan.sheet.clone(), plan.number_format == NumberFormat::Comma);
    let mut sheets: BTreeMap<_, Vec<workbook::Row>> = BTreeMap::new();
    let plan = choose(plans, FileKind::Xlsx, |plan| {
        let rows = match sheets.entry(place(plan)) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(place) => match workbook::rows(bytes, plan.sheet.as_deref(), plan.number_format) {
                Ok(rows) => place.insert(rows),
                // Another mapping may name a sheet that is there.
                Err(refusal) if refusal.code == "no_sheet" => return Ok(None),
                Err(refusal) => return Err(refusal),
            },
        };
        Ok(rows.first().map(|(_, columns)| columns.clone()))
    })?;
    Ok((plan, sheets.remove(&place(plan)).unwrap_or_default()))
}

fn version(plan: &Plan) -> String {
    format!("{}-{}", plan.platform, plan.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_is_recognised_wherever_it_is_cut() {
        let text = "Città di Forlì — €".as_bytes();
        for at in 0..text.len() {
            let mut utf8 = Utf8::default();
            utf8.add(&text[..at]);
            utf8.add(&text[at..]);
            assert!(utf8.is_valid && utf8.rest.is_empty(), "{at}");
        }
        let mut utf8 = Utf8::default();
        utf8.add(b"Citt\xe0 di");
        assert!(!utf8.is_valid);
    }
}
