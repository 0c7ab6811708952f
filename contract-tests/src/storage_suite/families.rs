//! What the comparison of the sources reads.

use std::collections::BTreeSet;

use canonical::Kind;
use canonical::kinds::{Aggiudicazione, CollegamentoCupCig, Pagamento, Procedura, Progetto};
use canonical::{Body, Record, Rule};
use raccordo::storage::{Family, RunKind};

use super::{Database, Scene};
use crate::records::{at, cig, day, lotto, source};

fn body<T: serde::de::DeserializeOwned + Into<Body>>(value: serde_json::Value) -> Body {
    serde_json::from_value::<T>(value).expect("plain data").into()
}

fn procedura(lots: &[u32]) -> Body {
    let lots: Vec<_> = lots.iter().map(|number| cig(*number)).collect();
    body::<Procedura>(serde_json::json!({ "id": "P1", "stazione_appaltante": "80098765433", "lotti": lots }))
}

fn mandato(number: u32) -> Body {
    let row = serde_json::json!({
        "ente": "80098765433", "tipo": "mandato", "esercizio": 2026, "numero": "55", "cig": cig(number),
    });
    body::<Pagamento>(row)
}

fn collegamento(number: u32) -> Body {
    body::<CollegamentoCupCig>(serde_json::json!({ "cup": "F91B21000010001", "cig": cig(number) }))
}

fn progetto(fase: u8) -> Body {
    body::<Progetto>(serde_json::json!({ "cup": "F91B21000010001", "fase": fase }))
}

