//! What is remembered of registered keys, and how long each promise holds. Pure: it asks nobody, and
//! time comes from whoever calls.
//!
//! | what | how long it is believed |
//! |---|---|
//! | a key | `kept_seconds` after the platform gave it |
//! | a key, while somebody asks for it again | [`RENEWAL_SECONDS`] after that, or after a question without answer |
//! | a key, whatever was asked since | never longer than `silence_seconds` after the platform gave it |
//! | a key, right after a question without answer | [`PAUSE_SECONDS`], without another question |
//! | that nobody has registered a name | `absent_seconds` |
//! | that the platform gives no answer for a name | [`PAUSE_SECONDS`]: then it is asked again |
//!
//! Whoever asks may go away before the answer, which then says nothing: only a question that was asked to
//! its end keeps an old key in use.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use canonical::values::UtcInstant;

use crate::jose::seconds;
use crate::pdnd::api::{Register, RegisteredKey};

/// After a question without an answer the same is not asked again for this long: those who wait
/// behind one that took its whole time do not each wait as long.
pub const PAUSE_SECONDS: i64 = 10;

/// For how long an old key serves while somebody asks whether it is still good: counted from the end of
/// its time, and from the last question without an answer.
const RENEWAL_SECONDS: i64 = 60;

/// For how long what the platform said of a name is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// A key.
    pub kept_seconds: i64,
    /// A key, while the platform gives no answer; never less than the above.
    pub silence_seconds: i64,
    /// That a name is nobody's. Look-ups are counted, those that find nothing as well.
    pub absent_seconds: i64,
    /// The most names that are remembered; absent ones go first.
    pub most: usize,
}

impl Keeping {
    /// For who follows the events: they say when a key is withdrawn.
    pub const FOLLOWED: Self =
        Self { kept_seconds: 30 * 86_400, silence_seconds: 30 * 86_400, absent_seconds: 60, most: 10_000 };
    /// For who does not: a key that was withdrawn is believed an hour longer, a minute more while somebody
    /// asks, and a day while the platform is silent.
    pub const UNFOLLOWED: Self =
        Self { kept_seconds: 3_600, silence_seconds: 86_400, absent_seconds: 60, most: 10_000 };
}

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// The key, or that nobody has it.
    Known(Option<RegisteredKey>),
    /// Nothing that may serve before the answer: it is to be asked for.
    Ask,
    /// It is to be asked for again, and until the answer comes this one still serves.
    Renew(RegisteredKey),
    /// Nothing, and the platform gave no answer a moment ago.
    Silent,
}

/// A key is named by its register and its `kid`.
pub(super) type Name = (Register, String);

#[derive(Debug, Default)]
struct Remembered {
    /// What the platform said, and when.
    said: Option<(Option<RegisteredKey>, i64)>,
    /// When it gave no answer.
    silent_at: Option<i64>,
}

impl Remembered {
    /// The key, while the platform is silent.
    fn in_silence(&self, keeping: Keeping, now: i64) -> Option<&RegisteredKey> {
        let (found, since) = self.said.as_ref()?;
        found.as_ref().filter(|_| now.saturating_sub(*since) < keeping.silence_seconds)
    }

    /// Whether the key may serve while somebody asks for it: its time is hardly over, or the platform gave
    /// no answer lately.
    fn may_serve_meanwhile(&self, keeping: Keeping, now: i64) -> bool {
        let is_within = |since: i64, life: i64| now.saturating_sub(since) < life;
        let life = keeping.kept_seconds.saturating_add(RENEWAL_SECONDS);
        self.said.as_ref().is_some_and(|(_, since)| is_within(*since, life))
            || self.silent_at.is_some_and(|at| is_within(at, RENEWAL_SECONDS))
    }

    fn look(&self, keeping: Keeping, now: i64) -> Look {
        if let Some((found, since)) = &self.said {
            let life = if found.is_some() { keeping.kept_seconds } else { keeping.absent_seconds };
            if now.saturating_sub(*since) < life {
                return Look::Known(found.clone());
            }
        }
        let old = self.in_silence(keeping, now).cloned();
        if self.silent_at.is_none_or(|at| now.saturating_sub(at) >= PAUSE_SECONDS) {
            return old.filter(|_| self.may_serve_meanwhile(keeping, now)).map_or(Look::Ask, Look::Renew);
        }
        old.map_or(Look::Silent, |key| Look::Known(Some(key)))
    }
}

