//! A client of a system that is an e-service: what its requests carry, how few vouchers it asks for, and
//! what it does when the platform or the e-service says no. Both judge as the real ones do.

#[allow(dead_code, reason = "each test takes what it needs of the samples")]
#[path = "vectors/samples.rs"]
mod samples;
#[allow(dead_code, reason = "each test takes what it needs of the platform")]
#[path = "platform/mod.rs"]
mod platform;

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use canonical::values::UtcInstant;
use contract::{Advice, ErrorKind, Phase};
use futures_util::future::join_all;
use kit::Secret;
use kit::http::{HttpClient, HttpSettings, Method, Request};
use kit::jose::MemorySeen;
use kit::modi::tokens::{Rules, Trust};
use kit::modi::verify::{Message, verify};
use kit::modi::{audit, digest};
use kit::pdnd::dpop;
use kit::pdnd::environment::Environment;
use kit::pdnd::settings::{AuditPattern, Connection, IntegrityPattern, SchemeName, Unattended};
use kit::pdnd::voucher::evidence_digest;
use samples::{at_seconds, json, registered, text};
use tempfile::TempDir;
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

use platform::{Mode, PURPOSE};

const OURS: &str = "https://erogatore.example/rest/appalti/v1";

/// The files of a connection.
fn files() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let keys = json("keys/keys.json");
    for name in ["eservice", "dpopEc", "x5_leaf"] {
        let file = folder.path().join(name);
        std::fs::write(&file, text(&keys["keys"][name], "private_pem_pkcs8")).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
    }
    for name in ["leaf", "producer"] {
        std::fs::write(folder.path().join(format!("{name}.pem")), text(&keys["certificates"][name], "pem"))
            .expect("written");
    }
    folder
}

fn connection(server: &MockServer, files: &TempDir) -> Connection {
    let mut connection = platform::connection(server);
    connection.private_key_file = files.path().join("eservice");
    connection
}

/// Everything that the rules know.
fn strict(server: &MockServer, files: &TempDir) -> Connection {
    Connection {
        scheme: SchemeName::Dpop,
        dpop_key_file: Some(files.path().join("dpopEc")),
        audit: AuditPattern::Rest02,
        user: Some(Unattended { id: "raccordo".to_owned(), location: "server-1".to_owned(), assurance: None }),
        integrity: IntegrityPattern::Rest02,
        message_audience: vec![OURS.to_owned()],
        ..connection(server, files)
    }
}

fn settings(server: &MockServer, connection: Connection) -> HttpSettings {
    HttpSettings { pdnd: Some(Box::new(connection)), ..HttpSettings::new(format!("{}/rest/appalti/v1", server.uri())) }
}

fn client(server: &MockServer, connection: Connection) -> HttpClient {
    HttpClient::new("eservice", &settings(server, connection)).expect("a client")
}

/// A request as an adapter makes it, with a key of its own.
fn request(client: &HttpClient, number: usize) -> Request {
    let request = client.request(Method::POST, &["pratiche"], &[("cig", "B1234567AB")]);
    request.bearer(&Secret::new("dell-adattatore")).json_body(format!("{{\"pratica\":{number}}}"))
}

async fn answers(server: &MockServer, statuses: &[u16]) {
    for (index, status) in statuses.iter().enumerate() {
        let mock = Mock::given(path_regex("^/rest/appalti/v1/pratiche")).respond_with(ResponseTemplate::new(*status));
        let last = index + 1 == statuses.len();
        if last { mock.mount(server).await } else { mock.up_to_n_times(1).mount(server).await }
    }
}

/// The calls to the e-service, and how many vouchers were asked for.
async fn seen(server: &MockServer) -> (Vec<wiremock::Request>, usize) {
    let requests = server.received_requests().await.expect("recorded");
    let (calls, others): (Vec<_>, Vec<_>) = requests.into_iter().partition(|it| it.url.path().contains("pratiche"));
    (calls, others.len())
}

/// Now, by the proof of a call.
fn instant(call: &wiremock::Request) -> UtcInstant {
    let proof = call.headers["dpop"].to_str().expect("a text");
    at_seconds(platform::claims(proof)["iat"].as_i64().expect("an instant"))
}