async fn families(scene: &Scene, limit: u32) -> Vec<Family> {
    let mut all: Vec<Family> = Vec::new();
    loop {
        let after = all.last().map(|family| family.cig.clone());
        let page = scene.store.families(after.as_deref(), limit).await.expect("a page");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn kinds(records: &[Record]) -> Vec<Kind> {
    let mut kinds: Vec<_> = records.iter().map(Record::kind).collect();
    kinds.sort_unstable();
    kinds
}

pub async fn what_speaks_of_a_lot_belongs_to_its_family(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let said = [lotto(1, "x"), procedura(&[1, 2]), mandato(1), collegamento(1), mandato(3), lotto(4, "x")];
    scene.store((1..).zip(said).map(|(line, body)| document.says(line, body)).collect()).await;
    for limit in [1, 2, 64] {
        let found = families(&scene, limit).await;
        let cigs: BTreeSet<_> = found.iter().map(|family| family.cig.as_str()).collect();
        let expected: Vec<_> = (1..=4).map(cig).collect();
        assert_eq!(cigs, expected.iter().map(canonical::identifiers::Cig::as_str).collect(), "pages of {limit}");
        assert_eq!(found.len(), 4, "each once");
        let kinds_of = |number: u32| {
            let family = found.iter().find(|family| family.cig == cig(number).as_str()).expect("a family");
            kinds(&family.records)
        };
        let whole = [Kind::Procedura, Kind::Lotto, Kind::Pagamento, Kind::CollegamentoCupCig];
        assert_eq!(kinds_of(1), whole);
        assert_eq!(kinds_of(2), [Kind::Procedura], "a lot of which only the procedure speaks");
        assert_eq!(kinds_of(3), [Kind::Pagamento]);
        assert_eq!(kinds_of(4), [Kind::Lotto]);
    }
    let bodies = [canonical::identifiers::CodiceFiscale::parse("80098765433").expect("a code")].into();
    let beside = scene.store.lots_and_qualifications(&[cig(4), cig(9)].into(), &bodies).await.expect("read");
    assert_eq!(kinds(&beside), [Kind::Lotto]);
}

pub async fn a_lot_that_a_procedure_gives_up_loses_it(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", Some("2024-01-31")).await;
    scene.store_one(first.says(1, procedura(&[1, 2]))).await;
    let later = scene.document("b", Some("2024-02-28")).await;
    scene.store_one(later.says(1, procedura(&[2, 5]))).await;
    let cigs: BTreeSet<String> = families(&scene, 64).await.into_iter().map(|family| family.cig).collect();
    assert_eq!(cigs, [cig(2).to_string(), cig(5).to_string()].into());
}

pub async fn what_has_no_cig_comes_key_by_key_with_the_photograph_before(database: &dyn Database) {
    let scene = Scene::open(database).await;
    for (name, as_of, fase) in [("a", "2024-01-31", 3), ("b", "2024-02-28", 6), ("c", "2024-03-31", 4)] {
        let document = scene.document(name, Some(as_of)).await;
        scene.store_one(document.says(1, progetto(fase))).await;
    }
    let document = scene.document("d", None).await;
    scene.store(vec![document.says(1, procedura(&[1])), document.says(2, lotto(1, "x"))]).await;
    for limit in [1, 2, 64] {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let things = scene.store.things(after.as_deref(), limit).await.expect("a page");
            let Some(last) = things.last else { break };
            after = Some(last);
            all.extend(things.records);
        }
        assert_eq!(kinds(&all), [Kind::Procedura, Kind::Progetto, Kind::Progetto], "pages of {limit}");
        let phases: Vec<_> = all
            .iter()
            .filter_map(|record| match &record.body {
                Body::Progetto(project) => project.fase,
                _ => None,
            })
            .collect();
        assert_eq!(phases, [6, 4], "the one before first, and no older one");
    }
}

pub async fn what_a_document_says_again_is_noted_until_the_next_document(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let repeated = async || families(&scene, 64).await.into_iter().flat_map(|family| family.repeated).count();
    let first = scene.document("a", Some("2024-01-31")).await;
    scene.store(vec![first.says(1, lotto(1, "x")), first.says(2, lotto(2, "x"))]).await;
    assert_eq!(repeated().await, 0);
    scene.store_one(first.says(9, lotto(1, "y"))).await;
    assert_eq!(repeated().await, 1);
    scene.store(vec![first.says(1, lotto(1, "x")), first.says(9, lotto(1, "y"))]).await;
    assert_eq!(repeated().await, 1, "read again, it is the same repetition");
    let later = scene.document("b", Some("2024-02-28")).await;
    scene.store_one(later.says(1, lotto(1, "x"))).await;
    assert_eq!(repeated().await, 0, "the document that holds now says it once");
}

pub async fn a_second_award_of_a_lot_is_no_repetition(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let award = |number: u32| body::<Aggiudicazione>(serde_json::json!({ "cig": cig(1), "id_aggiudicazione": number }));
    let row = |line, number| {
        let mut arrival = document.says(line, lotto(1, "x"));
        arrival.records.extend(document.says(line, award(number)).records);
        arrival
    };
    for _ in 0..2 {
        scene.store(vec![row(1, 1), row(2, 2)]).await;
        let [family] = &families(&scene, 64).await[..] else { panic!("one lot") };
        assert!(family.repeated.is_empty(), "{family:?}");
    }
    scene.store_one(row(3, 2)).await;
    let [family] = &families(&scene, 64).await[..] else { panic!("one lot") };
    assert_eq!(family.repeated.len(), 1);
}

pub async fn it_is_known_how_far_a_source_was_read(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let state = async || scene.store.source_states().await.expect("read").remove(source().as_str()).unwrap_or_default();
    let run = scene.store.begin_run(RunKind::Sync, &source(), at(1)).await.expect("it begins");
    assert!(!state().await.is_read, "under way");
    scene.store.finish_run(run, at(2)).await.expect("it ends");
    let document = scene.document("a", Some("2024-01-31")).await;
    let without_cig = document.mumbles(2, "?");
    let mut unclear = document.mumbles(3, "!");
    unclear.set_aside = unclear.set_aside.map(|aside| contract::SetAside { rule: Rule::N03, ..aside });
    scene.store(vec![document.says(1, procedura(&[1])), without_cig, unclear]).await;
    let read = state().await;
    assert!(read.is_read && read.unreadable == 1, "{read:?}");
    assert_eq!((read.as_of, read.read_at, read.refused), (Some(day("2024-01-31")), Some(at(2)), 0));
    let kinds: Vec<_> = read.spoken_of.keys().copied().collect();
    assert_eq!((kinds, read.spoken_of[&Kind::Procedura].len()), (vec![Kind::Procedura], 1));
    let refusal = contract::Refusal { code: "not_xml".to_owned(), message: "no".to_owned(), line: None };
    let run = scene.store.begin_run(RunKind::Sync, &source(), at(3)).await.expect("it begins");
    scene.store.refuse_document(run, &source(), "b", &refusal, at(3)).await.expect("noted");
    scene.store.finish_run(run, at(4)).await.expect("it ends");
    assert_eq!(state().await.refused, 1);
}
