//! The tracing file of a day, from what was counted: read and sent while the daemon goes on.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::raccordo::clock::{Clock as _, SystemClock, days_before, italian_day};
use ::raccordo::storage::calls::{CallBatch, CallCount};
use ::raccordo::storage::{Calls as _, sqlite};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use canonical::values::CalendarDate;
use kit::Secret;
use kit::jose::{SigningKey, sign};
use serde_json::{Value, json};

use super::limits::Daemon;
use super::{PROGRAM, code, json, raccordo, terminate};

const KEYS: &str = include_str!("../../adapters/kit/tests/pdnd/keys/keys.json");
const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";
const VOUCHER: &str = "00000000-0000-4000-8000-000000000001";
const ID: &str = "7a1c5e3f-9b2d-4f60-8e7a-6c5d4b3a2f10";

fn pem(name: &str) -> String {
    let keys: Value = serde_json::from_str(KEYS).expect("JSON");
    keys["keys"][name]["private_pem_pkcs8"].as_str().expect("a key").to_owned()
}

/// What arrived, by path.
type Arrived = Arc<Mutex<Vec<(String, String)>>>;

/// The day whose file the platform has refused.
fn refused() -> CalendarDate {
    days_before(italian_day(SystemClock.now()), 3).expect("a day")
}

/// The platform: everybody gets a voucher, every file is taken, and one day is known.
async fn platform(State(arrived): State<Arrived>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.expect("a body");
    if path == "/tracings" {
        let day = json!({ "tracingId": ID, "date": refused(), "state": "ERROR" });
        return axum::Json(json!({ "results": [day], "totalCount": 1 })).into_response();
    }
    if path != "/token.oauth2" {
        arrived.lock().expect("nobody panicked").push((path, String::from_utf8(body.to_vec()).expect("text")));
        return axum::Json(json!({ "tracingId": ID, "errors": false })).into_response();
    }
    let key = SigningKey::from_pem(&Secret::new(pem("pdndVoucher"))).expect("a key");
    let claims = json!({ "client_id": CLIENT, "jti": VOUCHER });
    let voucher = sign(&key, &json!({ "alg": "RS256", "typ": "at+jwt", "kid": "platform" }), &claims);
    let given = json!({ "access_token": voucher.expect("a voucher"), "token_type": "Bearer", "expires_in": 600 });
    (StatusCode::OK, axum::Json(given)).into_response()
}

fn configure(folder: &Path, address: &str) {
    std::fs::write(folder.join("api.pem"), pem("api")).expect("written");
    std::fs::set_permissions(folder.join("api.pem"), std::fs::Permissions::from_mode(0o600)).expect("set");
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[pdnd.servizi]\nenvironment = \"uat\"\nclient_id = \"{CLIENT}\"\n\
         is_api_client = true\nprivate_key_file = \"api.pem\"\ntoken_url = \"http://{address}/token.oauth2\"\n\
         tracing_url = \"http://{address}/\"\n"
    );
    std::fs::write(folder.join("raccordo.toml"), text).expect("written");
}

/// Where the platform is.
async fn served(arrived: &Arrived) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let router = Router::new().fallback(platform).with_state(Arc::clone(arrived));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn count(folder: &Path, day: CalendarDate) {
    let store = sqlite::open(folder.join("raccordo.db")).await.expect("a database");
    let count = |status, requests| CallCount {
        day,
        purpose_id: PURPOSE.to_owned(),
        token_id: VOUCHER.to_owned(),
        status,
        requests,
    };
    let counts = vec![count(200, 12), count(404, 1)];
    let batch = CallBatch { process: "prova".to_owned(), number: 1, made_on: day, counts };
    assert!(store.add_calls(batch).await.expect("counted"));
    store.close().await;
}

