//! The change feed and the pages of standing versions.
//!
//! Ids of versions are given by whoever holds the ledger and written in the same transaction: the only
//! writer of a file, or the holder of the one row of a server, which is free again only after its commit
//! is seen by everybody. So ids grow in the order of commit, one snapshot sees all of them up to the
//! highest, and what is not seen then gets a higher one. The highest is the watermark.

use canonical::Kind;

use super::connection::{Connection, Query, Row, query, query_scalar};
use super::rows::{instant, json, record};
use super::trouble::Trouble;
use crate::storage::RecordId;
use crate::storage::exchange::{Position, RecordFilter, Scope, StoredVersion, VersionPage, WINDOW};

/// What of a version is read, in the order in which [`version`] takes it.
macro_rules! columns {
    () => {
        "v.id, v.record, v.number, v.stored_at, r.rank, r.kind, v.schema_version, v.body, v.provenance"
    };
}
pub(super) use columns;

/// Who may see a version: everybody sees what belongs to nobody and names nobody. `$1` says whether
/// everything is seen, `$2` lists bodies.
macro_rules! visible {
    () => {
        "($1 or r.kind in ('codice', 'risorsa', 'territorio')
             or v.ente in (select b.value ->> 0 from json_each($2) b))"
    };
}
pub(super) use visible;

pub(super) const CHANGES: &str = concat!(
    "select ",
    columns!(),
    " from record_version v cross join record r on r.id = v.record
     where v.id > $3 and v.id <= $4 and ",
    visible!(),
    " order by v.id limit $5"
);
const STANDING: &str = concat!(
    "select ",
    columns!(),
    " from record_version v cross join record r on r.id = v.record and r.version = v.number
     where v.id > $3 and v.id <= $4 and ($6 = '' or r.kind = $6) and ",
    visible!(),
    " order by v.id limit $5"
);
pub(super) const STANDING_OF_BODY: &str = concat!(
    "select ",
    columns!(),
    " from record_version v cross join record r on r.id = v.record and r.version = v.number
     where v.ente = $7 and v.id > $3 and v.id <= $4 and ($6 = '' or r.kind = $6) and ",
    visible!(),
    " order by v.id limit $5"
);
/// By the key, which begins with it, or by what the body names.
const STANDING_ABOUT: &str = concat!(
    "select ",
    columns!(),
    " from (select s.id from record k cross join record_version s on s.record = k.id and s.number = k.version
             where k.key = $8 or (k.key > $8 || '/' and k.key < $8 || '0')
            union select m.version from version_mention m where m.value = $8) n
     cross join record_version v on v.id = n.id
     cross join record r on r.id = v.record and r.version = v.number
     where v.id > $3 and v.id <= $4 and ($6 = '' or r.kind = $6) and ($7 = '' or v.ente = $7) and ",
    visible!(),
    " order by v.id limit $5"
);

/// What a statement of this file or of `exchange` is asked for first.
pub(super) struct Seen {
    pub(super) everything: bool,
    pub(super) bodies: String,
}

/// The bodies of a scope. Where a body is, is said by whoever is believed about it.
pub(super) async fn bodies(connection: &mut Connection, scope: &Scope) -> Result<Vec<String>, Trouble> {
    let mut bodies: Vec<String> = scope.bodies.iter().map(|body| body.as_str().to_owned()).collect();
    if !scope.units.is_empty() && !scope.everything {
        let units: Vec<_> = scope.units.iter().map(|unit| [unit]).collect();
        let rows = query(
            "select distinct r.key
               from json_each($1) u
               cross join version_mention m on m.value = u.value ->> 0
               cross join record_version v on v.id = m.version
               cross join record r on r.id = v.record and r.version = v.number and r.kind = 'ente'
              where not exists (select 1 from record o where o.key = r.key and o.kind = 'ente' and o.rank < r.rank)",
        )
        .bind(json(&units)?)
        .fetch_all(connection)
        .await?;
        for row in &rows {
            bodies.push(row.try_get(0)?);
        }
    }
    bodies.sort_unstable();
    bodies.dedup();
    Ok(bodies)
}

impl Seen {
    pub(super) async fn of(connection: &mut Connection, scope: &Scope) -> Result<Self, Trouble> {
        let bodies = bodies(connection, scope).await?;
        let nested: Vec<_> = bodies.iter().map(|body| [body]).collect();
        Ok(Self { everything: scope.everything, bodies: json(&nested)? })
    }
}

pub(super) fn version(row: &Row) -> Result<StoredVersion, Trouble> {
    Ok(StoredVersion {
        id: row.try_get(0)?,
        record: RecordId(row.try_get(1)?),
        number: row.try_get(2)?,
        stored_at: instant(row.try_get(3)?)?,
        rank: row.try_get(4)?,
        content: record(row, 5)?,
    })
}

