//! A browser without a screen, and the rules of accessibility in it.
//!
//! Our pages run no scripts and forbid them. A second server, on the loopback only, gives the same pages
//! with the rules at their end and without what forbids them; nothing else of a page is changed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use axum::Router;
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::Value;

/// The rules and what runs them.
const RUN: &str = include_str!("../../accessibility/run.js");
/// What must be there, and how it comes.
const REMEDY: &str = "Chromium and npm are installed: `cargo xtask test` does it (Debian packages chromium and npm)";

/// Where the rules are kept: fetched once, checked against the hash in `package-lock.json`.
fn rules() -> &'static str {
    static RULES: OnceLock<String> = OnceLock::new();
    RULES.get_or_init(|| {
        let folder = target().join("accessibility");
        let rules = folder.join("node_modules/axe-core/axe.min.js");
        if !rules.is_file() {
            std::fs::create_dir_all(&folder).unwrap();
            for name in ["package.json", "package-lock.json"] {
                let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("accessibility").join(name);
                std::fs::copy(from, folder.join(name)).unwrap();
            }
            let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
            let said = Command::new("npm").args(npm).current_dir(&folder).output().expect(REMEDY);
            assert!(said.status.success(), "rules not fetched: {}", String::from_utf8_lossy(&said.stderr));
        }
        std::fs::read_to_string(rules).unwrap()
    })
}

/// The folder of what is built: next to the tests themselves.
fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).expect("target/debug/deps/name").to_owned()
}

/// A server that gives the pages of another with the rules in them.
pub(crate) async fn with_rules(pages: String) -> String {
    rules();
    let page = move |uri: Uri| async move {
        let answer = reqwest::get(format!("{pages}{uri}")).await.unwrap();
        // A browser asks for an icon, which a report by itself does not have.
        let status = answer.status();
        let kind = answer.headers().get(CONTENT_TYPE).map_or("text/plain", |kind| kind.to_str().unwrap()).to_owned();
        let text = answer.text().await.unwrap();
        (status, [(CONTENT_TYPE, kind)], with_scripts(&text))
    };
    let script =
        |text: &'static str| get(move || async move { ([(CONTENT_TYPE, "text/javascript")], text).into_response() });
    let all = || async { axum::response::Html("<!DOCTYPE html><body><script src=\"/run.js\"></script></body>") };
    let own = Router::new().route("/all", get(all)).route("/axe.js", script(rules())).route("/run.js", script(RUN));
    served(own.fallback(page)).await
}

/// A page with the rules at its end, and without a policy of its own that forbids them.
fn with_scripts(page: &str) -> String {
    let mut page = page.to_owned();
    if let Some(start) = page.find("<meta http-equiv=\"Content-Security-Policy\"") {
        let end = start + page[start..].find('>').expect("an end") + 1;
        page.replace_range(start..end, "");
    }
    page.replace("</body>", "<script src=\"/axe.js\"></script></body>")
}

/// A server on the loopback.
pub(crate) async fn served(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// What the pages of a server break, each in a window of each width, as a browser draws them.
pub(crate) async fn broken(server: &str, pages: &[&str], widths: &[u32]) -> Vec<String> {
    let mut url = reqwest::Url::parse(&format!("{server}/all")).unwrap();
    url.query_pairs_mut().extend_pairs(pages.iter().map(|page| ("page", *page)));
    url.query_pairs_mut().extend_pairs(widths.iter().map(|width| ("width", width.to_string())));
    let page = tokio::task::spawn_blocking(move || drawn(url.as_str())).await.unwrap();
    let said = page.split("data-axe=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("the rules were run");
    let said = reqwest::Url::parse(&format!("http://axe/?said={said}")).unwrap();
    let said = said.query_pairs().next().unwrap().1.into_owned();
    let said: Vec<Value> = serde_json::from_str(&said).unwrap();
    assert_eq!(said.len(), pages.len() * widths.len(), "{said:?}");
    let mut broken = Vec::new();
    for drawn in said {
        let place = format!("{} at {}", drawn["page"], drawn["width"]);
        assert!(drawn["passed"].as_u64().is_some_and(|passed| passed >= 5), "{place}: {drawn}");
        let rules = drawn["violations"].as_array().unwrap().iter();
        broken.extend(rules.map(|rule| format!("{place}: {} {}: {}", rule["id"], rule["help"], rule["nodes"])));
        broken.extend((drawn["overflows"] != false).then(|| format!("{place}: wider than its window")));
    }
    broken
}

/// The page as it stands when it has come to rest.
fn drawn(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let said = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,1700"])
        .args(["--virtual-time-budget=60000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .stderr(Stdio::null())
        .output()
        .expect(REMEDY);
    String::from_utf8_lossy(&said.stdout).into_owned()
}
