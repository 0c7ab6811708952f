//! Answers that come late: a lease counts from when it was asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use raccordo::clock::{Clock as _, SystemClock};
use raccordo::jobs::{Handler, WorkerSettings, Workers};
use raccordo::storage::Queue as _;
use rstest::rstest;

use super::{Base, Diary, Moody, Queued, SETTINGS, eventually, jobs};

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_in_time_when_the_claim_was_answered_late(#[case] base: Base) {
    let queued = Queued::with(base, &jobs(0..1, 0)).await;
    let diary = Arc::new(Diary { pause: Duration::from_secs(4), ..Diary::default() });
    let handler: Arc<dyn Handler> = Arc::<Diary>::clone(&diary);
    // Counted from the answer, the first renewal would come half a second too late.
    let queue =
        Arc::new(Moody { queue: Arc::clone(&queued.store), rounds: None, late_by: Duration::from_millis(2800) });
    let settings = WorkerSettings { lease: Duration::from_secs(4), ..SETTINGS };
    let workers = Workers::start(queue, handler, Arc::new(SystemClock), settings);
    let mut expired = 0;
    eventually("it is done", async || {
        expired += queued.store.expire(SystemClock.now(), 5).await.expect("leases end");
        queued.count("done").await == 1
    })
    .await;
    workers.stop().await;
    assert_eq!((expired, diary.numbers().len(), diary.overlaps.load(Ordering::SeqCst)), (0, 1, 0));
}
