//! L190 to canonical, beside a bare event pass: time as a ratio, memory as a ceiling.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use file_drop::{Counts, Inspection};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::{Side, decimal, folder, l190, verdict};

/// Our speed must be at least this part of the bare one, in per cent.
const BAR: u64 = 50;
/// Our memory must stay under this, whatever the size of the file.
const MEMORY_KIB: u64 = 64 * 1024;
/// Both sides read through a buffer of this size.
const BUFFER: usize = 64 * 1024;

pub(super) fn run(size_mb: u64, pairs: u32) -> Result<bool> {
    let folder = folder()?;
    let path = folder.path().join("l190.xml");
    println!("writing an L190 file of {size_mb} MB in {}", folder.path().display());
    let file = File::create(&path).context("cannot create the file")?;
    let lots = l190::write(BufWriter::new(file), size_mb * 1_000_000).context("cannot write the file")?;
    let bytes = fs::metadata(&path)?.len();
    println!("{bytes} bytes, {lots} lots\n");

    let mut ratios = Vec::new();
    let mut peak = 0;
    for pair in 1..=pairs {
        let bare = measured(Side::Bare, &path)?;
        let ours = measured(Side::Ours, &path)?;
        ensure!(
            ours.counted == lots,
            "read {} of {lots} lots: a fast reader that loses lots is no reader",
            ours.counted
        );
        let ratio = percent(bare.took, ours.took);
        println!("pair {pair}: bare {}; ours {}; ours ÷ bare {}", bare.said(bytes), ours.said(bytes), decimal(ratio));
        ratios.push(ratio);
        peak = peak.max(ours.peak_kib);
    }

    ratios.sort_unstable();
    let median = ratios[ratios.len() / 2];
    let (is_fast, is_small) = (median >= BAR, peak < MEMORY_KIB);
    println!("\nratio, median of {pairs}: {} (bar {}): {}", decimal(median), decimal(BAR), verdict(is_fast));
    println!("memory, greatest of {pairs}: {peak} KiB (bar {MEMORY_KIB} KiB): {}", verdict(is_small));
    Ok(is_fast && is_small)
}

/// What a pass says about itself, on one line of its output.
struct Pass {
    took: Duration,
    counted: u64,
    peak_kib: u64,
}

impl Pass {
    fn said(&self, bytes: u64) -> String {
        format!("{} MB/s in {} KiB", u128::from(bytes) / self.took.as_micros().max(1), self.peak_kib)
    }
}

/// Runs one pass in a process of its own.
fn measured(side: Side, path: &Path) -> Result<Pass> {
    let name = match side {
        Side::Bare => "bare",
        Side::Ours => "ours",
    };
    let program = std::env::current_exe().context("cannot find this program")?;
    let output = std::process::Command::new(program).args(["bench", "xml-pass", name]).arg(path).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [micros, counted, peak_kib] if output.status.success() => {
            Ok(Pass { took: Duration::from_micros(micros), counted, peak_kib })
        }
        _ => bail!("the {name} pass failed: {said}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// One pass, as the process of its own: microseconds, how many things were counted, peak memory.
pub(super) fn pass(side: Side, path: &Path) -> Result<bool> {
    let started = Instant::now();
    let file = BufReader::with_capacity(BUFFER, File::open(path).context("cannot open the file")?);
    let counted = match side {
        Side::Bare => events(file)?,
        Side::Ours => lotti(&file_drop::inspect(file, "l190.xml"))?,
    };
    println!("{} {counted} {}", started.elapsed().as_micros(), peak_kib()?);
    Ok(true)
}

fn events(file: BufReader<File>) -> Result<u64> {
    let mut reader = Reader::from_reader(file);
    let mut buffer = Vec::new();
    let mut events = 0;
    loop {
        match reader.read_event_into(&mut buffer)? {
            Event::Eof => return Ok(events),
            _ => events += 1,
        }
        buffer.clear();
    }
}

fn lotti(inspection: &Inspection) -> Result<u64> {
    match &inspection.counts {
        Counts::Lotti(counts) if inspection.refused.is_none() => Ok(counts.lotti),
        _ => bail!("the file was refused: {:?}", inspection.refused),
    }
}

/// The greatest resident memory of this process so far.
fn peak_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("peak memory is read on Linux only")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    line.trim().trim_end_matches("kB").trim().parse().context("VmHWM is no number")
}

fn percent(bare: Duration, ours: Duration) -> u64 {
    u64::try_from(bare.as_micros() * 100 / ours.as_micros().max(1)).unwrap_or(u64::MAX)
}
