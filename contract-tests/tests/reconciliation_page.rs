//! The page of reconciliation: completeness first, one line for each cause, every filter in the
//! address, nothing of what was received taken for anything but text, and an answer at once.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test, in its helpers too")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use contract_tests::discrepancies::{NOW, Standing, at};
use raccordo::clock::ManualClock;
use raccordo::http::reconciliation;
use raccordo::storage::ReconciliationCounts;
use reqwest::{Response, StatusCode};

/// The time of the server for a page, whatever stands open.
const AT_ONCE: Duration = Duration::from_millis(200);

async fn served(items: i64) -> String {
    served_at(items, NOW).await
}

/// The same on another day.
async fn served_at(items: i64, now: &str) -> String {
    served_of(Standing::of(items), now).await
}

/// The same with other runs.
async fn served_of(standing: Standing, now: &str) -> String {
    let standing = Arc::new(standing);
    let clock = Arc::new(ManualClock::at(at(now)));
    let router: Router = reconciliation(standing.clone(), standing, clock);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn get(url: &str) -> Response {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    client.get(url).send().await.unwrap()
}

async fn page(url: &str) -> String {
    let answer = get(url).await;
    assert_eq!(answer.status(), StatusCode::OK, "{url}");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
    let text = answer.text().await.unwrap();
    for forbidden in ["<script>", "style=\"", "onclick", "http-equiv"] {
        assert!(!text.contains(forbidden), "{forbidden} in {url}");
    }
    text
}

/// The links of a page, as a browser reads them.
fn links(page: &str) -> Vec<String> {
    page.split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|link| link.replace("&#38;", "&"))
        .collect()
}

#[tokio::test]
async fn whoever_asks_for_nothing_is_shown_what_is_new_and_the_address_says_so() {
    let server = served(300).await;
    let answer = get(&format!("{server}/reconciliation")).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"], "/reconciliation?new=last");
    let shown = page(&format!("{server}/reconciliation?new=last")).await;
    assert!(
        shown.contains("nuove: <strong>dall'ultimo confronto</strong>") || shown.contains("dall&#39;ultimo confronto")
    );
    let (complete, numbers, groups) = (shown.find("completezza"), shown.find("numeri"), shown.find("gruppi"));
    assert!(complete < numbers && numbers < groups, "completeness stands first");
    assert!(shown.contains("la pagina 7 di 12 non ha risposto") && shown.contains("non è completo"));
}

#[tokio::test]
async fn ten_thousand_rows_with_one_cause_are_one_line_that_leads_to_them() {
    let server = served(10_000).await;
    let shown = page(&format!("{server}/reconciliation?cause=vat_22")).await;
    assert_eq!(
        shown.matches("Differenza spiegata dall&#39;IVA al 22 %").count()
            + shown.matches("Differenza spiegata dall'IVA al 22 %").count(),
        1,
        "one comparison has them, so one line"
    );
    let link = links(&shown).into_iter().find(|link| link.starts_with("/reconciliation/items?")).expect("a way down");
    let listed = page(&format!("{server}{link}")).await;
    let own: Vec<_> = links(&listed).into_iter().filter(|link| link.starts_with("/reconciliation/items/")).collect();
    assert_eq!(own.len(), 50);
    let next = links(&listed).into_iter().find(|link| link.contains("after=")).expect("a next page");
    let after = page(&format!("{server}{next}")).await;
    let further: Vec<_> = links(&after).into_iter().filter(|link| link.starts_with("/reconciliation/items/")).collect();
    assert!(further.len() == 50 && further.iter().all(|link| !own.contains(link)), "no row stands on two pages");
}

