//! All systems that know one thing, side by side: the owner of each field first, the others against it.
//!
//! Pure. [`compare_sides`] takes the records of one kind and key, [`compare_family`] those that share
//! a CIG or a CUP, for what only several kinds together can show. The order of the records never
//! matters: the same records give the same discrepancies in the same order.

mod context;
mod draft;
mod events;
mod facts;
mod family;
mod fields;
mod known;
mod links;
mod missing;
mod money;
mod order;
mod owners;
mod qualified;
mod single;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use canonical::kinds::StatoCig;
use canonical::values::Importo;
use canonical::{Body, Kind, Record, Rule, Severity};

pub use self::context::{Context, stale_sources};
use self::draft::{Place, finding};
pub use self::facts::{CarriedField, SourceFacts, SourcePolicy};
pub use self::family::{compare_family, context_of, units_of};
pub use self::fields::{Field, fields_of};
pub use self::known::Registry;
pub use self::links::compare_links;
pub use self::owners::{Group, Phase, owners_of};
pub use self::qualified::Thresholds;
use super::judge::{Around, FieldKind, Judgement, Value, judge};
use crate::discrepancy::{Discrepancy, Shape};

/// Compares what every source says of one kind and key.
pub fn compare_sides<'a>(records: impl IntoIterator<Item = &'a Record>, context: &Context<'_>) -> Vec<Discrepancy> {
    let mut records: Vec<&Record> = records.into_iter().collect();
    records.sort_by(|one, other| in_time(one, other));
    let Some(first) = records.first() else { return Vec::new() };
    let place = Place::of(first);
    let current = current(&records);

    let mut found = Vec::new();
    repeated(&place, &records, context, &mut found);
    history(&place, &records, &mut found);
    for record in &current {
        single::check(&place, record, context, &mut found);
    }
    // Events are matched by what they are before they are compared: see the family.
    if first.kind() != Kind::EventoEsecuzione {
        missing::check(&place, &current, context, &mut found);
        fields(&place, &current, context, &mut found);
        cancelled(&place, &current, context, &mut found);
    }
    in_order(found)
}

/// One order for all discrepancies, whatever found them; the same one twice is one.
fn in_order(mut found: Vec<Discrepancy>) -> Vec<Discrepancy> {
    let key = |found: &Discrepancy| {
        (found.unit.clone(), found.row.clone(), found.field.clone(), found.rule, found.shape, found.against.clone())
    };
    found.sort_by_cached_key(key);
    found.dedup_by(|one, other| key(one) == key(other));
    found
}

/// What orders the records of a source: the day of the data, then the reading, then the place, and
/// only for two that share all of them what they say.
fn in_time(one: &Record, other: &Record) -> Ordering {
    let place = |record: &Record| (record.provenance.as_of, record.provenance.read_at, record.provenance.line);
    (one.provenance.source.cmp(&other.provenance.source))
        .then_with(|| place(one).cmp(&place(other)))
        .then_with(|| one.provenance.remote_id.cmp(&other.provenance.remote_id))
        .then_with(|| one.digest().cmp(&other.digest()))
}

/// The latest record of each source, by name of the source. The records come in order.
fn current<'a>(records: &[&'a Record]) -> Vec<&'a Record> {
    let mut latest: BTreeMap<&str, &Record> = BTreeMap::new();
    for record in records {
        latest
            .entry(record.provenance.source.as_str())
            // Of one document the first record counts: what repeats it is a finding of its own.
            .and_modify(|kept| {
                if !is_one_document(kept, record) {
                    *kept = record;
                }
            })
            .or_insert(record);
    }
    latest.into_values().collect()
}

fn is_one_document(one: &Record, other: &Record) -> bool {
    one.provenance.source == other.provenance.source
        && one.provenance.document_digest == other.provenance.document_digest
}

