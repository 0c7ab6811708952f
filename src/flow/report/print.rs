//! A report being printed: pages of discrepancies go in, the chosen form comes out.

use super::model::{About, Totals};
use crate::discrepancy::WorkItem;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file.
    #[error("report not written")]
    Io(#[from] std::io::Error),
    /// The spreadsheet.
    #[error("spreadsheet not written")]
    Spreadsheet(#[from] rust_xlsxwriter::XlsxError),
    /// The page.
    #[error("page not written")]
    Page(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One form of a report.
pub trait Form: Send {
    /// Writes a page of discrepancies.
    fn items(&mut self, items: &[WorkItem], about: &About) -> Result<(), ReportError>;

    /// Writes what is known at the end, and leaves nothing in memory.
    fn finish(self: Box<Self>, about: &About, totals: &Totals) -> Result<(), ReportError>;
}

/// A report being printed.
pub struct Report {
    about: About,
    totals: Totals,
    form: Box<dyn Form>,
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").field("about", &self.about).finish_non_exhaustive()
    }
}

impl Report {
    /// A report without discrepancies so far.
    pub fn begin(about: About, form: Box<dyn Form>) -> Self {
        Self { about, totals: Totals::default(), form }
    }

    /// Adds a page, without personal codes.
    pub fn add(&mut self, items: &[WorkItem]) -> Result<(), ReportError> {
        let items: Vec<WorkItem> = items.iter().map(WorkItem::for_people).collect();
        for item in &items {
            self.totals.add(item, &self.about);
        }
        self.form.items(&items, &self.about)
    }

    /// Writes the end, and says what it all adds up to.
    pub fn finish(self) -> Result<Totals, ReportError> {
        self.form.finish(&self.about, &self.totals)?;
        Ok(self.totals)
    }
}
