//! Two nodes that compare what they hold: over the exchange API, as they do in service.

use axum::body::Bytes;
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;
use canonical::{Kind, Rule};
use contract_tests::records::cig;
use raccordo::config::Config;
use raccordo::discrepancy::{Act, Discrepancy, Shape, Side};
use raccordo::flow::reconcile::compare;
use raccordo::flow::reconcile::inventory::ranges::Salt;
use raccordo::flow::reconcile::nodes::holdings::name_of;
use raccordo::flow::reconcile::nodes::wire::{hexadecimal, written};
use raccordo::node::Node;
use raccordo::registry::PARTS;
use raccordo::storage::{Reconciliation, Verdict};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Bench, FOREIGN, NAME, OURS, PERSON, line, read, served};

const SALT: Salt = Salt([7; 16]);

/// A node that knows another one.
async fn here(there: &Bench, more: &str) -> (Node, TempDir) {
    let folder = TempDir::new().expect("a folder");
    let secret = folder.path().join("segreto");
    std::fs::write(&secret, "parola-di-prova-lunga-abbastanza").expect("written");
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
    let text = format!(
        "[systems.file-drop]\n[nodes.vicina]\naddress = \"{}\"\nbodies = [\"{OURS}\"]\n{more}\n[nodes.vicina.oauth]\n\
         token_url = \"{}/token\"\nclient_id = \"legge\"\nclient_secret_file = \"segreto\"\n",
        there.url, there.issuer
    );
    let config = Config::parse(&text, folder.path()).expect("a configuration");
    (Node::open(&PARTS, config).await.expect("a node opens"), folder)
}

/// What this node holds of the usual: a lot otherwise, a contract not, a lot of its own, and one of a body
/// that is nobody's affair there.
fn ours() -> Vec<Value> {
    let mut lines = Bench::usual();
    for usual in &mut lines {
        if usual["kind"] == "lotto" && usual["body"]["cig"] == cig(2).as_str() {
            usual["body"]["importo_totale"] = "99000.00".into();
        }
    }
    let is_second_contract = |line: &Value| line["kind"] == "contratto" && line["body"]["cig"] == cig(2).as_str();
    lines.retain(|line| !is_second_contract(line));
    lines.push(line("lotto", json!({ "cig": cig(7), "oggetto": "solo qui", "stazione_appaltante": OURS })));
    lines.push(line("lotto", json!({ "cig": cig(8), "oggetto": "altrui", "stazione_appaltante": FOREIGN })));
    lines
}

