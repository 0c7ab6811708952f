//! A list in numbered pages, each of which announces how many rows there are: one reader counts them, the
//! other believes what it is given.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use canonical::Digest;
use contract::{
    Adapter, AdapterError, AdapterFactory, Capability, DocumentHeader, Normalized, RawRecord, RawSink, ReadRequest,
    Received, RunningSimulator, Settings, SettingsError, SimulatorOptions, Source,
};
use contract_tests::adapter_suite::{Kept, Subject, run_on};
use kit::http::{HttpClient, HttpSettings, Method};
use kit::simulator::serve;
use serde::Deserialize;
use serde_json::{Value, json};

const SYSTEM: &str = "pagine";
const PAGE: usize = 2;

#[derive(Deserialize)]
struct Page {
    rows: Vec<Value>,
    total: usize,
    last: bool,
}

#[derive(Debug)]
struct Pagine<const COUNTS: bool>(HttpClient);

fn capability() -> Capability {
    super::capability_of(SYSTEM, "Un elenco di prova in pagine numerate")
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
fn build<const COUNTS: bool>(settings: Settings) -> Result<Box<dyn Adapter>, SettingsError> {
    let http = HttpSettings::new(settings["base_url"].as_str().unwrap_or_default());
    Ok(Box::new(Pagine::<COUNTS>(HttpClient::new(SYSTEM, &http)?)))
}

impl<const COUNTS: bool> Adapter for Pagine<COUNTS> {
    fn capability(&self) -> Capability {
        capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

#[async_trait]
impl<const COUNTS: bool> Source for Pagine<COUNTS> {
    async fn read(&self, _request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let mut met = 0;
        for number in 1_u32.. {
            let number = number.to_string();
            let answer = self.0.exchange(self.0.request(Method::GET, &["pagine", &number], &[])).await?;
            let page: Page = answer.json()?;
            let document = Arc::new(DocumentHeader {
                remote_id: format!("pagine/{number}"),
                digest: Digest::of(&answer.body).to_string(),
                format: SYSTEM.to_owned(),
                version: "1".to_owned(),
                as_of: None,
                context: Value::Null,
            });
            met += page.rows.len();
            drop(sink.send(Received::Begin(document.clone())).await);
            for (line, row) in (1..).zip(&page.rows) {
                let (document, text) = (document.clone(), row.to_string());
                drop(sink.send(Received::Record(RawRecord { document, line, occurrence: 0, text })).await);
            }
            drop(sink.send(Received::End).await);
            if page.last && COUNTS && met != page.total {
                return Err(answer.not_understood("fewer rows than the list announces"));
            }
            if page.last {
                break;
            }
        }
        Ok(())
    }

    fn normalize(&self, _raw: &RawRecord) -> Normalized {
        Normalized::default()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
fn simulate(options: SimulatorOptions) -> std::io::Result<RunningSimulator> {
    let page = async |Path(number): Path<usize>| {
        let all: Vec<Value> = (1..=5).map(|number| json!({ "id": format!("riga-{number}") })).collect();
        let begin = (number.saturating_sub(1) * PAGE).min(all.len());
        let end = (begin + PAGE).min(all.len());
        Json(json!({ "rows": all[begin..end], "number": number - 1, "total": all.len(), "last": end == all.len() }))
    };
    let router = Router::new().route("/pagine/{page}", get(page));
    serve(&options, router, |address| json!({ "base_url": format!("http://{address}") }))
}

async fn promise<const COUNTS: bool>() -> Option<Kept> {
    let factory = AdapterFactory { capability, build: build::<COUNTS>, simulate: Some(simulate) };
    let holds = json!({
        "rows": [{ "in": { "answer": "/pagine/{page}" }, "as": { "json": ["/rows/*"] } }],
        "lists": [{
            "name": "pagine", "read_by": "source", "path": "/pagine/{page}", "rows": "/rows", "identity": ["/id"],
            "page_rows": PAGE,
            "paging": { "by": "number", "number": "/number", "total": "/total", "last": "/last" },
        }],
    });
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("holds.json"), holds.to_string()).expect("the evidence is written");
    let certificate = run_on(&Subject::in_folder(&factory, folder.path())).await;
    certificate.promises.get("source_believes_no_short_list").cloned()
}

#[tokio::test]
async fn a_source_that_does_not_count_what_is_announced_is_found_out() {
    assert_eq!(promise::<true>().await, Some(Kept::Yes("pagine".to_owned())));
    let Some(Kept::No(problem)) = promise::<false>().await else { panic!("it believed a short list") };
    assert!(problem.contains("one row less than announced"), "{problem}");
}
