//! What makes a scan complete, on a list that moves.

use std::collections::BTreeSet;
use std::sync::Mutex;

use kit::Secret;
use kit::http::{HttpClient, HttpSettings};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;
use crate::client::Credentials;

async fn pages_of(respond: impl Respond + 'static) -> (MockServer, Client) {
    let server = MockServer::start().await;
    let token = ResponseTemplate::new(200).set_body_json(json!({"jwttoken": "t"}));
    Mock::given(path("/v1.0/authenticate")).respond_with(token).mount(&server).await;
    Mock::given(wiremock::matchers::method("GET")).respond_with(respond).mount(&server).await;
    let http = HttpClient::new(SYSTEM, &HttpSettings::new(server.uri())).unwrap();
    let word = || Secret::new("x");
    let credentials = Credentials { username: word(), password: word(), client_key: word(), client_id: word() };
    (server, Client::new(http, credentials))
}

async fn scan(client: &Client, most: u64) -> Result<Vec<String>, AdapterError> {
    let mut rows = Rows::new()?;
    Pages { client, register: Register::Contratti, size: 2, most }.scan(&Query::new(), &mut rows).await?;
    Ok(rows.sorted().into_iter().map(|key| key.reference).collect())
}

fn page(number: u64, rows: &[&str], total: usize, last: bool) -> Value {
    let content: Vec<_> = rows.iter().map(|row| json!({"riferimentoProcedura": row})).collect();
    json!({"content": content, "totalElements": total, "last": last, "number": number})
}

fn number_of(request: &Request) -> u64 {
    request.url.path_segments().unwrap().rev().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_quiet_list_is_read_twice() {
    let rows = ["a", "b", "c"];
    let (server, client) = pages_of(move |request: &Request| {
        let number = usize::try_from(number_of(request) - 1).unwrap();
        let content = rows.chunks(2).nth(number).unwrap_or_default();
        ResponseTemplate::new(200).set_body_json(page(number as u64, content, 3, number == 1))
    })
    .await;
    assert_eq!(scan(&client, 100).await.unwrap(), rows);
    assert_eq!(server.received_requests().await.unwrap().len(), 1 + 2 * 2);
}

/// Pages of two rows, cut from a list that changes after each of them; the pages given so far are
/// counted from one.
async fn moving(
    rows: Vec<String>,
    change: impl Fn(usize, &mut Vec<String>) + Send + Sync + 'static,
) -> (MockServer, Client) {
    let state = Mutex::new((rows, 0));
    pages_of(move |request: &Request| {
        let (rows, given) = &mut *state.lock().unwrap();
        let number = usize::try_from(number_of(request) - 1).unwrap();
        let content: Vec<_> = rows.iter().skip(number * 2).take(2).map(String::as_str).collect();
        let page = page(number as u64, &content, rows.len(), (number + 1) * 2 >= rows.len());
        *given += 1;
        change(*given, rows);
        ResponseTemplate::new(200).set_body_json(page)
    })
    .await
}

fn letters(text: &str) -> Vec<String> {
    text.chars().map(String::from).collect()
}

/// The pages that were asked for.
async fn pages_given(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().iter().filter(|request| request.method.as_str() == "GET").count()
}

#[rstest]
#[case::a_row_goes_before_the_page(|given, rows: &mut Vec<String>| if given == 1 { rows.remove(0); }, 2 + 2 + 2)]
#[case::a_row_appears_before_the_page(
    |given, rows: &mut Vec<String>| if given == 1 { rows.insert(0, "x".into()); }, 3 + 3 + 3
)]
#[case::both_and_as_many_as_before(
    |given, rows: &mut Vec<String>| if given == 1 { rows.remove(0); rows.push("x".into()); }, 3 + 3 + 3
)]
#[case::both_before_the_page(
    |given, rows: &mut Vec<String>| if given == 1 { rows.remove(0); rows.insert(0, "x".into()); }, 3 + 3 + 3
)]
#[case::a_row_moves_to_a_page_that_was_read(
    |given, rows: &mut Vec<String>| if given == 1 { let row = rows.remove(3); rows.insert(0, row); }, 3 + 3 + 3
)]
#[case::a_row_goes_again_in_the_second_pass(
    |given, rows: &mut Vec<String>| if given == 1 || given == 3 { rows.remove(0); }, 2 + 2 + 2 + 2
)]
#[tokio::test]
async fn what_stays_is_met(#[case] change: fn(usize, &mut Vec<String>), #[case] expected: usize) {
    let rows = letters("abcde");
    let mut changed = rows.clone();
    (1..=3).for_each(|given| change(given, &mut changed));
    let (server, client) = moving(rows.clone(), change).await;
    let met = scan(&client, 100).await.unwrap();
    for stays in rows.iter().filter(|row| changed.contains(row)) {
        assert!(met.contains(stays), "{stays} was there all the time: {met:?}");
    }
    assert_eq!(pages_given(&server).await, expected);
}

#[tokio::test]
async fn a_list_that_changes_at_every_page_is_an_error_after_a_few_passes_though_the_totals_agree() {
    let change = |given, rows: &mut Vec<String>| {
        rows.remove(0);
        rows.push(format!("new {given}"));
    };
    let (server, client) = moving(letters("abcdef"), change).await;
    let error = scan(&client, 100).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(pages_given(&server).await, 4 * 3);
}

