//! What partners read beside the feed, and the requests that they may repeat.

use async_trait::async_trait;
use canonical::Digest;
use canonical::identifiers::CodiceFiscale;
use canonical::values::UtcInstant;
use futures_util::FutureExt as _;

use super::SqlStore;
use super::audit::Entry;
use super::connection::{Connection, query};
use super::feed::{Seen, bodies, changes, columns, feed_end, standing, version, visible};
use super::rows::json;
use super::trouble::Trouble;
use crate::storage::exchange::{
    Asked, CigFamily, Exchange, FamilyPage, KeyedRequest, Position, ProvenMessage, RecordFilter, Scope, StoredVersion,
    VersionPage,
};
use crate::storage::{RecordId, StorageError};

/// Lots whose families are read at once.
const LOTS_AT_ONCE: u32 = 100;

/// Microseconds for which an answer is kept: two days.
const KEPT_FOR: i64 = 2 * 24 * 3_600 * 1_000_000;

const VERSIONS_OF: &str = concat!(
    "select ",
    columns!(),
    " from record_version v cross join record r on r.id = v.record
     where v.record = $3 and v.number > $4 and ",
    visible!(),
    " order by v.number limit $5"
);
const STANDING_OF: &str = concat!(
    "select ",
    columns!(),
    " from record r cross join record_version v on v.record = r.id and v.number = r.version
     where r.id = $3 and ",
    visible!()
);
/// The lots that somebody may see, after a CIG. Those of a few bodies are found by the bodies.
const LOTS: &str = "select distinct key from record where kind = 'lotto' and key > $1 order by key limit $2";
const LOTS_OF_BODIES: &str = "
    select distinct r.key
      from json_each($3) b
      cross join record_version v on v.ente = b.value ->> 0
      cross join record r on r.id = v.record and r.version = v.number
     where r.kind = 'lotto' and r.key > $1
     order by r.key limit $2";
const FAMILIES: &str = concat!(
    "select ",
    columns!(),
    ", c.value ->> 0 from json_each($3) c
     cross join record r on r.key = c.value ->> 0 or (r.key > (c.value ->> 0) || '/' and r.key < (c.value ->> 0) || '0')
     cross join record_version v on v.record = r.id and v.number = r.version
     where ",
    visible!(),
    " order by c.key, r.key, r.kind, r.rank, r.source"
);

#[async_trait]
impl Exchange for SqlStore {
    async fn changes(&self, scope: &Scope, after: Position, limit: u32) -> Result<Option<VersionPage>, StorageError> {
        let page = async { changes(&mut self.snapshot().await?, scope, after, limit).await };
        page.await.map_err(|trouble: Trouble| trouble.during("read the change feed"))
    }

    async fn feed_end(&self) -> Result<Position, StorageError> {
        let end = async { feed_end(&mut self.snapshot().await?).await };
        end.await.map_err(|trouble: Trouble| trouble.during("look for the end of the change feed"))
    }

    async fn standing(
        &self,
        scope: &Scope,
        filter: RecordFilter,
        after: Position,
        limit: u32,
    ) -> Result<Option<VersionPage>, StorageError> {
        let page = async { standing(&mut self.snapshot().await?, scope, filter, after, limit).await };
        page.await.map_err(|trouble: Trouble| trouble.during("read records for a partner"))
    }

    async fn versions_of(
        &self,
        scope: &Scope,
        record: RecordId,
        after: u32,
        limit: u32,
    ) -> Result<Vec<StoredVersion>, StorageError> {
        let versions = async {
            let mut snapshot = self.snapshot().await?;
            let seen = Seen::of(&mut snapshot, scope).await?;
            let asked = query(VERSIONS_OF).bind(seen.everything).bind(&seen.bodies);
            let rows = asked.bind(record.0).bind(after).bind(limit).fetch_all(&mut snapshot).await?;
            rows.iter().map(version).collect::<Result<Vec<_>, Trouble>>()
        };
        versions.await.map_err(|trouble: Trouble| trouble.during("read the versions of a record"))
    }

    async fn standing_of(&self, scope: &Scope, record: RecordId) -> Result<Option<StoredVersion>, StorageError> {
        let found = async {
            let mut snapshot = self.snapshot().await?;
            let seen = Seen::of(&mut snapshot, scope).await?;
            let asked = query(STANDING_OF).bind(seen.everything).bind(&seen.bodies).bind(record.0);
            asked.fetch_optional(&mut snapshot).await?.as_ref().map(version).transpose()
        };
        found.await.map_err(|trouble: Trouble| trouble.during("read a record for a partner"))
    }

    async fn cig_families(&self, scope: &Scope, after: &str, limit: u32) -> Result<FamilyPage, StorageError> {
        let families = async { families(&mut self.snapshot().await?, scope, after, limit).await };
        families.await.map_err(|trouble: Trouble| trouble.during("read families for a partner"))
    }

    async fn bodies(&self, scope: &Scope) -> Result<Vec<CodiceFiscale>, StorageError> {
        let codes = async {
            let bodies = bodies(&mut self.snapshot().await?, scope).await?;
            Ok(bodies.iter().filter_map(|body| CodiceFiscale::parse(body).ok()).collect())
        };
        codes.await.map_err(|trouble: Trouble| trouble.during("read the bodies of a partner"))
    }

