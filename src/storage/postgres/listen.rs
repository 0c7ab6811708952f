//! Work that other processes made ready.
//!
//! Losing a notice is harmless: workers also look by themselves. After every reconnection they look
//! once, since nobody knows what was said meanwhile.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::storage::sql::deadlines::unanswered;
use crate::storage::sql::presence::HOLD;

/// What writers call out on. The same name stands in the writer.
const CHANNEL: &str = "raccordo_jobs";
/// How long a connection may take to be made, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A process that lives is back before the others think that it is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Who listens, where, and for whom.
pub(super) struct Listener {
    pub(super) options: PgConnectOptions,
    /// Which start of the program it is.
    pub(super) start: i64,
    /// The name under which its own writers call out.
    pub(super) node: String,
    pub(super) woken: Arc<watch::Sender<u64>>,
    /// After so much silence the connection is asked whether it is still one: a server that is frozen,
    /// or a line that was cut without a word, would be listened to for ever.
    pub(super) proved_after: Duration,
}

/// Listens until the task is ended.
pub(super) async fn listen(listener: Listener) {
    let mut is_back = false;
    let mut pause = FIRST_PAUSE;
    loop {
        let heard = listener.hear(&mut pause, is_back).await;
        is_back = true;
        if let Err(error) = heard {
            tracing::debug!(%error, "not listening to the database, trying again");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Listener {
    async fn hear(&self, pause: &mut Duration, is_back: bool) -> Result<(), sqlx::Error> {
        let start = self.start;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            // Whoever listens is there, after every reconnection.
            .after_connect(move |connection, _| {
                Box::pin(async move { sqlx::query(HOLD).bind(start).execute(connection).await.map(drop) })
            })
            .connect_with(self.options.clone())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        answered(listener.listen(CHANNEL)).await?;
        *pause = FIRST_PAUSE;
        if is_back {
            self.wake();
        }
        loop {
            let Ok(told) = timeout(self.proved_after, listener.try_recv()).await else {
                answered(sqlx::query("select 1").execute(&mut listener)).await?;
                continue;
            };
            // An answer of nothing means that the connection was lost and made anew.
            // Our own workers were woken at the commit itself.
            if told?.is_none_or(|notice| notice.payload() != self.node) {
                self.wake();
            }
        }
    }

    fn wake(&self) {
        self.woken.send_modify(|times| *times = times.wrapping_add(1));
    }
}

/// An answer that comes in time.
async fn answered<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(unanswered()))
}
