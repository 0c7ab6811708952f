//! What partners read: nothing is missed, nothing is seen twice, nobody sees what is not his; and a
//! request that is asked again is known.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use canonical::identifiers::{CodiceFiscale, CodiceIstat, Cup};
use canonical::kinds::{Ente, Lotto, Procedura};
use canonical::{Body, Digest};
use raccordo::storage::exchange::{Asked, KeyedRequest, Position, RecordFilter, Scope};
use raccordo::storage::{RunKind, Store};

use super::{Database, Scene};
use crate::records::{at, cig, lotto, source_named};

const ONE: &str = "00246180590";
const OTHER: &str = "01234560991";

fn everything() -> Scope {
    Scope { everything: true, ..Scope::default() }
}

fn of_body(code: &str) -> Scope {
    Scope { bodies: vec![CodiceFiscale::parse(code).expect("a body")], ..Scope::default() }
}

/// A lot of a body.
fn lotto_of(number: u32, body: &str) -> Body {
    let Body::Lotto(lot) = lotto(number, "strade") else { panic!("a lot") };
    Body::Lotto(Lotto { stazione_appaltante: CodiceFiscale::parse(body).ok(), ..lot })
}

fn ente(body: &str, istat: &str) -> Body {
    Body::Ente(Ente {
        codice_fiscale: CodiceFiscale::parse(body).expect("a body"),
        denominazione: None,
        altri_codici: Vec::new(),
        codice_ausa: None,
        codice_ipa: None,
        tipo: None,
        codice_istat: CodiceIstat::parse(istat).ok(),
        valido_dal: None,
        valido_al: None,
    })
}

/// Everything of a scope, page by page.
async fn all(store: &dyn Store, scope: &Scope, limit: u32) -> Vec<(i64, String)> {
    let (mut after, mut seen) = (Position::default(), Vec::new());
    loop {
        let page = store.changes(scope, after, limit).await.expect("a page").expect("the cursor stands");
        seen.extend(page.items.iter().map(|item| (item.id, item.content.key().as_str().to_owned())));
        after = page.next;
        if !page.has_more {
            return seen;
        }
    }
}

/// Writes versions in pieces of uneven size and pace, some of which fail and are taken back whole.
async fn write(store: Arc<dyn Store>, writer: u32, pieces: u32) {
    let source = source_named(&format!("fonte-{writer}"));
    let run = store.begin_run(RunKind::Import, &source, at(0)).await.expect("a run");
    let scene = Scene { store: store.clone(), run };
    let document = scene.document_of(&source, &format!("documento-{writer}"), None).await;
    let mut line = 0;
    for piece in 0..pieces {
        let size = 1 + (piece * 7 + writer * 3) % 23;
        let arrivals = (0..size).map(|_| {
            line += 1;
            document.says(u64::from(line), lotto_of(line, if line % 2 == 0 { ONE } else { OTHER }))
        });
        let arrivals: Vec<_> = arrivals.collect();
        if piece % 5 == writer % 5 {
            // A run that does not exist: the whole piece is taken back.
            let lost = store.store(raccordo::storage::RunId(1_000_000), arrivals.clone(), at(1)).await;
            assert!(lost.is_err(), "no such run");
        }
        store.store(run, arrivals, at(1)).await.expect("versions are stored");
        tokio::time::sleep(Duration::from_micros(u64::from((piece * 131 + writer * 977) % 3_000))).await;
    }
}

