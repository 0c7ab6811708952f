//! Discrepancies as work. Runs write in `notes`, people decide in `decided`, both read in `lists`.

/// The last run of every comparison: what is new is new in one of these.
macro_rules! last_runs {
    () => {
        "(select max(id) from comparison_run group by comparison)"
    };
}

macro_rules! item_columns {
    (@names) => {
        "d.id, d.comparison, d.unit_key, d.row_key, d.field, d.rule, d.severity, d.shape, d.against, d.cause,
                d.sides, d.at_stake, d.body, d.deadline, d.act, d.state, d.accepted_until, d.first_seen, d.last_seen,
                d.changed_at, d.reopened, d.office, d.escalated_at"
    };
    () => {
        concat!("select ", item_columns!(@names), " from discrepancy d")
    };
}

pub(super) mod notes;
mod endings;
mod retired;
mod filtered;
pub(super) mod lists;
mod decided;
mod repairs;
mod persons;

use std::collections::BTreeMap;

use async_trait::async_trait;
use canonical::values::UtcInstant;
use futures_util::FutureExt as _;

use super::SqlStore;
use super::trouble::Trouble;
use crate::clock::after;
use crate::discrepancy::{Discrepancy, Group, WorkItem};
use crate::storage::work_items::SILENCE;
use crate::storage::{
    BegunRepair, Changes, Chosen, ComparisonRun, DecidedItems, Decision, ItemEvent, ItemFilter, Person, RunResult,
    RunSummary, SignOff, StorageError, Turns as _, WorkItems,
};

#[async_trait]
impl WorkItems for SqlStore {
    async fn begin_comparison(&self, comparison: &str, at: UtcInstant) -> Result<ComparisonRun, StorageError> {
        let Some(turn) = self.take_turn(&turn_of(comparison), at, after(at, SILENCE)).await? else {
            return Err(StorageError::Refused {
                problem: format!("a comparison of {comparison} is under way, or was killed less than a minute ago"),
            });
        };
        let restored = || {
            let (comparison, turn) = (comparison.to_owned(), turn.clone());
            self.write("restore a comparison", move |desk| retired::restore(desk, comparison, turn, at).boxed())
        };
        while restored().await?.is_some() {}
        let comparison = comparison.to_owned();
        self.write("begin a comparison", move |desk| notes::begin(desk, comparison, turn, at).boxed()).await
    }

    async fn note_discrepancies(
        &self,
        run: &ComparisonRun,
        found: &[Discrepancy],
        progress: &str,
        at: UtcInstant,
    ) -> Result<Changes, StorageError> {
        // Outside of the transaction that writes: the turn is a row that others wait for.
        if !self.hold_turn(&run.turn, at, after(at, SILENCE)).await? {
            return Err(lost(run));
        }
        let (run, found, progress) = (run.clone(), found.to_vec(), progress.to_owned());
        self.write("note discrepancies", move |desk| notes::note(desk, run, found, progress, at).boxed()).await
    }

    async fn keep_units(&self, run: &ComparisonRun, units: &[String], at: UtcInstant) -> Result<(), StorageError> {
        if !self.hold_turn(&run.turn, at, after(at, SILENCE)).await? {
            return Err(lost(run));
        }
        let (run, units) = (run.clone(), units.to_vec());
        self.write("keep what is known of units", move |desk| notes::keep(desk, run, units).boxed()).await
    }

    async fn rest_on(&self, run: &ComparisonRun, evidence: &str, at: UtcInstant) -> Result<(), StorageError> {
        if !self.hold_turn(&run.turn, at, after(at, SILENCE)).await? {
            return Err(lost(run));
        }
        let (run, evidence) = (run.clone(), evidence.to_owned());
        self.write("say on which list a run rests", move |desk| notes::rest_on(desk, run, evidence).boxed()).await
    }

    async fn finish_comparison(
        &self,
        run: &ComparisonRun,
        result: &RunResult,
        at: UtcInstant,
    ) -> Result<RunSummary, StorageError> {
        if !self.hold_turn(&run.turn, at, after(at, SILENCE)).await? {
            return Err(lost(run));
        }
        if result.incomplete_because.is_none() {
            // Step by step: whoever else writes need not wait for all of it. Killed in between, the
            // run is taken up at its end.
            let noted = || {
                let run = run.clone();
                self.write("note what is missing", move |desk| notes::note_held_back(desk, run, at).boxed())
            };
            while noted().await?.is_some() {}
            let closed = || {
                let run = run.clone();
                self.write("close what was not seen", move |desk| endings::close_unseen(desk, run, at).boxed())
            };
            while closed().await?.is_some() {}
        }
        let turn = run.turn.clone();
        let (run, result) = (run.clone(), result.clone());
        let summary =
            self.write("end a comparison", move |desk| endings::finish(desk, run, result, at).boxed()).await?;
        self.hold_turn(&turn, at, at).await?;
        Ok(summary)
    }

