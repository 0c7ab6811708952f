//! Signal Hub: how far readers were told, how far others were heard.

use async_trait::async_trait;
use canonical::Kind;
use canonical::values::UtcInstant;
use futures_util::FutureExt as _;

use super::SqlStore;
use super::connection::{Connection, Row, query, query_scalar};
use super::feed::{self, Seen, at_place, position_in, visible};
use super::rows::{instant, json, optional_instant};
use super::trouble::Trouble;
use crate::storage::exchange::{Position, Scope, WINDOW};
use crate::storage::signals::{
    Changed, Heard, Listening, NextChange, PendingSignal, SignalAttempt, SignalEnding, Signalling, Signals,
};
use crate::storage::{RecordId, StorageError};

const SIGNALLING: &str = "
    select eservice, told_version, told_anchor, last_number, body, until_version, until_anchor, attempts, due_at,
           taken_at, failed_at, failed_code, is_on
      from signalling where $1 = '' or eservice = $1 order by eservice";
const ENTER: &str = "insert into signalling (eservice, told_version, told_anchor) values ($1, $2, $3)
    on conflict (eservice) do nothing";
/// A record that was there before and changed twice is told of once; that it is new is always told.
const NEXT: &str = concat!(
    "select v.id, v.record, v.number, r.kind, r.key, v.digest
       from record_version v cross join record r on r.id = v.record
      where v.id > $3 and v.id <= $4 and (v.number = 1 or v.number = r.version) and ",
    visible!(),
    " order by v.id limit 1"
);
const SKIP: &str = "update signalling set told_version = $4, told_anchor = $5
     where eservice = $1 and told_version = $2 and told_anchor = $3 and body is null";
const BEGIN: &str = "
    update signalling set last_number = $4, until_version = $5, until_anchor = $6, body = $7, due_at = $8, attempts = 0,
                          in_doubt = 0
     where eservice = $1 and told_version = $2 and told_anchor = $3 and body is null and last_number < $4";
/// How it was before is read in the same transaction.
const IN_DOUBT: &str = "select in_doubt from signalling where eservice = $1 and last_number = $2 and body is not null";
const ATTEMPT: &str = "update signalling set attempts = attempts + 1, in_doubt = 1
     where eservice = $1 and last_number = $2 and body is not null returning attempts";
const TAKEN: &str = "
    update signalling set told_version = until_version, told_anchor = until_anchor, taken_at = $3, body = null,
                          until_version = null, until_anchor = null, due_at = null, attempts = 0, in_doubt = 0,
                          failed_at = null, failed_code = null
     where eservice = $1 and last_number = $2 and body is not null";
const AGAIN: &str = "update signalling set due_at = $4, failed_at = $5, failed_code = $6, in_doubt = $7
     where eservice = $1 and last_number = $2 and attempts = $3 and body is not null";
const RENUMBER: &str = "
    update signalling set due_at = $4, failed_at = $5, failed_code = $6, last_number = $7, body = $8, attempts = 0,
                          in_doubt = 0
     where eservice = $1 and last_number = $2 and attempts = $3 and body is not null and last_number < $7";

const LISTENING: &str = "
    select system, eservice, heard, heard_at, stale_since, failed_at, failed_code, not_looked_at, not_looked_code
      from listening where $1 = '' or system = $1 order by system";
const TELL_ONLY: &str = "update signalling set is_on = case when eservice = $1 then 1 else 0 end";
const LISTEN_ONLY: &str = "delete from listening
     where system not in (select s.value ->> 0 from json_each($1) s)";
const LISTEN: &str = "insert into listening (system, eservice) values ($1, $2) on conflict (system) do update
       set eservice = excluded.eservice, heard = 0, heard_at = null, failed_at = null, failed_code = null
     where listening.eservice <> excluded.eservice";
const HEAR: &str = "
    update listening set heard = $3,
           heard_at = case when $4 then cast($6 as bigint) else heard_at end,
           stale_since = case when $5 then coalesce(stale_since, cast($6 as bigint)) else stale_since end,
           failed_at = null, failed_code = null
     where system = $1 and heard = $2";
