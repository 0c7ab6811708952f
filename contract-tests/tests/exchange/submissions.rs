//! Records that partners send: into the same path as every source, and known when they come again.

use contract_tests::records::cig;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::bench::{Bench, FOREIGN, OURS, line};

async fn send(bench: &Bench, key: &str, body: String) -> Response {
    let request = bench.request(Method::POST, "/api/v1/submissions").header("idempotency-key", key);
    let request = request.header("authorization", format!("Bearer {}", bench.token("fa-tutto")));
    request.header("content-type", "application/x-ndjson").body(body).send().await.expect("an answer")
}

fn lot(number: u32, oggetto: &str) -> String {
    line("lotto", json!({ "cig": cig(number), "oggetto": oggetto, "stazione_appaltante": OURS })).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_read_as_from_any_source() {
    let bench = Bench::open().await;
    let answer = send(&bench, "a", format!("{}\n{}\n", lot(1, "una scuola"), lot(2, "un ponte"))).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let totals: Value = answer.json().await.unwrap();
    assert_eq!(totals, json!({ "read": 2, "new": 2, "unchanged": 0, "quarantined": 0 }));
    let page = bench.json("fa-tutto", "/api/v1/changes").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    assert_eq!(page["items"][0]["provenance"]["source"], "invii-fa-tutto");
    assert!(page["items"][0]["provenance"]["remote_id"].as_str().unwrap().contains("invio-fa-tutto-"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_same_answer_and_another_body_is_refused() {
    let bench = Bench::open().await;
    let first = send(&bench, "a", lot(1, "una scuola")).await.text().await.unwrap();
    let again = send(&bench, "a", lot(1, "una scuola")).await;
    assert_eq!((again.status(), again.text().await.unwrap()), (StatusCode::OK, first), "as it was answered, new: 1");
    let other = send(&bench, "a", lot(1, "un ponte")).await;
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.json::<Value>().await.unwrap()["code"], "idempotenza_violata");
    let page = bench.json("fa-tutto", "/api/v1/changes").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "nothing was stored twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_the_same_time_one_is_done() {
    let bench = Bench::open().await;
    let body: Vec<String> = (1..=300).map(|number| lot(number, "una scuola")).collect();
    let answers = futures_util::future::join_all((0..6).map(|_| send(&bench, "a", body.join("\n")))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert!(statuses.iter().all(|status| matches!(status, 200 | 409)), "{statuses:?}");
    assert!(statuses.contains(&200) && statuses.contains(&409), "{statuses:?}");
    let running = answers.iter().find(|answer| answer.status() == StatusCode::CONFLICT).unwrap();
    assert!(running.headers().contains_key("retry-after"));
    assert_eq!(bench.node.flow.store.feed_end().await.unwrap().version, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_told_line_by_line() {
    let bench = Bench::open().await;
    let wrong = send(&bench, "a", format!("{}\n{{\"kind\":\"lotto\"}}\nnulla\n", lot(1, "una scuola"))).await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let problem: Value = wrong.json().await.unwrap();
    let places: Vec<&Value> = problem["errors"].as_array().unwrap().iter().map(|error| &error["place"]).collect();
    assert_eq!(places, ["body.line.2", "body.line.3"]);
    assert_eq!(send(&bench, "a", lot(1, "una scuola")).await.status(), StatusCode::OK, "the key is free again");
    assert_eq!(send(&bench, "b", String::new()).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send(&bench, "k".repeat(129).as_str(), lot(1, "x")).await.status(), StatusCode::BAD_REQUEST);
    // The answer may come before all was sent, and the connection end with it.
    let long = bench.request(Method::POST, "/api/v1/submissions").header("connection", "close");
    let long = long.body("x".repeat(2_000_000)).send().await;
    assert!(long.is_err() || long.is_ok_and(|answer| answer.status() == StatusCode::PAYLOAD_TOO_LARGE));
    let token = format!("Bearer {}", bench.token("fa-tutto"));
    let form = bench
        .request(Method::POST, "/api/v1/submissions")
        .header("authorization", &token)
        .header("idempotency-key", "d");
    let form = form.header("content-type", "application/json").body(lot(1, "x")).send().await.unwrap();
    assert_eq!(form.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let keyless = bench.request(Method::POST, "/api/v1/submissions").header("authorization", &token);
    let keyless = keyless.header("content-type", "application/x-ndjson").body(lot(1, "x")).send().await.unwrap();
    assert_eq!(keyless.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_lot_of_another_body_nor_what_opens_a_gate_is_taken() {
    let bench = Bench::open().await;
    let foreign = json!({ "cig": cig(1), "oggetto": "altrui", "stazione_appaltante": FOREIGN });
    bench.read(&[line("lotto", foreign)]).await;
    let membership = json!({ "ente": OURS, "tipo": "protocollo", "stato": "attiva", "valida_dal": "2026-01-01" });
    for (key, taken) in [("a", lot(1, "preso")), ("b", line("adesione", membership).to_string())] {
        let answer = send(&bench, key, format!("{}\n{taken}\n", lot(2, "nostro"))).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{taken}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["place"], "body.line.2", "{problem}");
    }
    assert_eq!(bench.node.flow.store.feed_end().await.unwrap().version, 1, "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_does_not_say_its_body_is_told_so_whosever_the_lot_is() {
    let bench = Bench::open().await;
    bench.read(&[line("lotto", json!({ "cig": cig(1), "oggetto": "altrui", "stazione_appaltante": FOREIGN }))]).await;
    let mut told = Vec::new();
    // The lot of another body, and one that nobody knows.
    for (key, number) in [("a", 1), ("b", 9)] {
        let unsaid = line("lotto", json!({ "cig": cig(number), "oggetto": "senza ente" }));
        let answer = send(&bench, key, format!("{}\n{unsaid}\n", lot(2, "nostro"))).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["place"], "body.line.2.body.stazione_appaltante", "{problem}");
        told.push(problem["errors"].clone());
    }
    assert_eq!(told[0], told[1], "nobody learns which lots are there");
    assert_eq!(bench.node.flow.store.feed_end().await.unwrap().version, 1, "nothing was stored");
    let foreign = line("lotto", json!({ "cig": cig(3), "stazione_appaltante": FOREIGN }));
    assert_eq!(send(&bench, "c", foreign.to_string()).await.status(), StatusCode::FORBIDDEN, "that is another matter");
}
