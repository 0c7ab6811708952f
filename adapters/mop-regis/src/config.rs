//! What is read when the settings say little, and which formats cannot stand together.

use kit::published::Tables;

use crate::SYSTEM;
use crate::documents::give_document;
use crate::wire::Format;

/// The published tables of this adapter.
pub(crate) static TABLES: Tables = Tables {
    system: SYSTEM,
    attempted: "read the open data",
    // The national complementary plan: what a Province asks for first.
    usual: &["pnc-progetti", "pnc-gare"],
    path: |name| Format::named(name).next().map(|format| format.path),
    clash: |one, other| {
        let others = || Format::named(other);
        Format::named(one).any(|one| others().any(|other| one.clashes_with(other)))
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
        assert_eq!(settings.paths, ["pnc-progetti.csv", "pnc-gare.csv"]);
    }

    #[test]
    fn without_an_address_files_can_be_imported() {
        let settings = json!({"formats": ["opere", "gare"], "folder": "mop"});
        let settings = PublishedSettings::parse(&TABLES, settings).unwrap();
        assert_eq!((settings.http, settings.paths.len()), (None, 0));
    }

    #[test]
    fn a_wrong_format_is_named() {
        for (formats, word) in [(["gare", "cup-cig"], "a system of its own"), (["gare", "opencupp"], "opencupp")] {
            let error = PublishedSettings::parse(&TABLES, json!({"formats": formats})).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
