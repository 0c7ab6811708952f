//! The patience that the flow asks for: the rules of [`super::retry`], with real chance.

use std::time::Duration;

use super::retry::{self, Chance, Pause};
use crate::flow::Patience;

/// Exponential pauses with full jitter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff;

impl Patience for Backoff {
    fn pause(&self, attempts: u32, since: Duration, asked: Option<Duration>) -> Option<Duration> {
        match retry::pause(attempts, since, asked, Chance(fastrand::u64(..))) {
            Pause::For(pause) => Some(pause),
            Pause::GiveUp => None,
        }
    }

    fn longest(&self) -> Duration {
        retry::SHORT_CAP
    }

    fn follow(&self, since: Duration) -> Duration {
        retry::follow(since)
    }
}
