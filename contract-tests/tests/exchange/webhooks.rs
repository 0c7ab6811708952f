//! Partners who are told of changes: what they are told, by whom it is signed, and what becomes of it
//! when they do not take it.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_tests::records::cig;
use raccordo::config::Config;
use raccordo::jobs::webhooks::{Hooks, Webhooks, start};
use raccordo::storage::Person;
use raccordo::storage::webhooks::{WebhookState, WebhookStop};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bench::{Bench, FOREIGN, OURS, line, now};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// Longer than any pause of these tests.
const PATIENCE: Duration = Duration::from_secs(40);

/// A message as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    at: Instant,
    head: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> &str {
        &self.head.iter().find(|(key, _)| key == name).expect("the header").1
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Whether one of the signatures is by this secret, by the rules that whoever receives it follows.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("the prefix")).expect("base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let said = format!("{}.{}.{}", self.id(), self.header("webhook-timestamp"), self.body);
        let versions = self.header("webhook-signature").split(' ').filter_map(|one| one.split_once(','));
        versions.filter(|(version, _)| *version == "v1").any(|(_, signature)| {
            STANDARD.decode(signature).is_ok_and(|tag| hmac::verify(&key, said.as_bytes(), &tag).is_ok())
        })
    }
}

/// What a partner answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reply {
    Status(u16, &'static str),
    /// He takes the message, and the connection ends before anybody knows.
    Nothing,
}

const TAKEN: Reply = Reply::Status(204, "");

/// A partner's server: answers as told, then takes everything.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    pub(crate) fn start(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let (seen, mut replies) = (messages.clone(), VecDeque::from(replies.to_vec()));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = connection.expect("a connection");
                let mut reader = BufReader::new(connection.try_clone().expect("two ends"));
                let mut lines = Vec::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).expect("a head");
                    if line.trim().is_empty() {
                        break;
                    }
                    lines.push(line);
                }
                let head: Vec<_> = lines
                    .iter()
                    .filter_map(|line| line.split_once(':'))
                    .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
                    .collect();
                let length = head.iter().find(|(name, _)| name == "content-length").expect("a length").1.clone();
                let mut body = vec![0; length.parse().expect("a number")];
                reader.read_exact(&mut body).expect("a body");
                let body = String::from_utf8(body).expect("text");
                seen.lock().expect("nobody panics").push(Message { at: Instant::now(), head, body });
                if let Reply::Status(status, more) = replies.pop_front().unwrap_or(TAKEN) {
                    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n{more}\r\n");
                    (&connection).write_all(answer.as_bytes()).expect("an answer");
                }
            }
        });
        Self { port, messages }
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.messages.lock().expect("nobody panics").clone()
    }

    pub(crate) async fn until(&self, count: usize) -> Vec<Message> {
        let end = Instant::now() + PATIENCE;
        while self.messages().len() < count {
            assert!(Instant::now() < end, "{count} messages never came: {:?}", self.messages());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.messages()
    }
}

/// A node whose partner `avvisato` is told at a receiver, and whoever tells him.
struct Telling {
    bench: Bench,
    secret: PathBuf,
    _folder: TempDir,
}

pub(crate) fn write_secret(path: &Path, secrets: &str) {
    std::fs::write(path, secrets).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("set");
}

fn partner(name: &str, url: &str, secret: &str, more: &str) -> String {
    format!(
        "[exchange.partners.{name}]\nclient_id = \"{name}\"\nroles = [\"read\"]\nbodies = [\"{OURS}\"]\n\
         webhook = {{ url = \"{url}\", secret_file = \"{secret}\", pause_seconds = 1{more} }}\n"
    )
}

impl Telling {
    async fn of(url: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let secret = folder.path().join("segreto");
        write_secret(&secret, SECRET);
        let text = partner("avvisato", url, &secret.display().to_string(), ", allow_private = true");
        let bench = Bench::with(&text, true).await;
        Self { bench, secret, _folder: folder }
    }

    async fn to(receiver: &Receiver) -> Self {
        Self::of(&format!("http://127.0.0.1:{}/avvisi/", receiver.port)).await
    }

    fn start(&self) -> Webhooks {
        let hooks = Hooks::of(&self.bench.node.config.exchange).expect("hooks");
        start(&self.bench.node.flow, hooks)
    }

    async fn state(&self) -> WebhookState {
        let states = self.bench.node.flow.store.webhooks(Some("avvisato")).await.expect("states");
        states.into_iter().next().unwrap_or_default()
    }

