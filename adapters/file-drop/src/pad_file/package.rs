//! The parts of a workbook that are read, in an archive of our own making.
//!
//! Two readers of ZIP can see two archives in the same bytes, and sizes in a directory can lie. So what is
//! opened is never what was received, but an archive written here from the parts that were inflated to
//! their end and found within their bounds.

use flate2::read::DeflateDecoder;
use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use contract::Refusal;
use kit::refuse;

use super::parts;
use super::workbook::broken;

/// The most that the parts of a workbook may hold, once inflated.
const MOST_INFLATED: u64 = 512 << 20;

/// Where the parts begin. Whatever the archive says, the workbook is the part that was found.
const RELATIONSHIPS: &[u8] =
    br#"<Relationships><Relationship Type="/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const RELATIONSHIPS_NAME: &str = "_rels/.rels";

/// A part, still as the archive holds it.
struct Part<'a> {
    is_deflated: bool,
    checksum: u32,
    inflated: u32,
    data: &'a [u8],
}

/// The parts that are read, checked, in a new archive.
pub(crate) fn checked(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let parts = parts(bytes)?;
    if !parts.contains_key("xl/workbook.xml") {
        let message = "the file is a ZIP archive, not an XLSX workbook: extract the table and drop that";
        return Err(refuse("zip_archive", message));
    }
    let declared: u64 = parts.values().map(|part| u64::from(part.inflated)).sum();
    if declared > MOST_INFLATED {
        let message =
            format!("the workbook inflates to more than {MOST_INFLATED} bytes: split it, or export it as CSV");
        return Err(refuse("too_large", message));
    }
    // The same bytes could stand for many parts.
    if parts.values().map(|part| part.data.len()).sum::<usize>() > bytes.len() {
        return Err(broken("its parts overlap"));
    }
    for (name, part) in &parts {
        part.check(name)?;
    }
    write(&parts)
}

impl Part<'_> {
    /// Reads the part to its end.
    fn check(&self, name: &str) -> Result<(), Refusal> {
        let size = u64::from(self.inflated);
        let most = size + 1;
        let inflated: Box<dyn Read> = if self.is_deflated {
            Box::new(DeflateDecoder::new(self.data).take(most))
        } else {
            Box::new(self.data.take(most))
        };
        let mut counted = Counted { inner: inflated, bytes: 0 };
        parts::check(name, size, &mut BufReader::new(&mut counted))?;
        std::io::copy(&mut counted, &mut std::io::sink()).map_err(|_| broken("its ZIP is damaged"))?;
        if counted.bytes == size { Ok(()) } else { Err(broken("a part has not the size that is declared")) }
    }
}

struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(out)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

/// The parts that are read, by their names as they are looked for: letter case does not count.
fn parts(bytes: &[u8]) -> Result<BTreeMap<String, Part<'_>>, Refusal> {
    let number = |at: usize, length: usize| number(bytes, at, length);
    let earliest = bytes.len().saturating_sub(22 + usize::from(u16::MAX));
    let end = (earliest..=bytes.len().saturating_sub(22)).rev().find(|at| bytes[*at..].starts_with(b"PK\x05\x06"));
    let directory = end.and_then(|end| Some((number(end + 10, 2)?, number(end + 16, 4)?)));
    let Some((entries, mut at)) = directory else {
        return Err(broken("it is cut short"));
    };
    let mut parts = BTreeMap::new();
    for _ in 0..entries {
        let entry = (|| {
            let lengths = (number(at + 28, 2)?, number(at + 30, 2)?, number(at + 32, 2)?);
            let next = at + 46 + lengths.0 + lengths.1 + lengths.2;
            let header = bytes.get(at..next).filter(|header| header.starts_with(b"PK\x01\x02"))?;
            Some((header, &header[46..46 + lengths.0], next))
        })();
        let Some((header, name, next)) = entry else {
            return Err(broken("its directory is damaged"));
        };
        at = next;
        let Some(name) = std::str::from_utf8(name).ok().map(|name| name.replace('\\', "/").to_ascii_lowercase()) else {
            continue;
        };
        if !parts::is_read(&name) {
            continue;
        }
        let part = part(bytes, header)?;
        if parts.insert(name, part).is_some() {
            return Err(broken("it holds a part twice"));
        }
    }
    Ok(parts)
}

fn part<'a>(bytes: &'a [u8], header: &[u8]) -> Result<Part<'a>, Refusal> {
    let field = |at, length| number(header, at, length).unwrap_or_default();
    let is_deflated = match (field(8, 2) & 1, field(10, 2)) {
        (0, 0) => false,
        (0, 8) => true,
        (0, _) => return Err(broken("it is compressed in another way")),
        _ => return Err(broken("it is protected by a password")),
    };
    let local = field(42, 4);
    let data = (|| {
        bytes.get(local..).filter(|header| header.starts_with(b"PK\x03\x04"))?;
        let start = local + 30 + number(bytes, local + 26, 2)? + number(bytes, local + 28, 2)?;
        bytes.get(start..start.checked_add(field(20, 4))?)
    })();
    let short = |at| u32::try_from(field(at, 4)).unwrap_or(u32::MAX);
    let data = data.ok_or_else(|| broken("a part is outside of it"))?;
    Ok(Part { is_deflated, checksum: short(16), inflated: short(24), data })
}

