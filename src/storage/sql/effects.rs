//! What new versions cause: members of units move, units are due, jobs wait.
//!
//! A unit is made or bumped at most once per transaction, however many of its members changed.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::audit::Entry;
use super::bulk::Bulk;
use super::connection::query;
use super::desk::Desk;
use super::entries;
use super::orders::{Order, lane_of};
use super::rows::{json, state};
use super::trouble::Trouble;
use crate::delivery::DeliveryState;
use crate::storage::{Destination, Route};

/// A record with a new version, and where that version should go.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) record: i64,
    pub(super) existed: bool,
    /// Whether it has a new version: then targets that were not asked are owed it too.
    pub(super) is_new: bool,
    pub(super) routes: Vec<Route>,
}

/// A unit that must be delivered again.
#[derive(Debug)]
struct Bump {
    target: String,
    lane: String,
    due_at: i64,
    /// None for a unit that this transaction makes.
    state: Option<DeliveryState>,
    revision: i64,
}

/// What a record leaves behind: its units by target, and the targets that withhold it.
#[derive(Default)]
struct Left {
    units: HashMap<(i64, String), i64>,
    withheld: HashMap<(i64, String), String>,
}

static DELIVERIES: Bulk =
    Bulk::new("insert into delivery (id, target, unit_key, lane, desired_revision, state, state_since, due_at)", 8, "");
static MEMBERS: Bulk = Bulk::new(
    "insert into delivery_member (record, target, delivery)",
    3,
    "on conflict (record, target) do update set delivery = excluded.delivery",
);
static WITHHELD: Bulk = Bulk::new(
    "insert into withheld (record, target, code)",
    3,
    "on conflict (record, target) do update set code = excluded.code",
);

impl Desk {
    /// Moves members, bumps units and adds jobs. Gives the audit entries of what changed state.
    pub(super) async fn cause_deliveries(&mut self, changed: Vec<Changed>, at: i64) -> Result<Vec<Entry>, Trouble> {
        let changed = self.settle_rivals(changed).await?;
        let mut left = self.left_behind(&changed).await?;
        // Targets that were not asked keep their members, and are owed what is new of them.
        let asked: HashSet<_> = changed
            .iter()
            .flat_map(|changed| changed.routes.iter().map(|route| (changed.record, route.target.clone())))
            .collect();
        let new: HashSet<_> = changed.iter().filter(|changed| changed.is_new).map(|changed| changed.record).collect();
        let mut owed = HashSet::new();
        left.units.retain(|place, unit| {
            let is_asked = asked.contains(place);
            if !is_asked && new.contains(&place.0) {
                owed.insert(*unit);
            }
            is_asked
        });
        left.withheld.retain(|place, _| asked.contains(place));
        let mut bumps = BTreeMap::new();
        let units = self.wanted_units(&changed, &mut bumps, at).await?;
        let mut members = Vec::new();
        let mut withheld = Vec::new();
        for Changed { record, routes, is_new, .. } in changed {
            for Route { target, destination } in routes {
                let place = (record, target);
                match destination {
                    Destination::Nowhere => {}
                    Destination::HeldBack { .. } if left.units.contains_key(&place) => {
                        if let (Some(unit), true) = (left.units.remove(&place), is_new) {
                            owed.insert(unit);
                        }
                    }
                    Destination::Withheld { code } | Destination::HeldBack { code } => {
                        if left.withheld.remove(&place).is_none_or(|before| before != code) {
                            withheld.push((place, code));
                        }
                    }
                    Destination::Unit { key, .. } => {
                        let unit = units[&(place.1.clone(), key.0)];
                        if left.units.get(&place) == Some(&unit) {
                            left.units.remove(&place);
                        } else {
                            members.push((place, unit));
                        }
                    }
                }
            }
        }
        owed.extend(left.units.values());
        self.bump_others(owed, &mut bumps, at).await?;
        let (units, released) = (left.units.keys().collect(), left.withheld.keys().collect());
        let mut entries = entries::moved(&members, units, &withheld, released)?;
        self.leave(left, &members).await?;
        entries.extend(self.bump(bumps, at).await?);
        MEMBERS
            .run(&mut self.connection, members, |((record, target), unit), values| {
                values.push(record).push(target).push(unit);
            })
            .await?;
        WITHHELD
            .run(&mut self.connection, withheld, |((record, target), code), values| {
                values.push(record).push(target).push(code);
            })
            .await?;
        Ok(entries)
    }