/// R06: one source says it more than once in one document, on different lines. The ledger keeps the
/// first, and notes that there were more.
fn repeated(place: &Place, records: &[&Record], context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let is_noted = |record: &Record| {
        let source = &record.provenance.source;
        context
            .repeated
            .iter()
            .any(|(kind, key, from)| *kind == record.kind() && from == source && *key == record.key())
    };
    for one in records.iter().filter(|record| !context.repeated.is_empty() && is_noted(record)) {
        let source = one.provenance.source.as_str();
        let judgement = Judgement::unexplained(Rule::R06);
        found.push(finding(place, None, judgement, Shape::Breaks, source).side(one, true, None).done());
    }
    for pair in records.windows(2) {
        let [one, other] = pair else { continue };
        let is_repeated = is_one_document(one, other) && one.provenance.line != other.provenance.line;
        if is_repeated {
            let source = one.provenance.source.as_str();
            let judgement = Judgement::unexplained(Rule::R06);
            found.push(finding(place, None, judgement, Shape::Breaks, source).side(one, true, None).done());
        }
    }
}

/// R15: a later photograph of one source with a lower phase.
fn history(place: &Place, records: &[&Record], found: &mut Vec<Discrepancy>) {
    for pair in records.windows(2) {
        let [before, after] = pair else { continue };
        if before.provenance.source != after.provenance.source || is_one_document(before, after) {
            continue;
        }
        let phases = (phase(&before.body), phase(&after.body));
        if let (Some(was), Some(is)) = phases
            && is < was
        {
            let source = after.provenance.source.as_str();
            let judgement = Judgement::unexplained(Rule::R15);
            let discrepancy = finding(place, Some("fase"), judgement, Shape::Breaks, source)
                .side(before, true, Some(was.to_string()))
                .side(after, false, Some(is.to_string()));
            found.push(discrepancy.done());
        }
    }
}

fn phase(body: &Body) -> Option<u8> {
    if let Body::Progetto(progetto) = body { progetto.fase } else { None }
}

/// The fields that several sources hold: each against the owner of its group.
fn fields(place: &Place, current: &[&Record], context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let Some(first) = current.first() else { return };
    if current.len() < 2 {
        return;
    }
    for field in fields_of(first.kind()) {
        field_of(place, field, current, context, found);
    }
}

/// One field of records that speak of one thing. The first by rank that has a value is the owner.
fn field_of(place: &Place, field: &Field, records: &[&Record], context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let Some(owner) = owner_of(field, records, context) else { return };
    let owner_value = (field.of)(&owner.body);
    for other in records.iter().filter(|record| record.provenance.source != owner.provenance.source) {
        let other_value = (field.of)(&other.body);
        if !is_said(field.group, owner_value, other_value, || context.carries(other, field.name)) {
            continue;
        }
        let around = around(field, owner, other, context);
        let Some(judgement) = judge(field.kind, owner_value, other_value, &around) else { continue };
        let against = other.provenance.source.as_str();
        let mut discrepancy = finding(place, Some(field.name), judgement, Shape::Differs, against);
        discrepancy = discrepancy.says(owner, true, owner_value);
        for record in records.iter().filter(|record| record.provenance.source != owner.provenance.source) {
            discrepancy = discrepancy.says(record, false, (field.of)(&record.body));
        }
        found.push(discrepancy.stake(stake(owner_value, other_value)).at_desk(context, against).done());
    }
}

/// Most sources leave most fields out: what a source does not carry is not missing there. Of awards and
/// payments nothing against zero is always said: it is how systems write that there is none yet.
fn is_said(group: Group, owner: Option<Value<'_>>, other: Option<Value<'_>>, carries: impl Fn() -> bool) -> bool {
    match (owner, other) {
        (None, None) => false,
        (Some(_), Some(_)) => true,
        (Some(value), None) | (None, Some(value)) => {
            let is_zero = matches!(value, Value::Amount(amount) if amount.is_zero());
            (is_zero && matches!(group, Group::Award | Group::Paid)) || carries()
        }
    }
}

/// The amount of a difference of amounts.
fn stake(owner: Option<Value<'_>>, other: Option<Value<'_>>) -> Option<Importo> {
    let amount = |value: Option<Value<'_>>| match value {
        Some(Value::Amount(amount)) => Some(amount),
        _ => None,
    };
    match (amount(owner), amount(other)) {
        (Some(one), Some(two)) => {
            let difference = if one >= two { one.checked_sub(two) } else { two.checked_sub(one) };
            difference.or(Some(one.max(two)))
        }
        (one, two) => one.or(two),
    }
}

