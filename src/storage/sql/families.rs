//! What stands under one CIG, or under one key, from all sources; and what storing a record notes of it.
//!
//! Lots, awards, contracts and events are found by their keys, which begin with the CIG. Payments, links
//! and procedures have other keys: of which lots they speak is written beside them, in the transaction
//! of their version.

mod sources;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use async_trait::async_trait;
use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::{Kind, Record, RecordKey, SourceName};

use super::SqlStore;
use super::bulk::Bulk;
use super::connection::{Connection, query};
use super::desk::Desk;
use super::rows::{json, kind, record};
use super::trouble::Trouble;
use crate::storage::families::{Families, Family, Repeated, SourceState, Things};
use crate::storage::{RecordId, StorageError};

/// Keys looked at in one statement, when the next CIG are looked for.
const KEYS_AT_ONCE: u32 = 2_000;
/// Records of a page of families: it ends before the family that would make it longer.
const RECORDS_AT_ONCE: usize = 4_000;
/// Records of one family that are read at all.
const LARGEST_FAMILY: usize = 20_000;

/// The sign after the slash: behind all keys that begin with a CIG and a slash.
const BEHIND: char = '0';

#[async_trait]
impl Families for SqlStore {
    async fn families(&self, after: Option<&str>, limit: u32) -> Result<Vec<Family>, StorageError> {
        let families = async { families(&mut self.snapshot().await?, after, limit).await };
        families.await.map_err(|trouble: Trouble| trouble.during("read what is known by CIG"))
    }

    async fn things(&self, after: Option<&str>, limit: u32) -> Result<Things, StorageError> {
        let things = async { things(&mut self.snapshot().await?, after, limit).await };
        things.await.map_err(|trouble: Trouble| trouble.during("read what is known by key"))
    }

    async fn lots_and_qualifications(
        &self,
        lots: &BTreeSet<Cig>,
        bodies: &BTreeSet<CodiceFiscale>,
    ) -> Result<Vec<Record>, StorageError> {
        let found = async { lots_and_qualifications(&mut self.readers.acquire().await?, lots, bodies).await };
        found.await.map_err(|trouble: Trouble| trouble.during("read lots and qualifications"))
    }

    async fn registers(&self, after: Option<RecordId>, limit: u32) -> Result<Vec<(RecordId, Record)>, StorageError> {
        let found = async { registers(&mut self.readers.acquire().await?, after, limit).await };
        found.await.map_err(|trouble: Trouble| trouble.during("read bodies, operators and territories"))
    }

    async fn source_states(&self) -> Result<BTreeMap<String, SourceState>, StorageError> {
        let found = async { sources::states(&mut self.snapshot().await?).await };
        found.await.map_err(|trouble: Trouble| trouble.during("read how far the sources were read"))
    }
}

/// What a new version says of lots and bodies.
pub(super) struct Spoken {
    pub(super) record: i64,
    pub(super) is_first: bool,
    pub(super) kind: &'static str,
    pub(super) source: String,
    pub(super) lots: Vec<Cig>,
    pub(super) ente: Option<CodiceFiscale>,
}

static LOTS: Bulk = Bulk::new("insert into record_lot (cig, record)", 2, "on conflict do nothing");
static SPOKEN: Bulk = Bulk::new("insert into spoken_of (source, kind, ente)", 3, "on conflict do nothing");
static REPEATED: Bulk = Bulk::new("insert into record_repeated (record, document, line)", 3, "on conflict do nothing");

impl Desk {
    /// Notes of which lots and bodies new versions speak.
    pub(super) async fn note_spoken(&mut self, spoken: Vec<Spoken>) -> Result<(), Trouble> {
        // A procedure may have lost lots: what the other kinds speak of stands in their keys.
        let changed = |one: &&Spoken| !one.is_first && one.kind == Kind::Procedura.name();
        let changed: Vec<_> = spoken.iter().filter(changed).map(|one| one.record).collect();
        if !changed.is_empty() {
            query("delete from record_lot where record in (select cast(value as bigint) from json_each($1))")
                .bind(json(&changed)?)
                .execute(&mut self.connection)
                .await?;
        }
        let bodies: BTreeSet<_> =
            spoken.iter().filter_map(|one| Some((one.source.clone(), one.kind, one.ente?))).collect();
        SPOKEN
            .run(&mut self.connection, bodies.into_iter().collect(), |(source, kind, ente), values| {
                values.push(source).push(kind).push(ente.as_str());
            })
            .await?;
        let lots = spoken.into_iter().flat_map(|one| one.lots.into_iter().map(move |cig| (cig, one.record)));
        LOTS.run(&mut self.connection, lots.collect(), |(cig, record), values| {
            values.push(cig.as_str()).push(record);
        })
        .await?;
        Ok(())
    }

    /// Notes records that a document says again: record, document and line.
    pub(super) async fn note_repeated(&mut self, repeated: Vec<(i64, i64, i64)>) -> Result<(), Trouble> {
        REPEATED
            .run(&mut self.connection, repeated, |(record, document, line), values| {
                values.push(record).push(document).push(line);
            })
            .await?;
        Ok(())
    }
}

