//! Every page in a browser, under the rules of WCAG 2.1 A and AA (axe-core): none is broken, on a wide
//! screen and on a narrow one, with and without data.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test, in its helpers too")]

#[path = "accessibility/browser.rs"]
mod browser;
#[allow(dead_code, reason = "shared with the tests of the flow, which need more of it")]
#[path = "flow/bench.rs"]
mod bench;

use std::fs::File;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use contract_tests::discrepancies::{Standing, item};
use contract_tests::records::at;
use raccordo::discrepancy::{Discrepancy, SOURCES};
use raccordo::flow::report::file::private_folder;
use raccordo::flow::report::print::Report;
use raccordo::flow::report::words::Language;
use raccordo::http::{Format, report_form, router};
use raccordo::storage::work_items::Act;
use raccordo::storage::{Chosen, Decision, ItemFilter, Person, ReconciliationCounts, RunResult};

use crate::bench::{TestFlow, lotto};
use crate::browser::{broken, served, with_rules};

/// A wide screen, and 320 points: the narrowest, or 400 % of a common one.
const WIDTHS: [u32; 2] = [1280, 320];

async fn assert_nothing_broken(server: &str, pages: &[&str]) {
    let found = broken(server, pages, &WIDTHS).await;
    assert!(found.is_empty(), "{found:#?}");
}

/// A ledger with deliveries, runs, discrepancies of every kind and a period that was signed off.
async fn lived_in() -> TestFlow {
    let test = TestFlow::new().await;
    test.read("a", &(1..=9).map(|number| lotto(number, "una scuola")).collect::<Vec<_>>()).await;
    test.work().await;
    let store = &test.flow.store;
    for (comparison, because) in [("hub", None), ("pico", None), (SOURCES, Some("la pagina 7 di 12 non ha risposto"))] {
        let found: Vec<Discrepancy> = (1..=240).map(|number| item(number).discrepancy).collect();
        let found: Vec<_> = found.into_iter().filter(|found| found.comparison == comparison).collect();
        let run = store.begin_comparison(comparison, at(1)).await.unwrap();
        store.note_discrepancies(&run, &found, "", at(1)).await.unwrap();
        let counts =
            ReconciliationCounts { expected: 80, observed: 80, different: 60, equal: 20, ..Default::default() };
        let result = RunResult { counts, incomplete_because: because.map(str::to_owned), evidence: None };
        store.finish_comparison(&run, &result, at(2)).await.unwrap();
    }
    let by = Person { name: "Anna Rossi".to_owned(), reason: "segue la pratica".to_owned() };
    let one = ItemFilter::from_query("rule=R03", &[]).unwrap();
    let assign = Decision { act: Act::Assign { office: "Ragioneria".to_owned() }, by: by.clone() };
    store.decide(&assign, &Chosen::Filter(Box::new(one)), at(3)).await.unwrap();
    store
        .decide(&Decision { act: Act::Accept { until: None }, by: by.clone() }, &Chosen::Ids(vec![1]), at(3))
        .await
        .unwrap();
    store.sign_off("2026-10", &by, at(4)).await.unwrap();
    test
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_break_no_rule_of_accessibility() {
    let test = lived_in().await;
    let server = with_rules(served(router(test.flow.clone())).await).await;
    let pages = [
        "/",
        "/reconciliation?state=any",
        "/reconciliation?rule=R02&state=open",
        "/reconciliation/items?state=standing",
        "/reconciliation/items?rule=R25",
        "/reconciliation/items/1",
    ];
    assert_nothing_broken(&server, &pages).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_without_any_data_break_no_rule_either() {
    let test = TestFlow::new().await;
    let server = with_rules(served(router(test.flow.clone())).await).await;
    let pages = ["/", "/reconciliation?new=last"];
    assert_nothing_broken(&server, &pages).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_as_a_page_breaks_no_rule() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rapporto.html");
    let standing = Standing::of(60);
    let about = standing.about(Language::Italian);
    let private = private_folder(Some(folder.path())).unwrap();
    let form = report_form(Format::Html, File::create(&path).unwrap(), &about, private).unwrap();
    let mut report = Report::begin(about, form);
    report.add(&standing.all().collect::<Vec<_>>()).unwrap();
    report.finish().unwrap();
    let page = std::fs::read_to_string(path).unwrap();
    let server = served(
        Router::new().route("/", get(move || async move { ([(CONTENT_TYPE, "text/html; charset=utf-8")], page) })),
    )
    .await;
    assert_nothing_broken(&with_rules(server).await, &["/"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_breaks_rules_is_found() {
    let page = "<!DOCTYPE html><html lang=\"it\"><head><meta charset=\"utf-8\"><title>Prova</title></head><body><main>\
                <h1>Prova</h1><p style=\"color:#bbb;background:#fff\">poco contrasto</p><img src=\"/x.png\">\
                <ul><li>uno</li></ul><p><a href=\"/\">via</a></p></main></body></html>";
    let server = served(Router::new().fallback(move || async move { ([(CONTENT_TYPE, "text/html")], page) })).await;
    let broken = broken(&with_rules(server).await, &["/"], &[1280]).await;
    for rule in ["image-alt", "color-contrast"] {
        assert!(broken.iter().any(|broken| broken.contains(rule)), "{rule}: {broken:?}");
    }
}
