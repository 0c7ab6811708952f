//! Events of one contract in several systems: R16, R01 and the fields of those that match.
//!
//! Two systems may number one event differently: before one is called missing, its day and its amount
//! are looked for among those of the same phase.

use std::collections::BTreeMap;

use canonical::identifiers::Cig;
use canonical::kinds::{Dettaglio, EventoEsecuzione, Fase, StatoEvento};
use canonical::values::Importo;
use canonical::{Body, Kind, Record, Rule};

use super::super::judge::{Around, FieldKind, Judgement, Value, judge};
use super::context::Context;
use super::draft::{Place, finding};
use super::facts::days_after;
use super::missing;
use super::owners::Group;
use super::{is_said, stake};
use crate::discrepancy::{Discrepancy, Shape};

/// An event with its record.
pub(super) type Event<'a> = (&'a Record, &'a EventoEsecuzione);

/// The events of a lot, in the order of the records.
pub(super) fn events_of<'a>(records: &[&'a Record]) -> Vec<Event<'a>> {
    let events = records.iter().filter_map(|record| match &record.body {
        Body::EventoEsecuzione(event) => Some((*record, event)),
        _ => None,
    });
    events.collect()
}

/// Whether an event took place as far as its owner is concerned: drafts and rejects did not.
pub(super) fn counts(event: &EventoEsecuzione) -> bool {
    matches!(event.stato, StatoEvento::Inviato | StatoEvento::Confermato)
}

pub(super) fn check(cig: Cig, records: &[&Record], context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let mut phases: BTreeMap<(u32, Fase), BTreeMap<&str, Vec<Event<'_>>>> = BTreeMap::new();
    for (record, event) in events_of(records).into_iter().filter(|(_, event)| counts(event)) {
        let sources = phases.entry((event.id_aggiudicazione, event.fase())).or_default();
        sources.entry(record.provenance.source.as_str()).or_default().push((record, event));
    }
    for ((award, phase), sources) in phases {
        one_phase(cig, award, phase, &sources, context, found);
    }
}

fn one_phase(
    cig: Cig,
    award: u32,
    phase: Fase,
    sources: &BTreeMap<&str, Vec<Event<'_>>>,
    context: &Context<'_>,
    found: &mut Vec<Discrepancy>,
) {
    let rank = |source: &str| (context.rank(Group::Events, Kind::EventoEsecuzione, source), source.to_owned());
    let Some(some) = sources.values().flatten().next() else { return };
    let everybody: Vec<&Record> = sources.values().flatten().map(|event| event.0).collect();
    let expecting = context.sources.iter().filter(|(name, facts)| {
        missing::is_expected(facts, Kind::EventoEsecuzione, &everybody) && !follows_another(name, context)
    });
    let expecting: Vec<&str> = expecting.map(|(name, _)| name.as_str()).collect();
    // The owner may be the one that has nothing.
    let owner = sources.keys().copied().chain(expecting.iter().copied()).min_by_key(|source| rank(source));
    let Some(owner) = owner else { return };
    let place = Place {
        unit: format!("{}/{cig}/{award}", Kind::Contratto),
        row: format!("{cig}/{award}/{}", phase.code()),
        body: some.0.body.ente().map(|code| code.masked().to_owned()),
    };

    let platforms: Vec<&str> = sources.keys().copied().filter(|source| context.is_platform(source)).collect();
    let first = platforms.iter().copied().min_by_key(|source| rank(source));
    let second: Vec<&str> = platforms.iter().copied().filter(|source| Some(*source) != first).collect();
    for other in &second {
        let mut draft = finding(&place, None, Judgement::unexplained(Rule::R16), Shape::Breaks, other);
        for platform in &platforms {
            let events = &sources[platform];
            if let Some((record, _)) = events.first() {
                draft = draft.side(record, Some(*platform) == first, Some(events.len().to_string()));
            }
        }
        found.push(draft.done());
    }

    let ours = sources.get(owner).map_or(&[][..], Vec::as_slice);
    let mut others: Vec<&str> = sources.keys().copied().chain(expecting.iter().copied()).collect();
    others.sort_unstable();
    others.dedup();
    // Two owners of one phase are one finding, not one for each of their events.
    others.retain(|other| *other != owner && !second.contains(other));
    for other in others {
        let theirs = sources.get(other).map_or(&[][..], Vec::as_slice);
        let (pairs, left, right) = matched(ours, theirs);
        for ((mine, one), (their, two)) in pairs {
            differing(&Place::of(mine), (mine, one), (their, two), context, found);
        }
        if expecting.contains(&other) {
            for event in &left {
                lacking(event, other, (other, Shape::MissingThere), context, found);
            }
        }
        if expecting.contains(&owner) {
            let against = |event: &Event<'_>| event.0.provenance.source.to_string();
            for event in &right {
                lacking(event, owner, (&against(event), Shape::MissingHere), context, found);
            }
        }
    }
}