pub(super) const KEYS: &str = "select key, id from record where key >= $1
           and kind in ('lotto', 'aggiudicazione', 'contratto', 'evento_esecuzione')
         order by key, kind, source limit $2";

pub(super) const LOTS_AFTER: &str = "select distinct cig from record_lot where cig > $1 order by cig limit $2";

/// The CIG after one of them, whoever speaks of them, with the records whose keys begin with each.
///
/// Keys with the same CIG follow each other: what stands behind it is a slash, the smallest sign of
/// those keys, and no CIG is the beginning of another.
async fn next_lots(
    connection: &mut Connection,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, Vec<i64>)>, Trouble> {
    let mut from = after.map_or_else(String::new, |cig| format!("{cig}{BEHIND}"));
    let mut by_key: Vec<(String, Vec<i64>)> = Vec::new();
    // Pages meet inside a family: what ends one comes again at the head of the next.
    let mut seen = HashSet::new();
    'looking: loop {
        let rows = query(KEYS).bind(&from).bind(KEYS_AT_ONCE).fetch_all(&mut *connection).await?;
        let is_last = rows.len() < KEYS_AT_ONCE as usize;
        let mut last = None;
        for row in &rows {
            let key: &str = row.try_get(0)?;
            last = Some(key.to_owned());
            let cig = key.split('/').next().unwrap_or(key);
            let id: i64 = row.try_get(1)?;
            if let Some((family, ids)) = by_key.last_mut()
                && family == cig
            {
                if seen.insert(id) {
                    ids.push(id);
                }
                continue;
            }
            if by_key.len() == limit {
                break 'looking;
            }
            seen = HashSet::from([id]);
            by_key.push((cig.to_owned(), vec![id]));
        }
        match last {
            // More than a page of records with one key cannot be: a key is one thing.
            Some(last) if !is_last && last != from => from = last,
            _ => break,
        }
    }
    let rows = query(LOTS_AFTER)
        .bind(after.unwrap_or_default())
        .bind(u32::try_from(limit).unwrap_or(u32::MAX))
        .fetch_all(&mut *connection)
        .await?;
    let mut lots: BTreeMap<String, Vec<i64>> = by_key.into_iter().collect();
    for row in &rows {
        lots.entry(row.try_get(0)?).or_default();
    }
    Ok(lots.into_iter().take(limit).collect())
}

async fn families(connection: &mut Connection, after: Option<&str>, limit: u32) -> Result<Vec<Family>, Trouble> {
    let mut lots = next_lots(connection, after, limit as usize).await?;
    let cigs: Vec<_> = lots.iter().map(|(cig, _)| [cig]).collect();
    let rows = query("select l.cig, l.record from json_each($1) c cross join record_lot l on l.cig = c.value ->> 0")
        .bind(json(&cigs)?)
        .fetch_all(&mut *connection)
        .await?;
    let mut others: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for row in &rows {
        others.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
    }
    let mut sum = 0;
    let mut taken = 0;
    for (cig, ids) in &mut lots {
        ids.extend(others.remove(cig).unwrap_or_default());
        sum += ids.len().min(LARGEST_FAMILY);
        if taken > 0 && sum > RECORDS_AT_ONCE {
            break;
        }
        taken += 1;
    }
    lots.truncate(taken);
    let is_small = |ids: &[i64]| ids.len() <= LARGEST_FAMILY;
    // A procedure of many lots stands in many families, and is read once.
    let ids: BTreeSet<_> = lots.iter().filter(|(_, ids)| is_small(ids)).flat_map(|(_, ids)| ids).copied().collect();
    let known = standing(connection, &ids.into_iter().collect::<Vec<_>>()).await?;
    let mut families = Vec::with_capacity(lots.len());
    for (cig, ids) in lots {
        if !is_small(&ids) {
            let too_many = names(connection, &ids).await?;
            families.push(Family { cig, records: Vec::new(), repeated: Repeated::new(), too_many });
            continue;
        }
        let mut found: Vec<_> = ids.iter().filter_map(|id| known.get(id)).collect();
        found.sort_by_cached_key(|one| one.place());
        let repeated = found.iter().filter(|one| one.is_repeated).map(|one| one.name()).collect();
        let records = found.into_iter().flat_map(|one| one.records.iter().cloned()).collect();
        families.push(Family { cig, records, repeated, too_many: Vec::new() });
    }
    Ok(families)
}

/// A standing record, of a project with the photograph before it.
struct Standing {
    records: Vec<Record>,
    is_repeated: bool,
}

impl Standing {
    fn name(&self) -> (Kind, RecordKey, SourceName) {
        let record = &self.records[0];
        (record.kind(), record.key(), record.provenance.source.clone())
    }

    fn place(&self) -> (RecordKey, &'static str, SourceName) {
        let (kind, key, source) = self.name();
        (key, kind.name(), source)
    }
}

