//! Problems and states as services, gateways and the platform write them, and what each means.

use std::time::Duration;

use contract::{Advice, ErrorKind, Phase};
use kit::answer::{Answer, common_error};
use kit::modi::gateway;
use kit::modi::service::Standing;
use kit::pdnd::token::{Asked, For, VoucherError, read};
use kit::problem::Problem;

use crate::samples::{at_seconds, bytes};

fn answer(status: u16, file: &str) -> Answer {
    let is_page = std::path::Path::new(file).extension().is_some_and(|extension| extension == "html");
    let content_type = if is_page { "text/html" } else { "application/problem+json" };
    Answer {
        attempted: "eservice POST /pratiche".to_owned(),
        status,
        content_type: Some(content_type.to_owned()),
        body: bytes(file).into(),
        ..Answer::default()
    }
}

#[test]
fn the_problems_of_the_national_rules_are_read() {
    let read = |file: &str| Problem::of(&bytes(file)).expect("a problem");
    let of = |kind: Option<&str>, status, title: &str, detail: Option<&str>| Problem {
        kind: kind.map(|kind| format!("https://apidoc.example.com/probs/{kind}")),
        title: Some(title.to_owned()),
        status: Some(status),
        detail: detail.map(str::to_owned),
        ..Problem::default()
    };
    let b = "L'attributo `b` dev'essere una stringa di lunghezza inferiore a 32 caratteri.";
    let malformed = of(Some("invalid-a"), 400, "L'attributo `b` ha un valore non valido.", Some(b));
    assert_eq!(read("agid/problem-400.json"), malformed);
    assert_eq!(read("agid/problem-404.json"), of(None, 404, "Risorsa non trovata.", None));
    let late = "Il sistema non e' riuscito a completare in tempo l'operazione prevista.";
    let failed = of(Some("operation-too-long"), 500, "L'operazione dura troppo.", Some(late));
    assert_eq!(read("agid/problem-500.json"), failed);
}

#[test]
fn a_service_says_how_it_is_and_a_body_that_contradicts_it_says_nothing() {
    assert_eq!(Standing::of(&answer(200, "status/status-200.json")), Standing::Active);
    let after = Some(Duration::from_secs(30));
    let down = Answer { retry_after: after, ..answer(503, "status/status-503.json") };
    assert_eq!(Standing::of(&down), Standing::Degraded { after });
    assert_eq!(Standing::of(&answer(200, "status/status-503.json")), Standing::Unclear);
    assert_eq!(Standing::of(&answer(503, "status/status-200.json")), Standing::Unclear);
    assert_eq!(Standing::of(&answer(200, "errors/gateway-error.html")), Standing::Unclear);
    assert_eq!(Standing::of(&answer(404, "agid/problem-404.json")), Standing::Unclear);
}

#[test]
fn every_word_of_a_gateway_has_its_error() {
    let slowly = Some(Duration::from_mins(15));
    let expected = [
        (400, "govway-400-interop-invalid-request", ErrorKind::Authentication, Phase::Refused, Advice::AskPerson, "4"),
        (
            502,
            "govway-502-interop-invalid-response",
            ErrorKind::NotUnderstood,
            Phase::Unknown,
            Advice::Retry { after: slowly },
            "7",
        ),
        (
            429,
            "govway-429-too-many",
            ErrorKind::RateLimited,
            Phase::Refused,
            Advice::Retry { after: Some(Duration::from_secs(7)) },
            "6",
        ),
    ];
    for (status, file, kind, phase, advice, last) in expected {
        let pause = (status == 429).then_some(Duration::from_secs(7));
        let file = format!("errors/{file}.json");
        let answer = Answer { retry_after: pause, ..answer(status, &file) };
        let error = gateway::error_of(&answer).expect("a word");
        assert_eq!((error.kind, error.phase, error.advice), (kind, phase, advice), "{file}");
        let title = Problem::read(&answer).and_then(|problem| problem.title).expect("a title");
        let code = error.remote_code.expect("a code");
        // The word and the name of the exchange, which its support asks for.
        let last = if last == "4" { "5" } else { last };
        assert!(code.starts_with(&title) && code.ends_with(last) && code.len() == title.len() + 37, "{code}");
    }
}

#[test]
fn other_words_of_a_gateway_and_words_under_another_status() {
    let of = |status: u16, title: &str| {
        let body = format!(r#"{{"title":"{title}","status":{status},"govway_id":"a b\nc"}}"#);
        let answer = Answer { body: body.into(), ..answer(status, "agid/problem-404.json") };
        gateway::error_of(&answer).map(|error| (error.kind, error.phase, error.remote_code.unwrap_or_default()))
    };
    let is = |kind, phase, title: &str| Some((kind, phase, title.to_owned()));
    assert_eq!(of(401, "TokenExpired"), is(ErrorKind::Authentication, Phase::Refused, "TokenExpired"));
    assert_eq!(of(403, "AuthorizationDeny"), is(ErrorKind::Permission, Phase::Refused, "AuthorizationDeny"));
    assert_eq!(of(503, "APISuspended"), is(ErrorKind::Unavailable, Phase::Refused, "APISuspended"));
    let broken = "InteroperabilityResponseManagementFailed";
    assert_eq!(of(502, broken), is(ErrorKind::NotUnderstood, Phase::Unknown, broken));
    for (status, title) in
        [(400, "TokenExpired"), (500, "APISuspended"), (400, "Dati non validi"), (200, "APISuspended")]
    {
        assert_eq!(of(status, title), None, "{status} {title}");
    }
}

#[test]
fn a_page_of_a_gateway_is_no_problem_and_its_status_decides() {
    let page = answer(502, "errors/gateway-error.html");
    assert_eq!((Problem::read(&page), gateway::error_of(&page).is_none()), (None, true));
    let error = common_error(&page.attempted, &page).expect("an error");
    assert_eq!((error.kind, error.phase), (ErrorKind::Unavailable, Phase::Unknown));
}

#[test]
fn every_no_of_the_token_endpoint_is_told_from_the_others() {
    let read = |status: u16, file: &str| {
        let wanted = For { client_id: "c", purpose_id: None, thumbprint: None };
        let answer = Answer { retry_after: Some(Duration::from_secs(1)), ..answer(status, &format!("errors/{file}")) };
        read(&answer, wanted, at_seconds(1_796_115_600))
    };
    let Asked::Refused(VoucherError::Refused { code, correlation_id }) = read(400, "pdnd-token-400.json") else {
        panic!("worth one more assertion");
    };
    assert_eq!((code.as_str(), correlation_id.as_str()), ("015-0008", "f0b1a7c2-3d4e-4f50-8a61-92b3c4d5e6f7"));
    let after = Some(Duration::from_secs(1));
    let Asked::Failed(limited) = read(429, "pdnd-token-429.json") else { panic!("not refused") };
    assert_eq!(limited, VoucherError::RateLimited { after });
    for (status, file) in [(500, "pdnd-token-500.json"), (502, "gateway-error.html")] {
        let Asked::Failed(VoucherError::Unavailable { kind, .. }) = read(status, file) else { panic!("{file}") };
        assert_eq!(kind, ErrorKind::Unavailable, "{file}");
    }
    // A page under a 400 is a refusal all the same: the status is its code.
    let Asked::Refused(VoucherError::Refused { code, .. }) = read(400, "gateway-error.html") else { panic!("refused") };
    assert_eq!(code, "400");
}
