//! The phases of the execution of a contract: their codes, and the schede that report them.

use std::sync::OnceLock;

use super::table;

/// A phase of the execution of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaseEsecuzione {
    /// The code in the execution platforms.
    pub code: u8,
    /// The name, in Italian, as an identifier: `inizio_lavori`.
    pub name: Box<str>,
    /// The schede of the PCP that report it; more than one only for a modification.
    pub schede: Box<[Box<str>]>,
}

/// Every phase, by code.
pub fn all() -> &'static [FaseEsecuzione] {
    static ALL: OnceLock<Vec<FaseEsecuzione>> = OnceLock::new();
    ALL.get_or_init(|| {
        table::rows(include_str!("../../code-lists/fasi_esecuzione.csv"))
            .filter_map(|fields| match fields.as_slice() {
                [code, name, schede, ..] => Some(FaseEsecuzione {
                    code: code.parse().ok()?,
                    name: name.as_str().into(),
                    schede: schede.split(';').map(Into::into).collect(),
                }),
                _ => None,
            })
            .collect()
    })
}

/// The phase of a code.
pub fn by_code(code: u8) -> Option<&'static FaseEsecuzione> {
    all().iter().find(|fase| fase.code == code)
}

/// The phase that a scheda reports.
pub fn by_scheda(scheda: &str) -> Option<&'static FaseEsecuzione> {
    all().iter().find(|fase| fase.schede.iter().any(|reporting| &**reporting == scheda))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code_lists::lookup;

    #[test]
    fn a_phase_is_found_by_code_and_by_scheda() {
        assert_eq!(all().len(), 18);
        assert_eq!(by_code(6).unwrap().schede.as_ref(), [Box::from("SO1")]);
        assert_eq!(by_scheda("M2_40").unwrap().code, 7);
        assert_eq!(by_scheda("P1_16"), None);
        assert_eq!(by_code(1), None);
    }

    #[test]
    fn every_scheda_of_a_phase_is_in_the_official_list() {
        for scheda in all().iter().flat_map(|fase| &fase.schede) {
            assert!(lookup("codiceScheda", scheda, None).is_some(), "{scheda}");
        }
    }
}