    async fn retire_all_but(
        &self,
        configured: &[String],
        silent_since: UtcInstant,
        at: UtcInstant,
    ) -> Result<BTreeMap<String, u64>, StorageError> {
        let strays = async { retired::strays(&mut self.readers.acquire().await?, configured, silent_since).await };
        let strays = strays.await.map_err(|trouble: Trouble| trouble.during("look for retired comparisons"))?;
        let mut ended = BTreeMap::new();
        for comparison in strays {
            let Some(turn) = self.take_turn(&turn_of(&comparison), at, after(at, SILENCE)).await? else { continue };
            let begun = (comparison.clone(), turn.clone());
            let run = self
                .write("retire a comparison", move |desk| retired::begin(desk, begun.0, begun.1, at).boxed())
                .await?;
            let closed = || {
                let run = run.clone();
                self.write("close what is compared no more", move |desk| retired::close(desk, run, at).boxed())
            };
            let mut count = 0;
            while let Some(closed) = closed().await? {
                count += closed;
                // Whoever compares it again has the turn, and what is left to be ended is his.
                if !self.hold_turn(&turn, at, after(at, SILENCE)).await? {
                    break;
                }
            }
            self.hold_turn(&turn, at, at).await?;
            ended.insert(comparison, count);
        }
        Ok(ended)
    }

    async fn groups(&self, filter: &ItemFilter) -> Result<Vec<Group>, StorageError> {
        let groups = async { lists::groups(&mut self.readers.acquire().await?, filter).await };
        groups.await.map_err(|trouble: Trouble| trouble.during("group the work items"))
    }

    async fn items(&self, filter: &ItemFilter, after: Option<i64>, limit: u32) -> Result<Vec<WorkItem>, StorageError> {
        let items = async { lists::items(&mut self.readers.acquire().await?, filter, after, limit).await };
        items.await.map_err(|trouble: Trouble| trouble.during("list the work items"))
    }

    async fn count_items(&self, filter: &ItemFilter) -> Result<u64, StorageError> {
        let counted = async { lists::count_items(&mut self.readers.acquire().await?, filter).await };
        counted.await.map_err(|trouble: Trouble| trouble.during("count the work items"))
    }

    async fn item(&self, id: i64) -> Result<Option<WorkItem>, StorageError> {
        let item = async { lists::item(&mut self.readers.acquire().await?, id).await };
        item.await.map_err(|trouble: Trouble| trouble.during("read a work item"))
    }

    async fn item_history(&self, id: i64) -> Result<Vec<ItemEvent>, StorageError> {
        let history = async { lists::history(&mut self.readers.acquire().await?, id).await };
        history.await.map_err(|trouble: Trouble| trouble.during("read what happened to a work item"))
    }

    async fn decide(&self, decision: &Decision, about: &Chosen, at: UtcInstant) -> Result<DecidedItems, StorageError> {
        let (decision, about) = (decision.clone(), about.clone());
        self.write("decide about work items", move |desk| decided::decide(desk, decision, about, at).boxed()).await
    }

    async fn begun_repairs(&self, after: Option<i64>, limit: u32) -> Result<Vec<BegunRepair>, StorageError> {
        let begun = async { repairs::begun(&mut self.readers.acquire().await?, after, limit).await };
        begun.await.map_err(|trouble: Trouble| trouble.during("list the repairs that were begun"))
    }

    async fn end_repairs(&self, items: &[i64], outcome: &str, at: UtcInstant) -> Result<(), StorageError> {
        let (items, outcome) = (items.to_vec(), outcome.to_owned());
        self.write("end repairs", move |desk| repairs::end(desk, items, outcome, at).boxed()).await
    }

    async fn runs(&self, comparison: Option<&str>, limit: u32) -> Result<Vec<RunSummary>, StorageError> {
        let runs = async { lists::runs(&mut self.readers.acquire().await?, comparison, limit).await };
        runs.await.map_err(|trouble: Trouble| trouble.during("list the comparisons"))
    }

    async fn sign_off(&self, period: &str, by: &Person, at: UtcInstant) -> Result<SignOff, StorageError> {
        let (period, by) = (period.to_owned(), by.clone());
        self.write("sign a period off", move |desk| decided::sign_off(desk, period, by, at).boxed()).await
    }

    async fn sign_offs(&self, limit: u32) -> Result<Vec<SignOff>, StorageError> {
        let signed = async { lists::sign_offs(&mut self.readers.acquire().await?, limit).await };
        signed.await.map_err(|trouble: Trouble| trouble.during("list what was signed off"))
    }
}

fn turn_of(comparison: &str) -> String {
    format!("comparison/{comparison}")
}

fn lost(run: &ComparisonRun) -> StorageError {
    StorageError::Refused {
        problem: format!("the comparison of {} fell silent and another took its turn", run.comparison),
    }
}
