//! The platform's own services: keys and their events, the state of a purpose, and nothing believed that
//! the platform did not sign. The services of these tests judge every request as the platform does.

#[allow(dead_code, reason = "each test takes what it needs of the samples")]
#[path = "vectors/samples.rs"]
mod samples;
#[allow(dead_code, reason = "each test takes what it needs of the platform")]
#[path = "platform/mod.rs"]
mod platform;
#[path = "services/mod.rs"]
mod services;

use std::sync::Arc;
use std::time::Duration;

use contract::{Advice, ErrorKind, Phase};
use kit::modi::audit::{self, User};
use kit::modi::identity;
use kit::modi::service::Standing;
use kit::modi::sign::{self, SignedHeaders, Signer};
use kit::modi::tokens::{KeyName, Rules};
use kit::modi::verify::Message;
use kit::pdnd::api::{KeyEventKind, Register};
use kit::pdnd::client::random_name;
use kit::pdnd::registered::{Cursors, Followed, Keeping, Owner, Registered};
use kit::pdnd::settings::{Connection, SchemeName};
use samples::{at_seconds, bytes, json, private, text};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use wiremock::matchers::path_regex;
use wiremock::{Mock, ResponseTemplate};

use platform::{NOW, PURPOSE};
use services::{Manner, api, asked, client, now, start};

const OURS: &str = "https://erogatore.example/rest/appalti/v1";
const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
const KEYCHAIN: &str = "7a1c5e3f-9b2d-4f60-8e7a-6c5d4b3a2f10";
const CLIENT_KID: &str = "DMKS6gx-EfaLeGew7fwBGm3IMckuVaGIOQ81u1xoeDQ";
const PRODUCER_KID: &str = "WxiJr5GNSDQc-d4PYBvw5NegmfqAXzuf4xA9fKmx3Ew";

fn purpose(state: &str) -> Vec<u8> {
    let version = json!({ "id": PURPOSE, "state": state, "dailyCalls": 1000, "createdAt": "2026-01-01T00:00:00Z" });
    json!({
        "id": PURPOSE, "eserviceId": CLIENT, "consumerId": CLIENT, "title": "Appalti", "description": "Appalti",
        "createdAt": "2026-01-01T00:00:00Z", "isFreeOfCharge": true, "suspendedByProducer": false,
        "currentVersion": version,
    })
    .to_string()
    .into_bytes()
}

#[tokio::test]
async fn registered_keys_are_those_of_the_samples_and_an_unknown_one_is_none() {
    let (server, services) = start().await;
    services.say(&format!("/v3/keys/{CLIENT_KID}"), 200, bytes("keys/pdnd-client-key-v3.json"));
    services.say(&format!("/v3/producerKeys/{PRODUCER_KID}"), 200, bytes("keys/pdnd-producer-key-v3.json"));
    let api = api(client(&server)).expect("services");
    let found = api.key(Register::Clients, CLIENT_KID, now).await.expect("an answer").expect("a key");
    assert_eq!((found.owner.as_str(), found.key.as_ref()), (CLIENT, private("eservice").public()));
    let found = api.key(Register::Keychains, PRODUCER_KID, now).await.expect("an answer").expect("a key");
    assert_eq!((found.owner.as_str(), found.key.as_ref()), (KEYCHAIN, private("producer").public()));
    assert_eq!(api.key(Register::Clients, PRODUCER_KID, now).await.expect("an answer"), None);
    let before = server.received_requests().await.expect("recorded").len();
    for odd in ["", "../keys", "a/b", &"a".repeat(44)] {
        assert_eq!(api.key(Register::Clients, odd, now).await.expect("not asked"), None, "{odd}");
    }
    assert_eq!(server.received_requests().await.expect("recorded").len(), before);
    // An answer with the key of another name, and one of the other register.
    services.say(&format!("/v3/keys/{PRODUCER_KID}"), 200, bytes("keys/pdnd-client-key-v3.json"));
    assert_eq!(
        api.key(Register::Clients, PRODUCER_KID, now).await.expect_err("another").kind,
        ErrorKind::NotUnderstood
    );
    services.say(&format!("/v3/keys/{PRODUCER_KID}"), 200, bytes("keys/pdnd-producer-key-v3.json"));
    assert_eq!(
        api.key(Register::Clients, PRODUCER_KID, now).await.expect_err("no client").kind,
        ErrorKind::NotUnderstood
    );
}

