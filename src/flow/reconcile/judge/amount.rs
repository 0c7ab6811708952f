//! R02: two amounts, in whole cents, and the causes that account for the whole of their difference.
//!
//! The order is that of the rule, from the plainest cause to the farthest; the first that fits wins.

use canonical::Rule;
use canonical::values::Importo;

use super::{Around, Judgement};
use crate::discrepancy::Cause;

/// Rates in ten-thousandths: what one side multiplied by.
const RATES: &[(i128, Cause)] = &[
    (12_200, Cause::Vat22),
    (11_000, Cause::Vat10),
    (10_500, Cause::Vat5),
    (10_400, Cause::Vat4OrFund),
    (12_688, Cause::FundAndVat22),
];

/// What amounts are multiplied by when the decimal point is lost.
const LOST_POINTS: [i128; 3] = [10, 100, 1000];

/// Amounts of less than a euro fit every rate within the cent of tolerance: they explain nothing.
const LEAST_FOR_RATES: i128 = 100;

pub(super) fn amounts(owner: Importo, other: Importo, around: &Around<'_>) -> Option<Judgement> {
    let (low, high) = if owner <= other { (owner, other) } else { (other, owner) };
    let difference = i128::from(high.cents()) - i128::from(low.cents());
    if difference <= 1 {
        return None;
    }
    Some(match cause(low, high, around) {
        Some(cause @ Cause::FrameworkChild) => Judgement::explained(Rule::R08, cause),
        Some(cause) => Judgement::explained(Rule::R02, cause),
        None => Judgement::unexplained(Rule::R02),
    })
}

/// R17 and R18: an amount above another; none when it is not above it, by more than a cent. What
/// explains a difference of amounts explains this too.
pub fn above(rule: Rule, amount: Importo, limit: Importo, around: &Around<'_>) -> Option<Judgement> {
    if i128::from(amount.cents()) - i128::from(limit.cents()) <= 1 {
        return None;
    }
    // Up to the amount with its modifications nothing has to be explained further.
    let modified = around.modifications.and_then(|modifications| limit.checked_add(modifications));
    if modified.is_some_and(|modified| i128::from(amount.cents()) - i128::from(modified.cents()) <= 1) {
        return Some(Judgement::explained(rule, Cause::WithModifications));
    }
    let cause = cause(limit, amount, around).or_else(|| {
        // The gross of what was awarded and added.
        modified.filter(|modified| *modified != limit).and_then(|modified| cause(modified, amount, around))
    });
    Some(match cause {
        Some(cause) => Judgement::explained(rule, cause),
        None => Judgement::unexplained(rule),
    })
}

fn cause(low: Importo, high: Importo, around: &Around<'_>) -> Option<Cause> {
    let (small, large) = (i128::from(low.cents()), i128::from(high.cents()));
    let rows = i128::from(around.rows.max(1));
    // Which of the two stands for nothing awarded yet is not said when the other is a real amount.
    if small <= 0 {
        return None;
    }
    if large - small <= rows {
        return Some(Cause::Rounding);
    }
    let is_near = |expected: i128| (large - expected).abs() <= 1;
    if small >= LEAST_FOR_RATES {
        // Each summed row was rounded on its own.
        let has_rate = |rate: i128| (large * 10_000 - small * rate).abs() <= rows * 10_000;
        if let Some((_, cause)) = RATES.iter().find(|(rate, _)| has_rate(*rate)) {
            return Some(*cause);
        }
    }
    let with =
        |more: Option<Importo>| more.is_some_and(|more| !more.is_zero() && is_near(small + i128::from(more.cents())));
    let is = |total: Option<Importo>| total.is_some_and(|total| is_near(i128::from(total.cents())));
    if with(around.security_costs) {
        return Some(Cause::SecurityCosts);
    }
    if with(around.non_discountable) {
        return Some(Cause::NonDiscountableSums);
    }
    if is(around.tender_total) {
        return Some(Cause::LotAgainstTender);
    }
    if is(around.framework_total) {
        return Some(Cause::FrameworkChild);
    }
    if around.winners > 1 && is_near(small * i128::from(around.winners)) {
        return Some(Cause::WinnersRepeated);
    }
    if LOST_POINTS.iter().any(|lost| small * lost == large) {
        return Some(Cause::DecimalPointLost);
    }
    // Modifications may take away as well as add.
    let modifications = around.modifications.filter(|amount| !amount.is_zero())?;
    let changed = i128::from(modifications.cents()).abs();
    is_near(small + changed).then_some(Cause::WithModifications)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::option_option, reason = "no difference, or one with or without a cause")]
    fn check(one: i64, other: i64, around: &Around<'_>) -> Option<Option<Cause>> {
        let [one, other] = [one, other].map(Importo::from_cents);
        let found = amounts(one, other, around);
        assert_eq!(found, amounts(other, one, around), "the same from both sides");
        found.map(|found| found.cause)
    }

    #[test]
    fn a_cent_is_no_difference_and_two_are_one_unless_two_rows_were_summed() {
        assert_eq!(check(10_000, 10_001, &Around::default()), None);
        assert_eq!(check(10_000, 10_002, &Around::default()), Some(None));
        assert_eq!(check(10_000, 10_002, &Around { rows: 2, ..Around::default() }), Some(Some(Cause::Rounding)));
    }

    #[test]
    fn a_rate_must_account_for_the_whole_difference() {
        assert_eq!(check(100_000, 122_000, &Around::default()), Some(Some(Cause::Vat22)));
        assert_eq!(check(100_000, 122_002, &Around::default()), Some(None));
    }

    #[test]
    fn zero_against_a_real_amount_is_not_explained() {
        let around = Around { security_costs: Some(Importo::from_cents(100_000)), ..Around::default() };
        assert_eq!(check(0, 100_000, &around), Some(None));
    }

    proptest! {
        #[test]
        fn a_gross_amount_is_recognised_however_it_was_rounded(net in 100_i64..9_000_000_000_000, rate in 0_usize..5) {
            let (rate, cause) = RATES[rate];
            let exact = i128::from(net) * rate;
            for gross in [exact / 10_000, (exact + 5_000) / 10_000, (exact + 9_999) / 10_000] {
                let gross = i64::try_from(gross).unwrap();
                let found = check(net, gross, &Around::default());
                // At small amounts another rate may fit as well, and comes first.
                prop_assert!(found == Some(Some(cause)) || (net < 2_000 && found.is_none_or(|cause| cause.is_some())));
            }
        }

        #[test]
        fn the_largest_amounts_are_judged_without_overflow(one in any::<i64>(), other in any::<i64>()) {
            check(one, other, &Around { rows: u32::MAX, winners: u32::MAX, ..Around::default() });
        }
    }
}
