//! What happens while two sides are being compared: deliveries between the questions, totals that change,
//! units that are listed and not given. Nothing of it is a difference, and nothing of it is missing.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use contract::{
    Adapter, AdapterError, Capability, Composed, DigestPage, Digests, Extent, FieldValue, InventoryPage, KeyRange,
    ObservedUnit, Observer, RangeDigest, Row, Target, UnitKey,
};
use raccordo::flow::{Flow, reconcile};
use raccordo::storage::{Person, Reconciliation, Verdict};
use simulated::Simulated;

use crate::bench::{TestFlow, lotto, unit};

/// When something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    BeforePage,
    AfterPage,
    AfterRanges,
    AfterList,
    AfterObserve,
}

type Happening = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A system that is asked while something else happens.
struct Meanwhile {
    inner: Simulated,
    /// What happens, once.
    happening: Mutex<Option<(Moment, Happening)>>,
    /// Units that are listed and not given.
    withheld: Option<UnitKey>,
    /// Pages are counted, with so many units each.
    numbered: Option<usize>,
    /// Only the first page says how many units there are.
    forgets_its_total: bool,
}

impl Meanwhile {
    fn around(inner: &Simulated) -> Self {
        let inner = inner.clone();
        Self { inner, happening: Mutex::default(), withheld: None, numbered: None, forgets_its_total: false }
    }

    fn when(self, moment: Moment, happening: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { happening: Mutex::new(Some((moment, Box::pin(happening)))), ..self }
    }

    async fn pass(&self, moment: Moment) {
        let happening = self.happening.lock().expect("no panic").take_if(|(when, _)| *when == moment);
        if let Some((_, happening)) = happening {
            happening.await;
        }
    }

    fn page(&self, from: Option<&str>, size: usize) -> InventoryPage {
        let begin: usize = from.map_or(0, |from| from.parse().expect("a number"));
        let held = self.inner.held();
        let observed = |(key, rows)| ObservedUnit { key, revision: None, rows };
        let units: Vec<_> = held.iter().skip(begin).take(size).cloned().map(observed).collect();
        let next = (begin + size < held.len()).then(|| (begin + size).to_string());
        let total = Some(held.len() as u64).filter(|_| begin == 0 || !self.forgets_its_total);
        let extent = Extent { elements: units.len() as u64, total, pages: None };
        InventoryPage { units, next, extent: Some(extent) }
    }
}

impl Adapter for Meanwhile {
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
impl Observer for Meanwhile {
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        self.pass(Moment::BeforePage).await;
        let page = match self.numbered {
            Some(size) => self.page(from, size),
            None => self.inner.inventory(from).await?,
        };
        self.pass(Moment::AfterPage).await;
        Ok(page)
    }

    fn digests(&self) -> Option<&dyn Digests> {
        self.inner.digests().map(|_| self as &dyn Digests)
    }
}

#[async_trait]
impl Digests for Meanwhile {
    fn digest_of(&self, composed: &Composed) -> Option<canonical::Digest> {
        self.inner.digest_of(composed)
    }

    async fn ranges(&self, ranges: &[KeyRange]) -> Result<Option<Vec<RangeDigest>>, AdapterError> {
        let told = self.inner.ranges(ranges).await;
        self.pass(Moment::AfterRanges).await;
        told
    }

    async fn list(&self, range: &KeyRange) -> Result<DigestPage, AdapterError> {
        let page = self.inner.list(range).await;
        self.pass(Moment::AfterList).await;
        page
    }

    async fn observe(&self, keys: &[UnitKey]) -> Result<Vec<ObservedUnit>, AdapterError> {
        let mut units = self.inner.observe(keys).await?;
        units.retain(|unit| Some(&unit.key) != self.withheld.as_ref());
        self.pass(Moment::AfterObserve).await;
        Ok(units)
    }
}

async fn delivered(numbers: impl IntoIterator<Item = u32>) -> Arc<TestFlow> {
    let test = TestFlow::new().await;
    let lines: Vec<String> = numbers.into_iter().map(|number| lotto(number, "una scuola")).collect();
    test.read("a", &lines).await;
    test.work().await;
    test.clock.advance(Duration::from_secs(1));
    Arc::new(test)
}