#[tokio::test]
async fn an_answer_that_the_platform_did_not_sign_is_not_believed() {
    let (server, services) = start().await;
    services.say(&format!("/v3/purposes/{PURPOSE}"), 200, purpose("ACTIVE"));
    let api = api(client(&server)).expect("services");
    assert!(api.purpose(PURPOSE, now).await.expect("an answer").expect("a purpose").is_active());
    let cases = [
        (Manner::SignsNothing, "missing_token"),
        (Manner::SignsAsAnother, "signature"),
        (Manner::AltersAfterSigning, "digest_mismatch"),
        (Manner::SignsOfAnotherIssuer, "issuer"),
    ];
    for (manner, code) in cases {
        services.be(manner);
        let error = api.purpose(PURPOSE, now).await.expect_err(code);
        assert_eq!((error.kind, error.remote_code.as_deref()), (ErrorKind::NotUnderstood, Some(code)));
        assert_eq!(error.advice, Advice::Retry { after: None });
    }
    // Not there must be signed as well: a wrong address says 404 too.
    services.be(Manner::SignsNothing);
    assert!(api.purpose(CLIENT, now).await.is_err());
    services.be(Manner::Signs);
    assert_eq!(api.purpose(CLIENT, now).await.expect("signed"), None);
    // The same answer comes once.
    services.be(Manner::SaysTheSameAgain);
    assert!(api.purpose(PURPOSE, now).await.is_ok());
    let again = api.purpose(PURPOSE, now).await.expect_err("seen");
    assert_eq!(again.remote_code.as_deref(), Some("jti_replay"));
}

#[tokio::test]
async fn while_the_keys_of_the_answers_are_not_to_be_had_nothing_is_believed_and_it_is_worth_another_try() {
    let (server, services) = start().await;
    services.say(&format!("/v3/purposes/{PURPOSE}"), 200, purpose("ACTIVE"));
    let nowhere = Some(format!("{}/elsewhere/jwks.json", server.uri()));
    let api = api(Connection { api_keys_url: nowhere, ..client(&server) }).expect("services");
    let error = api.purpose(PURPOSE, now).await.expect_err("no keys");
    assert_eq!((error.kind, error.remote_code.as_deref()), (ErrorKind::Unavailable, Some("platform_keys")));
    assert_eq!(error.phase, Phase::Refused);
}

#[tokio::test]
async fn the_state_of_a_purpose_its_agreement_and_its_calls_are_read() {
    let (server, services) = start().await;
    let api = api(client(&server)).expect("services");
    services.say(&format!("/v3/purposes/{PURPOSE}"), 200, purpose("SUSPENDED"));
    let found = api.purpose(PURPOSE, now).await.expect("an answer").expect("a purpose");
    assert_eq!((found.state(), found.is_active(), found.suspended_by_producer), ("SUSPENDED", false, Some(false)));
    let agreement = json!({
        "id": PURPOSE, "eserviceId": CLIENT, "descriptorId": CLIENT, "producerId": CLIENT, "consumerId": CLIENT,
        "state": "MISSING_CERTIFIED_ATTRIBUTES", "createdAt": "2026-01-01T00:00:00Z", "suspendedByPlatform": true,
    });
    services.say(&format!("/v3/purposes/{PURPOSE}/agreement"), 200, agreement.to_string().into_bytes());
    let found = api.agreement(PURPOSE, now).await.expect("an answer").expect("an agreement");
    assert_eq!((found.state.as_str(), found.is_active()), ("MISSING_CERTIFIED_ATTRIBUTES", false));
    assert_eq!(found.suspended_by_platform, Some(true));
    let calls = json!({ "remainingDailyCallsPerConsumer": 12, "remainingDailyCallsTotal": 345 });
    services.say(&format!("/v3/purposes/{PURPOSE}/remainingDailyCalls"), 200, calls.to_string().into_bytes());
    let found = api.remaining_calls(PURPOSE, now).await.expect("an answer").expect("calls");
    assert_eq!((found.per_consumer, found.total), (12, 345));
    services.say("/v3/status", 200, bytes("status/status-200.json"));
    assert_eq!(api.standing(now).await.expect("an answer"), Standing::Active);
    services.say("/v3/status", 503, bytes("status/status-503.json"));
    assert_eq!(api.standing(now).await.expect("an answer"), Standing::Degraded { after: None });
    // What is neither there nor absent has the error of its status.
    for (status, kind) in [(403, ErrorKind::Permission), (429, ErrorKind::RateLimited), (500, ErrorKind::Unavailable)] {
        services.say(&format!("/v3/purposes/{PURPOSE}"), status, b"{}".to_vec());
        assert_eq!(api.purpose(PURPOSE, now).await.expect_err("no purpose").kind, kind);
    }
}