    async fn until(&self, is_expected: impl Fn(&WebhookState) -> bool) -> WebhookState {
        let end = Instant::now() + PATIENCE;
        loop {
            let state = self.state().await;
            if is_expected(&state) {
                return state;
            }
            assert!(Instant::now() < end, "{state:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A lot of a body, with a value that was not there before.
    async fn change(&self, number: u32, body: &str) {
        let lot = json!({ "cig": cig(number), "stazione_appaltante": body, "importo_totale": format!("{number}.00") });
        self.bench.read(&[line("lotto", lot)]).await;
    }

    async fn end_of_feed(&self) -> i64 {
        self.bench.node.flow.store.feed_end().await.expect("the end").version
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_told_of_what_he_may_see_and_of_nothing_else() {
    let receiver = Receiver::start(&[]);
    let telling = Telling::to(&receiver).await;
    telling.bench.fill().await;
    let running = telling.start();
    let first = receiver.until(1).await.remove(0);
    let said = first.json();
    assert_eq!(said["type"], "changes.available");
    let described: Value = serde_json::from_str(raccordo::http::api::DOCUMENT).expect("JSON");
    let schema = &described["components"]["schemas"]["ChangesAvailable"];
    let schema = jsonschema::options().with_draft(jsonschema::Draft::Draft4).build(schema).expect("a schema");
    assert!(schema.is_valid(&said), "{said}");
    assert!(said["timestamp"].as_str().expect("a time").ends_with('Z'));
    assert_eq!(said["data"].as_object().expect("an object").keys().collect::<Vec<_>>(), ["cursor"]);
    assert_eq!(said.as_object().expect("an object").len(), 3, "nothing but that there is something");
    assert!(first.is_signed_by(SECRET) && !first.is_signed_by(NEXT));
    let sent_at: i64 = first.header("webhook-timestamp").parse().expect("seconds");
    assert!((now() - sent_at).abs() < 60);
    // He reads from where he stands, and ends at the cursor that he was told.
    let page = telling.bench.json("avvisato", "/api/v1/changes?limit=500").await;
    assert_eq!(page["next_cursor"], said["data"]["cursor"]);
    let cursor = said["data"]["cursor"].as_str().expect("a cursor");
    let behind = telling.bench.json("avvisato", &format!("/api/v1/changes?cursor={cursor}")).await;
    assert_eq!(behind["items"], json!([]));
    // What belongs to others is no reason to tell him anything.
    telling.change(4, FOREIGN).await;
    let end = telling.end_of_feed().await;
    telling.until(|state| state.told.version == end && state.message.is_none()).await;
    assert_eq!(receiver.messages().len(), 1);
    telling.change(5, OURS).await;
    let second = receiver.until(2).await.remove(1);
    assert_ne!(second.id(), first.id());
    assert!(second.at.duration_since(first.at) >= Duration::from_secs(1), "a pause lies between two messages");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_brings_the_same_message_again() {
    let receiver = Receiver::start(&[Reply::Nothing, Reply::Status(500, "")]);
    let telling = Telling::to(&receiver).await;
    telling.bench.fill().await;
    let running = telling.start();
    let messages = receiver.until(3).await;
    assert!(messages.iter().all(|message| message.id() == messages[0].id() && message.body == messages[0].body));
    assert!(messages.iter().all(|message| message.is_signed_by(SECRET)));
    let state = telling.until(|state| state.message.is_none()).await;
    assert_eq!((state.told.version, state.failed), (telling.end_of_feed().await, None));
    running.stop().await;
    assert_eq!(receiver.messages().len(), 3, "what was taken is not told again");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_before_noting_the_answer_sends_the_same_message_when_he_is_back() {
    let receiver = Receiver::start(&[]);
    let telling = Telling::to(&receiver).await;
    telling.bench.fill().await;
    // Somebody else had begun the attempt, and died with it.
    let running = telling.start();
    let first = receiver.until(1).await.remove(0);
    telling.until(|state| state.message.is_none()).await;
    running.stop().await;
    telling.change(6, OURS).await;
    let store = &telling.bench.node.flow.store;
    let (state, until) = (telling.state().await, store.feed_end().await.expect("the end"));
    let partners = &telling.bench.node.config.exchange.partners;
    let scope = partners["avvisato"].scope();
    let at = raccordo::clock::Clock::now(&raccordo::clock::SystemClock);
    let message = raccordo::flow::exchange::webhook::message(store.as_ref(), "avvisato", &scope, until, at).await;
    let message = message.expect("a message");
    assert!(store.begin_webhook("avvisato", state.told, message.clone()).await.expect("begun"));
    assert_eq!(store.attempt_webhook("avvisato", &message.id, at).await.expect("an attempt"), Some(1));
    let running = telling.start();
    let second = receiver.until(2).await.remove(1);
    assert_eq!((second.id(), &second.body), (message.id.as_str(), &message.body));
    assert_ne!(second.id(), first.id());
    telling.until(|state| state.message.is_none()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_is_asked_for_is_kept() {
    let receiver = Receiver::start(&[Reply::Status(503, "Retry-After: 3\r\n")]);
    let telling = Telling::to(&receiver).await;
    telling.bench.fill().await;
    let running = telling.start();
    let messages = receiver.until(2).await;
    assert!(messages[1].at.duration_since(messages[0].at) >= Duration::from_secs(3));
    assert_eq!(messages[0].id(), messages[1].id());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_that_he_is_gone_is_told_nothing_more_until_a_person_says_so() {
    let receiver = Receiver::start(&[Reply::Status(410, "")]);
    let telling = Telling::to(&receiver).await;
    telling.bench.fill().await;
    let running = telling.start();
    let state = telling.until(|state| state.stopped.is_some()).await;
    assert_eq!(state.stopped.map(|(_, why)| why), Some(WebhookStop::Gone));
    telling.change(6, OURS).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(receiver.messages().len(), 1, "nobody is asked again");
    let by = Person { name: "anna".to_owned(), reason: "indirizzo corretto".to_owned() };
    let store = &telling.bench.node.flow.store;
    assert!(store.resume_webhook("avvisato", &by, state.stopped.expect("stopped").0).await.expect("resumed"));
    let messages = receiver.until(3).await;
    assert_eq!(messages[0].id(), messages[1].id(), "the message that he did not take");
    assert_ne!(messages[1].id(), messages[2].id(), "then what came meanwhile");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_secret_is_replaced_messages_bear_both_signatures() {
    let receiver = Receiver::start(&[]);
    let telling = Telling::to(&receiver).await;
    telling.bench.fill().await;
    let running = telling.start();
    receiver.until(1).await;
    write_secret(&telling.secret, &format!("{NEXT}\n{SECRET}\n"));
    telling.change(6, OURS).await;
    let second = receiver.until(2).await.remove(1);
    assert!(second.is_signed_by(SECRET) && second.is_signed_by(NEXT), "{second:?}");
    assert_eq!(second.header("webhook-signature").split(' ').count(), 2);
    write_secret(&telling.secret, NEXT);
    telling.change(7, OURS).await;
    let third = receiver.until(3).await.remove(2);
    assert!(!third.is_signed_by(SECRET) && third.is_signed_by(NEXT));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start(&[]);
    let location = format!("Location: http://127.0.0.1:{}/\r\n", elsewhere.port);
    let receiver = Receiver::start(&[Reply::Status(307, String::leak(location)), TAKEN]);
    let telling = Telling::to(&receiver).await;
    telling.bench.fill().await;
    let running = telling.start();
    receiver.until(2).await;
    assert!(elsewhere.messages().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_tells() {
    let receiver = Receiver::start(&[]);
    let telling = Telling::to(&receiver).await;
    telling.bench.fill().await;
    let (one, other) = (telling.start(), telling.start());
    receiver.until(1).await;
    telling.until(|state| state.message.is_none()).await;
    telling.change(6, OURS).await;
    receiver.until(2).await;
    // Whoever leaves before the answer is noted leaves the message to be sent again.
    telling.until(|state| state.message.is_none()).await;
    // Whoever leaves gives the turn to the other at once.
    one.stop().await;
    telling.change(7, OURS).await;
    receiver.until(3).await;
    telling.until(|state| state.message.is_none()).await;
    let ids: std::collections::BTreeSet<_> = receiver.messages().iter().map(|one| one.id().to_owned()).collect();
    assert_eq!((ids.len(), receiver.messages().len()), (3, 3), "nothing is told twice");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_this_machine_is_never_spoken_with_unless_configured() {
    let receiver = Receiver::start(&[]);
    let folder = TempDir::new().expect("a folder");
    let secret = folder.path().join("segreto");
    write_secret(&secret, SECRET);
    let url = format!("http://localhost:{}/avvisi", receiver.port);
    let bench = Bench::with(&partner("avvisato", &url, &secret.display().to_string(), ""), true).await;
    let telling = Telling { bench, secret, _folder: folder };
    telling.bench.fill().await;
    let running = telling.start();
    let state = telling.until(|state| state.failed.is_some()).await;
    assert_eq!(state.failed.map(|(_, code)| code).as_deref(), Some("address_refused"));
    running.stop().await;
    assert!(receiver.messages().is_empty());
}

#[test]
fn a_webhook_that_cannot_be_is_refused_at_the_start_with_its_line() {
    let refused = |url: &str, more: &str| {
        let text = format!("[http]\n{}", partner("avvisato", url, "segreto", more));
        Config::parse(&text, Path::new("/srv/raccordo")).err()
    };
    let good = refused("https://osservatorio.example/avvisi", "");
    assert_eq!(good, None);
    for (url, more, why) in [
        ("http://osservatorio.example/avvisi", "", "https://"),
        ("https://osservatorio.example/avvisi?chiave=1", "", "path"),
        ("https://chi:parola@osservatorio.example/avvisi", "", "credentials"),
        ("https://10.0.0.7/avvisi", "", "allow_private"),
        ("https://2130706433/avvisi", "", "allow_private"),
        ("https://[::ffff:192.168.1.1]/avvisi", "", "allow_private"),
        ("https://169.254.169.254/latest", ", allow_private = true", "never spoken with"),
    ] {
        let problem = refused(url, more).unwrap_or_else(|| panic!("{url} is taken"));
        assert!(problem.starts_with("line 6: ") && problem.contains(why), "{url}: {problem}");
    }
    assert_eq!(refused("https://10.0.0.7/avvisi", ", allow_private = true"), None);
}
