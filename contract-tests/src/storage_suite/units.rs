//! What new versions cause: members, units, jobs.

use raccordo::delivery::DeliveryState;

use super::scene::{nowhere, to_unit, to_unit_at, withheld};
use super::{Database, Scene};
use crate::records::{at, contratto, lotto};

pub async fn a_burst_bumps_a_unit_once(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", Some("2024-01-31")).await;
    let second = scene.document("b", Some("2024-02-29")).await;
    for (document, said, revision) in [(first, "january", 1), (second, "february", 2)] {
        let burst = (1..=300).map(|number| {
            document.says_to(u64::from(number), lotto(number, said), vec![to_unit("pico", "80001/2024")])
        });
        scene.store(burst.collect()).await;
        let delivery = scene.delivery("pico", "80001/2024").await;
        assert_eq!((delivery.desired_revision, delivery.members.len()), (revision, 300));
    }
    assert_eq!(scene.claim_at(1, 10).await.len(), 1);
}

pub async fn several_records_of_a_unit_cause_one_job(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    for number in 1..=3 {
        let route = vec![to_unit("pico", "80001/2024")];
        scene.store(vec![document.says_to(u64::from(number), lotto(number, "x"), route)]).await;
    }
    assert_eq!(scene.delivery("pico", "80001/2024").await.desired_revision, 3);
    assert_eq!(database.number("select count(*) from job").await, 1);
}

pub async fn a_record_that_moves_bumps_both_units(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", Some("2024-01-31")).await;
    let second = scene.document("b", Some("2024-02-29")).await;
    scene
        .store(vec![
            first.says_to(1, lotto(1, "moves"), vec![to_unit("pico", "2023"), to_unit("hub", "2023")]),
            first.says_to(2, lotto(2, "stays"), vec![to_unit("pico", "2023")]),
        ])
        .await;
    scene
        .store(vec![second.says_to(1, lotto(1, "moved"), vec![to_unit("pico", "2024"), to_unit("hub", "2024")])])
        .await;
    let (old, new) = (scene.delivery("pico", "2023").await, scene.delivery("pico", "2024").await);
    assert_eq!((old.desired_revision, old.members.len()), (2, 1));
    assert_eq!((new.desired_revision, new.members.len()), (1, 1));
    let left = scene.delivery("hub", "2023").await;
    assert_eq!((left.desired_revision, left.members.len()), (2, 0));
}

pub async fn a_record_that_is_withheld_leaves_its_unit(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", Some("2024-01-31")).await;
    let second = scene.document("b", Some("2024-02-29")).await;
    scene.store(vec![first.says_to(1, lotto(1, "sent"), vec![to_unit("pico", "2024")])]).await;
    scene.store(vec![second.says_to(1, lotto(1, "kept"), vec![withheld("pico", "smartcig")])]).await;
    let delivery = scene.delivery("pico", "2024").await;
    assert_eq!((delivery.desired_revision, delivery.members.len()), (2, 0));
    let overview = scene.store.overview().await.expect("an overview");
    assert_eq!(overview.withheld["pico"]["smartcig"], 1);
}

pub async fn a_record_that_is_withheld_no_more_enters_its_unit(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let dates = ["2024-01-31", "2024-02-29", "2024-03-31"];
    let routes = [withheld("pico", "smartcig"), withheld("pico", "no_cf"), to_unit("pico", "2024")];
    for (date, route) in dates.into_iter().zip(routes) {
        let document = scene.document(date, Some(date)).await;
        scene.store(vec![document.says_to(1, lotto(1, date), vec![route])]).await;
    }
    let delivery = scene.delivery("pico", "2024").await;
    assert_eq!((delivery.desired_revision, delivery.members.len()), (1, 1));
    assert!(scene.store.overview().await.expect("an overview").withheld.is_empty());
}

pub async fn a_settled_unit_is_due_again(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let refused = DeliveryState::Refused { code: "E1".to_owned(), message: "no".to_owned() };
    let parked = DeliveryState::Parked { reason: "not composed".to_owned(), in_doubt: false };
    let dates = ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"];
    let ends = [DeliveryState::Acknowledged, refused, parked];
    let mut seconds = 10;
    for (number, date) in dates.into_iter().enumerate() {
        let document = scene.document(date, Some(date)).await;
        scene.store(vec![document.says_to(1, lotto(1, date), vec![to_unit("pico", "2024")])]).await;
        let delivery = scene.delivery("pico", "2024").await;
        assert_eq!((delivery.state, delivery.desired_revision), (DeliveryState::Due, number as u64 + 1));
        if let Some(end) = ends.get(number) {
            scene.deliver("pico", "2024", end.clone(), seconds).await;
            assert_eq!(scene.delivery("pico", "2024").await.state, *end);
        }
        seconds += 10;
    }
    assert_eq!(scene.delivery("pico", "2024").await.held_revision, 1);
}