/// Whether a platform is not the one that follows the contract.
fn follows_another(source: &str, context: &Context<'_>) -> bool {
    let Some(platform) = context.execution_platform.as_deref() else { return false };
    context.is_platform(source) && platform != source && platform != context.adapter(source)
}

fn lacking(
    event: &Event<'_>,
    lacks: &str,
    (against, shape): (&str, Shape),
    context: &Context<'_>,
    found: &mut Vec<Discrepancy>,
) {
    let Some(facts) = context.sources.get(lacks) else { return };
    let (record, _) = event;
    let judgement = missing::judgement(missing::day_of(record), facts, context.today);
    let is_owner = shape == Shape::MissingHere;
    let draft = finding(&Place::of(event.0), None, judgement, shape, against).nothing(lacks, is_owner).side(
        record,
        !is_owner,
        Some(record.key().to_string()),
    );
    let due = days_after(missing::day_of(record), facts.grace_days);
    found.push(draft.stake(amount_of(event.1)).due(due).at_desk(context, against).done());
}

/// Whether two events are one.
type IsOne = fn(&Event<'_>, &Event<'_>) -> bool;

type Matched<'a> = (Vec<(Event<'a>, Event<'a>)>, Vec<Event<'a>>, Vec<Event<'a>>);

/// Events that are one: by number and content, then by content alone, then by number alone.
fn matched<'a>(ours: &[Event<'a>], theirs: &[Event<'a>]) -> Matched<'a> {
    let (mut left, mut right) = (ours.to_vec(), theirs.to_vec());
    let mut pairs = Vec::new();
    let tests: [IsOne; 3] = [|one, other| has_number(one, other) && is_alike(one, other), is_alike, has_number];
    for is_one in tests {
        left.retain(|mine| match right.iter().position(|other| is_one(mine, other)) {
            Some(at) => {
                pairs.push((*mine, right.remove(at)));
                false
            }
            None => true,
        });
    }
    (pairs, left, right)
}

fn has_number((_, one): &Event<'_>, (_, other): &Event<'_>) -> bool {
    one.progressivo == other.progressivo
}

/// Same day, and the same amount where both give one.
fn is_alike((_, one): &Event<'_>, (_, other): &Event<'_>) -> bool {
    let amounts = (amount_of(one), amount_of(other));
    let same_amount = matches!(amounts, (None, _) | (_, None)) || amounts.0 == amounts.1;
    one.data.is_some() && one.data == other.data && same_amount
}

fn differing(
    place: &Place,
    (mine, one): (&Record, &EventoEsecuzione),
    (their, two): (&Record, &EventoEsecuzione),
    context: &Context<'_>,
    found: &mut Vec<Discrepancy>,
) {
    let security_costs = context.security_costs.get(&one.cig).copied();
    let around = Around { security_costs, known: context.known, ..Around::default() };
    let days = (one.data.map(Value::Date), two.data.map(Value::Date));
    let amounts = (amount_of(one).map(Value::Amount), amount_of(two).map(Value::Amount));
    for (name, kind, (ours, theirs)) in [("data", FieldKind::Date, days), ("importo", FieldKind::Amount, amounts)] {
        if !is_said(Group::Events, ours, theirs, || context.carries(their, name)) {
            continue;
        }
        let Some(judgement) = judge(kind, ours, theirs, &around) else { continue };
        let draft = finding(place, Some(name), judgement, Shape::Differs, their.provenance.source.as_str())
            .side(mine, true, ours.map(Value::shown))
            .side(their, false, theirs.map(Value::shown));
        found.push(draft.stake(stake(ours, theirs)).done());
    }
}

/// The amount by which an event is recognised.
fn amount_of(event: &EventoEsecuzione) -> Option<Importo> {
    match &event.dettaglio {
        Dettaglio::Stipula(it) => it.importo,
        Dettaglio::Avanzamento(it) => it.importo_sal,
        Dettaglio::Modifica(it) => it.importo_contratto.or(it.importo_lavori),
        Dettaglio::RichiestaSubappalto(it) => it.importo_presunto,
        Dettaglio::ConclusioneSubappalto(it) => it.importo_effettivo,
        Dettaglio::AccordoBonario(it) => it.importo,
        Dettaglio::Recesso(it) => it.importo,
        Dettaglio::Collaudo(it) => it.importo_finale_lavori,
        _ => None,
    }
}
