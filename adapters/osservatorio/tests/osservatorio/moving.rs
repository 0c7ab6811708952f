//! The open data while they change: rows appear and go between two pages.

use std::collections::BTreeSet;
use std::sync::Mutex;

use contract::ErrorKind;
use proptest::prelude::*;
use rstest::rstest;
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;

const PAGE_ROWS: usize = 3;

/// A portal that keeps its rows in the order of their identifiers, and changes them after each page;
/// the pages given so far are counted from one.
async fn portal(rows: Vec<u32>, change: impl Fn(usize, &mut Vec<u32>) + Send + Sync + 'static) -> MockServer {
    let state = Mutex::new((rows, 0));
    let answer = move |request: &Request| {
        let asked = |name: &str| {
            let value = request.url.query_pairs().find(|(key, _)| key == name).unwrap().1;
            value.parse::<usize>().unwrap()
        };
        let (rows, given) = &mut *state.lock().unwrap();
        rows.sort_unstable();
        let page = rows.iter().skip(asked("$offset")).take(asked("$limit"));
        let page: Vec<_> = page.map(|id| json!({"codice_bando": id.to_string()})).collect();
        *given += 1;
        change(*given, rows);
        ResponseTemplate::new(200).set_body_json(page)
    };
    let server = MockServer::start().await;
    // Without its order a page says nothing of the others: it is not answered.
    let list = Mock::given(method("GET")).and(path("/resource/abcd-1234.json")).and(query_param("$order", ":id"));
    list.respond_with(answer).mount(&server).await;
    server
}

/// The numbers that a read gave, in the order of their coming, and how it ended.
async fn numbers(server: &MockServer) -> (Vec<u32>, Result<(), AdapterError>) {
    let settings = json!({"base_url": server.uri(), "resource": "abcd-1234", "page_rows": PAGE_ROWS});
    let (read, outcome) = read(&*adapter(settings), None).await;
    assert_eq!(read.documents.len(), read.ended);
    let number = |raw: &RawRecord| {
        let row: Value = serde_json::from_str(&raw.text).unwrap();
        row["codice_bando"].as_str().unwrap().parse().unwrap()
    };
    (read.records.iter().map(number).collect(), outcome)
}

async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn quiet_rows_are_given_once_and_asked_for_again_only_where_pages_meet() {
    let server = portal((1..=8).collect(), |_, _| {}).await;
    let (numbers, outcome) = numbers(&server).await;
    outcome.unwrap();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    assert_eq!(requests(&server).await, 4);
}

#[rstest]
#[case::a_row_goes_before_the_page(|given, rows: &mut Vec<u32>| if given == 1 { rows.remove(0); }, 2 + 4)]
#[case::the_last_row_met_goes(|given, rows: &mut Vec<u32>| if given == 1 { rows.remove(2); }, 2 + 4)]
#[case::a_row_appears_before_the_page(|given, rows: &mut Vec<u32>| if given == 1 { rows.push(15); }, 2 + 5)]
#[case::both_and_as_many_as_before(
    |given, rows: &mut Vec<u32>| if given == 1 { rows.remove(0); rows.push(99); }, 2 + 4
)]
// The place where the pages meet did not move, and nothing was missed.
#[case::both_before_the_page(|given, rows: &mut Vec<u32>| if given == 1 { rows.remove(0); rows.push(15); }, 4)]
#[case::the_rest_goes(|given, rows: &mut Vec<u32>| if given == 2 { rows.truncate(3); }, 3 + 2)]
#[tokio::test]
async fn what_stays_is_read(#[case] change: fn(usize, &mut Vec<u32>), #[case] expected: usize) {
    let rows: Vec<u32> = (1..=8).map(|number| number * 10).collect();
    let mut changed = rows.clone();
    change(1, &mut changed);
    change(2, &mut changed);
    let server = portal(rows.clone(), change).await;
    let (numbers, outcome) = numbers(&server).await;
    outcome.unwrap();
    for stays in rows.iter().filter(|number| changed.contains(number)) {
        assert!(numbers.contains(stays), "{stays} was there all the time: {numbers:?}");
    }
    assert_eq!(requests(&server).await, expected);
}

#[tokio::test]
async fn rows_that_move_at_every_page_are_told_as_incomplete_after_a_few_passes() {
    let server = portal((1..=100).collect(), |given, rows| rows.retain(|row| *row as usize != given)).await;
    let (numbers, outcome) = numbers(&server).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("moved"), "{error:?}");
    // Each pass ends at its second page; its first one stays valid.
    assert_eq!((requests(&server).await, numbers.len()), (4 * 2, 4 * PAGE_ROWS));
}

proptest! {
    // Each case has a portal of its own.
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_read_that_is_complete_missed_nothing_that_stayed(
        rows in prop::collection::btree_set(0..60_u32, 4..16),
        changes in prop::collection::vec((1..12_usize, 0..60_u32), 0..8),
    ) {
        // A number that is there goes, another one appears; what went does not come back.
        let mut went = BTreeSet::new();
        let (mut there, mut plan) = (rows.clone(), Vec::new());
        for (when, number) in changes {
            if there.remove(&number) {
                went.insert(number);
                plan.push((when, number, true));
            } else if !went.contains(&number) && there.insert(number) {
                plan.push((when, number, false));
            }
        }
        let stays: Vec<u32> = rows.iter().copied().filter(|number| there.contains(number)).collect();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let change = move |given: usize, rows: &mut Vec<u32>| {
                for &(_, number, goes) in plan.iter().filter(|(when, ..)| *when == given) {
                    rows.retain(|other| *other != number);
                    if !goes {
                        rows.push(number);
                    }
                }
            };
            let server = portal(rows.into_iter().collect(), change).await;
            let (numbers, outcome) = numbers(&server).await;
            if outcome.is_ok() {
                assert!(stays.iter().all(|number| numbers.contains(number)), "{stays:?}: {numbers:?}");
            }
        });
    }
}
