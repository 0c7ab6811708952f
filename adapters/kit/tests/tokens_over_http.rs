//! Tokens of an authorization server, asked for over HTTP: one flight for many, renewed in time,
//! refusals told apart; and a client of a system whose requests bear them.

#[allow(dead_code, reason = "each test takes what it needs of the samples")]
#[path = "vectors/samples.rs"]
mod samples;
#[path = "authority/mod.rs"]
mod authority;

use std::time::Duration;

use contract::{AdapterError, Advice, ErrorKind, Phase};
use futures_util::future::join_all;
use kit::Secret;
use kit::http::{HttpClient, HttpSettings, Method, Request};
use kit::oauth::grant::TokenError;
use kit::oauth::settings::Registration;
use kit::oauth::tokens::Tokens;
use samples::at_seconds;
use serde_json::json;
use tempfile::TempDir;
use wiremock::matchers::{header, method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use authority::{Authority, Mode, SECRET, by_key, field, registration, write};

const NOW: i64 = 1_796_115_600;

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

fn lasting(expires_in: u64) -> Mode {
    Mode::Gives { expires_in: Some(expires_in) }
}

async fn tokens(mode: Mode) -> (MockServer, Authority, Tokens) {
    let (server, authority) = authority::start(mode).await;
    let tokens = Tokens::open(&registration(&server, folder().path())).expect("tokens");
    (server, authority, tokens)
}

async fn refused(tokens: &Tokens) -> (TokenError, AdapterError) {
    let error = tokens.token(at_seconds(NOW)).await.expect_err("none");
    (error.clone(), error.into())
}

#[tokio::test]
async fn a_client_proves_itself_by_its_secret_or_by_its_key_and_asks_for_what_it_wants() {
    let (server, _authority) = authority::start(lasting(600)).await;
    let folder = folder();
    for way in [registration, by_key] {
        let plain = way(&server, folder.path());
        let whole = Registration {
            scope: Some("contratti:leggi contratti:scrivi".to_owned()),
            audience: Some("osservatorio".to_owned()),
            resource: Some("https://osservatorio.example/api".to_owned()),
            ..plain.clone()
        };
        for registration in [plain, whole] {
            Tokens::open(&registration).expect("tokens").token(at_seconds(NOW)).await.expect("a token");
            let asked = server.received_requests().await.expect("recorded").pop().expect("a request");
            assert_eq!(asked.headers["accept"], "application/json");
            let found = ["scope", "audience", "resource"].map(|name| field(&asked, name));
            assert_eq!(found, [registration.scope, registration.audience, registration.resource]);
            assert!(field(&asked, "client_secret").is_none());
        }
    }
}

#[tokio::test]
async fn however_many_ask_one_request_is_sent() {
    let (server, _authority, tokens) = tokens(lasting(600)).await;
    let held = join_all((0..20).map(|_| tokens.token(at_seconds(NOW)))).await;
    assert!(held.iter().all(|held| held.as_ref().is_ok_and(|held| held.token().expose() == "token-1")));
    assert_eq!(server.received_requests().await.expect("recorded").len(), 1);
}

#[tokio::test]
async fn a_flight_that_fails_fails_for_all_who_wait_for_it_and_the_next_one_flies_again() {
    let (server, authority, tokens) = tokens(Mode::Status(503, None)).await;
    let held = join_all((0..8).map(|_| tokens.token(at_seconds(NOW)))).await;
    assert!(held.iter().all(Result::is_err));
    assert_eq!(server.received_requests().await.expect("recorded").len(), 1);
    authority.set(lasting(600));
    assert!(tokens.token(at_seconds(NOW)).await.is_ok());
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_the_old_one_serves_while_the_server_is_silent() {
    let (_server, authority, tokens) = tokens(lasting(600)).await;
    let number = async |second: i64| tokens.token(at_seconds(NOW + second)).await.map(|held| held.number());
    assert_eq!([number(0).await, number(539).await], [Ok(1), Ok(1)]);
    authority.set(Mode::Status(503, None));
    assert_eq!(number(599).await, Ok(1), "it is still good");
    assert!(number(600).await.is_err());
    authority.set(lasting(600));
    assert_eq!(number(540).await, Ok(2));
    // Whose life is not told serves for five minutes.
    let (_server, _authority, tokens) = self::tokens(Mode::Gives { expires_in: None }).await;
    let number = async |second: i64| tokens.token(at_seconds(NOW + second)).await.map(|held| held.number());
    assert_eq!([number(0).await, number(269).await, number(270).await], [Ok(1), Ok(1), Ok(2)]);
}

#[tokio::test]
async fn a_refused_client_is_a_matter_of_configuration_and_nothing_secret_is_told() {
    let (server, _authority) = authority::start(lasting(600)).await;
    let folder = folder();
    let wrong = registration(&server, folder.path());
    write(folder.path(), "segreto", "un-altra-parola");
    let tokens = Tokens::open(&wrong).expect("tokens");
    let (error, told) = refused(&tokens).await;
    assert_eq!(error, TokenError::Refused { code: "invalid_client".to_owned() });
    assert_eq!(
        (told.kind, told.advice, told.phase),
        (ErrorKind::Authentication, Advice::FixConfiguration, Phase::BeforeSending)
    );
    assert_eq!(told.remote_code.as_deref(), Some("invalid_client"));
    let shown = format!("{error} {error:?} {told} {told:?} {tokens:?}");
    assert!(!shown.contains("un-altra-parola") && !shown.contains(SECRET), "{shown}");
    assert_eq!(server.received_requests().await.expect("recorded").len(), 1, "no second try");
}

#[tokio::test]
async fn what_is_no_token_is_of_the_connection_and_never_of_a_record() {
    let said = |status, body| Mode::Says { status, content_type: "application/json", body };
    let token = |more: serde_json::Value| {
        let mut body = json!({ "access_token": "segretissimo", "token_type": "Bearer", "expires_in": 600 });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        said(200, body)
    };
    let page = "<html>segretissimo</html>";
    for mode in [
        token(json!({ "token_type": "DPoP" })),
        token(json!({ "token_type": null })),
        token(json!({ "expires_in": 0 })),
        token(json!({ "expires_in": -5 })),
        token(json!({ "access_token": "" })),
        token(json!({ "access_token": "segretissimo\r\nx: y" })),
        token(json!({ "access_token": "segretissimo è" })),
        token(json!({ "access_token": "segretissimo".repeat(8_000) })),
        said(200, json!(["segretissimo"])),
        said(200, json!("")),
        Mode::Says { status: 200, content_type: "text/html", body: page.into() },
        Mode::Says { status: 404, content_type: "text/html", body: page.into() },
        Mode::Status(204, None),
        Mode::Status(302, Some(("location", "http://127.0.0.1:9/altrove"))),
    ] {
        let (server, _authority, tokens) = tokens(mode.clone()).await;
        let (error, told) = refused(&tokens).await;
        let expected = (ErrorKind::NotUnderstood, Advice::FixConfiguration, Phase::BeforeSending);
        assert_eq!((told.kind, told.advice, told.phase), expected, "{mode:?}");
        assert!(!format!("{error} {error:?} {told} {told:?}").contains("segretissimo"), "{error:?}");
        assert_eq!(server.received_requests().await.expect("recorded").len(), 1, "{mode:?}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_answer_now_is_asked_again_later() {
    for (mode, kind, after) in [
        (Mode::Status(503, Some(("retry-after", "7"))), ErrorKind::Unavailable, Some(7)),
        (Mode::Status(500, None), ErrorKind::Unavailable, None),
        (Mode::Status(429, Some(("retry-after", "9"))), ErrorKind::RateLimited, Some(9)),
    ] {
        let (_server, _authority, tokens) = tokens(mode).await;
        let (_, told) = refused(&tokens).await;
        let after = after.map(Duration::from_secs);
        assert_eq!((told.kind, told.advice, told.phase), (kind, Advice::Retry { after }, Phase::BeforeSending));
    }
    let ((server, _authority), folder) = (authority::start(lasting(600)).await, folder());
    let nobody = "http://127.0.0.1:9/token".to_owned();
    let nobody = Registration { token_url: nobody, ..registration(&server, folder.path()) };
    let (error, told) = refused(&Tokens::open(&nobody).expect("tokens")).await;
    assert_eq!((told.kind, told.phase), (ErrorKind::Unreachable, Phase::BeforeSending), "{error:?}");
    assert!(matches!(told.advice, Advice::Retry { .. }));
}

fn settings(server: &MockServer, registration: Registration) -> HttpSettings {
    HttpSettings { oauth: Some(Box::new(registration)), ..HttpSettings::new(format!("{}/api", server.uri())) }
}

fn client(server: &MockServer) -> HttpClient {
    let folder = folder();
    HttpClient::new("osservatorio", &settings(server, registration(server, folder.path()))).expect("a client")
}

/// A request as an adapter makes it, with a key of its own.
fn request(client: &HttpClient, number: usize) -> Request {
    let request = client.request(Method::POST, &["pratiche"], &[]);
    request.bearer(&Secret::new("dell-adattatore")).json_body(format!("{{\"pratica\":{number}}}"))
}

async fn answers(server: &MockServer, statuses: &[u16]) {
    for (index, status) in statuses.iter().enumerate() {
        let mock = Mock::given(path_regex("^/api/pratiche")).respond_with(ResponseTemplate::new(*status));
        let last = index + 1 == statuses.len();
        if last { mock.mount(server).await } else { mock.up_to_n_times(1).mount(server).await }
    }
}

/// What the requests to the system bore, and how many tokens were asked for.
async fn seen(server: &MockServer) -> (Vec<String>, usize) {
    let requests = server.received_requests().await.expect("recorded");
    let (calls, others): (Vec<_>, Vec<_>) = requests.iter().partition(|it| it.url.path().contains("pratiche"));
    let bore = |call: &&wiremock::Request| call.headers["authorization"].to_str().expect("a text").to_owned();
    (calls.iter().map(bore).collect(), others.len())
}

#[tokio::test]
async fn one_token_serves_many_requests() {
    let (server, _authority) = authority::start(lasting(600)).await;
    answers(&server, &[200]).await;
    let client = client(&server);
    let done = join_all((0..20).map(|number| client.exchange(request(&client, number)))).await;
    assert!(done.into_iter().all(|answer| answer.is_ok_and(|answer| answer.status == 200)));
    assert_eq!(seen(&server).await, (vec!["Bearer token-1".to_owned(); 20], 1));
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once_and_a_second_refusal_is_the_systems() {
    let (both, one) = (vec!["Bearer token-1", "Bearer token-2"], vec!["Bearer token-1"]);
    for (statuses, expected, bore) in [(&[401, 200][..], 200, &both), (&[401][..], 401, &both), (&[403][..], 403, &one)]
    {
        let (server, _authority) = authority::start(lasting(600)).await;
        answers(&server, statuses).await;
        let client = client(&server);
        let answer = client.exchange(request(&client, 1)).await.expect("an answer");
        assert_eq!(answer.status, expected);
        let (calls, asked) = seen(&server).await;
        assert_eq!((&calls.iter().map(String::as_str).collect::<Vec<_>>(), asked), (bore, bore.len()));
        let requests = server.received_requests().await.expect("recorded");
        let mut bodies = requests.iter().filter(|it| it.url.path().contains("pratiche")).map(|it| &it.body);
        assert!(bodies.all(|body| body == b"{\"pratica\":1}"), "the same bytes again");
    }
}

#[tokio::test]
async fn many_that_are_refused_together_share_the_token_that_replaces_theirs() {
    let (server, _authority) = authority::start(lasting(600)).await;
    let ok = Mock::given(method("POST")).and(path("/api/pratiche")).respond_with(ResponseTemplate::new(200));
    ok.with_priority(9).mount(&server).await;
    let client = client(&server);
    client.exchange(request(&client, 0)).await.expect("a token");
    let forgotten = Mock::given(header("authorization", "Bearer token-1")).respond_with(ResponseTemplate::new(401));
    forgotten.with_priority(1).mount(&server).await;
    let done = join_all((1..=8).map(|number| client.exchange(request(&client, number)))).await;
    assert!(done.into_iter().all(|answer| answer.is_ok_and(|answer| answer.status == 200)));
    assert_eq!(seen(&server).await.1, 2, "one token at the start, and one in its place");
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_to_the_system() {
    let (server, _authority) = authority::start(Mode::Status(400, None)).await;
    answers(&server, &[200]).await;
    let client = client(&server);
    let error = client.exchange(request(&client, 1)).await.expect_err("no token");
    assert_eq!((error.kind, error.advice), (ErrorKind::Authentication, Advice::FixConfiguration));
    assert_eq!((error.phase, error.remote_code.as_deref()), (Phase::BeforeSending, Some("400")));
    assert!(seen(&server).await.0.is_empty());
}

#[tokio::test]
async fn the_token_is_within_the_time_of_the_exchange_and_a_slow_server_leaves_nothing_in_doubt() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(20));
    Mock::given(method("POST")).and(path("/token")).respond_with(slow).mount(&server).await;
    answers(&server, &[200]).await;
    let folder = folder();
    let hurried = HttpSettings {
        connect_seconds: 1,
        read_seconds: 2,
        total_seconds: 2,
        ..settings(&server, registration(&server, folder.path()))
    };
    let client = HttpClient::new("osservatorio", &hurried).expect("a client");
    let exchange = tokio::time::timeout(Duration::from_secs(2), client.exchange(request(&client, 1)));
    let error = exchange.await.expect("within its time").expect_err("no token in time");
    assert_eq!((error.kind, error.phase), (ErrorKind::Timeout, Phase::BeforeSending));
    assert!(seen(&server).await.0.is_empty());
}

#[tokio::test]
async fn a_token_stays_with_the_host_that_it_is_for() {
    let (server, _authority) = authority::start(lasting(600)).await;
    let settings = settings(&server, registration(&server, folder().path()));
    assert!(settings.at(&format!("{}/altro", server.uri())).oauth.is_some());
    for elsewhere in ["https://accessi.example/login", "http://127.0.0.1:1/x", "not an address"] {
        assert_eq!(settings.at(elsewhere).oauth, None, "{elsewhere}");
    }
    let own = settings.refuse_voucher("pad").expect_err("credentials of its own");
    assert!(own.problem.starts_with("oauth: ") && own.problem.contains("take oauth away"), "{}", own.problem);
}

#[tokio::test]
async fn settings_that_cannot_work_are_told_before_anything_is_sent() {
    let (server, _authority) = authority::start(lasting(600)).await;
    let folder = folder();
    let usual = || registration(&server, folder.path());
    let url = |url: &str| Registration { token_url: url.to_owned(), ..usual() };
    for (registration, word) in [
        (url("https://accessi.example/token?x=1"), "token_url"),
        (url("http://accessi.example/token"), "token_url must begin with https"),
        (url("https://chi:parola@accessi.example/token"), "token_url"),
        (url("accessi"), "token_url"),
        (Registration { ca_file: Some(folder.path().join("nessuna.pem")), ..usual() }, "ca_file"),
        (Registration { kid: Some("k".to_owned()), ..usual() }, "kid"),
        (
            Registration { private_key_file: Some(folder.path().join("segreto")), client_secret_file: None, ..usual() },
            "private_key_file",
        ),
    ] {
        let error = HttpClient::new("osservatorio", &settings(&server, registration)).expect_err(word);
        assert!(error.problem.starts_with("oauth: ") && error.problem.contains(word), "{word}: {}", error.problem);
        assert!(!error.problem.contains("parola") && !error.problem.contains(SECRET), "{}", error.problem);
    }
    let both = json!({
        "base_url": "https://osservatorio.example",
        "pdnd": { "environment": "uat", "client_id": "c", "private_key_file": "/nowhere" },
        "oauth": { "token_url": "https://accessi.example/token", "client_id": "c", "client_secret_file": "/nowhere" },
    });
    let both: HttpSettings = serde_json::from_value(both).expect("settings");
    let error = HttpClient::new("osservatorio", &both).expect_err("both");
    assert!(error.problem.starts_with("oauth: together with pdnd"), "{}", error.problem);
    assert!(server.received_requests().await.expect("recorded").is_empty());
}