#[tokio::test]
async fn an_item_shows_its_sides_its_cause_its_age_and_its_history() {
    let server = served(300).await;
    let shown = page(&format!("{server}/reconciliation/items/6")).await;
    let (owner, other) = (shown.find("contabilita").unwrap(), shown.find("hub <").or(shown.find(">hub")).unwrap());
    assert!(owner < other, "the owner stands first");
    for fact in
        ["1.002,22", "1.222,70", "IVA al 22 %", "A. Bianchi", "raccordo trace Z000000006", "assegnata a un ufficio"]
    {
        assert!(shown.contains(fact), "{fact}");
    }
    assert!(shown.contains("&#60;b&#62;la pratica") || shown.contains("&lt;b&gt;la pratica"), "a reason is text");
    let hostile = page(&format!("{server}/reconciliation/items/2")).await;
    assert!(!hostile.contains("<script>"));
    for unknown in ["/reconciliation/items/301", "/reconciliation/items/uno"] {
        assert_eq!(get(&format!("{server}{unknown}")).await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn exports_are_of_exactly_the_filter() {
    let server = served(600).await;
    let filter = "rule=R03&body=80002650580";
    let shown = page(&format!("{server}/reconciliation?{filter}")).await;
    for form in ["csv", "xlsx", "json", "html"] {
        let link = links(&shown).into_iter().find(|link| link.contains(&format!("/export/{form}?"))).expect(form);
        assert!(link.ends_with(filter), "{link}");
        let answer = get(&format!("{server}{link}")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let name = answer.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert_eq!(name, format!("attachment; filename=\"riconciliazione-2026-11-20.{form}\""));
        let body = answer.bytes().await.unwrap();
        match form {
            "json" => {
                let report: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(report["about"]["filter"], filter);
                let items = report["items"].as_array().unwrap();
                assert!(!items.is_empty());
                assert!(items.iter().all(|item| item["rule"] == "R03" && item["body"] == "80002650580"));
            }
            "xlsx" => assert!(body.starts_with(b"PK")),
            _ => assert!(String::from_utf8_lossy(&body).contains("4711:"), "the head of the chain"),
        }
    }
    assert_eq!(get(&format!("{server}/reconciliation/export/pdf?{filter}")).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_filter_that_is_not_understood_is_refused_in_words() {
    let server = served(10).await;
    for query in ["regola=R02", "rule=R99", "after=x", "state=%3Cb%3E"] {
        for path in ["/reconciliation", "/reconciliation/items", "/reconciliation/export/csv"] {
            let answer = get(&format!("{server}{path}?{query}")).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}?{query}");
            assert!(answer.text().await.unwrap().starts_with("Il filtro «"));
        }
    }
}

#[tokio::test]
async fn taking_a_filter_away_leaves_the_others() {
    let server = served(300).await;
    let shown = page(&format!("{server}/reconciliation?rule=R02&body=00246180590")).await;
    let links = links(&shown);
    assert!(links.contains(&"/reconciliation?rule=R02".to_owned()), "{links:?}");
    assert!(links.contains(&"/reconciliation?body=00246180590".to_owned()), "{links:?}");
}

#[tokio::test]
async fn a_page_over_a_hundred_thousand_discrepancies_is_there_at_once() {
    // Their groups are counted once, as a database has them in an index; the page is measured.
    let server = served(100_000).await;
    let all = format!("{server}/reconciliation?state=any");
    assert!(page(&all).await.contains("100.000 discordanze"), "the numbers are those of the groups");
    for address in [all, format!("{server}/reconciliation/items?state=any&after=50000")] {
        // A machine that tests is busy: the best of some attempts counts.
        let mut best = Duration::MAX;
        for _ in 0..8 {
            let begun = Instant::now();
            page(&address).await;
            best = best.min(begun.elapsed());
        }
        assert!(best <= AT_ONCE, "{address}: {best:?}");
    }
}

#[tokio::test]
async fn where_nothing_has_an_amount_none_is_shown() {
    let server = served(300).await;
    let without = page(&format!("{server}/reconciliation?rule=R03")).await;
    assert!(!without.contains("0,00"), "dates have no amount: {without}");
    let with = page(&format!("{server}/reconciliation?rule=R17")).await;
    assert!(with.contains("Importo delle discordanze scelte: €"), "{with}");
    let all = page(&format!("{server}/reconciliation?state=standing")).await;
    assert!(all.contains("Importo in gioco: €"), "{all}");
}

/// The number of a tile, and what stands under it.
fn tile(page: &str, label: &str) -> (String, String) {
    let mut tiles = page.split("<li class=\"tile").skip(1);
    let name = format!("<span class=\"label\">{label}</span>");
    let tile = tiles.find(|tile| tile.contains(&name)).unwrap_or_else(|| panic!("no {label}"));
    let tile = tile.split("</li>").next().unwrap();
    let (value, notes) = tile.split_once(&name).unwrap();
    (value.rsplit("\"value\">").next().unwrap().split('<').next().unwrap().to_owned(), notes.to_owned())
}

#[tokio::test]
async fn what_was_not_read_is_a_dash_and_no_zero() {
    let mut standing = Standing::of(300);
    for run in standing.runs.iter_mut().filter(|run| run.comparison == "hub") {
        run.complete = false;
        run.counts = ReconciliationCounts { equal: 7, ..ReconciliationCounts::default() };
    }
    let server = served_of(standing, NOW).await;
    let shown = page(&format!("{server}/reconciliation?comparison=hub")).await;
    assert_eq!(tile(&shown, "Uguali").0, "7");
    for label in ["Diverse", "Mancano là", "Mancano qui"] {
        let (value, notes) = tile(&shown, label);
        assert_eq!(value, "–", "{label}");
        assert!(notes.contains("non si sa: un confronto non è completo"), "{label}: {notes}");
    }
    assert!(shown.contains("Righe in tutto: 7 = 7 uguali + 0 non confrontate"), "only numbers are added up");
    assert!(tile(&shown, "Spiegate").1.contains('€'), "what stands from before has its amount");
    let report = get(&format!("{server}/reconciliation/export/html?comparison=hub")).await.text().await.unwrap();
    assert_eq!(tile(&report, "Mancano là").0, "–", "the printed report says the same");

    let shown = page(&format!("{server}/reconciliation?comparison=pico")).await;
    assert_eq!(tile(&shown, "Mancano là").0, "90", "what was read is counted");
    let shown = page(&format!("{server}/reconciliation?comparison=fonti")).await;
    assert_eq!(tile(&shown, "Diverse").0, "250");
}

#[tokio::test]
async fn between_the_sources_nothing_is_counted_as_missing() {
    let mut standing = Standing::of(300);
    for run in standing.runs.iter_mut().filter(|run| run.comparison == "fonti") {
        (run.complete, run.incomplete_because) = (true, None);
        (run.counts.missing_there, run.counts.missing_here) = (0, 0);
    }
    let shown = page(&format!("{}/reconciliation?comparison=fonti", served_of(standing, NOW).await)).await;
    for label in ["Mancano là", "Mancano qui"] {
        let (value, notes) = tile(&shown, label);
        assert_eq!(value, "–", "{label}");
        assert!(notes.contains("fra le fonti non si conta"), "{notes}");
    }
}

#[tokio::test]
async fn what_is_past_its_deadline_is_marked() {
    let in_time = served(300).await;
    let late = served_at(300, "2026-12-16T09:30:00Z").await;
    // Of these, 5 is open and 30 is explained.
    for (server, id, is_overdue) in [(&in_time, 5, false), (&late, 5, true), (&late, 30, false)] {
        let shown = page(&format!("{server}/reconciliation/items/{id}")).await;
        assert!(shown.contains("15/12/2026"), "{shown}");
        assert_eq!(shown.contains(">scaduta<"), is_overdue, "{id}: {shown}");
    }
    for path in ["/reconciliation?state=open", "/reconciliation/items?state=open"] {
        assert!(!page(&format!("{in_time}{path}")).await.contains(">scaduta<"), "{path}");
        assert!(page(&format!("{late}{path}")).await.contains(">scaduta<"), "{path}");
    }
    assert!(!page(&format!("{late}/reconciliation?state=explained")).await.contains(">scaduta<"));
}
