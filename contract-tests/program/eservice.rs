//! A system that is an e-service of the national platform: `sync` reaches it with vouchers, signatures
//! and evidence, and never without; what the platform would refuse stops the start.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use ::raccordo::clock::{Clock as _, SystemClock, italian_day};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use kit::Secret;
use kit::http::{HttpClient, HttpSettings};
use kit::jose::{Compact, KeySet, MemorySeen, SigningKey, sign};
use kit::modi::audit;
use kit::modi::tokens::{Rules, Trust};
use kit::modi::verify::{Message, verify};
use kit::pdnd::dpop;
use kit::pdnd::preflight::{Expected, assertion};
use kit::pdnd::tracing_file;
use kit::pdnd::voucher::evidence_digest;
use serde_json::{Value, json};

use super::{PROGRAM, code, json, raccordo};

const KEYS: &str = include_str!("../../adapters/kit/tests/pdnd/keys/keys.json");
const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";
const OURS: &str = "https://piattaforma.example/rest/v0";

fn pem(name: &str) -> String {
    let keys: Value = serde_json::from_str(KEYS).expect("JSON");
    keys["keys"][name]["private_pem_pkcs8"].as_str().expect("a key").to_owned()
}

fn key(name: &str) -> SigningKey {
    SigningKey::from_pem(&Secret::new(pem(name))).expect("a key")
}

/// The platform, and the e-service whose gate lets nobody through without what it asks for. Behind it
/// stands the simulator of a system.
struct Gate {
    host: String,
    /// The system behind it, and the key by which it knows the gate.
    behind: HttpClient,
    secret: Secret,
    keys: KeySet,
    seen: MemorySeen,
    told: Mutex<Told>,
}

/// What was seen so far.
#[derive(Default)]
struct Told {
    /// Vouchers that are good.
    vouchers: Vec<String>,
    /// How many were given.
    given: u32,
    /// Vouchers that are forgotten after so many calls, once.
    forgotten_after: Option<u32>,
    /// Whether the platform gives any.
    refuses: bool,
    calls: u32,
    /// What did not get through, and why.
    refused: BTreeMap<String, u32>,
    /// The calls that were let through, by voucher and status.
    answered: BTreeMap<(String, u16), u64>,
}

/// The name of a voucher.
fn token_id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

impl Gate {
    fn told<T>(&self, change: impl FnOnce(&mut Told) -> T) -> T {
        change(&mut self.told.lock().expect("what was told"))
    }

    /// A voucher for a right assertion.
    fn voucher(&self, headers: &HeaderMap, form: &[u8]) -> Response {
        let now = SystemClock.now();
        let fields: BTreeMap<String, String> = form_urlencoded::parse(form).into_owned().collect();
        let asserted = fields.get("client_assertion").cloned().unwrap_or_default();
        let audience = format!("{}/client-assertion", self.host);
        let expected =
            Expected { client_id: CLIENT, audience: &audience, is_api_client: false, is_asynchronous: false };
        let mistakes = assertion(&asserted, &expected, Some(&self.keys), now);
        let url = format!("http://{}/token.oauth2", self.host);
        let proof = headers.get("dpop").and_then(|proof| proof.to_str().ok());
        let proof = proof.and_then(|proof| dpop::verify(proof, "POST", &url, None, now).ok());
        let (true, Some(proof), false) = (mistakes.is_empty(), proof, self.told(|told| told.refuses)) else {
            let problem =
                json!({ "status": 400, "errors": [{ "code": "015-0008", "detail": "no" }], "correlationId": "c" });
            return (StatusCode::BAD_REQUEST, axum::Json(problem)).into_response();
        };
        let claims = Compact::parse(&asserted).expect("a token");
        let seconds = now.unix_micros() / 1_000_000;
        let number = self.told(|told| {
            told.given += 1;
            told.given
        });
        let payload = json!({
            "iss": "uat.interop.pagopa.it", "aud": OURS, "client_id": CLIENT, "sub": CLIENT, "iat": seconds,
            "nbf": seconds, "exp": seconds + 600, "jti": token_id(number), "purposeId": PURPOSE,
            "digest": claims.unverified_claims().get("digest"), "cnf": { "jkt": proof.unclaimed().thumbprint() },
        });
        let header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": "platform" });
        let voucher = sign(&key("pdndVoucher"), &header, &payload).expect("a voucher");
        self.told(|told| told.vouchers.push(voucher.clone()));
        axum::Json(json!({ "access_token": voucher, "token_type": "DPoP", "expires_in": 600 })).into_response()
    }

