//! Comparisons that are configured no more: what stands of them ends, and nothing that people decided is lost.

use raccordo::clock::italian_day;
use raccordo::discrepancy::State;
use raccordo::storage::work_items::{Act, SILENCE};
use raccordo::storage::{Chosen, EventKind, ItemFilter};

use super::work_items::{begin, by, complete, explained, found, kinds, run, standing};
use super::{Database, Scene};
use crate::records::at;

const DAY: i64 = 86_400;

/// Closes what is not of these comparisons, and how many of `hub`.
async fn retire(scene: &Scene, configured: &[&str], seconds: i64) -> Option<u64> {
    let configured: Vec<_> = configured.iter().map(|name| (*name).to_owned()).collect();
    let retired = scene.store.retire_all_but(&configured, at(seconds), at(seconds)).await.expect("retired");
    retired.get("hub").copied()
}

async fn states(scene: &Scene) -> Vec<State> {
    standing(scene).await.into_iter().map(|(_, state)| state).collect()
}

pub async fn what_is_compared_no_more_ends_and_comes_back_as_it_was(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let all = [found(1, "90.00"), explained(2), found(3, "90.00"), found(4, "90.00")];
    run(&scene, 1, &all, &complete()).await;
    let until = Some(italian_day(at(9 * DAY)));
    let decide = async |act, id| {
        let decided = scene.store.decide(&by("Anna", act), &Chosen::Ids(vec![id]), at(2)).await.expect("decided");
        assert_eq!(decided.changed, [id]);
    };
    decide(Act::Assign { office: "gare".to_owned() }, 1).await;
    decide(Act::Escalate, 1).await;
    decide(Act::Accept { until }, 3).await;
    decide(Act::RequestRepair, 4).await;
    let before = scene.store.items(&ItemFilter::default(), None, 10).await.expect("a list");

    assert_eq!(retire(&scene, &["hub", "fonti"], 10).await, None, "what is configured stays");
    assert_eq!(retire(&scene, &["fonti"], 11).await, Some(4));
    assert_eq!(retire(&scene, &["fonti"], 12).await, None, "it ends once");
    assert_eq!(states(&scene).await, [State::Closed, State::Closed, State::Closed, State::Closed]);
    assert_eq!(kinds(&scene, 2).await.last(), Some(&EventKind::Retired), "nobody says that the sides agree");
    let last = scene.store.runs(Some("hub"), 1).await.expect("runs").remove(0);
    assert!(last.is_retirement() && last.finished_at == Some(at(11)) && last.open == 0, "{last:?}");
    let overview = scene.store.overview().await.expect("an overview");
    assert!(overview.reconciliations[0].complete, "what was compared is told as it was");
    let late = scene.store.decide(&by("Anna", Act::Escalate), &Chosen::Ids(vec![1]), at(13)).await.expect("decided");
    assert!(late.changed.is_empty(), "nobody must act: {late:?}");

    // The name is back: the run that begins finds everything as it was, whatever it sees itself.
    let scene = scene.restart(database).await;
    let again = begin(&scene, 60).await;
    let after = scene.store.items(&ItemFilter::default(), None, 10).await.expect("a list");
    assert_eq!(after, before, "state, office, escalation and day are those of before");
    assert_eq!(kinds(&scene, 3).await.last(), Some(&EventKind::Restored));
    let to_approve = ItemFilter { to_approve: true, ..ItemFilter::default() };
    assert_eq!(scene.store.count_items(&to_approve).await.expect("a count"), 1, "what was asked for waits on");
    let changes = scene.store.note_discrepancies(&again, &all[..3], "", at(61)).await.expect("noted");
    assert_eq!((changes.opened, changes.reopened, changes.changed), (0, 0, 0), "nothing of it is news");
    let summary = scene.store.finish_comparison(&again, &complete(), at(61)).await.expect("it ends");
    assert_eq!((summary.open, summary.explained, summary.accepted, summary.changes.closed), (1, 1, 1, 1));
    assert_eq!(kinds(&scene, 4).await.last(), Some(&EventKind::Closed), "now the sides agree");
    // Days on which nobody had to act are not counted: it was opened at 1, and away from 11 to 60.
    let count = async |seconds| {
        let filter = ItemFilter {
            opened_before: Some(at(seconds)),
            ..ItemFilter::from_query("state=open", &[]).expect("a filter")
        };
        scene.store.count_items(&filter).await.expect("a count")
    };
    assert_eq!((count(50).await, count(51).await), (0, 1));
    // What ended because the sides agree does not come back with the name.
    assert_eq!(retire(&scene, &[], 70).await, Some(3));
    begin(&scene, 71).await;
    assert_eq!(states(&scene).await.into_iter().filter(|state| *state == State::Closed).count(), 1);
    assert_eq!(database.audit().await.1, None, "the chain stands");
    assert_eq!(database.number("select count(*) from audit where kind = 'comparison_retired'").await, 2);
}

pub async fn a_run_that_was_killed_before_its_name_went_away_is_not_taken_up(database: &dyn Database) {
    let scene = Scene::open(database).await;
    run(&scene, 1, &[found(1, "90.00")], &complete()).await;
    let killed = begin(&scene, 10).await;
    scene.store.note_discrepancies(&killed, &[found(2, "90.00")], "half", at(11)).await.expect("noted");
    let scene = scene.restart(database).await;
    let later = 12 + i64::try_from(SILENCE.as_secs()).expect("seconds");
    assert_eq!(retire(&scene, &[], later).await, Some(2));
    let anew = begin(&scene, later + 1).await;
    assert!(anew.id.0 > killed.id.0 + 1 && anew.progress.is_none(), "{anew:?}");
    assert_eq!(states(&scene).await, [State::Open, State::Open]);
}

pub async fn a_comparison_that_is_under_way_is_not_retired(database: &dyn Database) {
    let scene = Scene::open(database).await;
    run(&scene, 1, &[found(1, "90.00")], &complete()).await;
    // Another process, with the configuration of before.
    let other = begin(&scene, 10).await;
    assert_eq!(retire(&scene, &[], 11).await, None);
    scene.store.finish_comparison(&other, &complete(), at(12)).await.expect("it ends in peace");
    run(&scene, 13, &[found(1, "90.00")], &complete()).await;
    assert_eq!(retire(&scene, &[], 14).await, Some(1));
}

pub async fn many_work_items_end_and_come_back(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let all: Vec<_> = (0..2_500).map(|number| found(number, "90.00")).collect();
    run(&scene, 1, &all, &complete()).await;
    assert_eq!(retire(&scene, &[], 10).await, Some(2_500));
    assert_eq!(scene.store.count_items(&ItemFilter::default()).await.expect("a count"), 0);
    begin(&scene, 20).await;
    assert_eq!(scene.store.count_items(&ItemFilter::default()).await.expect("a count"), 2_500);
}