pub async fn a_unit_on_its_way_keeps_its_state(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", Some("2024-01-31")).await;
    let second = scene.document("b", Some("2024-02-29")).await;
    let third = scene.document("c", Some("2024-03-31")).await;
    scene.store(vec![first.says_to(1, lotto(1, "1"), vec![to_unit("pico", "2024")])]).await;
    let job = scene.claim_one(1).await;
    let delivery = scene.delivery("pico", "2024").await;
    let attempt = scene.begin(&delivery, job.lease, 1).await;
    scene.store(vec![second.says_to(1, lotto(1, "2"), vec![to_unit("pico", "2024")])]).await;
    assert_eq!(scene.delivery("pico", "2024").await.state, DeliveryState::Sent);
    let retry = DeliveryState::Retry { code: "unavailable".to_owned(), at: at(100) };
    scene.conclude(&delivery, attempt, job.lease, retry.clone(), 2).await;
    scene.store(vec![third.says_to(1, lotto(1, "3"), vec![to_unit("pico", "2024")])]).await;
    let delivery = scene.delivery("pico", "2024").await;
    assert_eq!((delivery.state, delivery.desired_revision), (retry, 3));
}

pub async fn a_burst_is_due_when_its_first_change_was(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    for (line, due) in [(1, 30), (2, 40)] {
        let route = vec![to_unit_at("pico", "2024", due)];
        scene.store(vec![document.says_to(line, contratto(1, u32::try_from(line).unwrap_or(0), "x"), route)]).await;
    }
    assert!(scene.claim_at(29, 10).await.is_empty());
    assert_eq!(scene.claim_at(30, 10).await.len(), 1);
}

pub async fn a_record_that_goes_nowhere_leaves_its_unit(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", Some("2024-01-31")).await;
    let second = scene.document("b", Some("2024-02-29")).await;
    let routes = vec![to_unit("pico", "2024"), withheld("hub", "smartcig")];
    scene.store(vec![first.says_to(1, lotto(1, "sent"), routes)]).await;
    scene.store(vec![second.says_to(1, lotto(1, "gone"), vec![nowhere("pico"), nowhere("hub")])]).await;
    let delivery = scene.delivery("pico", "2024").await;
    assert_eq!((delivery.desired_revision, delivery.members.len()), (2, 0));
    assert!(scene.store.overview().await.expect("an overview").withheld.is_empty());
}

pub async fn a_target_that_was_not_asked_keeps_its_members_and_is_owed_the_new_version(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", Some("2024-01-31")).await;
    let second = scene.document("b", Some("2024-02-29")).await;
    let routes = vec![to_unit("pico", "2024"), withheld("hub", "smartcig")];
    scene.store(vec![first.says_to(1, lotto(1, "sent"), routes)]).await;
    scene.store(vec![second.says_to(1, lotto(1, "changed"), Vec::new())]).await;
    let delivery = scene.delivery("pico", "2024").await;
    assert_eq!((delivery.desired_revision, delivery.members.len()), (2, 1));
    assert_eq!(scene.store.overview().await.expect("an overview").withheld["hub"]["smartcig"], 1);
}

pub async fn a_unit_parked_in_doubt_is_observed_when_it_changes(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", Some("2024-01-31")).await;
    let second = scene.document("b", Some("2024-02-29")).await;
    scene.store(vec![first.says_to(1, lotto(1, "1"), vec![to_unit("pico", "2024")])]).await;
    let parked = DeliveryState::Parked { reason: "no answer for days".to_owned(), in_doubt: true };
    scene.deliver("pico", "2024", parked.clone(), 10).await;
    assert_eq!(scene.delivery("pico", "2024").await.state, parked);
    scene.store(vec![second.says_to(1, lotto(1, "2"), vec![to_unit("pico", "2024")])]).await;
    let delivery = scene.delivery("pico", "2024").await;
    assert!(matches!(delivery.state, DeliveryState::InDoubt { .. }), "{:?}", delivery.state);
    assert_eq!(delivery.desired_revision, 2);
    scene.claim_one(20).await;
}
