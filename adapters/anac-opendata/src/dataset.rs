//! The datasets of the portal, told apart by their header: names of files are never believed.

use kit::{Delimiter, Dialect, Encoding};

/// A dataset published as a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dataset {
    /// What ANAC calls it.
    pub(crate) name: &'static str,
    /// Columns by which it is known.
    pub(crate) required: &'static [&'static str],
    /// The natural key of a row.
    pub(crate) key: &'static [&'static str],
}

const fn dataset(name: &'static str, required: &'static [&'static str], key: &'static [&'static str]) -> Dataset {
    Dataset { name, required, key }
}

const AWARD: &[&str] = &["cig", "id_aggiudicazione"];

/// Every dataset, the most specific header first.
pub(crate) const DATASETS: &[Dataset] = &[
    dataset("cig", &["cig", "numero_gara", "oggetto_lotto", "importo_lotto", "stato"], &["cig"]),
    dataset(
        "stati-avanzamento",
        &["cig", "id_aggiudicazione", "progressivo_sal"],
        &["cig", "id_aggiudicazione", "progressivo_sal"],
    ),
    dataset("sospensioni", &["cig", "id_aggiudicazione", "data_sospensione"], AWARD),
    dataset("varianti", &["cig", "id_aggiudicazione", "id_variante"], &["cig", "id_aggiudicazione", "id_variante"]),
    dataset(
        "subappalti",
        &["cig", "id_aggiudicazione", "id_subappalto"],
        &["cig", "id_aggiudicazione", "id_subappalto"],
    ),
    dataset("fine-contratto", &["cig", "id_aggiudicazione", "data_effettiva_ultimazione"], AWARD),
    dataset("collaudo", &["cig", "id_aggiudicazione", "esito_collaudo"], AWARD),
    dataset("avvio-contratto", &["cig", "id_aggiudicazione", "data_stipula_contratto"], AWARD),
    dataset(
        "aggiudicatari",
        &["cig", "id_aggiudicazione", "codice_fiscale", "denominazione", "tipo_soggetto"],
        &["cig", "id_aggiudicazione", "codice_fiscale"],
    ),
    dataset("partecipanti", &["cig", "codice_fiscale", "denominazione", "tipo_soggetto"], &["cig", "codice_fiscale"]),
    dataset("aggiudicazioni", &["cig", "id_aggiudicazione", "importo_aggiudicazione"], AWARD),
    dataset("stazioni-appaltanti", &["codice_ausa", "codice_fiscale", "denominazione"], &["codice_fiscale"]),
    dataset("cup", &["cig", "cup"], &["cig", "cup"]),
    dataset("codici", &["tabella", "codice", "denominazione"], &["tabella", "codice"]),
];

/// The dataset with this header and what separates its values; none when it is none of them.
pub(crate) fn recognize(start: &[u8]) -> Option<(&'static Dataset, u8)> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    [b';', b',', b'\t'].into_iter().find_map(|delimiter| {
        let mut rows =
            csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(start);
        let mut header = csv::ByteRecord::new();
        rows.read_byte_record(&mut header).ok().filter(|is_there| *is_there)?;
        let has = |name: &&str| header.iter().any(|column| column.trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
        let found = DATASETS.iter().find(|dataset| dataset.required.iter().all(has))?;
        Some((found, delimiter))
    })
}

impl Dataset {
    /// How its tables are written.
    pub(crate) fn dialect(&self, delimiter: u8) -> Dialect {
        Dialect {
            delimiter: Delimiter::Byte(delimiter),
            encoding: Encoding::Utf8OrWindows1252,
            required_columns: self.required,
            key_columns: self.key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_known_by_its_columns_whatever_their_case_and_separator() {
        let check = |header: &str, expected| {
            let found = recognize(header.as_bytes()).map(|(dataset, delimiter)| (dataset.name, char::from(delimiter)));
            assert_eq!(found, expected, "{header}");
        };
        check("CIG,CUP\n1,2", Some(("cup", ',')));
        check("\u{feff}\"cig\";\"id_aggiudicazione\";\"progressivo_sal\"\r\n", Some(("stati-avanzamento", ';')));
        check("cig;id_aggiudicazione;importo_aggiudicazione", Some(("aggiudicazioni", ';')));
        check("cig;oggetto", None);
        check("", None);
    }
}
