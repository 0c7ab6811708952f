//! The client against servers that behave and servers that do not.

use std::io::{Read, Write};
use std::net::TcpListener;

use contract::Phase;
use rstest::rstest;
use wiremock::matchers::{body_string, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

fn client(base_url: &str) -> HttpClient {
    let settings =
        HttpSettings { connect_seconds: 1, read_seconds: 1, total_seconds: 2, ..HttpSettings::new(base_url) };
    HttpClient::new("example", &settings).expect("a client")
}

pub(super) async fn get(client: &HttpClient) -> Result<Answer, AdapterError> {
    client.exchange(client.request(Method::GET, &["x"], &[("token", "s3cret")])).await
}

/// A server that answers every connection with these bytes and closes it.
fn raw_server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.expect("a connection");
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(answer);
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_request_arrives_encoded_and_its_answer_complete() {
    let server = MockServer::start().await;
    Mock::given(method("PUT"))
        .and(path("/base/v0/a%2Fb%20c"))
        .and(query_param("dopo", "x&y"))
        .and(header("authorization", "Bearer s3cret"))
        .and(header("idempotency-key", "k1"))
        .and(header("content-type", "application/json"))
        .and(body_string("{}"))
        .respond_with(
            ResponseTemplate::new(429).insert_header("retry-after", "7").set_body_raw("[]", "application/json"),
        )
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&format!("{}/base/", server.uri()));
    let request = client
        .request(Method::PUT, &["v0", "a/b c"], &[("dopo", "x&y")])
        .bearer(&Secret::new("s3cret"))
        .header("idempotency-key", "k1")
        .json_body("{}");
    let shown = format!("{request:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("dopo"), "{shown}");
    let answer = client.exchange(request).await.expect("an answer");
    assert_eq!((answer.status, &answer.body[..]), (429, &b"[]"[..]));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(answer.attempted, "example PUT /base/v0/a%2Fb%20c");
}

#[tokio::test]
async fn redirects_are_answers() {
    let server = MockServer::start().await;
    let redirect = ResponseTemplate::new(307).insert_header("location", "/elsewhere");
    Mock::given(method("GET")).respond_with(redirect).expect(1).mount(&server).await;
    let answer = get(&client(&server.uri())).await.expect("an answer");
    assert_eq!((answer.status, answer.location.as_deref()), (307, Some("/elsewhere")));
}

#[tokio::test]
async fn nobody_listening_is_unreachable_before_sending() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let error = get(&client(&format!("http://{free}"))).await.expect_err("unreachable");
    assert_eq!((error.kind, error.phase), (ErrorKind::Unreachable, Phase::BeforeSending));
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn no_answer_in_time_is_in_doubt() {
    let server = MockServer::start().await;
    let late = ResponseTemplate::new(200).set_delay(Duration::from_secs(5));
    Mock::given(method("GET")).respond_with(late).mount(&server).await;
    let error = get(&client(&server.uri())).await.expect_err("late");
    assert_eq!((error.kind, error.phase), (ErrorKind::Timeout, Phase::Unknown));
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[rstest]
#[case::nothing(b"")]
#[case::half_a_head(b"HTTP/1.1 200 OK\r\nContent-")]
#[case::short_of_its_length(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")]
#[case::half_a_chunk(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}")]
#[tokio::test]
async fn an_incomplete_answer_is_in_doubt(#[case] bytes: &'static [u8]) {
    let error = get(&client(&raw_server(bytes))).await.expect_err("broken");
    assert_eq!((error.kind, error.phase), (ErrorKind::Broken, Phase::Unknown));
}

#[rstest]
#[case::announced(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{}")]
#[case::counted(b"HTTP/1.1 200 OK\r\n\r\n0123456789")]
#[tokio::test]
async fn an_answer_above_the_limit_is_not_read(#[case] bytes: &'static [u8]) {
    let settings = HttpSettings { max_answer_bytes: 9, ..HttpSettings::new(raw_server(bytes)) };
    let client = HttpClient::new("example", &settings).expect("a client");
    let error = get(&client).await.expect_err("too long");
    assert_eq!((error.kind, error.phase), (ErrorKind::NotUnderstood, Phase::Unknown));
}

#[rstest]
#[case::length(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", true)]
#[case::chunks(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", true)]
#[case::close(b"HTTP/1.1 200 OK\r\n\r\n{}", false)]
#[tokio::test]
async fn an_answer_says_whether_its_end_was_told(#[case] bytes: &'static [u8], #[case] expected: bool) {
    let answer = get(&client(&raw_server(bytes))).await.expect("an answer");
    assert_eq!((&answer.body[..], answer.is_delimited, answer.defect), (&b"{}"[..], expected, None));
}

#[rstest]
#[case::encoded(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")]
#[case::two_lengths(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")]
#[tokio::test]
async fn a_body_whose_headers_disagree_has_a_defect_and_is_not_decoded(#[case] bytes: &'static [u8]) {
    let answer = get(&client(&raw_server(bytes))).await.expect("an answer");
    assert!(answer.defect.is_some(), "{answer:?}");
    assert_eq!(&answer.body[..], b"{}");
}

#[tokio::test]
async fn the_longest_pause_asked_for_is_told_once_whoever_was_answered() {
    let server = MockServer::start().await;
    for seconds in ["4", "9", "2"] {
        let answer = ResponseTemplate::new(200).insert_header("retry-after", seconds);
        Mock::given(method("GET")).respond_with(answer).up_to_n_times(1).mount(&server).await;
    }
    let client = client(&server.uri());
    assert_eq!(client.take_pause(), None);
    for _ in 0..3 {
        get(&client.clone()).await.expect("an answer");
    }
    assert_eq!((client.take_pause(), client.take_pause()), (Some(Duration::from_secs(9)), None));
}

#[tokio::test]
async fn a_date_is_counted_from_our_clock_where_the_answer_has_none() {
    let mut client = client(&raw_server(
        b"HTTP/1.1 503 No\r\nRetry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\nContent-Length: 0\r\n\r\n",
    ));
    client.now = || SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let answer = get(&client).await.expect("an answer");
    assert_eq!(answer.retry_after, Some(Duration::from_secs(10)));
}

#[rstest]
#[case("http://pico.example.it", "https://")]
#[case("ftp://127.0.0.1", "https://")]
#[case("https://user:word@pico.example.it", "credentials")]
#[case("https://pico.example.it/?x=1", "path")]
#[case("pico.example.it", "not an address")]
fn a_base_address_that_is_not_safe_is_refused(#[case] address: &str, #[case] why: &str) {
    let error = HttpClient::new("example", &HttpSettings::new(address)).expect_err("refused");
    assert!(error.problem.contains(why), "{}", error.problem);
}

#[rstest]
#[case("http://localhost:8080/v0")]
#[case("http://127.0.0.1")]
#[case("http://[::1]:1")]
fn plain_http_is_for_this_machine(#[case] address: &str) {
    HttpClient::new("example", &HttpSettings::new(address)).expect("a client");
}

#[tokio::test]
async fn a_segment_of_dots_is_never_sent() {
    let client = client("http://127.0.0.1:1");
    for segment in ["", ".", ".."] {
        let request = client.request(Method::GET, &["v0", segment], &[]);
        let error = client.exchange(request).await.expect_err("not sent");
        assert_eq!((error.kind, error.phase), (ErrorKind::Local, Phase::BeforeSending));
    }
}

#[test]
fn settings_have_defaults_and_no_unknown_names() {
    let read = |json: &str| serde_json::from_str::<HttpSettings>(json);
    let settings = read(r#"{"base_url":"https://pico.example.it"}"#).expect("settings");
    assert_eq!(settings, HttpSettings::new("https://pico.example.it"));
    assert_eq!((settings.connect_seconds, settings.read_seconds, settings.total_seconds), (5, 15, 30));
    assert!(read(r#"{"base_url":"https://pico.example.it","insecure":true}"#).is_err());
}