/// A position that stands in two columns: the version, and the first bytes of its digest.
pub(super) fn position_in(row: &Row, column: usize) -> Result<Position, Trouble> {
    let anchor = <[u8; 4]>::try_from(row.try_get::<&[u8]>(column + 1)?);
    let anchor = anchor.map_err(|_| Trouble::Damaged("the mark of a position has another length".to_owned()))?;
    Ok(Position { version: row.try_get(column)?, anchor })
}

/// The same, on its way into a statement.
pub(super) fn at_place(asked: Query<'_>, position: Position) -> Query<'_> {
    asked.bind(position.version).bind(position.anchor.to_vec())
}

/// The highest version that is committed.
pub(super) async fn watermark(connection: &mut Connection) -> Result<i64, Trouble> {
    Ok(query_scalar("select coalesce(max(id), 0) from record_version").fetch_one(connection).await?)
}

pub(super) async fn position(connection: &mut Connection, version: i64) -> Result<Position, Trouble> {
    let digest: Option<Vec<u8>> = query_scalar("select digest from record_version where id = $1")
        .bind(version)
        .fetch_optional(connection)
        .await?;
    let anchor = digest.as_deref().and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    Ok(Position { version, anchor })
}

pub(super) async fn feed_end(connection: &mut Connection) -> Result<Position, Trouble> {
    let last = watermark(connection).await?;
    position(connection, last).await
}

/// Whether what stands at a position is what stood there when it was given.
pub(super) async fn stands(connection: &mut Connection, after: Position) -> Result<bool, Trouble> {
    // A version that never was has no digest, and would stand for any cursor without one.
    let is_there = after.version <= watermark(connection).await?;
    Ok(after.version == 0 || (is_there && position(connection, after.version).await? == after))
}

pub(super) async fn changes(
    connection: &mut Connection,
    scope: &Scope,
    after: Position,
    limit: u32,
) -> Result<Option<VersionPage>, Trouble> {
    if !stands(connection, after).await? {
        return Ok(None);
    }
    let seen = Seen::of(connection, scope).await?;
    let last = watermark(connection).await?;
    let until = last.min(after.version.saturating_add(WINDOW));
    let rows = query(CHANGES)
        .bind(seen.everything)
        .bind(&seen.bodies)
        .bind(after.version)
        .bind(until)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    page(connection, &rows, (until, last), limit).await.map(Some)
}

pub(super) async fn standing(
    connection: &mut Connection,
    scope: &Scope,
    filter: RecordFilter,
    after: Position,
    limit: u32,
) -> Result<Option<VersionPage>, Trouble> {
    if !stands(connection, after).await? {
        return Ok(None);
    }
    let seen = Seen::of(connection, scope).await?;
    let last = watermark(connection).await?;
    let about = filter.cig.as_ref().map(|cig| cig.as_str().to_owned());
    let about = about.or_else(|| filter.cup.as_ref().map(|cup| cup.as_str().to_owned()));
    let ente = filter.ente.map(|ente| ente.as_str().to_owned());
    // An index finds what is asked for by name: only a walk is cut into windows.
    let is_walk = about.is_none() && ente.is_none();
    let until = if is_walk { last.min(after.version + WINDOW) } else { last };
    let statement = match (&about, &ente) {
        (Some(_), _) => STANDING_ABOUT,
        (None, Some(_)) => STANDING_OF_BODY,
        (None, None) => STANDING,
    };
    let mut asked = query(statement)
        .bind(seen.everything)
        .bind(&seen.bodies)
        .bind(after.version)
        .bind(until)
        .bind(limit)
        .bind(filter.kind.map_or("", Kind::name));
    if !is_walk {
        asked = asked.bind(ente.unwrap_or_default());
    }
    if let Some(about) = about {
        asked = asked.bind(about);
    }
    let rows = asked.fetch_all(connection).await?;
    page(connection, &rows, (until, last), limit).await.map(Some)
}

/// A page that is full ends with its last item; another was looked through to the end of its window.
async fn page(
    connection: &mut Connection,
    rows: &[Row],
    (until, last): (i64, i64),
    limit: u32,
) -> Result<VersionPage, Trouble> {
    let items = rows.iter().map(version).collect::<Result<Vec<_>, _>>()?;
    let is_full = items.len() >= limit as usize;
    let end = items.last().filter(|_| is_full).map_or(until, |item| item.id);
    Ok(VersionPage { items, next: position(connection, end).await?, has_more: end < last })
}
