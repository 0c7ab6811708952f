//! The durable queue on both databases, beside a bare batched claim and acknowledge loop in the same
//! database, and beside the stock storage of apalis on the same server; several processes against
//! one; and what it costs when there is nothing to do.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use contract_tests::bench_queue::{BARE_BATCH, OUR_SLOTS, OUR_WINDOW, Place};
use contract_tests::private_postgres::PrivatePostgres;
use raccordo::storage::postgres::bare;

use super::processes;
use super::stock::{Setting, Stock};
use super::{decimal, folder, verdict};

/// Jobs that the bare loop on `PostgreSQL` may claim at once: the best of these.
const BATCHES: [u32; 4] = [200, 500, 1_000, 2_000];
/// The stock storage as shipped is slow: it gets this part of the jobs.
const SLOW: u32 = 6;
const PICKUPS: u32 = 250;

/// The sides, in the order in which each round measures them.
const SIDES: [&str; 8] = [
    "SQLite: bare loop",
    "SQLite: ours",
    "PostgreSQL: bare loop",
    "PostgreSQL: ours",
    "PostgreSQL: stock apalis, as shipped (batch 10)",
    "PostgreSQL: stock apalis, best setting (batch 1000)",
    "PostgreSQL: ours, 1 process",
    "PostgreSQL: ours, 3 processes",
];

/// What is compared: a name, the side above, the side below, the ratio to reach in hundredths.
const BARS: [(&str, usize, usize, u64); 5] = [
    ("SQLite: ours / bare loop", 1, 0, 80),
    ("PostgreSQL: ours / bare loop", 3, 2, 80),
    ("PostgreSQL: ours / stock as shipped", 3, 4, 300),
    ("PostgreSQL: ours / stock at its best", 3, 5, 200),
    ("PostgreSQL: 3 processes / 1 process", 7, 6, 101),
];
/// Processor time with nothing to do, in hundredths of a per cent of one core.
const IDLE_BAR: u64 = 100;

pub(super) fn run(jobs: u32, rounds: u32, is_report: bool) -> Result<bool> {
    let folder = folder()?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let server = server(folder.path())?;
    runtime.block_on(say_where(folder.path(), &server))?;
    let rates = runtime.block_on(measure(folder.path(), &server, jobs, rounds))?;

    println!("\njobs/s, medians of {rounds} rounds of {jobs} no-op jobs ({} for stock as shipped):", jobs / SLOW);
    for (side, rates) in SIDES.iter().zip(&rates) {
        let each = rates.iter().fold(String::new(), |mut each, rate| {
            let _ = write!(each, " {rate:>7}");
            each
        });
        println!("  {side:<52} {:>7}   ({})", median(rates.iter().copied()), each.trim_start());
    }
    println!("\nratios, medians of the rounds:");
    let mut is_met = true;
    for (name, above, below, bar) in BARS {
        let ratio = median(rates[above].iter().zip(&rates[below]).map(|(above, below)| above * 100 / below.max(&1)));
        is_met &= ratio >= bar;
        println!("  {name:<40} {:>7}  bar {}: {}", decimal(ratio), decimal(bar), verdict(ratio >= bar));
    }
    println!("\nprocessor time of `raccordo serve` with an empty configuration and nothing to do:");
    let address = server.new_database("idle")?;
    for (name, storage) in [("SQLite", String::new()), ("PostgreSQL", format!("url = \"{address}\""))] {
        let spent = processes::idle(&folder.path().join(name), &storage)?;
        is_met &= spent < IDLE_BAR;
        println!(
            "  {name:<12} {} % of a core  bar {}: {}",
            decimal(spent),
            decimal(IDLE_BAR),
            verdict(spent < IDLE_BAR)
        );
    }
    Ok(is_met || is_report)
}

