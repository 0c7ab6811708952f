//! What stands beside a page of families: the framework agreements above their lots, and the
//! qualifications of the bodies that tender them.

use std::collections::BTreeSet;

use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::{Body, Kind, Record};

use super::super::sides::{Context, Group};
use crate::flow::{Flow, FlowError};
use crate::storage::Family;

/// Records that several families of a page may need, read once for all of them.
#[derive(Debug)]
pub(super) struct Beside(Vec<Record>);

fn parent(record: &Record) -> Option<Cig> {
    match &record.body {
        Body::Lotto(lot) => lot.cig_accordo_quadro.filter(|cig| !cig.is_null()),
        _ => None,
    }
}

fn tendering(record: &Record) -> Option<CodiceFiscale> {
    match &record.body {
        Body::Procedura(procedure) => procedure.stazione_appaltante,
        _ => None,
    }
}

impl Beside {
    /// What stands beside these families. The context says who is believed.
    pub(super) async fn of(flow: &Flow, families: &[Family], context: &Context<'_>) -> Result<Self, FlowError> {
        let records = || families.iter().flat_map(|family| &family.records);
        let parents: BTreeSet<_> = records().filter_map(parent).collect();
        let bodies: BTreeSet<_> = records().filter_map(tendering).collect();
        if parents.is_empty() && bodies.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let mut found = flow.store.lots_and_qualifications(&parents, &bodies).await?;
        // The most believed comes first.
        found.sort_by_cached_key(|record| {
            let source = record.provenance.source.as_str();
            (context.rank(Group::Lot, Kind::Lotto, source), source.to_owned())
        });
        Ok(Self(found))
    }

    /// The context of a family: with the amounts of the framework agreements above its lots.
    pub(super) fn around<'c>(&self, family: &[Record], context: &Context<'c>) -> Context<'c> {
        let mut context = context.clone();
        for parent in family.iter().filter_map(parent).collect::<BTreeSet<_>>() {
            let amount = self.0.iter().find_map(|record| match &record.body {
                Body::Lotto(lot) if lot.cig == parent => lot.importo_totale,
                _ => None,
            });
            if let Some(amount) = amount {
                context.lot_amounts.insert(parent, amount);
            }
        }
        context
    }

    /// The qualifications of the bodies that tender the lots of a family.
    pub(super) fn qualifications(&self, family: &[Record]) -> impl Iterator<Item = &Record> {
        let bodies: BTreeSet<_> = family.iter().filter_map(tendering).collect();
        self.0.iter().filter(move |record| match &record.body {
            Body::Qualificazione(it) => bodies.contains(&it.ente),
            _ => false,
        })
    }
}