const STANDING: &str = "select r.id, r.kind, v.schema_version, v.body, v.provenance,
                exists (select 1 from record_repeated x where x.record = r.id and x.document = r.document)
           from json_each($1) i
           cross join record r on r.id = cast(i.value as bigint)
           cross join record_version v on v.record = r.id and v.number <= r.version
             and v.number >= r.version - (case when r.kind = 'progetto' then 1 else 0 end)
          order by r.id, v.number";

async fn standing(connection: &mut Connection, ids: &[i64]) -> Result<BTreeMap<i64, Standing>, Trouble> {
    let mut standing: BTreeMap<i64, Standing> = BTreeMap::new();
    let rows = query(STANDING).bind(json(&ids)?).fetch_all(connection).await?;
    for row in &rows {
        let one =
            standing.entry(row.try_get(0)?).or_insert(Standing { records: Vec::new(), is_repeated: row.try_get(5)? });
        one.records.push(record(row, 1)?);
    }
    Ok(standing)
}

async fn names(connection: &mut Connection, ids: &[i64]) -> Result<Vec<(Kind, RecordKey)>, Trouble> {
    let rows = query("select r.kind, r.key from json_each($1) i cross join record r on r.id = cast(i.value as bigint)")
        .bind(json(&ids)?)
        .fetch_all(connection)
        .await?;
    let names = rows.iter().map(|row| Ok((kind(row.try_get(0)?)?, RecordKey::from_stored(row.try_get(1)?))));
    names.collect()
}

pub(super) const THINGS: &str = "select key, id from record where key > $1
           and kind in ('procedura', 'pagamento', 'programma', 'intervento', 'progetto', 'collegamento_cup_cig',
                        'qualificazione', 'ente', 'territorio')
         order by key, kind, source limit $2";

async fn things(connection: &mut Connection, after: Option<&str>, limit: u32) -> Result<Things, Trouble> {
    let rows = query(THINGS).bind(after.unwrap_or_default()).bind(limit).fetch_all(&mut *connection).await?;
    let mut found = rows
        .iter()
        .map(|row| Ok((row.try_get::<String>(0)?, row.try_get::<i64>(1)?)))
        .collect::<Result<Vec<_>, Trouble>>()?;
    let Some((last, _)) = found.last().cloned() else { return Ok(Things::default()) };
    // What begins like the last key may go on behind the page, and so may the key itself. More than a
    // page of one key cannot be; of one beginning, it can.
    if found.len() == limit as usize {
        let head = |key: &str| key.split('/').next().unwrap_or_default().to_owned();
        let (first, end) = (head(&found[0].0), head(&last));
        if first != end {
            found.retain(|(key, _)| head(key) != end);
        } else if found[0].0 != last {
            found.retain(|(key, _)| *key != last);
        }
    }
    let ids: Vec<_> = found.iter().map(|(_, id)| *id).collect();
    let mut standing = standing(connection, &ids).await?;
    let mut things = Things { last: found.pop().map(|(key, _)| key), ..Things::default() };
    for one in ids.iter().filter_map(|id| standing.remove(id)) {
        things.repeated.extend(one.is_repeated.then(|| one.name()));
        things.records.extend(one.records);
    }
    Ok(things)
}

async fn lots_and_qualifications(
    connection: &mut Connection,
    lots: &BTreeSet<Cig>,
    bodies: &BTreeSet<CodiceFiscale>,
) -> Result<Vec<Record>, Trouble> {
    let lots: Vec<_> = lots.iter().map(|cig| [cig.as_str()]).collect();
    let bodies: Vec<_> = bodies.iter().map(|body| [body.as_str()]).collect();
    let rows = query(
        "select r.kind, v.schema_version, v.body, v.provenance from (
             select r.id, r.key, r.kind, r.source, r.version from json_each($1) l
              cross join record r on r.key = l.value ->> 0 and r.kind = 'lotto'
             union all
             select r.id, r.key, r.kind, r.source, r.version from json_each($2) b
              cross join record r on r.key > (b.value ->> 0) || '/' and r.key < (b.value ->> 0) || '0'
                and r.kind = 'qualificazione') r
           cross join record_version v on v.record = r.id and v.number = r.version
          order by r.key, r.kind, r.source",
    )
    .bind(json(&lots)?)
    .bind(json(&bodies)?)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| record(row, 0)).collect()
}

async fn registers(
    connection: &mut Connection,
    after: Option<RecordId>,
    limit: u32,
) -> Result<Vec<(RecordId, Record)>, Trouble> {
    let rows = query(
        "select r.id, r.kind, v.schema_version, v.body, v.provenance
           from record r
           cross join record_version v on v.record = r.id and v.number = r.version
          where r.id > $1 and r.kind in ('ente', 'operatore_economico', 'territorio') order by r.id limit $2",
    )
    .bind(after.map_or(0, |after| after.0))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((RecordId(row.try_get(0)?), record(row, 1)?))).collect()
}
