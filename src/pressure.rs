//! Backpressure: whether more may be taken in, or the ledger is to be spared.
//!
//! Records are held at their source, where nothing is lost: a read is not begun, waits between two
//! batches, or ends incomplete with its cursor where it was. Deliveries go on, because they make
//! the queue shorter; the room that intake leaves on the disk is the reserve in which their
//! outcomes are written. Each limit is two, so that intake does not flutter between them.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use canonical::values::UtcInstant;

use crate::clock::{Clock, between};
use crate::storage::{StorageError, Store};

const MEBIBYTE: u64 = 1024 * 1024;
/// Deliveries are counted no more often than this: a count reads an index from end to end.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// Between two looks while intake is held.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a read under way waits: longer, and the other side would have closed the connection.
const PATIENCE: Duration = Duration::from_mins(1);
/// The part of the room that intake leaves free in which no delivery is begun either: those under
/// way still write their outcomes into it.
const RESERVE: u64 = 4;

/// When intake is held, and when it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PressureLimits {
    /// Held when fewer bytes than this are free where the database stands.
    pub hold_below_bytes: u64,
    /// Goes on when at least so many are.
    pub resume_above_bytes: u64,
    /// Held when more deliveries than this are open.
    pub hold_above_open: u64,
    /// Goes on when fewer than this are.
    pub resume_below_open: u64,
}

impl Default for PressureLimits {
    fn default() -> Self {
        Self {
            hold_below_bytes: 256 * MEBIBYTE,
            resume_above_bytes: 512 * MEBIBYTE,
            hold_above_open: 1_000_000,
            resume_below_open: 800_000,
        }
    }
}

/// What weighs on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Deliveries that we still have to bring forward.
    pub open: u64,
    /// Free bytes where the database stands; none when that cannot be asked.
    pub free_bytes: Option<u64>,
}

/// Why intake is held: what, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Hold {
    /// The disk is nearly full.
    #[error(
        "intake is held: only {} MiB are free on the disk of the database; make room until {} MiB are free, then read again",
        free_bytes / MEBIBYTE,
        resume_above_bytes / MEBIBYTE
    )]
    Disk {
        /// Bytes that are free.
        free_bytes: u64,
        /// Bytes that must be free for intake to go on.
        resume_above_bytes: u64,
    },
    /// The queue is too long.
    #[error(
        "intake is held: {open} deliveries are open; let the daemon or `raccordo sync` deliver until fewer than {resume_below} are, then read again"
    )]
    Queue {
        /// Deliveries that are open.
        open: u64,
        /// Intake goes on when fewer than this are.
        resume_below: u64,
    },
    /// The database can no longer be written.
    #[error("intake is held: the database can no longer be written ({problem}); start the program again")]
    Storage {
        /// Why.
        problem: String,
    },
}

/// Decides whether intake is held, given whether it was.
pub fn pressure(before: Option<&Hold>, load: Load, limits: &PressureLimits) -> Option<Hold> {
    let is_short_of_room = load.free_bytes.filter(|free| match before {
        Some(Hold::Disk { .. }) => *free < limits.resume_above_bytes,
        _ => *free < limits.hold_below_bytes,
    });
    if let Some(free_bytes) = is_short_of_room {
        return Some(Hold::Disk { free_bytes, resume_above_bytes: limits.resume_above_bytes });
    }
    let is_long = match before {
        Some(Hold::Queue { .. }) => load.open >= limits.resume_below_open,
        _ => load.open > limits.hold_above_open,
    };
    is_long.then_some(Hold::Queue { open: load.open, resume_below: limits.resume_below_open })
}

/// Says how many bytes are free where the database stands.
pub type FreeSpace = Box<dyn Fn() -> std::io::Result<u64> + Send + Sync>;

