//! The reference tables: how each is recognised, and which columns it must have.
//!
//! A table is recognised by the columns of its header, never by its name.

use canonical::Kind;
use kit::{Delimiter, Dialect, Encoding};

/// A reference table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tabella {
    /// The supra-municipal units, in force and ceased, with the codes of their bodies.
    Province,
    /// The municipalities, as ISTAT publishes them.
    Comuni,
    /// The old codes of the Sardinian municipalities, and those that took their place.
    Ricodifica,
    /// The bodies of the index of public administrations.
    EntiIpa,
}

/// How a table is published.
#[derive(Debug)]
pub(crate) struct Format {
    pub(crate) tabella: Tabella,
    pub(crate) name: &'static str,
    /// Path below the address, when the settings give none.
    pub(crate) path: &'static str,
    columns: &'static [&'static str],
    key: &'static [&'static str],
}

/// The version of every format: they have been published in one form so far.
pub(crate) const VERSION: &str = "1";

/// The kinds that the tables give.
pub(crate) const KINDS: &[Kind] = &[Kind::Ente, Kind::Territorio];

/// Every table.
pub(crate) static FORMATS: &[Format] = &[
    Format {
        tabella: Tabella::Province,
        name: "province",
        path: "province.csv",
        columns: &[
            "codice_uts",
            "denominazione",
            "tipo",
            "sigla",
            "nuts3_2024",
            "valida_dal",
            "valida_al",
            "codice_fiscale",
            "altro_codice",
            "codice_ausa",
            "codice_ipa",
            "note",
        ],
        key: &["codice_uts"],
    },
    Format {
        tabella: Tabella::Comuni,
        name: "comuni",
        path: "comuni.csv",
        columns: &[
            "Codice Provincia/Uts",
            "Codice Comune (alfanumerico)",
            "Comune",
            "Sigla automobilistica",
            "Codice catasto",
            "Codice fiscale",
            "Codice NUTS3 2024",
        ],
        key: &["Codice Comune (alfanumerico)"],
    },
    Format {
        tabella: Tabella::Ricodifica,
        name: "ricodifica",
        path: "ricodifica.csv",
        columns: &["codice_catasto", "comune", "codice_comune_fino_2025", "codice_uts_fino_2025", "codice_comune_2026"],
        key: &["codice_comune_fino_2025"],
    },
    Format {
        tabella: Tabella::EntiIpa,
        name: "enti-ipa",
        path: "enti-ipa.csv",
        columns: &["id_ente", "codice_ipa", "denominazione"],
        key: &["id_ente"],
    },
];

impl Format {
    /// The format of a name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// The format of a table with this header.
    pub(crate) fn recognise(header: &[String]) -> Option<&'static Self> {
        let has = |name: &&str| header.iter().any(|column| column.trim().eq_ignore_ascii_case(name));
        FORMATS.iter().find(|format| format.columns.iter().all(has))
    }

    /// Whether both tell the same body with different fields: in one source the later would wipe
    /// out what the earlier said.
    pub(crate) fn clashes_with(&self, other: &Self) -> bool {
        let is_index = |format: &Self| format.tabella == Tabella::EntiIpa;
        let tells_bodies = |format: &Self| format.tabella != Tabella::Ricodifica;
        is_index(self) != is_index(other) && tells_bodies(self) && tells_bodies(other)
    }

    /// The columns of its header.
    #[cfg(test)]
    pub(crate) fn columns(&self) -> &'static [&'static str] {
        self.columns
    }

    /// How the table is written.
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect {
            delimiter: Delimiter::Sniffed,
            encoding: Encoding::Utf8OrWindows1252,
            required_columns: self.columns,
            key_columns: self.key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_recognised_by_its_own_columns() {
        for format in FORMATS {
            let header: Vec<_> = format.columns.iter().map(|name| name.to_uppercase()).collect();
            assert_eq!(Format::recognise(&header).map(|found| found.name), Some(format.name));
        }
        assert!(Format::recognise(&["comune".to_owned()]).is_none());
    }
}
