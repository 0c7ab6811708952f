//! The passes over two files, each in a process of its own so that time and memory are its own.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use raccordo::flow::reconcile::inventory::file::{FileInventory, FileSource};
use raccordo::flow::reconcile::inventory::partition::Collector;
use raccordo::flow::reconcile::inventory::{Comparer, Difference, Entry, Kind, Layout, Limits, Pair, RunKey};

use super::super::appalti::{self, Files};

/// What a pass says about itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    pub(super) took: Duration,
    /// Keys that differ or are on one side only.
    pub(super) found: u64,
    /// Fields that differ, where the pass says them.
    pub(super) fields: u64,
}

/// As the product does it: from two files to the fields that differ.
pub(super) fn ours(files: &Files) -> Result<Said> {
    let started = Instant::now();
    let layout = Arc::new(layout());
    let key = RunKey::new(*b"drawn each run..");
    let read =
        |path: &Path| FileInventory::read(FileSource::csv(path, "cig"), Arc::clone(&layout), key, Limits::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let (ours, theirs) = futures_util::future::try_join(read(&files.ours), read(&files.theirs)).await?;
        let hashed = started.elapsed();
        let mut comparer = Comparer::new(&ours, &theirs).await?;
        let mut list: Vec<(String, Vec<String>)> = Vec::new();
        while let Some(difference) = comparer.next().await? {
            list.push(match difference {
                Difference::Differs { ours, fields, .. } => (ours.key, fields),
                Difference::MissingThere(row, _) | Difference::MissingHere(row, _) => (row.key, Vec::new()),
                other => return Err(anyhow!("not planted: {other:?}")),
            });
        }
        let took = started.elapsed();
        eprintln!(
            "ours: {} ms to read and hash, {} ms to compare",
            hashed.as_millis(),
            took.saturating_sub(hashed).as_millis()
        );
        let fields = list.iter().map(|(_, fields)| fields.len() as u64).sum();
        Ok(Said { took, found: list.len() as u64, fields })
    })
}

fn layout() -> Layout {
    let kind = |name: &str| match name.split('_').next() {
        Some("testo") => Kind::Text,
        Some("importo") => Kind::Amount(NumberFormat::Undeclared),
        Some("data") => Kind::Date(DateFormat::Iso),
        _ => Kind::Code,
    };
    Layout::new(appalti::fields().into_iter().map(|name| {
        let kind = kind(&name);
        (name, kind)
    }))
}

/// The least that such a comparison must do: values as they stand, hashed, sorted, merged.
pub(super) fn bare(files: &Files) -> Result<Said> {
    let started = Instant::now();
    let (ours, theirs) = on_two_threads(|| raw_pairs(&files.ours), || raw_pairs(&files.theirs_as_ours))?;
    let found = merged(&ours?, &theirs?);
    Ok(Said { took: started.elapsed(), found, fields: 0 })
}

fn raw_pairs(path: &Path) -> Result<Vec<Pair>> {
    let key = RunKey::new(*b"drawn each run..");
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(256 * 1024).from_path(path)?;
    let mut record = csv::ByteRecord::new();
    let mut pairs = Vec::new();
    let mut row = Vec::with_capacity(1024);
    while reader.read_byte_record(&mut record)? {
        row.clear();
        for field in record.iter().skip(1) {
            row.extend_from_slice(field);
            row.push(0);
        }
        pairs.push(Pair { key: key.hash(&record[0]), row: key.hash(&row) });
    }
    pairs.sort_unstable();
    Ok(pairs)
}

/// How many keys of two sorted lists differ.
fn merged(ours: &[Pair], theirs: &[Pair]) -> u64 {
    let (mut n, mut m, mut found) = (0, 0, 0);
    while let (Some(mine), Some(other)) = (ours.get(n), theirs.get(m)) {
        let order = mine.key.cmp(&other.key);
        found += u64::from(order != Ordering::Equal || mine.row != other.row);
        n += usize::from(order.is_le());
        m += usize::from(order.is_ge());
    }
    found + (ours.len() - n + theirs.len() - m) as u64
}

fn on_two_threads<A: Send, B: Send>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> Result<(A, B)> {
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        Ok((one.join().map_err(|_| anyhow!("a thread ended early"))?, other))
    })
}

/// The same digests twice: through partitions, and by a bare sort and merge. Ours, then bare.
pub(super) fn digests(records: u64, differences: u64) -> Result<(Duration, Duration)> {
    let hash = |number: u64, salt: u8| RunKey::new([salt; 16]).hash(&number.to_le_bytes());
    let side = |salt| -> Vec<Pair> {
        let row = |n| if n < differences { hash(n, salt) } else { hash(n, 2) };
        (0..records).map(|n| Pair { key: hash(n, 1), row: row(n) }).collect()
    };
    let (ours, theirs) = (side(3), side(4));
    let started = Instant::now();
    let sorted = |pairs: &[Pair]| {
        let mut collector = Collector::new(Limits::default());
        pairs.iter().zip(0..).try_for_each(|(pair, place)| collector.add(Entry::new(*pair, place)))?;
        collector.finish()
    };
    let (mine, other) = on_two_threads(|| sorted(&ours), || sorted(&theirs))?;
    let (mine, other) = (super::SortedOnly(mine?), super::SortedOnly(other?));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let counts = runtime.block_on(async {
        let mut comparer = Comparer::new(&mine, &other).await?;
        while comparer.next().await?.is_some() {}
        anyhow::Ok(comparer.counts())
    })?;
    let through = started.elapsed();
    anyhow::ensure!(counts.different == differences, "{counts:?}");

    let started = Instant::now();
    let sorted = |pairs: &[Pair]| {
        let mut pairs = pairs.to_vec();
        pairs.sort_unstable();
        pairs
    };
    let (mine, other) = on_two_threads(|| sorted(&ours), || sorted(&theirs))?;
    anyhow::ensure!(merged(&mine, &other) == differences);
    Ok((through, started.elapsed()))
}

/// The greatest resident memory of this process so far.
pub(super) fn peak_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("peak memory is read on Linux only")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    line.trim().trim_end_matches("kB").trim().parse().context("VmHWM is no number")
}
