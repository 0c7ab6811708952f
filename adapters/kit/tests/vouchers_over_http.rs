//! Vouchers asked for over HTTP: one flight for many, renewed in time, refusals told apart; and calls
//! that carry everything the national rules ask for, judged by our own verifiers.

#[allow(dead_code, reason = "each test takes what it needs of the samples")]
#[path = "vectors/samples.rs"]
mod samples;
#[path = "platform/mod.rs"]
mod platform;

use std::sync::Arc;
use std::time::Duration;

use contract::{AdapterError, Advice, ErrorKind, Phase};
use kit::http::{HttpClient, HttpSettings, Method};
use kit::jose::{MemorySeen, SigningKey};
use kit::modi::audit::{self, User};
use kit::modi::sign::Signer;
use kit::modi::tokens::{KeyName, Rules, Trust};
use kit::modi::verify::{Message, verify};
use kit::pdnd::call::{Caller, Outgoing};
use kit::pdnd::client::{OwnedStep, Quota, VoucherClient, Wanted};
use kit::pdnd::dpop;
use kit::pdnd::settings::{AuditPattern, Connection, ConnectionKeys, SchemeName};
use kit::pdnd::signal_hub::Signal;
use kit::pdnd::signal_hub::client::SignalHub;
use kit::pdnd::signal_hub::push::Pushed;
use kit::pdnd::token::VoucherError;
use kit::pdnd::voucher::evidence_digest;
use samples::{at_seconds, private, registered};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use platform::{Mode, NOW, PURPOSE, Platform, assertion_of, connection};

const OURS: &str = "https://erogatore.example/rest/appalti/v1";

fn keys(dpop: Option<&str>) -> ConnectionKeys {
    ConnectionKeys { assertion: private("eservice"), dpop: dpop.map(private) }
}

async fn client(mode: Mode) -> (MockServer, Platform, VoucherClient) {
    let (server, platform) = platform::start(mode).await;
    let client = VoucherClient::new(connection(&server), keys(None), Quota::default()).expect("a client");
    (server, platform, client)
}

#[tokio::test]
async fn however_many_ask_one_request_is_sent_and_it_is_a_right_one() {
    let (server, _platform, client) = client(Mode::Gives { expires_in: 600 }).await;
    let client = Arc::new(client);
    let asked = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.voucher(&Wanted::default(), at_seconds(NOW)).await })
    });
    let mut names = Vec::new();
    for asked in asked {
        names.push(asked.await.expect("no panic").expect("a voucher").token_id().to_owned());
    }
    names.dedup();
    assert_eq!(names.len(), 1);
    let requests = server.received_requests().await.expect("recorded");
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].headers["content-type"], "application/x-www-form-urlencoded");
    // The platform of the tests judges each assertion by the pre-flight and gives nothing to a wrong one.
    assert!(assertion_of(&requests[0]).is_some());
}

#[tokio::test]
async fn a_voucher_is_renewed_at_nine_tenths_and_the_old_one_serves_while_the_platform_is_silent() {
    let (_server, platform, client) = client(Mode::Gives { expires_in: 600 }).await;
    let wanted = Wanted::default();
    let first = client.voucher(&wanted, at_seconds(NOW)).await.expect("a voucher");
    let same = client.voucher(&wanted, at_seconds(NOW + 539)).await.expect("a voucher");
    assert_eq!(first.token_id(), same.token_id());
    platform.set(Mode::Fails(503));
    let still = client.voucher(&wanted, at_seconds(NOW + 599)).await.expect("the old one");
    assert_eq!(first.token_id(), still.token_id());
    let error = client.voucher(&wanted, at_seconds(NOW + 600)).await.expect_err("none");
    assert!(matches!(error, VoucherError::Unavailable { .. }), "{error:?}");
    platform.set(Mode::Gives { expires_in: 600 });
    let renewed = client.voucher(&wanted, at_seconds(NOW + 540)).await.expect("a voucher");
    assert_ne!(first.token_id(), renewed.token_id());
}

