//! Routing standing records again: the same effects as a new version, where the routes say
//! something else than before.

use std::collections::HashMap;

use canonical::{Kind, Record, SourceName};

use super::connection::{Connection, Row, query};
use super::desk::Desk;
use super::effects::Changed;
use super::entries;
use super::rows::{json, kind, record};
use super::trouble::Trouble;
use crate::storage::{Destination, RecordId, Route, StandingId};

/// Where a record is on one target: the key of its unit, or the code that withholds it.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Unit(String),
    Withheld(String),
}

impl Place {
    /// Where a destination leads a record that is here today.
    fn wanted(destination: &Destination, today: Option<&Self>) -> Option<Self> {
        match destination {
            Destination::Nowhere => None,
            Destination::HeldBack { code } => match today {
                Some(Self::Unit(key)) => Some(Self::Unit(key.clone())),
                _ => Some(Self::Withheld((*code).to_owned())),
            },
            Destination::Unit { key, .. } => Some(Self::Unit(key.0.clone())),
            Destination::Withheld { code } => Some(Self::Withheld((*code).to_owned())),
        }
    }
}

pub(super) async fn reroute(desk: &mut Desk, records: Vec<(StandingId, Vec<Route>)>, at: i64) -> Result<u64, Trouble> {
    let records = as_they_stand(desk, records).await?;
    let ids: Vec<_> = records.iter().map(|(record, _)| record.0).collect();
    let ids = json(&ids)?;
    query("delete from to_route where record in (select cast(value as bigint) from json_each($1))")
        .bind(&ids)
        .execute(&mut desk.connection)
        .await?;
    let places = places(&mut desk.connection, &ids).await?;
    let changed: Vec<_> = records
        .into_iter()
        .filter_map(|(record, mut routes)| {
            routes.retain(|route| {
                let today = places.get(&(record.0, route.target.clone()));
                today != Place::wanted(&route.destination, today).as_ref()
            });
            (!routes.is_empty()).then_some(Changed { record: record.0, existed: true, is_new: false, routes })
        })
        .collect();
    let moved = changed.len() as u64;
    if moved > 0 {
        let entries = desk.cause_deliveries(changed, at).await?;
        desk.audit(entries, at).await?;
    }
    Ok(moved)
}

/// Those whose routes were found for the version that stands. The others were stored meanwhile by
/// another process, perhaps by other rules: they are put on the list of those to be routed again.
async fn as_they_stand(
    desk: &mut Desk,
    records: Vec<(StandingId, Vec<Route>)>,
) -> Result<Vec<(RecordId, Vec<Route>)>, Trouble> {
    let ids: Vec<_> = records.iter().map(|(standing, _)| standing.record.0).collect();
    let rows =
        query("select r.id, r.version from json_each($1) e cross join record r on r.id = cast(e.value as bigint)")
            .bind(json(&ids)?)
            .fetch_all(&mut desk.connection)
            .await?;
    let mut versions = HashMap::new();
    for row in rows {
        versions.insert(row.try_get::<i64>(0)?, row.try_get::<u32>(1)?);
    }
    let (standing, replaced): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|(standing, _)| versions.get(&standing.record.0) == Some(&standing.version));
    if !replaced.is_empty() {
        let replaced: Vec<_> = replaced.iter().map(|(standing, _)| standing.record.0).collect();
        query(
            "insert into to_route (record)
             select r.id from json_each($1) e cross join record r on r.id = cast(e.value as bigint) where r.id > 0
             on conflict do nothing",
        )
        .bind(json(&replaced)?)
        .execute(&mut desk.connection)
        .await?;
    }
    Ok(standing.into_iter().map(|(standing, routes)| (standing.record, routes)).collect())
}

/// A record with its version, from the columns of both.
fn standing(row: &Row) -> Result<(StandingId, Record), Trouble> {
    Ok((StandingId { record: RecordId(row.try_get(0)?), version: row.try_get(1)? }, record(row, 2)?))
}

async fn places(connection: &mut Connection, records: &str) -> Result<HashMap<(i64, String), Place>, Trouble> {
    let mut places = HashMap::new();
    let rows = query(
        "select m.record, m.target, d.unit_key
           from json_each($1) r cross join delivery_member m join delivery d on d.id = m.delivery
          where m.record = cast(r.value as bigint)",
    )
    .bind(records)
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        places.insert((row.try_get(0)?, row.try_get(1)?), Place::Unit(row.try_get(2)?));
    }
    let rows = query(
        "select w.record, w.target, w.code from json_each($1) r cross join withheld w where w.record = cast(r.value as bigint)",
    )
    .bind(records)
    .fetch_all(connection)
    .await?;
    for row in rows {
        places.insert((row.try_get(0)?, row.try_get(1)?), Place::Withheld(row.try_get(2)?));
    }
    Ok(places)
}

/// Which kinds stand, from which sources.
pub(super) async fn kinds_and_sources(connection: &mut Connection) -> Result<Vec<(Kind, SourceName)>, Trouble> {
    let rows = query("select distinct kind, source from record order by kind, source").fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let source: String = row.try_get(1)?;
            let source =
                SourceName::parse(&source).ok_or_else(|| Trouble::Damaged("a source without a name".to_owned()))?;
            Ok((kind(row.try_get(0)?)?, source))
        })
        .collect()
}

pub(super) const ADESIONI: &str = "select r.kind, v.schema_version, v.body, v.provenance
           from record r indexed by record_adesione
           cross join record_version v on v.record = r.id and v.number = r.version
          where r.kind = 'adesione' order by r.key, r.rank, r.source";

/// The memberships in Pi.Co. that stand, in the order of their keys and sources.
pub(super) async fn adesioni(connection: &mut Connection) -> Result<Vec<Record>, Trouble> {
    let rows = query(ADESIONI).fetch_all(connection).await?;
    rows.iter().map(|row| record(row, 0)).collect()
}

pub(super) async fn save_routing(desk: &mut Desk, routing: String, at: i64) -> Result<(), Trouble> {
    let entry = entries::saved("routing_saved", "routing".to_owned(), &routing)?;
    query(
        "insert into routing (id, routing, at) values (1, $1, $2)
         on conflict (id) do update set routing = excluded.routing, at = excluded.at",
    )
    .bind(routing)
    .bind(at)
    .execute(&mut desk.connection)
    .await?;
    desk.audit(vec![entry], at).await
}

/// Records that may take a seat which another source has left.
pub(super) async fn records_to_route(
    connection: &mut Connection,
    limit: u32,
) -> Result<Vec<(StandingId, Record)>, Trouble> {
    let rows = query(
        "select r.id, r.version, r.kind, v.schema_version, v.body, v.provenance
           from (select record from to_route order by record limit $1) t
           cross join record r on r.id = t.record
           cross join record_version v on v.record = r.id and v.number = r.version
          order by t.record",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(standing).collect()
}

pub(super) async fn current_records(
    connection: &mut Connection,
    after: Option<RecordId>,
    limit: u32,
) -> Result<Vec<(StandingId, Record)>, Trouble> {
    // The page is cut before the join: PostgreSQL carries no range over an equality, and would read
    // every version up to the page again for each page.
    let rows = query(
        "select r.id, r.version, r.kind, v.schema_version, v.body, v.provenance
           from (select id, version, kind from record where id > $1 order by id limit $2) r
           join record_version v on v.record = r.id and v.number = r.version
          order by r.id",
    )
    .bind(after.map_or(0, |after| after.0))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(standing).collect()
}
