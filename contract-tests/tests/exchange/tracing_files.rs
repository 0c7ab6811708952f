//! The daemon sends the tracing file of each day by itself, to a platform that is not always polite.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use canonical::values::{CalendarDate, UtcInstant};
use contract_tests::shared_postgres::SharedDatabase;
use kit::Secret;
use kit::jose::{SigningKey, sign};
use raccordo::clock::{ManualClock, days_before};
use raccordo::config::Config;
use raccordo::flow::{Flow, Patience};
use raccordo::jobs::tracing_files::{Sender, TracingFiles, start};
use raccordo::node::Node;
use raccordo::registry::PARTS;
use raccordo::storage::calls::{CallBatch, CallCount};
use raccordo::storage::postgres;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bench::{PURPOSE, served};

const KEYS: &str = include_str!("../../../adapters/kit/tests/pdnd/keys/keys.json");
const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
const VOUCHER: &str = "00000000-0000-4000-8000-000000000001";
/// A moment long before any database of these tests was made: calls are counted since the first count.
const NOON: &str = "2025-03-10T12:00:00Z";
const MINUTE: Duration = Duration::from_mins(1);

/// What the platform does with a request in place of what it should.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It answers this, and asks for this pause.
    Status(u16, Option<&'static str>),
    /// It does what it is asked, and its answer breaks off.
    Lost,
    /// It does what it is asked, and never answers.
    Silent,
    /// It says that there are days, and tells none.
    Hides,
    /// It tells the first page, whichever is asked for.
    Repeats,
    /// It says that there is one more day than there is.
    Grows,
}

#[derive(Default)]
struct Known {
    /// Name and state of each day.
    days: BTreeMap<String, (String, String)>,
    /// Of files that are sent, and of questions.
    sending: VecDeque<Fault>,
    asking: VecDeque<Fault>,
    /// What was sent: the operation with the day, and the form.
    sent: Vec<(String, String)>,
    questions: usize,
}

#[derive(Clone, Default)]
struct Platform(Arc<Mutex<Known>>);

impl Platform {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().expect("nobody panicked")
    }

    fn has(&self, day: &str, state: &str) {
        let mut known = self.known();
        let number = known.days.len();
        let kept = known.days.get(day).map(|(id, _)| id.clone());
        let id = kept.unwrap_or_else(|| format!("7a1c5e3f-9b2d-4f60-8e7a-{number:012}"));
        known.days.insert(day.to_owned(), (id, state.to_owned()));
    }

    /// What was sent: operations with days.
    fn sent(&self) -> Vec<String> {
        self.known().sent.iter().map(|(what, _)| what.clone()).collect()
    }

    fn state_of(&self, day: &str) -> Option<String> {
        self.known().days.get(day).map(|(_, state)| state.clone())
    }

    fn page(&self, query: &str) -> Response {
        let mut known = self.known();
        known.questions += 1;
        let number = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse::<usize>().ok()).expect("a number")
        };
        let row =
            |(day, (id, state)): (&String, &(String, String))| json!({ "tracingId": id, "date": day, "state": state });
        let fault = known.asking.pop_front();
        let offset = if matches!(fault, Some(Fault::Repeats)) { 0 } else { number("offset") };
        let mut rows: Vec<Value> =
            known.days.iter().rev().skip(offset).take(number("limit").min(50)).map(row).collect();
        let mut total = known.days.len();
        match fault {
            Some(Fault::Status(status, pause)) => return problem(status, pause),
            Some(Fault::Hides) => (rows, total) = (Vec::new(), total + 3),
            Some(Fault::Grows) => total += 1,
            Some(Fault::Lost | Fault::Silent) => return broken(),
            Some(Fault::Repeats) | None => {}
        }
        axum::Json(json!({ "results": rows, "totalCount": total })).into_response()
    }

    /// Takes a file. The fault of this request is given back.
    fn take(&self, path: &str, form: &str) -> (Response, Option<Fault>) {
        let mut known = self.known();
        let fault = known.sending.pop_front();
        let by_id = |id: &str| known.days.iter().find(|(_, of)| of.0 == id).map(|(day, _)| day.clone());
        let (what, day) = if let Some((id, what)) = path.trim_start_matches("/tracings/").split_once('/') {
            (what.to_owned(), by_id(id).expect("a day of ours"))
        } else {
            let day = form.split("name=\"date\"\r\n\r\n").nth(1).and_then(|rest| rest.get(..10)).expect("a date");
            ("submit".to_owned(), day.to_owned())
        };
        known.sent.push((format!("{what} {day}"), form.to_owned()));
        if let Some(Fault::Status(status, pause)) = fault {
            return (problem(status, pause), None);
        }
        let state = known.days.get(&day).map(|(_, state)| state.as_str());
        let may = match what.as_str() {
            "submit" => state.is_none(),
            _ => matches!(state, Some("MISSING" | "ERROR")),
        };
        if !may {
            return (problem(400, None), None);
        }
        drop(known);
        self.has(&day, "PENDING");
        let id = self.known().days[&day].0.clone();
        (axum::Json(json!({ "tracingId": id, "errors": false })).into_response(), fault)
    }
}

