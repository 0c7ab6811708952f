//! Two files of a million records against each other: ours, with normalisation and the fields that
//! differ, beside the least such a comparison must do, and beside tools that do the like.
//!
//! The tools are given values that are normalised already, which spares them the work, and reladiff
//! is not charged for loading its tables. They come from the Python registry into an environment
//! below `target`; they are never part of the product.

mod passes;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use raccordo::flow::reconcile::inventory::partition::Sorted;
use raccordo::flow::reconcile::inventory::{Completeness, Entry, Inventory, InventoryError, Summary};

use super::appalti::{self, Files, Planted};
use super::{ReconcileSide, decimal, folder, verdict};

const MOST_SECONDS: Duration = Duration::from_secs(5);
const MOST_KIB: u64 = 256 * 1024;
/// Ours beside the bare pass, in hundredths.
const MOST_OF_BARE: u64 = 300;

#[derive(Debug)]
struct Measured {
    took: Duration,
    found: u64,
    fields: u64,
    peak_kib: u64,
}

pub(super) fn run(records: u64, differences: u64) -> Result<bool> {
    let folder = folder()?;
    let files = Files::under(folder.path());
    let planted = Planted::of(differences);
    ensure!(records > differences, "there must be more records than differences");
    println!("writing two files of {records} records, with {differences} differences: {planted:?}");
    appalti::write(&files, records, &planted).context("cannot write the files")?;

    let bare = ours_or_bare(ReconcileSide::Bare, folder.path())?;
    let ours = ours_or_bare(ReconcileSide::Ours, folder.path())?;
    for (name, pass) in [("ours", &ours), ("bare", &bare)] {
        ensure!(pass.found == differences, "{name} found {} differences of {differences}", pass.found);
    }
    ensure!(ours.fields == planted.changed, "{} fields differ, not {}", ours.fields, planted.changed);
    let (through, merged) = passes::digests(records, differences)?;

    let mut is_met = true;
    let mut bar = |name: &str, measured: String, bar: &str, is_this_met: bool| {
        is_met &= is_this_met;
        println!("  {name:<44} {measured:>12}  bar {bar}: {}", verdict(is_this_met));
    };
    println!("\nfrom two files to the fields that differ:");
    bar("time", format!("{} ms", ours.took.as_millis()), "5 s", ours.took <= MOST_SECONDS);
    bar("memory", format!("{} KiB", ours.peak_kib), "262144 KiB", ours.peak_kib <= MOST_KIB);
    let ratio = hundredths(ours.took, bare.took);
    bar("ours / bare hash, sort and merge", decimal(ratio), "3.00", ratio <= MOST_OF_BARE);
    let ratio = hundredths(through, merged);
    bar("partitions / bare merge, same digests", decimal(ratio), "3.00", ratio <= MOST_OF_BARE);
    for (name, script) in [("DuckDB, full outer join", DUCKDB), ("reladiff on DuckDB", RELADIFF)] {
        match tool(script, &files, folder.path()) {
            Ok(tool) => {
                println!("  {name}: {} ms, {} KiB, {} found", tool.took.as_millis(), tool.peak_kib, tool.found);
                ensure!(tool.found == differences, "{name} found {} differences of {differences}", tool.found);
                let ratio = hundredths(ours.took, tool.took);
                bar(&format!("ours / {name}"), decimal(ratio), "1.00", ratio < 100);
            }
            Err(error) => bar(name, "NOT MEASURED".to_owned(), &format!("{error:#}"), false),
        }
    }
    Ok(is_met)
}

/// One pass, as the process of its own.
pub(super) fn pass(pass: ReconcileSide, folder: &Path) -> Result<bool> {
    let files = Files::under(folder);
    let said = match pass {
        ReconcileSide::Ours => passes::ours(&files)?,
        ReconcileSide::Bare => passes::bare(&files)?,
    };
    println!("{} {} {} {}", said.took.as_micros(), said.found, said.fields, passes::peak_kib()?);
    Ok(true)
}

fn ours_or_bare(pass: ReconcileSide, folder: &Path) -> Result<Measured> {
    let name = if pass == ReconcileSide::Ours { "ours" } else { "bare" };
    let program = std::env::current_exe().context("cannot find this program")?;
    measured(Command::new(program).args(["bench", "reconcile-pass", name]).arg(folder))
}

fn measured(command: &mut Command) -> Result<Measured> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    let numbers: Vec<u64> = last.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [micros, found, fields, peak_kib] if output.status.success() => {
            Ok(Measured { took: Duration::from_micros(micros), found, fields, peak_kib })
        }
        _ => bail!("{}", String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("it said nothing")),
    }
}

fn tool(script: &str, files: &Files, folder: &Path) -> Result<Measured> {
    let tools = crate::root().join("target/bench-tools/venv");
    let python = tools.join("bin/python");
    if !python.exists() {
        println!("$ python3 -m venv {}; pip install duckdb reladiff", tools.display());
        let made = Command::new("python3").args(["-m", "venv"]).arg(&tools).status()?;
        ensure!(made.success(), "cannot make a Python environment");
        let installed = Command::new(&python).args(["-m", "pip", "install", "-q", "duckdb", "reladiff"]).status()?;
        ensure!(installed.success(), "cannot install duckdb and reladiff");
    }
    let mut command = Command::new(python);
    command.args(["-c", script]).arg(&files.ours).arg(&files.theirs_as_ours).arg(folder.join("tool.duckdb"));
    measured(command.args(appalti::fields()))
}

fn hundredths(above: Duration, below: Duration) -> u64 {
    u64::try_from(above.as_micros() * 100 / below.as_micros().max(1)).unwrap_or(u64::MAX)
}

const DUCKDB: &str = r#"
import duckdb, sys, time
ours, theirs, _, *fields = sys.argv[1:]
started = time.perf_counter()
con = duckdb.connect()
con.execute("set threads = 2")
read = lambda path: f"read_csv('{path}', header = true, all_varchar = true)"
differs = " or ".join(f"a.{field} is distinct from b.{field}" for field in fields)
sql = f"""select a.*, b.* from {read(ours)} a full outer join {read(theirs)} b on a.cig = b.cig
  where a.cig is null or b.cig is null or {differs}"""
found = len(con.execute(sql).fetchall())
took = time.perf_counter() - started
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(took * 1e6), found, 0, peak)
"#;

const RELADIFF: &str = r#"
import duckdb, sys, time
from reladiff import connect_to_table, diff_tables
ours, theirs, path, *fields = sys.argv[1:]
con = duckdb.connect(path)
for name, file in (("a", ours), ("b", theirs)):
    con.execute(f"create table {name} as from read_csv('{file}', header = true, all_varchar = true)")
con.close()
url = {"driver": "duckdb", "filepath": path}
tables = [connect_to_table(url, name, "cig", extra_columns=tuple(fields), case_sensitive=True) for name in ("a", "b")]
started = time.perf_counter()
found = len({row[1][0] for row in diff_tables(*tables)})
took = time.perf_counter() - started
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(took * 1e6), found, 0, peak)
"#;

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