#[tokio::test]
async fn a_mute_refusal_is_permanent_after_one_newly_minted_assertion() {
    let (server, platform, client) = client(Mode::Refuses).await;
    let error = client.voucher(&Wanted::default(), at_seconds(NOW)).await.expect_err("refused");
    let VoucherError::Refused { code, correlation_id } = &error else { panic!("{error:?}") };
    assert_eq!((code.as_str(), correlation_id.as_str()), ("015-0008", "f0b1a7c2-3d4e-4f50-8a61-92b3c4d5e6f7"));
    let requests = server.received_requests().await.expect("recorded");
    assert_eq!(requests.len(), 2);
    let (first, second) = (assertion_of(&requests[0]), assertion_of(&requests[1]));
    assert!(first.is_some() && first != second);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("eyJ") && !shown.contains(&first.unwrap_or_default()));
    let error = AdapterError::from(error);
    assert_eq!((error.kind, error.phase), (ErrorKind::Authentication, Phase::BeforeSending));
    assert_eq!((error.advice, error.remote_code.as_deref()), (Advice::FixConfiguration, Some("015-0008")));
    // One refusal alone is the platform's hiccup.
    platform.set(Mode::RefusesOnce);
    assert!(client.voucher(&Wanted::default(), at_seconds(NOW)).await.is_ok());
}

#[tokio::test]
async fn a_limit_holds_for_every_client_of_the_administration_until_one_interval_has_passed() {
    let (server, platform) = platform::start(Mode::Limits { seconds: 1 }).await;
    let quota = Quota::default();
    let first = VoucherClient::new(connection(&server), keys(None), quota.clone()).expect("a client");
    let second = VoucherClient::new(connection(&server), keys(None), quota).expect("a client");
    let limited = Err(VoucherError::RateLimited { after: Some(Duration::from_secs(1)) });
    assert_eq!(first.voucher(&Wanted::default(), at_seconds(NOW)).await.map(|_| ()), limited);
    platform.set(Mode::Gives { expires_in: 600 });
    assert_eq!(second.voucher(&Wanted::default(), at_seconds(NOW)).await.map(|_| ()), limited);
    assert_eq!(server.received_requests().await.expect("recorded").len(), 1);
    assert!(second.voucher(&Wanted::default(), at_seconds(NOW + 1)).await.is_ok());
}

#[tokio::test]
async fn what_is_not_the_platform_is_told_from_what_it_refuses() {
    for mode in [Mode::Fails(500), Mode::Fails(502), Mode::Page(503)] {
        let (_server, _platform, client) = client(mode).await;
        let error = client.voucher(&Wanted::default(), at_seconds(NOW)).await.expect_err("none");
        let error = AdapterError::from(error);
        assert_eq!((error.kind, error.phase), (ErrorKind::Unavailable, Phase::BeforeSending));
        assert!(matches!(error.advice, Advice::Retry { .. }));
    }
    let (_server, _platform, of_page) = client(Mode::Page(200)).await;
    let error = of_page.voucher(&Wanted::default(), at_seconds(NOW)).await.expect_err("none");
    assert!(matches!(error, VoucherError::Unusable(_)), "{error:?}");
    let nobody = Connection { token_url: Some("http://127.0.0.1:9/token.oauth2".to_owned()), ..template() };
    let nobody = VoucherClient::new(nobody, keys(None), Quota::default()).expect("a client");
    let error = nobody.voucher(&Wanted::default(), at_seconds(NOW)).await.expect_err("none");
    assert!(matches!(error, VoucherError::Unavailable { kind: ErrorKind::Unreachable, .. }), "{error:?}");
}

fn template() -> Connection {
    platform::connection_to("http://127.0.0.1:9/token.oauth2")
}

