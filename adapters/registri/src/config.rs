//! What is read when the settings say little, and which tables cannot stand together.

use kit::published::Tables;

use crate::SYSTEM;
use crate::documents::give_document;
use crate::wire::Format;

/// The reference tables.
pub(crate) static TABLES: Tables = Tables {
    system: SYSTEM,
    attempted: "read the reference tables",
    // The territory and its bodies; the index is a source of its own.
    usual: &["province", "comuni", "ricodifica"],
    path: |name| Format::named(name).map(|format| format.path),
    clash: |one, other| {
        let pair = Format::named(one).zip(Format::named(other));
        pair.is_some_and(|(one, other)| one.clashes_with(other))
    },
    give: give_document,
};

#[cfg(test)]
mod tests {
    use kit::published::PublishedSettings;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_enough() {
        let settings = PublishedSettings::parse(&TABLES, json!({"base_url": "https://dati.example"})).unwrap();
        assert_eq!(settings.paths, ["province.csv", "comuni.csv", "ricodifica.csv"]);
    }

    #[test]
    fn without_an_address_files_can_be_imported() {
        let settings = json!({"formats": ["enti-ipa", "ricodifica"], "folder": "registri"});
        let settings = PublishedSettings::parse(&TABLES, settings).unwrap();
        assert_eq!((settings.http, settings.paths.len()), (None, 0));
    }

    #[test]
    fn a_wrong_format_is_named() {
        for (formats, word) in [(["comuni", "enti-ipa"], "a system of its own"), (["comuni", "regioni"], "regioni")] {
            let error = PublishedSettings::parse(&TABLES, json!({"formats": formats})).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
