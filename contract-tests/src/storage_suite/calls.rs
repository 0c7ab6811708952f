//! Calls counted for the tracing file: a batch counts once, and what is long ago is forgotten.

use canonical::values::CalendarDate;
use raccordo::clock::{Clock as _, SystemClock, days_before, italian_day};
use raccordo::storage::calls::{CallBatch, CallCount};

use super::{Database, Scene};
use crate::records::day;

const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";
const OTHER: &str = "2c361d49-33f4-4f1e-a88b-4e12661f2300";
const TODAY: &str = "2026-11-30";

fn count(on: &str, purpose: &str, voucher: u32, status: u16, requests: u64) -> CallCount {
    let token_id = format!("00000000-0000-4000-8000-{voucher:012}");
    CallCount { day: day(on), purpose_id: purpose.to_owned(), token_id, status, requests }
}

fn batch(process: &str, number: u64, counts: Vec<CallCount>) -> CallBatch {
    CallBatch { process: process.to_owned(), number, made_on: day(TODAY), counts }
}

async fn add(scene: &Scene, process: &str, number: u64, counts: Vec<CallCount>) -> bool {
    scene.store.add_calls(batch(process, number, counts)).await.expect("an answer")
}

async fn counted(scene: &Scene, on: &str) -> Vec<CallCount> {
    scene.store.calls_of(day(on)).await.expect("counts")
}

pub async fn calls_are_added_up_by_day_purpose_voucher_and_status(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let one = vec![
        count(TODAY, OTHER, 1, 200, 4),
        count(TODAY, PURPOSE, 2, 200, 3),
        count(TODAY, PURPOSE, 1, 404, 2),
        count(TODAY, PURPOSE, 1, 200, 1),
        count("2026-11-29", PURPOSE, 1, 200, 9),
    ];
    assert!(add(&scene, "uno", 1, one).await);
    assert!(add(&scene, "uno", 2, vec![count(TODAY, PURPOSE, 1, 200, 10)]).await);
    assert!(add(&scene, "altro", 1, vec![count(TODAY, PURPOSE, 1, 200, 100), count(TODAY, PURPOSE, 1, 500, 1)]).await);
    let expected = [
        count(TODAY, PURPOSE, 1, 200, 111),
        count(TODAY, PURPOSE, 1, 404, 2),
        count(TODAY, PURPOSE, 1, 500, 1),
        count(TODAY, PURPOSE, 2, 200, 3),
        count(TODAY, OTHER, 1, 200, 4),
    ];
    assert_eq!(counted(&scene, TODAY).await, expected);
    assert_eq!(counted(&scene, "2026-11-29").await, [count("2026-11-29", PURPOSE, 1, 200, 9)]);
    assert_eq!(counted(&scene, "2026-11-28").await, []);
}

pub async fn a_batch_that_is_given_again_counts_once(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let counts = vec![count(TODAY, PURPOSE, 1, 200, 5)];
    assert!(add(&scene, "uno", 1, counts.clone()).await);
    assert!(!add(&scene, "uno", 1, counts.clone()).await, "it is not known whether the first arrived");
    drop(scene);
    database.end().await;
    let scene = Scene::open(database).await;
    assert!(!add(&scene, "uno", 1, counts.clone()).await, "nor after the server was away");
    assert!(add(&scene, "uno", 2, counts.clone()).await);
    assert!(!add(&scene, "uno", 1, counts.clone()).await, "one from before");
    assert!(add(&scene, "altro", 1, counts).await, "another process has its own numbers");
    assert_eq!(counted(&scene, TODAY).await, [count(TODAY, PURPOSE, 1, 200, 15)]);
}

pub async fn a_batch_is_written_whole_or_not_at_all(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let broken = vec![count(TODAY, PURPOSE, 1, 200, 5), count(TODAY, PURPOSE, 2, 999, 1)];
    scene.store.add_calls(batch("uno", 1, broken)).await.expect_err("there is no such status");
    assert_eq!(counted(&scene, TODAY).await, []);
    assert!(add(&scene, "uno", 1, vec![count(TODAY, PURPOSE, 1, 200, 5)]).await, "its number is free");
}

pub async fn many_counts_fit_into_a_batch(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let counts: Vec<_> =
        (0..1_000).map(|voucher| count(TODAY, PURPOSE, voucher, 200, voucher.into())).skip(1).collect();
    assert!(add(&scene, "uno", 1, counts.clone()).await);
    assert_eq!(counted(&scene, TODAY).await, counts);
}

pub async fn what_was_counted_long_ago_is_forgotten_a_part_at_a_time(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let old = (1..=5).map(|voucher| count("2026-08-01", PURPOSE, voucher, 200, 1)).collect();
    let was = CallBatch { made_on: day("2026-08-01"), ..batch("uno", 7, old) };
    assert!(scene.store.add_calls(was).await.expect("an answer"));
    assert!(add(&scene, "altro", 1, vec![count("2026-09-01", PURPOSE, 1, 200, 1)]).await);
    let first: CalendarDate = day("2026-09-01");
    let forget = async || scene.store.forget_calls(first, 3).await.expect("an answer");
    assert_eq!((forget().await, forget().await, forget().await), (3, 2, 0));
    assert_eq!(counted(&scene, "2026-08-01").await, []);
    assert_eq!(counted(&scene, "2026-09-01").await.len(), 1, "the first day that is kept");
    assert_eq!(database.number("select count(*) from call_batch").await, 1, "of a process that counts no more");
}

pub async fn calls_are_counted_since_the_database_was_made_or_the_first_count(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let since = async || scene.store.counted_since().await.expect("a day");
    let made_on = italian_day(SystemClock.now());
    let told = since().await;
    assert!(told == made_on || Some(told) == days_before(made_on, 1), "{told}: midnight may have passed meanwhile");
    let later = CallCount { day: day("2199-01-01"), ..count(TODAY, PURPOSE, 1, 200, 1) };
    assert!(add(&scene, "uno", 1, vec![later]).await);
    assert_eq!(since().await, told);
    assert!(add(&scene, "uno", 2, vec![count("2001-01-01", PURPOSE, 1, 200, 1)]).await);
    assert_eq!(since().await, day("2001-01-01"), "what was counted elsewhere, or by a clock that went wrong");
}

pub async fn counts_are_read_beside_whoever_has_the_database_open(database: &dyn Database) {
    let scene = Scene::open(database).await;
    assert!(add(&scene, "uno", 1, vec![count(TODAY, PURPOSE, 1, 200, 5)]).await);
    let read = async || database.calls_beside(day(TODAY)).await.expect("counts");
    assert_eq!(read().await, [count(TODAY, PURPOSE, 1, 200, 5)]);
    assert!(add(&scene, "uno", 2, vec![count(TODAY, PURPOSE, 1, 200, 1)]).await, "which goes on");
    drop(scene);
    database.end().await;
    assert_eq!(read().await, [count(TODAY, PURPOSE, 1, 200, 6)], "and after it has ended");
    Scene::open(database).await;
}
