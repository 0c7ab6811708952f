//! Two files of a million records against each other: ours, with normalisation and the fields that
//! differ, beside the least such a comparison must do, and beside tools that do the like. Then two
//! nodes with ten differences in a million.
//!
//! Everything but ours is given values that are normalised already, which spares it the work, and
//! reladiff is not charged for loading its tables.

mod nodes;
mod passes;
mod tools;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use raccordo::flow::reconcile::inventory::partition::Sorted;
use raccordo::flow::reconcile::inventory::{Completeness, Entry, Inventory, InventoryError, Summary};

use self::tools::Measured;
use super::appalti::{self, Files, Planted};
use super::{ReconcileSide, decimal, folder, verdict};

const MOST_SECONDS: Duration = Duration::from_secs(5);
const MOST_KIB: u64 = 256 * 1024;
/// Ours beside the bare pass, in hundredths.
const MOST_OF_BARE: u64 = 300;

/// What is printed, line by line, and whether every bar is met.
struct Bars(bool);

impl Bars {
    fn bar(&mut self, name: &str, measured: &str, bar: &str, is_met: bool) {
        self.0 &= is_met;
        println!("  {name:<48} {measured:>12}  bar {bar}: {}", verdict(is_met));
    }

    fn ratio(&mut self, name: &str, above: Duration, below: Duration, most: u64) {
        let ratio = hundredths(above, below);
        self.bar(name, &decimal(ratio), &decimal(most), ratio <= most);
    }
}

pub(super) fn run(records: u64, differences: u64, rounds: u32) -> Result<bool> {
    let folder = folder()?;
    let files = Files::under(folder.path());
    let planted = Planted::of(differences);
    ensure!(records > differences, "there must be more records than differences");
    println!("writing two files of {records} records, with {differences} differences: {planted:?}");
    appalti::write(&files, records, &planted).context("cannot write the files")?;

    let (mut ours, mut fields, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    let mut duckdb: Result<Vec<Measured>> = Ok(Vec::new());
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        ours.push(own(ReconcileSide::Ours, folder.path())?);
        fields.push(own(ReconcileSide::Fields, folder.path())?);
        lines.push(own(ReconcileSide::Lines, folder.path())?);
        if let Ok(measured) = &mut duckdb {
            match tools::duckdb(&files, folder.path()) {
                Ok(one) => measured.push(one),
                Err(error) => duckdb = Err(error),
            }
        }
    }
    let (ours, fields, lines) = (median(ours)?, median(fields)?, median(lines)?);
    let duckdb = duckdb.and_then(median);
    let reladiff = tools::reladiff(&files, folder.path());
    let (through, merged) = passes::digests(records, differences)?;

    println!("\n  {:<48} {:>9} {:>11} {:>11}  found", "", "time", "processor", "memory");
    let all = [("ours, with normalisation", Some(&ours)), ("bare: fields, hashed, sorted, merged", Some(&fields))];
    let rest =
        [("bare: lines, hashed, sorted, merged", Some(&lines)), ("DuckDB, full outer join", duckdb.as_ref().ok())];
    for (name, measured) in all.into_iter().chain(rest).chain([("reladiff on DuckDB", reladiff.as_ref().ok())]) {
        let Some(measured) = measured else { continue };
        println!("  {name:<48} {measured}");
        ensure!(measured.found == differences, "{name} found {} differences of {differences}", measured.found);
    }
    ensure!(ours.fields == planted.changed, "{} fields differ, not {}", ours.fields, planted.changed);

    println!("\nfrom two files to the fields that differ:");
    let mut bars = Bars(true);
    bars.bar("time", &format!("{} ms", ours.took.as_millis()), "5000 ms", ours.took <= MOST_SECONDS);
    bars.bar("memory", &format!("{} KiB", ours.peak_kib), "262144 KiB", ours.peak_kib <= MOST_KIB);
    bars.ratio("partitions / bare merge, same digests", through, merged, MOST_OF_BARE);
    bars.ratio("ours / bare fields", ours.took, fields.took, MOST_OF_BARE);
    println!("  {:<48} {:>12}  no bar", "ours / bare lines", decimal(hundredths(ours.took, lines.took)));
    for (name, tool) in [("DuckDB", duckdb), ("reladiff", reladiff)] {
        match tool {
            Ok(tool) => bars.ratio(&format!("ours / {name}"), ours.took, tool.took, 99),
            Err(error) => bars.bar(name, "NOT MEASURED", &format!("{error:#}"), false),
        }
    }
    nodes::measure(&mut bars)?;
    Ok(bars.0)
}

/// One pass, as the process of its own.
pub(super) fn pass(pass: ReconcileSide, folder: &Path) -> Result<bool> {
    let files = Files::under(folder);
    let said = match pass {
        ReconcileSide::Ours => passes::ours(&files)?,
        ReconcileSide::Fields => passes::fields(&files)?,
        ReconcileSide::Lines => passes::lines(&files)?,
    };
    let spent = passes::processor_time()?;
    println!("{} {} {} {} {}", said.took.as_micros(), spent.as_micros(), said.found, said.fields, passes::peak_kib()?);
    Ok(true)
}

fn own(pass: ReconcileSide, folder: &Path) -> Result<Measured> {
    let name = match pass {
        ReconcileSide::Ours => "ours",
        ReconcileSide::Fields => "fields",
        ReconcileSide::Lines => "lines",
    };
    let program = std::env::current_exe().context("cannot find this program")?;
    tools::measured(Command::new(program).args(["bench", "reconcile-pass", name]).arg(folder))
}

fn median(mut measured: Vec<Measured>) -> Result<Measured> {
    measured.sort_by_key(|measured| measured.took);
    let middle = measured.len() / 2;
    measured.into_iter().nth(middle).context("nothing was measured")
}

fn hundredths(above: Duration, below: Duration) -> u64 {
    u64::try_from(above.as_micros() * 100 / below.as_micros().max(1)).unwrap_or(u64::MAX)
}

/// Digests without records.
struct SortedOnly(Sorted);

#[async_trait]
impl Inventory for SortedOnly {
    async fn partitions(&self) -> Result<Vec<Summary>, InventoryError> {
        Ok(self.0.summaries().to_vec())
    }

    async fn pairs(&self, partition: usize) -> Result<Vec<Entry>, InventoryError> {
        Ok(self.0.entries(partition)?)
    }

    async fn records(&self, entries: &[Entry]) -> Result<Vec<Option<contract::Row>>, InventoryError> {
        Ok(vec![None; entries.len()])
    }

    fn completeness(&self) -> Completeness {
        Completeness::Complete
    }
}
