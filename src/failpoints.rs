//! Fault points: named places where a test makes the program die, fail or wait, and bugs planted to
//! prove that a test would find them.
//!
//! They exist only in a build with the feature `failpoints`; in any other, every function here is
//! empty and nothing of it is left. What happens where is asked for in the environment:
//! `FAILPOINTS=version.before=3*off->return(kill)`, where the word in brackets is `kill`, `error`, a
//! number of milliseconds to wait, or the path of a file that is waited for until it is gone; and
//! `RACCORDO_PLANTED_BUG=<name>`.

#[cfg(feature = "failpoints")]
mod armed {
    use std::time::Duration;

    use fail::{FailScenario, fail_point};

    use crate::storage::StorageError;

    /// Between two looks whether a file is gone.
    const LOOK: Duration = Duration::from_millis(20);

    /// Reads what is asked for; it holds as long as the answer lives.
    pub fn arm() -> FailScenario<'static> {
        FailScenario::setup()
    }

    fn asked(place: &str) -> Option<String> {
        let asked = fail_or_not(place);
        if let Some(fault) = &asked {
            // By this line a test knows that the fault took place.
            tracing::error!(place, fault, "fault injected");
        }
        asked
    }

    fn fail_or_not(place: &str) -> Option<String> {
        fail_point!(place, |asked| asked);
        None
    }

    /// Passes a place, or does there what is asked for.
    pub(crate) async fn pass(place: &'static str) -> Result<(), StorageError> {
        match asked(place).as_deref() {
            None => Ok(()),
            Some("kill") => std::process::abort(),
            Some("error") => {
                Err(StorageError::Unavailable { attempted: "pass a fault point", source: place.to_owned().into() })
            }
            Some(file) if file.starts_with('/') => {
                while std::path::Path::new(file).exists() {
                    tokio::time::sleep(LOOK).await;
                }
                Ok(())
            }
            Some(other) => {
                let pause = other.parse().unwrap_or_else(|_| panic!("{place}: `{other}` is not a fault"));
                tokio::time::sleep(Duration::from_millis(pause)).await;
                Ok(())
            }
        }
    }

    /// Panics when a text contains what is asked for at this place.
    pub(crate) fn stop_on(place: &'static str, text: &str) {
        let is_it = fail_or_not(place).is_some_and(|asked| text.contains(&asked));
        assert!(!is_it, "a panic was asked for");
    }

    /// Whether this bug is planted.
    pub(crate) fn is_planted(bug: &str) -> bool {
        std::env::var_os("RACCORDO_PLANTED_BUG").is_some_and(|planted| planted == bug)
    }
}

#[cfg(not(feature = "failpoints"))]
mod absent {
    use std::future::{Ready, ready};

    use crate::storage::StorageError;

    #[inline]
    pub(crate) fn pass(_place: &'static str) -> Ready<Result<(), StorageError>> {
        ready(Ok(()))
    }

    #[inline]
    pub(crate) fn stop_on(_place: &'static str, _text: &str) {}

    #[inline]
    pub(crate) const fn is_planted(_bug: &str) -> bool {
        false
    }
}

#[cfg(not(feature = "failpoints"))]
pub(crate) use absent::{is_planted, pass, stop_on};
#[cfg(feature = "failpoints")]
pub use armed::arm;
#[cfg(feature = "failpoints")]
pub(crate) use armed::{is_planted, pass, stop_on};
