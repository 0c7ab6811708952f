//! The durable queue, beside a bare batched claim and acknowledge loop on the same database file.

use anyhow::{Context, Result};
use contract_tests::bench_queue;

use super::{decimal, folder, verdict};

/// Our throughput must be at least this part of the bare one, in per cent.
const BAR: u64 = 80;

pub(super) fn run(jobs: u32) -> Result<bool> {
    let folder = folder()?;
    println!("{jobs} jobs a side and round, SQLite in {}", folder.path().display());
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let measured = runtime.block_on(bench_queue::run(folder.path(), jobs));

    let is_met = measured.ratio_percent >= BAR;
    println!("bare {} jobs/s, ours {} jobs/s, medians of the rounds", measured.bare_per_s, measured.ours_per_s);
    println!(
        "ratio, median of the rounds: {} (bar {}): {}",
        decimal(measured.ratio_percent),
        decimal(BAR),
        verdict(is_met)
    );
    Ok(is_met)
}
