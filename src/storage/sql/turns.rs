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

#[async_trait]
impl Turns for SqlStore {
    async fn take_turn(&self, name: &str, at: UtcInstant, until: UtcInstant) -> Result<Option<Turn>, StorageError> {
        const ATTEMPTED: &str = "take a turn";
        let (name, at, until) = (name.to_owned(), at.unix_micros(), until.unix_micros());
        let taken = self.settle(ATTEMPTED, move |desk| {
            async move {
                let token: Option<i64> = query_scalar(
                    "insert into turn (name, token, free_at) values ($1, 1, $3)
                     on conflict (name) do update set token = turn.token + 1, free_at = excluded.free_at
                      where turn.free_at <= $2
                     returning token",
                )
                .bind(&name)
                .bind(at)
                .bind(until)
                .fetch_optional(&mut desk.connection)
                .await?;
                Ok(token.map(|token| Turn { name, token }))
            }
            .boxed()
        });
        taken.await
    }

    async fn hold_turn(&self, turn: &Turn, until: UtcInstant) -> Result<bool, StorageError> {
        let (turn, until) = (turn.clone(), until.unix_micros());
        let held = self.settle("hold or end a turn", move |desk| {
            async move {
                let held = query("update turn set free_at = $3 where name = $1 and token = $2")
                    .bind(&turn.name)
                    .bind(turn.token)
                    .bind(until)
                    .execute(&mut desk.connection)
                    .await?;
                Ok(held.rows_affected() == 1)
            }
            .boxed()
        });
        held.await
    }
}
