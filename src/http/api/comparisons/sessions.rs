//! The sessions of this process: few, each for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use canonical::values::UtcInstant;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;

use super::super::caller::Caller;
use super::super::problem::{Code, Problem};
use super::too_many;
use crate::clock::{after, between};
use crate::flow::reconcile::inventory::Completeness;
use crate::flow::reconcile::inventory::ranges::{Index, Reconciler, SessionLimits};
use crate::flow::reconcile::nodes::holdings::Holdings;
use crate::flow::reconcile::nodes::wire::{About, Status, Told, hexadecimal};

/// Sessions at a time: each may hold an index of a million records, 65 MB.
pub(super) const MOST: usize = 4;
/// A session about which nobody asks for so long is forgotten, and every one after its life.
const IDLE: Duration = Duration::from_mins(10);
const LIFE: Duration = Duration::from_hours(1);

/// The sessions.
#[derive(Debug)]
pub(in super::super) struct Comparisons {
    open: Mutex<BTreeMap<String, Arc<Session>>>,
    /// Records are read for one of them at a time.
    making: Semaphore,
}

impl Default for Comparisons {
    fn default() -> Self {
        Self { open: Mutex::default(), making: Semaphore::new(1) }
    }
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) partner: String,
    pub(super) scope: Told,
    ends_at: UtcInstant,
    idle_at: Mutex<UtcInstant>,
    /// None, once it is known that there will be none.
    ready: OnceLock<Option<Arc<Ready>>>,
    making: OnceLock<AbortHandle>,
}

/// What a session answers from.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) holdings: Holdings,
    pub(super) reconciler: Mutex<Reconciler<Arc<Index>>>,
}

impl Ready {
    pub(super) fn of(holdings: Holdings) -> Arc<Self> {
        let limits = SessionLimits::default();
        let reconciler = Reconciler::answering(holdings.index(), &Completeness::Complete, limits);
        Arc::new(Self { holdings, reconciler: Mutex::new(reconciler) })
    }
}

/// What makes a session ready ends with it.
impl Drop for Comparisons {
    fn drop(&mut self) {
        self.locked().values().for_each(|session| session.end());
    }
}

impl Comparisons {
    /// One more, in place of what the same caller began before: who begins anew has no use for it.
    pub(super) fn add(&self, id: &str, session: &Arc<Session>, now: UtcInstant) -> Result<(), Problem> {
        let mut open = self.locked();
        prune(&mut open, |other| other.expires_at() > now && other.partner != session.partner);
        if open.len() >= MOST {
            session.end();
            let first = open.values().map(|other| between(now, other.expires_at())).min().unwrap_or(LIFE);
            return Err(too_many(first.as_secs()));
        }
        open.insert(id.to_owned(), Arc::clone(session));
        Ok(())
    }

    /// A session of this caller. That of somebody else is not there.
    pub(super) fn of(&self, caller: &Caller, id: &str, now: UtcInstant) -> Result<Arc<Session>, Problem> {
        let open = self.locked();
        let session = open.get(id).filter(|session| session.partner == caller.who && session.expires_at() > now);
        let session = session.cloned().ok_or(Problem::from(Code::NotFound))?;
        *locked(&session.idle_at) = after(now, IDLE);
        Ok(session)
    }

    /// Whether a session is still there; all that have ended are forgotten.
    pub(super) fn keeps(&self, id: &str, now: UtcInstant) -> bool {
        let mut open = self.locked();
        open.retain(|_, session| session.expires_at() > now);
        open.contains_key(id)
    }

    pub(super) fn forget(&self, id: &str) {
        if let Some(session) = self.locked().remove(id) {
            session.end();
        }
    }

    /// The turn of reading records.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.making.acquire().await.ok()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Session>>> {
        locked(&self.open)
    }
}