/// Says how many bytes an unprivileged process may still write to the disk of a folder.
pub fn free_space_of(folder: PathBuf) -> FreeSpace {
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    Box::new(move || {
        let disk = rustix::fs::statvfs(&folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    })
}

/// The gate through which everything is taken in.
pub struct IntakeGate {
    limits: PressureLimits,
    free_space: FreeSpace,
    patience: Duration,
    seen: Mutex<Seen>,
    is_blind: AtomicBool,
    has_reserve: AtomicBool,
}

#[derive(Debug, Default)]
struct Seen {
    hold: Option<Hold>,
    open: u64,
    counted_at: Option<UtcInstant>,
}

impl IntakeGate {
    /// A gate with these limits.
    pub fn new(limits: PressureLimits, free_space: FreeSpace) -> Self {
        Self {
            limits,
            free_space,
            patience: PATIENCE,
            seen: Mutex::default(),
            is_blind: AtomicBool::new(false),
            has_reserve: AtomicBool::new(true),
        }
    }

    /// A gate that only a storage failure closes.
    pub fn wide_open() -> Self {
        let limits = PressureLimits {
            hold_below_bytes: 0,
            resume_above_bytes: 0,
            hold_above_open: u64::MAX,
            resume_below_open: u64::MAX,
        };
        Self::new(limits, Box::new(|| Ok(u64::MAX)))
    }

    /// The same gate, at which a read under way waits so long at most.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Whether intake is held now, and why.
    pub async fn hold(&self, store: &dyn Store, clock: &dyn Clock) -> Result<Option<Hold>, StorageError> {
        if let Some(problem) = store.failure() {
            return Ok(self.now_seen(Some(Hold::Storage { problem })));
        }
        let open = self.open(store, clock.now()).await?;
        let load = Load { open, free_bytes: self.free_bytes() };
        let before = self.seen().hold.clone();
        Ok(self.now_seen(pressure(before.as_ref(), load, &self.limits)))
    }

    /// Lets a read under way go on: at once, or when the pressure has fallen. Past the patience the
    /// read ends.
    pub async fn pass(&self, store: &dyn Store, clock: &dyn Clock) -> Result<Result<(), Hold>, StorageError> {
        let mut waited = Duration::ZERO;
        while let Some(hold) = self.hold(store, clock).await? {
            if waited >= self.patience || matches!(hold, Hold::Storage { .. }) {
                return Ok(Err(hold));
            }
            tokio::time::sleep(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
        Ok(Ok(()))
    }

    /// Waits for as long as `is_held` says that the hold matters. What cannot be looked at now is
    /// looked at again.
    pub async fn wait_while(&self, store: &dyn Store, clock: &dyn Clock, is_held: impl Fn(&Hold) -> bool) {
        loop {
            match self.hold(store, clock).await {
                Ok(hold) if !hold.as_ref().is_some_and(&is_held) => return,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "pressure not known, looking again"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether deliveries may be begun: a request whose outcome cannot be written would only make a
    /// doubt.
    pub fn may_deliver(&self, store: &dyn Store) -> bool {
        if store.failure().is_some() {
            return false;
        }
        let reserve = self.limits.hold_below_bytes / RESERVE;
        let has_reserve = self.free_bytes().is_none_or(|free| free >= reserve);
        if self.has_reserve.swap(has_reserve, Ordering::Relaxed) != has_reserve {
            if has_reserve {
                tracing::info!("deliveries go on");
            } else {
                tracing::error!(reserve, "disk of the database full: no delivery is begun, make room");
            }
        }
        has_reserve
    }

    /// Whether what can be asked for again may take room too: with as much left that intake goes on, and
    /// a margin beside it.
    pub fn has_room_to_spare(&self) -> bool {
        let PressureLimits { hold_below_bytes, resume_above_bytes, .. } = self.limits;
        let wanted = hold_below_bytes.max(resume_above_bytes).saturating_add(hold_below_bytes / RESERVE);
        self.free_bytes().is_none_or(|free| free >= wanted)
    }

    async fn open(&self, store: &dyn Store, now: UtcInstant) -> Result<u64, StorageError> {
        {
            let seen = self.seen();
            // A clock that was set back must not keep an old count alive.
            let is_fresh = |at: UtcInstant| between(at, now).max(between(now, at)) < COUNT_EVERY;
            if seen.counted_at.is_some_and(is_fresh) {
                return Ok(seen.open);
            }
        }
        let open = store.open_deliveries().await?;
        let mut seen = self.seen();
        (seen.open, seen.counted_at) = (open, Some(now));
        Ok(open)
    }

    fn free_bytes(&self) -> Option<u64> {
        match (self.free_space)() {
            Ok(free) => {
                self.is_blind.store(false, Ordering::Relaxed);
                Some(free)
            }
            Err(error) => {
                if !self.is_blind.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "free space of the disk not known");
                }
                None
            }
        }
    }

    /// Remembers what was seen, and tells it when it is news.
    fn now_seen(&self, hold: Option<Hold>) -> Option<Hold> {
        let before = std::mem::replace(&mut self.seen().hold, hold.clone());
        match (&before, &hold) {
            (None, Some(why)) => tracing::warn!(%why, "intake held"),
            (Some(_), None) => tracing::info!("intake goes on"),
            _ => {}
        }
        hold
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for IntakeGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntakeGate").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PressureLimits = PressureLimits {
        hold_below_bytes: 100,
        resume_above_bytes: 200,
        hold_above_open: 1000,
        resume_below_open: 800,
    };

    fn check(before: Option<&Hold>, free: u64, open: u64) -> Option<Hold> {
        pressure(before, Load { open, free_bytes: Some(free) }, &LIMITS)
    }

    fn disk(free_bytes: u64) -> Hold {
        Hold::Disk { free_bytes, resume_above_bytes: 200 }
    }

    fn queue(open: u64) -> Hold {
        Hold::Queue { open, resume_below: 800 }
    }

    #[test]
    fn intake_is_held_below_one_limit_and_goes_on_above_another() {
        assert_eq!(check(None, 100, 0), None, "just enough");
        assert_eq!(check(None, 99, 0), Some(disk(99)));
        assert_eq!(check(Some(&disk(99)), 199, 0), Some(disk(199)), "not yet");
        assert_eq!(check(Some(&disk(199)), 200, 0), None);
    }

    #[test]
    fn a_long_queue_holds_intake_until_it_is_clearly_shorter() {
        assert_eq!(check(None, 500, 1000), None);
        assert_eq!(check(None, 500, 1001), Some(queue(1001)));
        assert_eq!(check(Some(&queue(1001)), 500, 800), Some(queue(800)), "not yet");
        assert_eq!(check(Some(&queue(800)), 500, 799), None);
    }

    #[test]
    fn one_reason_can_follow_another() {
        assert_eq!(check(Some(&queue(2000)), 50, 2000), Some(disk(50)), "the disk is the nearer danger");
        assert_eq!(check(Some(&disk(50)), 500, 2000), Some(queue(2000)));
        assert_eq!(check(Some(&disk(50)), 500, 900), None, "the queue alone would not have held it");
    }

    #[test]
    fn a_disk_that_cannot_be_asked_holds_nothing() {
        assert_eq!(pressure(None, Load { open: 0, free_bytes: None }, &LIMITS), None);
    }

    #[test]
    fn what_can_be_asked_for_again_leaves_more_room_than_intake_needs_to_go_on() {
        let has_room = |free| IntakeGate::new(LIMITS, Box::new(move || Ok(free))).has_room_to_spare();
        assert!(has_room(225));
        assert!(!has_room(224), "a result must never be what holds intake");
        let unknown = IntakeGate::new(LIMITS, Box::new(|| Err(std::io::Error::other("no disk"))));
        assert!(unknown.has_room_to_spare());
    }

    #[test]
    fn the_free_space_of_a_folder_is_known_and_that_of_no_folder_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(free_space_of(folder.path().to_owned())().expect("known") > 0);
        assert!(free_space_of(PathBuf::new())().is_ok(), "the current folder");
        assert!(free_space_of(folder.path().join("absent"))().is_err());
    }

    #[test]
    fn a_hold_says_what_and_why_and_what_to_do() {
        let hold = Hold::Disk { free_bytes: 12 * MEBIBYTE, resume_above_bytes: 512 * MEBIBYTE };
        let words = hold.to_string();
        for part in ["held", "12 MiB", "make room until 512 MiB"] {
            assert!(words.contains(part), "{words}");
        }
    }
}
