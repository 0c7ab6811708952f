//! From a local table to raw records: which format it is, and to which day it refers.

use canonical::values::CalendarDate;
use canonical::values::date::DateFormat;
use kit::published::LocalTable;
use kit::{Closed, Give, TableFormat, give_table};

use crate::gather::{give_procedures, give_projects};
use crate::wire::{AsOf, Campo, Format, Repeated, is_column};

/// Reads one table and gives what it holds, or why it is refused.
pub(crate) fn give_document(local: &LocalTable<'_>, give: &mut Give<'_>) -> Result<(), Closed> {
    let found = match local.recognise(|header| Format::recognise(header).map(|format| (format.name, format))) {
        Ok(found) => found,
        Err(refusal) => return give(local.refused(refusal)),
    };
    let format = found.format;
    let table = TableFormat {
        remote_id: local.remote_id.map(str::to_owned),
        as_of: as_of(format, &found.header, &found.first),
        ..TableFormat::new(format.name, format.version, format.dialect())
    };
    if let Some(column) = format.grouped_by {
        give_projects(local, table, column, give)
    } else if format.repeated == Repeated::Other && format.column(Campo::IdProcedura).is_some() {
        give_procedures(local, &table, format, give)
    } else {
        give_table(local.path, local.links, &table, local.max_bytes, give)
    }
}

/// The day to which the data refer.
fn as_of(format: &Format, header: &[String], first: &[String]) -> Option<CalendarDate> {
    match format.as_of {
        AsOf::Nowhere => None,
        AsOf::Column(name) => {
            let place = header.iter().position(|column| is_column(name, column))?;
            CalendarDate::read(first.get(place)?, DateFormat::Iso).value
        }
        AsOf::Header(name) => {
            let column = header.iter().find(|column| is_column(name, column))?;
            written_day(column.get(name.len() - 1..)?)
        }
    }
}

/// `22_dicembre_2024`.
fn written_day(text: &str) -> Option<CalendarDate> {
    const MONTHS: [&str; 12] = [
        "gennaio",
        "febbraio",
        "marzo",
        "aprile",
        "maggio",
        "giugno",
        "luglio",
        "agosto",
        "settembre",
        "ottobre",
        "novembre",
        "dicembre",
    ];
    let mut words = text.split('_');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let month = (1..).zip(MONTHS).find(|(_, name)| name.eq_ignore_ascii_case(month))?.0;
    CalendarDate::from_numbers(year.parse().ok()?, month, day.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_a_photograph_stands_in_a_column_name() {
        assert_eq!(written_day("22_dicembre_2024"), CalendarDate::parse("2024-12-22").ok());
        assert_eq!(written_day("30_Aprile_2026"), CalendarDate::parse("2026-04-30").ok());
        assert_eq!(written_day("31_aprile_2026"), None);
        assert_eq!(written_day("oggi"), None);
    }
}
