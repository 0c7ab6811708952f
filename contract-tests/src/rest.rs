//! Waiting for processes: there is no event to wait for, and no worker that could be blocked.

use std::time::Duration;

/// Waits on this thread, which is nobody's worker.
#[allow(clippy::disallowed_methods, reason = "a thread of its own waits for another process")]
pub(crate) fn rest(time: Duration) {
    std::thread::sleep(time);
}
