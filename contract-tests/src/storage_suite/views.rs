//! What people and reconciliation read.

use canonical::Kind;
use contract::UnitKey;
use raccordo::delivery::DeliveryState;
use raccordo::storage::{DeliveryCount, ReconciliationCounts, RunResult, RunTotals};

use super::scene::{finding, routed_lotto, to_unit, withheld};
use super::{Database, Scene};
use crate::records::{at, cig, contratto, lotto};

pub async fn a_trace_tells_the_whole_life(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", Some("2024-01-31")).await;
    let mut arrival = routed_lotto(&document, 1, "strade");
    arrival.findings.push(finding());
    scene.store_one(arrival.clone()).await;
    let retry = DeliveryState::Retry { code: "unavailable".to_owned(), at: at(20) };
    scene.deliver("pico", cig(1).as_str(), retry.clone(), 10).await;
    scene.store.sweep(at(20)).await.expect("a sweep");
    scene.deliver("pico", cig(1).as_str(), DeliveryState::Acknowledged, 20).await;
    let trace = scene.store.trace(cig(1).as_str()).await.expect("a trace");
    let [version] = &trace.versions[..] else { panic!("one version: {:?}", trace.versions) };
    assert_eq!(version.record, arrival.records[0].record);
    assert_eq!(version.digest, version.record.digest());
    assert_eq!((version.kind, version.number, version.stored_at), (Kind::Lotto, 1, at(1)));
    assert_eq!(version.findings, [finding()]);
    let [delivery] = &trace.deliveries[..] else { panic!("one delivery: {:?}", trace.deliveries) };
    assert_eq!((delivery.state.clone(), delivery.held_revision), (DeliveryState::Acknowledged, 1));
    let outcomes: Vec<_> = delivery.attempts.iter().map(|attempt| attempt.outcome.clone()).collect();
    assert_eq!(outcomes, [Some(retry), Some(DeliveryState::Acknowledged)]);
    let keys: Vec<_> = delivery.attempts.iter().map(|attempt| attempt.idempotency_key.as_str()).collect();
    assert_eq!(keys[0], keys[1], "the same key for every attempt of a revision");
    assert!(delivery.attempts[0].receipt.is_none() && delivery.attempts[1].receipt.is_some());
}

pub async fn a_trace_finds_what_begins_with_the_key_and_a_slash(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene
        .store(vec![
            document.says(1, lotto(1, "x")),
            document.says(1, contratto(1, 1, "x")),
            document.says(1, contratto(1, 12, "x")),
            document.says(2, contratto(2, 1, "x")),
        ])
        .await;
    let found = async |key: &str| scene.store.trace(key).await.expect("a trace").versions.len();
    assert_eq!(found(cig(1).as_str()).await, 3);
    assert_eq!(found(&format!("{}/1", cig(1))).await, 1, "a key that merely begins so is another");
    assert_eq!(found("0").await, 0);
    assert_eq!(found("").await, 0);
}

pub async fn a_trace_finds_what_stands_aside(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let text = format!("<lotto><cig>{}</cig><importo>?</importo></lotto>", cig(1));
    scene.store(vec![document.mumbles(7, &text), document.mumbles(8, "<lotto/>")]).await;
    let trace = scene.store.trace(cig(1).as_str()).await.expect("a trace");
    let [aside] = &trace.quarantined[..] else { panic!("one stands aside: {:?}", trace.quarantined) };
    assert_eq!((aside.document.as_str(), aside.line, aside.rule.as_str()), ("a.xml", 7, "R05"));
    assert_eq!((aside.reason.as_str(), aside.since), ("CIG null", at(1)));
}

pub async fn expected_units_come_page_by_page_in_byte_order(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let keys = ["b", "a", "B", "à", "a/1", "10", "9"];
    for (line, key) in (1..).zip(keys) {
        scene.store(vec![document.says_to(u64::from(line), lotto(line, "x"), vec![to_unit("pico", key)])]).await;
    }
    scene.store(vec![document.says_to(50, lotto(50, "x"), vec![to_unit("hub", "a")])]).await;
    let mut seen = Vec::new();
    loop {
        let after = seen.last().cloned().map(UnitKey);
        let page = scene.store.expected_units("pico", after.as_ref(), 3).await.expect("a page");
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        assert!(page.iter().all(|unit| unit.members.len() == 1 && unit.state == DeliveryState::Due));
        seen.extend(page.into_iter().map(|unit| unit.key.0));
    }
    let mut expected = keys.map(str::to_owned);
    expected.sort_unstable();
    assert_eq!(seen, expected);
}

