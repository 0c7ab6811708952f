//! What the comparison is told beside the records: the day, the sources, who is believed, what codes
//! mean, and the amounts of other records to which a difference may be owed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::values::{CalendarDate, Importo};
use canonical::{Kind, Record, Rule};

use super::super::judge::{Judgement, Known, Nothing};
use super::draft::{Place, finding};
use super::facts::{SourceFacts, days_after};
use super::owners::{Group, Phase, owners_of};
use super::qualified::Thresholds;
use crate::discrepancy::{Cause, Discrepancy, Shape, Side};
use crate::flow::route::ownership::Ownership;
use crate::storage::Repeated;

/// What the comparison is told.
#[derive(Clone)]
pub struct Context<'a> {
    /// Today, in Italy.
    pub today: CalendarDate,
    /// Every source, by configured name.
    pub sources: &'a BTreeMap<String, SourceFacts>,
    /// Who is believed where the law names nobody.
    pub ownership: &'a Ownership,
    /// What is known of codes.
    pub known: &'a dyn Known,
    /// Where the contract stands: ownership moves with it.
    pub phase: Phase,
    /// The system that follows the execution of the contract, from the contract itself.
    pub execution_platform: Option<String>,
    /// Amount of the whole tender of a lot.
    pub tender_totals: BTreeMap<Cig, Importo>,
    /// Amounts of other lots, for instance framework agreements.
    pub lot_amounts: BTreeMap<Cig, Importo>,
    /// Security costs of lots.
    pub security_costs: BTreeMap<Cig, Importo>,
    /// Sum of the modifications by contract.
    pub modifications: BTreeMap<(Cig, u32), Importo>,
    /// Bodies that act for others: who acts, for whom.
    pub delegations: BTreeSet<(CodiceFiscale, CodiceFiscale)>,
    /// What a source says again on another line of its document.
    pub repeated: Repeated,
    /// From which amounts which qualification is needed.
    pub thresholds: Cow<'a, Thresholds>,
}

impl<'a> Context<'a> {
    /// A context in which nothing is known beside the sources.
    pub fn new(today: CalendarDate, sources: &'a BTreeMap<String, SourceFacts>, ownership: &'a Ownership) -> Self {
        Self {
            today,
            sources,
            ownership,
            known: &Nothing,
            phase: Phase::Award,
            execution_platform: None,
            tender_totals: BTreeMap::new(),
            lot_amounts: BTreeMap::new(),
            security_costs: BTreeMap::new(),
            modifications: BTreeMap::new(),
            delegations: BTreeSet::new(),
            repeated: Repeated::new(),
            thresholds: Cow::Owned(Thresholds::default()),
        }
    }

    /// The adapter of a source; its own name where nothing is known of it.
    pub(super) fn adapter<'b>(&'b self, source: &'b str) -> &'b str {
        self.sources.get(source).map_or(source, |facts| facts.adapter.as_str())
    }

    /// Who is believed about a group of fields has the smallest rank.
    pub fn rank(&self, group: Group, kind: Kind, source: &str) -> (usize, u16) {
        let adapter = self.adapter(source);
        let owners = owners_of(group, self.phase);
        let is_named = |owner: &&str| *owner == source || *owner == adapter;
        let platform = self.execution_platform.as_deref().filter(|_| group.follows_platform());
        let place = match platform {
            Some(platform) if platform == source || platform == adapter => 0,
            _ => 1 + owners.iter().position(is_named).unwrap_or(owners.len()),
        };
        (place, self.ownership.rank(kind, source, adapter))
    }

    /// Whether a source always gives a field.
    pub(super) fn carries(&self, record: &Record, field: &str) -> bool {
        let facts = self.sources.get(record.provenance.source.as_str());
        facts.is_some_and(|facts| facts.carries.contains(&(record.kind(), field.to_owned())))
    }

    /// Whether a source follows the execution of contracts.
    pub(super) fn is_platform(&self, source: &str) -> bool {
        self.sources.get(source).is_some_and(|facts| facts.is_platform)
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("today", &self.today).field("phase", &self.phase).finish_non_exhaustive()
    }
}

/// R21: the sources whose newest data are older than their period, by name.
pub fn stale_sources(context: &Context<'_>) -> Vec<Discrepancy> {
    let stale = context.sources.iter().filter(|(_, facts)| facts.is_stale(context.today));
    let found = stale.map(|(name, facts)| {
        let place = Place { unit: format!("fonte/{name}"), row: name.clone(), body: None };
        let judgement = Judgement { cause: Some(Cause::StaleSource), ..Judgement::unexplained(Rule::R21) };
        let due = facts.as_of.zip(facts.period_days).and_then(|(as_of, days)| days_after(as_of, days));
        let mut found = finding(&place, None, judgement, Shape::Breaks, name).due(due).done();
        let as_of = facts.as_of;
        found.sides.push(Side {
            system: name.clone(),
            is_owner: true,
            value: as_of.map(|day| day.to_string()),
            seen: None,
            as_of,
        });
        found
    });
    found.collect()
}