#[tokio::test]
async fn a_list_without_an_end_is_refused() {
    let (server, client) = pages_of(|request: &Request| {
        let number = number_of(request) - 1;
        ResponseTemplate::new(200).set_body_json(page(number, &["a"], 1, false))
    })
    .await;
    assert_eq!(scan(&client, 10).await.unwrap_err().advice, Advice::FixConfiguration);
    assert_eq!(pages_given(&server).await, 12);
}

/// What happens to a list: to which of its rows, or where.
#[derive(Debug, Clone, Copy)]
enum Change {
    Goes(usize),
    Appears(usize),
    Moves(usize, usize),
}

impl Change {
    fn to(self, rows: &mut Vec<String>, name: &str) {
        match self {
            Self::Appears(place) => rows.insert(place % (rows.len() + 1), name.to_owned()),
            _ if rows.is_empty() => {}
            Self::Goes(place) => drop(rows.remove(place % rows.len())),
            Self::Moves(from, to) => {
                let row = rows.remove(from % rows.len());
                rows.insert(to % (rows.len() + 1), row);
            }
        }
    }
}

proptest! {
    // Each case has a platform of its own.
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_scan_that_is_complete_missed_nothing_that_stayed(
        length in 1..9_usize,
        changes in prop::collection::vec((1..16_usize, prop_oneof![
            any::<usize>().prop_map(Change::Goes),
            any::<usize>().prop_map(Change::Appears),
            any::<(usize, usize)>().prop_map(|(from, to)| Change::Moves(from, to)),
        ]), 0..8),
    ) {
        let rows: Vec<String> = letters("abcdefgh").into_iter().take(length).collect();
        let change = move |given: usize, rows: &mut Vec<String>| {
            for (place, (_, change)) in changes.iter().enumerate().filter(|(_, (when, _))| *when == given) {
                change.to(rows, &format!("new {place}"));
            }
        };
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let last = std::sync::Arc::new(Mutex::new(BTreeSet::from_iter(rows.clone())));
            let stays = last.clone();
            let noted = move |given: usize, rows: &mut Vec<String>| {
                change(given, rows);
                stays.lock().unwrap().retain(|row| rows.contains(row));
            };
            let (_server, client) = moving(rows, noted).await;
            if let Ok(met) = scan(&client, 100).await {
                let stayed = last.lock().unwrap().clone();
                assert!(stayed.iter().all(|row| met.contains(row)), "{stayed:?}: {met:?}");
            }
        });
    }
}

#[tokio::test]
async fn a_list_that_always_says_more_than_it_gives_is_an_error_and_never_complete() {
    let (_server, client) =
        pages_of(|_: &Request| ResponseTemplate::new(200).set_body_json(page(0, &["a"], 2, true))).await;
    let error = scan(&client, 100).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.source.unwrap().to_string().contains("met 1 rows, 2 were held"));
}

#[tokio::test]
async fn a_page_without_rows_ends_the_list_whatever_it_says() {
    let (_server, client) = pages_of(|request: &Request| {
        let number = number_of(request) - 1;
        ResponseTemplate::new(200).set_body_json(page(number, &[], 0, false))
    })
    .await;
    assert_eq!(scan(&client, 100).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn another_page_than_the_one_asked_for_is_not_believed() {
    let (_server, client) =
        pages_of(|_: &Request| ResponseTemplate::new(200).set_body_json(page(1, &["a"], 1, true))).await;
    assert_eq!(scan(&client, 100).await.unwrap_err().kind, ErrorKind::NotUnderstood);
}

#[tokio::test]
async fn a_list_longer_than_the_most_is_refused_with_the_remedy() {
    let (_server, client) =
        pages_of(|_: &Request| ResponseTemplate::new(200).set_body_json(page(0, &["a"], 11, true))).await;
    let error = scan(&client, 10).await.unwrap_err();
    assert_eq!(error.advice, Advice::FixConfiguration);
    assert!(error.source.unwrap().to_string().contains("max_rows"));
}

#[test]
fn the_digest_of_rows_does_not_depend_on_the_order_in_which_they_came() {
    let texts = [r#"{"riferimentoProcedura":"a"}"#, r#"{"riferimentoProcedura":"b"}"#];
    let digest = |order: [usize; 2]| {
        let mut rows = Rows::new().unwrap();
        for index in order {
            rows.put(Register::Contratti.key(texts[index]).unwrap(), texts[index]).unwrap();
        }
        let sorted = rows.sorted();
        assert_eq!(rows.text(&sorted[0]).unwrap(), texts[0]);
        rows.digest(&sorted)
    };
    assert_eq!(digest([0, 1]), digest([1, 0]));
}

#[test]
fn later_words_about_a_row_take_the_place_of_the_earlier() {
    let mut rows = Rows::new().unwrap();
    for importo in [1, 2] {
        let text = json!({"riferimentoProcedura": "a", "importoAggiudicazione": importo}).to_string();
        rows.put(Register::Contratti.key(&text).unwrap(), &text).unwrap();
    }
    let sorted = rows.sorted();
    assert_eq!(rows.len(), 1);
    assert!(rows.text(&sorted[0]).unwrap().contains('2'));
}
