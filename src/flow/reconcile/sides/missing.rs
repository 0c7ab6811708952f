//! R01: a record that a source should hold and does not.
//!
//! Only a source that was read completely, and is expected to hold the kind, can lack something; and
//! only after its grace time. Until then it is too early to say.

use canonical::values::{CalendarDate, Importo};
use canonical::{Body, Kind, Record, Rule};

use super::super::judge::Judgement;
use super::context::Context;
use super::draft::{Place, finding};
use super::facts::{SourceFacts, days_after};
use super::owners::Group;
use crate::discrepancy::{Cause, Discrepancy, Shape};

pub(super) fn check(place: &Place, current: &[&Record], context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let Some(first) = current.first() else { return };
    let kind = first.kind();
    let Some(group) = group_of(kind) else { return };
    let is_here = |source: &str| current.iter().any(|record| record.provenance.source.as_str() == source);
    let rank = |source: &str| (context.rank(group, kind, source), source.to_owned());
    let Some(holder) = current.iter().min_by_key(|record| rank(record.provenance.source.as_str())) else { return };
    let holder_name = holder.provenance.source.as_str();
    let born = current.iter().map(|record| day_of(record)).min().unwrap_or(context.today);
    let at_stake = current.iter().find_map(|record| amount_of(&record.body));
    let lacking = context.sources.iter().filter(|(name, facts)| {
        let is_old = facts.since.is_some_and(|since| born < since);
        !is_here(name) && !is_old && is_expected(facts, kind, current) && !is_outside(name, kind, current, context)
    });
    for (name, facts) in lacking {
        let judgement = judgement(born, facts, context.today);
        // Who should be believed and has nothing is missing here, for all who have it.
        let is_owner = rank(name) < rank(holder_name);
        let shape = if is_owner { Shape::MissingHere } else { Shape::MissingThere };
        let against = if is_owner { holder_name } else { name };
        let mut draft = finding(place, None, judgement, shape, against).nothing(name, is_owner);
        for record in current {
            let believed = !is_owner && record.provenance.source == holder.provenance.source;
            draft = draft.side(record, believed, Some(record.key().to_string()));
        }
        found.push(draft.stake(at_stake).due(days_after(born, facts.grace_days)).at_desk(context, against).done());
    }
}

pub(super) fn judgement(born: CalendarDate, facts: &SourceFacts, today: CalendarDate) -> Judgement {
    if born.days_until(today) <= i64::from(facts.grace_days) {
        return Judgement::explained(Rule::R01, Cause::TooEarly);
    }
    // What happened after its newest data cannot be in them.
    let is_newer = facts.as_of.is_some_and(|as_of| as_of < born);
    if is_newer && facts.is_stale(today) {
        return Judgement::explained(Rule::R01, Cause::StaleSource);
    }
    Judgement::unexplained(Rule::R01)
}

pub(super) fn is_expected(facts: &SourceFacts, kind: Kind, current: &[&Record]) -> bool {
    facts.is_complete && current.iter().any(|record| facts.holds(kind, record.body.ente()))
}

/// Whether the thing has no place in a source: a SmartCIG on a platform of execution, a contract that
/// another platform follows.
fn is_outside(source: &str, kind: Kind, current: &[&Record], context: &Context<'_>) -> bool {
    let is_smart = current.iter().any(|record| {
        super::single::cig_of(&record.body).is_some_and(|cig| cig.class() == canonical::identifiers::CigClass::SmartCig)
    });
    let adapter = context.adapter(source);
    let follows_other = matches!(kind, Kind::Contratto | Kind::EventoEsecuzione)
        && context.is_platform(source)
        && context.execution_platform.as_deref().is_some_and(|platform| platform != source && platform != adapter);
    (is_smart && context.is_platform(source)) || follows_other
}

/// The day from which the grace runs: that of the thing where it has one, else that of its data.
pub(super) fn day_of(record: &Record) -> CalendarDate {
    let own = match &record.body {
        Body::Aggiudicazione(it) => it.data,
        Body::Contratto(it) => it.data_stipula.or(it.data_inizio),
        Body::EventoEsecuzione(it) => it.data,
        Body::Pagamento(it) => it.data,
        Body::CollegamentoCupCig(it) => it.data_aggiudicazione.or(it.data_pubblicazione),
        Body::Procedura(it) => {
            it.pubblicata_il.and_then(|at| CalendarDate::try_from(at.to_offset_date_time().date()).ok())
        }
        Body::Qualificazione(it) => Some(it.valida_dal),
        Body::Progetto(it) => it.data_generazione,
        _ => None,
    };
    let read = record.provenance.read_at.to_offset_date_time().date();
    own.or(record.provenance.as_of).or_else(|| CalendarDate::try_from(read).ok()).unwrap_or_else(|| {
        // Instants reach further than days: one that is no day is older than every grace.
        CalendarDate::from_numbers(1900, 1, 1).unwrap_or_else(|never| unreachable!("1900 is in range: {never}"))
    })
}

/// The amount of a thing that is missing.
pub(super) fn amount_of(body: &Body) -> Option<Importo> {
    match body {
        Body::Procedura(it) => it.importo,
        Body::Lotto(it) => it.importo_totale.or(it.importo_netto),
        Body::Aggiudicazione(it) => it.importo,
        Body::Contratto(it) => it.importo,
        Body::Pagamento(it) => it.importo,
        Body::Intervento(it) => it.importo_totale,
        Body::Progetto(it) => it.costo.or(it.finanziamento),
        Body::CollegamentoCupCig(it) => it.importo_aggiudicazione.or(it.importo_base),
        _ => None,
    }
}

/// Whose absence is looked at: kinds whose keys mean the same in every system.
fn group_of(kind: Kind) -> Option<Group> {
    Some(match kind {
        Kind::Lotto => Group::Cig,
        Kind::Procedura => Group::Lot,
        Kind::Aggiudicazione => Group::Award,
        Kind::Contratto => Group::Contract,
        Kind::Pagamento => Group::Paid,
        Kind::Programma | Kind::Intervento => Group::Programme,
        Kind::Progetto | Kind::CollegamentoCupCig => Group::Cup,
        Kind::Qualificazione => Group::Qualification,
        Kind::Ente => Group::Identity,
        _ => return None,
    })
}
