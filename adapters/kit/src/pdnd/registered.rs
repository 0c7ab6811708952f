//! A memory of the keys that others have registered with the platform, for the signatures that name
//! one: kept for thirty days, dropped at once when an event says so, and not asked for again within a
//! minute when nobody has them.
//!
//! [`Registered::follow`] reads the events; whoever owns the schedule calls it every hour and keeps the
//! cursors. A key is good for its owner alone: one of another client is as if nobody had it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use canonical::values::UtcInstant;
use contract::AdapterError;

use super::api::{KeyEventKind, LARGEST_PAGE, PlatformApi, Register, RegisteredKey};
use crate::jose::{Compact, KeySet, PublicKey, Refusal, Unclaimed, seconds};
use crate::modi::audit::{self, User};
use crate::modi::identity::{self, Caller};
use crate::modi::tokens::{Rules, Trust, the_one};
use crate::modi::verify::{self, Message, Signed};
use crate::modi::{EVIDENCE_HEADER, SIGNATURE_HEADER};

/// A key is asked for again after this long, although no event spoke of it.
const KEPT_SECONDS: i64 = 30 * 24 * 3_600;
/// A name that nobody had is asked for again after this long. Look-ups are counted.
const ABSENT_SECONDS: i64 = 60;
/// The most names that are remembered; absent ones go first.
const MOST: usize = 10_000;
/// The most pages of events that are read in one go.
const MOST_PAGES: usize = 20;

/// Whose key must have signed.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The register.
    pub register: Register,
    /// The client, or the keychain.
    pub id: &'a str,
}

#[derive(Debug, Clone)]
struct Kept {
    found: Option<RegisteredKey>,
    asked_at: i64,
}

impl Kept {
    fn is_good(&self, now: UtcInstant) -> bool {
        let life = if self.found.is_some() { KEPT_SECONDS } else { ABSENT_SECONDS };
        seconds(now) - self.asked_at < life
    }
}

/// How far the events were read, for each register: to be kept by whoever calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursors {
    /// The last event about keys of clients.
    pub clients: Option<String>,
    /// The last event about keys of keychains.
    pub keychains: Option<String>,
}

/// What following the events brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Followed {
    /// How many events were read.
    pub events: usize,
    /// How many keys were dropped.
    pub dropped: usize,
    /// Whether there are more, to be read at once.
    pub has_more: bool,
}

/// The registered keys, as far as they were asked for.
#[derive(Debug)]
pub struct Registered {
    api: PlatformApi,
    known: Mutex<HashMap<(Register, String), Kept>>,
    /// One question at a time: two messages with one unknown key ask once.
    flight: tokio::sync::Mutex<()>,
}

impl Registered {
    /// The keys that these services know.
    pub fn new(api: PlatformApi) -> Self {
        Self { api, known: Mutex::default(), flight: tokio::sync::Mutex::default() }
    }

    /// The services.
    pub fn api(&self) -> &PlatformApi {
        &self.api
    }

