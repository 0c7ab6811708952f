//! How far each partner was told that there are changes for him, and the message under way.

use async_trait::async_trait;
use canonical::values::UtcInstant;
use futures_util::FutureExt as _;

use super::SqlStore;
use super::audit::Entry;
use super::connection::{Connection, Row, query, query_scalar};
use super::desk::Desk;
use super::feed::{at_place, position_in};
use super::rows::{instant, optional_instant};
use super::trouble::Trouble;
use crate::storage::exchange::Position;
use crate::storage::webhooks::{WebhookEnding, WebhookMessage, WebhookState, WebhookStop, Webhooks};
use crate::storage::{Person, StorageError};

const ALL: &str = "
    select partner, told_version, told_anchor, message, until_version, until_anchor, body, made_at, attempts, due_at,
           taken_at, failed_at, failed_code, stopped_at, stopped_why
      from webhook where $1 = '' or partner = $1 order by partner";
/// Who was never looked at stands at the beginning.
const ENTER: &str = "insert into webhook (partner, told_version, told_anchor) values ($1, 0, $2)
    on conflict (partner) do nothing";
const SKIP: &str = "update webhook set told_version = $4, told_anchor = $5
     where partner = $1 and told_version = $2 and told_anchor = $3 and message is null";
const BEGIN: &str = "
    update webhook set message = $4, until_version = $5, until_anchor = $6, body = $7, made_at = $8, due_at = $9,
                       attempts = 0
     where partner = $1 and told_version = $2 and told_anchor = $3 and message is null and stopped_at is null";
const ATTEMPT: &str = "
    update webhook set attempts = attempts + 1,
                       made_at = case when attempts = 0 then cast($3 as bigint) else made_at end
     where partner = $1 and message = $2 and stopped_at is null returning attempts";
const TAKEN: &str = "
    update webhook set told_version = until_version, told_anchor = until_anchor, taken_at = $3, message = null,
                       until_version = null, until_anchor = null, body = null, made_at = null, due_at = null,
                       attempts = 0, failed_at = null, failed_code = null, stopped_at = null, stopped_why = null
     where partner = $1 and message = $2 returning told_version";
const AGAIN: &str = "update webhook set due_at = $4, failed_at = $5, failed_code = $6
     where partner = $1 and message = $2 and attempts = $3 and stopped_at is null";
const STOP: &str = "update webhook set failed_at = $4, failed_code = $5, stopped_at = $4, stopped_why = $6
     where partner = $1 and message = $2 and attempts = $3 and stopped_at is null";
const RESUME: &str = "
    update webhook set stopped_at = null, stopped_why = null, attempts = 0, made_at = $2, due_at = $2
     where partner = $1 and stopped_at is not null";

#[async_trait]
impl Webhooks for SqlStore {
    async fn webhooks(&self, partner: Option<&str>) -> Result<Vec<WebhookState>, StorageError> {
        let states = async {
            let rows =
                query(ALL).bind(partner.unwrap_or_default()).fetch_all(&mut self.readers.acquire().await?).await?;
            rows.iter().map(state).collect::<Result<Vec<_>, Trouble>>()
        };
        states.await.map_err(|trouble: Trouble| trouble.during("read how far partners were told"))
    }