pub async fn the_overview_counts(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", Some("2024-01-31")).await;
    let second = scene.document("b", Some("2024-02-29")).await;
    let mut arrival = routed_lotto(&first, 1, "x");
    arrival.findings = vec![finding(), finding()];
    let of_the_contract = first.says_to(1, contratto(1, 1, "x"), vec![withheld("pico", "smartcig")]).records;
    arrival.records.extend(of_the_contract);
    scene.store(vec![arrival, first.mumbles(2, "?")]).await;
    scene.store_one(routed_lotto(&second, 2, "y")).await;
    let overview = scene.store.overview().await.expect("an overview");
    assert_eq!(overview.records["lotto"], 2);
    assert_eq!(overview.records["contratto"], 1);
    assert_eq!((overview.versions, overview.quarantined), (3, 1));
    assert_eq!(overview.withheld["pico"]["smartcig"], 1);
    assert_eq!(overview.findings["N01"], 2, "counted once, though two records came from one raw record");
    let [run] = &overview.runs[..] else { panic!("one run: {:?}", overview.runs) };
    assert_eq!(run.totals, RunTotals { read: 3, new: 2, quarantined: 1, ..RunTotals::default() });
    assert_eq!((run.source.as_str(), run.finished_at), ("file-drop", None));
    scene.store.finish_run(scene.run, at(9)).await.expect("the run balances");
    let overview = scene.store.overview().await.expect("an overview");
    assert_eq!(overview.runs[0].finished_at, Some(at(9)));
}

pub async fn the_last_comparison_is_in_the_overview(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let counts = ReconciliationCounts { expected: 3, observed: 2, equal: 2, missing_there: 1, ..Default::default() };
    for seconds in [1, 2] {
        let run = scene.store.begin_comparison("pico", at(seconds)).await.expect("it begins");
        let result = RunResult { counts, ..RunResult::default() };
        scene.store.finish_comparison(&run, &result, at(seconds)).await.expect("it ends");
    }
    let under_way = scene.store.begin_comparison("pico", at(3)).await.expect("it begins");
    let overview = scene.store.overview().await.expect("an overview");
    let [last] = &overview.reconciliations[..] else { panic!("the last one: {:?}", overview.reconciliations) };
    assert_eq!((last.target.as_str(), last.finished_at, last.counts), ("pico", at(2), counts));
    assert!(last.id < under_way.id && last.complete);
}

pub async fn what_is_known_by_cig_comes_family_by_family(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", Some("2024-01-31")).await;
    let mut arrivals: Vec<_> = (1..=5).map(|number| routed_lotto(&document, number, "strade")).collect();
    let route = to_unit("pico", cig(2).as_str());
    arrivals.push(document.says_to(20, contratto(2, 1, "1"), vec![route]));
    scene.store(arrivals).await;
    let mut cigs = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = scene.store.families(after.as_deref(), 2).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.cig.clone());
        for family in page {
            let is_second = family.cig == cig(2).as_str();
            assert_eq!(family.records.len(), if is_second { 2 } else { 1 }, "{family:?}");
            cigs.push(family.cig);
        }
    }
    let mut expected: Vec<_> = (1..=5).map(|number| cig(number).as_str().to_owned()).collect();
    expected.sort_unstable();
    assert_eq!(cigs, expected);
}

pub async fn deliveries_are_counted_by_target_and_state(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene.store((1..=3).map(|number| routed_lotto(&document, number, "x")).collect()).await;
    scene.store(vec![document.says_to(9, lotto(9, "x"), vec![to_unit("hub", "9")])]).await;
    scene.deliver("pico", cig(1).as_str(), DeliveryState::Acknowledged, 10).await;
    let count = |target: &str, state: &str, count, seconds| DeliveryCount {
        target: target.to_owned(),
        state: state.to_owned(),
        count,
        oldest: Some(at(seconds)),
    };
    let expected = [count("hub", "due", 1, 1), count("pico", "acknowledged", 1, 10), count("pico", "due", 2, 1)];
    assert_eq!(scene.store.delivery_counts().await.expect("counts"), expected);
}