#[tokio::test]
async fn a_voucher_for_another_purpose_or_bound_to_another_key_is_none() {
    for mode in [Mode::OfAnotherPurpose, Mode::BoundToAnother] {
        let (_server, _platform, client) = client(mode).await;
        let error = client.voucher(&Wanted::default(), at_seconds(NOW)).await.expect_err("none");
        assert!(matches!(error, VoucherError::Unusable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_step_of_an_exchange_goes_to_the_asynchronous_endpoint() {
    let (server, _platform, client) = client(Mode::Gives { expires_in: 600 }).await;
    let step = OwnedStep::StartInteraction { callback_url: "https://broker.example/rest/callback/v1".to_owned() };
    let wanted = Wanted { step: Some(step), ..Wanted::default() };
    client.voucher(&wanted, at_seconds(NOW)).await.expect("a voucher");
    client.voucher(&Wanted::default(), at_seconds(NOW)).await.expect("another voucher");
    let requests = server.received_requests().await.expect("recorded");
    let paths: Vec<_> = requests.iter().map(|request| request.url.path()).collect();
    assert_eq!(paths, ["/token.oauth2.async", "/token.oauth2"]);
}

#[tokio::test]
async fn another_key_asks_for_another_voucher_under_its_own_name() {
    let (server, _platform, client) = client(Mode::Gives { expires_in: 600 }).await;
    client.voucher(&Wanted::default(), at_seconds(NOW)).await.expect("a voucher");
    let other = ConnectionKeys { assertion: private("stranger"), dpop: None };
    client.rotate(other).expect("a key of the same client");
    client.voucher(&Wanted::default(), at_seconds(NOW)).await.expect("a voucher");
    assert_eq!(server.received_requests().await.expect("recorded").len(), 2);
    let of_a_curve = ConnectionKeys { assertion: private("dpopEc"), dpop: None };
    assert!(matches!(client.rotate(of_a_curve), Err(VoucherError::Mistakes(_))));
}

#[test]
fn a_connection_with_mistakes_does_not_start_and_says_each() {
    let uuid = template().client_id;
    let of = |connection: Connection, keys: ConnectionKeys| {
        let error = VoucherClient::new(connection, keys, Quota::default()).expect_err("mistakes");
        let VoucherError::Mistakes(mistakes) = error else { panic!("{error:?}") };
        assert!(mistakes.iter().all(|it| !it.italian().contains("{}") && it.italian() != it.english()));
        mistakes.iter().map(kit::pdnd::preflight::Mistake::code).collect::<Vec<_>>()
    };
    let kid = |kid: &str| Connection { kid: Some(kid.to_owned()), ..template() };
    assert_eq!(of(kid(&uuid), keys(None)), ["invalidKidFormat"]);
    assert_eq!(of(kid(private("api").thumbprint()), keys(None)), ["kidOfAnotherKey"]);
    let client_id = "broker".to_owned();
    assert_eq!(of(Connection { client_id, ..template() }, keys(None)), ["clientIdNotUuid"]);
    assert_eq!(of(Connection { purpose_id: None, ..template() }, keys(None)), ["purposeIdNotProvided"]);
    assert_eq!(of(Connection { is_api_client: true, ..template() }, keys(None)), ["purposeIdNotExpected"]);
    let of_a_curve = ConnectionKeys { assertion: private("dpopEc"), dpop: None };
    assert_eq!(of(template(), of_a_curve), ["keyNotRsa"]);
    let dpop = || Connection { scheme: SchemeName::Dpop, ..template() };
    assert_eq!(of(dpop(), keys(None)), ["dpopKeyMissing"]);
    assert_eq!(of(dpop(), keys(Some("eservice"))), ["dpopKeyReused"]);
    let production = "auth.interop.pagopa.it/client-assertion".to_owned();
    let token_url = Some("https://auth.uat.interop.pagopa.it/token.oauth2".to_owned());
    let mixed = Connection { token_url, assertion_audience: Some(production), ..template() };
    assert_eq!(of(mixed, keys(None)), ["mixedEnvironments", "audienceOfAnotherHost"]);
    let with_scheme = Some("https://127.0.0.1:9/client-assertion".to_owned());
    assert_eq!(of(Connection { assertion_audience: with_scheme, ..template() }, keys(None)), ["audienceWithScheme"]);
}

/// An e-service that answers these statuses, one after the other.
async fn eservice(server: &MockServer, statuses: &[u16]) {
    for (index, status) in statuses.iter().enumerate() {
        let mock = Mock::given(method("POST")).and(path("/rest/appalti/v1/pratiche"));
        let mock = mock.respond_with(ResponseTemplate::new(*status).set_body_string("{}"));
        let last = index + 1 == statuses.len();
        if last { mock.mount(server).await } else { mock.up_to_n_times(1).mount(server).await }
    }
}

fn caller(server: &MockServer, connection: Connection, dpop: Option<&str>, signer: Option<Signer>) -> Caller {
    let vouchers = VoucherClient::new(connection, keys(dpop), Quota::default()).expect("a client");
    let target = HttpSettings::new(format!("{}/rest/appalti/v1", server.uri()));
    Caller::new(vouchers, HttpClient::new("eservice", &target).expect("a client"), signer)
}

fn outgoing(user: Option<&User>) -> Outgoing<'_> {
    Outgoing {
        method: Method::POST,
        path: &["pratiche"],
        query: &[("cig", "B1234567AB")],
        content_type: Some("application/json; charset=utf-8"),
        content_encoding: None,
        body: "{\"oggetto\":\"città\"}".into(),
        user,
    }
}

#[tokio::test]
async fn a_refused_voucher_is_replaced_once_and_never_more() {
    for (statuses, expected) in [(&[401, 200][..], 200), (&[401][..], 401)] {
        let (server, _platform) = platform::start(Mode::Gives { expires_in: 600 }).await;
        eservice(&server, statuses).await;
        let caller = caller(&server, connection(&server), None, None);
        let done = caller.send(&outgoing(None), || at_seconds(NOW)).await.expect("an answer");
        assert_eq!(done.answer.status, expected);
        let requests = server.received_requests().await.expect("recorded");
        let calls: Vec<_> = requests.iter().filter(|request| request.url.path().ends_with("pratiche")).collect();
        assert_eq!((calls.len(), requests.len() - calls.len()), (2, 2));
        assert_ne!(calls[0].headers["authorization"], calls[1].headers["authorization"]);
        assert_eq!(done.purpose_id.as_deref(), Some(PURPOSE));
    }
}

#[tokio::test]
async fn a_call_carries_what_the_rules_ask_for_and_our_own_verifiers_accept_it() {
    let (server, _platform) = platform::start(Mode::GivesBound { expires_in: 600 }).await;
    eservice(&server, &[200]).await;
    let signer = Signer {
        key: private("eservice"),
        key_name: KeyName::Registered,
        issuer: template().client_id,
        subject: Some(template().client_id),
        audiences: vec![OURS.to_owned()],
        life_seconds: 60,
        signs_empty: false,
    };
    let connection = Connection {
        scheme: SchemeName::Dpop,
        audit: AuditPattern::Rest02,
        message_audience: vec![OURS.to_owned()],
        ..connection(&server)
    };
    let caller = caller(&server, connection, Some("dpopEc"), Some(signer));
    let user = User { id: "operatore-7f3a".to_owned(), location: "postazione-12".to_owned(), assurance: None };
    let now = at_seconds(NOW);
    for _ in 0..2 {
        let done = caller.send(&outgoing(Some(&user)), || now).await.expect("an answer");
        assert_eq!(done.answer.status, 200);
    }
    let requests = server.received_requests().await.expect("recorded");
    let calls: Vec<_> = requests.iter().filter(|request| request.url.path().ends_with("pratiche")).collect();
    // The same user within a few minutes: one evidence, one voucher, two calls.
    assert_eq!((calls.len(), requests.len()), (2, 3));
    let seen = MemorySeen::default();
    for call in calls {
        let headers: Vec<_> =
            call.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("a text"))).collect();
        let message = Message { headers: &headers, body: &call.body };
        let keys = registered(&["eservice"]);
        let trust = Trust { keys: Some(&keys), certificates: None };
        let rules = Rules::for_audiences(vec![OURS.to_owned()]);
        let believed = verify(&message, trust, &rules, None, now).expect("signed").claim(&seen, now).await;
        assert_eq!(believed.expect("the first time").subject, Some(template().client_id));
        let evidence = message.values("agid-jwt-trackingevidence")[0];
        audit::verify(evidence, trust, &rules, PURPOSE, now).expect("an evidence").reused();
        let voucher = message.values("authorization")[0].strip_prefix("DPoP ").expect("a bound voucher");
        let claims = platform::claims(voucher);
        assert_eq!(claims["digest"]["value"], evidence_digest(evidence));
        let url = format!("{}/rest/appalti/v1/pratiche", server.uri());
        let proof = dpop::verify(message.values("dpop")[0], "POST", &url, Some(voucher), now).expect("a proof");
        let proof = proof.claim(&seen, now).await.expect("a new one for each call");
        assert_eq!(claims["cnf"]["jkt"], proof.thumbprint());
    }
}

#[tokio::test]
async fn a_call_that_needs_an_evidence_and_has_no_user_is_not_sent() {
    let (server, _platform) = platform::start(Mode::Gives { expires_in: 600 }).await;
    let connection = Connection { audit: AuditPattern::Rest01, ..connection(&server) };
    let caller = caller(&server, connection, None, None);
    let error = caller.send(&outgoing(None), || at_seconds(NOW)).await.expect_err("nobody asks");
    assert_eq!(error.phase, Phase::BeforeSending);
    assert!(server.received_requests().await.expect("recorded").is_empty());
}

#[tokio::test]
async fn signals_are_pushed_and_pulled_with_a_voucher_of_the_platform_itself() {
    let (server, _platform) = platform::start(Mode::Gives { expires_in: 600 }).await;
    let hub = |status: u16, file: &str| {
        let body = samples::bytes(&format!("signalhub/{file}.json"));
        ResponseTemplate::new(status).set_body_raw(body, "application/json")
    };
    let push = Mock::given(method("POST")).and(path("/1.0/push/signals"));
    push.respond_with(hub(400, "push-400-higher")).mount(&server).await;
    let service = "b8c6d7ad-93fc-4eaf-9018-3cd8bf98163f";
    let pull = |after: &str| {
        let mock = Mock::given(method("GET")).and(path(format!("/1.0/pull/signals/{service}")));
        mock.and(query_param("signalId", after)).and(query_param("size", "100"))
    };
    pull("0").respond_with(hub(206, "pull-206")).mount(&server).await;
    pull("103").respond_with(hub(200, "pull-200")).mount(&server).await;
    let vouchers = VoucherClient::new(connection(&server), keys(None), Quota::default()).expect("a client");
    let target = HttpClient::new("signal-hub", &HttpSettings::new(format!("{}/1.0", server.uri()))).expect("a client");
    let hub = SignalHub::new(Caller::new(vouchers, target, None));
    let now = || at_seconds(NOW);
    let pushed = hub.push(&Signal::seed_update(101, service), now).await.expect("an answer");
    assert_eq!(pushed, Pushed::NumberPassed);
    let (mut cursor, mut numbers, mut has_more) = (0, Vec::new(), true);
    while has_more {
        let pulled = hub.pull(service, cursor, 1_000, now).await.expect("a page");
        numbers.extend(pulled.page.signals.iter().map(|signal| signal.signal_id));
        cursor = pulled.page.cursor_after(cursor);
        has_more = pulled.has_more;
    }
    assert_eq!((cursor, numbers), (107, vec![101, 102, 103, 104, 107]));
    let error = hub.pull(service, 107, 10, now).await.expect_err("nothing is mounted there");
    assert_eq!(error.kind, ErrorKind::NotUnderstood);
}

#[test]
fn nothing_shows_a_secret() {
    let key: SigningKey = private("eservice");
    let shown = format!("{:?} {key:?}", keys(Some("dpopEc")));
    assert!(!shown.contains("BEGIN") && shown.len() < 400, "{shown}");
}
