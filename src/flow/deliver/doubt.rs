//! Doubt: when a shipment whose fate is not known may be sent again.
//!
//! A target that honours idempotency keys may be sent the same at any time. Any other may go on working
//! on a request after we have stopped waiting, or after the process that sent it was killed: it says
//! that it holds nothing, and holds it a moment later. It is given time to finish, and is asked again
//! meanwhile. What we send ends long before that time is over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use canonical::values::UtcInstant;
use contract::{AdapterError, ErrorKind, Phase};
use tokio::time::Instant;

use crate::clock::after;

/// When what may have arrived is sent again.
#[derive(Debug, Clone)]
pub struct Resend {
    after: Duration,
    honours_keys: Arc<BTreeSet<String>>,
}

/// As the configuration says when it says nothing.
pub const RESEND_AFTER: Duration = Duration::from_secs(90);

impl Default for Resend {
    fn default() -> Self {
        Self::new(RESEND_AFTER, BTreeSet::new())
    }
}

impl Resend {
    /// So long after an attempt began, by targets that are not named as honouring keys.
    pub fn new(after: Duration, honours_keys: BTreeSet<String>) -> Self {
        Self { after, honours_keys: Arc::new(honours_keys) }
    }

    /// How long one attempt may last: the rest of the time is the target's, to finish what it began.
    pub fn longest_attempt(&self) -> Duration {
        self.after * 2 / 3
    }

    /// How long to wait after the start of an attempt so that the longest request, and half as much
    /// again, lie within it.
    pub fn at_least(longest_request: Duration) -> Duration {
        Duration::from_secs((longest_request * 3).as_secs().div_ceil(2))
    }

    /// Whether a target takes what comes again under its key once.
    pub fn honours_keys(&self, target: &str) -> bool {
        self.honours_keys.contains(target)
    }

    /// Until when an attempt that began then may still take effect there.
    pub fn uncertain_until(&self, target: &str, began: Option<UtcInstant>) -> Option<UtcInstant> {
        began.filter(|_| !self.honours_keys(target)).map(|began| after(began, self.after))
    }

    /// When an attempt that begins now is cut off.
    pub fn attempt_ends(&self) -> Instant {
        Instant::now() + self.longest_attempt()
    }

    /// An attempt, cut off where it would last too long. One that comes too late is not begun: the time
    /// that was kept for the target would be spent by us.
    pub async fn within<T>(
        &self,
        target: &str,
        ends: Instant,
        attempt: impl Future<Output = Result<T, AdapterError>>,
    ) -> Result<T, AdapterError> {
        if self.honours_keys(target) {
            return attempt.await;
        }
        let cut_off = || {
            let error = AdapterError::new(ErrorKind::Timeout, "sending: it took longer than an attempt may take");
            Err(error.phase(Phase::Unknown))
        };
        if Instant::now() >= ends {
            let error = AdapterError::new(ErrorKind::Timeout, "sending: too much time went before it was begun");
            return Err(error.phase(Phase::BeforeSending));
        }
        tokio::time::timeout_at(ends, attempt).await.unwrap_or_else(|_| cut_off())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UtcInstant {
        UtcInstant::from_unix_micros(seconds * 1_000_000).expect("a near instant")
    }

    #[test]
    fn only_a_target_without_keys_is_given_time_to_finish() {
        let resend = Resend::new(Duration::from_secs(90), ["hub".to_owned()].into());
        assert_eq!(resend.uncertain_until("hub", Some(at(10))), None);
        assert_eq!(resend.uncertain_until("pad", Some(at(10))), Some(at(100)));
        assert_eq!(resend.uncertain_until("pad", None), None, "nothing was ever sent");
    }

    #[test]
    fn the_longest_request_ends_well_before_anything_is_sent_again() {
        for seconds in [1, 3, 14, 30, 60] {
            let longest = Duration::from_secs(seconds);
            let resend = Resend::new(Resend::at_least(longest), BTreeSet::new());
            assert!(resend.longest_attempt() >= longest, "{seconds}");
        }
        assert_eq!(Resend::at_least(Duration::from_secs(30)), Duration::from_secs(45));
    }

    #[tokio::test]
    async fn an_attempt_that_lasts_too_long_is_cut_off_in_doubt() {
        let resend = Resend::new(Duration::from_millis(30), ["hub".to_owned()].into());
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            Ok(())
        };
        let cut_off = resend.within("pad", resend.attempt_ends(), slow()).await.expect_err("it is cut off");
        assert_eq!((cut_off.kind, cut_off.phase), (ErrorKind::Timeout, Phase::Unknown));
        assert!(resend.within("hub", resend.attempt_ends(), slow()).await.is_ok());
    }
}
