//! The formats of the documents, and which of them may stand in one source.
//!
//! Each source has one chain of versions of a record, and the last document read is the last word.
//! Where two formats write the same record with different fields, the poorer would wipe out what
//! the richer said: such formats clash, and each gets a source of its own. Operators have the same
//! two fields everywhere. Of authorities the registry says most: beside it nobody else writes them.

use std::sync::Arc;

use Gives::{
    Aggiudicazione, Avanzamento, Avvio, Codice, Collaudo, Collegamento, Conclusione, Contratto, Lotto, Modifica,
    Sospensione, Subappalto,
};

/// Names of the formats of JSON documents.
pub(crate) const SCHEDA: &str = "cig-json";
/// The document of a CIG inside the answer of the portal's page: another spelling of the same.
pub(crate) const GREZZO: &str = "cig-grezzo";
pub(crate) const OCDS: &str = "ocds";
pub(crate) const OCDS_L190: &str = "ocds-l190";
pub(crate) const AVVISI: &str = "avvisi";
/// The registry of contracting authorities.
pub(crate) const STAZIONI: &str = "stazioni-appaltanti";

/// What formats write beside authorities and operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gives {
    /// With its procedure.
    Lotto,
    Collegamento,
    Aggiudicazione,
    Contratto,
    Avvio,
    Avanzamento,
    Sospensione,
    Modifica,
    Subappalto,
    Conclusione,
    Collaudo,
    Codice,
}

/// A format that a source may read.
#[derive(Debug)]
struct Format {
    name: &'static str,
    is_table: bool,
    gives: &'static [Gives],
}

const fn table(name: &'static str, gives: &'static [Gives]) -> Format {
    Format { name, is_table: true, gives }
}

const fn document(name: &'static str, gives: &'static [Gives]) -> Format {
    Format { name, is_table: false, gives }
}

const FORMATS: &[Format] = &[
    table("cig", &[Lotto]),
    table("cup", &[Collegamento]),
    table("aggiudicazioni", &[Aggiudicazione]),
    table("aggiudicatari", &[]),
    table("partecipanti", &[]),
    table("avvio-contratto", &[Contratto, Avvio]),
    table("stati-avanzamento", &[Avanzamento]),
    table("sospensioni", &[Sospensione]),
    table("varianti", &[Modifica]),
    table("subappalti", &[Subappalto]),
    table("fine-contratto", &[Conclusione]),
    table("collaudo", &[Collaudo]),
    table(STAZIONI, &[]),
    table("codici", &[Codice]),
    document(
        SCHEDA,
        &[
            Lotto,
            Collegamento,
            Aggiudicazione,
            Contratto,
            Avvio,
            Avanzamento,
            Sospensione,
            Modifica,
            Subappalto,
            Conclusione,
            Collaudo,
        ],
    ),
    document(OCDS, &[Lotto, Aggiudicazione, Contratto, Avanzamento, Modifica]),
    document(OCDS_L190, &[Lotto, Aggiudicazione, Contratto, Avanzamento, Modifica]),
    document(AVVISI, &[Lotto]),
];

impl Format {
    /// Whether both write the same record, each with fields that the other has not.
    fn clashes_with(&self, other: &Self) -> bool {
        self.name != other.name && self.gives.iter().any(|one| other.gives.contains(one))
    }
}

/// The formats that one source reads: none of them clashes with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Formats(Arc<[&'static str]>);

impl Default for Formats {
    /// The tables: no two of them write the same record.
    fn default() -> Self {
        Self(FORMATS.iter().filter(|format| format.is_table).map(|format| format.name).collect())
    }
}

impl Formats {
    /// The formats with these names, or what is wrong with them.
    pub(crate) fn parse(names: &[String]) -> Result<Self, String> {
        if names.is_empty() {
            return Err("formats is empty: name at least one, or leave it out to read the tables".to_owned());
        }
        let mut chosen: Vec<&Format> = Vec::new();
        for name in names {
            let format = FORMATS.iter().find(|format| format.name == name);
            let format = format.ok_or_else(|| format!("formats: `{name}` is not a format, see the README"))?;
            if let Some(earlier) = chosen.iter().find(|earlier| earlier.clashes_with(format)) {
                return Err(format!(
                    "formats `{}` and `{name}` write the same records with different fields: give each a system of its own",
                    earlier.name
                ));
            }
            chosen.push(format);
        }
        Ok(Self(chosen.iter().map(|format| format.name).collect()))
    }

    /// Whether the source reads documents of this format.
    pub(crate) fn has(&self, format: &str) -> bool {
        let format = if format == GREZZO { SCHEDA } else { format };
        self.0.contains(&format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::DATASETS;

    fn named(name: &str) -> &'static Format {
        FORMATS.iter().find(|format| format.name == name).unwrap()
    }

    #[test]
    fn formats_that_write_the_same_record_clash() {
        let clash = |one, other| {
            assert_eq!(named(one).clashes_with(named(other)), named(other).clashes_with(named(one)));
            named(one).clashes_with(named(other))
        };
        for other in ["cig", "cup", "ocds", "ocds-l190", "avvisi", "aggiudicazioni", "collaudo"] {
            assert!(clash("cig-json", other), "{other}");
        }
        assert!(clash("cig", "ocds") && clash("cig", "avvisi") && clash("ocds", "ocds-l190"));
        assert!(clash("avvio-contratto", "ocds") && clash("varianti", "ocds"));
        assert!(!clash("cig", "cup") && !clash("avvisi", "cup") && !clash("cig-json", "aggiudicatari"));
        assert!(!clash("stazioni-appaltanti", "cig-json"));
    }

    #[test]
    fn the_tables_may_stand_together_and_are_those_that_are_recognized() {
        let names: Vec<String> = Formats::default().0.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(Formats::parse(&names), Ok(Formats::default()));
        assert_eq!(names.len(), DATASETS.len());
        assert!(DATASETS.iter().all(|dataset| Formats::default().has(dataset.name)));
        assert!(!Formats::default().has(SCHEDA) && !Formats::default().has(GREZZO));
    }
}
