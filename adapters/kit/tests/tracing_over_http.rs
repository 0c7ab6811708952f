//! The daily files over HTTP: what arrives is a form that anybody reads, with a voucher of the platform.

#[allow(dead_code, reason = "each test takes what it needs of the samples")]
#[path = "vectors/samples.rs"]
mod samples;
#[allow(dead_code, reason = "each test takes what it needs of the platform")]
#[path = "platform/mod.rs"]
mod platform;

use canonical::values::CalendarDate;
use contract::{ErrorKind, Phase};
use kit::pdnd::settings::{Connection, ConnectionKeys};
use kit::pdnd::tracing_api::{Sending, TracingApi};
use samples::{at_seconds, bytes, private};
use serde_json::json;
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use platform::{Mode, NOW, connection};

const ID: &str = "7a1c5e3f-9b2d-4f60-8e7a-6c5d4b3a2f10";

fn api(server: &MockServer) -> TracingApi {
    let connection = Connection {
        purpose_id: None,
        is_api_client: true,
        tracing_url: Some(format!("{}/tracing", server.uri())),
        ..connection(server)
    };
    TracingApi::new(connection, ConnectionKeys { assertion: private("api"), dpop: None }).expect("a client")
}

fn now() -> canonical::values::UtcInstant {
    at_seconds(NOW)
}

#[tokio::test]
async fn the_file_of_a_day_arrives_whole_in_a_form_with_its_day() {
    let (server, _platform) = platform::start(Mode::Gives { expires_in: 600 }).await;
    let taken = ResponseTemplate::new(200).set_body_json(json!({ "tracingId": ID, "errors": false }));
    for place in [
        "/tracing/tracings/submit".to_owned(),
        format!("/tracing/tracings/{ID}/recover"),
        format!("/tracing/tracings/{ID}/replace"),
    ] {
        Mock::given(method("POST")).and(path(place)).respond_with(taken.clone()).mount(&server).await;
    }
    let (api, file) = (api(&server), bytes("tracing/tracing-ok.csv"));
    let day = CalendarDate::parse("2026-11-30").expect("a day");
    for sending in [Sending::Submit(day), Sending::Recover(ID), Sending::Replace(ID)] {
        let taken = api.send(sending, &file, now).await.expect("taken");
        assert_eq!((taken.id.as_str(), taken.has_errors), (ID, false));
    }
    let requests = server.received_requests().await.expect("recorded");
    let forms: Vec<_> = requests.iter().filter(|it| it.url.path().starts_with("/tracing/")).collect();
    assert_eq!((forms.len(), requests.len()), (3, 4), "one voucher");
    for (index, form) in forms.iter().enumerate() {
        let content_type = form.headers["content-type"].to_str().expect("a text");
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").expect("a plain boundary");
        let text = String::from_utf8(form.body.clone()).expect("a text");
        let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
        assert_eq!((parts[0], parts.last().copied()), ("", Some("--\r\n")));
        let content = |name: &str| {
            let part = parts.iter().find(|part| part.contains(&format!("name=\"{name}\"")))?;
            part.split_once("\r\n\r\n")?.1.strip_suffix("\r\n")
        };
        assert_eq!(content("file").map(str::as_bytes), Some(file.as_slice()));
        assert_eq!(content("date"), (index == 0).then_some("2026-11-30"));
    }
}

#[tokio::test]
async fn days_and_their_errors_are_read_and_a_refusal_has_the_code_of_the_platform() {
    let (server, _platform) = platform::start(Mode::Gives { expires_in: 600 }).await;
    let days = json!({ "results": [{ "tracingId": ID, "date": "2026-11-29", "state": "ERROR" }], "totalCount": 1 });
    let listed = Mock::given(method("GET")).and(path("/tracing/tracings")).and(query_param("states", "ERROR,MISSING"));
    listed
        .and(query_param("limit", "50"))
        .respond_with(ResponseTemplate::new(200).set_body_json(days))
        .mount(&server)
        .await;
    let error = json!({
        "purposeId": "x", "severity": "INVALID", "errorCode": "INVALID_DATE", "message": "date", "rowNumber": 2,
    });
    let errors = ResponseTemplate::new(200).set_body_json(json!({ "results": [error], "totalCount": 1 }));
    Mock::given(path(format!("/tracing/tracings/{ID}/errors"))).respond_with(errors).mount(&server).await;
    let problem = json!({
        "type": "about:blank", "status": 400, "title": "Bad request",
        "errors": [{ "code": "TRACING_ALREADY_EXISTS", "detail": "exists" }],
    });
    let exists = ResponseTemplate::new(400).set_body_raw(problem.to_string(), "application/problem+json");
    Mock::given(path("/tracing/tracings/submit")).respond_with(exists).mount(&server).await;
    let api = api(&server);
    let days = api.days(&["ERROR".to_owned(), "MISSING".to_owned()], 0, now).await.expect("days");
    assert_eq!((days.total, days.results[0].state.as_str()), (1, "ERROR"));
    let errors = api.errors(ID, 0, now).await.expect("errors");
    assert_eq!((errors.results[0].row, errors.results[0].code.as_str()), (2, "INVALID_DATE"));
    let day = CalendarDate::parse("2026-11-30").expect("a day");
    let refused = api.send(Sending::Submit(day), b"x", now).await.expect_err("it exists");
    assert_eq!((refused.remote_code.as_deref(), refused.phase), (Some("TRACING_ALREADY_EXISTS"), Phase::Refused));
    let before = server.received_requests().await.expect("recorded").len();
    let odd = api.errors("../submit", 0, now).await.expect_err("no name");
    assert_eq!((odd.kind, odd.phase), (ErrorKind::Local, Phase::BeforeSending));
    assert_eq!(server.received_requests().await.expect("recorded").len(), before);
}

#[test]
fn only_a_client_of_the_platform_with_the_address_of_the_service_is_taken() {
    let of_eservice = platform::connection_to("http://127.0.0.1:9/token.oauth2");
    let keys = || ConnectionKeys { assertion: private("api"), dpop: None };
    assert!(TracingApi::new(of_eservice.clone(), keys()).expect_err("no api client").problem.contains("is_api_client"));
    let no_address = Connection { is_api_client: true, purpose_id: None, ..of_eservice };
    assert!(TracingApi::new(no_address, keys()).expect_err("no address").problem.contains("tracing_url"));
}
