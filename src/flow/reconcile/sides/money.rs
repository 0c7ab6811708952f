//! R17 and R18: what was paid against what was awarded, and what was awarded against the base.

use std::collections::BTreeMap;

use canonical::identifiers::Cig;
use canonical::kinds::{Aggiudicazione, Dettaglio, Modifica, TipoPagamento};
use canonical::values::Importo;
use canonical::{Body, Kind, Record, Rule};

use super::super::judge::{Around, above};
use super::context::Context;
use super::draft::{Place, finding};
use super::owners::Group;
use crate::discrepancy::{Discrepancy, Shape};

/// Writes down the amounts of a lot to which differences may be owed, so that every rule has them.
pub(super) fn remember(cig: Cig, records: &[&Record], context: &mut Context<'_>) {
    let is_of_a_lot = |total: Importo| {
        let amounts = records.iter().filter_map(|record| match &record.body {
            Body::Lotto(lot) => Some([lot.importo_netto, lot.importo_totale]),
            _ => None,
        });
        amounts.flatten().flatten().any(|amount| amount == total)
    };
    for record in records {
        match &record.body {
            Body::Lotto(lot) => {
                if let Some(costs) = lot.oneri_sicurezza {
                    context.security_costs.entry(cig).or_insert(costs);
                }
            }
            Body::Procedura(procedure) => {
                // A tender of one lot explains nothing: its total is the amount of the lot. Where nobody
                // says how many lots there are, the amount tells.
                let has_one_lot = match procedure.lotti.len() {
                    0 => procedure.importo.is_some_and(&is_of_a_lot),
                    lots => lots == 1,
                };
                if let Some(total) = procedure.importo.filter(|_| !has_one_lot) {
                    context.tender_totals.entry(cig).or_insert(total);
                }
            }
            _ => {}
        }
    }
    for (award, (_, awarded)) in awards(records, context) {
        if let Some(modified) = modified(award, records, context)
            && let Some(change) = awarded.importo.and_then(|amount| modified.checked_sub(amount))
        {
            context.modifications.entry((cig, award)).or_insert(change);
        }
    }
}

pub(super) fn check(place: &Place, cig: Cig, records: &[&Record], context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let awards = awards(records, context);
    for (number, (record, award)) in &awards {
        // An award of zero was not made, or its amount was not told: there is nothing to exceed.
        let Some(amount) = award.importo.filter(|amount| !amount.is_zero()) else { continue };
        let around = Around {
            modifications: context.modifications.get(&(cig, *number)).copied(),
            security_costs: context.security_costs.get(&cig).copied(),
            non_discountable: non_discountable(*number, records),
            winners: u32::try_from(award.aggiudicatari.len()).unwrap_or(u32::MAX).max(1),
            ..Around::default()
        };
        let place = Place { unit: format!("{}/{cig}/{number}", Kind::Aggiudicazione), ..place.clone() };
        let place = Place { row: format!("{cig}/{number}"), ..place };
        over_base(&place, (record, amount), records, &around, context, found);
        for contract in records {
            let Body::Contratto(it) = &contract.body else { continue };
            let Some(paid) = it.somme_liquidate.filter(|_| it.id_aggiudicazione == *number) else { continue };
            if let Some(judgement) = above(Rule::R17, paid, amount, &around) {
                let source = contract.provenance.source.as_str();
                let draft = finding(&place, Some("somme_liquidate"), judgement, Shape::Breaks, source)
                    .side(record, true, Some(amount.to_string()))
                    .side(contract, false, Some(paid.to_string()));
                found.push(draft.stake(paid.checked_sub(amount)).done());
            }
        }
    }
    orders(place, cig, records, &awards, context, found);
}

type Awards<'a> = BTreeMap<u32, (&'a Record, &'a Aggiudicazione)>;

/// The most believed record of each award.
fn awards<'a>(records: &[&'a Record], context: &Context<'_>) -> Awards<'a> {
    let mut awards: Awards<'_> = BTreeMap::new();
    let rank = |record: &Record| {
        let source = record.provenance.source.as_str();
        (context.rank(Group::Award, Kind::Aggiudicazione, source), source.to_owned())
    };
    for record in records {
        let Body::Aggiudicazione(award) = &record.body else { continue };
        awards
            .entry(award.id_aggiudicazione)
            .and_modify(|kept| {
                // Who gives no amount is not believed about it.
                let is_better = kept.1.importo.is_none() || rank(record) < rank(kept.0);
                if award.importo.is_some() && is_better {
                    *kept = (record, award);
                }
            })
            .or_insert((record, award));
    }
    awards
}