async fn measure(folder: &Path, server: &PrivatePostgres, jobs: u32, rounds: u32) -> Result<[Vec<u64>; 8]> {
    let url = server.new_database("ours")?;
    let stock_url = server.new_database("stock")?;
    let mut file = Place::on_sqlite(&folder.join("queue.db")).await;
    let mut shared = Place::on_postgres(&url).await;
    let stock = Stock::open(&stock_url).await?;

    // What is compared has run before, on tables that are no longer empty.
    let few = (jobs / 3).max(1);
    let mut best = (0, BARE_BATCH);
    for batch in BATCHES {
        best = best.max((shared.bare(few, batch).await, batch));
    }
    let (_, batch) = best;
    shared.ours(few).await;
    file.bare(few, BARE_BATCH).await;
    file.ours(few).await;
    let stock_best = if stock.run(Setting::Best, few).await? >= stock.run(Setting::BestParallel, few).await? {
        Setting::Best
    } else {
        Setting::BestParallel
    };
    println!("bare loop: batches of {BARE_BATCH} on SQLite, of {batch} on PostgreSQL, the best of {BATCHES:?}");
    println!("ours: {OUR_SLOTS} slots, window {OUR_WINDOW}; best stock setting: {stock_best:?}");

    let mut rates = [const { Vec::new() }; 8];
    for round in 1..=rounds {
        // Nobody pays for what another one has left behind.
        for url in [&url, &stock_url] {
            bare::execute(url, "vacuum analyze").await.map_err(anyhow::Error::msg)?;
            bare::execute(url, "checkpoint").await.map_err(anyhow::Error::msg)?;
        }
        rates[0].push(file.bare(jobs, BARE_BATCH).await);
        rates[1].push(file.ours(jobs).await);
        rates[2].push(shared.bare(jobs, batch).await);
        rates[3].push(shared.ours(jobs).await);
        rates[4].push(stock.run(Setting::Default, (jobs / SLOW).max(1)).await?);
        rates[5].push(stock.run(stock_best, jobs).await?);
        for (side, processes) in [(6, 1), (7, 3)] {
            shared.add(jobs).await;
            rates[side].push(processes::together(&url, processes, jobs)?);
        }
        println!("round {round} of {rounds} is done");
    }
    println!("\nfrom asking for a job to be added until it starts, with nothing else to do ({PICKUPS} jobs):");
    for (name, place) in [("SQLite", file), ("PostgreSQL", shared)] {
        let took = place.pickups(PICKUPS).await;
        let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_micros();
        println!("  {name:<12} p50 {:>6} µs   p99 {:>6} µs", at(50), at(99));
        place.close().await;
    }
    Ok(rates)
}

/// A server below this folder, on a disk, where its user may enter; elsewhere otherwise.
fn server(folder: &Path) -> Result<PrivatePostgres> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let started = PrivatePostgres::start_in(folder).or_else(|_| {
        println!("PostgreSQL's user may not enter {}: it keeps its files in the temporary folder", folder.display());
        PrivatePostgres::start()
    });
    started.context("cannot start PostgreSQL")
}

async fn say_where(folder: &Path, server: &PrivatePostgres) -> Result<()> {
    let number = |sql| async move { bare::number(&server.url(), sql).await.map_err(anyhow::Error::msg) };
    let version = number("select current_setting('server_version_num')::bigint").await?;
    let fsync = number(
        "select (current_setting('fsync') = 'on' and current_setting('synchronous_commit') = 'on')::int::bigint",
    );
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!("PostgreSQL {}.{}, fsync and synchronous_commit {}", version / 10_000, version % 10_000, on(fsync.await?));
    println!("{cores} cores; {} times a second 4 KiB appended and synced in {}", syncs(folder)?, folder.display());
    Ok(())
}

fn on(value: i64) -> &'static str {
    if value == 1 { "on" } else { "OFF" }
}

/// How often a second this disk writes and syncs a little more.
fn syncs(folder: &Path) -> Result<u32> {
    let mut file = fs::File::create(folder.join("probe"))?;
    let begun = Instant::now();
    let mut times = 0;
    while begun.elapsed() < Duration::from_secs(1) {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times += 1;
    }
    Ok(times)
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
