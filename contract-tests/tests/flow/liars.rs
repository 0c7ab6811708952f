//! Systems that tell one thing in few words and list another. Nobody knows which of the two is so: nothing
//! of it is closed, nothing of it is opened, and why is said in the words of people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use canonical::Digest;
use contract::{
    Adapter, AdapterError, Capability, Composed, DigestPage, Digests, FieldValue, InventoryPage, KeyRange,
    ObservedUnit, Observer, RangeDigest, Target, UnitDigest, UnitKey, rows_digest,
};
use raccordo::flow::{Flow, reconcile};
use raccordo::storage::{Reconciliation, Verdict};
use simulated::Simulated;

use crate::bench::{TestFlow, lotto, unit};

/// What the system does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// It tells a digest that nothing has.
    TellsAnother,
    /// It lists the fifth unit as we would like it.
    ListsAsExpected,
    /// It does not list the fifth unit.
    LeavesOut,
    /// It lists a unit that it does not hold.
    ListsMore,
    /// It tells no range, but what its pages announce; the second page is not what the first one announced.
    ListsAnotherPage,
}

struct Liar {
    inner: Simulated,
    lie: Lie,
    /// The digest of the fifth unit as it should be.
    expected: Digest,
    /// How many times it still lies.
    times: AtomicU32,
}

impl Liar {
    fn lies(&self, lie: Lie) -> bool {
        let lies = |times: u32| times.checked_sub(1);
        self.lie == lie && self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lies).is_ok()
    }
}

impl Adapter for Liar {
    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    fn target(&self) -> Option<&dyn Target> {
        self.inner.target()
    }

    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
    }
}

#[async_trait]
impl Observer for Liar {
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        self.inner.inventory(from).await
    }

    fn digests(&self) -> Option<&dyn Digests> {
        Some(self)
    }
}

#[async_trait]
impl Digests for Liar {
    fn digest_of(&self, composed: &Composed) -> Option<Digest> {
        self.inner.digest_of(composed)
    }

    async fn ranges(&self, ranges: &[KeyRange]) -> Result<Option<Vec<RangeDigest>>, AdapterError> {
        if self.lie == Lie::ListsAnotherPage {
            return Ok(None);
        }
        let mut told = self.inner.ranges(ranges).await?;
        if self.lies(Lie::TellsAnother) {
            for range in told.iter_mut().flatten() {
                range.digest = Digest::of(b"another");
            }
        }
        Ok(told)
    }

    async fn list(&self, range: &KeyRange) -> Result<DigestPage, AdapterError> {
        let mut page = self.inner.list(range).await?;
        if self.lie != Lie::ListsAnotherPage {
            page.whole = None;
        }
        if let Some(fifth) = page.units.iter().position(|listed| listed.key == unit(5)) {
            if self.lies(Lie::ListsAsExpected) || self.lies(Lie::ListsAnotherPage) {
                page.units[fifth].digest = self.expected;
            }
            if self.lies(Lie::LeavesOut) {
                page.units.remove(fifth);
            }
        }
        if page.next.is_none() && self.lies(Lie::ListsMore) {
            page.units.push(UnitDigest { key: UnitKey("z".to_owned()), digest: self.expected });
        }
        Ok(page)
    }

    async fn observe(&self, keys: &[UnitKey]) -> Result<Vec<ObservedUnit>, AdapterError> {
        self.inner.observe(keys).await
    }
}

fn tamper(test: &TestFlow, number: u32) {
    let held = test.target.held();
    let object = held[0].1[0].fields.keys().find(|key| key.contains("oggetto")).expect("the object");
    assert!(test.target.tamper(&unit(number), object, Some(&FieldValue::Text("un ponte".to_owned()))));
}

/// A target of which one difference is known and another one is not yet, and the digest of the known one as
/// it should be.
async fn with_two_differences() -> (TestFlow, Digest) {
    let test = TestFlow::new().await;
    let lines: Vec<String> = (1..=12).map(|number| lotto(number, "una scuola")).collect();
    test.read("a", &lines).await;
    test.work().await;
    let fifth = test.target.held().into_iter().find(|(key, _)| *key == unit(5)).expect("held");
    tamper(&test, 5);
    let known = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((known.verdict(), known.standing.open), (Verdict::Differ, 1));
    tamper(&test, 2);
    test.target.set_page_size(4);
    (test, rows_digest(&fifth.1))
}

async fn compare(test: &TestFlow, expected: Digest, lie: Lie, times: u32) -> Reconciliation {
    let liar = Liar { inner: test.target.clone(), lie, expected, times: AtomicU32::new(times) };
    let origin = Arc::new(test.origin.clone()) as Arc<dyn Adapter>;
    let target = Arc::new(liar) as Arc<dyn Adapter>;
    let systems = BTreeMap::from([("origin".to_owned(), origin), ("target".to_owned(), target)]);
    let flow = Flow { systems: Arc::new(systems), ..test.flow.clone() };
    reconcile::compare(&flow, "target", true).await.expect("compared")
}

#[tokio::test]
async fn whoever_tells_one_thing_and_lists_another_closes_and_opens_nothing() {
    for lie in [Lie::TellsAnother, Lie::ListsAsExpected, Lie::LeavesOut, Lie::ListsMore, Lie::ListsAnotherPage] {
        let (test, expected) = with_two_differences().await;
        let result = compare(&test, expected, lie, u32::MAX).await;
        assert_eq!(result.verdict(), Verdict::Incomplete, "{lie:?}");
        assert_eq!((result.changes.opened, result.changes.closed, result.standing.open), (0, 0, 1), "{lie:?}");
        assert_eq!((result.counts.missing_there, result.counts.missing_here), (0, 0), "{lie:?}");
        let because = result.incomplete_because.expect("a reason");
        assert!(because.contains("non corrisponde all'impronta che il sistema stesso dichiara"), "{lie:?}: {because}");
        assert_eq!(test.step().await, 0, "and nothing is sent again: {lie:?}");
        let honest = reconcile::compare(&test.flow, "target", false).await.expect("compared");
        assert_eq!((honest.verdict(), honest.standing.open), (Verdict::Differ, 2), "{lie:?}");
    }
}

#[tokio::test]
async fn what_changes_while_it_is_being_counted_is_asked_for_again() {
    for lie in [Lie::TellsAnother, Lie::ListsAsExpected, Lie::LeavesOut, Lie::ListsMore] {
        let (test, expected) = with_two_differences().await;
        let result = compare(&test, expected, lie, 1).await;
        assert_eq!((result.verdict(), result.counts.different), (Verdict::Differ, 2), "{lie:?}");
        assert_eq!((result.changes.opened, result.changes.closed), (1, 0), "{lie:?}");
    }
}
