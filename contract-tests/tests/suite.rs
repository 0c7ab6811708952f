//! The suite of the adapters can fail: a source of a few rows is read well, then with one mistake after
//! the other, each of which breaks the promise that is there for it.

#[path = "suite/totals.rs"]
mod totals;

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::Query;
use axum::routing::get;
use axum::{Json, Router};
use canonical::{Digest, Kind, Rule};
use contract::{
    Adapter, AdapterError, AdapterFactory, Capability, ContractStatus, DocumentHeader, Normalized, RawRecord, RawSink,
    ReadRequest, Received, RunningSimulator, SetAside, Settings, SettingsError, SimulatorOptions, Source,
};
use contract_tests::adapter_suite::{Certificate, Kept, Subject, run_on};
use kit::answer::common_error;
use kit::http::{HttpClient, HttpSettings, Method};
use kit::simulator::serve;
use rstest::rstest;
use serde::Deserialize;
use serde_json::{Value, json};

const SYSTEM: &str = "elenco";

/// What the source does wrong.
const NOTHING: u8 = 0;
const IGNORES_THE_CURSOR: u8 = 1;
const STARTS_TOO_LATE: u8 = 2;
const DROPS_A_ROW: u8 = 3;
const STOPS_AFTER_A_PAGE: u8 = 4;
const COUNTS_ROWS: u8 = 5;

#[derive(Deserialize)]
struct Page {
    rows: Vec<Value>,
    last: String,
    more: bool,
}

#[derive(Debug)]
struct Elenco<const MISTAKE: u8> {
    http: HttpClient,
    page: usize,
}

fn capability() -> Capability {
    capability_of(SYSTEM, "Un elenco di prova")
}

