//! Two nodes that compare what they hold over a socket, as they will speak: one request a message.
//!
//! Who may ask is not the subject here, nor what is done about differences: `exchange/nodes.rs` says that.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test, in its helpers too")]

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use canonical::Digest;
use raccordo::flow::reconcile::inventory::Completeness;
use raccordo::flow::reconcile::inventory::ranges::{
    Index, Outcome, Reconciler, Salt, SessionLimits, Step, Unmatched, salt_of_opening,
};

const RECORDS: usize = 20_000;

/// Keys and contents of a node: the other one lacks some of them and holds some otherwise.
fn records(is_other: bool) -> Vec<(String, Digest)> {
    let has = |n: &usize| if is_other { n % 5_000 != 1 } else { n % 4_000 != 2 };
    let content =
        |n: usize| if is_other && n.is_multiple_of(3_000) { "un altro".to_owned() } else { format!("atto {n}") };
    (0..RECORDS).filter(has).map(|n| (format!("B{n:09}"), Digest::of(content(n).as_bytes()))).collect()
}

fn names(keys: &[u128], salt: Salt) -> Vec<usize> {
    let mut names: Vec<_> = (0..RECORDS).filter(|n| keys.contains(&salt.key(&format!("B{n:09}")))).collect();
    names.sort_unstable();
    assert_eq!(names.len(), keys.len(), "a key that no record has");
    names
}

/// The side that is asked: it takes its salt from the opening message.
#[derive(Default)]
struct Served {
    session: Option<Reconciler<Arc<Index>>>,
}

impl Served {
    fn answer(&mut self, message: &[u8]) -> (StatusCode, Vec<u8>) {
        if let Ok(salt) = salt_of_opening(message) {
            let index = Arc::new(Index::new(salt, records(true)).unwrap());
            self.session = Some(Reconciler::new(index, &Completeness::Complete, SessionLimits::default()));
        }
        let Some(session) = &mut self.session else { return (StatusCode::CONFLICT, Vec::new()) };
        match session.respond(message) {
            Ok(Step::Send(answer)) => (StatusCode::OK, answer),
            Ok(Step::Done) => (StatusCode::NO_CONTENT, Vec::new()),
            Err(refused) => (StatusCode::BAD_REQUEST, refused.to_string().into_bytes()),
        }
    }

    fn outcome(&self) -> Outcome {
        self.session.as_ref().unwrap().outcome()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_find_every_difference_over_http() {
    let served = Arc::new(Mutex::new(Served::default()));
    let answering = Arc::clone(&served);
    let answer = move |body: Bytes| async move { answering.lock().unwrap().answer(&body) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/", post(answer));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    let client = reqwest::Client::new();
    let salt = Salt([5; 16]);
    let index = Index::new(salt, records(false)).unwrap();
    let mut reconciler = Reconciler::new(&index, &Completeness::Complete, SessionLimits::default());
    let mut message = reconciler.initiate();
    let mut requests = 0;
    loop {
        requests += 1;
        let answer = client.post(&address).body(message).send().await.unwrap();
        if answer.status() == StatusCode::NO_CONTENT {
            break;
        }
        assert_eq!(answer.status(), StatusCode::OK);
        match reconciler.respond(&answer.bytes().await.unwrap()).unwrap() {
            Step::Send(next) => message = next,
            Step::Done => break,
        }
    }
    // A message that is none is refused, and the session goes on.
    let refused = client.post(&address).body("x").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    serving.abort();

    let (mine, other) = (reconciler.outcome(), served.lock().unwrap().outcome());
    assert!(matches!(mine.only_ours, Unmatched::Missing(..)));
    assert_eq!(names(mine.only_ours.keys(), salt), [1, 5_001, 10_001, 15_001]);
    assert_eq!(names(mine.only_theirs.keys(), salt), [2, 4_002, 8_002, 12_002, 16_002]);
    assert_eq!(names(&mine.different, salt), [0, 3_000, 6_000, 9_000, 12_000, 15_000, 18_000]);
    assert_eq!(
        (mine.only_ours, mine.only_theirs, mine.different),
        (other.only_theirs, other.only_ours, other.different)
    );
    assert!(requests <= 5, "{requests} requests");
}