    async fn skip_webhook(&self, partner: &str, from: Position, to: Position) -> Result<(), StorageError> {
        let partner = partner.to_owned();
        self.write("note that there is nothing for a partner", move |desk| {
            async move {
                enter(&mut desk.connection, &partner).await?;
                let asked = at_place(query(SKIP).bind(&partner), from);
                at_place(asked, to).execute(&mut desk.connection).await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    async fn begin_webhook(
        &self,
        partner: &str,
        from: Position,
        message: WebhookMessage,
    ) -> Result<bool, StorageError> {
        let partner = partner.to_owned();
        self.write("put a message to a partner under way", move |desk| {
            async move {
                enter(&mut desk.connection, &partner).await?;
                let asked = at_place(query(BEGIN).bind(&partner), from).bind(&message.id);
                let asked = at_place(asked, message.until).bind(&message.body);
                let asked = asked.bind(message.made_at.unix_micros()).bind(message.due_at.unix_micros());
                Ok(asked.execute(&mut desk.connection).await?.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }

    async fn attempt_webhook(&self, partner: &str, message: &str, at: UtcInstant) -> Result<Option<u32>, StorageError> {
        let (partner, message, at) = (partner.to_owned(), message.to_owned(), at.unix_micros());
        self.write("begin to tell a partner", move |desk| {
            async move {
                let attempt = query_scalar(ATTEMPT).bind(partner).bind(message).bind(at);
                Ok(attempt.fetch_optional(&mut desk.connection).await?)
            }
            .boxed()
        })
        .await
    }

    async fn end_webhook(
        &self,
        partner: &str,
        message: &str,
        attempt: u32,
        ending: WebhookEnding,
        at: UtcInstant,
    ) -> Result<bool, StorageError> {
        let (partner, message, at) = (partner.to_owned(), message.to_owned(), at.unix_micros());
        self.write("note how a partner answered", move |desk| end(desk, partner, message, attempt, ending, at).boxed())
            .await
    }

    async fn resume_webhook(&self, partner: &str, by: &Person, at: UtcInstant) -> Result<bool, StorageError> {
        let (partner, by, at) = (partner.to_owned(), by.clone(), at.unix_micros());
        self.write("tell a partner again", move |desk| {
            async move {
                let asked = query(RESUME).bind(&partner).bind(at);
                if asked.execute(&mut desk.connection).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                let detail = serde_json::json!({ "by": by.name, "why": by.reason });
                desk.audit(vec![entry("webhook_resumed", &partner, &detail)], at).await?;
                Ok(true)
            }
            .boxed()
        })
        .await
    }
}

async fn enter(connection: &mut Connection, partner: &str) -> Result<(), Trouble> {
    let nowhere = Position::default().anchor.to_vec();
    query(ENTER).bind(partner).bind(nowhere).execute(connection).await?;
    Ok(())
}

async fn end(
    desk: &mut Desk,
    partner: String,
    message: String,
    attempt: u32,
    ending: WebhookEnding,
    at: i64,
) -> Result<bool, Trouble> {
    let (entry, is_noted) = match ending {
        WebhookEnding::Taken => {
            let taken = query_scalar(TAKEN).bind(&partner).bind(&message).bind(at);
            let until: Option<i64> = taken.fetch_optional(&mut desk.connection).await?;
            let detail = serde_json::json!({ "message": message, "attempt": attempt, "until": until });
            (Some(entry("webhook_taken", &partner, &detail)), until.is_some())
        }
        WebhookEnding::Again { code, due_at } => {
            let asked = query(AGAIN).bind(&partner).bind(&message).bind(attempt);
            let asked = asked.bind(due_at.unix_micros()).bind(at).bind(code);
            (None, asked.execute(&mut desk.connection).await?.rows_affected() == 1)
        }
        WebhookEnding::Stopped { code, why } => {
            let detail = serde_json::json!({ "message": message, "attempt": attempt, "code": code, "why": why.code() });
            let asked = query(STOP).bind(&partner).bind(&message).bind(attempt).bind(at).bind(code).bind(why.code());
            let is_noted = asked.execute(&mut desk.connection).await?.rows_affected() == 1;
            (Some(entry("webhook_stopped", &partner, &detail)), is_noted)
        }
    };
    if is_noted {
        desk.audit(entry.into_iter().collect(), at).await?;
    }
    Ok(is_noted)
}

fn entry(kind: &'static str, partner: &str, detail: &serde_json::Value) -> Entry {
    Entry::new(kind, format!("partner/{partner}"), detail.to_string())
}

fn state(row: &Row) -> Result<WebhookState, Trouble> {
    let message = match row.try_get::<Option<String>>(3)? {
        None => None,
        Some(id) => Some(WebhookMessage {
            id,
            until: position_in(row, 4)?,
            body: row.try_get(6)?,
            made_at: instant(row.try_get(7)?)?,
            attempts: row.try_get(8)?,
            due_at: instant(row.try_get(9)?)?,
        }),
    };
    let failed_at = optional_instant(row.try_get(11)?)?;
    let stopped_at = optional_instant(row.try_get(13)?)?;
    let why = row.try_get::<Option<&str>>(14)?.and_then(WebhookStop::from_code);
    Ok(WebhookState {
        partner: row.try_get(0)?,
        told: position_in(row, 1)?,
        message,
        taken_at: optional_instant(row.try_get(10)?)?,
        failed: failed_at.zip(row.try_get(12)?),
        stopped: stopped_at.zip(why),
    })
}