    /// Where the records were before; those that are new were nowhere.
    async fn left_behind(&mut self, changed: &[Changed]) -> Result<Left, Trouble> {
        let known: Vec<_> = changed.iter().filter(|changed| changed.existed).map(|changed| changed.record).collect();
        let mut left = Left::default();
        if known.is_empty() {
            return Ok(left);
        }
        let known = json(&known)?;
        let rows = query(
            "select m.record, m.target, m.delivery from json_each($1) k cross join delivery_member m
              where m.record = cast(k.value as bigint)",
        )
        .bind(&known)
        .fetch_all(&mut self.connection)
        .await?;
        for row in rows {
            left.units.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
        }
        let rows = query(
            "select w.record, w.target, w.code from json_each($1) k cross join withheld w where w.record = cast(k.value as bigint)",
        )
        .bind(known)
        .fetch_all(&mut self.connection)
        .await?;
        for row in rows {
            left.withheld.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
        }
        Ok(left)
    }

    /// Finds or makes the units that the routes name, and bumps each once.
    async fn wanted_units(
        &mut self,
        changed: &[Changed],
        bumps: &mut BTreeMap<i64, Bump>,
        at: i64,
    ) -> Result<HashMap<(String, String), i64>, Trouble> {
        let mut numbers: HashMap<(&str, &str), usize> = HashMap::new();
        let mut wanted: Vec<((&str, &str), &str, i64)> = Vec::new();
        for route in changed.iter().flat_map(|changed| &changed.routes) {
            if let Destination::Unit { key, lane, due_at } = &route.destination {
                let name = (route.target.as_str(), key.as_str());
                let due_at = due_at.unix_micros();
                let number = *numbers.entry(name).or_insert_with(|| {
                    wanted.push((name, &lane.0, due_at));
                    wanted.len() - 1
                });
                let earliest = &mut wanted[number].2;
                *earliest = due_at.min(*earliest);
            }
        }
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let names: Vec<_> = wanted.iter().map(|(name, ..)| name).collect();
        let rows = query(
            "select n.key, d.id, d.desired_revision, d.lane, d.state, d.code, d.message, d.not_before
               from json_each($1) n cross join delivery d
              where d.target = n.value ->> 0 and d.unit_key = n.value ->> 1",
        )
        .bind(json(&names)?)
        .fetch_all(&mut self.connection)
        .await?;
        let mut found = HashMap::new();
        for row in rows {
            found.insert(row.try_get::<i64>(0)?, row);
        }
        let mut units = HashMap::with_capacity(wanted.len());
        let mut fresh = Vec::new();
        for (number, ((target, key), lane, due_at)) in (0..).zip(wanted) {
            let name = (target.to_owned(), key.to_owned());
            let bump =
                |state, revision| Bump { target: target.to_owned(), lane: lane.to_owned(), due_at, state, revision };
            let id = if let Some(row) = found.get(&number) {
                let id = row.try_get(1)?;
                bumps.insert(id, bump(Some(state(row, 4)?), row.try_get::<i64>(2)? + 1));
                if row.try_get::<&str>(3)? != lane {
                    self.change_lane(id, lane).await?;
                }
                id
            } else {
                let id = self.memory.delivery.next();
                bumps.insert(id, bump(None, 1));
                fresh.push((id, name.clone(), lane.to_owned(), due_at));
                id
            };
            units.insert(name, id);
        }
        DELIVERIES
            .run(&mut self.connection, fresh, |(id, (target, key), lane, due_at), values| {
                values.push(id).push(target).push(key).push(lane).push(1_i64).push(DeliveryState::Due.name());
                values.push(at).push(due_at);
            })
            .await?;
        Ok(units)
    }

