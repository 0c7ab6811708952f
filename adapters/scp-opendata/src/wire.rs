//! The shapes of the portal, in its own spelling: the columns of a notice, the answers of CKAN.
//!
//! All values are text, or nothing. A row comes as a line of the daily file or as an object of the
//! API; after [`Riga::of`] the two are the same.

use std::collections::BTreeMap;

use contract::RawRecord;
use kit::Cells;
use kit::table::{Delimiter, Dialect, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The format of the daily file.
pub(crate) const CSV: &str = "scp-bandi-csv";
/// The format of an answer of the API.
pub(crate) const CKAN: &str = "scp-bandi-ckan";
/// The version of both: the columns as published in 2022.
pub(crate) const VERSION: &str = "1";

/// The columns that are read.
pub(crate) mod colonna {
    pub(crate) const ID_GARA: &str = "id_gara";
    pub(crate) const OGGETTO_GARA: &str = "oggetto_della_gara";
    pub(crate) const IMPORTO_GARA: &str = "importo_gara";
    pub(crate) const LOTTI: &str = "num_tot_lotti";
    pub(crate) const STAZIONE_APPALTANTE: &str = "codice_fiscale_stazione_appaltante";
    pub(crate) const PUBBLICAZIONE: &str = "data_pubblicazione_bando";
    pub(crate) const SCADENZA: &str = "data_scadenza_bando";
    pub(crate) const CIG: &str = "cig";
    pub(crate) const OGGETTO_LOTTO: &str = "oggetto_lotto";
    pub(crate) const NETTO: &str = "imp_lotto_netto_sicurezza";
    pub(crate) const SICUREZZA: &str = "imp_sicurezza";
    pub(crate) const TOTALE: &str = "imp_lotto";
    pub(crate) const CUP: &str = "cup";
    pub(crate) const CPV: &str = "cpv";
    pub(crate) const CATEGORIA: &str = "categoria_prevalente";
    pub(crate) const CLASSIFICA: &str = "classifica";
    pub(crate) const LUOGO_ISTAT: &str = "luogo_esecuzione_istat";
    pub(crate) const LUOGO_NUTS: &str = "luogo_esecuzione_nuts";
}

/// How the daily file is written, and what tells it from other tables of the same portal.
pub(crate) const DIALECT: Dialect = Dialect {
    delimiter: Delimiter::Sniffed,
    encoding: Encoding::Utf8OrWindows1252,
    required_columns: &[
        colonna::ID_GARA,
        colonna::CIG,
        colonna::STAZIONE_APPALTANTE,
        colonna::PUBBLICAZIONE,
        colonna::TOTALE,
    ],
    key_columns: &[colonna::CIG],
};

/// An answer of `datastore_search_sql`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CkanAnswer {
    pub(crate) success: bool,
    #[serde(default)]
    pub(crate) result: Option<CkanResult>,
}

/// The rows of an answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CkanResult {
    pub(crate) records: Vec<CkanRecord>,
}

/// A row of an answer. Columns that begin with `_` are the portal's own, and no data: the number of
/// the row, which changes with every load, and the words of its index.
pub(crate) type CkanRecord = BTreeMap<String, Value>;

/// The number of a row in the table as loaded today.
pub(crate) const ROW_NUMBER: &str = "_id";

/// The text of a raw record: the columns that hold data, in the order of their names.
pub(crate) fn text_of(record: &CkanRecord) -> String {
    let data: BTreeMap<_, _> = record.iter().filter(|(column, _)| !column.starts_with('_')).collect();
    serde_json::to_string(&data).unwrap_or_else(|never| unreachable!("an object of JSON values: {never}"))
}

/// A row, whatever it came in.
pub(crate) enum Riga<'r> {
    Csv(Cells<'r>),
    Ckan(BTreeMap<String, Option<String>>),
}

impl<'r> Riga<'r> {
    /// Reads the text of a record; the error says in English why it is no row.
    pub(crate) fn of(raw: &'r RawRecord) -> Result<Self, String> {
        if raw.document.format == CKAN {
            let row = serde_json::from_str(&raw.text);
            return row.map(Self::Ckan).map_err(|_| "the text is not an object of texts".to_owned());
        }
        Cells::of(raw).map(Self::Csv).map_err(|error| error.to_string())
    }

    /// The value of a column without the blanks around it; none when it is empty or not there.
    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        match self {
            Self::Csv(cells) => cells.get(column),
            Self::Ckan(row) => row.get(column)?.as_deref().map(str::trim).filter(|value| !value.is_empty()),
        }
    }
}