/// A number, its lowest byte first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

fn write(parts: &BTreeMap<String, Part<'_>>) -> Result<Vec<u8>, Refusal> {
    let inflated = u32::try_from(RELATIONSHIPS.len()).unwrap_or_default();
    let start = Part { is_deflated: false, checksum: checksum(RELATIONSHIPS), inflated, data: RELATIONSHIPS };
    let all = parts.iter().map(|(name, part)| (name.as_str(), part)).chain([(RELATIONSHIPS_NAME, &start)]);
    let (mut archive, mut directory, mut entries) = (Vec::new(), Vec::new(), 0_u16);
    for (name, part) in all {
        let fits = || {
            let place = u32::try_from(archive.len()).ok()?;
            Some((
                place,
                u32::try_from(part.data.len()).ok()?,
                u16::try_from(name.len()).ok()?,
                entries.checked_add(1)?,
            ))
        };
        let (place, length, name_length, count) = fits().ok_or_else(|| broken("it has too many parts"))?;
        entries = count;
        // Version 2.0, names in UTF-8, the method, midnight of the first day of 1980.
        let mut header = vec![20, 0, 0, 8, if part.is_deflated { 8 } else { 0 }, 0, 0, 0, 33, 0];
        for number in [part.checksum, length, part.inflated] {
            header.extend(number.to_le_bytes());
        }
        header.extend(name_length.to_le_bytes());
        header.extend([0, 0]);
        directory.extend([b"PK\x01\x02\x14\0", &header[..], &[0; 10], &place.to_le_bytes(), name.as_bytes()].concat());
        archive.extend([b"PK\x03\x04", &header[..], name.as_bytes(), part.data].concat());
    }
    let place = u32::try_from(archive.len()).map_err(|_| broken("it is too long"))?;
    let length = u32::try_from(directory.len()).map_err(|_| broken("it has too many parts"))?;
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([entries.to_le_bytes(), entries.to_le_bytes()].concat());
    archive.extend([length.to_le_bytes(), place.to_le_bytes()].concat());
    archive.extend([0, 0]);
    Ok(archive)
}

/// The check sum of ZIP archives (CRC-32).
fn checksum(bytes: &[u8]) -> u32 {
    let bit = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), bit))
}

/// An archive of parts that are not compressed, checked by nobody.
#[cfg(test)]
pub(crate) fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
    let parts = parts.iter().map(|(name, text)| {
        let data = text.as_bytes();
        let inflated = u32::try_from(data.len()).unwrap();
        ((*name).to_owned(), Part { is_deflated: false, checksum: checksum(data), inflated, data })
    });
    write(&parts.collect()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: (&str, &str) = ("xl/workbook.xml", "<workbook/>");

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(checked(bytes).unwrap_err().code, expected);
    }

    #[test]
    fn what_is_no_workbook_is_refused_before_it_is_opened() {
        check(b"PK\x03\x04", "not_an_xlsx");
        check(b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "zip_archive");
        check(&archive(&[("prova.xml", "")]), "zip_archive");
    }

    #[test]
    fn an_archive_holds_the_parts_that_are_read_whatever_their_letters() {
        let received = archive(&[("XL\\Workbook.xml", "<workbook/>"), ("xl/media/image1.png", "x")]);
        let again = parts(&checked(&received).unwrap()).map(|parts| parts.into_keys().collect::<Vec<_>>()).unwrap();
        assert_eq!(again, ["xl/workbook.xml"]);
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_part_of_another_size_than_declared_is_refused() {
        let received = archive(&[BOOK]);
        let at = received.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        for size in [0, 10, 12] {
            let mut received = received.clone();
            received[at + 24] = size;
            check(&received, "not_an_xlsx");
        }
        let mut received = received;
        received[at + 24..at + 28].copy_from_slice(&u32::MAX.to_le_bytes());
        check(&received, "too_large");
    }

    #[test]
    fn parts_that_are_protected_or_packed_otherwise_are_refused() {
        let received = archive(&[BOOK]);
        let at = received.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        for (place, value) in [(8, 1), (10, 9), (10, 8), (42, 1), (20, 200)] {
            let mut received = received.clone();
            received[at + place] = value;
            check(&received, "not_an_xlsx");
        }
    }

    #[test]
    fn parts_that_share_their_bytes_are_refused() {
        let long = " ".repeat(9_000);
        let mut received = archive(&[("xl/a.xml", &long), ("xl/b.xml", ""), ("xl/c.xml", ""), BOOK]);
        let entry = |name: &str| {
            let name = name.as_bytes();
            received.windows(name.len()).rposition(|bytes| bytes == name).unwrap() - 46
        };
        let places = ["xl/a.xml", "xl/b.xml", "xl/c.xml"].map(entry);
        // Two empty parts are made to begin where the long one does, and to be as long.
        let [first, others @ ..] = places;
        for at in others {
            received.copy_within(first + 16..first + 28, at + 16);
            received.copy_within(first + 42..first + 46, at + 42);
        }
        assert!(checked(&received).unwrap_err().message.contains("overlap"));
    }

    #[test]
    fn a_part_that_stands_twice_is_refused() {
        let received = archive(&[("xl/a.xml", "<a/>"), ("XL/a.xml", "<a/>"), BOOK]);
        check(&received, "not_an_xlsx");
    }
}