#[tokio::test]
async fn a_key_is_asked_for_once_until_an_event_says_that_it_was_deleted() {
    let (server, services) = start().await;
    let (key, events) = (format!("/v3/keys/{CLIENT_KID}"), bytes("keys/pdnd-key-events-v3.json"));
    services.say(&key, 200, bytes("keys/pdnd-client-key-v3.json"));
    services.say("/v3/keyEvents?limit=500", 200, events);
    let last = "01980f10-0000-7000-8000-000000000002";
    services.say(&format!("/v3/keyEvents?limit=500&lastEventId={last}"), 200, br#"{"events":[]}"#.to_vec());
    services.say("/v3/producerKeyEvents", 200, br#"{"events":[]}"#.to_vec());
    let registered = Registered::new(api(client(&server)).expect("services"));
    let listed = registered.api().key_events(Register::Clients, None, 500, now).await.expect("a page");
    let kinds: Vec<_> = listed.iter().map(|event| event.kind.clone()).collect();
    assert_eq!(kinds, [KeyEventKind::Added, KeyEventKind::Deleted]);
    assert_eq!((listed[1].kid.as_str(), listed[1].owner.as_str()), (CLIENT_KID, CLIENT));
    let owner = Owner { register: Register::Clients, id: CLIENT };
    for _ in 0..3 {
        assert!(registered.key(owner, CLIENT_KID, now).await.expect("an answer").is_some());
    }
    let of_another = Owner { id: KEYCHAIN, ..owner };
    assert!(registered.key(of_another, CLIENT_KID, now).await.expect("known").is_none());
    assert_eq!(asked(&server, &key).await, 1);
    // The event says that it was deleted: it is dropped at once, and asked for anew.
    services.say(&key, 404, json!({ "title": "Not found", "status": 404 }).to_string().into_bytes());
    let mut cursors = Cursors::default();
    let followed = registered.follow(&mut cursors, now).await.expect("followed");
    assert_eq!(followed, Followed { events: 2, dropped: 1, has_more: false });
    assert_eq!(cursors, Cursors { clients: Some(last.to_owned()), keychains: None });
    assert!(registered.key(owner, CLIENT_KID, now).await.expect("an answer").is_none());
    let followed = registered.follow(&mut cursors, now).await.expect("followed");
    assert_eq!((followed, cursors.clients.as_deref()), (Followed::default(), Some(last)));
    // Nobody has it: not asked again within a minute, and again afterwards.
    assert!(registered.key(owner, CLIENT_KID, || at_seconds(NOW + 9)).await.expect("known").is_none());
    assert_eq!(asked(&server, &key).await, 2);
    services.say(&key, 200, bytes("keys/pdnd-client-key-v3.json"));
    assert!(registered.key(owner, CLIENT_KID, || at_seconds(NOW + 60)).await.expect("an answer").is_some());
    assert_eq!(asked(&server, &key).await, 3);
    // Without any event a key is asked for again after thirty days.
    let month = 30 * 24 * 3_600;
    for (after, times) in [(month + 59, 3), (month + 60, 4)] {
        assert!(registered.key(owner, CLIENT_KID, || at_seconds(NOW + after)).await.expect("an answer").is_some());
        assert_eq!(asked(&server, &key).await, times);
    }
}

#[tokio::test]
async fn who_follows_no_events_believes_a_key_for_an_hour_and_a_day_while_nothing_signed_comes() {
    let (server, services) = start().await;
    let key = format!("/v3/keys/{CLIENT_KID}");
    services.say(&key, 200, bytes("keys/pdnd-client-key-v3.json"));
    let registered = Registered::keeping(api(client(&server)).expect("services"), Keeping::UNFOLLOWED);
    let owner = Owner { register: Register::Clients, id: CLIENT };
    let at = |after: i64| registered.key(owner, CLIENT_KID, move || at_seconds(NOW + after));
    for after in [0, 3_599] {
        assert!(at(after).await.expect("an answer").is_some());
    }
    assert_eq!(asked(&server, &key).await, 1);
    services.be(Manner::SignsAsAnother);
    assert!(at(3_600).await.expect("the old one serves").is_some());
    assert_eq!(asked(&server, &key).await, 2);
    assert!(at(3_601).await.expect("nor is it asked again at once").is_some());
    assert_eq!(asked(&server, &key).await, 2);
    let error = at(86_400).await.expect_err("no longer than a day");
    assert_eq!(error.kind, ErrorKind::NotUnderstood);
    let error = at(86_401).await.expect_err("nor asked again at once");
    assert_eq!((error.kind, error.phase), (ErrorKind::Unavailable, Phase::BeforeSending));
    assert_eq!(asked(&server, &key).await, 3);
    services.be(Manner::Signs);
    services.say(&key, 404, br#"{"title":"Not found","status":404}"#.to_vec());
    assert!(at(86_410).await.expect("an answer").is_none(), "what is withdrawn is withdrawn");
}

/// Long enough for what does not wait for [`SLOW`].
const SOON: Duration = Duration::from_secs(10);
/// How long the platform thinks about some names.
const SLOW: Duration = Duration::from_secs(20);

#[tokio::test]
async fn invented_names_hold_up_no_known_key_and_no_other_owner_while_the_platform_is_slow() {
    let (server, services) = start().await;
    services.say(&format!("/v3/keys/{CLIENT_KID}"), 200, bytes("keys/pdnd-client-key-v3.json"));
    services.say(&format!("/v3/producerKeys/{PRODUCER_KID}"), 200, bytes("keys/pdnd-producer-key-v3.json"));
    let thinks = ResponseTemplate::new(404).set_delay(SLOW);
    Mock::given(path_regex("/0{30}")).respond_with(thinks).with_priority(1).mount(&server).await;
    let registered = Arc::new(Registered::new(api(client(&server)).expect("services")));
    let owner = Owner { register: Register::Clients, id: CLIENT };
    assert!(registered.key(owner, CLIENT_KID, now).await.expect("an answer").is_some());
    let invented = |number: usize| format!("{number:043}");
    let flood: Vec<_> = (0..300)
        .map(|number| {
            let registered = Arc::clone(&registered);
            tokio::spawn(async move { registered.key(owner, &invented(number), now).await.map(drop) })
        })
        .collect();
    let asked_in_vain = async || {
        let asked = server.received_requests().await.expect("recorded");
        asked.iter().filter(|request| request.url.path().contains(&"0".repeat(30))).count()
    };
    while asked_in_vain().await < 4 {
        sleep(Duration::from_millis(10)).await;
    }
    // A key that is known, and one of another owner, do not wait for them.
    let of_another = Owner { register: Register::Keychains, id: KEYCHAIN };
    for (owner, kid) in [(owner, CLIENT_KID), (of_another, PRODUCER_KID)] {
        let found = timeout(SOON, registered.key(owner, kid, now)).await.expect("it waits for nobody");
        assert!(found.expect("an answer").is_some());
    }
    // Nor does what its owner asks for beside too many of them: it is told to come back.
    let error = timeout(SOON, registered.key(owner, &invented(300), now)).await.expect("it waits for nobody either");
    let error = error.expect_err("one too many");
    assert_eq!((error.kind, error.phase), (ErrorKind::Unavailable, Phase::BeforeSending));
    assert_eq!(asked_in_vain().await, 4, "names that nobody has are asked for a few at a time");
    // Who has gone away holds no place.
    flood.iter().for_each(tokio::task::JoinHandle::abort);
    for task in flood {
        let _ = task.await;
    }
    assert!(timeout(SOON, registered.key(owner, PRODUCER_KID, now)).await.expect("a place").is_ok());
}

#[tokio::test]
async fn one_message_asks_whether_a_key_is_still_good_and_the_others_use_it_meanwhile() {
    let (server, services) = start().await;
    let key = format!("/v3/keys/{CLIENT_KID}");
    services.say(&key, 200, bytes("keys/pdnd-client-key-v3.json"));
    let registered = Arc::new(Registered::keeping(api(client(&server)).expect("services"), Keeping::UNFOLLOWED));
    let owner = Owner { register: Register::Clients, id: CLIENT };
    assert!(registered.key(owner, CLIENT_KID, now).await.expect("an answer").is_some());
    let thinks = ResponseTemplate::new(404).set_delay(SLOW);
    Mock::given(path_regex("^/v3/keys/")).respond_with(thinks).with_priority(1).mount(&server).await;
    let later = || at_seconds(NOW + 3_600);
    let first = tokio::spawn({
        let registered = Arc::clone(&registered);
        async move { registered.key(owner, CLIENT_KID, later).await.map(drop) }
    });
    while asked(&server, &key).await < 2 {
        sleep(Duration::from_millis(10)).await;
    }
    let found = timeout(SOON, registered.key(owner, CLIENT_KID, later)).await.expect("it waits for nobody");
    assert!(found.expect("the old one").is_some());
    assert_eq!(asked(&server, &key).await, 2);
    // A question that still has no end a minute later keeps the old key in use for nobody.
    let too_late = || at_seconds(NOW + 3_660);
    let waits = timeout(Duration::from_millis(300), registered.key(owner, CLIENT_KID, too_late)).await;
    assert!(waits.is_err(), "it waits for the answer");
    first.abort();
}

#[tokio::test]
async fn events_that_cannot_be_read_move_no_cursor_and_a_page_that_stands_still_ends() {
    let (server, services) = start().await;
    let registered = Registered::new(api(client(&server)).expect("services"));
    let mut cursors = Cursors { clients: Some("01980f10-0000-7000-8000-000000000001".to_owned()), keychains: None };
    let before = cursors.clone();
    services.be(Manner::SignsNothing);
    services.say("/v3/keyEvents", 200, bytes("keys/pdnd-key-events-v3.json"));
    assert!(registered.follow(&mut cursors, now).await.is_err());
    assert_eq!(cursors, before);
    services.be(Manner::Signs);
    let event = |number: usize| {
        json!({ "id": format!("e{number}"), "eventType": "CLIENT_KEY_ADDED", "kid": "k", "clientId": CLIENT,
                "eventTimestamp": "2026-11-30T08:00:00.000Z" })
    };
    let full = json!({ "events": (0..500).map(event).collect::<Vec<Value>>() });
    services.say("/v3/keyEvents", 200, full.to_string().into_bytes());
    services.say("/v3/producerKeyEvents", 200, br#"{"events":[]}"#.to_vec());
    let followed = registered.follow(&mut cursors, now).await.expect("followed");
    assert_eq!((followed.events, followed.has_more, cursors.clients.as_deref()), (1_000, false, Some("e499")));
}

#[tokio::test]
async fn messages_evidences_and_identities_are_verified_by_the_key_that_the_platform_knows() {
    let (server, services) = start().await;
    services.say(&format!("/v3/keys/{CLIENT_KID}"), 200, bytes("keys/pdnd-client-key-v3.json"));
    let registered = Registered::new(api(client(&server)).expect("services"));
    let owner = Owner { register: Register::Clients, id: CLIENT };
    let rules = Rules::for_audiences(vec![OURS.to_owned()]);
    let signer = |name: &str| Signer {
        key: private(name),
        key_name: KeyName::Registered,
        issuer: CLIENT.to_owned(),
        subject: Some(CLIENT.to_owned()),
        audiences: vec![OURS.to_owned()],
        life_seconds: 60,
        signs_empty: false,
    };
    let (body, headers) =
        (b"{}".as_slice(), SignedHeaders { content_type: Some("application/json"), ..Default::default() });
    let signature_by = |name: &str| -> sign::Signature {
        signer(name).sign(body, headers, &random_name(), now()).expect("signed").expect("a body")
    };
    let user = User { id: "operatore-7f3a".to_owned(), location: "postazione-12".to_owned(), assurance: None };
    let audiences = [OURS.to_owned()];
    let asked_for =
        audit::Asked { issuer: CLIENT, audiences: &audiences, purpose_id: PURPOSE, user: &user, nonce: None };
    let evidence = audit::make(&private("eservice"), &KeyName::Registered, &asked_for, "e1", now()).expect("made");
    let judge = |signature: sign::Signature, owner: Owner<'static>| {
        let (registered, rules, evidence) = (&registered, &rules, evidence.clone());
        async move {
            let headers = [
                ("Content-Type", "application/json"),
                ("Digest", signature.digest.as_str()),
                ("Agid-JWT-Signature", signature.token.as_str()),
                ("Agid-JWT-TrackingEvidence", evidence.as_str()),
            ];
            let message = Message { headers: &headers, body };
            let verified = registered.verify_message(&message, owner, rules, None, now).await;
            let by = verified.map(|it| it.reused().issuer);
            let who = registered.verify_evidence(&message, owner, rules, PURPOSE, now).await.map(|it| it.reused().id);
            (by.map_err(|it| (it.code(), it.status())), who.map_err(|it| (it.code(), it.status())))
        }
    };
    let (by, who) = judge(signature_by("eservice"), owner).await;
    assert_eq!((by, who), (Ok(Some(CLIENT.to_owned())), Ok("operatore-7f3a".to_owned())));
    // A key that nobody registered, and one that another client has.
    let unknown = ("unknown_kid", 400);
    assert_eq!(judge(signature_by("stranger"), owner).await.0, Err(unknown));
    let another = Owner { register: Register::Clients, id: KEYCHAIN };
    assert_eq!(judge(signature_by("eservice"), another).await, (Err(unknown), Err(unknown)));
    let identity = |name: &str| {
        identity::make(&private(name), &KeyName::Registered, CLIENT, &audiences, 60, "i1", now()).expect("made")
    };
    let caller = registered.verify_identity(&identity("eservice"), owner, &rules, now).await.expect("verified");
    assert_eq!(caller.reused().subject.as_deref(), Some(CLIENT));
    let refusal = registered.verify_identity(&identity("stranger"), owner, &rules, now).await.expect_err("unknown");
    assert_eq!((refusal.code(), refusal.status()), ("unknown_kid", 401));
    assert_eq!(asked(&server, &format!("/v3/keys/{CLIENT_KID}")).await, 1);
    // While the platform cannot be asked it is not the caller's fault.
    services.be(Manner::SignsNothing);
    let of_producer = Owner { register: Register::Keychains, id: KEYCHAIN };
    assert_eq!(judge(signature_by("producer"), of_producer).await.0, Err(("platform_keys", 503)));
}

#[tokio::test]
async fn only_a_client_of_the_services_with_bound_vouchers_is_taken() {
    let (server, _services) = start().await;
    let bearer = Connection { scheme: SchemeName::Bearer, ..client(&server) };
    let of_eservice = Connection { is_api_client: false, purpose_id: Some(PURPOSE.to_owned()), ..client(&server) };
    for connection in [bearer, of_eservice] {
        assert!(api(connection).expect_err("refused").problem.contains("dpop"));
    }
    let production = Some("https://api.interop.pagopa.it/v3".to_owned());
    let token_url = Some("https://auth.uat.interop.pagopa.it/token.oauth2".to_owned());
    let mixed = Connection { api_url: production, token_url, ..client(&server) };
    assert!(api(mixed).expect_err("mixed").problem.contains("environment"));
}

#[test]
fn the_key_of_the_answers_is_the_one_of_the_sample() {
    let published = json("keys/pdnd-api-jwks.json");
    assert_eq!(text(&published["keys"][0], "kid"), private("pdndApi").thumbprint());
}
