//! R24: whether the body was qualified for the ambit and the amount on the day of the procedure.
//!
//! Nothing is said where no qualification of the body is known and no source of qualifications was read
//! completely. Thresholds are dated: those of the Union change every two years.

use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::kinds::{
    AmbitoQualificazione, FaseQualificazione, LivelloQualificazione, Lotto, Procedura, Qualificazione,
};
use canonical::values::{CalendarDate, Importo};
use canonical::{Body, Kind, Record, Rule};

use super::super::judge::Judgement;
use super::context::Context;
use super::draft::{Place, finding};
use super::owners::Group;
use crate::discrepancy::{Discrepancy, Shape};

const fn euro(euro: i64) -> Importo {
    Importo::from_cents(euro * 100)
}

/// Works from this amount need a qualification.
const WORKS_FROM: Importo = euro(500_000);

/// Services and supplies above the threshold of direct awards need one.
const SERVICES_FROM: Importo = euro(140_000);

/// The year from which the rules apply.
const IN_FORCE_FROM: i32 = 2024;

/// EU thresholds for works by first year in force, the latest first.
const EU_WORKS: &[(i32, Importo)] = &[(2026, euro(5_404_000)), (2024, euro(5_538_000))];

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
    let (Some(body), Some(day)) = (procedure.stazione_appaltante, day_of(procedure)) else { return };
    let Some(ambit) = ambit(lot) else { return };
    // A tender is judged whole, at the first of its lots.
    if procedure.lotti.iter().min().is_some_and(|first| *first != cig) {
        return;
    }
    let Some(amount) = procedure.importo.or(lot.and_then(|lot| lot.importo_totale)) else { return };
    let needed = needed(ambit, amount, day);
    let Some(needed) = needed else { return };

    let known = qualifications(&body, all);
    let is_told = !known.is_empty()
        || context.sources.values().any(|facts| {
            let concerns = facts.bodies.as_ref().is_none_or(|bodies| bodies.contains(&body));
            facts.is_complete && concerns && facts.expects.contains(&Kind::Qualificazione)
        });
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

fn day_of(procedure: &Procedura) -> Option<CalendarDate> {
    let day = procedure.pubblicata_il?.to_offset_date_time().date();
    CalendarDate::try_from(day).ok().filter(|day| day.year() >= IN_FORCE_FROM)
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

/// The narrowest level that is enough; none when no qualification is needed.
fn needed(ambit: AmbitoQualificazione, amount: Importo, day: CalendarDate) -> Option<LivelloQualificazione> {
    let eu = EU_WORKS.iter().find(|(from, _)| *from <= day.year()).map_or(euro(5_538_000), |(_, amount)| *amount);
    match ambit {
        AmbitoQualificazione::Lavori if amount < WORKS_FROM => None,
        AmbitoQualificazione::Lavori if amount <= euro(1_000_000) => Some(LivelloQualificazione::L3),
        AmbitoQualificazione::Lavori if amount < eu => Some(LivelloQualificazione::L2),
        AmbitoQualificazione::Lavori => Some(LivelloQualificazione::L1),
        AmbitoQualificazione::ServiziForniture if amount < SERVICES_FROM => None,
        AmbitoQualificazione::ServiziForniture if amount <= euro(750_000) => Some(LivelloQualificazione::SF3),
        AmbitoQualificazione::ServiziForniture if amount <= euro(5_000_000) => Some(LivelloQualificazione::SF2),
        AmbitoQualificazione::ServiziForniture => Some(LivelloQualificazione::SF1),
    }
}
