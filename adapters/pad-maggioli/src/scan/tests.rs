//! What makes a scan complete, on a list that moves.

use kit::Secret;
use kit::http::{HttpClient, HttpSettings};
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
async fn a_quiet_list_is_read_once_and_its_last_page_twice() {
    let rows = ["a", "b", "c"];
    let (server, client) = pages_of(move |request: &Request| {
        let number = usize::try_from(number_of(request) - 1).unwrap();
        let content = rows.chunks(2).nth(number).unwrap_or_default();
        ResponseTemplate::new(200).set_body_json(page(number as u64, content, 3, number == 1))
    })
    .await;
    assert_eq!(scan(&client, 100).await.unwrap(), rows);
    assert_eq!(server.received_requests().await.unwrap().len(), 1 + 3);
}

#[tokio::test]
async fn a_list_that_always_says_more_than_it_gives_is_an_error_and_never_complete() {
    let (_server, client) =
        pages_of(|_: &Request| ResponseTemplate::new(200).set_body_json(page(0, &["a"], 2, true))).await;
    let error = scan(&client, 100).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.source.unwrap().to_string().contains("met 1 rows of 2"));
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
