//! Exports as asynchronous work: asked for, asked about, fetched in parts, told where somebody wants it.

use std::time::{Duration, Instant};

use raccordo::http::api::address;
use raccordo::jobs::exports::{Exports, Partners, start};
use raccordo::pressure::{IntakeGate, PressureLimits};
use raccordo::storage::exchange::{Position, RecordFilter};
use raccordo::storage::exports::NewExport;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;

use super::bench::{Bench, FOREIGN, OURS, PERSON, line};
use super::webhooks::{Receiver, Reply, SECRET, write_secret};
use contract_tests::records::cig;

const PATIENCE: Duration = Duration::from_secs(40);
const TASKS: &str = "/api/v1/export-tasks";
const ADDRESS: &str = "https://scambio.provincia.example";

fn maker(bench: &Bench) -> Exports {
    let exchange = &bench.node.config.exchange;
    start(&bench.node.flow, Partners::of(exchange, address(exchange)).expect("partners"))
}

async fn post(bench: &Bench, partner: &str, body: &Value, headers: &[(&str, &str)]) -> Response {
    let mut request =
        bench.request(Method::POST, TASKS).header("authorization", format!("Bearer {}", bench.token(partner)));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.header("content-type", "application/json").body(body.to_string());
    request.send().await.expect("an answer")
}

/// The path in a `Location` of ours.
fn location(answer: &Response) -> String {
    let location = answer.headers()["location"].to_str().expect("text");
    location.strip_prefix(ADDRESS).expect("under our address").to_owned()
}

/// No redirect is followed: a result on the way would otherwise be fetched unseen.
async fn get(bench: &Bench, partner: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
    let mut request = client.expect("a client").get(format!("{}{path}", bench.url));
    request = request.header("authorization", format!("Bearer {}", bench.token(partner)));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer")
}