#[tokio::test]
async fn one_voucher_serves_many_deliveries_and_each_has_its_own_proof_signature_and_digest() {
    let (server, _platform) = platform::start(Mode::GivesBound { expires_in: 600 }).await;
    answers(&server, &[200]).await;
    let files = files();
    let client = client(&server, strict(&server, &files));
    let done = join_all((0..20).map(|number| client.exchange(request(&client, number)))).await;
    assert!(done.into_iter().all(|answer| answer.is_ok_and(|answer| answer.status == 200)));
    let (calls, vouchers) = seen(&server).await;
    assert_eq!((calls.len(), vouchers), (20, 1), "twenty at a time, one voucher");
    let memory = MemorySeen::default();
    let keys = registered(&["eservice"]);
    let trust = Trust { keys: Some(&keys), certificates: None };
    let rules = Rules::for_audiences(vec![OURS.to_owned()]);
    for call in &calls {
        let now = instant(call);
        let headers: Vec<_> =
            call.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("a text"))).collect();
        let message = Message { headers: &headers, body: &call.body };
        assert_eq!(message.values("digest"), [digest::of(&call.body)], "over the bytes that arrived");
        let signed = verify(&message, trust, &rules, None, now).expect("signed");
        signed.claim(&memory, now).await.expect("a name of its own");
        let [authorization] = message.values("authorization")[..] else { panic!("one and only one") };
        let voucher = authorization.strip_prefix("DPoP ").expect("a bound voucher, and not the key of the adapter");
        let url = format!("{}/rest/appalti/v1/pratiche", server.uri());
        let proof = dpop::verify(message.values("dpop")[0], "POST", &url, Some(voucher), now).expect("a proof");
        let proof = proof.claim(&memory, now).await.expect("a new one for each call");
        let claims = platform::claims(voucher);
        assert_eq!(claims["cnf"]["jkt"], proof.thumbprint());
        let evidence = message.values("agid-jwt-trackingevidence")[0];
        assert_eq!(claims["digest"]["value"], evidence_digest(evidence));
        let user = audit::verify(evidence, trust, &rules, PURPOSE, now).expect("an evidence").reused();
        assert_eq!((user.id.as_str(), user.location.as_str()), ("raccordo", "server-1"));
    }
}

#[tokio::test]
async fn a_voucher_that_is_refused_is_replaced_once_and_a_second_refusal_is_the_e_services() {
    for (statuses, expected, vouchers) in [(&[401, 200][..], 200, 2), (&[401][..], 401, 2), (&[403][..], 403, 1)] {
        let (server, _platform) = platform::start(Mode::Gives { expires_in: 600 }).await;
        answers(&server, statuses).await;
        let files = files();
        let client = client(&server, connection(&server, &files));
        let answer = client.exchange(request(&client, 1)).await.expect("an answer");
        assert_eq!(answer.status, expected);
        let (calls, asked) = seen(&server).await;
        assert_eq!((calls.len(), asked), (vouchers, vouchers));
        assert!(calls.iter().all(|call| call.body == b"{\"pratica\":1}"), "the same bytes again");
        let presented: Vec<_> = calls.iter().map(|call| &call.headers["authorization"]).collect();
        assert!(presented.windows(2).all(|pair| pair[0] != pair[1]));
    }
}

#[tokio::test]
async fn many_that_are_refused_together_share_the_voucher_that_replaces_theirs() {
    let (server, _platform) = platform::start(Mode::Gives { expires_in: 600 }).await;
    let files = files();
    let client = client(&server, connection(&server, &files));
    let ok = Mock::given(path("/rest/appalti/v1/pratiche")).respond_with(ResponseTemplate::new(200));
    ok.with_priority(9).mount(&server).await;
    client.exchange(request(&client, 0)).await.expect("a voucher");
    let (calls, _) = seen(&server).await;
    let old = calls[0].headers["authorization"].clone();
    let forgotten = Mock::given(wiremock::matchers::header("authorization", old.to_str().expect("a text")));
    forgotten.respond_with(ResponseTemplate::new(401)).with_priority(1).mount(&server).await;
    let done = join_all((1..=8).map(|number| client.exchange(request(&client, number)))).await;
    assert!(done.into_iter().all(|answer| answer.is_ok_and(|answer| answer.status == 200)));
    assert_eq!(seen(&server).await.1, 2, "one voucher at the start, and one in its place");
}

#[tokio::test]
async fn without_a_voucher_nothing_is_sent_to_the_system() {
    for (mode, kind, advice) in [
        (Mode::Refuses, ErrorKind::Authentication, Advice::FixConfiguration),
        (Mode::Fails(503), ErrorKind::Unavailable, Advice::Retry { after: None }),
        // A page for people in place of an answer says nothing of the record for which a voucher was wanted.
        (Mode::Page(200), ErrorKind::NotUnderstood, Advice::FixConfiguration),
        (Mode::Page(404), ErrorKind::NotUnderstood, Advice::FixConfiguration),
    ] {
        let (server, _platform) = platform::start(mode).await;
        answers(&server, &[200]).await;
        let files = files();
        let client = client(&server, connection(&server, &files));
        let error = client.exchange(request(&client, 1)).await.expect_err("no voucher");
        assert_eq!((error.kind, error.advice, error.phase), (kind, advice, Phase::BeforeSending));
        assert!(seen(&server).await.0.is_empty());
    }
}

