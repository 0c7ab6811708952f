//! A browser without a screen, and the rules of accessibility in it.
//!
//! Our pages run no scripts and forbid them. A second server, on the loopback only, gives the same pages
//! with the rules at their end and without what forbids them; nothing else of a page is changed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use axum::Router;
use axum::extract::OriginalUri;
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
    let page = move |OriginalUri(uri): OriginalUri| async move {
        let answer = reqwest::get(format!("{pages}{uri}")).await.unwrap();
        let kind = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        let text = answer.text().await.unwrap();
        ([(CONTENT_TYPE, kind)], with_scripts(&text))
    };
    let script = |text: &'static str| get(move || async move { ([(CONTENT_TYPE, "text/javascript")], text).into_response() });
    served(Router::new().route("/axe.js", script(rules())).route("/run.js", script(RUN)).fallback(page)).await
}

/// A page with the rules at its end, and without a policy of its own that forbids them.
fn with_scripts(page: &str) -> String {
    let mut page = page.to_owned();
    if let Some(start) = page.find("<meta http-equiv=\"Content-Security-Policy\"") {
        let end = start + page[start..].find('>').expect("an end") + 1;
        page.replace_range(start..end, "");
    }
    page.replace("</body>", "<script src=\"/axe.js\"></script><script src=\"/run.js\"></script></body>")
}

/// A server on the loopback.
pub(crate) async fn served(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// The rules that a page breaks in a window of this width, as a browser draws it; and a picture of it
/// beside what is built, for people.
pub(crate) async fn broken(url: &str, width: u32, name: &str) -> Vec<String> {
    let picture = target().join("accessibility").join(format!("{name}-{width}.png"));
    let asked = [url.to_owned(), width.to_string(), picture.display().to_string()];
    let page = tokio::task::spawn_blocking(move || {
        let [url, width, picture] = asked;
        chromium(&url, &width, &[&format!("--screenshot={picture}")]);
        chromium(&url, &width, &["--dump-dom"])
    });
    let page = page.await.unwrap();
    let said = page.split("data-axe=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("the rules were run");
    let said = reqwest::Url::parse(&format!("http://axe/?said={said}")).unwrap();
    let said = said.query_pairs().next().unwrap().1.into_owned();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(said["passed"].as_u64().is_some_and(|passed| passed >= 5), "{url}: {said}");
    let violations = said["violations"].as_array().unwrap().iter();
    violations.map(|rule| format!("{} {}: {}", rule["id"], rule["help"], rule["nodes"])).collect()
}

fn chromium(url: &str, width: &str, what: &[&str]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let said = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        .args(["--virtual-time-budget=30000", &format!("--window-size={width},1600")])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(what)
        .arg(url)
        .stderr(Stdio::null())
        .output()
        .expect(REMEDY);
    String::from_utf8_lossy(&said.stdout).into_owned()
}
