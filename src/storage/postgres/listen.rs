//! Work that other processes made ready.
//!
//! Losing a notice is harmless: workers also look by themselves. After every reconnection they look
//! once, since nobody knows what was said meanwhile.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;

use crate::storage::sql::presence::HOLD;

/// What writers call out on. The same name stands in the writer.
const CHANNEL: &str = "raccordo_jobs";
/// How long a connection may take to be made.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A process that lives is back before the others think that it is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Listens until the task is ended.
pub(super) async fn listen(options: PgConnectOptions, start: i64, node: String, woken: Arc<watch::Sender<u64>>) {
    let mut is_back = false;
    let mut pause = FIRST_PAUSE;
    loop {
        let heard = hear(&options, start, &node, &woken, &mut pause, is_back).await;
        is_back = true;
        if let Err(error) = heard {
            tracing::debug!(%error, "not listening to the database, trying again");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn hear(
    options: &PgConnectOptions,
    start: i64,
    node: &str,
    woken: &watch::Sender<u64>,
    pause: &mut Duration,
    is_back: bool,
) -> Result<(), sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        // Whoever listens is there, after every reconnection.
        .after_connect(move |connection, _| {
            Box::pin(async move { sqlx::query(HOLD).bind(start).execute(connection).await.map(drop) })
        })
        .connect_with(options.clone())
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    *pause = FIRST_PAUSE;
    if is_back {
        wake(woken);
    }
    loop {
        // An answer of nothing means that the connection was lost and made anew.
        let told = listener.try_recv().await?;
        // Our own workers were woken at the commit itself.
        if told.is_none_or(|notice| notice.payload() != node) {
            wake(woken);
        }
    }
}

fn wake(woken: &watch::Sender<u64>) {
    woken.send_modify(|times| *times = times.wrapping_add(1));
}
