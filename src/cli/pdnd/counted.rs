//! The tracing file of a day, from the calls that were counted: read beside the daemon, which goes on.

use anyhow::Context as _;
use canonical::values::CalendarDate;
use kit::pdnd::tracing_file::{self, Row};

use crate::cli::Exit;
use crate::cli::exit::Misused;
use crate::cli::output::Output;
use crate::clock::{Clock as _, SystemClock, days_before, italian_day};
use crate::config::StorageConfig;
use crate::jobs::calls::{KEPT_DAYS, row};
use crate::node::{NodeError, Parts};

/// Where calls are counted.
pub(super) struct Counts<'a> {
    parts: &'a Parts,
    storage: &'a StorageConfig,
    /// The day in Italy.
    today: CalendarDate,
}

impl<'a> Counts<'a> {
    pub(super) fn of(parts: &'a Parts, storage: &'a StorageConfig) -> Self {
        Self { parts, storage, today: italian_day(SystemClock.now()) }
    }

    /// The day that is meant where none is named: the last that is over.
    pub(super) fn usual_day(&self) -> anyhow::Result<CalendarDate> {
        days_before(self.today, 1).context("there is no day before this one")
    }

    /// The file of a day that is over: the platform wants the whole of it.
    pub(super) async fn file(&self, day: CalendarDate) -> anyhow::Result<String> {
        if day >= self.today {
            let problem = format!("{day} is not over in Italy: its calls are still being counted; send it tomorrow");
            return Err(Misused(problem).into());
        }
        Ok(tracing_file::of_day(day, &self.rows(day).await?))
    }

    /// Prints the file of a day, or what is counted of it so far.
    pub(super) async fn show(&self, day: CalendarDate, output: &Output) -> anyhow::Result<Exit> {
        let rows = self.rows(day).await?;
        if day >= self.today {
            output.note(output.words.day_not_over);
        }
        if output.is_json() {
            let told = |row: &Row| {
                serde_json::json!({
                    "purpose_id": row.purpose_id,
                    "status": row.status,
                    "token_id": row.token_id,
                    "requests_count": row.requests,
                })
            };
            output.json(&serde_json::json!({ "date": day, "rows": rows.iter().map(told).collect::<Vec<_>>() }));
        } else {
            output.copy(&mut tracing_file::of_day(day, &rows).as_bytes());
        }
        Ok(Exit::Done)
    }

    async fn rows(&self, day: CalendarDate) -> anyhow::Result<Vec<Row>> {
        if days_before(self.today, KEPT_DAYS).is_some_and(|first| day < first) {
            let problem = format!("{day} is too long ago: what was counted is kept for {KEPT_DAYS} days");
            return Err(Misused(problem).into());
        }
        let counts = (self.parts.calls_of)(self.storage.clone(), day).await;
        let counts = counts.map_err(NodeError::Storage).context(format!("reading the calls counted of {day}"))?;
        Ok(counts.into_iter().map(row).collect())
    }
}