    /// Why a call does not get through; none when it does.
    async fn objection(
        &self,
        method: &str,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<(StatusCode, String)> {
        let now = SystemClock.now();
        let unknown = |why: &str| Some((StatusCode::UNAUTHORIZED, why.to_owned()));
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(voucher) = text("authorization").and_then(|value| value.strip_prefix("DPoP ")) else {
            return unknown("no voucher");
        };
        if !self.told(|told| told.vouchers.iter().any(|good| good == voucher)) {
            return unknown("a voucher that is not good");
        }
        let url = format!("http://{}{}", self.host, uri.path());
        let proof = text("dpop").ok_or("no proof").map(|proof| dpop::verify(proof, method, &url, Some(voucher), now));
        let claimed = match proof {
            Ok(Ok(proof)) => proof.claim(&self.seen, now).await.map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(why) => Err(why.to_owned()),
        };
        if let Err(why) = claimed {
            return unknown(&why);
        }
        let broken = |why: String| Some((StatusCode::BAD_REQUEST, why));
        let rules = Rules::for_audiences(vec![OURS.to_owned()]);
        let trust = Trust { keys: Some(&self.keys), certificates: None };
        let Some(evidence) = text("agid-jwt-trackingevidence") else { return broken("no evidence".to_owned()) };
        let bound = Compact::parse(voucher).expect("a token");
        if bound.unverified_claims().get("digest").map(|digest| &digest["value"])
            != Some(&evidence_digest(evidence).into())
        {
            return broken("an evidence of another voucher".to_owned());
        }
        match audit::verify(evidence, trust, &rules, PURPOSE, now) {
            Ok(user) if user.unclaimed().id == "raccordo" => {}
            Ok(_) => return broken("another user".to_owned()),
            Err(error) => return broken(error.to_string()),
        }
        if body.is_empty() {
            return None;
        }
        let pairs: Vec<_> =
            headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
        match verify(&Message { headers: &pairs, body }, trust, &rules, None, now) {
            Err(error) => broken(error.to_string()),
            Ok(signed) => match signed.claim(&self.seen, now).await {
                Err(error) => broken(error.to_string()),
                Ok(_) => None,
            },
        }
    }

    /// What the system behind answers.
    async fn forward(&self, method: axum::http::Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Response {
        let segments: Vec<String> = uri.path().split('/').filter(|part| !part.is_empty()).map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let query: Vec<(String, String)> =
            form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut request = self.behind.request(method, &segments, &query).bearer(&self.secret);
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(idempotency_key) = text("idempotency-key") {
            request = request.header("idempotency-key", idempotency_key);
        }
        if let Some(content_type) = text("content-type") {
            request = request.body(content_type, body);
        }
        let answer = self.behind.exchange(request).await.expect("the simulator answers");
        let content_type = answer.content_type.unwrap_or_else(|| "application/json".to_owned());
        let status = StatusCode::from_u16(answer.status).expect("a status");
        (status, [(header::CONTENT_TYPE, content_type)], answer.body).into_response()
    }
}

fn decoded(segment: &str) -> String {
    form_urlencoded::parse(format!("x={}", segment.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

async fn asked(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(Body::new(body), 32 << 20).await.expect("a body");
    if parts.uri.path() == "/token.oauth2" {
        return gate.voucher(&parts.headers, &body);
    }
    let is_forgotten = gate.told(|told| {
        told.calls += 1;
        let is_forgotten = told.forgotten_after == Some(told.calls);
        if is_forgotten {
            told.vouchers.clear();
        }
        is_forgotten
    });
    let objection = gate.objection(parts.method.as_str(), &parts.uri, &parts.headers, &body).await;
    if let Some((status, why)) = objection {
        assert!(!is_forgotten || status == StatusCode::UNAUTHORIZED, "{why}");
        gate.told(|told| *told.refused.entry(why).or_default() += 1);
        return (status, [(header::CONTENT_TYPE, "application/problem+json")], "{\"title\":\"no\"}").into_response();
    }
    let response = gate.forward(parts.method, &parts.uri, &parts.headers, body).await;
    let voucher = parts.headers["authorization"].to_str().expect("a text").trim_start_matches("DPoP ");
    let voucher = Compact::parse(voucher).expect("a token");
    let voucher = voucher.unverified_claims().text("jti").expect("a name").to_owned();
    let status = response.status().as_u16();
    gate.told(|told| *told.answered.entry((voucher, status)).or_default() += 1);
    response
}

/// Ends with the test.
struct Simulator(Child);

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn simulator(system: &str) -> (Simulator, Value) {
    let mut child = Command::new(PROGRAM)
        .args(["simulate", system, "--json"])
        .env_remove("RACCORDO_LOG")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    (Simulator(child), serde_json::from_str(&line).expect("JSON"))
}

/// A node with a source and the e-service, and what stands before it.
struct Scene {
    folder: tempfile::TempDir,
    gate: Arc<Gate>,
    _runtime: tokio::runtime::Runtime,
    _simulator: Simulator,
}

impl Scene {
    fn open() -> Self {
        let (simulator, facts) = simulator("scp-esecuzione");
        let settings = &facts["settings"];
        let base = settings["base_url"].as_str().expect("an address");
        let host = base.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let behind = HttpSettings::new(host);
        let secret = Secret::from_file(settings["key_file"].as_str().expect("a file")).expect("a key");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let (gate, address) = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let public = key("eservice");
            let gate = Arc::new(Gate {
                host: address.to_string(),
                behind: HttpClient::new("behind", &behind).expect("a client"),
                secret,
                keys: KeySet::default().with(public.thumbprint(), public.public().clone()),
                seen: MemorySeen::default(),
                told: Mutex::default(),
            });
            let router = Router::new().fallback(asked).with_state(Arc::clone(&gate));
            tokio::spawn(async move { axum::serve(listener, router).await });
            (gate, address)
        });
        let folder = tempfile::tempdir().expect("a folder");
        prepare(folder.path(), address, settings, "");
        Self { folder, gate, _runtime: runtime, _simulator: simulator }
    }

    fn sync(&self) -> (i32, Value, String) {
        let output = raccordo(self.folder.path(), &["sync", "--json", "--wait", "10"]);
        (code(&output), json(&output), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The configuration and its files; `instead` stands in place of the purpose.
fn prepare(folder: &Path, address: SocketAddr, settings: &Value, instead: &str) {
    for (name, key) in [("client.pem", "eservice"), ("dpop.pem", "dpopEc")] {
        std::fs::write(folder.join(name), pem(key)).expect("written");
        std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o600)).expect("set");
    }
    std::fs::create_dir_all(folder.join("in-arrivo")).expect("a folder");
    let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/samples/esecuzione/storia.ndjson");
    std::fs::copy(story, folder.join("in-arrivo/storia.ndjson")).expect("copied");
    let purpose = if instead.is_empty() { format!("purpose_id = \"{PURPOSE}\"") } else { instead.to_owned() };
    // Where the system stands behind its own address, so does the e-service.
    let path = settings["base_url"].as_str().and_then(|url| url.splitn(4, '/').nth(3)).unwrap_or_default();
    let text = format!(
        "[systems.file-drop]\nsettings = {{ folder = \"in-arrivo\" }}\n[systems.scp-esecuzione]\n\
         settings = {{ base_url = \"http://{address}/{path}\", key_file = {} }}\n\
         [systems.scp-esecuzione.pdnd]\nenvironment = \"uat\"\nclient_id = \"{CLIENT}\"\n{purpose}\n\
         private_key_file = \"client.pem\"\nscheme = \"dpop\"\ndpop_key_file = \"dpop.pem\"\n\
         token_url = \"http://{address}/token.oauth2\"\nintegrity = \"integrity_rest_02\"\naudit = \"audit_rest_02\"\n\
         message_audience = \"{OURS}\"\nuser = {{ id = \"raccordo\", location = \"server\" }}\n",
        settings["key_file"]
    );
    std::fs::write(folder.join("raccordo.toml"), text).expect("written");
}

#[test]
fn one_voucher_serves_all_deliveries_each_with_its_own_proof_signature_and_digest() {
    let scene = Scene::open();
    let (exit, facts, said) = scene.sync();
    assert_eq!(exit, 0, "{facts} {said}");
    let states = facts["deliveries"]["scp-esecuzione"].as_object().expect("deliveries").clone();
    let is_good = |state: &String| ["acknowledged", "submitted", "held"].contains(&state.as_str());
    assert!(!states.is_empty() && states.keys().all(is_good), "{facts}");
    let (given, calls, refused) = scene.gate.told(|told| (told.given, told.calls, told.refused.clone()));
    assert_eq!(refused, BTreeMap::new(), "nothing was objected to, on {calls} calls");
    assert!(given == 1 && calls > 10, "{given} vouchers for {calls} calls");
}

#[test]
fn a_voucher_that_is_no_longer_taken_is_replaced_once_and_every_record_arrives() {
    let scene = Scene::open();
    scene.gate.told(|told| told.forgotten_after = Some(3));
    let (exit, facts, said) = scene.sync();
    assert_eq!(exit, 0, "{facts} {said}");
    let (given, calls, refused) = scene.gate.told(|told| (told.given, told.calls, told.refused.clone()));
    let reasons: Vec<&str> = refused.keys().map(String::as_str).collect();
    assert_eq!(reasons, ["a voucher that is not good"], "one was forgotten, and nothing else was wrong");
    assert!(given == 2 && calls > 10, "{given} vouchers for {calls} calls");
}

#[test]
fn the_calls_that_were_made_are_counted_for_the_file_of_the_day() {
    let scene = Scene::open();
    scene.gate.told(|told| told.forgotten_after = Some(3));
    let begun = italian_day(SystemClock.now());
    let (exit, facts, said) = scene.sync();
    assert_eq!(exit, 0, "{facts} {said}");
    let made = scene.gate.told(|told| told.answered.clone());
    assert!(made.keys().any(|(voucher, _)| *voucher == token_id(2)) && made.len() > 2, "{made:?}");

    let ended = italian_day(SystemClock.now());
    let days = if begun == ended { vec![begun] } else { vec![begun, ended] };
    let mut counted = BTreeMap::new();
    for day in days {
        let output = raccordo(scene.folder.path(), &["pdnd", "tracing", "file", &day.to_string()]);
        assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(tracing_file::check(&output.stdout, day), []);
        for line in String::from_utf8(output.stdout).expect("text").lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!((fields[0], fields[1]), (day.to_string().as_str(), PURPOSE), "{line}");
            let key = (fields[3].to_owned(), fields[2].parse::<u16>().expect("a status"));
            *counted.entry(key).or_insert(0) += fields[4].parse::<u64>().expect("a number");
        }
    }
    assert_eq!(counted, made, "a call whose voucher was not taken is none of them");
    let today = raccordo(scene.folder.path(), &["pdnd", "tracing", "submit", &ended.to_string(), "--dry-run"]);
    let said = String::from_utf8_lossy(&today.stderr).into_owned();
    assert!(code(&today) == 2 && said.contains("not over"), "{said}");
}

#[test]
fn while_the_platform_refuses_the_connection_stops_and_no_record_is_spoilt() {
    let scene = Scene::open();
    scene.gate.told(|told| told.refuses = true);
    let (exit, facts, said) = scene.sync();
    assert_ne!(exit, 0, "{facts}");
    assert_eq!(scene.gate.told(|told| told.calls), 0, "nothing is sent without a voucher: {said}");
    let states = facts["deliveries"]["scp-esecuzione"].as_object().cloned().unwrap_or_default();
    assert!(!states.is_empty(), "{facts}");
    let is_to_be_done = |state: &String| ["due", "retry"].contains(&state.as_str());
    assert!(states.keys().all(is_to_be_done), "what waits for a right key is neither refused nor set aside: {facts}");
}

#[test]
fn what_the_platform_would_refuse_stops_the_start_at_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let key_file = folder.path().join("chiave");
    std::fs::write(&key_file, "segreta").expect("written");
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).expect("set");
    let settings = json!({ "base_url": "http://127.0.0.1:9/v0", "key_file": key_file });
    let address = SocketAddr::from(([127, 0, 0, 1], 9));
    let purpose = format!("purpose_id = \"{PURPOSE}\"");
    // The purpose stands at line 8, and what follows it after.
    for (instead, line, word) in [
        ("purpose_id = \"appalti\"".to_owned(), 5, "the purpose is not a UUID"),
        (format!("kid = \"DMKS6gx-EfaLeGew7fwBGm3IMckuVaGIOQ81u1xoeDR\"\n{purpose}"), 8, "thumbprint"),
        (format!("{purpose}\nassertion_audience = \"auth.interop.pagopa.it/client-assertion\""), 9, "mixes"),
        (format!("{purpose}\ncertificate_file = \"x\""), 9, "integrity_rest_01"),
        (format!("{purpose}\nscema = \"dpop\""), 9, "unknown field `scema`"),
    ] {
        prepare(folder.path(), address, &settings, &instead);
        let output = raccordo(folder.path(), &["sync"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(code(&output), 3, "{instead}: {said}");
        assert!(said.contains(&format!("line {line}")) && said.contains(word), "{instead}: {said}");
    }
    prepare(folder.path(), address, &settings, "");
    std::fs::set_permissions(folder.path().join("client.pem"), std::fs::Permissions::from_mode(0o644)).expect("set");
    let output = raccordo(folder.path(), &["sync"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(code(&output) == 3 && said.contains("private_key_file") && said.contains("0600"), "{said}");
    let text = std::fs::read_to_string(folder.path().join("raccordo.toml")).expect("read");
    let of_a_folder = text.replace("[systems.scp-esecuzione.pdnd]", "[systems.file-drop.pdnd]");
    std::fs::write(folder.path().join("raccordo.toml"), of_a_folder).expect("written");
    let output = raccordo(folder.path(), &["sync"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(code(&output) == 3 && said.contains("[systems.file-drop.pdnd] away"), "{said}");
}

#[test]
fn what_a_client_would_show_in_vain_is_told_with_its_line_and_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys: Value = serde_json::from_str(KEYS).expect("JSON");
    let certificate = keys["certificates"]["leaf"]["pem"].as_str().expect("a certificate").to_owned();
    let private = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
        std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(0o600)).expect("set");
    };
    private("client.pem", &pem("eservice"));
    private("own.pem", &format!("{certificate}\n{}", pem("x5_leaf")));
    private("another.pem", &format!("{certificate}\n{}", pem("dpopEc")));
    private("none.pem", "niente");
    let client = format!(
        "[pdnd.appalti]\nenvironment = \"uat\"\nclient_id = \"{CLIENT}\"\npurpose_id = \"{PURPOSE}\"\n\
         private_key_file = \"client.pem\"\n"
    );
    let ends = |more: &str, exit: i32, words: &[&str]| {
        std::fs::write(folder.path().join("raccordo.toml"), format!("{client}{more}\n")).expect("written");
        let output = raccordo(folder.path(), &["pdnd", "assertion"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(code(&output), exit, "{more}: {said}");
        for word in words {
            assert!(said.contains(word), "{more}: `{word}` is not in {said}");
        }
        assert!(!said.contains("Mismatch") && !said.contains("PRIVATE"), "{said}");
    };
    ends("client_certificate_file = \"own.pem\"", 0, &[]);
    ends("client_certificate_file = \"another.pem\"", 3, &["raccordo.toml, line 6", "another key than its own"]);
    ends("client_certificate_file = \"none.pem\"", 3, &["raccordo.toml, line 6", "does not hold a certificate"]);
    ends("client_certificate_file = \"absent.pem\"", 3, &["raccordo.toml, line 6", "client_certificate_file"]);
    ends("kid = \"DMKS6gx-EfaLeGew7fwBGm3IMckuVaGIOQ81u1xoeDR\"", 3, &["raccordo.toml, line 6", "kidOfAnotherKey"]);
    ends("dpop_key_file = \"absent.pem\"", 3, &["raccordo.toml, line 6", "dpop_key_file"]);
}
