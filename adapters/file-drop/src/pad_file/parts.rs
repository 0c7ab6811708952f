//! The parts of a workbook, and what each may ask of the memory of its reader.
//!
//! The reader makes room for as many strings as the part of the strings declares, and copies a font and a
//! format into every style of a cell: a file of a few kilobytes could ask for more than there is.

use std::io::BufRead;

use contract::Refusal;
use kit::refuse;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::workbook::broken;

/// The most strings that the cells may share.
const MOST_STRINGS: u64 = 4_000_000;
/// The shortest string that is written: `<si/>`.
const SHORTEST_STRING: u64 = 5;
/// The most styles of cells; spreadsheet programs end at 65 490.
const MOST_STYLES: u64 = 1 << 16;
/// The longest element of the styles, such as the format of a number or the name of a font.
const LONGEST_STYLE: usize = 2_048;
/// The most bytes of a part that is neither a sheet nor the strings of the sheets.
const MOST_OTHER: u64 = 8 << 20;

/// Whether a part is ever opened. The colours of a theme say nothing of a table.
pub(crate) fn is_read(name: &str) -> bool {
    let is_xml = name.strip_prefix("xl/").and_then(|name| name.rsplit_once('.')).is_some_and(|(_, kind)| kind == "xml");
    name == "xl/_rels/workbook.xml.rels" || (is_xml && !name.starts_with("xl/theme/"))
}

/// Refuses a part whose reader would be asked for too much. Names are in small letters.
pub(crate) fn check(name: &str, size: u64, part: &mut dyn BufRead) -> Result<(), Refusal> {
    match name {
        "xl/sharedstrings.xml" => strings(size, part),
        "xl/styles.xml" => bounded(size).and_then(|()| styles(part)),
        "xl/workbook.xml" | "xl/_rels/workbook.xml.rels" => bounded(size),
        // A sheet: read cell by cell, and its text counted. What else there is stays closed.
        _ => Ok(()),
    }
}

fn bounded(size: u64) -> Result<(), Refusal> {
    if size <= MOST_OTHER { Ok(()) } else { Err(too_large("a part of it that is no sheet is too long")) }
}

fn strings(size: u64, part: &mut dyn BufRead) -> Result<(), Refusal> {
    let most = MOST_STRINGS.min(size / SHORTEST_STRING);
    let shared = || too_large("its cells share too many strings");
    let mut strings = 0_u64;
    each_element(part, |element| match element.local_name().as_ref() {
        "si" => {
            strings += 1;
            if strings > MOST_STRINGS { Err(shared()) } else { Ok(()) }
        }
        // Each is judged, for two readers could choose another one of two.
        "sst" => element.attributes().with_checks(false).try_for_each(|attribute| {
            let attribute = attribute.map_err(|_| broken("its XML is damaged"))?;
            if attribute.key.local_name().as_ref() != "uniqueCount" {
                return Ok(());
            }
            match attribute.value.parse::<u64>() {
                Ok(declared) if declared <= most => Ok(()),
                Ok(declared) if declared <= size / SHORTEST_STRING => Err(shared()),
                _ => Err(broken("it declares more strings than it can hold")),
            }
        }),
        _ => Ok(()),
    })
}

fn styles(part: &mut dyn BufRead) -> Result<(), Refusal> {
    let mut styles = 0_u64;
    let mut is_root = true;
    each_element(part, |element| {
        // The root names the schemas that the program knows.
        let is_long = !std::mem::take(&mut is_root) && element.len() > LONGEST_STYLE;
        styles += u64::from(element.local_name().as_ref() == "xf");
        if is_long || styles > MOST_STYLES { Err(too_large("its cells have too many styles")) } else { Ok(()) }
    })
}

/// Every element that begins, as the reader of workbooks meets it.
fn each_element(
    part: &mut dyn BufRead,
    mut judge: impl FnMut(&BytesStart<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut xml = Reader::from_reader(part);
    let config = xml.config_mut();
    config.check_end_names = false;
    config.expand_empty_elements = true;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer) {
            Ok(Event::Start(element)) => judge(&element)?,
            Ok(Event::Eof) => return Ok(()),
            Ok(_) => {}
            Err(_) => return Err(broken("its XML is damaged")),
        }
    }
}

fn too_large(what: &str) -> Refusal {
    refuse("too_large", format!("the workbook would ask for too much memory ({what}): export the table as CSV"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, part: &str, expected: &str) {
        let checked = super::check(name, part.len() as u64, &mut part.as_bytes());
        assert_eq!(checked.map_or_else(|refusal| refusal.code, |()| String::new()), expected);
    }

    fn strings(count: &str) -> String {
        format!("<?xml version=\"1.0\"?><x:sst uniqueCount=\"{count}\"><si><t>a</t></si></x:sst>")
    }

    #[test]
    fn more_strings_than_fit_are_refused() {
        for count in ["", "1", "2", "10"] {
            check("xl/sharedstrings.xml", &strings(count), if count.is_empty() { "not_an_xlsx" } else { "" });
        }
        for count in ["100", "100000000000", "99999999999999999999", "-1", "&#49;"] {
            check("xl/sharedstrings.xml", &strings(count), "not_an_xlsx");
        }
        check("xl/sharedstrings.xml", "<sst count=\"9999999999\"><si/></sst>", "");
        check("xl/sharedstrings.xml", "<sst uniqueCount=\"1\" uniqueCount=\"99999\"><si/></sst>", "not_an_xlsx");
        check("xl/sharedstrings.xml", "<a><sst uniqueCount=\"99999\"/></a>", "not_an_xlsx");
        check("xl/sharedstrings.xml", &"<si/>".repeat(4_000_001), "too_large");
    }

    #[test]
    fn styles_that_multiply_are_refused() {
        let long = "a".repeat(LONGEST_STYLE);
        check("xl/styles.xml", &format!("<styleSheet xmlns=\"{long}\"><font/></styleSheet>"), "");
        check("xl/styles.xml", &format!("<styleSheet><numFmt formatCode=\"{long}\"/></styleSheet>"), "too_large");
        check("xl/styles.xml", &"<xf/>".repeat(1 << 16), "");
        check("xl/styles.xml", &"<xf/>".repeat((1 << 16) + 1), "too_large");
    }

    #[test]
    fn what_is_no_sheet_is_short() {
        let long = " ".repeat((8 << 20) + 1);
        for name in ["xl/styles.xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels"] {
            check(name, &long, "too_large");
        }
        check("xl/worksheets/sheet1.xml", &long, "");
    }

    #[test]
    fn only_parts_that_hold_a_table_are_read() {
        let names = ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels", "xl/strings.xml"];
        assert!(names.into_iter().all(is_read));
        let names = ["xl/theme/theme1.xml", "xl/media/a.png", "_rels/.rels", "docprops/app.xml", "xl/vbaproject.bin"];
        assert!(!names.into_iter().any(is_read));
    }
}
