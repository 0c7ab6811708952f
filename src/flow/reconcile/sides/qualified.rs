//! R24: whether the body was qualified for the ambit and the amount on the day of the procedure.
//!
//! Nothing is said where no qualification of the body is known and no source of qualifications was read
//! completely. Thresholds are dated: those of the Union change every two years.

use std::collections::BTreeMap;

use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::kinds::{AmbitoQualificazione, FaseQualificazione, LivelloQualificazione, Lotto, Qualificazione};
use canonical::values::{CalendarDate, Importo};
use canonical::{Body, Kind, Record, Rule};
use serde::Deserialize;

use super::super::judge::Judgement;
use super::context::Context;
use super::draft::{Place, finding};
use super::owners::Group;
use crate::clock::italian_day;
use crate::discrepancy::{Discrepancy, Shape};

const fn euro(euro: i64) -> Importo {
    Importo::from_cents(euro * 100)
}

/// Up to these amounts the levels reach (art. 63, c. 2, d.lgs. 36/2023 and its All. II.4).
const L3_TO: Importo = euro(1_000_000);
const SF3_TO: Importo = euro(750_000);
const SF2_TO: Importo = euro(5_000_000);

/// From which amounts a qualification is needed, and which: what changes without the law being changed
/// stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Works from this amount need a qualification (art. 62, c. 1, d.lgs. 36/2023).
    pub works_from: Importo,
    /// Services and supplies from this amount need one: the threshold of direct awards (art. 50, c. 1,
    /// lett. b, d.lgs. 36/2023; ANAC's rule REG145 refuses more in a direct award).
    pub services_from: Importo,
    /// Procedures published before this day are not judged. ASSUMED: the law has held since 1 July 2023
    /// (art. 229, c. 2), the platforms have told of procedures since 2024.
    pub since: CalendarDate,
    /// EU thresholds for works, by the day from which they hold (art. 14, c. 1, lett. a, d.lgs. 36/2023:
    /// the Commission sets them anew every two years). ASSUMED: no document of the project gives the amounts.
    pub eu_works: BTreeMap<CalendarDate, Importo>,
}

impl Default for Thresholds {
    fn default() -> Self {
        let first = |year| {
            let day = CalendarDate::from_numbers(year, 1, 1);
            day.unwrap_or_else(|never| unreachable!("a first of January is a day: {never}"))
        };
        Self {
            works_from: euro(500_000),
            services_from: euro(140_000),
            since: first(2024),
            eu_works: BTreeMap::from([(first(2024), euro(5_538_000)), (first(2026), euro(5_404_000))]),
        }
    }
}

pub(super) fn check(
    place: &Place,
    cig: Cig,
    of_cig: &[&Record],
    all: &[&Record],
    context: &Context<'_>,
    found: &mut Vec<Discrepancy>,
) {
    let procedures = of_cig.iter().filter_map(|record| match &record.body {
        Body::Procedura(procedure) => Some((*record, procedure)),
        _ => None,
    });
    let rank = |record: &Record, kind| {
        let source = record.provenance.source.as_str();
        (context.rank(Group::Lot, kind, source), source.to_owned())
    };
    let Some((record, procedure)) = procedures.min_by_key(|(record, _)| rank(record, Kind::Procedura)) else { return };
    let lots = of_cig.iter().filter_map(|record| match &record.body {
        Body::Lotto(lot) => Some((*record, lot)),
        _ => None,
    });
    let lot = lots.min_by_key(|(record, _)| rank(record, Kind::Lotto)).map(|(_, lot)| lot);
    let (Some(body), Some(day)) = (procedure.stazione_appaltante, procedure.pubblicata_il.map(italian_day)) else {
        return;
    };
    if day < context.thresholds.since {
        return;
    }
    let Some(ambit) = ambit(lot) else { return };
    // A tender is judged whole, at the first of its lots.
    if procedure.lotti.iter().min().is_some_and(|first| *first != cig) {
        return;
    }
    let Some(amount) = procedure.importo.or(lot.and_then(|lot| lot.importo_totale)) else { return };
    let Some(needed) = context.thresholds.needed(ambit, amount, day) else { return };

    let known = qualifications(&body, all);
    let is_told = !known.is_empty()
        || context.sources.values().any(|facts| facts.is_complete && facts.holds(Kind::Qualificazione, Some(&body)));
    let is_enough = |it: &Qualificazione| {
        it.fase == FaseQualificazione::Affidamento
            && it.livello.ambito() == ambit
            // Levels are in order, the widest first.
            && it.livello <= needed
            && it.valida_dal <= day
            && it.valida_al.is_none_or(|last| day <= last)
    };
    // The owner is believed; a copy is not.
    let best = known.iter().map(|(record, _)| owner_rank(record, context)).min();
    let mut believed = known.iter().filter(|(record, _)| Some(owner_rank(record, context)) == best);
    if !is_told || believed.any(|(_, it)| is_enough(it)) {
        return;
    }
    let source = record.provenance.source.as_str();
    let mut draft = finding(place, Some("qualificazione"), Judgement::unexplained(Rule::R24), Shape::Breaks, source);
    for (record, it) in known.iter().filter(|(_, it)| it.livello.ambito() == ambit) {
        draft = draft.side(record, true, Some(it.livello.code().to_owned()));
    }
    draft = draft.side(record, false, Some(needed.code().to_owned()));
    found.push(draft.stake(Some(amount)).done());
}

