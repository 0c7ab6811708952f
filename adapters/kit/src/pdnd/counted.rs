//! Who is told of the calls that the tracing file counts, while they are made.
//!
//! An adapter is built from settings alone and knows nothing of it: whoever builds one says who counts
//! what it calls, with [`counted_by`]. Where nobody says it, nobody counts.

use std::cell::RefCell;
use std::sync::Arc;

/// A call that got an answer, and whose voucher was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The purpose of its voucher.
    pub purpose_id: &'a str,
    /// The name of its voucher: not that of a signature.
    pub token_id: &'a str,
    /// The status of the answer.
    pub status: u16,
}

/// Whoever counts calls.
pub trait Counter: Send + Sync {
    /// Counts a call, now. It waits for nothing.
    fn count(&self, call: Call<'_>);
}

thread_local! {
    static COUNTER: RefCell<Option<Arc<dyn Counter>>> = const { RefCell::new(None) };
}

/// Builds something. The calls of all the clients that are made meanwhile are told to this counter, for
/// as long as they live.
pub fn counted_by<T>(counter: Arc<dyn Counter>, build: impl FnOnce() -> T) -> T {
    let _before = Before(COUNTER.replace(Some(counter)));
    build()
}

/// Who counts what is built here and now.
pub(super) fn counter() -> Option<Arc<dyn Counter>> {
    COUNTER.with_borrow(Clone::clone)
}

/// Whoever counted before counts again afterwards, however the building ends.
struct Before(Option<Arc<dyn Counter>>);

impl Drop for Before {
    fn drop(&mut self) {
        COUNTER.replace(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Counter for Nobody {
        fn count(&self, _call: Call<'_>) {}
    }

    #[test]
    fn who_counts_is_known_inside_alone_even_where_building_fails() {
        let built = counted_by(Arc::new(Nobody), counter);
        assert!(built.is_some() && counter().is_none());
        let failed = std::panic::catch_unwind(|| counted_by(Arc::new(Nobody), || panic!("not built")));
        assert!(failed.is_err() && counter().is_none());
    }
}
