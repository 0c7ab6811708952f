//! Split payment (art. 17-ter d.P.R. 633/1972): which orders are two halves of one invoice.
//!
//! The supplier is paid net, and the VAT goes to the Treasury with an order of its own. The service
//! does not say so: it is concluded from the answer, and only where nothing else can be meant. An
//! answer about a lot has every order of its acts; see [`crate::intake`] for those about a project. The
//! orders of one document (kind, number and day of the act, and CIG) are a proven split when
//!
//! - some of them are to the Treasury and the others all to one and the same supplier,
//! - every amount is readable and above zero,
//! - what the Treasury gets is exactly one VAT rate (22, 10, 5 or 4 %) of what the supplier gets, but
//!   for half a cent of rounding an order.
//!
//! Then the supplier's orders are all net and those to the Treasury all VAT. Orders to the Treasury
//! with any other proportion may be withholdings, taxes or several rates: they stay as they are, with
//! a finding. A withheld 20 % gives 25 % of what is paid, 4 % gives 4.17 %: neither is a VAT rate.

use std::collections::{BTreeMap, BTreeSet};

use canonical::identifiers::{Cig, CodiceFiscale};

use crate::read::read_double;
use crate::wire::Riga;

/// The fiscal code under which the Treasury is paid: the Agenzia delle Entrate.
pub(crate) const ERARIO: &str = "06363391001";

const RATES: [u8; 4] = [22, 10, 5, 4];

/// For each document with orders both to the Treasury and to others, the VAT rate that proves a
/// split; none where nothing is proven. Documents are named by [`document_key`].
pub(crate) fn scissioni<'r>(righe: impl Iterator<Item = &'r Riga>) -> BTreeMap<String, Option<u8>> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for riga in righe {
        if let Some(key) = document_key(riga) {
            groups.entry(key).or_default().add(riga);
        }
    }
    groups.retain(|_, group| group.erario_orders > 0 && group.fornitore_orders > 0);
    groups.into_iter().map(|(key, group)| (key, group.rate())).collect()
}

/// The document that a row pays: kind, number and day of its act, and its CIG. None where one of
/// number, day and CIG is missing: such rows belong to nothing.
pub(crate) fn document_key(riga: &Riga) -> Option<String> {
    let cig = Cig::read(riga.get("CodiceCIG")?).value.filter(|cig| !cig.is_null())?;
    let numero = riga.get("AttoNumero").filter(|numero| *numero != "0")?;
    let day = riga.get("AttoData")?.get(..10).filter(|day| *day != "0001-01-01")?;
    let tipo = riga.get("AttoTipologia").unwrap_or_default();
    Some(format!("{tipo}/{numero}/{day}/{cig}"))
}

/// Whether a row pays the Treasury: by its code, never by its name.
pub(crate) fn is_erario(riga: &Riga) -> bool {
    codice(riga).is_some_and(|codice| codice.as_str() == ERARIO)
}

fn codice(riga: &Riga) -> Option<CodiceFiscale> {
    let read = |column| CodiceFiscale::read(riga.get(column)?).value;
    read("BeneficiarioCF").or_else(|| read("BeneficiarioPIVA"))
}

#[derive(Default)]
struct Group {
    erario: i64,
    fornitore: i64,
    erario_orders: i64,
    fornitore_orders: i64,
    fornitori: BTreeSet<Option<CodiceFiscale>>,
    is_unsure: bool,
}

impl Group {
    fn add(&mut self, riga: &Riga) {
        let cents = riga.get("Importo").and_then(|text| read_double(text).value).map(canonical::values::Importo::cents);
        let cents = cents.filter(|cents| *cents > 0);
        self.is_unsure |= cents.is_none();
        let cents = cents.unwrap_or_default();
        let (sum, orders) = if is_erario(riga) {
            (&mut self.erario, &mut self.erario_orders)
        } else {
            self.fornitori.insert(codice(riga));
            (&mut self.fornitore, &mut self.fornitore_orders)
        };
        *orders += 1;
        match sum.checked_add(cents) {
            Some(total) => *sum = total,
            None => self.is_unsure = true,
        }
    }

    fn rate(&self) -> Option<u8> {
        let has_one_supplier = self.fornitori.len() == 1 && !self.fornitori.contains(&None);
        if self.is_unsure || !has_one_supplier {
            return None;
        }
        // Half a cent an order, in hundredths of a cent.
        let tolerance = 50 * i128::from(self.erario_orders.max(self.fornitore_orders));
        RATES.into_iter().find(|rate| {
            let exact = i128::from(self.fornitore) * i128::from(*rate);
            let paid = i128::from(self.erario) * 100;
            (paid - exact).abs() <= tolerance
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::testing::mandato;

    fn rates(orders: &[(&str, &str)]) -> Vec<Option<u8>> {
        let righe: Vec<_> = orders.iter().map(|(codice, importo)| mandato(codice, importo)).collect();
        scissioni(righe.iter()).into_values().collect()
    }

    const FORNITORE: &str = "01894100302";

    #[rstest]
    #[case::ordinary(&[(FORNITORE, "1000.0"), (ERARIO, "220")], &[Some(22)])]
    #[case::reduced(&[(FORNITORE, "1000.0"), (ERARIO, "100")], &[Some(10)])]
    #[case::lowest(&[(FORNITORE, "1000.0"), (ERARIO, "40")], &[Some(4)])]
    #[case::rounded(&[(FORNITORE, "333.33"), (ERARIO, "73.33")], &[Some(22)])]
    #[case::one_for_two_invoices(&[(FORNITORE, "333.33"), (FORNITORE, "0.02"), (ERARIO, "73.34")], &[Some(22)])]
    #[case::noise_of_doubles(&[(FORNITORE, "1000.0000000000001"), (ERARIO, "219.99999999999997")], &[Some(22)])]
    #[case::a_withholding_of_twenty(&[(FORNITORE, "800.0"), (ERARIO, "200.0")], &[None])]
    #[case::a_withholding_of_four(&[(FORNITORE, "960.0"), (ERARIO, "40.0")], &[None])]
    #[case::two_cents_away(&[(FORNITORE, "1000.0"), (ERARIO, "220.02")], &[None])]
    #[case::two_suppliers(&[(FORNITORE, "500.0"), ("00606750131", "500.0"), (ERARIO, "220.0")], &[None])]
    #[case::an_unknown_supplier(&[("", "1000.0"), (ERARIO, "220.0")], &[None])]
    #[case::a_negative_order(&[(FORNITORE, "1100.0"), (FORNITORE, "-100.0"), (ERARIO, "220.0")], &[None])]
    #[case::an_unreadable_order(&[(FORNITORE, "1000.0"), (ERARIO, "NaN")], &[None])]
    #[case::nobody_else(&[(ERARIO, "220.0")], &[])]
    #[case::no_treasury(&[(FORNITORE, "1000.0")], &[])]
    fn a_split_is_proven_by_a_vat_rate_or_not_at_all(#[case] orders: &[(&str, &str)], #[case] expected: &[Option<u8>]) {
        assert_eq!(rates(orders), expected);
    }
}