    /// The key of this name, when its owner is the one expected.
    pub async fn key(
        &self,
        owner: Owner<'_>,
        kid: &str,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Option<RegisteredKey>, AdapterError> {
        let of_owner = |kept: Kept| kept.found.filter(|found| found.owner == owner.id);
        if let Some(kept) = self.kept(owner.register, kid, now()) {
            return Ok(of_owner(kept));
        }
        let _flight = self.flight.lock().await;
        if let Some(kept) = self.kept(owner.register, kid, now()) {
            return Ok(of_owner(kept));
        }
        let found = self.api.key(owner.register, kid, &now).await?;
        let kept = Kept { found, asked_at: seconds(now()) };
        self.keep(owner.register, kid, kept.clone(), now());
        Ok(of_owner(kept))
    }

    fn kept(&self, register: Register, kid: &str, now: UtcInstant) -> Option<Kept> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(register, kid.to_owned())).filter(|kept| kept.is_good(now)).cloned()
    }

    fn keep(&self, register: Register, kid: &str, kept: Kept, now: UtcInstant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, kept| kept.found.is_some() && kept.is_good(now));
        }
        // Keys are asked for again; a memory without end is not.
        if known.len() >= MOST {
            known.clear();
        }
        known.insert((register, kid.to_owned()), kept);
    }

    /// Reads the events after the cursors, moves them, and drops the keys that are no longer registered.
    /// After an error the cursors stand where reading ended.
    pub async fn follow(&self, cursors: &mut Cursors, now: impl Fn() -> UtcInstant) -> Result<Followed, AdapterError> {
        let mut followed = Followed::default();
        for (register, cursor) in
            [(Register::Clients, &mut cursors.clients), (Register::Keychains, &mut cursors.keychains)]
        {
            let mut is_end = false;
            for _ in 0..MOST_PAGES {
                let events = self.api.key_events(register, cursor.as_deref(), LARGEST_PAGE, &now).await?;
                followed.events += events.len();
                is_end = events.len() < usize::from(LARGEST_PAGE);
                for event in &events {
                    followed.dropped += usize::from(self.apply(register, &event.kind, &event.kid));
                }
                let last = events.into_iter().last().map(|event| event.id);
                // A page that does not move the cursor would be read for ever.
                is_end |= last.is_none() || last == *cursor;
                *cursor = last.or_else(|| cursor.take());
                if is_end {
                    break;
                }
            }
            followed.has_more |= !is_end;
        }
        Ok(followed)
    }

    /// Forgets what is known of a key that an event speaks of, whatever it says: it is asked for again.
    /// True when a key was dropped because it was deleted.
    fn apply(&self, register: Register, event: &KeyEventKind, kid: &str) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = known.remove(&(register, kid.to_owned()));
        *event == KeyEventKind::Deleted && forgotten.is_some_and(|kept| kept.found.is_some())
    }

    /// Verifies `Agid-JWT-Signature` of a message by the registered key that it names.
    pub async fn verify_message(
        &self,
        message: &Message<'_>,
        owner: Owner<'_>,
        rules: &Rules,
        request_digest: Option<&str>,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Unclaimed<Signed>, Refusal> {
        let refused = |refusal: Refusal| refusal.with_status(400);
        let token = the_one(&message.values(SIGNATURE_HEADER)).map_err(refused)?;
        let keys = self.keys_for(token, owner, rules, &now).await.map_err(refused)?;
        let trust = Trust { keys: Some(&keys), certificates: None };
        verify::verify(message, trust, rules, request_digest, now())
    }

    /// Verifies `Agid-JWT-TrackingEvidence` of a message, for the purpose of its voucher.
    pub async fn verify_evidence(
        &self,
        message: &Message<'_>,
        owner: Owner<'_>,
        rules: &Rules,
        purpose_id: &str,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Unclaimed<User>, Refusal> {
        let refused = |refusal: Refusal| refusal.with_status(400);
        let token = the_one(&message.values(EVIDENCE_HEADER)).map_err(refused)?;
        let keys = self.keys_for(token, owner, rules, &now).await.map_err(refused)?;
        audit::verify(token, Trust { keys: Some(&keys), certificates: None }, rules, purpose_id, now())
    }

    /// Verifies a token of `ID_AUTH_REST` that is signed with a registered key.
    pub async fn verify_identity(
        &self,
        token: &str,
        owner: Owner<'_>,
        rules: &Rules,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Unclaimed<Caller>, Refusal> {
        let keys = self.keys_for(token, owner, rules, &now).await?;
        identity::verify(token, Trust { keys: Some(&keys), certificates: None }, rules, now())
    }

    /// The key that a token names, when it is its owner's. What can be refused without a question is.
    async fn keys_for(
        &self,
        token: &str,
        owner: Owner<'_>,
        rules: &Rules,
        now: &impl Fn() -> UtcInstant,
    ) -> Result<KeySet, Refusal> {
        let token = Compact::parse(token)?;
        token.algorithm(&rules.algorithms)?;
        token.refuse_crit()?;
        token.unverified_claims().check_exp(now())?;
        let Some(kid) = token.header_text("kid") else { return Ok(KeySet::default()) };
        match self.key(owner, kid, now).await {
            Ok(Some(found)) => Ok(KeySet::default().with(kid, PublicKey::clone(&found.key))),
            Ok(None) => Ok(KeySet::default()),
            Err(error) => {
                tracing::warn!(%error, "a registered key could not be asked for");
                Err(Refusal::unavailable("platform_keys", "the key could not be asked for at the platform"))
            }
        }
    }
}
