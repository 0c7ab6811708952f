//! The report as text: one table, RFC 4180, with the semicolon that Italian spreadsheets expect.
//!
//! A cell that a spreadsheet could take for a formula has an apostrophe before it; cells that are
//! numbers or days of ours are exempt. The runs and the head of the audit chain stand in every row,
//! because rows are cut out and sent on.

use std::io::Write;

use super::columns::{cells, columns};
use super::forms::{self, Cell, never_a_formula};
use super::model::{About, Totals};
use super::print::{Form, ReportError};
use super::words::headings;
use crate::discrepancy::WorkItem;

/// Before the first byte, where a spreadsheet should know that this is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The report as text.
pub struct Csv<W: Write> {
    writer: csv::Writer<W>,
    runs: String,
}

impl<W: Write> std::fmt::Debug for Csv<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Csv").field("runs", &self.runs).finish_non_exhaustive()
    }
}

impl<W: Write> Csv<W> {
    /// Writes the headings.
    pub fn begin(mut out: W, about: &About, with_mark: bool) -> Result<Self, ReportError> {
        if with_mark {
            out.write_all(BYTE_ORDER_MARK.as_bytes())?;
        }
        let terminator = csv::Terminator::CRLF;
        let mut writer = csv::WriterBuilder::new().delimiter(b';').terminator(terminator).from_writer(out);
        let headings = headings(about.language);
        let own = columns(about.language).map(|column| column.heading);
        writer
            .write_record(own.into_iter().chain([headings.runs, headings.chain_head]))
            .map_err(std::io::Error::from)?;
        let runs = about.runs.iter().map(|run| format!("{} {}", run.comparison, run.id));
        Ok(Self { writer, runs: runs.collect::<Vec<_>>().join(", ") })
    }
}

/// A cell as text: days and amounts as people write them in the language of the report.
fn text(cell: &Cell, about: &About) -> String {
    match cell {
        Cell::Text(text) => never_a_formula(&forms::visible(text)).into_owned(),
        // No separators of thousands: a spreadsheet would take `1.234` for a decimal number.
        Cell::Whole(count) => count.to_string(),
        Cell::Amount(amount) => amount.to_string().replace('.', about.language.of(",", ".")),
        other => other.text(about.language),
    }
}

impl<W: Write + Send> Form for Csv<W> {
    fn items(&mut self, items: &[WorkItem], about: &About) -> Result<(), ReportError> {
        for item in items {
            let own = cells(item, about);
            let own = own.iter().map(|cell| text(cell, about));
            let last = [&self.runs, &about.chain_head].map(|text| never_a_formula(text).into_owned());
            self.writer.write_record(own.chain(last)).map_err(std::io::Error::from)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, _: &About, _: &Totals) -> Result<(), ReportError> {
        Ok(self.writer.flush()?)
    }
}
