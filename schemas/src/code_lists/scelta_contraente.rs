//! How the contractor was chosen: the procedure types of ANAC's open data, and their twins in the
//! datasets of Legge 190/2012. From code 17 up the two lists are shifted by one.
//!
//! Not the list `sceltaContraente` of the PCP, which has twelve codes of its own and is among the
//! lists of [`lookup`](super::lookup).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use super::table;

/// A procedure type, by its code in ANAC's open data. A code that is not in the list is kept.
///
/// ```
/// use canonical::code_lists::scelta_contraente::from_l190;
///
/// let scelta_contraente = from_l190("23-AFFIDAMENTO DIRETTO").unwrap();
/// assert_eq!(scelta_contraente.as_str(), "24");
/// assert_eq!(scelta_contraente.l190_code(), Some("23"));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SceltaContraente(Cow<'static, str>);

/// Why a text is not a code of a procedure type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SceltaContraenteError {
    /// The text is empty, longer than ten characters or holds something else than letters, digits
    /// and hyphens.
    #[error("the code of a procedure type is one to ten letters, digits and hyphens")]
    Structure,
}

/// The versions of the schema of the Legge 190/2012 datasets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum L190Version {
    /// Codes up to 28; the publication date of the dataset is misspelt.
    V1_0,
    /// Codes up to 38.
    V1_1,
    /// Codes up to 39.
    V1_3,
}

impl L190Version {
    /// The version as published: `1.3`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_3 => "1.3",
        }
    }
}

/// The procedure type of a Legge 190/2012 text, by its numeric prefix: `23` or
/// `23-AFFIDAMENTO DIRETTO`. Labels are never looked at: they changed between versions.
pub fn from_l190(prefix: &str) -> Option<SceltaContraente> {
    let entry = crosswalk().by_l190.get(l190_number(prefix)?)?.as_ref()?;
    Some(SceltaContraente(Cow::Borrowed(entry.anac)))
}

/// The earliest version of the schema that has the code; none for a code that no version has.
/// The highest of a file's codes tells the least version the file can be of.
pub fn earliest_l190_version(prefix: &str) -> Option<L190Version> {
    let number = l190_number(prefix)?;
    crosswalk().by_l190.get(number)?.as_ref()?;
    Some(match number {
        ..=28 => L190Version::V1_0,
        29..=38 => L190Version::V1_1,
        _ => L190Version::V1_3,
    })
}

impl SceltaContraente {
    /// Accepts the code of ANAC's open data, known or not. Codes are opaque: `01` is not `1`.
    pub fn parse(code: &str) -> Result<Self, SceltaContraenteError> {
        if let Some((known, _)) = known(code) {
            return Ok(Self(Cow::Borrowed(known)));
        }
        let is_code =
            (1..=10).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_code { Ok(Self(Cow::Owned(code.to_owned()))) } else { Err(SceltaContraenteError::Structure) }
    }

    /// True when the code is in the embedded list.
    pub fn is_known(&self) -> bool {
        known(&self.0).is_some()
    }

    /// The official label, in Italian; none for an unknown code.
    pub fn label(&self) -> Option<&'static str> {
        known(&self.0).map(|(_, label)| label)
    }

    /// The twin in the Legge 190/2012 list, two digits; ANAC has codes without one.
    pub fn l190_code(&self) -> Option<&'static str> {
        crosswalk().by_l190.iter().flatten().find(|entry| entry.anac == self.0).map(|entry| entry.l190)
    }

    /// The code in ANAC's open data.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

struct Crosswalk {
    /// By the number of the Legge 190/2012 code.
    by_l190: [Option<Twins>; 40],
    /// Code and label of every procedure type of ANAC.
    anac: Vec<(&'static str, &'static str)>,
}

struct Twins {
    l190: &'static str,
    anac: &'static str,
}