/// What a source of this file can.
fn capability_of(system: &'static str, title: &'static str) -> Capability {
    Capability {
        system,
        title,
        contract: "1",
        status: ContractStatus::Assumed,
        reads: &[Kind::Ente],
        accepts: &[],
        observes: false,
        parallel_requests: 1,
        collapse_seconds: 0,
        requires_adesione: false,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
fn build<const MISTAKE: u8>(settings: Settings) -> Result<Box<dyn Adapter>, SettingsError> {
    let http = HttpSettings::new(settings["base_url"].as_str().unwrap_or_default());
    let page = settings["page"].as_u64().and_then(|page| page.try_into().ok()).unwrap_or(100);
    Ok(Box::new(Elenco::<MISTAKE> { http: HttpClient::new(SYSTEM, &http)?, page }))
}

impl<const MISTAKE: u8> Adapter for Elenco<MISTAKE> {
    fn capability(&self) -> Capability {
        capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

#[async_trait]
impl<const MISTAKE: u8> Source for Elenco<MISTAKE> {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let cursor = request.cursor.filter(|_| MISTAKE != IGNORES_THE_CURSOR);
        let is_resumed = cursor.is_some();
        let (mut after, mut met) = (cursor.unwrap_or_else(|| "0".to_owned()), 0);
        if MISTAKE == STARTS_TOO_LATE && is_resumed {
            "1000".clone_into(&mut after);
        }
        loop {
            let limit = self.page.to_string();
            let query = [("dopo", after.as_str()), ("limite", limit.as_str())];
            let answer = self.http.exchange(self.http.request(Method::GET, &["righe"], &query)).await?;
            if answer.status != 200 {
                return Err(
                    common_error(&answer.attempted, &answer).unwrap_or_else(|| answer.not_understood("another status"))
                );
            }
            let page: Page = answer.json()?;
            let document = Arc::new(DocumentHeader {
                remote_id: format!("righe/{after}"),
                digest: Digest::of(&answer.body).to_string(),
                format: SYSTEM.to_owned(),
                version: "1".to_owned(),
                as_of: None,
                context: Value::Null,
            });
            drop(sink.send(Received::Begin(document.clone())).await);
            let dropped = usize::from(MISTAKE == DROPS_A_ROW);
            for (line, row) in (1..).zip(page.rows.iter().skip(dropped)) {
                let (document, text) = (document.clone(), row.to_string());
                drop(sink.send(Received::Record(RawRecord { document, line, occurrence: 0, text })).await);
            }
            drop(sink.send(Received::End).await);
            met += page.rows.len();
            after = if MISTAKE == COUNTS_ROWS { met.to_string() } else { page.last };
            let has_more = if MISTAKE == COUNTS_ROWS { page.rows.len() == self.page } else { page.more };
            if !has_more || MISTAKE == STOPS_AFTER_A_PAGE {
                drop(sink.send(Received::Cursor(after)).await);
                return Ok(());
            }
        }
    }

    fn normalize(&self, _raw: &RawRecord) -> Normalized {
        let reason = "rows of a list for trying are no records".to_owned();
        Normalized { set_aside: Some(SetAside { rule: Rule::N03, reason }), ..Normalized::default() }
    }
}

#[derive(Deserialize)]
struct Asked {
    dopo: Option<usize>,
    limite: Option<usize>,
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
fn simulate(options: SimulatorOptions) -> std::io::Result<RunningSimulator> {
    let rows = async |Query(asked): Query<Asked>| {
        let all: Vec<Value> = (1..=5).map(|number| json!({ "id": format!("riga-{number}") })).collect();
        let begin = asked.dopo.unwrap_or_default().min(all.len());
        let end = asked.limite.map_or(all.len(), |limit| (begin + limit).min(all.len()));
        Json(json!({ "rows": all[begin..end], "last": end.to_string(), "more": end < all.len() }))
    };
    let router = Router::new().route("/righe", get(rows));
    serve(&options, router, |address| json!({ "base_url": format!("http://{address}") }))
}

fn factory<const MISTAKE: u8>() -> AdapterFactory {
    AdapterFactory { capability, build: build::<MISTAKE>, simulate: Some(simulate) }
}

/// What becomes of the promises when the evidence says that pages follow each other so.
async fn certificate(factory: AdapterFactory, paging: Value) -> Certificate {
    let holds = json!({
        "rows": [{ "in": { "answer": "/righe" }, "as": { "json": ["/rows/*"] } }],
        "lists": [{
            "name": "righe", "read_by": "source", "path": "/righe", "settings": { "page": 2 }, "rows": "/rows",
            "identity": ["/id"], "page_rows": 2, "paging": paging,
        }],
        "resumes": { "list": "righe" },
    });
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("holds.json"), holds.to_string()).expect("the evidence is written");
    run_on(&Subject::in_folder(&factory, folder.path())).await
}

fn by_change() -> Value {
    json!({ "by": "change", "param": "dopo", "next": "/last", "more": "/more" })
}

const ALL: [&str; 3] = ["source_conserves", "source_resumes_from_its_cursor", "source_survives_a_shifted_page"];

fn broken(certificate: &Certificate) -> Vec<&'static str> {
    let is_broken = |name: &&str| matches!(certificate.promises.get(*name), None | Some(Kept::No(_) | Kept::Beside(_)));
    ALL.into_iter().filter(is_broken).collect()
}

#[tokio::test]
async fn a_source_without_mistakes_keeps_them_all() {
    let certificate = certificate(factory::<NOTHING>(), by_change()).await;
    assert_eq!(broken(&certificate), [""; 0], "{:?}", certificate.promises);
}

#[rstest]
#[case::it_ignores_the_cursor(factory::<IGNORES_THE_CURSOR>(), &["source_resumes_from_its_cursor"])]
#[case::it_starts_too_late(factory::<STARTS_TOO_LATE>(), &["source_resumes_from_its_cursor"])]
#[case::it_drops_a_row(factory::<DROPS_A_ROW>(), &ALL)]
#[case::it_stops_after_a_page(factory::<STOPS_AFTER_A_PAGE>(), &["source_resumes_from_its_cursor", "source_survives_a_shifted_page"])]
#[tokio::test]
async fn a_mistake_breaks_the_promise_that_is_there_for_it(
    #[case] factory: AdapterFactory,
    #[case] expected: &[&'static str],
) {
    let certificate = certificate(factory, by_change()).await;
    assert_eq!(broken(&certificate), expected, "{:?}", certificate.promises);
}

#[tokio::test]
async fn a_source_that_counts_rows_loses_one_when_another_goes() {
    let certificate = certificate(factory::<COUNTS_ROWS>(), json!({ "by": "offset", "param": "dopo" })).await;
    let Some(Kept::No(problem)) = certificate.promises.get("source_survives_a_shifted_page") else {
        panic!("{:?}", certificate.promises)
    };
    assert!(problem.contains("Goes: row riga-3 was there all the time"), "{problem}");
}