    async fn change_lane(&mut self, delivery: i64, lane: &str) -> Result<(), Trouble> {
        query("update delivery set lane = $2 where id = $1")
            .bind(delivery)
            .bind(lane)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Bumps units that no route names: a record left them, or changed inside them.
    async fn bump_others(
        &mut self,
        mut units: HashSet<i64>,
        bumps: &mut BTreeMap<i64, Bump>,
        at: i64,
    ) -> Result<(), Trouble> {
        units.retain(|unit| !bumps.contains_key(unit));
        if units.is_empty() {
            return Ok(());
        }
        let rows = query(
            "select d.id, d.target, d.lane, d.desired_revision, d.state, d.code, d.message, d.not_before
               from json_each($1) u cross join delivery d where d.id = cast(u.value as bigint)",
        )
        .bind(json(&units)?)
        .fetch_all(&mut self.connection)
        .await?;
        for row in rows {
            let bump = Bump {
                target: row.try_get(1)?,
                lane: row.try_get(2)?,
                due_at: at,
                state: Some(state(&row, 4)?),
                revision: row.try_get::<i64>(3)? + 1,
            };
            bumps.insert(row.try_get(0)?, bump);
        }
        Ok(())
    }

    /// Forgets the places that the records have left and taken no other one for.
    async fn leave(&mut self, left: Left, members: &[((i64, String), i64)]) -> Result<(), Trouble> {
        let moved: HashSet<_> = members.iter().map(|(place, _)| place).collect();
        let gone: Vec<_> = left.units.keys().filter(|place| !moved.contains(place)).collect();
        if !gone.is_empty() {
            // Whoever was withheld because the place was taken may have it now.
            query(
                "insert into to_route (record)
                 select w.record from json_each($1) g
                  cross join record r
                  cross join record o
                  cross join withheld w
                  where r.id = cast(g.value ->> 0 as bigint) and o.key = r.key and o.kind = r.kind and o.id <> r.id
                    and w.record = o.id and w.target = g.value ->> 1 and w.code = 'owned_elsewhere'
                 on conflict do nothing",
            )
            .bind(json(&gone)?)
            .execute(&mut self.connection)
            .await?;
            query(
                "delete from delivery_member
                  where (record, target) in (select cast(value ->> 0 as bigint), value ->> 1 from json_each($1))",
            )
            .bind(json(&gone)?)
            .execute(&mut self.connection)
            .await?;
        }
        let gone: Vec<_> = left.withheld.keys().collect();
        if !gone.is_empty() {
            query(
                "delete from withheld where (record, target) in (select cast(value ->> 0 as bigint), value ->> 1 from json_each($1))",
            )
            .bind(json(&gone)?)
            .execute(&mut self.connection)
            .await?;
        }
        Ok(())
    }

    /// Asks for a new revision of units, and makes due those that had come to rest.
    async fn bump(&mut self, bumps: BTreeMap<i64, Bump>, at: i64) -> Result<Vec<Entry>, Trouble> {
        let mut due = Vec::new();
        let mut woken = Vec::new();
        let mut doubted = Vec::new();
        let mut kept = Vec::new();
        for (id, bump) in &bumps {
            match &bump.state {
                None => due.push((id, bump.revision)),
                Some(state) if state.is_open() => kept.push(id),
                // What may have arrived is observed before anything new is sent.
                Some(state) if state.may_have_arrived() => doubted.push((id, bump.due_at)),
                Some(state) => {
                    state.to(DeliveryState::Due)?;
                    woken.push((id, bump.due_at));
                    due.push((id, bump.revision));
                }
            }
        }
        if !kept.is_empty() {
            query(
                "update delivery set desired_revision = desired_revision + 1
                  where id in (select cast(value as bigint) from json_each($1))",
            )
            .bind(json(&kept)?)
            .execute(&mut self.connection)
            .await?;
        }
        if !woken.is_empty() {
            query(
                "update delivery set desired_revision = desired_revision + 1, state = 'due', code = null,
                        message = null, not_before = null, state_since = $2, due_at = cast(w.value ->> 1 as bigint)
                   from json_each($1) w where delivery.id = cast(w.value ->> 0 as bigint)",
            )
            .bind(json(&woken)?)
            .bind(at)
            .execute(&mut self.connection)
            .await?;
        }
        if !doubted.is_empty() {
            query(
                "update delivery set desired_revision = desired_revision + 1, state = 'in_doubt', code = 'changed',
                        message = null, not_before = cast(d.value ->> 1 as bigint), state_since = $2, due_at = cast(d.value ->> 1 as bigint)
                   from json_each($1) d where delivery.id = cast(d.value ->> 0 as bigint)",
            )
            .bind(json(&doubted)?)
            .bind(at)
            .execute(&mut self.connection)
            .await?;
        }
        // One entry for all of a kind: delivery and revision, or delivery and instant, of each.
        let mut entries = Vec::new();
        for (kind, changed) in [("deliveries_due", &due), ("deliveries_in_doubt", &doubted)] {
            if !changed.is_empty() {
                entries.push(Entry::new(kind, "deliveries", json(changed)?));
            }
        }
        let known: Vec<_> = bumps.iter().filter(|(_, bump)| bump.state.is_some()).map(|(id, _)| *id).collect();
        let waiting = self.waiting_jobs(&known).await?;
        let orders = bumps.into_iter().filter(|(id, _)| !waiting.contains(id)).map(|(id, bump)| Order {
            delivery: Some(id),
            number: None,
            lane: Some(lane_of(&bump.target, &bump.lane)),
            run_at: bump.due_at,
        });
        self.add_jobs(orders.collect()).await?;
        Ok(entries)
    }
}
