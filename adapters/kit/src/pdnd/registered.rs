//! The keys that others have registered with the platform, for the signatures that name one: asked for
//! once, and remembered as [`Keeping`] promises.
//!
//! [`Registered::follow`] reads the events; whoever owns the schedule calls it every hour and keeps the
//! cursors. Whoever follows none keeps keys for a shorter time ([`Keeping::UNFOLLOWED`]). A key is good
//! for its owner alone: one of another client is as if nobody had it.

mod flights;
mod memory;

use canonical::values::UtcInstant;
use contract::{AdapterError, Advice, ErrorKind, Phase};

use super::api::{KeyEventKind, LARGEST_PAGE, PlatformApi, Register, RegisteredKey};
use super::preflight::is_kid;
use crate::jose::{Compact, KeySet, PublicKey, Refusal, Unclaimed};
use crate::modi::audit::{self, User};
use crate::modi::identity::{self, Caller};
use crate::modi::tokens::{Rules, Trust, the_one};
use crate::modi::verify::{self, Message, Signed};
use crate::modi::{EVIDENCE_HEADER, SIGNATURE_HEADER};

use flights::Flights;
pub use memory::{Keeping, PAUSE_SECONDS};
use memory::{Look, Memory};

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
    memory: Memory,
    flights: Flights,
}

impl Registered {
    /// The keys that these services know, for who follows the events.
    pub fn new(api: PlatformApi) -> Self {
        Self::keeping(api, Keeping::FOLLOWED)
    }

    /// The keys that these services know, believed for so long.
    pub fn keeping(api: PlatformApi, keeping: Keeping) -> Self {
        Self { api, memory: Memory::new(keeping), flights: Flights::default() }
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
        let of_owner = |found: Option<RegisteredKey>| found.filter(|found| found.owner == owner.id);
        self.found(owner, kid, now).await.map(of_owner)
    }

    /// What is known of a name, asked for where nothing is. Its register and its name alone decide what is
    /// known of it; whose it should be says only who has too many unknown ones at a time.
    async fn found(
        &self,
        owner: Owner<'_>,
        kid: &str,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Option<RegisteredKey>, AdapterError> {
        let register = owner.register;
        if !is_kid(kid) {
            return Ok(None);
        }
        let old = match self.memory.look(register, kid, now()) {
            Look::Known(found) => return Ok(found),
            Look::Silent => return Err(not_asked(register, SILENT)),
            Look::Renew(old) => Some(old),
            Look::Ask => None,
        };
        let is_unknown = !self.memory.had_key(register, kid);
        let place = self.flights.join((register, kid.to_owned()), owner.id, is_unknown);
        let place = place.ok_or_else(|| not_asked(register, TOO_MANY))?;
        let _turn = match (place.turn().try_lock(), old) {
            (Ok(turn), _) => turn,
            // Somebody asks already whether it is still good.
            (Err(_), Some(old)) => return Ok(Some(old)),
            (Err(_), None) => place.turn().lock().await,
        };
        match self.memory.look(register, kid, now()) {
            Look::Known(found) => return Ok(found),
            Look::Silent => return Err(not_asked(register, SILENT)),
            Look::Renew(_) | Look::Ask => {}
        }
        match self.api.key(register, kid, &now).await {
            Ok(found) => {
                self.memory.said(register, kid, found.clone(), now());
                Ok(found)
            }
            Err(error) => {
                self.memory.was_silent(register, kid, now());
                match self.memory.look(register, kid, now()) {
                    Look::Known(found) => {
                        tracing::warn!(%error, "a registered key could not be asked for, the old one still serves");
                        Ok(found)
                    }
                    Look::Renew(_) | Look::Ask | Look::Silent => Err(error),
                }
            }
        }
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
        self.memory.forget(register, kid) && *event == KeyEventKind::Deleted
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
    pub async fn keys_for(
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

/// Why a key was not asked for.
const SILENT: &str = "the platform gave no answer for this key a moment ago";
const TOO_MANY: &str = "too many unknown keys of this owner are being asked for";

fn not_asked(register: Register, why: &str) -> AdapterError {
    AdapterError::new(ErrorKind::Unavailable, format!("pdnd GET /{}", register.keys()))
        .phase(Phase::BeforeSending)
        .advice(Advice::Retry { after: None })
        .caused_by(why.to_owned())
}
