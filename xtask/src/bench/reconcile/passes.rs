//! The passes over two files, each in a process of its own so that time and memory are its own.

use std::cmp::Ordering;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use raccordo::flow::reconcile::inventory::file::{FileInventory, FileSource};
use raccordo::flow::reconcile::inventory::partition::Collector;
use raccordo::flow::reconcile::inventory::{Comparer, Difference, Entry, Kind, Layout, Limits, Pair, RunKey};

use super::super::appalti::{self, Files};

/// The product draws one for each run.
static KEY: LazyLock<RunKey> = LazyLock::new(|| RunKey::new(*b"drawn each run.."));

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
    let read =
        |path: &Path| FileInventory::read(FileSource::csv(path, "cig"), Arc::clone(&layout), *KEY, Limits::default());
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

/// The least that can tell two files of lines apart: every line under the same hash, sorted, merged.
/// A line is the bytes up to a line feed and its key those up to a comma: no fields, no quotes, no
/// UTF-8, no normalisation, and no word about what differs.
pub(super) fn lines(files: &Files) -> Result<Said> {
    bare(files, |path| {
        let mut file = File::open(path)?;
        let (mut block, mut pairs, mut is_header) = (Vec::new(), Vec::new(), true);
        while (&mut file).take(512 * 1024).read_to_end(&mut block)? > 0 {
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', &block) {
                let line = &block[start..end];
                start = end + 1;
                if !std::mem::take(&mut is_header) {
                    let comma = memchr::memchr(b',', line).context("a line without a comma")?;
                    pairs.push(Pair { key: KEY.hash(&line[..comma]), row: KEY.hash(&line[comma..]) });
                }
            }
            block.drain(..start);
        }
        Ok(pairs)
    })
}

/// The same for records: cut into fields by the usual library, values as they stand, hashed, sorted,
/// merged.
pub(super) fn fields(files: &Files) -> Result<Said> {
    bare(files, |path| {
        let mut reader = csv::ReaderBuilder::new().buffer_capacity(512 * 1024).from_path(path)?;
        let (mut record, mut pairs, mut row) = (csv::ByteRecord::new(), Vec::new(), Vec::with_capacity(1024));
        while reader.read_byte_record(&mut record)? {
            row.clear();
            for field in record.iter().skip(1) {
                row.extend_from_slice(field);
                row.push(0);
            }
            pairs.push(Pair { key: KEY.hash(&record[0]), row: KEY.hash(&row) });
        }
        Ok(pairs)
    })
}

fn bare(files: &Files, pairs: impl Fn(&Path) -> Result<Vec<Pair>> + Sync) -> Result<Said> {
    let started = Instant::now();
    let sorted = |path: &Path| {
        pairs(path).map(|mut pairs| {
            pairs.sort_unstable();
            pairs
        })
    };
    let (ours, theirs) = on_two_threads(|| sorted(&files.ours), || sorted(&files.theirs_as_ours))?;
    let found = merged(&ours?, &theirs?);
    Ok(Said { took: started.elapsed(), found, fields: 0 })
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

/// What the processor spent on this process so far, for itself and in the kernel.
pub(super) fn processor_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("processor time is read on Linux only")?;
    // The name of the program stands in brackets and may hold anything.
    let (_, numbers) = stat.rsplit_once(')').context("no name in the status")?;
    let ticks: Vec<u64> = numbers.split_whitespace().skip(11).take(2).filter_map(|word| word.parse().ok()).collect();
    // A tick is a hundredth of a second wherever Linux shows one to programs.
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}