/// Asks until the export is there; the path of its result.
async fn there(bench: &Bench, partner: &str, path: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = get(bench, partner, path, &[]).await;
        if answer.status() == StatusCode::SEE_OTHER {
            return location(&answer);
        }
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.json::<Value>().await.expect("JSON")["status"], "processing");
        assert!(Instant::now() < end, "it never came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_asked_for_asked_about_and_fetched() {
    let bench = Bench::open().await;
    bench.fill().await;
    let answer = post(&bench, "esporta", &json!({ "format": "ndjson" }), &[("x-correlation-id", "prova-7")]).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.headers()["x-correlation-id"], "prova-7");
    let path = location(&answer);
    let told: Value = answer.json().await.expect("JSON");
    assert_eq!(told["status"], "processing");
    let early = get(&bench, "esporta", &path, &[]).await;
    assert_eq!(early.status(), StatusCode::OK, "nobody makes it yet");
    assert!(early.headers().contains_key("retry-after"));
    assert_eq!(get(&bench, "esporta", &format!("{path}/result"), &[]).await.status(), StatusCode::NOT_FOUND);
    let again = post(&bench, "esporta", &json!({ "format": "ndjson" }), &[]).await;
    assert_eq!(location(&again), path, "the same is made once");

    let running = maker(&bench);
    let result = there(&bench, "esporta", &path).await;
    assert_eq!(result, format!("{path}/result"));
    let whole = get(&bench, "esporta", &result, &[]).await;
    assert_eq!(
        (whole.status(), &whole.headers()["content-type"]),
        (StatusCode::OK, &"application/x-ndjson".parse().unwrap())
    );
    let (etag, cursor) = (whole.headers()["etag"].clone(), whole.headers()["feed-cursor"].clone());
    let text = whole.text().await.expect("text");
    let at_once = bench.ask("esporta", "get", "/api/v1/exports/records.ndjson").await.text().await.expect("text");
    assert_eq!(text, at_once, "the same as at once");
    assert!(!text.contains(PERSON) && !text.contains(FOREIGN) && !text.contains(cig(3).as_str()));
    let behind = bench.ask("fa-tutto", "get", &format!("/api/v1/changes?cursor={}", cursor.to_str().unwrap())).await;
    assert_eq!(behind.json::<Value>().await.expect("JSON")["items"], json!([]), "the feed goes on behind it");

    // A connection that ended half-way is taken up where it ended.
    let etag = etag.to_str().expect("text");
    let rest = get(&bench, "esporta", &result, &[("range", "bytes=100-"), ("if-range", etag)]).await;
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(rest.headers()["content-range"], format!("bytes 100-{}/{}", text.len() - 1, text.len()).as_str());
    assert_eq!(rest.bytes().await.expect("bytes"), text.as_bytes()[100..]);
    let other = get(&bench, "esporta", &result, &[("range", "bytes=100-"), ("if-range", "\"altro\"")]).await;
    assert_eq!(other.status(), StatusCode::OK, "a part of something else is all of it");
    let beyond = get(&bench, "esporta", &result, &[("range", "bytes=99999999-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.headers()["content-range"], format!("bytes */{}", text.len()).as_str());
    assert_eq!(beyond.json::<Value>().await.expect("JSON")["code"], "intervallo_non_valido");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_for_whom_asked_and_for_what_he_sees_now() {
    let bench = Bench::open().await;
    bench.fill().await;
    let running = maker(&bench);
    let body = json!({ "format": "csv", "kind": "lotto" });
    let path = location(&post(&bench, "esporta", &body, &[]).await);
    let result = there(&bench, "esporta", &path).await;
    for path in [&path, &result, &format!("{TASKS}/{}", "0".repeat(32)), &format!("{TASKS}/x%2Fy")] {
        assert_eq!(get(&bench, "fa-tutto", path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let table = get(&bench, "esporta", &result, &[]).await;
    assert!(table.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert_eq!(table.text().await.expect("text").lines().count(), 3, "headings and two lots");
    // A region to which a body is added afterwards: what was exported is not all of it any more.
    let region = location(&post(&bench, "regione", &json!({ "format": "ndjson" }), &[]).await);
    let region = there(&bench, "regione", &region).await;
    assert_eq!(get(&bench, "regione", &region, &[]).await.status(), StatusCode::OK);
    let entered = json!({ "codice_fiscale": FOREIGN, "denominazione": "Provincia altrui", "codice_istat": "015146" });
    bench.read(&[line("ente", entered)]).await;
    assert_eq!(get(&bench, "regione", &region, &[]).await.status(), StatusCode::GONE);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_exported_is_refused_before_it_is_begun() {
    let bench = Bench::open().await;
    for (body, place) in [
        (json!({ "format": "xlsx" }), "body"),
        (json!({ "format": "csv" }), "body.kind"),
        (json!({ "format": "ndjson", "cig": "1" }), "body.cig"),
        (json!({ "format": "ndjson", "di": "tutti" }), "body"),
    ] {
        let answer = post(&bench, "esporta", &body, &[]).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.json::<Value>().await.expect("JSON")["errors"][0]["place"], place);
    }
    let elsewhere = [("x-replyto", "https://altrove.example/esiti")];
    let answer = post(&bench, "esporta", &json!({ "format": "ndjson" }), &elsewhere).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "nobody agreed on an address");
    let token = format!("Bearer {}", bench.token("esporta"));
    let lines = bench.request(Method::POST, TASKS).header("authorization", token);
    let lines = lines.header("content-type", "application/x-ndjson").body("{\"format\":\"ndjson\"}").send().await;
    assert_eq!(lines.expect("an answer").status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for number in 1..=8 {
        let body = json!({ "format": "ndjson", "cig": cig(number).as_str() });
        assert_eq!(post(&bench, "esporta", &body, &[]).await.status(), StatusCode::ACCEPTED);
    }
    let ninth = post(&bench, "esporta", &json!({ "format": "ndjson" }), &[]).await;
    assert_eq!(ninth.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(ninth.headers().contains_key("retry-after"));
    assert_eq!(post(&bench, "fa-tutto", &json!({ "format": "ndjson" }), &[]).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_the_agreed_address_is_told_there_under_the_same_id() {
    let receiver = Receiver::start(&[Reply::Nothing, Reply::Status(500, "")]);
    let folder = TempDir::new().expect("a folder");
    let secret = folder.path().join("segreto");
    write_secret(&secret, SECRET);
    let url = format!("http://127.0.0.1:{}/esiti", receiver.port);
    let partner = format!(
        "[exchange.partners.asincrono]\nclient_id = \"asincrono\"\nroles = [\"export\"]\nbodies = [\"{OURS}\"]\n\
         callback = {{ url = \"{url}\", secret_file = \"{}\", allow_private = true }}\n",
        secret.display()
    );
    let bench = Bench::with(&partner, true).await;
    bench.fill().await;
    let wrong = post(&bench, "asincrono", &json!({ "format": "ndjson" }), &[("x-replyto", "http://127.0.0.1/x")]).await;
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN, "another address than the agreed one");
    let headers = [("x-replyto", url.as_str()), ("x-correlation-id", "scambio-44")];
    let answer = post(&bench, "asincrono", &json!({ "format": "ndjson" }), &headers).await;
    assert_eq!(
        (answer.status(), &answer.headers()["x-correlation-id"]),
        (StatusCode::ACCEPTED, &"scambio-44".parse().unwrap())
    );
    let path = location(&answer);
    let running = maker(&bench);
    let messages = receiver.until(3).await;
    for message in &messages {
        assert!(message.is_signed_by(SECRET));
        assert_eq!((message.id(), &message.body), (messages[0].id(), &messages[0].body));
        assert_eq!(message.header("x-correlation-id"), "scambio-44");
    }
    let said = messages[0].json();
    assert_eq!(said["type"], "export.completed");
    assert_eq!(said["data"]["task"], format!("{ADDRESS}{path}"));
    let result = said["data"]["result"].as_str().expect("an address").strip_prefix(ADDRESS).expect("ours").to_owned();
    assert_eq!(get(&bench, "asincrono", &result, &[]).await.status(), StatusCode::OK);
    assert!(!messages[0].body.contains(cig(1).as_str()), "it says where, and not what");
    let end = Instant::now() + PATIENCE;
    while !bench.node.flow.store.open_exports().await.expect("exports").is_empty() {
        assert!(Instant::now() < end, "what was taken is not told again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.stop().await;
    assert_eq!(receiver.messages().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_on_where_whoever_made_it_was_killed() {
    let bench = Bench::open().await;
    bench.fill().await;
    let path = location(&post(&bench, "esporta", &json!({ "format": "ndjson" }), &[]).await);
    let id = path.rsplit('/').next().expect("a name").to_owned();
    let whole = bench.ask("esporta", "get", "/api/v1/exports/records.ndjson").await.text().await.expect("text");
    // The first record is written, and then nothing more.
    let first = whole.lines().next().expect("a record");
    let version = serde_json::from_str::<Value>(first).expect("JSON")["version_id"].as_i64().expect("a number");
    let store = &bench.node.flow.store;
    let scope = bench.node.config.exchange.partners["esporta"].scope();
    let page = store
        .standing(&scope, RecordFilter::default(), Position::default(), 1)
        .await
        .expect("a page")
        .expect("it stands");
    assert_eq!(page.items[0].id, version);
    assert!(store.append_export(&id, 0, format!("{first}\n").into_bytes(), page.next).await.expect("an answer"));
    let running = maker(&bench);
    let result = there(&bench, "esporta", &path).await;
    assert_eq!(get(&bench, "esporta", &result, &[]).await.text().await.expect("text"), whole);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_whom_nobody_knows_any_more_fails_and_says_so() {
    let bench = Bench::open().await;
    let export = |partner: &str, seen: &str| NewExport {
        id: format!("{partner}-{seen}"),
        partner: partner.to_owned(),
        request: "{\"format\":\"ndjson\"}".to_owned(),
        correlation: "c".to_owned(),
        reply_to: None,
        seen: seen.to_owned(),
        feed_cursor: "AAAA".to_owned(),
    };
    let (store, clock) = (&bench.node.flow.store, &bench.node.flow.clock);
    for export in [export("partito", "E"), export("esporta", "E")] {
        store.add_export(export, 8, clock.now()).await.expect("added");
    }
    let running = maker(&bench);
    let end = Instant::now() + PATIENCE;
    while !store.open_exports().await.expect("exports").is_empty() {
        assert!(Instant::now() < end, "it never ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told: Value = get(&bench, "esporta", &format!("{TASKS}/esporta-E"), &[]).await.json().await.expect("JSON");
    assert_eq!((&told["status"], &told["code"]), (&json!("failed"), &json!("bodies_changed")));
    running.stop().await;
}

/// Changes what is stored behind the back of the program.
async fn meddle(bench: &Bench, sql: &'static str) {
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&bench.node.config.storage.path));
    let pool = pool.await.expect("the file");
    sqlx::raw_sql(sql).execute(&pool).await.expect("it is changed");
    pool.close().await;
}

/// Asks until the export has failed; why.
async fn failed(bench: &Bench, path: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let told: Value = get(bench, "esporta", path, &[]).await.json().await.expect("JSON");
        if told["status"] == "failed" {
            return told["code"].as_str().expect("a code").to_owned();
        }
        assert_eq!(told["status"], "processing");
        assert!(Instant::now() < end, "it never failed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_cannot_be_made_starves_no_other() {
    let bench = Bench::open().await;
    bench.fill().await;
    let bad = location(&post(&bench, "esporta", &json!({ "format": "ndjson", "kind": "contratto" }), &[]).await);
    let good = location(&post(&bench, "esporta", &json!({ "format": "ndjson", "kind": "lotto" }), &[]).await);
    meddle(
        &bench,
        "drop trigger record_version_is_append_only_u;
         update record_version set stored_at = 9223372036854775807
          where record in (select id from record where kind = 'contratto')",
    )
    .await;
    let running = maker(&bench);
    there(&bench, "esporta", &good).await;
    assert_eq!(failed(&bench, &bad).await, "damaged");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_whose_own_row_is_damaged_fails_and_starves_no_other() {
    let bench = Bench::open().await;
    bench.fill().await;
    let bad = location(&post(&bench, "esporta", &json!({ "format": "ndjson", "kind": "contratto" }), &[]).await);
    meddle(&bench, "update export_task set made_at = 9223372036854775807").await;
    let good = location(&post(&bench, "esporta", &json!({ "format": "ndjson", "kind": "lotto" }), &[]).await);
    let running = maker(&bench);
    there(&bench, "esporta", &good).await;
    running.stop().await;
    assert_eq!(failed(&bench, &bad).await, "damaged");
    assert!(bench.node.flow.store.open_exports().await.expect("exports").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_take_no_room_that_intake_needs() {
    let bench = Bench::open().await;
    bench.fill().await;
    let path = location(&post(&bench, "esporta", &json!({ "format": "ndjson" }), &[]).await);
    let limits = PressureLimits { hold_below_bytes: 100, resume_above_bytes: 200, ..PressureLimits::default() };
    let mut flow = bench.node.flow.clone();
    flow.intake_gate = IntakeGate::new(limits, Box::new(|| Ok(210))).into();
    assert_eq!(flow.hold().await.expect("an answer"), None, "intake goes on");
    let exchange = &bench.node.config.exchange;
    let running = start(&flow, Partners::of(exchange, address(exchange)).expect("partners"));
    assert_eq!(failed(&bench, &path).await, "no_room");
    running.stop().await;
    assert_eq!(bench.node.flow.store.kept_export_bytes("esporta").await.expect("bytes"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_and_all_that_is_kept_for_a_partner_have_an_end() {
    let bench = Bench::open().await;
    bench.fill().await;
    let ask =
        async |kind: &str| location(&post(&bench, "esporta", &json!({ "format": "ndjson", "kind": kind }), &[]).await);
    let kept = ask("ente").await;
    let running = maker(&bench);
    there(&bench, "esporta", &kept).await;
    running.stop().await;
    let long = ask("contratto").await;
    meddle(&bench, "update export_task set bytes = 1073741824 where state = 'processing'").await;
    let running = maker(&bench);
    assert_eq!(failed(&bench, &long).await, "too_long");
    meddle(&bench, "update export_task set bytes = 2147483648 where state = 'done'").await;
    assert_eq!(failed(&bench, &ask("lotto").await).await, "too_much_kept");
    assert_eq!(get(&bench, "esporta", &kept, &[]).await.status(), StatusCode::SEE_OTHER, "what is there stays");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_forgotten_where_nobody_may_export_any_more() {
    let bench = Bench::open().await;
    bench.fill().await;
    let path = location(&post(&bench, "esporta", &json!({ "format": "ndjson" }), &[]).await);
    let running = maker(&bench);
    there(&bench, "esporta", &path).await;
    running.stop().await;
    meddle(&bench, "update export_task set ended_at = 1").await;
    let mut nobody = bench.node.config.exchange.clone();
    nobody.partners.clear();
    let running = start(&bench.node.flow, Partners::of(&nobody, address(&nobody)).expect("partners"));
    let (store, id) = (&bench.node.flow.store, path.rsplit('/').next().expect("a name"));
    let end = Instant::now() + PATIENCE;
    while store.export(id).await.expect("an answer").is_some() {
        assert!(Instant::now() < end, "it was never forgotten");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.stop().await;
}
