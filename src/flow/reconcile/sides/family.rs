//! What only several kinds together show: all records that share a CIG or a CUP.
//!
//! Sources write the same fact into different kinds: one has lots with their CUP, another has a row
//! for each CUP and CIG. Each source's rows about a lot are gathered first, then compared.

use std::collections::{BTreeMap, BTreeSet};

use canonical::identifiers::{Cig, Cup};
use canonical::kinds::{Piano, StatoCig};
use canonical::values::{CalendarDate, Importo};
use canonical::{Body, Kind, Record, RecordKey, Rule, Severity};

use super::super::judge::{Around, Codes, FieldKind, Judgement, Value, judge};
use super::context::Context;
use super::draft::{Place, finding};
use super::owners::Group;
use super::single::cig_of;
use super::{events, field_of, fields_of, in_order, in_time, is_one_document, is_said, money, order, qualified};
use super::{stake, state_name};
use crate::discrepancy::{Cause, Discrepancy, Shape};

/// Compares the records that share a CIG or a CUP. What [`compare_sides`](super::compare_sides) says
/// of each kind and key is not repeated.
pub fn compare_family<'a>(records: impl IntoIterator<Item = &'a Record>, context: &Context<'_>) -> Vec<Discrepancy> {
    let mut records: Vec<&Record> = records.into_iter().collect();
    records.sort_by(|one, other| in_time(one, other));
    let records = latest(&records);
    let context = with_all_known(&records, context);
    let mut found = Vec::new();
    for cig in cigs_of(&records) {
        let of_cig = records_of(&records, cig);
        let place = Place {
            unit: format!("{}/{cig}", Kind::Lotto),
            row: cig.to_string(),
            body: of_cig.iter().find_map(|record| record.body.ente()).map(|code| code.masked().to_owned()),
        };
        gathered(&place, cig, &of_cig, &context, &mut found);
        procedures(cig, &of_cig, &context, &mut found);
        money::check(&place, cig, &of_cig, &context, &mut found);
        cancelled(&place, &of_cig, &context, &mut found);
        events::check(cig, &of_cig, &context, &mut found);
        order::check(cig, &of_cig, &context, &mut found);
        qualified::check(&place, cig, &of_cig, &records, &context, &mut found);
    }
    in_order(found)
}

/// The context of a family: with the platform that follows its contracts, and the amounts to which
/// differences between its records may be owed.
pub fn context_of<'r, 'c>(records: impl IntoIterator<Item = &'r Record>, context: &Context<'c>) -> Context<'c> {
    let mut records: Vec<&Record> = records.into_iter().collect();
    records.sort_by(|one, other| in_time(one, other));
    with_all_known(&latest(&records), context)
}

fn with_all_known<'c>(records: &[&Record], context: &Context<'c>) -> Context<'c> {
    let mut context = context.clone();
    if context.execution_platform.is_none() {
        context.execution_platform = platform(records, &context);
    }
    for record in records {
        if let Body::Procedura(procedure) = &record.body
            && let (Some(acting), Some(behind)) = (procedure.stazione_appaltante, procedure.ente_delegante)
        {
            context.delegations.insert((acting, behind));
        }
    }
    for cig in cigs_of(records) {
        money::remember(cig, &records_of(records, cig), &mut context);
    }
    context
}

/// Every unit in which something about a lot may stand, whatever stopped its comparison.
pub fn units_of<'r>(cig: &str, keys: impl IntoIterator<Item = (Kind, &'r str)>) -> BTreeSet<String> {
    let mut units = BTreeSet::from([format!("{}/{cig}", Kind::Lotto), format!("{}/{cig}", Kind::Procedura)]);
    for (kind, key) in keys {
        units.insert(format!("{kind}/{key}"));
        // Awards, contracts and events carry the number of the award behind the CIG.
        let award =
            key.strip_prefix(cig).and_then(|rest| rest.strip_prefix('/')).and_then(|rest| rest.split('/').next());
        if let Some(award) = award {
            units.insert(format!("{}/{cig}/{award}", Kind::Aggiudicazione));
            units.insert(format!("{}/{cig}/{award}", Kind::Contratto));
        }
    }
    units
}