async fn compared(node: &Node) -> Reconciliation {
    compare(&node.flow, "vicina", false).await.expect("compared")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_nodes_hold_otherwise_becomes_work_and_ends_when_they_agree() {
    let there = Bench::open().await;
    there.fill().await;
    let (node, _folder) = here(&there, "grace_hours = 0").await;
    read(&node, &ours()).await;
    let first = compared(&node).await;
    assert_eq!((first.complete, first.verdict()), (true, Verdict::Differ), "{first:?}");
    let counts = first.counts;
    assert_eq!((counts.missing_there, counts.missing_here, counts.different), (1, 1, 1), "{counts:?}");
    // The body, two lots with an award and a contract each; of these one lot differs, and one contract is missing.
    assert_eq!((counts.equal, counts.expected, counts.observed), (5, 7, 7), "{counts:?}");
    let found: Vec<_> = first.discrepancies.iter().map(|one| (one.unit.as_str(), one.rule, one.shape)).collect();
    let [contract, changed, alone] = [
        (name_of(Kind::Contratto, &format!("{}/1", cig(2))), Rule::R01, Shape::MissingHere),
        (name_of(Kind::Lotto, cig(2).as_str()), Rule::R02, Shape::Differs),
        (name_of(Kind::Lotto, cig(7).as_str()), Rule::R01, Shape::MissingThere),
    ];
    let expected: Vec<_> =
        [&contract, &changed, &alone].map(|(unit, rule, shape)| (unit.as_str(), *rule, *shape)).into();
    assert_eq!(found, expected);
    assert!(first.discrepancies.iter().all(|one| one.act == Act::AskPartner && one.body.as_deref() == Some(OURS)));
    let is_of_nobody = |one: &Discrepancy| one.sides.iter().any(Side::is_of_nobody);
    assert!(is_of_nobody(&first.discrepancies[0]) && !is_of_nobody(&first.discrepancies[2]), "no source here owns it");
    let said = serde_json::to_string(&first).expect("JSON");
    assert!(![PERSON, NAME, FOREIGN, "altrui"].iter().any(|word| said.contains(word)), "{said}");

    let again = compared(&node).await;
    assert_eq!((again.counts, again.changes.opened, again.changes.closed), (first.counts, 0, 0));

    read(&node, &Bench::usual()).await;
    there.read(&[line("lotto", json!({ "cig": cig(7), "oggetto": "solo qui", "stazione_appaltante": OURS }))]).await;
    let last = compared(&node).await;
    assert_eq!((last.verdict(), last.changes.closed, last.standing.open), (Verdict::Agree, 3, 0), "{last:?}");
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_just_now_is_not_expected_there_yet() {
    let there = Bench::open().await;
    there.fill().await;
    let (node, _folder) = here(&there, "").await;
    read(&node, &ours()).await;
    let result = compared(&node).await;
    assert_eq!((result.verdict(), result.counts.on_its_way), (Verdict::NotYet, 3), "{result:?}");
    assert!(result.discrepancies.is_empty());
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_answer_closes_nothing() {
    let there = Bench::open().await;
    there.fill().await;
    let (node, folder) = here(&there, "grace_hours = 0").await;
    read(&node, &ours()).await;
    assert_eq!(compared(&node).await.standing.open, 3);
    let mut config = node.config.clone();
    node.close().await;
    // A port on which nobody listens.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    config.nodes.get_mut("vicina").expect("there").address = format!("http://{nobody}");
    let node = Node::open(&PARTS, config).await.expect("a node opens");
    let result = compared(&node).await;
    assert_eq!((result.complete, result.standing.open, result.changes.closed), (false, 3, 0));
    assert_eq!(result.incomplete_because.as_deref(), Some("il sistema non è raggiungibile"));
    node.close().await;
    drop(folder);
}

/// Asks with a body.
async fn post(
    bench: &Bench,
    partner: &str,
    path: &str,
    media_type: &str,
    body: impl Into<reqwest::Body>,
) -> reqwest::Response {
    let request = bench.request(Method::POST, path).header("authorization", format!("Bearer {}", bench.token(partner)));
    request.header("content-type", media_type).body(body).send().await.expect("an answer")
}

/// Opens a session, waits until it is ready, and gives its path and what it says of itself.
async fn opened(bench: &Bench, partner: &str) -> (String, Value) {
    let opening = json!({ "form": 1, "salt": written(SALT) }).to_string();
    let answer = post(bench, partner, "/api/v1/comparisons", "application/json", opening).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    let about: Value = answer.json().await.expect("JSON");
    let path = format!("/api/v1/comparisons/{}", about["comparison_id"].as_str().expect("a name"));
    assert!(location.ends_with(&path), "{location}");
    for _ in 0..3_000 {
        let about = bench.json(partner, &path).await;
        if about["status"] != "building" {
            return (path, about);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it is never ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_of_one_caller_and_gives_only_what_he_may_see() {
    let bench = Bench::open().await;
    bench.fill().await;
    let (path, about) = opened(&bench, "legge").await;
    assert_eq!(about["scope"], json!({ "everything": false, "bodies": [OURS] }));
    assert_eq!((about["status"].as_str(), about["records"].as_u64()), (Some("ready"), Some(7)), "{about}");
    let keys = |numbers: [u32; 2]| {
        let keys = numbers.map(|number| hexadecimal(SALT.key(&name_of(Kind::Lotto, cig(number).as_str()))));
        json!({ "keys": keys }).to_string()
    };
    let records = format!("{path}/records");
    let answer = post(&bench, "legge", &records, "application/json", keys([1, 3])).await;
    let given: Value = answer.json().await.expect("JSON");
    assert_eq!(given["items"].as_array().expect("items").len(), 1, "the other one is of another body: {given}");
    assert_eq!(given["items"][0]["record"]["key"], cig(1).as_str());
    assert!(!given.to_string().contains(PERSON));
    for (path, media_type, body) in [
        (path.clone(), "", String::new()),
        (format!("{path}/messages"), "application/octet-stream", String::new()),
        (records.clone(), "application/json", keys([1, 2])),
    ] {
        let method = if body.is_empty() && media_type.is_empty() { "get" } else { "post" };
        let status = if method == "get" {
            bench.ask("fa-tutto", method, &path).await.status()
        } else {
            post(&bench, "fa-tutto", &path, media_type, body).await.status()
        };
        assert_eq!(status, StatusCode::NOT_FOUND, "{path} of somebody else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_refused_and_the_session_goes_on() {
    let bench = Bench::open().await;
    bench.fill().await;
    let (path, _) = opened(&bench, "legge").await;
    let messages = format!("{path}/messages");
    let other_salt = [&[1_u8, 3][..], &[9; 16]].concat();
    for message in [b"x".to_vec(), vec![], other_salt] {
        let length = message.len();
        let answer = post(&bench, "legge", &messages, "application/octet-stream", message).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{length} bytes");
    }
    let answer = post(&bench, "legge", &messages, "application/json", "{}").await;
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // The answer may come before all was sent, and the connection end with it.
    let endless =
        bench.request(Method::POST, &messages).header("authorization", format!("Bearer {}", bench.token("legge")));
    let endless = endless.header("content-type", "application/octet-stream").header("connection", "close");
    let endless = endless.body(vec![1; 2 * 1024 * 1024]).send().await;
    assert!(endless.is_err() || endless.is_ok_and(|answer| answer.status() == StatusCode::PAYLOAD_TOO_LARGE));
    // Whoever has nothing to say learns nothing, and the session is there.
    let nothing = [&[1_u8, 3][..], &SALT.0].concat();
    let answer = post(&bench, "legge", &messages, "application/octet-stream", nothing).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    for wrong in [
        json!({ "form": 2, "salt": written(SALT) }),
        json!({ "form": 1, "salt": "x" }),
        json!({ "form": 1, "salt": written(SALT), "bodies": [PERSON, "z"] }),
        json!({ "form": 1, "salt": written(SALT), "tutto": true }),
    ] {
        let answer = post(&bench, "legge", "/api/v1/comparisons", "application/json", wrong.to_string()).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
    // One for each caller: the next one takes the place of the first, until it is closed.
    let (second, _) = opened(&bench, "legge").await;
    let bench = &bench;
    let status = |path: String| async move { bench.ask("legge", "get", &path).await.status() };
    assert_eq!([status(path).await, status(second.clone()).await], [StatusCode::NOT_FOUND, StatusCode::OK]);
    assert_eq!(bench.ask("fa-tutto", "delete", &second).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(bench.ask("legge", "delete", &second).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(status(second).await, StatusCode::NOT_FOUND);
}

/// What stands between two nodes and may say something else: the path, then the answer.
type Tamper = fn(&str, &mut Vec<u8>) -> Option<StatusCode>;

/// A node as another one sees it through whoever stands between them.
async fn between(there: &Bench, tamper: Tamper) -> String {
    let (client, url) = (reqwest::Client::builder().no_proxy().build().unwrap(), there.url.clone());
    let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
        let request = client.request(method, format!("{url}{uri}")).headers(headers).body(body);
        let answer = request.send().await.unwrap();
        let (status, media_type) = (answer.status(), answer.headers().get("content-type").cloned());
        let mut body = answer.bytes().await.unwrap().to_vec();
        let status = tamper(uri.path(), &mut body).unwrap_or(status);
        let mut response = Response::new(axum::body::Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().extend(media_type.map(|media_type| (header::CONTENT_TYPE, media_type)));
        response
    };
    served(axum::Router::new().fallback(answer)).await
}

/// Whether an answer says of whose records a comparison speaks.
fn says_scope(path: &str, body: &[u8]) -> bool {
    path.contains("/comparisons") && body.windows(7).any(|words| words == b"\"scope\"")
}

/// Says something else in place of some words.
fn instead(body: &mut Vec<u8>, words: &str, others: &str) {
    let text = String::from_utf8(std::mem::take(body)).unwrap();
    assert!(text.contains(words), "{text}");
    *body = text.replace(words, others).into_bytes();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_says_less_than_it_holds_closes_nothing_and_lacks_nothing() {
    let there = Bench::open().await;
    there.fill().await;
    let (node, _folder) = here(&there, "grace_hours = 0").await;
    read(&node, &ours()).await;
    assert_eq!(compared(&node).await.standing.open, 3);
    let config = node.config.clone();
    node.close().await;
    let cases: [(Tamper, &str); 5] = [
        // All is well, says whoever never looked.
        (|path, _| path.ends_with("/messages").then_some(StatusCode::NO_CONTENT), "non corrisponde al conteggio"),
        // What was just listed is not given,
        (
            |path, body| {
                if path.ends_with("/records") {
                    *body = br#"{"items":[]}"#.to_vec();
                }
                None
            },
            "che poi non consegna",
        ),
        // or is of another body,
        (
            |path, body| {
                if path.ends_with("/records") {
                    instead(body, OURS, FOREIGN);
                }
                None
            },
            "che poi non consegna",
        ),
        // or nothing of what was asked may be read any more,
        (
            |path, body| {
                if says_scope(path, body) {
                    instead(body, &format!("[\"{OURS}\"]"), "[]");
                }
                None
            },
            "non lascia leggere i record di 00246180590",
        ),
        // or it speaks of somebody else.
        (
            |path, body| {
                if says_scope(path, body) {
                    instead(body, &format!("[\"{OURS}\"]"), &format!("[\"{FOREIGN}\"]"));
                }
                None
            },
            "non è quella prevista",
        ),
    ];
    for (tamper, why) in cases {
        let mut config = config.clone();
        config.nodes.get_mut("vicina").unwrap().address = between(&there, tamper).await;
        let told = Node::open(&PARTS, config).await.expect("a node opens");
        let result = compared(&told).await;
        assert_eq!((result.complete, result.changes.closed, result.standing.open), (false, 0, 3), "{why}: {result:?}");
        assert_eq!(result.counts.missing_there, 0, "{why}");
        let because = result.incomplete_because.unwrap_or_default();
        assert!(because.contains(why), "{because} and not {why}");
        told.close().await;
    }
    let node = Node::open(&PARTS, config).await.expect("a node opens");
    let result = compared(&node).await;
    assert_eq!((result.complete, result.standing.open), (true, 3), "it is the same as before");
    node.close().await;
}