pub async fn eight_writers_and_a_reader_that_misses_nothing(database: &dyn Database) {
    const WRITERS: u32 = 8;
    const PIECES: u32 = 40;
    const CHECKS: usize = 10_000;
    let first = database.open().await.expect("the database opens");
    // Processes of their own, where several may share the database.
    let mut stores = vec![first.clone()];
    for _ in 1..WRITERS {
        stores.push(if database.is_shared() { database.open().await.expect("it opens again") } else { first.clone() });
    }
    let done = Arc::new(AtomicBool::new(false));
    let writing: Vec<_> =
        (0..WRITERS).zip(&stores).map(|(writer, store)| tokio::spawn(write(store.clone(), writer, PIECES))).collect();
    let checks = Arc::new(AtomicUsize::new(0));
    let reading = |limit: u32, scope: Scope| {
        let (store, done, checks) = (first.clone(), done.clone(), checks.clone());
        tokio::spawn(async move {
            let (mut after, mut seen) = (Position::default(), Vec::new());
            loop {
                // Whoever asks after the last commit was answered sees the end.
                let was_done = done.load(Ordering::SeqCst);
                let page = store.changes(&scope, after, limit).await.expect("a page").expect("the cursor stands");
                let ids = page.items.iter().map(|item| item.id);
                for id in ids {
                    assert!(
                        seen.last().is_none_or(|last| *last < id),
                        "{id} after {:?}: seen twice, or late",
                        seen.last()
                    );
                    seen.push(id);
                    checks.fetch_add(1, Ordering::Relaxed);
                }
                checks.fetch_add(1, Ordering::Relaxed);
                after = page.next;
                if was_done && !page.has_more {
                    return seen;
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let readers = [reading(7, everything()), reading(500, everything()), reading(3, of_body(ONE))];
    for writer in writing {
        writer.await.expect("a writer ends");
    }
    while checks.load(Ordering::Relaxed) < CHECKS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    done.store(true, Ordering::SeqCst);
    let expected = database.number("select count(*) from record_version").await;
    let of_one = database.number(&format!("select count(*) from record_version where ente = '{ONE}'")).await;
    for (reader, expected) in readers.into_iter().zip([expected, expected, of_one]) {
        let seen = reader.await.expect("a reader ends");
        assert_eq!(i64::try_from(seen.len()).expect("a count"), expected, "something was missed");
    }
    assert!(checks.load(Ordering::Relaxed) >= CHECKS && expected > 3_000, "{expected} versions");
    let gaps = database.number("select max(id) - count(*) from record_version").await;
    assert_eq!(gaps, 0, "ids have no gaps");
    for store in stores.iter().skip(1).filter(|_| database.is_shared()) {
        store.close().await;
    }
}

pub async fn nobody_sees_what_is_not_his(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene
        .store(vec![
            document.says(1, lotto_of(1, ONE)),
            document.says(2, lotto_of(2, OTHER)),
            document.says(3, lotto(3, "di nessuno")),
            document.says(4, ente(ONE, "015146")),
            document.says(5, ente(OTHER, "017")),
        ])
        .await;
    let store = scene.store.as_ref();
    let keys = async |scope: &Scope| all(store, scope, 1).await.into_iter().map(|(_, key)| key).collect::<HashSet<_>>();
    let set = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<HashSet<_>>();
    assert_eq!(keys(&Scope::default()).await, set(&[]), "nothing by default");
    assert_eq!(keys(&everything()).await.len(), 5);
    assert_eq!(keys(&of_body(ONE)).await, set(&[cig(1).as_str(), ONE]));
    let of_unit = Scope { units: vec!["017".to_owned()], ..Scope::default() };
    assert_eq!(keys(&of_unit).await, set(&[cig(2).as_str(), OTHER]), "the bodies of a unit");

    let record = async |number: u32| {
        let filter = RecordFilter { cig: Some(cig(number)), ..RecordFilter::default() };
        let page =
            store.standing(&everything(), filter, Position::default(), 10).await.expect("a page").expect("stands");
        page.items[0].record
    };
    let (his, foreign) = (record(1).await, record(2).await);
    assert!(store.standing_of(&of_body(ONE), his).await.expect("an answer").is_some());
    assert!(store.standing_of(&of_body(ONE), foreign).await.expect("an answer").is_none());
    assert!(store.versions_of(&of_body(ONE), foreign, 0, 10).await.expect("an answer").is_empty());
    let families = store.cig_families(&of_body(ONE), "", 10).await.expect("families");
    assert_eq!(families.items.iter().map(|family| family.cig.as_str()).collect::<Vec<_>>(), [cig(1).as_str()]);
}

pub async fn what_moves_to_another_body_is_seen_by_each_as_long_as_it_was_his(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let (first, second) =
        (scene.document("a", Some("2024-01-31")).await, scene.document("b", Some("2024-02-29")).await);
    scene.store_one(first.says(1, lotto_of(1, ONE))).await;
    scene.store_one(second.says(1, lotto_of(1, OTHER))).await;
    let store = scene.store.as_ref();
    assert_eq!(all(store, &of_body(ONE), 10).await.len(), 1);
    assert_eq!(all(store, &of_body(OTHER), 10).await.len(), 1);
    let standing = async |body: &str| {
        let page = store.standing(&of_body(body), RecordFilter::default(), Position::default(), 10).await;
        page.expect("a page").expect("it stands").items.len()
    };
    assert_eq!((standing(ONE).await, standing(OTHER).await), (0, 1));
}

pub async fn records_are_found_by_what_they_name(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let cup = Cup::parse("F41B21000000001").expect("a CUP");
    let Body::Lotto(mut lot) = lotto_of(1, ONE) else { panic!("a lot") };
    lot.cup.insert(cup);
    let procedura = Body::Procedura(Procedura {
        id: "pad/1".to_owned(),
        oggetto: None,
        stazione_appaltante: CodiceFiscale::parse(ONE).ok(),
        ente_delegante: None,
        scelta_contraente: None,
        importo: None,
        oneri_sicurezza: None,
        pubblicata_il: None,
        scadenza_offerte: None,
        lotti: vec![cig(1)],
    });
    scene
        .store(vec![
            document.says(1, Body::Lotto(lot)),
            document.says(2, procedura),
            document.says(3, lotto_of(2, ONE)),
        ])
        .await;
    let count = async |filter: RecordFilter| {
        let page = scene.store.standing(&of_body(ONE), filter, Position::default(), 10).await;
        page.expect("a page").expect("it stands").items.len()
    };
    let none = RecordFilter::default();
    assert_eq!(count(RecordFilter { cig: Some(cig(1)), ..none }).await, 2, "the lot, and the procedure that names it");
    assert_eq!(count(RecordFilter { cup: Some(cup), ..none }).await, 1);
    assert_eq!(count(RecordFilter { ente: CodiceFiscale::parse(ONE).ok(), ..none }).await, 3);
    assert_eq!(count(RecordFilter { ente: CodiceFiscale::parse(OTHER).ok(), ..none }).await, 0);
    assert_eq!(count(RecordFilter { kind: Some(canonical::Kind::Procedura), cig: Some(cig(1)), ..none }).await, 1);
}

pub async fn a_cursor_of_a_database_that_was_set_back_is_refused(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene.store_one(document.says(1, lotto_of(1, ONE))).await;
    let end = scene.store.feed_end().await.expect("an end");
    let again = scene.store.changes(&everything(), end, 10).await.expect("a page").expect("it stands");
    assert!(again.items.is_empty() && again.next == end);
    for lost in [Position { version: end.version + 1, ..end }, Position { anchor: [9; 4], ..end }] {
        assert!(scene.store.changes(&everything(), lost, 10).await.expect("an answer").is_none(), "{lost:?}");
        let standing = scene.store.standing(&everything(), RecordFilter::default(), lost, 10).await;
        assert!(standing.expect("an answer").is_none(), "{lost:?}");
    }
}

pub async fn a_request_that_is_asked_again_is_known(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let store = scene.store.as_ref();
    let request = |body: &str| KeyedRequest {
        client: "regione".to_owned(),
        key: "k-1".to_owned(),
        digest: Digest::of(body.as_bytes()),
    };
    let ask = async |body: &str, seconds: i64| {
        store.begin_request(&request(body), at(seconds), at(seconds - 600)).await.expect("an answer")
    };
    assert_eq!(ask("a", 1_000).await, Asked::New);
    assert_eq!(ask("a", 1_001).await, Asked::Running);
    assert_eq!(ask("b", 1_001).await, Asked::Other);
    assert_eq!(ask("a", 2_000).await, Asked::New, "its process died");
    // The first was only slow: what it says now is about a request that another does anew.
    store.forget_request(&request("a"), at(1_000)).await.expect("nothing is forgotten");
    store.end_request(&request("a"), at(1_000), 200, "late".to_owned()).await.expect("nothing is written");
    assert_eq!(ask("a", 2_001).await, Asked::Running);
    store.forget_request(&request("a"), at(2_000)).await.expect("it is forgotten");
    assert_eq!(ask("a", 2_001).await, Asked::New);
    store.end_request(&request("a"), at(2_001), 200, "{}".to_owned()).await.expect("it is answered");
    store.forget_request(&request("a"), at(2_001)).await.expect("what was answered stays");
    assert_eq!(ask("a", 9_000).await, Asked::Answered { status: 200, body: "{}".to_owned() });
    assert_eq!(ask("b", 9_000).await, Asked::Other);
    let many = futures_util::future::join_all((0..20).map(|_| async {
        let request = KeyedRequest { key: "k-2".to_owned(), ..request("a") };
        store.begin_request(&request, at(1_000), at(400)).await.expect("an answer")
    }));
    assert_eq!(many.await.iter().filter(|asked| **asked == Asked::New).count(), 1, "of many one is done");
}