#[tokio::test]
async fn a_limit_that_one_connection_meets_holds_for_all_of_its_environment_and_for_no_other() {
    let (server, platform) = platform::start(Mode::Limits { seconds: 60 }).await;
    answers(&server, &[200]).await;
    let files = files();
    let usual = || connection(&server, &files);
    let limited = client(&server, usual());
    let error = limited.exchange(request(&limited, 1)).await.expect_err("limited");
    assert_eq!((error.kind, error.phase), (ErrorKind::RateLimited, Phase::BeforeSending));
    platform.set(Mode::Gives { expires_in: 600 });
    // Opened before or after, for whatever purpose: the administration is the same.
    let purpose_id = Some("1b361d49-33f4-4f1e-a88b-4e12661f2301".to_owned());
    let of_another_purpose = client(&server, Connection { purpose_id, ..usual() });
    let error = of_another_purpose.exchange(request(&of_another_purpose, 2)).await.expect_err("limited as well");
    assert_eq!((error.kind, error.phase), (ErrorKind::RateLimited, Phase::BeforeSending));
    let Advice::Retry { after: Some(after) } = error.advice else { panic!("{:?}", error.advice) };
    assert!((30..=60).contains(&after.as_secs()), "{after:?}");
    let (calls, vouchers) = seen(&server).await;
    assert_eq!((calls.len(), vouchers), (0, 1), "who waits sends nothing, not even a question for a voucher");
    // Another environment counts for itself, and so does another platform.
    let of_another_environment = client(&server, Connection { environment: Environment::Att, ..usual() });
    let answer = of_another_environment.exchange(request(&of_another_environment, 3)).await.expect("an answer");
    assert_eq!(answer.status, 200);
    let (elsewhere, _platform) = platform::start(Mode::Gives { expires_in: 600 }).await;
    answers(&elsewhere, &[200]).await;
    let at_another = client(&elsewhere, connection(&elsewhere, &files));
    assert_eq!(at_another.exchange(request(&at_another, 4)).await.expect("an answer").status, 200);
}

#[tokio::test]
async fn what_a_gateway_says_in_place_of_the_service_is_no_answer_of_the_service() {
    for (status, word, kind, advice) in [
        (400, "InteroperabilityInvalidRequest", ErrorKind::Authentication, Some(Advice::FixConfiguration)),
        (503, "APISuspended", ErrorKind::Unavailable, None),
    ] {
        let (server, _platform) = platform::start(Mode::Gives { expires_in: 600 }).await;
        let said = serde_json::json!({ "type": "about:blank", "title": word, "status": status, "detail": "no" });
        let answer = ResponseTemplate::new(status).set_body_raw(said.to_string(), "application/problem+json");
        Mock::given(path_regex("^/rest/appalti/v1/pratiche")).respond_with(answer).mount(&server).await;
        let files = files();
        let client = client(&server, connection(&server, &files));
        let error = client.exchange(request(&client, 1)).await.expect_err("the service was not reached");
        assert_eq!((error.kind, error.phase), (kind, Phase::Refused), "{word}: nothing is in doubt");
        assert!(advice.is_none_or(|advice| error.advice == advice), "{word}: {error:?}");
        let plain = HttpSettings::new(format!("{}/rest/appalti/v1", server.uri()));
        let plain = HttpClient::new("another", &plain).expect("a client");
        let answer = plain.exchange(request(&plain, 1)).await.expect("read by its adapter");
        assert_eq!(answer.status, status, "a system that is no e-service has no gateway");
    }
}

/// The platform, after three seconds.
struct Late(platform::Platform);

impl Respond for Late {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        self.0.respond(request).set_delay(Duration::from_secs(3))
    }
}

#[tokio::test]
async fn what_is_signed_is_signed_after_the_wait_for_the_voucher() {
    let (server, platform) = platform::start(Mode::GivesBound { expires_in: 600 }).await;
    let late = Mock::given(path("/token.oauth2")).respond_with(Late(platform)).with_priority(1);
    late.mount(&server).await;
    answers(&server, &[200]).await;
    let files = files();
    let client = client(&server, strict(&server, &files));
    client.exchange(request(&client, 1)).await.expect("an answer");
    let all = server.received_requests().await.expect("recorded");
    let asked = all.iter().find_map(platform::assertion_of).expect("a voucher was asked for");
    let asked = platform::claims(&asked)["iat"].as_i64().expect("an instant");
    let (calls, _) = seen(&server).await;
    let seconds = |at: UtcInstant| at.unix_micros() / 1_000_000;
    let signature = calls[0].headers["agid-jwt-signature"].to_str().expect("a text");
    let signed = platform::claims(signature)["iat"].as_i64().expect("an instant");
    assert!(seconds(instant(&calls[0])) >= asked + 2, "the proof is as new as the request");
    assert!(signed >= asked + 2, "and so is the signature");
}