fn cigs_of(records: &[&Record]) -> BTreeSet<Cig> {
    records.iter().filter_map(|record| cig_of(&record.body)).filter(|cig| !cig.is_null()).collect()
}

fn records_of<'r>(records: &[&'r Record], cig: Cig) -> Vec<&'r Record> {
    let lines = lines_of(records, cig);
    records.iter().copied().filter(|one| speaks_of(one, cig, &lines)).collect()
}

/// The latest record of each source about each kind and key. The records come in order.
fn latest<'a>(records: &[&'a Record]) -> Vec<&'a Record> {
    let mut latest: BTreeMap<(Kind, RecordKey, &str), &Record> = BTreeMap::new();
    for record in records {
        latest
            .entry((record.kind(), record.key(), record.provenance.source.as_str()))
            .and_modify(|kept| {
                if !is_one_document(kept, record) {
                    *kept = record;
                }
            })
            .or_insert(record);
    }
    latest.into_values().collect()
}

/// Where a record was read: records of one row of one document speak of one thing.
type Line<'a> = (&'a str, &'a str, u64);

fn line_of(record: &Record) -> Option<Line<'_>> {
    let from = &record.provenance;
    Some((from.source.as_str(), from.document_digest.as_str(), from.line?))
}

/// The lines on which the lot stands.
fn lines_of<'a>(records: &[&'a Record], cig: Cig) -> BTreeSet<Line<'a>> {
    let lots = records.iter().filter(|record| matches!(&record.body, Body::Lotto(lot) if lot.cig == cig));
    lots.filter_map(|record| line_of(record)).collect()
}

/// A procedure belongs to the lots that it lists. A source that gives a row for each lot and cannot list
/// the others puts both into one row.
fn speaks_of(record: &Record, cig: Cig, lines: &BTreeSet<Line<'_>>) -> bool {
    match &record.body {
        Body::Procedura(procedure) if procedure.lotti.is_empty() => {
            line_of(record).is_some_and(|line| lines.contains(&line))
        }
        Body::Procedura(procedure) => procedure.lotti.contains(&cig),
        body => cig_of(body) == Some(cig),
    }
}

/// The platform that follows execution, as the contracts say; the most believed of them.
fn platform(records: &[&Record], context: &Context<'_>) -> Option<String> {
    let said = records.iter().filter_map(|record| match &record.body {
        Body::Contratto(contract) => Some((*record, contract.piattaforma_esecuzione.clone()?)),
        _ => None,
    });
    let rank = |record: &Record| {
        let source = record.provenance.source.as_str();
        (context.rank(Group::Contract, Kind::Contratto, source), source.to_owned())
    };
    said.min_by_key(|(record, _)| rank(record)).map(|(_, platform)| platform)
}

/// What one source says of a lot, whatever the kinds in which it says it.
struct Gathered<'a> {
    source: &'a str,
    record: &'a Record,
    keys: BTreeSet<(Kind, RecordKey)>,
    cups: BTreeSet<Cup>,
    plans: BTreeSet<Piano>,
    base: Option<Importo>,
    award: Option<Importo>,
    published: Option<CalendarDate>,
    has_link: bool,
}

/// The amount that stands for many rows: most repeat the whole, some have zero for what they do not
/// know.
fn largest(one: Option<Importo>, other: Option<Importo>) -> Option<Importo> {
    one.max(other)
}

