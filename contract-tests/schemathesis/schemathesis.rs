//! The exchange API against its own description: Schemathesis asks for what the description allows and
//! for what it forbids, and compares every answer with it.
//!
//! Not among the tests that every run begins with, because it needs a tool of another language:
//! `cargo xtask test` installs it and runs this.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use kit::Secret;
use kit::jose::{SigningKey, sign};
use raccordo::clock::{Clock as _, SystemClock};
use raccordo::http::api::OPERATIONS;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_raccordo");
/// From which everything that is asked comes.
const SEED: &str = "20261122";
const AUDIENCE: &str = "https://scambio.provincia.example/api/v1";

/// Keys of the samples, and the set that holds their public halves.
const KEYS: &str = include_str!("../../adapters/kit/tests/pdnd/keys/keys.json");
const PUBLISHED: &str = include_str!("../../adapters/kit/tests/pdnd/keys/pdnd-jwks.json");

#[test]
fn every_answer_is_one_that_the_description_has() {
    let tool = std::env::var_os("RACCORDO_SCHEMATHESIS").expect("`cargo xtask test` says where Schemathesis is");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("raccordo.toml"), configuration(&published_keys())).expect("written");
    let records = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/samples/esecuzione/valchiara.ndjson");
    let imported = Command::new(PROGRAM)
        .args(["import", "file-drop"])
        .arg(records)
        .arg("--folder")
        .arg(folder.path())
        .env_remove("RACCORDO_LOG")
        .output()
        .expect("the program starts");
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let (daemon, address) = served(folder.path());
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("contract-tests/schemathesis");
    let asked = Command::new(tool)
        .arg("--no-color")
        .arg("--config-file")
        .arg(settings.join("schemathesis.toml"))
        .args(["run", &format!("{address}/api/v1/openapi.json"), "--url", &format!("{address}/api/v1")])
        .args(["--seed", SEED, "--header", &format!("Authorization: Bearer {}", voucher())])
        .env("SCHEMATHESIS_HOOKS", settings.join("checks.py"))
        .current_dir(folder.path())
        .output()
        .expect("Schemathesis starts");
    drop(daemon);
    let said = String::from_utf8_lossy(&asked.stdout).into_owned() + &String::from_utf8_lossy(&asked.stderr);
    let end: Vec<&str> = said.lines().skip_while(|line| !line.contains("= SUMMARY =")).collect();
    println!("{}", end.join("\n"));
    assert!(asked.status.success(), "seed {SEED}\n{said}");
    // It would be content, too, if it had asked for nothing.
    // Not the status at the root, which is that under the prefix, nor the description that it asks for first.
    let tested = format!("Tested: {}", OPERATIONS.len() - 2);
    assert!(said.contains(&tested), "{said}");
}

/// One partner of the national platform, who may do everything.
fn configuration(keys_url: &str) -> String {
    let mut text = String::from(
        "[http]\nlisten = \"127.0.0.1:0\"\n[systems.file-drop]\n[systems.invii]\nadapter = \"file-drop\"\n\
         [exchange]\naddress = \"https://scambio.provincia.example\"\n\
         [exchange.ocds]\nprefix = \"ocds-prova1\"\npublisher = \"Provincia di prova\"\n",
    );
    let _ = write!(
        text,
        "[exchange.pdnd]\nissuer = \"uat.interop.pagopa.it\"\nkeys_url = \"{keys_url}\"\naudience = \"{AUDIENCE}\"\n\
         eservice_id = \"e1\"\nproducer_id = \"p1\"\ndescriptor_ids = [\"d1\"]\n\
         [exchange.partners.osservatorio]\nconsumer_id = \"c1\"\nroles = [\"read\", \"export\", \"contribute\"]\n\
         everything = true\nsystem = \"invii\"\nrequests_per_minute = 1000000\nrequests_per_day = 1000000\n"
    );
    text
}

/// A voucher that lasts longer than the questions.
fn voucher() -> String {
    let keys: Value = serde_json::from_str(KEYS).expect("JSON");
    let published: Value = serde_json::from_str(PUBLISHED).expect("JSON");
    let pem = keys["keys"]["pdndVoucher"]["private_pem_pkcs8"].as_str().expect("a key");
    let key = SigningKey::from_pem(&Secret::new(pem)).expect("a key");
    let now = SystemClock.now().unix_micros() / 1_000_000;
    let header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": published["keys"][0]["kid"] });
    let claims = json!({
        "iss": "uat.interop.pagopa.it", "aud": AUDIENCE, "client_id": "c1", "sub": "c1", "iat": now, "nbf": now,
        "exp": now + 3_600, "jti": "j1", "purposeId": "f1", "producerId": "p1", "consumerId": "c1",
        "eserviceId": "e1", "descriptorId": "d1",
    });
    sign(&key, &header, &claims).expect("a voucher")
}

/// The platform as far as it is asked here: gives its keys to everybody, until the tests end.
fn published_keys() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/jwks.json", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{PUBLISHED}", PUBLISHED.len());
        }
    });
    address
}

/// Ends with the test, whatever becomes of it.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn served(folder: &Path) -> (Daemon, String) {
    let mut daemon = Command::new(PROGRAM)
        .args(["serve", "--json", "--folder"])
        .arg(folder)
        .env_remove("RACCORDO_LOG")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(daemon.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let facts: Value = serde_json::from_str(&line).expect("JSON");
    let address = facts["page"].as_str().expect("an address").trim_end_matches('/').to_owned();
    (Daemon(daemon), address)
}
