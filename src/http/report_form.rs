//! The forms of a report by name, each over a file: for the commands and for the page.

use std::fs::File;
use std::io::BufWriter;

use tempfile::TempDir;

use super::report::Html;
use crate::flow::report::csv::Csv;
use crate::flow::report::json::Json;
use crate::flow::report::model::About;
use crate::flow::report::print::{Form, ReportError};
use crate::flow::report::xlsx::Xlsx;

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A page for reading and printing.
    Html,
    /// A spreadsheet.
    Xlsx,
    /// One table as text; whether it begins with the mark by which spreadsheets know UTF-8.
    Csv {
        /// With the mark.
        with_mark: bool,
    },
    /// For programs.
    Json,
}

impl Format {
    /// The form of a name, as in addresses.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "html" => Self::Html,
            "xlsx" => Self::Xlsx,
            "csv" => Self::Csv { with_mark: true },
            "json" => Self::Json,
            _ => return None,
        })
    }

    /// The end of the name of its file, and its type.
    pub(super) fn kind(self) -> (&'static str, &'static str) {
        match self {
            Self::Html => ("html", "text/html; charset=utf-8"),
            Self::Xlsx => ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            Self::Csv { .. } => ("csv", "text/csv; charset=utf-8"),
            Self::Json => ("json", "application/json"),
        }
    }
}

/// A form that writes to a file. What it must set aside stands in the folder, and is gone with it.
pub fn report_form(format: Format, file: File, about: &About, folder: TempDir) -> Result<Box<dyn Form>, ReportError> {
    let out = BufWriter::new(file);
    Ok(match format {
        Format::Html => Box::new(Html::begin(out, tempfile::tempfile_in(folder.path())?)),
        Format::Xlsx => Box::new(Xlsx::begin(out, about, folder)?),
        Format::Csv { with_mark } => Box::new(Csv::begin(out, about, with_mark)?),
        Format::Json => Box::new(Json::begin(out, about)?),
    })
}
