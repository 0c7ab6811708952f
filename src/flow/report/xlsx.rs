//! The report as a spreadsheet: the summary, the trend with a chart, and one sheet for each group of
//! comparison, rule and cause.
//!
//! Rows go to disk as they come (one temporary file for each sheet, in a folder that only its owner can
//! enter), so memory does not grow with them. Amounts are numbers, days are days, and a text is never a
//! formula. The summary is written last, when everything is known, and stands first.

mod book;
mod names;
mod summary;

use std::collections::BTreeMap;
use std::io::{Seek, Write};

use canonical::Rule;
use rust_xlsxwriter::Workbook;
use tempfile::TempDir;

use self::book::{Formats, sheet_of_items, write};
use self::names::Names;
use super::columns::{COUNT, cells};
use super::model::{About, Totals};
use super::print::{Form, ReportError};
use super::words::{self, headings};
use crate::discrepancy::{Cause, WorkItem};

/// Rows of a sheet, the headings aside: what every spreadsheet program can read.
const ROWS: u32 = 1_000_000;
/// Sheets of discrepancies. Each holds a file open; what belongs to further groups shares the last one.
const SHEETS: usize = 120;

type GroupKey = (String, Rule, Option<Cause>);

/// A sheet of discrepancies that is being filled.
#[derive(Debug, Clone)]
struct Filling {
    /// Its place in the workbook.
    sheet: usize,
    /// The name of the group.
    title: String,
    /// Rows so far.
    rows: u32,
}

/// The report as a spreadsheet.
pub struct Xlsx<W> {
    out: W,
    workbook: Workbook,
    formats: Formats,
    names: Names,
    filling: BTreeMap<Option<GroupKey>, Filling>,
    /// Sheets that are full, or will be closed at the end: place and rows.
    filled: Vec<(usize, u32)>,
    rows: u32,
    /// Removed, with what is in it, when the report is done or given up.
    _folder: TempDir,
}

impl<W> std::fmt::Debug for Xlsx<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Xlsx").field("sheets", &self.filling.len()).finish_non_exhaustive()
    }
}

impl<W: Write + Seek + Send> Xlsx<W> {
    /// A workbook whose rows wait in a folder of its own.
    pub fn begin(out: W, about: &About, folder: TempDir) -> Result<Self, ReportError> {
        Self::with_rows(out, about, folder, ROWS)
    }

    /// The same with another limit of rows for each sheet.
    pub fn with_rows(out: W, about: &About, folder: TempDir, rows: u32) -> Result<Self, ReportError> {
        let headings = headings(about.language);
        let mut workbook = Workbook::new();
        workbook.set_tempdir(folder.path())?;
        let mut names = Names::default();
        workbook.add_worksheet().set_name(names.take(headings.summary))?;
        workbook.add_worksheet().set_name(names.take(headings.trend))?;
        let formats = Formats::of(about.language);
        Ok(Self { out, workbook, formats, names, filling: BTreeMap::new(), filled: Vec::new(), rows, _folder: folder })
    }

    /// The sheet that the next row of a group goes to.
    fn sheet(&mut self, item: &WorkItem, about: &About) -> Result<&mut Filling, ReportError> {
        let found = &item.discrepancy;
        let own: GroupKey = (found.comparison.clone(), found.rule, found.cause);
        let is_known = self.filling.contains_key(&Some(own.clone()));
        let has_room = self.filling.len() + self.filled.len() + 1 < SHEETS;
        let key = if is_known || has_room { Some(own) } else { None };
        let full = self.filling.get(&key).filter(|filling| filling.rows >= self.rows).cloned();
        if full.is_some() || !self.filling.contains_key(&key) {
            let title = match (&full, &key) {
                (Some(full), _) => full.title.clone(),
                (None, Some((comparison, rule, cause))) => {
                    let unexplained = words::unexplained(about.language);
                    let cause = cause.map_or(unexplained, |cause| words::cause(cause, about.language));
                    format!("{comparison} {} {}", rule.code(), cause.title)
                }
                (None, None) => headings(about.language).other_groups.to_owned(),
            };
            self.filled.extend(full.map(|full| (full.sheet, full.rows)));
            let name = self.names.take(&title);
            let sheet = self.workbook.worksheets().len();
            sheet_of_items(self.workbook.add_worksheet_with_constant_memory()?, &name, &self.formats, about)?;
            self.filling.insert(key.clone(), Filling { sheet, title, rows: 0 });
        }
        Ok(self.filling.get_mut(&key).unwrap_or_else(|| unreachable!("it was put there just now")))
    }
}

impl<W: Write + Seek + Send> Form for Xlsx<W> {
    fn items(&mut self, items: &[WorkItem], about: &About) -> Result<(), ReportError> {
        for item in items {
            let filling = self.sheet(item, about)?;
            filling.rows += 1;
            let (sheet, row) = (filling.sheet, filling.rows);
            let worksheet = self.workbook.worksheet_from_index(sheet)?;
            for (column, cell) in (0..).zip(cells(item, about)) {
                write(worksheet, row, column, &cell, &self.formats)?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, about: &About, totals: &Totals) -> Result<(), ReportError> {
        let filling = self.filling.values().map(|filling| (filling.sheet, filling.rows));
        let last = u16::try_from(COUNT - 1).unwrap_or_default();
        for (sheet, rows) in self.filled.iter().copied().chain(filling) {
            self.workbook.worksheet_from_index(sheet)?.autofilter(0, 0, rows, last)?;
        }
        summary::write(self.workbook.worksheet_from_index(0)?, &self.formats, about, totals)?;
        summary::write_trend(self.workbook.worksheet_from_index(1)?, &self.formats, about)?;
        self.workbook.save_to_writer(&mut self.out)?;
        Ok(self.out.flush()?)
    }
}