fn prune(open: &mut BTreeMap<String, Arc<Session>>, stays: impl Fn(&Session) -> bool) {
    open.retain(|_, session| {
        let stays = stays(session);
        if !stays {
            session.end();
        }
        stays
    });
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    pub(super) fn new(partner: String, scope: Told, now: UtcInstant) -> Self {
        Self {
            partner,
            scope,
            ends_at: after(now, LIFE),
            idle_at: Mutex::new(after(now, IDLE)),
            ready: OnceLock::new(),
            making: OnceLock::new(),
        }
    }

    fn expires_at(&self) -> UtcInstant {
        self.ends_at.min(*locked(&self.idle_at))
    }

    pub(super) fn is_made_by(&self, making: AbortHandle) {
        // Said once.
        let _ = self.making.set(making);
    }

    pub(super) fn is_made(&self, ready: Option<Arc<Ready>>) {
        let _ = self.ready.set(ready);
    }

    /// What it answers from: nothing yet, or nothing ever.
    #[expect(clippy::option_option, reason = "not yet, never, and there are three answers")]
    pub(super) fn ready(&self) -> Option<Option<Arc<Ready>>> {
        self.ready.get().cloned()
    }

    fn end(&self) {
        self.making.get().map(AbortHandle::abort).unwrap_or_default();
    }

    pub(super) fn about(&self, id: &str) -> About {
        let (status, ready) = match self.ready.get() {
            None => (Status::Building, None),
            Some(Some(ready)) => (Status::Ready, Some(&ready.holdings)),
            Some(None) => (Status::Failed, None),
        };
        About {
            comparison_id: id.to_owned(),
            status,
            scope: self.scope.clone(),
            records: ready.map(|holdings| holdings.len() as u64),
            fingerprint: ready.map(|holdings| hexadecimal(holdings.index().whole())),
            expires_at: self.expires_at(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::caller::{Demands, Quota};

    fn at(seconds: i64) -> UtcInstant {
        UtcInstant::from_unix_micros(seconds * 1_000_000).expect("an instant")
    }

    fn caller(who: &str) -> Caller {
        Caller {
            who: who.to_owned(),
            scope: crate::storage::exchange::Scope::default(),
            roles: std::collections::BTreeSet::new(),
            counted_as: who.to_owned(),
            quota: Quota::default(),
            system: None,
            kinds: std::collections::BTreeSet::new(),
            client: None,
            demands: Demands::default(),
        }
    }

    fn add(comparisons: &Comparisons, partner: &str, id: &str, now: i64) -> bool {
        let session = Arc::new(Session::new(partner.to_owned(), Told::default(), at(now)));
        comparisons.add(id, &session, at(now)).is_ok()
    }

    #[test]
    fn a_caller_has_one_session_and_all_of_them_together_a_few() {
        let comparisons = Comparisons::default();
        for (n, partner) in ["a", "b", "c", "d"].iter().enumerate() {
            assert!(add(&comparisons, partner, &format!("{n}"), 0));
        }
        assert!(!add(&comparisons, "e", "4", 0), "there is no room");
        assert!(add(&comparisons, "a", "5", 0), "his own takes the place of his own");
        assert!(comparisons.of(&caller("a"), "0", at(1)).is_err() && comparisons.of(&caller("a"), "5", at(1)).is_ok());
        assert!(comparisons.of(&caller("b"), "5", at(1)).is_err(), "of somebody else");
        comparisons.forget("5");
        assert!(add(&comparisons, "e", "6", 1));
    }

    #[test]
    fn a_session_ends_when_nobody_asks_and_after_its_life_in_any_case() {
        let comparisons = Comparisons::default();
        let idle = i64::try_from(IDLE.as_secs()).expect("small");
        assert!(add(&comparisons, "a", "1", 0));
        for now in (0..3_600).step_by(500) {
            assert!(comparisons.of(&caller("a"), "1", at(now)).is_ok(), "{now}");
        }
        assert!(comparisons.of(&caller("a"), "1", at(3_600)).is_err());
        assert!(add(&comparisons, "a", "2", 0));
        assert!(comparisons.keeps("2", at(idle - 1)) && !comparisons.keeps("2", at(idle)));
    }
}