fn gather<'a>(cig: Cig, records: &[&'a Record]) -> Vec<Gathered<'a>> {
    let mut sources: BTreeMap<&str, Gathered<'_>> = BTreeMap::new();
    for record in records {
        let source = record.provenance.source.as_str();
        let it = sources.entry(source).or_insert_with(|| Gathered {
            source,
            record,
            keys: BTreeSet::new(),
            cups: BTreeSet::new(),
            plans: BTreeSet::new(),
            base: None,
            award: None,
            published: None,
            has_link: false,
        });
        it.keys.insert((record.kind(), record.key()));
        match &record.body {
            Body::Lotto(lot) => {
                it.cups.extend(&lot.cup);
                it.base = largest(it.base, lot.importo_totale);
                it.record = record;
            }
            Body::CollegamentoCupCig(link) if link.cig == Some(cig) => {
                it.has_link = true;
                it.cups.insert(link.cup);
                it.plans.extend(link.piani.iter().cloned());
                it.base = largest(it.base, link.importo_base);
                it.award = largest(it.award, link.importo_aggiudicazione);
                it.published = it.published.into_iter().chain(link.data_pubblicazione).min();
            }
            Body::Aggiudicazione(award) => it.award = largest(it.award, award.importo),
            Body::Procedura(procedure) => {
                let day = procedure.pubblicata_il.map(|at| at.to_offset_date_time().date());
                let day = day.and_then(|day| CalendarDate::try_from(day).ok());
                it.published = it.published.into_iter().chain(day).min();
            }
            _ => {}
        }
    }
    sources.into_values().collect()
}

/// A fact about a lot that sources write into different kinds.
struct Fact {
    name: &'static str,
    group: Group,
    kind: FieldKind,
    /// The kinds in which two sources may have said it alike: then it was compared there.
    kinds: &'static [Kind],
    of: for<'a> fn(&'a Gathered<'_>) -> Option<Value<'a>>,
}

const FACTS: &[Fact] = &[
    Fact {
        name: "cup_collegati",
        group: Group::Cup,
        kind: FieldKind::Cups,
        kinds: &[Kind::Lotto],
        of: |it| (!it.cups.is_empty()).then_some(Value::Codes(Codes::Cups(&it.cups))),
    },
    Fact {
        name: "importo_base",
        group: Group::Lot,
        kind: FieldKind::Amount,
        kinds: &[Kind::Lotto, Kind::CollegamentoCupCig],
        of: |it| it.base.map(Value::Amount),
    },
    Fact {
        name: "importo_aggiudicazione",
        group: Group::Award,
        kind: FieldKind::Amount,
        kinds: &[Kind::Aggiudicazione, Kind::CollegamentoCupCig],
        of: |it| it.award.map(Value::Amount),
    },
    Fact {
        name: "data_pubblicazione",
        group: Group::Lot,
        kind: FieldKind::Published,
        kinds: &[Kind::Procedura, Kind::CollegamentoCupCig],
        of: |it| it.published.map(Value::Date),
    },
];

fn gathered(place: &Place, cig: Cig, records: &[&Record], context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let sources = gather(cig, records);
    for fact in FACTS {
        let rank = |it: &&Gathered<'_>| (context.rank(fact.group, it.record.kind(), it.source), it.source.to_owned());
        let owner = sources.iter().filter(|it| (fact.of)(it).is_some()).min_by_key(rank);
        let Some(owner) = owner else { continue };
        for other in sources.iter().filter(|other| other.source != owner.source) {
            if was_compared(fact, owner, other) || !(owner.has_link || other.has_link || fact.is_of_procedures()) {
                continue;
            }
            let (ours, theirs) = ((fact.of)(owner), (fact.of)(other));
            // Nothing against zero is said only by who speaks of awards at all.
            if !is_said(fact.group, ours, theirs, || false) || (theirs.is_none() && !other.has_link) {
                continue;
            }
            let around = Around {
                known: context.known,
                tender_total: context.tender_totals.get(&cig).copied(),
                security_costs: context.security_costs.get(&cig).copied(),
                plans: (Some(&owner.plans), Some(&other.plans)),
                ..Around::default()
            };
            let Some(judgement) = judge(fact.kind, ours, theirs, &around) else { continue };
            let mut draft = finding(place, Some(fact.name), judgement, Shape::Differs, other.source);
            draft = draft.side(owner.record, true, ours.map(Value::shown));
            for one in sources.iter().filter(|one| one.source != owner.source) {
                draft = draft.side(one.record, false, (fact.of)(one).map(Value::shown));
            }
            found.push(draft.stake(stake(ours, theirs)).done());
        }
    }
}

