//! The keys that an issuer publishes: fetched when they are needed, again when a token names one that
//! is not there, never more often than once a minute, and kept when the issuer does not answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canonical::values::UtcInstant;
use kit::jose::KeySet;
use tokio::sync::{Mutex, RwLock};

use crate::clock::Clock;

/// The least time between two questions to the issuer.
const BETWEEN: Duration = Duration::from_mins(1);
/// Keys older than this are asked for again.
const OLD: Duration = Duration::from_hours(24);

/// What an issuer answered: its keys, or why not.
pub type Fetched = Result<KeySet, String>;

/// Asks an issuer for its keys.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The keys of now.
    async fn fetch(&self) -> Fetched;
}

/// Keys of one issuer.
pub struct PublishedKeys(Arc<Shared>);

/// What the calls share: a call that is given up does not end the fetching of keys for all.
struct Shared {
    fetch: Box<dyn Fetch>,
    clock: Arc<dyn Clock>,
    known: RwLock<Option<(Arc<KeySet>, UtcInstant)>>,
    /// When the issuer was asked last; whoever holds it asks.
    asked: Mutex<Option<UtcInstant>>,
}

impl fmt::Debug for PublishedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishedKeys").finish_non_exhaustive()
    }
}

impl PublishedKeys {
    /// Keys that somebody fetches. Nothing is asked yet.
    pub fn new(fetch: Box<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared { fetch, clock, known: RwLock::default(), asked: Mutex::default() }))
    }

    /// The keys as they are known; fetched where there are none, or where they are old. None when
    /// there are none and the issuer gives none.
    pub async fn known(&self) -> Option<Arc<KeySet>> {
        let now = self.0.clock.now();
        let known = self.0.known.read().await.clone();
        match known {
            Some((keys, since)) if elapsed(since, now) < OLD => Some(keys),
            Some((keys, _)) => Some(self.anew().await.unwrap_or(keys)),
            None => self.anew().await,
        }
    }

    /// The keys, asked for again unless that was done a moment ago. None when nothing new came.
    pub async fn anew(&self) -> Option<Arc<KeySet>> {
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move { shared.anew().await }).await.unwrap_or(None)
    }
}

impl Shared {
    async fn anew(&self) -> Option<Arc<KeySet>> {
        let mut asked = self.asked.lock().await;
        let now = self.clock.now();
        if asked.is_some_and(|last| elapsed(last, now) < BETWEEN) {
            // Somebody else asked while we waited: what he was told is known.
            return self.known.read().await.as_ref().map(|(keys, _)| Arc::clone(keys));
        }
        *asked = Some(now);
        match self.fetch.fetch().await {
            Ok(keys) if !keys.is_empty() => {
                let keys = Arc::new(keys);
                *self.known.write().await = Some((Arc::clone(&keys), now));
                Some(keys)
            }
            Ok(_) => {
                tracing::warn!("an issuer of credentials publishes no keys");
                None
            }
            Err(why) => {
                tracing::warn!(why, "the keys of an issuer of credentials could not be fetched");
                None
            }
        }
    }
}

fn elapsed(since: UtcInstant, now: UtcInstant) -> Duration {
    Duration::from_micros(now.unix_micros().saturating_sub(since.unix_micros()).try_into().unwrap_or_default())
}