fn owner_rank(record: &Record, context: &Context<'_>) -> ((usize, u16), String) {
    let source = record.provenance.source.as_str();
    (context.rank(Group::Qualification, Kind::Qualificazione, source), source.to_owned())
}

fn qualifications<'a>(body: &CodiceFiscale, records: &[&'a Record]) -> Vec<(&'a Record, &'a Qualificazione)> {
    let known = records.iter().filter_map(|record| match &record.body {
        Body::Qualificazione(it) if it.ente == *body => Some((*record, it)),
        _ => None,
    });
    known.collect()
}

/// Works by their category or by division 45 of the CPV; anything else with a CPV is not works.
fn ambit(lot: Option<&Lotto>) -> Option<AmbitoQualificazione> {
    let lot = lot?;
    let is_category = |text: &String| {
        let text = text.trim_start().as_bytes();
        matches!(text, [b'O' | b'o', b'G' | b'g' | b'S' | b's', ..])
    };
    match (&lot.categoria, &lot.cpv) {
        (Some(category), _) if is_category(category) => Some(AmbitoQualificazione::Lavori),
        (_, Some(cpv)) if cpv.digits().starts_with("45") => Some(AmbitoQualificazione::Lavori),
        (_, Some(_)) => Some(AmbitoQualificazione::ServiziForniture),
        _ => None,
    }
}

impl Thresholds {
    /// The narrowest level that is enough; none when no qualification is needed, or when no threshold of
    /// the Union is known for the day.
    fn needed(&self, ambit: AmbitoQualificazione, amount: Importo, day: CalendarDate) -> Option<LivelloQualificazione> {
        match ambit {
            AmbitoQualificazione::Lavori if amount < self.works_from => None,
            AmbitoQualificazione::Lavori if amount <= L3_TO => Some(LivelloQualificazione::L3),
            AmbitoQualificazione::Lavori => {
                let (_, eu) = self.eu_works.range(..=day).next_back()?;
                Some(if amount < *eu { LivelloQualificazione::L2 } else { LivelloQualificazione::L1 })
            }
            AmbitoQualificazione::ServiziForniture if amount < self.services_from => None,
            AmbitoQualificazione::ServiziForniture if amount <= SF3_TO => Some(LivelloQualificazione::SF3),
            AmbitoQualificazione::ServiziForniture if amount <= SF2_TO => Some(LivelloQualificazione::SF2),
            AmbitoQualificazione::ServiziForniture => Some(LivelloQualificazione::SF1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> CalendarDate {
        CalendarDate::parse(text).expect("a day")
    }

    #[test]
    fn the_threshold_of_the_union_is_the_one_of_the_day() {
        let thresholds = Thresholds::default();
        let works = |amount, on| thresholds.needed(AmbitoQualificazione::Lavori, euro(amount), day(on));
        assert_eq!(works(5_500_000, "2025-12-31"), Some(LivelloQualificazione::L2));
        assert_eq!(works(5_500_000, "2026-01-01"), Some(LivelloQualificazione::L1));
        assert_eq!(works(5_500_000, "2023-12-31"), None, "no threshold is known for that day");
        assert_eq!(works(499_999, "2026-01-01"), None);
    }

    #[test]
    fn services_above_a_direct_award_need_a_level() {
        let thresholds = Thresholds::default();
        let services =
            |amount| thresholds.needed(AmbitoQualificazione::ServiziForniture, euro(amount), day("2026-02-01"));
        assert_eq!(services(139_999), None);
        assert_eq!(services(140_000), Some(LivelloQualificazione::SF3));
        assert_eq!(services(5_000_001), Some(LivelloQualificazione::SF1));
    }
}
