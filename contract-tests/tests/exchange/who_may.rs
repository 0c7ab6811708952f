//! Every operation × every sort of caller × a record of another body.

use contract_tests::records::cig;
use raccordo::http::api::OPERATIONS;
use raccordo::http::api::caller::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bench::{Bench, FOREIGN, OURS, PARTNERS, line};

/// A path that can be asked for.
fn concrete(path: &str, record: i64) -> String {
    let path = path.replace("{record_id}", &record.to_string()).replace("{task_id}", "nessuna");
    let path = path.replace("{comparison_id}", "nessuno");
    if path.ends_with("records.csv") { format!("{path}?kind=lotto") } else { path }
}

async fn record_of(bench: &Bench, number: u32) -> i64 {
    let page = bench.json("tutto", &format!("/api/v1/records?kind=lotto&cig={}", cig(number).as_str())).await;
    page["items"][0]["record_id"].as_i64().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_refused_to_who_may_not_and_never_gives_a_record_of_another_body() {
    let bench = Bench::open().await;
    bench.fill().await;
    let (own, foreign) = (record_of(&bench, 1).await, record_of(&bench, 3).await);
    let strange = [cig(3).as_str().to_owned(), FOREIGN.to_owned()];
    let mut tried = 0;
    for (method, path, role) in OPERATIONS {
        let anonymous = bench.with_token(None, method, &concrete(path, own)).await.status();
        assert_eq!(anonymous == StatusCode::UNAUTHORIZED, role.is_some(), "{path} to nobody: {anonymous}");
        let Some(role) = role else { continue };
        for (partner, roles) in PARTNERS {
            let name = match role {
                Role::Read => "read",
                Role::Export => "export",
                Role::Contribute => "contribute",
            };
            let may = roles.contains(name);
            let answer = bench.ask(partner, method, &concrete(path, own)).await;
            let is_begun = path.ends_with("export-tasks") || path.ends_with("comparisons");
            let expected = match (may, is_begun) {
                (false, _) => StatusCode::FORBIDDEN,
                (true, true) => StatusCode::ACCEPTED,
                // Nobody has one of this name.
                (true, false) if path.contains("_id}") && !path.contains("{record_id}") => StatusCode::NOT_FOUND,
                (true, false) => StatusCode::OK,
            };
            assert_eq!(answer.status(), expected, "{method} {path} to {partner}");
            let text = answer.text().await.unwrap();
            assert!(!strange.iter().any(|word| text.contains(word)), "{path} to {partner} gives what is not his");
            if may && path.contains("{record_id}") {
                let refused = bench.ask(partner, method, &concrete(path, foreign)).await;
                assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{path} of another body to {partner}");
                let absent = bench.ask(partner, method, &concrete(path, i64::MAX)).await;
                let told = |text: &str| serde_json::from_str::<Value>(text).unwrap()["detail"].clone();
                let (refused, absent) = (refused.text().await.unwrap(), absent.text().await.unwrap());
                assert_eq!(told(&refused), told(&absent), "what is there and what is not are told alike");
            }
            tried += 1;
        }
    }
    assert_eq!(tried, (OPERATIONS.len() - 3) * PARTNERS.len());
    // By name too.
    for query in [format!("cig={}", cig(3).as_str()), format!("ente={FOREIGN}")] {
        for path in ["/api/v1/records", "/api/v1/exports/records.ndjson"] {
            let text = bench.ask("fa-tutto", "get", &format!("{path}?{query}")).await.text().await.unwrap();
            assert!(!text.contains(cig(3).as_str()), "{path}?{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_sees_the_bodies_that_lie_in_it() {
    let bench = Bench::open().await;
    bench.fill().await;
    let page = bench.json("regione", "/api/v1/records?limit=500").await;
    let items = page["items"].as_array().unwrap();
    assert!(items.iter().any(|item| item["key"] == OURS) && items.len() == 7, "{page}");
    assert!(!page.to_string().contains(FOREIGN));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_for_another_body_and_then_nothing_at_all_is_stored() {
    let bench = Bench::open().await;
    let lot =
        |number: u32, body: &str| line("lotto", json!({ "cig": cig(number), "stazione_appaltante": body })).to_string();
    let refused = StatusCode::FORBIDDEN;
    let unsaid = (StatusCode::UNPROCESSABLE_ENTITY, "body.line.2.body.stazione_appaltante");
    for (foreign, (status, place)) in [
        (lot(5, FOREIGN), (refused, "body.line.2")),
        (line("lotto", json!({ "cig": cig(5) })).to_string(), unsaid),
        (line("ente", json!({ "codice_fiscale": FOREIGN })).to_string(), (refused, "body.line.2")),
    ] {
        let request = bench.request(Method::POST, "/api/v1/submissions").header("idempotency-key", "altrui");
        let request = request.header("authorization", format!("Bearer {}", bench.token("invia")));
        let request =
            request.header("content-type", "application/x-ndjson").body(format!("{}\n{foreign}\n", lot(4, OURS)));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["place"], place);
    }
    assert_eq!(bench.json("tutto", "/api/v1/records").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_configured_nobody_is_let_in() {
    let bench = Bench::with("", false).await;
    for (method, path, role) in OPERATIONS {
        if role.is_some() {
            let answer = bench.ask("tutto", method, &concrete(path, 1)).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(answer.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_enters_a_region_later_is_not_missed_by_whoever_reads_on() {
    let bench = Bench::open().await;
    bench.read(&[line("lotto", json!({ "cig": cig(1), "oggetto": "x", "stazione_appaltante": OURS }))]).await;
    let page = bench.json("regione", "/api/v1/changes").await;
    assert!(page["items"].as_array().unwrap().is_empty(), "nobody has said where the body is");
    let on = format!("/api/v1/changes?cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(bench.ask("regione", "get", &on).await.status(), StatusCode::OK);
    let body = json!({ "codice_fiscale": OURS, "denominazione": "Provincia nostra", "codice_istat": "015146" });
    bench.read(&[line("ente", body)]).await;
    assert_eq!(bench.ask("regione", "get", &on).await.status(), StatusCode::GONE, "its lot lies behind the cursor");
    let anew = bench.json("regione", "/api/v1/changes").await;
    assert_eq!(anew["items"].as_array().unwrap().len(), 2);
}