fn crosswalk() -> &'static Crosswalk {
    static CROSSWALK: OnceLock<Crosswalk> = OnceLock::new();
    CROSSWALK.get_or_init(|| {
        // The few texts live as long as the process, so that a code costs no allocation.
        let keep = |text: &String| -> &'static str { Box::leak(text.clone().into_boxed_str()) };
        let mut by_l190 = [const { None }; 40];
        let twins = include_str!("../../code-lists/scelta_contraente_l190_anac.csv");
        for fields in table::rows(twins) {
            if let [l190, _, _, anac, ..] = fields.as_slice()
                && let Some(slot) = l190_number(l190).and_then(|number| by_l190.get_mut(number))
            {
                *slot = Some(Twins { l190: keep(l190), anac: keep(anac) });
            }
        }
        let anac = table::rows(include_str!("../../code-lists/tipo_scelta_contraente.csv"))
            .filter_map(|fields| match fields.as_slice() {
                [_, code, label] => Some((keep(code), keep(label))),
                _ => None,
            })
            .collect();
        Crosswalk { by_l190, anac }
    })
}

fn known(code: &str) -> Option<(&'static str, &'static str)> {
    crosswalk().anac.iter().find(|(known, _)| *known == code).copied()
}

/// The one or two digits before anything else.
fn l190_number(text: &str) -> Option<usize> {
    let text = text.trim_start().as_bytes();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    matches!(digits, 1 | 2)
        .then(|| text[..digits].iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

impl fmt::Display for SceltaContraente {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for SceltaContraente {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SceltaContraente").field(&self.0).finish()
    }
}

impl FromStr for SceltaContraente {
    type Err = SceltaContraenteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl serde::Serialize for SceltaContraente {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for SceltaContraente {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&code).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for SceltaContraente {
    fn schema_name() -> Cow<'static, str> {
        "SceltaContraente".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::SceltaContraente").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9A-Za-z-]{1,10}$",
            "description": "Tipo di scelta del contraente, codice degli open data ANAC (24 = affidamento diretto).",
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::L190Version::{V1_0, V1_1, V1_3};
    use super::*;

    #[rstest]
    #[case("01-PROCEDURA APERTA", "1")]
    #[case("14", "14")]
    #[case("17-AFFIDAMENTO DIRETTO EX ART. 5 DELLA LEGGE 381/91", "18")]
    #[case("23-AFFIDAMENTO IN ECONOMIA - AFFIDAMENTO DIRETTO", "24")]
    #[case("39", "40")]
    fn a_l190_code_becomes_its_twin_by_the_prefix(#[case] text: &str, #[case] anac: &str) {
        let scelta_contraente = from_l190(text).unwrap();
        assert_eq!(scelta_contraente.as_str(), anac);
        assert_eq!(scelta_contraente.l190_code(), text.get(..2));
    }

    #[rstest]
    #[case("AFFIDAMENTO DIRETTO")]
    #[case("")]
    #[case("00")]
    #[case("09")]
    #[case("40")]
    #[case("230")]
    fn a_code_that_no_version_has_is_no_procedure_type(#[case] text: &str) {
        assert_eq!(from_l190(text), None);
        assert_eq!(earliest_l190_version(text), None);
    }

    #[test]
    fn both_lists_are_whole_and_every_twin_is_known() {
        let twins: Vec<_> = crosswalk().by_l190.iter().flatten().collect();
        assert_eq!((twins.len(), crosswalk().anac.len()), (29, 46));
        for twin in twins {
            let scelta_contraente = from_l190(twin.l190).unwrap();
            assert!(scelta_contraente.label().is_some());
            assert_eq!(scelta_contraente.l190_code(), Some(twin.l190));
        }
    }

    #[test]
    fn a_code_tells_the_earliest_version() {
        let versions = ["28", "29", "38", "39"].map(|code| earliest_l190_version(code).unwrap());
        assert_eq!(versions, [V1_0, V1_1, V1_1, V1_3]);
        assert_eq!(versions.iter().max().unwrap().as_str(), "1.3");
    }

    #[test]
    fn an_unknown_code_is_kept() {
        let unknown = SceltaContraente::parse("1000").unwrap();
        assert_eq!((unknown.as_str(), unknown.is_known(), unknown.label()), ("1000", false, None));
        assert_eq!(SceltaContraente::parse("999").unwrap().l190_code(), None);
        assert_eq!(SceltaContraente::parse("a b"), Err(SceltaContraenteError::Structure));
        assert_eq!(serde_json::to_string(&from_l190("23").unwrap()).unwrap(), "\"24\"");
    }
}
