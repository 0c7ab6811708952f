//! What only one of all processes does at a time: schedules and sweeps.
//!
//! A turn is a lease with a name. It ends by itself when whoever took it falls silent, and its token
//! keeps a process that was asleep from ending the turn of another.

use async_trait::async_trait;
use canonical::values::UtcInstant;
use futures_util::FutureExt as _;

use super::SqlStore;
use super::connection::{query, query_scalar};
use crate::storage::{StorageError, Turn, Turns};

const TAKE: &str = "insert into turn (name, token, free_at) values ($1, 1, $3)
     on conflict (name) do update set token = turn.token + 1, free_at = excluded.free_at
      where turn.free_at <= $2
     returning token";
const HOLD: &str = "update turn set free_at = $3 where name = $1 and token = $2";
/// The same where processes share a server, which is told how long and not until when: no clock but
/// its own decides.
const TAKE_BY_THE_SERVER: &str = "insert into turn (name, token, free_at)
     values ($1, 1, cast(extract(epoch from clock_timestamp()) * 1000000 as bigint) + $2)
     on conflict (name) do update set token = turn.token + 1, free_at = excluded.free_at
      where turn.free_at <= cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)
     returning token";
const HOLD_BY_THE_SERVER: &str =
    "update turn set free_at = cast(extract(epoch from clock_timestamp()) * 1000000 as bigint) + $3
      where name = $1 and token = $2";

#[async_trait]
impl Turns for SqlStore {
    async fn take_turn(&self, name: &str, at: UtcInstant, until: UtcInstant) -> Result<Option<Turn>, StorageError> {
        const ATTEMPTED: &str = "take a turn";
        let (name, at, until) = (name.to_owned(), at.unix_micros(), until.unix_micros());
        let taken = self.settle(ATTEMPTED, move |desk| {
            async move {
                let take = if desk.goes_by_the_server {
                    query_scalar(TAKE_BY_THE_SERVER).bind(&name).bind(until.saturating_sub(at))
                } else {
                    query_scalar(TAKE).bind(&name).bind(at).bind(until)
                };
                let token: Option<i64> = take.fetch_optional(&mut desk.connection).await?;
                Ok(token.map(|token| Turn { name, token }))
            }
            .boxed()
        });
        taken.await
    }

    async fn hold_turn(&self, turn: &Turn, at: UtcInstant, until: UtcInstant) -> Result<bool, StorageError> {
        let (turn, at, until) = (turn.clone(), at.unix_micros(), until.unix_micros());
        let held = self.settle("hold or end a turn", move |desk| {
            async move {
                let by_the_server = (HOLD_BY_THE_SERVER, until.saturating_sub(at));
                let (statement, until) = if desk.goes_by_the_server { by_the_server } else { (HOLD, until) };
                let asked = query(statement).bind(&turn.name).bind(turn.token).bind(until);
                Ok(asked.execute(&mut desk.connection).await?.rows_affected() == 1)
            }
            .boxed()
        });
        held.await
    }
}