fn problem(status: u16, pause: Option<&'static str>) -> Response {
    let body = json!({ "status": status, "title": "No", "errors": [{ "code": "NOT_NOW", "detail": "not now" }] });
    let mut answer = (StatusCode::from_u16(status).expect("a status"), axum::Json(body)).into_response();
    if let Some(pause) = pause {
        answer.headers_mut().insert("retry-after", pause.parse().expect("a header"));
    }
    answer
}

/// An answer that begins well.
fn broken() -> Response {
    let pieces = [Ok("{\"tracingId\": "), Err(std::io::Error::other("the line is cut"))];
    let answer = Response::builder().header("content-type", "application/json").header("content-length", "999");
    answer.body(Body::from_stream(futures_util::stream::iter(pieces))).expect("an answer")
}

async fn answer(State(platform): State<Platform>, request: Request) -> Response {
    let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    if path == "/token.oauth2" {
        let key = SigningKey::from_pem(&Secret::new(pem("pdndVoucher"))).expect("a key");
        let claims = json!({ "client_id": CLIENT, "jti": VOUCHER });
        let voucher = sign(&key, &json!({ "alg": "RS256", "typ": "at+jwt", "kid": "platform" }), &claims);
        let given = json!({ "access_token": voucher.expect("a voucher"), "token_type": "Bearer", "expires_in": 600 });
        return axum::Json(given).into_response();
    }
    let form = axum::body::to_bytes(request.into_body(), 1 << 20).await.expect("a body");
    if path == "/tracings" {
        return platform.page(&query);
    }
    match platform.take(&path, &String::from_utf8_lossy(&form)) {
        (_, Some(Fault::Lost)) => broken(),
        (_, Some(Fault::Silent)) => std::future::pending().await,
        (answer, _) => answer,
    }
}

fn pem(name: &str) -> String {
    let keys: Value = serde_json::from_str(KEYS).expect("JSON");
    keys["keys"][name]["private_pem_pkcs8"].as_str().expect("a key").to_owned()
}

/// Tries again at once, unless the platform asks for a pause.
struct AtOnce;

impl Patience for AtOnce {
    fn pause(&self, _: u32, _: Duration, asked: Option<Duration>) -> Option<Duration> {
        Some(asked.unwrap_or_default())
    }

    fn longest(&self) -> Duration {
        Duration::ZERO
    }

    fn follow(&self, _: Duration) -> Duration {
        Duration::ZERO
    }
}

/// A node that sends by itself, at half past two.
struct Here {
    flow: Flow,
    clock: Arc<ManualClock>,
    config: Config,
    platform: Platform,
    node: Node,
    _folder: TempDir,
    database: Option<SharedDatabase>,
}

impl Here {
    async fn open(database: Option<SharedDatabase>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let platform = Platform::default();
        let address = served(Router::new().fallback(answer).with_state(platform.clone())).await;
        let file = folder.path().join("api.pem");
        std::fs::write(&file, pem("api")).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
        let text = format!(
            "[tracing]\nclient = \"servizi\"\nat = \"02:30\"\n[pdnd.servizi]\nenvironment = \"uat\"\n\
             client_id = \"{CLIENT}\"\nis_api_client = true\nprivate_key_file = \"api.pem\"\n\
             token_url = \"{address}/token.oauth2\"\ntracing_url = \"{address}/\"\n"
        );
        let config = Config::parse(&text, folder.path()).expect("a configuration");
        let node = Node::open(&PARTS, config.clone()).await.expect("a node opens");
        let clock = Arc::new(ManualClock::at(UtcInstant::parse(NOON).expect("an instant")));
        let mut flow = node.flow.clone();
        (flow.clock, flow.patience) = (clock.clone(), Arc::new(AtOnce));
        if let Some(database) = &database {
            flow.store = postgres::open(&database.url, None).await.expect("a database");
        }
        Self { flow, clock, config, platform, node, _folder: folder, database }
    }

