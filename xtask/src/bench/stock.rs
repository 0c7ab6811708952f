//! The stock storage of apalis for `PostgreSQL`, measured beside ours and used nowhere else.
//!
//! A measurement ends when the last job has run, which favours it: its last acknowledgements are
//! written later, when the worker stops.

use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use apalis::prelude::{BoxDynError, Data, ParallelizeExt as _, TaskSink as _, WorkerBuilder, WorkerContext};
use apalis_postgres::{Config, PgPool, PostgresStorage};
use contract_tests::bench_queue::per_second;
use futures_util::future::{Either, select};

const ADDED_AT_ONCE: u32 = 5_000;
/// Longer than any measurement: jobs that nobody fetches any more.
const PATIENCE: Duration = Duration::from_mins(5);

/// How it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// As shipped: batches of ten, every start is written down.
    Default,
    /// Batches of a thousand, starts are not written down.
    Best,
    /// The same, every handler on a task of its own.
    BestParallel,
}

pub(super) struct Stock {
    pool: PgPool,
    workers: AtomicU32,
}

impl Stock {
    /// In an empty database.
    pub(super) async fn open(url: &str) -> Result<Self> {
        let pool = PgPool::connect(url).await.context("cannot connect")?;
        PostgresStorage::<()>::setup(&pool).await.context("cannot set up the stock storage")?;
        Ok(Self { pool, workers: AtomicU32::new(0) })
    }

    /// Jobs per second.
    pub(super) async fn run(&self, setting: Setting, jobs: u32) -> Result<u64> {
        let config = Config::default().queue("bench");
        let config = match setting {
            Setting::Default => config,
            Setting::Best | Setting::BestParallel => config.batch_size(1_000).lock_tasks(false),
        };
        let mut storage = PostgresStorage::<u32>::new(&self.pool).with_config(config);
        let mut added = 0;
        while added < jobs {
            let until = (added + ADDED_AT_ONCE).min(jobs);
            storage.push_bulk((added..until).collect()).await.context("cannot add jobs")?;
            added = until;
        }
        // A moment in its ordering is a whole second, and what is added now is not due now.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let done = Arc::new(AtomicU32::new(0));
        let name = format!("worker-{}", self.workers.fetch_add(1, Ordering::Relaxed));
        let context = WorkerContext::new(&name);
        let builder = WorkerBuilder::new(&context).backend(storage).data(Arc::clone(&done));
        if setting == Setting::BestParallel {
            let worker = builder.parallelize(tokio::spawn).build(count);
            drive(worker.run(), &context, &done, jobs).await
        } else {
            let worker = builder.build(count);
            drive(worker.run(), &context, &done, jobs).await
        }
    }
}

/// Runs a worker until it has run so many jobs.
async fn drive<E: Display>(
    run: impl Future<Output = Result<(), E>>,
    context: &WorkerContext,
    done: &AtomicU32,
    jobs: u32,
) -> Result<u64> {
    let begun = Instant::now();
    let all_done = async {
        while done.load(Ordering::Relaxed) < jobs && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        begun.elapsed()
    };
    match select(pin!(run), pin!(all_done)).await {
        Either::Left((ended, _)) => {
            bail!("the worker ended by itself: {}", ended.err().map_or_else(String::new, |error| error.to_string()))
        }
        Either::Right((took, run)) => {
            let ran = done.load(Ordering::Relaxed);
            ensure!(ran == jobs, "the stock storage ran {ran} jobs of {jobs}, and no more");
            context.stop().context("the worker does not stop")?;
            run.await.map_err(|error| anyhow!("the worker did not end well: {error}"))?;
            Ok(per_second(jobs, took))
        }
    }
}

async fn count(_: u32, done: Data<Arc<AtomicU32>>) -> Result<(), BoxDynError> {
    done.fetch_add(1, Ordering::Relaxed);
    Ok(())
}