    async fn begin_request(
        &self,
        request: &KeyedRequest,
        at: UtcInstant,
        abandoned: UtcInstant,
    ) -> Result<Asked, StorageError> {
        let (request, at, abandoned) = (request.clone(), at.unix_micros(), abandoned.unix_micros());
        self.write("note a request", move |desk| begin(&mut desk.connection, request, at, abandoned).boxed()).await
    }

    async fn end_request(
        &self,
        request: &KeyedRequest,
        began: UtcInstant,
        status: u16,
        body: String,
    ) -> Result<(), StorageError> {
        let (request, began) = (request.clone(), began.unix_micros());
        self.write("note what was answered", move |desk| {
            async move {
                query(
                    "update exchange_request set status = $3, answer = $4
                      where client = $1 and key = $2 and began_at = $5 and status is null",
                )
                .bind(&request.client)
                .bind(&request.key)
                .bind(status)
                .bind(body)
                .bind(began)
                .execute(&mut desk.connection)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    async fn forget_request(&self, request: &KeyedRequest, began: UtcInstant) -> Result<(), StorageError> {
        let (request, began) = (request.clone(), began.unix_micros());
        self.write("forget a request", move |desk| {
            async move {
                query(
                    "delete from exchange_request
                      where client = $1 and key = $2 and began_at = $3 and status is null",
                )
                .bind(&request.client)
                .bind(&request.key)
                .bind(began)
                .execute(&mut desk.connection)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    async fn note_message(&self, proven: &ProvenMessage, at: UtcInstant) -> Result<(), StorageError> {
        let entry =
            json(proven).map(|detail| Entry::new("message_proven", format!("partner/{}", proven.partner), detail));
        let at = at.unix_micros();
        self.write("note what was proven of a message", move |desk| {
            async move { desk.audit(vec![entry?], at).await }.boxed()
        })
        .await
    }
}

/// The ledger has one writer at a time: between the question and the note nobody else asks.
async fn begin(connection: &mut Connection, request: KeyedRequest, at: i64, abandoned: i64) -> Result<Asked, Trouble> {
    let KeyedRequest { client, key, digest } = request;
    let known = query("select digest, began_at, status, answer from exchange_request where client = $1 and key = $2")
        .bind(&client)
        .bind(&key)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = known {
        if Digest::from_bytes(row.try_get::<&[u8]>(0)?) != Some(digest) {
            return Ok(Asked::Other);
        }
        if let Some(status) = row.try_get::<Option<u16>>(2)? {
            let body = row.try_get::<Option<String>>(3)?.unwrap_or_default();
            return Ok(Asked::Answered { status, body });
        }
        if row.try_get::<i64>(1)? >= abandoned {
            return Ok(Asked::Running);
        }
    }
    query("delete from exchange_request where began_at < $1").bind(at - KEPT_FOR).execute(&mut *connection).await?;
    query(
        "insert into exchange_request (client, key, digest, began_at) values ($1, $2, $3, $4)
         on conflict (client, key) do update set began_at = excluded.began_at",
    )
    .bind(client)
    .bind(key)
    .bind(digest.as_bytes().to_vec())
    .bind(at)
    .execute(connection)
    .await?;
    Ok(Asked::New)
}

/// A page of families, of lots that the caller may see: no other lot is looked at, or told by a cursor.
async fn families(connection: &mut Connection, scope: &Scope, after: &str, limit: u32) -> Result<FamilyPage, Trouble> {
    let seen = Seen::of(connection, scope).await?;
    let limit = limit.min(LOTS_AT_ONCE);
    // One more than is given says whether a page follows.
    let rows = if seen.everything {
        query(LOTS).bind(after).bind(limit + 1).fetch_all(&mut *connection).await?
    } else {
        query(LOTS_OF_BODIES).bind(after).bind(limit + 1).bind(&seen.bodies).fetch_all(&mut *connection).await?
    };
    let has_more = rows.len() > limit as usize;
    let keys =
        rows.iter().take(limit as usize).map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<String>, Trouble>>()?;
    let mut page = FamilyPage { items: Vec::new(), next: None };
    members(connection, &seen, &keys, &mut page.items).await?;
    page.next = keys.into_iter().last().filter(|_| has_more);
    Ok(page)
}

async fn members(
    connection: &mut Connection,
    seen: &Seen,
    keys: &[String],
    families: &mut Vec<CigFamily>,
) -> Result<(), Trouble> {
    let nested: Vec<_> = keys.iter().map(|key| [key]).collect();
    let asked = query(FAMILIES).bind(seen.everything).bind(&seen.bodies).bind(json(&nested)?);
    for row in &asked.fetch_all(connection).await? {
        let cig: &str = row.try_get(9)?;
        match families.last_mut() {
            Some(family) if family.cig == cig => family.versions.push(version(row)?),
            _ => families.push(CigFamily { cig: cig.to_owned(), versions: vec![version(row)?] }),
        }
    }
    Ok(())
}