const NOT_HEARD: &str = "update listening set failed_at = $2, failed_code = $3 where system = $1";
const NOT_LOOKED: &str = "update listening set not_looked_at = $2, not_looked_code = $3 where system = $1";
const LOOKED: &str = "update listening set stale_since = null, not_looked_at = null, not_looked_code = null
     where system = $1 and heard = $2";
const ANY_KNOWN: &str = "
    select 1 from json_each($1) n cross join record r on r.key = (n.value ->> 0)
    union all
    select 1 from json_each($1) n cross join record r on r.key > (n.value ->> 0) || '/' and r.key < (n.value ->> 0) || '0'
    limit 1";
const KEYS: &str = "select distinct key from record where key > $1 order by key limit $2";

#[async_trait]
impl Signals for SqlStore {
    async fn signalling(&self, eservice: &str) -> Result<Signalling, StorageError> {
        let eservice = eservice.to_owned();
        let known = self.signalling_of(&eservice).await?.pop();
        if let Some(known) = known {
            return Ok(known);
        }
        self.write("begin to tell the readers of an e-service", move |desk| {
            async move {
                let end = feed::feed_end(&mut desk.connection).await?;
                let asked = query(ENTER).bind(&eservice).bind(end.version).bind(end.anchor.to_vec());
                asked.execute(&mut desk.connection).await?;
                let row = query(SIGNALLING).bind(&eservice).fetch_optional(&mut desk.connection).await?;
                row.as_ref().map(signalling).transpose()?.ok_or_else(gone)
            }
            .boxed()
        })
        .await
    }

    async fn all_signalling(&self) -> Result<Vec<Signalling>, StorageError> {
        self.signalling_of("").await
    }

    async fn next_change(&self, scope: &Scope, after: Position) -> Result<Option<NextChange>, StorageError> {
        let found = async { next_change(&mut self.readers.snapshot().await?, scope, after).await };
        found.await.map_err(|trouble: Trouble| trouble.during("look for a change to tell"))
    }