    /// Counts a call on each of these days.
    async fn count(&self, days: &[&str]) {
        for (number, day) in (1..).zip(days) {
            let (day, purpose_id, token_id) = (date(day), PURPOSE.to_owned(), VOUCHER.to_owned());
            let counts = vec![CallCount { day, purpose_id, token_id, status: 200, requests: 7 }];
            let batch = CallBatch { process: "prova".to_owned(), number, made_on: day, counts };
            assert!(self.flow.store.add_calls(batch).await.expect("counted"));
        }
    }

    fn start(&self) -> TracingFiles {
        start(&self.flow, Sender::of(&self.config).expect("settings"))
    }

    /// Waits until this was sent, in this order, and a little for more.
    async fn expect_sent(&self, expected: &[&str]) {
        let begun = Instant::now();
        while self.platform.sent().len() < expected.len() && begun.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Longer than between two looks at the clock.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(self.platform.sent(), expected);
    }

    async fn expect_questions(&self, expected: usize) {
        let begun = Instant::now();
        while self.platform.known().questions < expected && begun.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(self.platform.known().questions, expected);
    }

    async fn close(self) {
        if self.database.is_some() {
            self.flow.store.close().await;
        }
        self.node.close().await;
    }
}

fn date(text: &str) -> CalendarDate {
    CalendarDate::parse(text).expect("a day")
}

