//! What needs processes of its own: several of ours on one database, and the program with nothing to
//! do. This program runs itself again, so that nothing else must be built or found.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use contract_tests::bench_queue;
use raccordo::storage::postgres;

/// Under this name this program is the product.
const PRODUCT: &str = "raccordo";
/// After its start the product has something to do for a moment.
const SETTLE: Duration = Duration::from_secs(5);
const WATCHED: Duration = Duration::from_secs(10);
/// The unit of processor time in `/proc`, the same on every Linux of our architectures.
const TICKS_PER_SECOND: u64 = 100;

/// The product, if this program was called by its name.
pub(crate) fn as_product() -> Option<ExitCode> {
    let is_called = std::env::args_os().next().is_some_and(|name| name == PRODUCT);
    is_called.then(|| raccordo::cli::main(&raccordo::registry::PARTS))
}

/// Jobs per second of so many processes together, on jobs that are already there.
pub(super) fn together(url: &str, processes: u32, jobs: u32) -> Result<u64> {
    let mut replicas = (0..processes).map(|_| Replica::start(url)).collect::<Result<Vec<_>>>()?;
    for replica in &mut replicas {
        replica.hear().context("a process did not start")?;
    }
    let begun = Instant::now();
    for replica in &mut replicas {
        writeln!(replica.stdin)?;
    }
    let mut done = 0;
    for replica in &mut replicas {
        done += replica.hear()?.parse::<u32>().context("a process did not say how many")?;
    }
    let took = begun.elapsed();
    for replica in &mut replicas {
        replica.child.wait()?;
    }
    ensure!(done == jobs, "{processes} processes ran {done} jobs of {jobs}");
    Ok(bench_queue::per_second(jobs, took))
}

/// One of several: opens the database, waits for a word, works until nothing is left.
pub(super) fn replica(url: &str) -> Result<bool> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(async {
        let store = postgres::open(url, None).await?;
        println!("ready");
        let word = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new()));
        word.await??;
        let (done, _) = bench_queue::work(&store).await;
        println!("{done}");
        store.close().await;
        Ok(true)
    })
}

struct Replica {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Replica {
    fn start(url: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "queue-replica", url]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start a process")?;
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).context("piped")?;
        Ok(Self { child, stdin, stdout: BufReader::new(stdout) })
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // One that has ended is waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of `raccordo serve` with nothing to do, in hundredths of a per cent of one core.
#[expect(clippy::disallowed_methods, reason = "one thread that has nothing to do but wait")]
pub(super) fn idle(folder: &Path, storage: &str) -> Result<u64> {
    fs::create_dir_all(folder)?;
    let configuration = format!("[http]\nlisten = \"127.0.0.1:0\"\n\n[storage]\n{storage}\n");
    fs::write(folder.join("raccordo.toml"), configuration)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg0(PRODUCT).arg("--folder").arg(folder).args(["serve", "--json"]);
    let mut served = Served(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    let mut line = String::new();
    let stdout = served.0.stdout.take().context("piped")?;
    BufReader::new(stdout).read_line(&mut line)?;
    ensure!(line.contains("page"), "the program does not serve");
    std::thread::sleep(SETTLE);
    let before = ticks(served.0.id())?;
    let begun = Instant::now();
    std::thread::sleep(WATCHED);
    let spent = ticks(served.0.id())? - before;
    let watched = u64::try_from(begun.elapsed().as_millis())?;
    Ok(spent * 1_000 * 10_000 / TICKS_PER_SECOND / watched.max(1))
}

/// Ended like any service.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// Processor time that a process has used, its system calls included.
fn ticks(process: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name stands in brackets and may hold anything; after it come the fields from the third on.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |number: usize| fields.get(number).context("no such field")?.parse::<u64>().context("no number");
    Ok(field(11)? + field(12)?)
}