impl Fact {
    /// Procedures have identifiers of their own in each system: the lots are what they share.
    fn is_of_procedures(&self) -> bool {
        self.kind == FieldKind::Published
    }
}

fn was_compared(fact: &Fact, one: &Gathered<'_>, other: &Gathered<'_>) -> bool {
    fact.kinds.iter().any(|kind| one.keys.iter().any(|key| key.0 == *kind && other.keys.contains(key)))
}

/// Procedures of different identifiers that tender the same lots. Each pair is compared at the first
/// of the lots that they share; the day of publication was compared with what is gathered.
fn procedures(cig: Cig, records: &[&Record], context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let tenders: Vec<&Record> = records.iter().copied().filter(|record| record.kind() == Kind::Procedura).collect();
    let is_first = |record: &Record| match &record.body {
        Body::Procedura(procedure) => procedure.lotti.iter().min().is_none_or(|first| *first == cig),
        _ => false,
    };
    let keys: BTreeSet<RecordKey> = tenders.iter().map(|record| record.key()).collect();
    if keys.len() < 2 || !tenders.iter().any(|record| is_first(record)) {
        return;
    }
    // One for each source: a source with two procedures for a lot says nothing clear about it.
    let mut sources: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in &tenders {
        sources.entry(record.provenance.source.as_str()).or_default().push(record);
    }
    let single: Vec<&Record> = sources.into_values().filter(|all| all.len() == 1).flatten().collect();
    let Some(first) = single.first() else { return };
    let place = Place { unit: format!("{}/{cig}", Kind::Procedura), row: cig.to_string(), ..Place::of(first) };
    for field in fields_of(Kind::Procedura).iter().filter(|field| field.kind != FieldKind::Published) {
        field_of(&place, field, &single, context, found);
    }
}

/// R07: activity on a CIG that its owner has cancelled or replaced.
fn cancelled(place: &Place, records: &[&Record], context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let lots = records.iter().filter_map(|record| match &record.body {
        Body::Lotto(lot) => Some((*record, lot)),
        _ => None,
    });
    let rank = |record: &Record| {
        let source = record.provenance.source.as_str();
        (context.rank(Group::Cig, Kind::Lotto, source), source.to_owned())
    };
    let Some((owner, lot)) = lots.min_by_key(|(record, _)| rank(record)) else { return };
    let judgement = match &lot.stato_cig {
        StatoCig::Attivo => return,
        StatoCig::Cancellato { .. } => Judgement { rule: Rule::R07, severity: Severity::Error, cause: None },
        StatoCig::Sostituito { .. } => Judgement::explained(Rule::R07, Cause::ReplacedCig),
    };
    let mut active: BTreeMap<&str, (&Record, u32, Option<Importo>)> = BTreeMap::new();
    for record in records {
        if matches!(record.body, Body::EventoEsecuzione(_) | Body::Contratto(_) | Body::Pagamento(_)) {
            let entry = active.entry(record.provenance.source.as_str()).or_insert((record, 0, None));
            entry.1 += 1;
            entry.2 = largest(entry.2, super::missing::amount_of(&record.body));
        }
    }
    for (source, (record, count, amount)) in active {
        let draft = finding(place, Some("stato_cig"), judgement, Shape::Breaks, source)
            .side(owner, true, Some(state_name(&lot.stato_cig).to_owned()))
            .side(record, false, Some(count.to_string()));
        found.push(draft.stake(amount).done());
    }
}
