//! The exchange API as its partners and those who would like to be see it: over HTTP, with a real
//! ledger, real keys and an issuer on loopback.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test, in its helpers too")]

#[path = "exchange/bench.rs"]
mod bench;
#[path = "exchange/attacks.rs"]
mod attacks;
#[path = "exchange/description.rs"]
mod description;
#[path = "exchange/exports.rs"]
mod exports;
#[path = "exchange/messages.rs"]
mod messages;
#[path = "exchange/nodes.rs"]
mod nodes;
#[path = "exchange/problems.rs"]
mod problems;
#[path = "exchange/signals.rs"]
mod signals;
#[path = "exchange/submissions.rs"]
mod submissions;
#[path = "exchange/tasks.rs"]
mod tasks;
#[path = "exchange/tracing.rs"]
mod tracing;
#[path = "exchange/tracing_files.rs"]
mod tracing_files;
#[path = "exchange/webhooks.rs"]
mod webhooks;
#[path = "exchange/who_may.rs"]
mod who_may;

use bench::{Bench, NAME, PERSON, line};
use canonical::kinds::Lotto;
use contract_tests::records::cig;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_gives_what_was_and_then_what_comes() {
    let bench = Bench::open().await;
    bench.fill().await;
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let page = bench.json("legge", &format!("/api/v1/changes?limit=3{cursor}")).await;
        assert_eq!(page["limit"], 3);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["version_id"].as_i64().unwrap()));
        cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen.len(), 7, "one body with two lots, awards and contracts: {seen:?}");
    assert!(seen.is_sorted_by(|one, other| one < other));
    let again = bench.json("legge", &format!("/api/v1/changes?limit=3{cursor}")).await;
    assert_eq!(again["items"], json!([]));
    let mut lot = Lotto::new(cig(1));
    lot.stazione_appaltante = canonical::identifiers::CodiceFiscale::parse(bench::OURS).ok();
    bench.read(&[line("lotto", serde_json::to_value(lot).unwrap())]).await;
    let later = bench.json("legge", &format!("/api/v1/changes?limit=3{cursor}")).await;
    assert_eq!(later["items"][0]["key"], cig(1).as_str());
    assert_eq!((&later["items"][0]["version"], &later["items"][0]["change"]), (&json!(2), &json!("updated")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_has_its_versions_its_provenance_and_its_money() {
    let bench = Bench::open().await;
    bench.fill().await;
    let found = bench.json("legge", &format!("/api/v1/records?cig={}&kind=contratto", cig(1).as_str())).await;
    let [contract] = found["items"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!(contract["body"]["importo"], json!({ "amount": "11000.50", "currency": "EUR" }));
    assert_eq!(contract["provenance"]["source"], "file-drop");
    assert!(contract["stored_at"].as_str().unwrap().ends_with('Z'));
    let path = format!("/api/v1/records/{}", contract["record_id"]);
    assert_eq!(&bench.json("legge", &path).await, contract);
    let versions = bench.json("legge", &format!("{path}/versions")).await;
    assert_eq!(versions["items"].as_array().unwrap().len(), 1);
    assert_eq!(versions["has_more"], false);
    let by_project = bench.json("legge", "/api/v1/records?cup=F41B21000000001").await;
    assert_eq!(by_project["items"].as_array().unwrap().len(), 2, "the lots that name it");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_person_leaves_by_any_way() {
    let bench = Bench::open().await;
    bench.fill().await;
    let paths = [
        "/api/v1/changes?limit=500",
        "/api/v1/records?limit=500",
        "/api/v1/exports/records.ndjson",
        "/api/v1/exports/records.csv?kind=aggiudicazione",
        "/api/v1/exports/records.csv?kind=lotto",
        "/api/v1/ocds/release-packages",
    ];
    for path in paths {
        let answer = bench.ask("tutto", "get", path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let text = answer.text().await.unwrap();
        assert!(text.contains("Strade s.r.l.") || path.contains("lotto"), "a company leaves: {path} {text}");
        assert!(!text.contains(PERSON) && !text.contains("CANARINO"), "a person leaves by {path}");
    }
    assert_eq!(NAME, "CANARINO GIALLO");
    let page = bench.json("tutto", "/api/v1/records?kind=aggiudicazione").await;
    let omitted: Vec<&Value> = page["items"].as_array().unwrap().iter().map(|item| &item["omitted"]).collect();
    assert_eq!(omitted[0], &json!(["/aggiudicatari/0/denominazione", "/aggiudicatari/0/operatore"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_is_told_in_one_form_with_the_id_of_the_call() {
    let bench = Bench::open().await;
    let wrong = [
        ("/api/v1/changes?limit=0", 400),
        ("/api/v1/changes?limit=501", 400),
        ("/api/v1/changes?limit=1&limit=2", 400),
        ("/api/v1/changes?sort=x", 400),
        ("/api/v1/changes?cursor=AAAA", 400),
        ("/api/v1/records?cig=123", 400),
        ("/api/v1/records?kind=gara", 400),
        ("/api/v1/records?cig=5044003AF1&cup=F41B21000000001", 400),
        ("/api/v1/records/0", 400),
        ("/api/v1/records/99999999999999999999", 400),
        ("/api/v1/records/9223372036854775807", 404),
        ("/api/v1/exports/records.csv", 403),
        ("/api/v1/nulla", 404),
        ("/api/v1", 404),
    ];
    for (path, status) in wrong {
        let answer =
            bench.request(Method::GET, path).header("authorization", format!("Bearer {}", bench.token("legge")));
        let answer = answer.header("x-correlation-id", "prova-1").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
            assert!(answer.headers().contains_key(name), "{name} of {path}");
        }
        assert_eq!(answer.headers()["x-correlation-id"], "prova-1");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!((&problem["status"], &problem["correlation_id"]), (&json!(status), &json!("prova-1")), "{path}");
        assert!(problem["title"].as_str().unwrap().is_ascii() && problem["code"].is_string());
    }
    let method = bench
        .request(Method::DELETE, "/api/v1/changes")
        .header("authorization", format!("Bearer {}", bench.token("legge")));
    let method = method.send().await.unwrap();
    assert_eq!(method.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(method.headers()["content-type"], "application/problem+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_the_service_is_there_is_told_to_everybody() {
    let bench = Bench::open().await;
    for path in ["/status", "/api/v1/status"] {
        let answer = bench.with_token(None, "get", path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert!(answer.headers().contains_key("x-ratelimit-limit"));
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "status": 200, "title": "Servizio attivo" }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_too_often_is_told_when_to_come_back() {
    let bench = Bench::open().await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let answer = bench.ask("parco", "get", "/api/v1/changes").await;
        statuses.push(answer.status().as_u16());
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait));
            assert_eq!(answer.headers()["x-ratelimit-remaining"], "0");
        }
    }
    // A minute may end in between.
    assert!(statuses == [200, 200, 429] || statuses == [200, 200, 200], "{statuses:?}");
    assert_eq!(bench.ask("legge", "get", "/api/v1/changes").await.status(), StatusCode::OK, "another has his own");
}
