//! What the platform holds of the values that we update, by CIG. Pure.

use canonical::identifiers::Cig;
use contract::{ObservedUnit, Row, UnitKey};

use crate::read::{giorno_of, importo_of};
use crate::wire::RigaContratto;
use crate::write;

/// What one row of the list of contracts holds of a CIG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tenuto {
    pub(crate) cig: Cig,
    /// The reference of the contract on the platform.
    pub(crate) riferimento: String,
    /// The values; empty when it holds none of them.
    pub(crate) row: Row,
}

/// Reads a row of the list of contracts. None for a row that no CIG is the key of.
pub(crate) fn held(text: &str) -> Result<Option<Tenuto>, serde_json::Error> {
    let row: RigaContratto = serde_json::from_str(text)?;
    let Some(cig) = Cig::read(row.cig.as_str()).value.filter(|cig| !cig.is_null()) else { return Ok(None) };
    let values = write::row(
        cig.to_string(),
        importo_of(&row.importo_somme_liquidate).value,
        giorno_of(&row.datainizio).value,
        giorno_of(&row.datafine).value,
    );
    Ok(Some(Tenuto { cig, riferimento: row.riferimento_procedura.trimmed().to_owned(), row: values }))
}

/// Whether the platform holds every value of a row in all the contracts of its CIG. Values that the
/// row does not name are the platform's own.
pub(crate) fn is_same(sent: &Row, tenuti: &[Tenuto]) -> bool {
    let holds = |tenuto: &Tenuto| sent.fields.iter().all(|(name, value)| tenuto.row.fields.get(name) == Some(value));
    !tenuti.is_empty() && tenuti.iter().all(holds)
}

/// The units, in ascending order of CIG. Contracts of one CIG that hold the same give one row; one
/// that differs has its own, so that the difference is seen.
pub(crate) fn units(mut tenuti: Vec<Tenuto>) -> Vec<ObservedUnit> {
    tenuti.retain(|tenuto| !tenuto.row.fields.is_empty());
    tenuti.sort_by(|a, b| (a.cig.as_str(), &a.riferimento).cmp(&(b.cig.as_str(), &b.riferimento)));
    let mut units: Vec<ObservedUnit> = Vec::new();
    for Tenuto { cig, riferimento, row } in tenuti {
        match units.last_mut() {
            Some(unit) if unit.key.as_str() == cig.as_str() => {
                if unit.rows.iter().all(|other| other.fields != row.fields) {
                    unit.rows.push(Row { key: format!("{cig}/{riferimento}"), ..row });
                }
            }
            _ => units.push(ObservedUnit { key: UnitKey(cig.to_string()), revision: None, rows: vec![row] }),
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::CIG;

    fn tenuto(row: &Value) -> Tenuto {
        held(&row.to_string()).unwrap().unwrap()
    }

    fn contract(cig: &str, riferimento: &str, importo: &str) -> Tenuto {
        tenuto(&json!({"cig": cig, "riferimentoProcedura": riferimento, "importoSommeLiquidate": importo}))
    }

    #[test]
    fn units_are_in_ascending_order_of_cig() {
        let tenuti =
            vec![contract("B2C0FFECE8", "G3", "1.00"), contract(CIG, "G2", "1.00"), contract(CIG, "G1", "1.00")];
        let units = units(tenuti);
        assert_eq!(units.iter().map(|unit| unit.key.as_str()).collect::<Vec<_>>(), [CIG, "B2C0FFECE8"]);
        assert_eq!(units[0].rows.len(), 1);
    }

    #[test]
    fn a_contract_that_differs_from_the_others_of_its_cig_is_seen() {
        let units = units(vec![contract(CIG, "G1", "1.00"), contract(CIG, "G2", "2.00")]);
        assert_eq!(
            units[0].rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>(),
            [CIG.to_owned(), format!("{CIG}/G2")]
        );
    }

    #[test]
    fn a_contract_without_values_or_without_cig_is_no_unit() {
        assert_eq!(units(vec![tenuto(&json!({"cig": CIG, "datainizio": null}))]), []);
        for cig in ["", "0000000000", "NOCIG1"] {
            assert_eq!(held(&json!({"cig": cig}).to_string()).unwrap(), None);
        }
    }

    #[test]
    fn all_the_contracts_of_a_cig_must_hold_what_was_sent() {
        let sent = write::row(CIG, importo_of(&crate::wire::Testo::of("1.00")).value, None, None);
        assert!(is_same(&sent, &[contract(CIG, "G1", "1.0"), contract(CIG, "G2", "1")]));
        assert!(!is_same(&sent, &[contract(CIG, "G1", "1.00"), contract(CIG, "G2", "2.00")]));
        assert!(!is_same(&sent, &[]));
    }
}