/// The record that is believed about a field: the first by rank among those that say something.
fn owner_of<'a>(field: &Field, records: &[&'a Record], context: &Context<'_>) -> Option<&'a Record> {
    let rank = |record: &&&Record| {
        (context.rank(field.group, record.kind(), record.provenance.source.as_str()), record.provenance.source.clone())
    };
    let has_value = |record: &&&Record| {
        (field.of)(&record.body).is_some_and(|value| match value {
            Value::Codes(codes) => !codes.is_empty(),
            Value::Operators(operators) => !operators.is_empty(),
            _ => true,
        })
    };
    records.iter().filter(has_value).min_by_key(rank).copied()
}

/// What stands around the two values of a field.
fn around<'a>(field: &Field, owner: &'a Record, other: &'a Record, context: &'a Context<'a>) -> Around<'a> {
    let mut around = Around { known: context.known, ..Around::default() };
    if field.kind == FieldKind::Amount {
        if let Body::Lotto(lotto) = &owner.body {
            let theirs = if let Body::Lotto(other) = &other.body { other.oneri_sicurezza } else { None };
            around.security_costs = lotto.oneri_sicurezza.or(theirs);
            around.tender_total = context.tender_totals.get(&lotto.cig).copied();
            around.framework_total =
                lotto.cig_accordo_quadro.and_then(|parent| context.lot_amounts.get(&parent)).copied();
        }
        if let Body::Aggiudicazione(award) = &owner.body {
            let winners = |award: &canonical::kinds::Aggiudicazione| groups_of(&award.aggiudicatari);
            let theirs = if let Body::Aggiudicazione(other) = &other.body { winners(other) } else { 0 };
            around.winners = winners(award).max(theirs).max(1);
            around.tender_total = context.tender_totals.get(&award.cig).copied();
            around.security_costs = context.security_costs.get(&award.cig).copied();
            around.modifications = context.modifications.get(&(award.cig, award.id_aggiudicazione)).copied();
        }
        if let Body::Contratto(contract) = &owner.body {
            around.security_costs = context.security_costs.get(&contract.cig).copied();
            around.modifications = context.modifications.get(&(contract.cig, contract.id_aggiudicazione)).copied();
        }
        if let Body::Procedura(procedure) = &owner.body {
            around.security_costs = procedure.oneri_sicurezza;
        }
    }
    if let (Body::Progetto(one), Body::Progetto(two)) = (&owner.body, &other.body) {
        around.plans = (Some(&one.piani), Some(&two.piani));
    }
    around
}

/// Each winner of an award counts, also those of one group: sources repeat the amount for each.
fn groups_of(winners: &[canonical::kinds::Partecipazione]) -> u32 {
    u32::try_from(winners.len()).unwrap_or(u32::MAX)
}

/// R07: the owner of the CIG and another source disagree on whether it is in use. That a source says
/// nothing of a cancellation says nothing.
fn cancelled(place: &Place, current: &[&Record], context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let lots = current.iter().filter_map(|record| match &record.body {
        Body::Lotto(lotto) => Some((*record, &lotto.stato_cig)),
        _ => None,
    });
    let rank = |record: &Record| {
        (context.rank(Group::Cig, Kind::Lotto, record.provenance.source.as_str()), record.provenance.source.clone())
    };
    let mut lots: Vec<_> = lots.collect();
    lots.sort_by_key(|(record, _)| rank(record));
    let Some(((owner, state), others)) = lots.split_first() else { return };
    for (other, theirs) in others.iter().filter(|(_, theirs)| **theirs != StatoCig::Attivo && theirs != state) {
        let judgement = Judgement { rule: Rule::R07, severity: Severity::Warning, cause: None };
        let against = other.provenance.source.as_str();
        let discrepancy = finding(place, Some("stato_cig"), judgement, Shape::Differs, against)
            .side(owner, true, Some(state_name(state).to_owned()))
            .side(other, false, Some(state_name(theirs).to_owned()));
        found.push(discrepancy.done());
    }
}

fn state_name(state: &StatoCig) -> &'static str {
    match state {
        StatoCig::Attivo => "attivo",
        StatoCig::Cancellato { .. } => "cancellato",
        StatoCig::Sostituito { .. } => "sostituito",
    }
}
