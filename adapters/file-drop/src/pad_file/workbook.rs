//! The rows of a workbook (XLSX), as texts.
//!
//! A workbook is held in memory, so what it asks for is looked at before it is opened (see `package`).
//! Only one sheet is read, cell by cell: the size that it declares of itself counts for nothing.

use std::io::Cursor;
use std::panic::catch_unwind;

use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx};
use canonical::values::importo::NumberFormat;
use contract::Refusal;
use kit::refuse;

/// The most text that the cells of a sheet may hold.
const MOST_TEXT: usize = 128 << 20;
/// The most columns of a sheet.
const MOST_COLUMNS: usize = 1_000;

/// A row: where it stands, and its texts from the first column on.
pub(crate) type Row = (u64, Vec<String>);

/// The rows of a sheet that are not empty; the first is the header. The bytes are those of [`checked`](super::package::checked).
pub(crate) fn rows(bytes: &[u8], sheet: Option<&str>, format: NumberFormat) -> Result<Vec<Row>, Refusal> {
    // The readers of the format meet hostile files here: a panic of theirs refuses the file.
    catch_unwind(|| read_sheet(bytes, sheet, format)).unwrap_or_else(|_| Err(broken("its parts do not fit together")))
}

fn read_sheet(bytes: &[u8], sheet: Option<&str>, format: NumberFormat) -> Result<Vec<Row>, Refusal> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| broken(kind(&error)))?;
    let names = book.sheet_names();
    let name = match sheet {
        Some(sheet) => names.iter().find(|name| name.trim() == sheet.trim()),
        None => names.first(),
    };
    let Some(name) = name.cloned() else {
        let wanted = sheet.unwrap_or("the first");
        let message = format!("the workbook has no sheet {wanted}: export it again, or correct `sheet` in the mapping");
        return Err(refuse("no_sheet", message));
    };
    let mut cells = book.worksheet_cells_reader(&name).map_err(|error| broken(kind(&error)))?;
    let mut rows: Vec<Row> = Vec::new();
    let mut text_bytes = 0;
    while let Some(cell) = cells.next_cell().map_err(|error| broken(kind(&error)))? {
        let text = text_of(cell.get_value(), format);
        if text.is_empty() {
            continue;
        }
        let (line, column) = cell.get_position();
        let (line, column) = (u64::from(line) + 1, column as usize);
        if column >= MOST_COLUMNS {
            return Err(refuse(
                "too_many_columns",
                format!("the sheet has more than {MOST_COLUMNS} columns: remove them"),
            ));
        }
        let is_new = rows.last().is_none_or(|(last, _)| *last != line);
        if rows.last().is_some_and(|(last, _)| *last > line) {
            return Err(broken("its rows are not in order"));
        }
        // What an empty row or cell costs counts too.
        text_bytes += text.len() + std::mem::size_of::<Row>();
        if is_new {
            rows.push((line, Vec::new()));
        }
        if let Some((_, texts)) = rows.last_mut() {
            text_bytes += (column + 1).saturating_sub(texts.len()) * std::mem::size_of::<String>();
            if texts.len() <= column {
                texts.resize(column + 1, String::new());
            }
            texts[column] = text;
        }
        if text_bytes > MOST_TEXT {
            return Err(refuse("too_large", "the sheet holds too much text: split it, or export it as CSV"));
        }
    }
    Ok(rows)
}

/// The text of a cell: numbers by their shortest decimal, dates as ISO, formulas by the value that
/// was stored with them.
fn text_of(value: &DataRef<'_>, format: NumberFormat) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => decimal(*number, format),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(truth) => truth.to_string(),
        DataRef::DateTime(instant) => date(instant, format),
        DataRef::Error(error) => error.to_string(),
    }
}

/// The shortest decimal that is this number and no other: what a person typed, never its binary
/// neighbour. It is written as the mapping says that numbers are.
fn decimal(number: f64, format: NumberFormat) -> String {
    let text = number.to_string();
    if format == NumberFormat::Comma { text.replace('.', ",") } else { text }
}

fn date(instant: &ExcelDateTime, format: NumberFormat) -> String {
    let serial = instant.as_f64();
    // A time without a day, a duration, or what is beyond the calendar: the number is all there is.
    if !instant.is_datetime() || !(1.0..2_958_466.0).contains(&serial) {
        return decimal(serial, format);
    }
    let (year, month, day, hour, minute, second, _) = instant.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    if (hour, minute, second) == (0, 0, 0) { date } else { format!("{date} {hour:02}:{minute:02}:{second:02}") }
}

pub(crate) fn broken(what: &str) -> Refusal {
    refuse("not_an_xlsx", format!("the workbook cannot be read ({what}): export it again"))
}

/// What went wrong, without what the file says.
fn kind(error: &calamine::XlsxError) -> &'static str {
    use calamine::XlsxError;
    match error {
        XlsxError::Password => "it is protected by a password",
        XlsxError::Zip(_) | XlsxError::Io(_) => "its ZIP is damaged",
        XlsxError::Xml(_) | XlsxError::XmlAttr(_) => "its XML is damaged",
        XlsxError::FileNotFound(_) | XlsxError::WorksheetNotFound(_) | XlsxError::RelationshipNotFound => {
            "a part is missing"
        }
        _ => "a value is outside the format",
    }
}

#[cfg(test)]
mod tests {
    use calamine::{CellErrorType, ExcelDateTimeType};

    use super::*;

    #[track_caller]
    fn check(value: &DataRef<'_>, expected: &str) {
        assert_eq!(text_of(value, NumberFormat::Comma), expected);
    }

    fn serial(value: f64, kind: ExcelDateTimeType, is_1904: bool) -> DataRef<'static> {
        DataRef::DateTime(ExcelDateTime::new(value, kind, is_1904))
    }

    #[test]
    fn a_number_is_the_shortest_decimal_that_is_it() {
        check(&DataRef::Float(910.0), "910");
        check(&DataRef::Float(1_234_567.89), "1234567,89");
        check(&DataRef::Float(0.1), "0,1");
        check(&DataRef::Float(23_569_628.59), "23569628,59");
        check(&DataRef::Float(1e21), "1000000000000000000000");
        check(&DataRef::Int(-7), "-7");
        assert_eq!(text_of(&DataRef::Float(0.05), NumberFormat::Point), "0.05");
    }

    #[test]
    fn a_date_is_its_day_in_either_calendar() {
        check(&serial(46_112.0, ExcelDateTimeType::DateTime, false), "2026-03-31");
        check(&serial(44_650.0, ExcelDateTimeType::DateTime, true), "2026-03-31");
        check(&serial(46_112.5, ExcelDateTimeType::DateTime, false), "2026-03-31 12:00:00");
        check(&serial(0.5, ExcelDateTimeType::DateTime, false), "0,5");
        check(&serial(1e300, ExcelDateTimeType::DateTime, false), &format!("1{}", "0".repeat(300)));
        check(&serial(2.0, ExcelDateTimeType::TimeDelta, false), "2");
    }

    #[test]
    fn other_cells_are_their_text() {
        check(&DataRef::Bool(true), "true");
        check(&DataRef::Error(CellErrorType::NA), "#N/A");
        check(&DataRef::Empty, "");
        check(&DataRef::SharedString("a"), "a");
    }
}