/// The memory.
#[derive(Debug)]
pub(super) struct Memory {
    keeping: Keeping,
    names: Mutex<HashMap<Name, Remembered>>,
}

impl Memory {
    pub(super) fn new(keeping: Keeping) -> Self {
        Self { keeping, names: Mutex::default() }
    }

    pub(super) fn look(&self, register: Register, kid: &str, now: UtcInstant) -> Look {
        let names = self.names();
        let remembered = names.get(&(register, kid.to_owned()));
        remembered.map_or(Look::Ask, |remembered| remembered.look(self.keeping, seconds(now)))
    }

    /// Whether the platform gave a key of this name, however long ago: then nobody invented it.
    pub(super) fn had_key(&self, register: Register, kid: &str) -> bool {
        let names = self.names();
        let said = names.get(&(register, kid.to_owned())).and_then(|remembered| remembered.said.as_ref());
        said.is_some_and(|(found, _)| found.is_some())
    }

    /// The platform said this of a name.
    pub(super) fn said(&self, register: Register, kid: &str, found: Option<RegisteredKey>, now: UtcInstant) {
        let said = Some((found, seconds(now)));
        self.room(register, kid, now).insert((register, kid.to_owned()), Remembered { said, silent_at: None });
    }

    /// The platform gave no answer for a name.
    pub(super) fn was_silent(&self, register: Register, kid: &str, now: UtcInstant) {
        let mut names = self.room(register, kid, now);
        names.entry((register, kid.to_owned())).or_default().silent_at = Some(seconds(now));
    }

    /// Forgets a name. True when it had a key.
    pub(super) fn forget(&self, register: Register, kid: &str) -> bool {
        let forgotten = self.names().remove(&(register, kid.to_owned()));
        forgotten.and_then(|remembered| remembered.said).is_some_and(|(found, _)| found.is_some())
    }