/// A lot that is read, where it was not yet, and delivered a second later.
async fn deliver(test: Arc<TestFlow>, number: u32, object: &'static str) {
    test.clock.advance(Duration::from_secs(1));
    test.read("c", &[lotto(number, object)]).await;
    test.work().await;
    test.clock.advance(Duration::from_secs(1));
}

fn with(test: &TestFlow, target: Meanwhile) -> Flow {
    let origin = Arc::new(test.origin.clone()) as Arc<dyn Adapter>;
    let target = Arc::new(target) as Arc<dyn Adapter>;
    let systems = BTreeMap::from([("origin".to_owned(), origin), ("target".to_owned(), target)]);
    Flow { systems: Arc::new(systems), ..test.flow.clone() }
}

async fn compare(test: &TestFlow, target: Meanwhile) -> Reconciliation {
    reconcile::compare(&with(test, target), "target", true).await.expect("compared")
}

fn tamper(test: &TestFlow, number: u32) {
    let held = test.target.held();
    let object = held[0].1[0].fields.keys().find(|key| key.contains("oggetto")).expect("the object");
    assert!(test.target.tamper(&unit(number), object, Some(&FieldValue::Text("un ponte".to_owned()))));
}

#[tokio::test]
async fn a_unit_that_is_delivered_after_the_list_was_asked_for_is_not_missing() {
    let test = delivered(1..=3).await;
    test.read("b", &[lotto(4, "una scuola")]).await;
    let meanwhile = Meanwhile::around(&test.target).when(Moment::AfterList, deliver(test.clone(), 4, "una scuola"));
    let result = compare(&test, meanwhile).await;
    assert_eq!((result.counts.missing_there, result.counts.on_its_way, result.changes.opened), (0, 1, 0));
    assert_eq!((test.step().await, test.target.attempts()), (0, 4), "and it is not sent again");
    let again = compare(&test, Meanwhile::around(&test.target)).await;
    assert_eq!((again.verdict(), again.counts.equal), (Verdict::Agree, 4));
}

#[tokio::test]
async fn a_version_that_is_acknowledged_after_theirs_was_read_is_no_difference() {
    let test = delivered(1..=3).await;
    test.read("b", &[lotto(1, "una palestra")]).await;
    let meanwhile =
        Meanwhile::around(&test.target).when(Moment::AfterObserve, deliver(test.clone(), 1, "una palestra"));
    let result = compare(&test, meanwhile).await;
    assert_eq!((result.counts.different, result.counts.on_its_way, result.changes.opened), (0, 1, 0));
    assert_eq!(test.step().await, 0, "and it is not sent again");
}

#[tokio::test]
async fn a_version_that_is_acknowledged_after_its_page_was_read_is_no_difference() {
    let test = delivered(1..=40).await;
    test.target.offer_digests(false);
    let meanwhile = Meanwhile::around(&test.target).when(Moment::AfterPage, deliver(test.clone(), 36, "una palestra"));
    let result = compare(&test, meanwhile).await;
    assert_eq!((result.counts.different, result.counts.on_its_way, result.changes.opened), (0, 1, 0));
}

#[tokio::test]
async fn a_unit_that_is_first_routed_after_ours_were_read_is_known_here() {
    for (by_digest, moment) in [(true, Moment::AfterRanges), (false, Moment::BeforePage)] {
        let test = delivered([1, 2, 4]).await;
        test.target.offer_digests(by_digest);
        tamper(&test, 1);
        let meanwhile = Meanwhile::around(&test.target).when(moment, deliver(test.clone(), 3, "una scuola"));
        let result = compare(&test, meanwhile).await;
        let counts = (result.counts.missing_here, result.counts.different, result.counts.equal);
        assert_eq!(counts, (0, 1, 3), "digests: {by_digest}");
        assert_eq!((result.complete, result.changes.opened), (true, 1), "digests: {by_digest}");
    }
}

