//! Who is believed when several sources speak of one thing.
//!
//! Of the records of one kind and key only the one with the smallest rank, then the first source by
//! name, is a member of a unit of a target. The others are withheld there: kept, compared, and never
//! written over the owner's. It is decided per target, because a record is never routed to the
//! system that it comes from: there another source speaks.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::connection::query;
use super::desk::Desk;
use super::effects::Changed;
use super::rows::json;
use super::trouble::Trouble;
use crate::storage::{Destination, Route};

/// The code of what another source is believed about.
pub(super) const OWNED_ELSEWHERE: &str = "owned_elsewhere";

/// Kind, key and target: where one record at most is a member.
type Seat = (String, String, String);

/// Who is believed first: rank, then source. Two records of one seat never have both in common.
type Claim = (i64, String);

impl Desk {
    /// The same changes, with every seat given to the record that is believed first.
    pub(super) async fn settle_rivals(&mut self, mut changed: Vec<Changed>) -> Result<Vec<Changed>, Trouble> {
        let names: HashMap<i64, (String, String, Claim)> = self.names(&changed).await?;
        let asked: HashSet<(i64, &str)> = changed
            .iter()
            .flat_map(|changed| changed.routes.iter().map(|route| (changed.record, route.target.as_str())))
            .collect();
        // Who sits there today, unless this transaction moves it anyway.
        let mut best: BTreeMap<Seat, (Claim, i64)> = BTreeMap::new();
        let mut losers: Vec<(i64, String)> = Vec::new();
        for (seat, claim, rival) in self.rivals(&changed).await? {
            if !asked.contains(&(rival, seat.2.as_str())) {
                take_seat(&mut best, &mut losers, seat, claim, rival);
            }
        }
        if best.is_empty() && names.len() == distinct(&names) {
            return Ok(changed);
        }
        for change in &changed {
            let Some((kind, key, claim)) = names.get(&change.record) else { continue };
            for route in change.routes.iter().filter(|route| matches!(route.destination, Destination::Unit { .. })) {
                let seat = (kind.clone(), key.clone(), route.target.clone());
                take_seat(&mut best, &mut losers, seat, claim.clone(), change.record);
            }
        }
        for (record, target) in losers {
            let route = Route { target, destination: Destination::Withheld { code: OWNED_ELSEWHERE } };
            match changed.iter_mut().find(|change| change.record == record) {
                Some(change) => {
                    change.routes.retain(|other| other.target != route.target);
                    change.routes.push(route);
                }
                None => changed.push(Changed { record, existed: true, is_new: false, routes: vec![route] }),
            }
        }
        Ok(changed)
    }

    /// Kind, key and claim of the records that want a seat.
    async fn names(&mut self, changed: &[Changed]) -> Result<HashMap<i64, (String, String, Claim)>, Trouble> {
        let rows = query(
            "select r.id, r.kind, r.key, r.rank, r.source from json_each($1) c cross join record r where r.id = cast(c.value as bigint)",
        )
        .bind(json(&seekers(changed))?)
        .fetch_all(&mut self.connection)
        .await?;
        rows.iter()
            .map(|row| {
                let claim = (row.try_get(3)?, row.try_get(4)?);
                Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?, claim)))
            })
            .collect()
    }

    /// The members of units that speak of the same things, from other sources.
    async fn rivals(&mut self, changed: &[Changed]) -> Result<Vec<(Seat, Claim, i64)>, Trouble> {
        let rows = query(
            "select o.kind, o.key, m.target, o.rank, o.source, o.id
               from json_each($1) c
               cross join record r
               cross join record o
               cross join delivery_member m
              where r.id = cast(c.value as bigint) and o.key = r.key and o.kind = r.kind and o.id <> r.id and m.record = o.id",
        )
        .bind(json(&seekers(changed))?)
        .fetch_all(&mut self.connection)
        .await?;
        rows.iter()
            .map(|row| {
                let seat = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                Ok((seat, (row.try_get(3)?, row.try_get(4)?), row.try_get(5)?))
            })
            .collect()
    }
}

/// Gives a seat to the first claim, and names the record that loses it.
fn take_seat(
    best: &mut BTreeMap<Seat, (Claim, i64)>,
    losers: &mut Vec<(i64, String)>,
    seat: Seat,
    claim: Claim,
    record: i64,
) {
    let target = seat.2.clone();
    match best.get_mut(&seat) {
        None => drop(best.insert(seat, (claim, record))),
        Some((_, holder)) if *holder == record => {}
        Some((first, holder)) if claim < *first => {
            losers.push((*holder, target));
            (*first, *holder) = (claim, record);
        }
        Some(_) => losers.push((record, target)),
    }
}

/// The records that some route would make a member of a unit.
fn seekers(changed: &[Changed]) -> Vec<i64> {
    let wants =
        |change: &&Changed| change.routes.iter().any(|route| matches!(route.destination, Destination::Unit { .. }));
    changed.iter().filter(wants).map(|change| change.record).collect()
}

/// How many different things the records speak of.
fn distinct(names: &HashMap<i64, (String, String, Claim)>) -> usize {
    names.values().map(|(kind, key, _)| (kind, key)).collect::<HashSet<_>>().len()
}
