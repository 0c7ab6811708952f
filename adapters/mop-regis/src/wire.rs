//! The published tables: how each is recognised, and which column says what.
//!
//! One row a table. A table is recognised by the columns of its header, never by its name: it must
//! have every column from which something is read. What a column says is declared here and nowhere
//! else, so that the README, the reading and the tests speak of the same thing.

use canonical::Kind;
use canonical::kinds::Piano;
use canonical::values::date::DateFormat;
use kit::{Delimiter, Dialect, Encoding};

mod formats;

pub(crate) use formats::FORMATS;

/// What a column says, in the words of the canonical model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Campo {
    Cup,
    Cig,
    IdProcedura,
    MotivoAssenzaCig,
    CodiceEnte,
    NomeEnte,
    CodiceIpa,
    Programma,
    /// Code of the measure.
    Misura,
    /// Number of the work in the list of the commissioner: it stands where a plan has its measure.
    Opera,
    Titolo,
    Stato,
    /// `FA_` and a number, then words.
    FaseNumerata,
    Fase,
    Natura,
    Costo,
    Finanziamento,
    FinanziamentoPnrr,
    FinanziamentoPnc,
    Pagato,
    /// Paid in one year: it may be negative, when money came back.
    PagatoAnno,
    Anno,
    DataGenerazione,
    DataChiusura,
    Comune,
    /// The last three digits of a municipality, whose first three are in another column.
    ComuneNellaProvincia,
    Provincia,
    ImportoBase,
    ImportoAggiudicazione,
    DataPubblicazione,
    DataAggiudicazione,
    CodiceOperatore,
    NomeOperatore,
}

/// Which record a row gives besides bodies and operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    Progetto,
    Collegamento,
    Ente,
}

/// What a second row of the same key in a document means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// The same record again: only the winner differs.
    Same,
    /// Other facts of another work or procedure: they would be taken for a correction.
    Other,
}

/// Where a table says to which day its data refer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AsOf {
    Nowhere,
    /// In this column, the same in every row.
    Column(&'static str),
    /// In the name of the column that begins so: `…_al_22_dicembre_2024`.
    Header(&'static str),
}

/// A published table.
#[derive(Debug)]
pub(crate) struct Format {
    /// Name of the format; a published variant has the same name and another version.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Path below the address, when the settings give none.
    pub(crate) path: &'static str,
    pub(crate) gives: Gives,
    pub(crate) piano: Option<&'static Piano>,
    pub(crate) as_of: AsOf,
    /// Words that mean nothing, besides the empty text.
    pub(crate) empty: &'static [&'static str],
    pub(crate) dates: DateFormat,
    pub(crate) repeated: Repeated,
    /// Consecutive rows with the same value here are one record: the parts of one project.
    pub(crate) grouped_by: Option<&'static str>,
    /// What each column says. A name that ends with `*` is the beginning of a name.
    pub(crate) columns: &'static [(Campo, &'static str)],
    /// The names again, for the check of the header; without those that are beginnings.
    required: &'static [&'static str],
    key: &'static [&'static str],
}

impl Format {
    /// The formats of a name: one, or its published variants.
    pub(crate) fn named(name: &str) -> impl Iterator<Item = &'static Self> {
        FORMATS.iter().filter(move |format| format.name == name)
    }

    /// The format of a document that was recognised before.
    pub(crate) fn find(name: &str, version: &str) -> Option<&'static Self> {
        Self::named(name).find(|format| format.version == version)
    }

    /// The format of a table with this header.
    pub(crate) fn recognise(header: &[String]) -> Option<&'static Self> {
        let has = |name: &str| header.iter().any(|column| is_column(name, column));
        let is_it = |format: &&Self| {
            // Two codes and nothing else stand inside every other table.
            let is_whole = format.columns.len() > 2 || header.len() == format.columns.len();
            let dated = match format.as_of {
                AsOf::Nowhere => true,
                AsOf::Column(name) | AsOf::Header(name) => has(name),
            };
            is_whole && dated && format.columns.iter().all(|(_, name)| has(name))
        };
        FORMATS.iter().find(is_it)
    }

    /// Whether both would write the same record with different fields: in one source the later
    /// would wipe out what the earlier said.
    pub(crate) fn clashes_with(&self, other: &Self) -> bool {
        self.name != other.name && self.gives == other.gives
            // A body is told with its IPA code in one table only.
            || (self.gives == Gives::Ente) != (other.gives == Gives::Ente)
                && (self.column(Campo::CodiceEnte).is_some() && other.column(Campo::CodiceEnte).is_some())
    }

    /// The name, or the beginning of the name, of the column that says this.
    pub(crate) fn column(&self, campo: Campo) -> Option<&'static str> {
        self.columns.iter().find(|(said, _)| *said == campo).map(|(_, name)| *name)
    }

    /// How the table is written.
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect {
            delimiter: Delimiter::Sniffed,
            encoding: Encoding::Utf8OrWindows1252,
            required_columns: self.required,
            key_columns: self.key,
        }
    }
}

/// Whether a column of a header has this name, or this beginning when it ends with `*`.
pub(crate) fn is_column(name: &str, column: &str) -> bool {
    let column = column.trim();
    match name.strip_suffix('*') {
        Some(start) => column.get(..start.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(start)),
        None => column.eq_ignore_ascii_case(name),
    }
}

/// The kinds that the tables give.
pub(crate) const KINDS: &[Kind] = &[Kind::Progetto, Kind::CollegamentoCupCig, Kind::Ente, Kind::OperatoreEconomico];

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn each_format_recognises_its_own_columns_first() {
        for format in FORMATS {
            let dated = match format.as_of {
                AsOf::Column(name) => Some(name),
                AsOf::Nowhere | AsOf::Header(_) => None,
            };
            let names = format.columns.iter().map(|(_, name)| name.trim_end_matches('*')).chain(dated);
            let header: Vec<_> = names.map(str::to_owned).collect();
            let found = Format::recognise(&header).map(|found| (found.name, found.version));
            // The validated extract differs by a column from which nothing is read.
            assert_eq!(found, Some((format.name, format.version)));
        }
    }

    #[test]
    fn the_front_page_tells_every_format() {
        for format in FORMATS {
            assert!(include_str!("../README.md").contains(&format!("`{}`", format.name)), "{}", format.name);
        }
    }

    #[test]
    fn two_codes_are_links_only_when_they_are_alone() {
        assert_eq!(Format::recognise(&header("CUP, cig")).map(|format| format.name), Some("cup-cig"));
        assert!(Format::recognise(&header("cup,cig,altro")).is_none());
    }

    #[test]
    fn formats_that_write_the_same_record_clash() {
        let clash = |one, other| {
            let (one, other) = (Format::named(one).next().unwrap(), Format::named(other).next().unwrap());
            assert_eq!(one.clashes_with(other), other.clashes_with(one));
            one.clashes_with(other)
        };
        assert!(
            clash("gare", "cup-cig")
                && clash("opencup", "openbdap-cup")
                && clash("opencup", "opencup-estratto")
                && clash("enti", "opencup")
        );
        assert!(!clash("pnc-progetti", "pnc-gare") && !clash("opere", "opere") && !clash("enti", "gare"));
    }
}