#[tokio::test]
async fn a_unit_that_is_routed_beside_another_does_not_hide_it() {
    let test = delivered([1, 2, 4]).await;
    assert!(test.target.forget(&unit(4)));
    let meanwhile = Meanwhile::around(&test.target).when(Moment::AfterList, deliver(test.clone(), 3, "una scuola"));
    let result = compare(&test, meanwhile).await;
    assert_eq!((result.counts.missing_there, result.counts.equal, result.changes.opened), (1, 2, 1));
}

#[tokio::test]
async fn what_nobody_here_knows_is_still_missing_here() {
    for by_digest in [true, false] {
        let test = delivered(1..=3).await;
        test.target.offer_digests(by_digest);
        for key in ["a", "lotto/B", "z"] {
            test.target.plant(UnitKey(key.to_owned()), vec![Row::new(key)]);
        }
        let result = compare(&test, Meanwhile::around(&test.target)).await;
        assert_eq!((result.complete, result.counts.missing_here, result.counts.equal), (true, 3, 3));
    }
}

#[tokio::test]
async fn a_unit_that_is_listed_and_not_given_is_left_alone_and_the_walk_goes_on() {
    let test = delivered(1..=5).await;
    tamper(&test, 2);
    tamper(&test, 4);
    let meanwhile = Meanwhile { withheld: Some(unit(2)), ..Meanwhile::around(&test.target) };
    let result = compare(&test, meanwhile).await;
    let (on_its_way, not_read) = (result.counts.on_its_way, result.counts.not_read);
    assert_eq!((result.counts.different, on_its_way, not_read, result.counts.equal), (1, 0, 1, 3));
    assert_eq!((result.verdict(), result.changes.opened), (Verdict::Incomplete, 1));
    let result = compare(&test, Meanwhile::around(&test.target)).await;
    assert_eq!((result.verdict(), result.standing.open), (Verdict::Differ, 2));
}

#[tokio::test]
async fn numbered_pages_whose_total_changes_make_nothing_missing() {
    for forgets_its_total in [false, true] {
        let test = delivered(1..=20).await;
        test.target.offer_digests(false);
        let target = test.target.clone();
        let forget = async move {
            assert!(target.forget(&unit(3)));
        };
        let numbered = Meanwhile { numbered: Some(10), forgets_its_total, ..Meanwhile::around(&test.target) };
        let result = compare(&test, numbered.when(Moment::AfterPage, forget)).await;
        let because = result.incomplete_because.as_deref().unwrap_or_default();
        assert!(because.starts_with("il totale dichiarato"), "{because}");
        assert_eq!((result.counts.missing_there, result.changes.opened), (0, 0), "the eleventh was passed over");
        let numbered = Meanwhile { numbered: Some(10), ..Meanwhile::around(&test.target) };
        let result = compare(&test, numbered).await;
        assert_eq!((result.complete, result.counts.missing_there), (true, 1), "the third is");
    }
}

#[tokio::test]
async fn what_is_missing_is_sent_only_after_the_target_was_read_completely() {
    let test = delivered(1..=10).await;
    let (_, rows) = test.target.held().into_iter().find(|(key, _)| *key == unit(5)).expect("held");
    test.target.forget(&unit(5));
    let found = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!(found.counts.missing_there, 1);
    test.target.offer_digests(false);
    test.target.set_page_size(3);
    // It is there again, and no page shows it: that is known at the end, by the total.
    test.target.plant(unit(5), rows);
    test.target.keep_silent_about([unit(5)]);
    let by = Person { name: "anna".to_owned(), reason: "manca".to_owned() };
    let repairs = reconcile::repair::repair_target(&test.flow, "target", &by).await.expect("repaired");
    assert_eq!((repairs.sent_again, repairs.postponed), (0, 1), "{repairs:?}");
    assert_eq!(test.step().await, 0);
    test.target.keep_silent_about([]);
    test.target.forget(&unit(5));
    let repairs = reconcile::repair::resume(&test.flow).await.expect("taken up");
    assert_eq!((repairs.sent_again, repairs.postponed), (1, 0), "{repairs:?}");
    test.work().await;
    let again = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((again.verdict(), again.counts.equal), (Verdict::Agree, 10));
}