#[test]
fn the_file_of_yesterday_is_printed_and_sent_beside_the_daemon() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let arrived = Arrived::default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let today = italian_day(SystemClock.now());
    let yesterday = days_before(today, 1).expect("a day");
    let address = runtime.block_on(async {
        count(folder, yesterday).await;
        served(&arrived).await
    });
    configure(folder, &address);
    let tracing = |arguments: &[&str]| raccordo(folder, &[&["pdnd", "tracing"], arguments].concat());
    let day = yesterday.to_string();
    let file = format!(
        "date,purpose_id,status,token_id,requests_count\n\
         {day},{PURPOSE},200,{VOUCHER},12\n{day},{PURPOSE},404,{VOUCHER},1\n"
    );

    let daemon = Daemon::start(folder, None);
    let printed = tracing(&["file", &day]);
    assert_eq!((code(&printed), String::from_utf8_lossy(&printed.stdout)), (0, file.as_str().into()));
    let rows = json(&tracing(&["file", &day, "--json"]));
    assert_eq!((&rows["date"], &rows["rows"][0]["requests_count"]), (&json!(day), &json!(12)));
    let so_far = tracing(&["file", &today.to_string()]);
    assert_eq!(so_far.stdout, b"date,purpose_id,status,token_id,requests_count\n");
    assert!(code(&so_far) == 0 && String::from_utf8_lossy(&so_far.stderr).contains("finora"));

    for arguments in [&["submit", &day][..], &["recover", ID, &day], &["replace", ID, &day]] {
        let sent = tracing(arguments);
        let said = String::from_utf8_lossy(&sent.stderr);
        assert_eq!((code(&sent), String::from_utf8_lossy(&sent.stdout).trim()), (0, ID), "{arguments:?} {said}");
    }
    let forms = std::mem::take(&mut *arrived.lock().expect("nobody panicked"));
    let paths: Vec<&str> = forms.iter().map(|(path, _)| path.as_str()).collect();
    let of = |what: &str| format!("/tracings/{ID}/{what}");
    assert_eq!(paths, ["/tracings/submit".to_owned(), of("recover"), of("replace")]);
    assert!(forms.iter().all(|(_, form)| form.contains(&file)), "{forms:?}");
    daemon.stop();

    // What is not whole, or no longer known, is not sent.
    for day in [today, days_before(today, 91).expect("a day")] {
        let refused = tracing(&["submit", &day.to_string()]);
        assert_eq!(code(&refused), 2, "{}", String::from_utf8_lossy(&refused.stderr));
    }
    assert!(arrived.lock().expect("nobody panicked").is_empty());
    let checked = tracing(&["submit", &day, "--dry-run"]);
    assert_eq!(code(&checked), 0, "and after the daemon has ended");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(said.contains(&day) && said.contains("righe 2, chiamate 13. Nulla è stato inviato."), "{said}");
    assert_eq!(code(&tracing(&["submit", &day, "--dry-run", "--by", "pippo"])), 2, "nobody has this name");
    let said = tracing(&["submit", &day, "--dry-run", "--lang", "en"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("rows 2, calls 13. Nothing was sent."));
    let told = json(&tracing(&["submit", &day, "--dry-run", "--json"]));
    assert_eq!(told, json!({ "date": day, "mistakes": [], "rows": 2, "requests": 13, "is_sent": false }));

    // A name that no client has is told with the one that could be meant.
    let unknown = tracing(&["days", "--by", "servizio"]);
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!((code(&unknown), unknown.stdout.len()), (2, 0), "{said}");
    assert!(said.contains("si chiama «servizio». Può essere: servizi."), "{said}");
}

#[test]
fn without_a_database_there_is_no_file_and_none_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), "127.0.0.1:9");
    let output = raccordo(folder.path(), &["pdnd", "tracing", "file"]);
    assert_eq!(code(&output), 3, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty() && !folder.path().join("raccordo.db").exists());
}

#[test]
fn the_daemon_sends_what_was_due_while_it_did_not_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let arrived = Arrived::default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    // Shortly after midnight the last day that is due is the one before.
    let before = days_before(italian_day(SystemClock.now()), 2).expect("a day");
    let address = runtime.block_on(async {
        count(folder, refused()).await;
        served(&arrived).await
    });
    configure(folder, &address);
    let file = folder.join("raccordo.toml");
    let text = std::fs::read_to_string(&file).expect("written");
    std::fs::write(&file, format!("{text}[tracing]\nclient = \"servizi\"\nat = \"00:15\"\n")).expect("written");
    let log = folder.join("log");
    let mut daemon = Command::new(PROGRAM);
    daemon.arg("--folder").arg(folder).arg("serve").stderr(std::fs::File::create(&log).expect("made"));
    let mut daemon = daemon.spawn().expect("the program starts");
    let submitted = || {
        let arrived = arrived.lock().expect("nobody panicked");
        let forms = arrived.iter().map(|(path, form)| {
            (path.clone(), form.split("name=\"date\"\r\n\r\n").nth(1).map(|it| it[..10].to_owned()))
        });
        forms.collect::<Vec<_>>()
    };
    let (end, due) =
        (Instant::now() + Duration::from_secs(30), ("/tracings/submit".to_owned(), Some(before.to_string())));
    while !submitted().contains(&due) && Instant::now() < end {
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
    }
    terminate(&daemon);
    assert_eq!(daemon.wait().expect("it ends").code(), Some(0));
    let (submitted, log) = (submitted(), std::fs::read_to_string(&log).expect("a log"));
    assert!(submitted.contains(&due), "{submitted:?} {log}");
    assert!(submitted.iter().all(|(path, day)| path == &due.0 && *day != Some(refused().to_string())), "{submitted:?}");
    let told = log.lines().find(|line| line.contains(ID)).expect("a line");
    assert!(told.contains("raccordo pdnd tracing errors ID") && told.contains(&refused().to_string()), "{log}");

    let with = |client: &str| {
        std::fs::write(&file, format!("{text}[tracing]\nclient = \"{client}\"\n")).expect("written");
        let ended = raccordo(folder, &["serve"]);
        (code(&ended), String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    let (ended, said) = with("servizio");
    assert!(ended == 3 && said.contains("line 11") && said.contains("those that have both: servizi"), "{said}");
    std::fs::remove_file(folder.join("api.pem")).expect("it was there");
    let (ended, said) = with("servizi");
    assert!(ended == 3 && said.contains("line 7") && said.contains("private_key_file"), "{said}");
}