    async fn skip_changes(&self, eservice: &str, from: Position, to: Position) -> Result<(), StorageError> {
        let eservice = eservice.to_owned();
        self.write("note that there is nothing to tell", move |desk| {
            async move {
                let asked = at_place(at_place(query(SKIP).bind(&eservice), from), to);
                asked.execute(&mut desk.connection).await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    async fn begin_signal(&self, eservice: &str, from: Position, signal: PendingSignal) -> Result<bool, StorageError> {
        let eservice = eservice.to_owned();
        self.write("put a signal under way", move |desk| {
            async move {
                let asked = at_place(query(BEGIN).bind(&eservice), from).bind(signal.number);
                let asked = at_place(asked, signal.until).bind(&signal.body).bind(signal.due_at.unix_micros());
                Ok(asked.execute(&mut desk.connection).await?.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }

    async fn attempt_signal(&self, eservice: &str, number: i64) -> Result<Option<SignalAttempt>, StorageError> {
        let eservice = eservice.to_owned();
        self.write("begin to send a signal", move |desk| {
            async move {
                let asked = query_scalar(IN_DOUBT).bind(&eservice).bind(number);
                let Some(in_doubt) = asked.fetch_optional::<i64>(&mut desk.connection).await? else {
                    return Ok(None);
                };
                let attempt = query_scalar(ATTEMPT).bind(&eservice).bind(number).fetch_one(&mut desk.connection);
                Ok(Some(SignalAttempt { number: attempt.await?, in_doubt: in_doubt != 0 }))
            }
            .boxed()
        })
        .await
    }

    async fn end_signal(
        &self,
        eservice: &str,
        number: i64,
        attempt: u32,
        ending: SignalEnding,
        at: UtcInstant,
    ) -> Result<bool, StorageError> {
        let (eservice, at) = (eservice.to_owned(), at.unix_micros());
        self.write("note how the hub answered", move |desk| {
            async move {
                let asked = match ending {
                    SignalEnding::Taken => query(TAKEN).bind(&eservice).bind(number).bind(at),
                    SignalEnding::Again { code, due_at, in_doubt } => {
                        let asked = query(AGAIN).bind(&eservice).bind(number).bind(attempt);
                        asked.bind(due_at.unix_micros()).bind(at).bind(code).bind(i64::from(in_doubt))
                    }
                    SignalEnding::Renumbered { code, due_at, number: next, body } => {
                        let asked = query(RENUMBER).bind(&eservice).bind(number).bind(attempt);
                        asked.bind(due_at.unix_micros()).bind(at).bind(code).bind(next).bind(body)
                    }
                };
                Ok(asked.execute(&mut desk.connection).await?.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }

    async fn listening(&self, system: Option<&str>) -> Result<Vec<Listening>, StorageError> {
        let states = async {
            let asked = query(LISTENING).bind(system.unwrap_or_default());
            let rows = asked.fetch_all(&mut self.readers.acquire().await?).await?;
            rows.iter().map(listening).collect::<Result<Vec<_>, Trouble>>()
        };
        states.await.map_err(|trouble: Trouble| trouble.during("read how far signals were heard"))
    }

    async fn signal_only(&self, eservice: Option<&str>, systems: &[String]) -> Result<(), StorageError> {
        let eservice = eservice.unwrap_or_default().to_owned();
        let systems: Vec<_> = systems.iter().map(|system| [system.clone()]).collect();
        self.write("note what is told and listened to", move |desk| {
            async move {
                query(TELL_ONLY).bind(eservice).execute(&mut desk.connection).await?;
                query(LISTEN_ONLY).bind(json(&systems)?).execute(&mut desk.connection).await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    async fn hear(&self, system: &str, eservice: &str, heard: Heard, at: UtcInstant) -> Result<bool, StorageError> {
        let (system, eservice, at) = (system.to_owned(), eservice.to_owned(), at.unix_micros());
        self.write("note what was heard", move |desk| {
            async move {
                listen(&mut desk.connection, &system, &eservice).await?;
                let asked = query(HEAR).bind(&system).bind(heard.from).bind(heard.to);
                let asked = asked.bind(heard.is_all).bind(heard.is_stale).bind(at);
                Ok(asked.execute(&mut desk.connection).await?.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }

    async fn not_heard(&self, system: &str, eservice: &str, code: &str, at: UtcInstant) -> Result<(), StorageError> {
        let (system, eservice, code) = (system.to_owned(), eservice.to_owned(), code.to_owned());
        self.write("note that signals were not heard", move |desk| {
            async move {
                listen(&mut desk.connection, &system, &eservice).await?;
                let asked = query(NOT_HEARD).bind(&system).bind(at.unix_micros()).bind(code);
                asked.execute(&mut desk.connection).await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    async fn not_looked(&self, system: &str, code: &str, at: UtcInstant) -> Result<(), StorageError> {
        let (system, code) = (system.to_owned(), code.to_owned());
        self.write("note that it was not looked at what changed", move |desk| {
            async move {
                let asked = query(NOT_LOOKED).bind(&system).bind(at.unix_micros()).bind(code);
                asked.execute(&mut desk.connection).await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    async fn looked(&self, system: &str, heard: i64) -> Result<(), StorageError> {
        let system = system.to_owned();
        self.write("note that it was looked at what changed", move |desk| {
            async move {
                let asked = query(LOOKED).bind(&system).bind(heard);
                asked.execute(&mut desk.connection).await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    async fn is_any_known(&self, names: &[String]) -> Result<bool, StorageError> {
        let found = async {
            let names: Vec<_> = names.iter().map(|name| [name]).collect();
            let asked = query(ANY_KNOWN).bind(json(&names)?);
            Ok(asked.fetch_optional(&mut self.readers.acquire().await?).await?.is_some())
        };
        found.await.map_err(|trouble: Trouble| trouble.during("look whether a name is known"))
    }

    async fn known_keys(&self, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        let keys = async {
            let asked = query(KEYS).bind(after).bind(limit);
            let rows = asked.fetch_all(&mut self.readers.acquire().await?).await?;
            rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<_>, Trouble>>()
        };
        keys.await.map_err(|trouble: Trouble| trouble.during("read the keys of records"))
    }
}

impl SqlStore {
    async fn signalling_of(&self, eservice: &str) -> Result<Vec<Signalling>, StorageError> {
        let states = async {
            let asked = query(SIGNALLING).bind(eservice);
            let rows = asked.fetch_all(&mut self.readers.acquire().await?).await?;
            rows.iter().map(signalling).collect::<Result<Vec<_>, Trouble>>()
        };
        states.await.map_err(|trouble: Trouble| trouble.during("read how far readers were signalled"))
    }
}

async fn next_change(
    connection: &mut Connection,
    scope: &Scope,
    after: Position,
) -> Result<Option<NextChange>, Trouble> {
    if !feed::stands(connection, after).await? {
        return Ok(None);
    }
    let seen = Seen::of(connection, scope).await?;
    let last = feed::watermark(connection).await?;
    let until = last.min(after.version.saturating_add(WINDOW));
    let asked = query(NEXT).bind(seen.everything).bind(&seen.bodies).bind(after.version).bind(until);
    let Some(row) = asked.fetch_optional(connection).await? else {
        let position = feed::position(connection, until).await?;
        return Ok(Some(NextChange { changed: None, until: position, has_more: until < last }));
    };
    let version: i64 = row.try_get(0)?;
    let kind: &str = row.try_get(3)?;
    let kind = Kind::from_name(kind).ok_or_else(|| Trouble::Damaged(format!("no kind of record is called {kind}")))?;
    let changed =
        Changed { record: RecordId(row.try_get(1)?), kind, key: row.try_get(4)?, is_new: row.try_get::<i64>(2)? == 1 };
    let anchor = row.try_get::<&[u8]>(5)?.first_chunk().copied().unwrap_or_default();
    let until = Position { version, anchor };
    Ok(Some(NextChange { changed: Some(changed), until, has_more: version < last }))
}

/// Behind another e-service than before it begins anew.
async fn listen(connection: &mut Connection, system: &str, eservice: &str) -> Result<(), Trouble> {
    query(LISTEN).bind(system).bind(eservice).execute(connection).await?;
    Ok(())
}

fn gone() -> Trouble {
    Trouble::Damaged("what was just written is not there".to_owned())
}

fn signalling(row: &Row) -> Result<Signalling, Trouble> {
    let last_number = row.try_get(3)?;
    let pending = match row.try_get::<Option<String>>(4)? {
        None => None,
        Some(body) => Some(PendingSignal {
            number: last_number,
            until: position_in(row, 5)?,
            body,
            attempts: row.try_get(7)?,
            due_at: instant(row.try_get(8)?)?,
        }),
    };
    Ok(Signalling {
        eservice: row.try_get(0)?,
        told: position_in(row, 1)?,
        last_number,
        pending,
        taken_at: optional_instant(row.try_get(9)?)?,
        is_on: row.try_get::<i64>(12)? != 0,
        failed: optional_instant(row.try_get(10)?)?.zip(row.try_get(11)?),
    })
}

fn listening(row: &Row) -> Result<Listening, Trouble> {
    Ok(Listening {
        system: row.try_get(0)?,
        eservice: row.try_get(1)?,
        heard: row.try_get(2)?,
        heard_at: optional_instant(row.try_get(3)?)?,
        stale_since: optional_instant(row.try_get(4)?)?,
        failed: optional_instant(row.try_get(5)?)?.zip(row.try_get(6)?),
        not_looked: optional_instant(row.try_get(7)?)?.zip(row.try_get(8)?),
    })
}