    /// The names, with room for this one.
    fn room(&self, register: Register, kid: &str, now: UtcInstant) -> MutexGuard<'_, HashMap<Name, Remembered>> {
        let mut names = self.names();
        let most = self.keeping.most;
        if names.len() >= most && !names.contains_key(&(register, kid.to_owned())) {
            names.retain(|_, remembered| remembered.in_silence(self.keeping, seconds(now)).is_some());
            // Keys are asked for again; a memory without end is not.
            if names.len() >= most {
                names.clear();
            }
        }
        names
    }

    fn names(&self) -> MutexGuard<'_, HashMap<Name, Remembered>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::jose::PublicKey;

    const KEEPING: Keeping = Keeping { kept_seconds: 3_600, silence_seconds: 86_400, absent_seconds: 60, most: 3 };
    const CLIENTS: Register = Register::Clients;

    fn at(seconds: i64) -> UtcInstant {
        UtcInstant::from_unix_micros(seconds * 1_000_000).unwrap()
    }

    fn key(owner: &str) -> RegisteredKey {
        let key = Arc::new(PublicKey::rsa(&[3; 256], &[1, 0, 1]));
        RegisteredKey { owner: owner.to_owned(), key }
    }

    #[test]
    fn a_key_is_believed_for_its_time_and_a_day_while_the_platform_is_silent() {
        let memory = Memory::new(KEEPING);
        assert_eq!(memory.look(CLIENTS, "k", at(0)), Look::Ask);
        memory.said(CLIENTS, "k", Some(key("c")), at(0));
        assert_eq!(memory.look(CLIENTS, "k", at(3_599)), Look::Known(Some(key("c"))));
        assert_eq!(memory.look(CLIENTS, "k", at(3_600)), Look::Renew(key("c")), "it serves until an answer comes");
        assert_eq!(memory.look(Register::Keychains, "k", at(1)), Look::Ask, "each register has its own names");
        memory.was_silent(CLIENTS, "k", at(3_600));
        assert_eq!(memory.look(CLIENTS, "k", at(3_609)), Look::Known(Some(key("c"))));
        assert_eq!(memory.look(CLIENTS, "k", at(3_610)), Look::Renew(key("c")), "the platform is asked again");
        memory.was_silent(CLIENTS, "k", at(86_399));
        assert_eq!(memory.look(CLIENTS, "k", at(86_399)), Look::Known(Some(key("c"))));
        assert_eq!(memory.look(CLIENTS, "k", at(86_400)), Look::Silent, "no longer than a day");
    }

    #[test]
    fn an_old_key_serves_for_a_minute_while_somebody_asks_and_longer_only_after_a_question_without_answer() {
        let memory = Memory::new(KEEPING);
        memory.said(CLIENTS, "k", Some(key("c")), at(0));
        assert_eq!(memory.look(CLIENTS, "k", at(3_659)), Look::Renew(key("c")));
        assert_eq!(memory.look(CLIENTS, "k", at(3_660)), Look::Ask, "who went away has asked nothing");
        memory.was_silent(CLIENTS, "k", at(7_000));
        assert_eq!(memory.look(CLIENTS, "k", at(7_009)), Look::Known(Some(key("c"))));
        assert_eq!(memory.look(CLIENTS, "k", at(7_059)), Look::Renew(key("c")));
        assert_eq!(memory.look(CLIENTS, "k", at(7_060)), Look::Ask, "a silence of a minute ago is over");
        memory.said(CLIENTS, "nobody's", None, at(0));
        assert_eq!(
            ["k", "nobody's", "never asked for"].map(|kid| memory.had_key(CLIENTS, kid)),
            [true, false, false],
            "what was a key once is not invented"
        );
    }

    #[test]
    fn that_a_name_is_nobodys_is_believed_for_a_minute_and_never_in_silence() {
        let memory = Memory::new(KEEPING);
        memory.said(CLIENTS, "k", None, at(0));
        assert_eq!(memory.look(CLIENTS, "k", at(59)), Look::Known(None));
        assert_eq!(memory.look(CLIENTS, "k", at(60)), Look::Ask);
        memory.was_silent(CLIENTS, "k", at(60));
        assert_eq!(memory.look(CLIENTS, "k", at(60)), Look::Silent);
        memory.said(CLIENTS, "k", Some(key("c")), at(61));
        assert_eq!(memory.look(CLIENTS, "k", at(62)), Look::Known(Some(key("c"))), "silence ends with an answer");
    }

    #[test]
    fn a_full_memory_forgets_absent_names_first_and_never_grows() {
        let memory = Memory::new(KEEPING);
        memory.said(CLIENTS, "mine", Some(key("c")), at(0));
        memory.said(CLIENTS, "a", None, at(0));
        memory.was_silent(CLIENTS, "b", at(0));
        memory.said(CLIENTS, "mine", Some(key("c")), at(1));
        assert_eq!(memory.look(CLIENTS, "a", at(1)), Look::Known(None), "nothing was pushed out by itself");
        memory.said(CLIENTS, "d", None, at(1));
        assert_eq!(memory.look(CLIENTS, "mine", at(1)), Look::Known(Some(key("c"))));
        assert_eq!(
            (memory.look(CLIENTS, "a", at(1)), memory.look(CLIENTS, "d", at(1))),
            (Look::Ask, Look::Known(None))
        );
        for name in ["e", "f", "g"] {
            memory.said(CLIENTS, name, Some(key("c")), at(2));
            assert!(memory.names().len() <= KEEPING.most);
        }
        assert_eq!(memory.look(CLIENTS, "g", at(2)), Look::Known(Some(key("c"))));
    }

    #[test]
    fn a_key_that_is_forgotten_is_asked_for_again() {
        let memory = Memory::new(KEEPING);
        memory.said(CLIENTS, "k", Some(key("c")), at(0));
        memory.said(CLIENTS, "l", None, at(0));
        assert_eq!(
            [memory.forget(CLIENTS, "k"), memory.forget(CLIENTS, "l"), memory.forget(CLIENTS, "k")],
            [true, false, false]
        );
        assert_eq!(memory.look(CLIENTS, "k", at(0)), Look::Ask);
    }
}