#[rstest]
#[case::sqlite(None)]
#[case::postgres(Some(SharedDatabase::fresh()))]
#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_lacks_is_sent_once_by_one_of_all_processes(#[case] database: Option<SharedDatabase>) {
    let here = Here::open(database).await;
    here.count(&["2025-03-06", "2025-03-07", "2025-03-09"]).await;
    // More than two pages of days that are in order, and one that is missing since before we counted.
    for days in 4..124 {
        let day = days_before(date("2025-03-10"), days).expect("a day").to_string();
        here.platform.has(&day, if days == 8 { "MISSING" } else { "COMPLETED" });
    }
    here.platform.has("2025-03-07", "MISSING");
    here.platform.has("2025-03-08", "ERROR");
    // A file belongs to one process, a server to many.
    let processes = if here.database.is_some() { 2 } else { 1 };
    let processes: Vec<_> = (0..processes).map(|_| here.start()).collect();
    here.expect_sent(&["submit 2025-03-09", "recover 2025-03-07"]).await;
    let file = format!("date,purpose_id,status,token_id,requests_count\n2025-03-09,{PURPOSE},200,{VOUCHER},7\n");
    assert!(here.platform.known().sent[0].1.contains(&file));
    assert_eq!(here.platform.state_of("2025-03-08").as_deref(), Some("ERROR"), "a person must look");

    // Before half past two the day before is not sent, though it is over.
    here.clock.advance(Duration::from_hours(13));
    here.expect_sent(&["submit 2025-03-09", "recover 2025-03-07"]).await;
    here.clock.advance(31 * MINUTE);
    here.expect_sent(&["submit 2025-03-09", "recover 2025-03-07", "submit 2025-03-10"]).await;
    let file = "date,purpose_id,status,token_id,requests_count\n\r\n";
    assert!(here.platform.known().sent[2].1.contains(file), "a day without calls");
    for process in processes {
        process.stop().await;
    }
    // Whoever is started anew asks, and has nothing to send.
    let again = here.start();
    here.expect_sent(&["submit 2025-03-09", "recover 2025-03-07", "submit 2025-03-10"]).await;
    again.stop().await;
    here.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_asked_for_before_anything_is_sent_again() {
    let here = Here::open(None).await;
    here.count(&["2025-03-09"]).await;
    let faults = [Fault::Status(429, Some("300")), Fault::Status(500, None), Fault::Lost];
    here.platform.known().sending.extend(faults);
    let day = "submit 2025-03-09";
    let files = here.start();
    here.expect_sent(&[day]).await;
    here.clock.advance(4 * MINUTE);
    here.expect_sent(&[day]).await;
    here.clock.advance(2 * MINUTE);
    here.expect_sent(&[day; 2]).await;
    // It may be at work on it still.
    here.clock.advance(MINUTE);
    here.expect_sent(&[day; 2]).await;
    here.clock.advance(2 * MINUTE);
    here.expect_sent(&[day; 3]).await;
    assert_eq!(here.platform.state_of("2025-03-09").as_deref(), Some("PENDING"), "it was taken, and nobody knows");
    here.clock.advance(Duration::from_hours(2));
    here.expect_sent(&[day; 3]).await;
    files.stop().await;
    here.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_ended_between_sending_and_hearing_of_it_does_not_send_again() {
    let here = Here::open(None).await;
    here.count(&["2025-03-08", "2025-03-09"]).await;
    here.platform.has("2025-03-08", "MISSING");
    here.platform.known().sending.extend([Fault::Silent]);
    let files = here.start();
    here.expect_sent(&["submit 2025-03-09"]).await;
    files.stop().await;
    let files = here.start();
    here.expect_sent(&["submit 2025-03-09", "recover 2025-03-08"]).await;
    files.stop().await;
    here.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_while_it_is_not_known_what_the_platform_has() {
    let here = Here::open(None).await;
    here.count(&["2025-03-06"]).await;
    here.platform.has("2025-03-08", "COMPLETED");
    let faults = [Fault::Status(500, None), Fault::Lost, Fault::Status(503, Some("60")), Fault::Hides];
    here.platform.known().asking.extend(faults);
    let files = here.start();
    for questions in 1..=3 {
        here.expect_questions(questions).await;
        assert_eq!(here.platform.sent(), [""; 0]);
        here.clock.advance(3 * MINUTE);
    }
    // Whoever tells less than there is may be asked again at once. Days come after the last, up to three days old.
    here.expect_sent(&["submit 2025-03-09", "submit 2025-03-07"]).await;
    // An older one goes when it is called missing.
    here.platform.has("2025-03-06", "MISSING");
    here.clock.advance(20 * MINUTE);
    here.expect_sent(&["submit 2025-03-09", "submit 2025-03-07", "recover 2025-03-06"]).await;
    files.stop().await;
    here.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_contradict_each_other_are_not_believed() {
    let here = Here::open(None).await;
    here.count(&["2025-03-09"]).await;
    for days in 2..72 {
        let day = days_before(date("2025-03-10"), days).expect("a day").to_string();
        here.platform.has(&day, "COMPLETED");
    }
    // Twice the first page; then another number of days on the second one; then two pages that are right.
    here.platform.known().asking.extend([Fault::Repeats, Fault::Repeats, Fault::Grows]);
    let files = here.start();
    here.expect_sent(&["submit 2025-03-09"]).await;
    here.expect_questions(6).await;
    files.stop().await;
    here.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_in_doubt_is_given_time_whatever_ends_the_look() {
    let here = Here::open(None).await;
    here.count(&["2025-03-08"]).await;
    here.platform.known().sending.extend([Fault::Status(500, None), Fault::Status(429, Some("1"))]);
    let once = ["submit 2025-03-09", "submit 2025-03-08"];
    let files = here.start();
    here.expect_sent(&once).await;
    // Another day may be sent now; the platform may still be at work on the first.
    here.clock.advance(MINUTE);
    here.expect_sent(&once).await;
    here.clock.advance(2 * MINUTE);
    here.expect_sent(&[once, once].concat()).await;
    files.stop().await;
    here.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_refused_waits_for_the_next_day_and_holds_up_no_other() {
    let here = Here::open(None).await;
    here.count(&["2025-03-08"]).await;
    here.platform.known().sending.extend([Fault::Status(400, None)]);
    let files = here.start();
    here.expect_sent(&["submit 2025-03-09", "submit 2025-03-08"]).await;
    here.clock.advance(Duration::from_hours(1));
    here.expect_sent(&["submit 2025-03-09", "submit 2025-03-08"]).await;
    here.clock.advance(Duration::from_hours(13));
    let next = ["submit 2025-03-10", "submit 2025-03-09"];
    here.expect_sent(&["submit 2025-03-09", "submit 2025-03-08", next[0], next[1]]).await;
    files.stop().await;
    here.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_not_admitted_asks_again_after_an_hour() {
    let here = Here::open(None).await;
    here.count(&["2025-03-09"]).await;
    here.platform.known().asking.extend([Fault::Status(403, None)]);
    let files = here.start();
    here.expect_questions(1).await;
    here.clock.advance(59 * MINUTE);
    here.expect_questions(1).await;
    here.clock.advance(2 * MINUTE);
    here.expect_sent(&["submit 2025-03-09"]).await;
    files.stop().await;
    here.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_table_nobody_sends_and_a_key_that_is_missing_is_said_with_its_line() {
    let here = Here::open(None).await;
    let silent = Config { tracing: None, ..here.config.clone() };
    assert!(Sender::of(&silent).expect("settings").is_none());
    std::fs::remove_file(here.config.folder.join("api.pem")).expect("it was there");
    let error = Sender::of(&here.config).expect_err("no key").to_string();
    assert!(error.contains("line 8") && error.contains("private_key_file"), "{error}");
    here.close().await;
}
