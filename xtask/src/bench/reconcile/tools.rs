//! Tools that do the like. They come from the Python registry into an environment below `target`, in
//! the releases named here; they are never part of the product.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::super::appalti::{self, Files};

/// Who takes longer is not waited for.
const LONGEST: Duration = Duration::from_mins(30);
const PACKAGES: [&str; 2] = ["duckdb==2.0.0", "reladiff==0.6.0"];

/// What a process said about itself.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) took: Duration,
    /// On all processors together.
    pub(super) spent: Duration,
    pub(super) found: u64,
    pub(super) fields: u64,
    pub(super) peak_kib: u64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (took, spent) = (self.took.as_millis(), self.spent.as_millis());
        write!(f, "{took:>6} ms {spent:>8} ms {:>7} KiB  {}", self.peak_kib, self.found)
    }
}

pub(super) fn duckdb(files: &Files, folder: &Path) -> Result<Measured> {
    tool(DUCKDB, files, folder)
}

pub(super) fn reladiff(files: &Files, folder: &Path) -> Result<Measured> {
    println!("reladiff takes minutes");
    tool(RELADIFF, files, folder)
}

/// Runs a process that ends with five numbers.
#[expect(clippy::disallowed_methods, reason = "a child is looked at now and then, and nothing else runs here")]
pub(super) fn measured(command: &mut Command) -> Result<Measured> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let started = Instant::now();
    // What it says is less than a pipe holds: nobody has to read meanwhile.
    while child.try_wait()?.is_none() {
        if started.elapsed() > LONGEST {
            child.kill()?;
            child.wait()?;
            bail!("it took more than {} s", LONGEST.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    let numbers: Vec<u64> = last.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [took, spent, found, fields, peak_kib] if output.status.success() => {
            let [took, spent] = [took, spent].map(Duration::from_micros);
            Ok(Measured { took, spent, found, fields, peak_kib })
        }
        _ => bail!("{}", String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("it said nothing")),
    }
}

fn tool(script: &str, files: &Files, folder: &Path) -> Result<Measured> {
    let tools = crate::root().join("target/bench-tools/venv");
    let python = tools.join("bin/python");
    if !python.exists() {
        println!("$ python3 -m venv {}; pip install {}", tools.display(), PACKAGES.join(" "));
        let made = Command::new("python3").args(["-m", "venv"]).arg(&tools).status()?;
        ensure!(made.success(), "cannot make a Python environment");
    }
    let is_there = Command::new(&python).args(["-c", "import duckdb, reladiff"]).stderr(Stdio::null()).status()?;
    if !is_there.success() {
        let installed = Command::new(&python).args(["-m", "pip", "install", "-q"]).args(PACKAGES).status()?;
        ensure!(installed.success(), "cannot install {}: is there a network?", PACKAGES.join(" and "));
    }
    let mut command = Command::new(python);
    command.args(["-c", script]).arg(&files.ours).arg(&files.theirs_as_ours).arg(folder.join("tool.duckdb"));
    measured(command.args(appalti::fields()))
}

const DUCKDB: &str = r#"
import duckdb, sys, time
ours, theirs, _, *fields = sys.argv[1:]
started, before = time.perf_counter(), time.process_time()
con = duckdb.connect()
con.execute("set threads = 2")
read = lambda path: f"read_csv('{path}', header = true, all_varchar = true)"
differs = " or ".join(f"a.{field} is distinct from b.{field}" for field in fields)
sql = f"""select a.*, b.* from {read(ours)} a full outer join {read(theirs)} b on a.cig = b.cig
  where a.cig is null or b.cig is null or {differs}"""
found = len(con.execute(sql).fetchall())
took, spent = time.perf_counter() - started, time.process_time() - before
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(took * 1e6), int(spent * 1e6), found, 0, peak)
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
started, before = time.perf_counter(), time.process_time()
found = len({row[1][0] for row in diff_tables(*tables)})
took, spent = time.perf_counter() - started, time.process_time() - before
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(took * 1e6), int(spent * 1e6), found, 0, peak)
"#;