/// R18: an award above the base of its lot.
fn over_base(
    place: &Place,
    (record, amount): (&Record, Importo),
    records: &[&Record],
    around: &Around<'_>,
    context: &Context<'_>,
    found: &mut Vec<Discrepancy>,
) {
    let lots = records.iter().filter_map(|record| match &record.body {
        // A base of zero is no base to compare with.
        Body::Lotto(lot) => Some((*record, lot.importo_totale.filter(|base| !base.is_zero())?)),
        _ => None,
    });
    let rank = |record: &Record| {
        let source = record.provenance.source.as_str();
        (context.rank(Group::Lot, Kind::Lotto, source), source.to_owned())
    };
    let Some((lot, base)) = lots.min_by_key(|(record, _)| rank(record)) else { return };
    let Some(judgement) = above(Rule::R18, amount, base, around) else { return };
    let source = record.provenance.source.as_str();
    let draft = finding(place, Some("importo"), judgement, Shape::Breaks, source)
        .side(lot, true, Some(base.to_string()))
        .side(record, false, Some(amount.to_string()));
    found.push(draft.stake(amount.checked_sub(base)).done());
}

/// R17 over the payment orders of a lot, source by source. The part of VAT that goes to the Treasury
/// stands in an order of its own: only the sum can be compared.
fn orders(
    place: &Place,
    cig: Cig,
    records: &[&Record],
    awards: &Awards<'_>,
    context: &Context<'_>,
    found: &mut Vec<Discrepancy>,
) {
    let Some(awarded) = Importo::checked_sum(awards.values().filter_map(|(_, award)| award.importo)) else { return };
    if awarded.is_zero() {
        return;
    }
    let Some((owner, _)) = awards.values().find(|(_, award)| award.importo.is_some()) else { return };
    let mut paid: BTreeMap<&str, (&Record, u32, Option<Importo>)> = BTreeMap::new();
    for record in records {
        let Body::Pagamento(order) = &record.body else { continue };
        let Some(amount) = order.importo_netto.or(order.importo) else { continue };
        if order.tipo == TipoPagamento::Mandato {
            let entry = paid.entry(record.provenance.source.as_str()).or_insert((record, 0, Some(Importo::ZERO)));
            entry.1 += 1;
            entry.2 = entry.2.and_then(|sum| sum.checked_add(amount));
        }
    }
    let modifications: Vec<Importo> =
        awards.keys().filter_map(|number| context.modifications.get(&(cig, *number)).copied()).collect();
    let modifications = Importo::checked_sum(modifications).filter(|sum| !sum.is_zero());
    for (source, (record, rows, sum)) in paid {
        let Some(sum) = sum else { continue };
        let security_costs = context.security_costs.get(&cig).copied();
        let around = Around { rows, security_costs, modifications, ..Around::default() };
        let Some(judgement) = above(Rule::R17, sum, awarded, &around) else { continue };
        let draft = finding(place, Some("pagato"), judgement, Shape::Breaks, source)
            .side(owner, true, Some(awarded.to_string()))
            .side(record, false, Some(sum.to_string()));
        found.push(draft.stake(sum.checked_sub(awarded)).done());
    }
}

/// The modifications of a contract that the most believed platform tells, in order.
fn modifications<'a>(award: u32, records: &[&'a Record], context: &Context<'_>) -> Vec<&'a Modifica> {
    let mut all: Vec<(_, _, u32, &Modifica)> = Vec::new();
    for record in records {
        let Body::EventoEsecuzione(event) = &record.body else { continue };
        if let Dettaglio::Modifica(change) = &event.dettaglio
            && event.id_aggiudicazione == award
            && super::events::counts(event)
        {
            let source = record.provenance.source.as_str();
            let rank = (context.rank(Group::Events, Kind::EventoEsecuzione, source), source);
            all.push((rank, change.data_approvazione.or(event.data), event.progressivo, change));
        }
    }
    all.sort_by(|one, other| (&one.0, one.1, one.2).cmp(&(&other.0, other.1, other.2)));
    let best = all.first().map(|one| one.0);
    all.into_iter().filter(|one| Some(one.0) == best).map(|one| one.3).collect()
}

/// What a contract came to after its modifications; none when none says it.
fn modified(award: u32, records: &[&Record], context: &Context<'_>) -> Option<Importo> {
    modifications(award, records, context).iter().rev().find_map(|change| {
        let parts = [change.importo_lavori, change.importo_servizi, change.importo_forniture, change.oneri_sicurezza];
        let sum = parts.iter().any(Option::is_some).then(|| Importo::checked_sum(parts.into_iter().flatten()));
        change.importo_contratto.or(sum.flatten())
    })
}

/// Sums that take no discount or stand at disposal, as the last modification that gives them says.
fn non_discountable(award: u32, records: &[&Record]) -> Option<Importo> {
    let given = records.iter().filter_map(|record| match &record.body {
        Body::EventoEsecuzione(event) if event.id_aggiudicazione == award => match &event.dettaglio {
            Dettaglio::Modifica(change) => {
                Some((event.data, event.progressivo, change.somme_non_ribassabili.or(change.somme_a_disposizione)?))
            }
            _ => None,
        },
        _ => None,
    });
    given.max().map(|(_, _, amount)| amount)
}
