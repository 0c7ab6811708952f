//! What a partner is told when there are changes for him, and when there are.
//!
//! The message is thin: that there is something to read, up to where. What it is stays behind the API,
//! where whoever asks must prove who he is. Changes that he may not see, or that do not leave because
//! they name a person, are no reason to tell him anything.

use canonical::Digest;
use canonical::values::UtcInstant;
use serde::Serialize;

use super::cursor::{CHANGES, Cursor, seen};
use super::item::item;
use crate::storage::exchange::{Position, Scope};
use crate::storage::webhooks::WebhookMessage;
use crate::storage::{Exchange, StorageError};

/// What the message is about.
pub const CHANGES_AVAILABLE: &str = "changes.available";
/// Versions looked at together.
const LOOKED_AT: u32 = 100;

/// What lies behind a position for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Nothing, up to here.
    Nothing(Position),
    /// Something; the feed ends here.
    Changes(Position),
}

/// Looks for changes after a position that somebody may see.
pub async fn behind(store: &(impl Exchange + ?Sized), scope: &Scope, from: Position) -> Result<Behind, StorageError> {
    let mut after = from;
    loop {
        let Some(page) = store.changes(scope, after, LOOKED_AT).await? else {
            // The database was set back: what was told is told anew.
            after = Position::default();
            continue;
        };
        if page.items.iter().any(|version| item(version).is_some()) {
            return store.feed_end().await.map(Behind::Changes);
        }
        if !page.has_more {
            return Ok(Behind::Nothing(page.next));
        }
        after = page.next;
    }
}

#[derive(Serialize)]
struct Body<'m> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'m>,
}

#[derive(Serialize)]
struct Data<'m> {
    cursor: &'m str,
}

/// The message that there are changes up to a position. The same message has the same name.
pub async fn message(
    store: &(impl Exchange + ?Sized),
    partner: &str,
    scope: &Scope,
    until: Position,
    now: UtcInstant,
) -> Result<WebhookMessage, StorageError> {
    let cursor = Cursor { position: until, text: seen(store, scope).await? }.write(CHANGES);
    let body = Body { r#type: CHANGES_AVAILABLE, timestamp: now.to_string(), data: Data { cursor: &cursor } };
    let body = serde_json::to_string(&body).map_err(|error| StorageError::Damaged {
        attempted: "write a message to a partner",
        problem: error.to_string(),
    })?;
    let id = Digest::of_parts([partner.as_bytes(), &until.version.to_be_bytes(), body.as_bytes()]);
    let name = id.as_bytes()[..16].iter().fold("msg_".to_owned(), |name, byte| format!("{name}{byte:02x}"));
    Ok(WebhookMessage { id: name, until, body, made_at: now, attempts: 0, due_at: now })
}
