//! What one request replaces on Pi.Co.: a package of a body, a dataset and a period; a resource; a
//! report to the help desk. Their keys sort in this order, because packages begin with a digit.

use std::fmt;

use contract::UnitKey;

use crate::cell::BodyCode;
use crate::dataset::{self, Dataset, Origin, RISORSE, SEGNALAZIONI};
use crate::wire::PackageKey;

/// A collection of sheets that travel alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collection {
    /// Resources of other platforms.
    Risorse,
    /// Reports to the help desk.
    Segnalazioni,
}

impl Collection {
    /// The first part of the keys. What follows it sorts after it.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Risorse => "risorse/",
            Self::Segnalazioni => "segnalazioni/",
        }
    }

    /// The address, after `/v0/`. `risorse` is that of the resources of Pi.Co. itself.
    pub(crate) fn address(self) -> &'static str {
        match self {
            Self::Risorse => "vetrina",
            Self::Segnalazioni => "segnalazioni",
        }
    }

    pub(crate) fn dataset(self) -> &'static Dataset {
        match self {
            Self::Risorse => &RISORSE,
            Self::Segnalazioni => &SEGNALAZIONI,
        }
    }
}

/// A unit.
#[derive(Debug, Clone)]
pub(crate) enum Unit {
    Package { key: PackageKey, dataset: &'static Dataset, ente: BodyCode },
    Sheet { collection: Collection, identifiers: Vec<String> },
}

impl Unit {
    /// A unit from its key; none when it is not one of Pi.Co.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        if let Some(rest) = key.strip_prefix(Collection::Risorse.prefix()) {
            let (origine, id) = rest.split_once('/')?;
            return Self::sheet(Collection::Risorse, &[origine, id]);
        }
        if let Some(id) = key.strip_prefix(Collection::Segnalazioni.prefix()) {
            return Self::sheet(Collection::Segnalazioni, &[id]);
        }
        let key = PackageKey::parse(key)?;
        let ente = BodyCode::parse(&key.ente)?;
        let dataset = dataset::by_name(&key.dataset)?;
        dataset.period.admits(&key.periodo).then_some(Self::Package { key, dataset, ente })
    }

    /// The unit of a sheet; none when an identifier cannot stand in an address.
    pub(crate) fn sheet(collection: Collection, identifiers: &[&str]) -> Option<Self> {
        let is_usable = |text: &&str| {
            let is_short = (1..=200).contains(&text.len());
            is_short && !matches!(*text, "." | "..") && text.trim() == *text && !text.chars().any(char::is_control)
        };
        let identifiers: Vec<String> =
            identifiers.iter().filter(|text| is_usable(text)).map(|text| (*text).to_owned()).collect();
        let expected = match collection {
            Collection::Risorse => 2,
            Collection::Segnalazioni => 1,
        };
        (identifiers.len() == expected).then_some(Self::Sheet { collection, identifiers })
    }

    pub(crate) fn dataset(&self) -> &'static Dataset {
        match self {
            Self::Package { dataset, .. } => dataset,
            Self::Sheet { collection, .. } => collection.dataset(),
        }
    }

    pub(crate) fn origin(&self) -> Origin<'_> {
        match self {
            Self::Package { ente, .. } => Origin::Ente(*ente),
            Self::Sheet { identifiers, .. } => Origin::Sheet(identifiers),
        }
    }

    /// The parts of the address, after `/v0/`.
    pub(crate) fn address(&self) -> Vec<&str> {
        match self {
            Self::Package { key, .. } => vec!["pacchetti", &key.ente, &key.dataset, &key.periodo],
            Self::Sheet { collection, identifiers } => {
                [collection.address()].into_iter().chain(identifiers.iter().map(String::as_str)).collect()
            }
        }
    }

    pub(crate) fn key(&self) -> UnitKey {
        UnitKey(self.to_string())
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package { key, .. } => key.fmt(f),
            Self::Sheet { collection, identifiers } => write!(f, "{}{}", collection.prefix(), identifiers.join("/")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_its_key() {
        for key in [
            "00606750131/appalti/2024",
            "00606750131/qualificazione/corrente",
            "risorse/hub/12",
            "risorse/hub/a/b",
            "segnalazioni/R02-918052266A",
        ] {
            assert_eq!(Unit::parse(key).expect("a unit").to_string(), key);
        }
        for key in [
            "00606750131/appalti/24",
            "00606750131/appalti/corrente",
            "00606750131/qualificazione/2024",
            "00606750131/altro/2024",
            "RSSMRA85T10A562S/appalti/2024",
            "risorse/hub",
            "risorse/hub/",
            "risorse/hub/..",
            "segnalazioni/",
            "x",
        ] {
            assert!(Unit::parse(key).is_none(), "{key}");
        }
    }

    #[test]
    fn packages_come_before_resources_and_resources_before_reports() {
        assert!("99999999999/z/9999" < Collection::Risorse.prefix());
        assert!("risorse/zzz/zzz" < Collection::Segnalazioni.prefix());
    }
}