#[tokio::test]
async fn the_voucher_is_within_the_time_of_the_exchange_and_a_slow_platform_leaves_nothing_in_doubt() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(20));
    Mock::given(method("POST")).and(path("/token.oauth2")).respond_with(slow).mount(&server).await;
    answers(&server, &[200]).await;
    let files = files();
    let hurried = HttpSettings {
        connect_seconds: 1,
        read_seconds: 2,
        total_seconds: 2,
        ..settings(&server, connection(&server, &files))
    };
    let client = HttpClient::new("eservice", &hurried).expect("a client");
    let exchange = tokio::time::timeout(Duration::from_secs(2), client.exchange(request(&client, 1)));
    let error = exchange.await.expect("within its time").expect_err("no voucher in time");
    assert_eq!((error.kind, error.phase), (ErrorKind::Timeout, Phase::BeforeSending));
    assert!(seen(&server).await.0.is_empty());
}

#[tokio::test]
async fn what_gives_access_stays_with_the_host_that_it_is_for() {
    let (server, _platform) = platform::start(Mode::Gives { expires_in: 600 }).await;
    let files = files();
    let settings = settings(&server, connection(&server, &files));
    assert!(settings.at(&format!("{}/altro", server.uri())).pdnd.is_some());
    for elsewhere in ["https://accessi.example/login", "http://127.0.0.1:1/x", "not an address"] {
        let other = settings.at(elsewhere);
        assert_eq!((other.base_url.as_str(), other.pdnd), (elsewhere, None));
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_told_before_anything_is_sent() {
    let (server, _platform) = platform::start(Mode::Gives { expires_in: 600 }).await;
    let files = files();
    let file = |name: &str| Some(files.path().join(name));
    let usual = || connection(&server, &files);
    let by_certificate = || Connection {
        integrity: IntegrityPattern::Rest01,
        message_audience: vec![OURS.to_owned()],
        signing_key_file: file("x5_leaf"),
        ..usual()
    };
    let user = || Some(Unattended { id: "raccordo".to_owned(), location: "qui".to_owned(), assurance: None });
    let cases = [
        (Connection { purpose_id: None, ..usual() }, "purpose_id is absent"),
        (Connection { is_api_client: true, purpose_id: None, ..usual() }, "is_api_client"),
        (Connection { kid: Some("DMKS6gx-EfaLeGew7fwBGm3IMckuVaGIOQ81u1xoeDR".to_owned()), ..usual() }, "kid"),
        (Connection { scheme: SchemeName::Dpop, ..usual() }, "dpop_key_file"),
        (Connection { dpop_key_file: file("dpopEc"), ..usual() }, "scheme is bearer"),
        (Connection { assertion_audience: Some("auth.interop.pagopa.it/x".to_owned()), ..usual() }, "environments"),
        (
            Connection { integrity: IntegrityPattern::Rest02, message_audience: Vec::new(), ..usual() },
            "message_audience",
        ),
        (Connection { audit: AuditPattern::Rest02, ..usual() }, "user is missing"),
        (Connection { user: user(), ..usual() }, "user is told to nobody"),
        (Connection { signing_key_file: file("x5_leaf"), ..usual() }, "signing_key_file"),
        (Connection { certificate_file: file("leaf.pem"), ..usual() }, "integrity_rest_01"),
        (by_certificate(), "certificate_file is missing"),
        (Connection { certificate_file: file("producer.pem"), ..by_certificate() }, "another key"),
        (Connection { certificate_file: file("x5_leaf"), ..by_certificate() }, "no certificate"),
        (Connection { client_certificate_file: file("dpopEc"), ..usual() }, "client_certificate_file"),
        (Connection { private_key_file: files.path().join("leaf.pem"), ..usual() }, "0600"),
    ];
    for (connection, word) in cases {
        let error = HttpClient::new("eservice", &settings(&server, connection)).expect_err(word);
        assert!(error.problem.starts_with("pdnd: ") && error.problem.contains(word), "{word}: {}", error.problem);
        assert!(!error.problem.contains("PRIVATE"), "{}", error.problem);
    }
    let good = Connection { certificate_file: file("leaf.pem"), ..by_certificate() };
    assert!(HttpClient::new("eservice", &settings(&server, good)).is_ok());
    assert!(server.received_requests().await.expect("recorded").is_empty());
}
