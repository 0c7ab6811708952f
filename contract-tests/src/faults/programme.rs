//! What a run of the programme is: which faults, how often, on which database, with which seed; and
//! the table at its end, in which nothing that was not done can hide.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{answers, clocks, input, keyless, kills, machine, million, points, replicas, stalled};

/// How much of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// About three minutes on two cores: with every change.
    Ci,
    /// Hours are allowed: before a release.
    Release,
}

/// The database under the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// A file in the folder of the run.
    Sqlite,
    /// A private server.
    Postgres,
}

impl Database {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How much.
    pub level: Level,
    /// Only these faults, by their ids; all when empty.
    pub only: Vec<String>,
    /// How many kills F1 makes; by level when absent.
    pub kills: Option<u64>,
    /// On which database.
    pub database: Database,
    /// From which everything that is drawn comes.
    pub seed: u64,
    /// The program, built with the feature `failpoints`.
    pub program: PathBuf,
    /// Where the folders of the runs are made; on a disk, so that durability means something.
    pub parent: PathBuf,
    /// A bug to plant in the program, by name.
    pub planted: Option<&'static str>,
}

impl Plan {
    /// One number or the other.
    pub fn ci_or_release<T>(&self, ci: T, release: T) -> T {
        match self.level {
            Level::Ci => ci,
            Level::Release => release,
        }
    }

    /// Chance of its own for one fault, so that leaving others out changes nothing in it.
    pub fn chance(&self, fault: &str) -> fastrand::Rng {
        let name = fault.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        fastrand::Rng::with_seed(self.seed ^ name.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

/// What came of a fault.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// How often the fault was injected.
    pub injected: u64,
    /// Acknowledged and not there.
    pub lost: u64,
    /// Not delivered although nothing stands in the way any more.
    pub stuck: u64,
    /// Effects that took place twice.
    pub duplicated: u64,
    /// From the end of a fault until everything was delivered.
    pub recoveries: Vec<Duration>,
    /// Whatever broke a promise, in words. Empty, or the run fails.
    pub violations: Vec<String>,
    /// What a reader of the table should know.
    pub remarks: Vec<String>,
}

impl Figures {
    /// Notes a broken promise.
    pub fn violated(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    /// Adds those of another part of the same fault.
    pub fn add(&mut self, other: Self) {
        self.injected += other.injected;
        self.lost += other.lost;
        self.stuck += other.stuck;
        self.duplicated += other.duplicated;
        self.recoveries.extend(other.recoveries);
        self.violations.extend(other.violations);
        self.remarks.extend(other.remarks);
    }

    fn recovery(&self) -> (String, String) {
        let mut sorted = self.recoveries.clone();
        sorted.sort();
        let shown = |time: Option<&Duration>| time.map_or_else(|| "-".to_owned(), |time| seconds(*time));
        (shown(sorted.get(sorted.len() / 2)), shown(sorted.last()))
    }
}

/// How a fault ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// It was injected.
    Ran(Figures),
    /// It cannot be injected on this machine, or on this database, for this reason.
    NotAvailable(String),
}

/// A fault: how it is injected and judged.
pub type Inject = fn(&Plan) -> Result<Ended>;

/// Every fault: its id, what it is, how it is injected.
pub const FAULTS: &[(&str, &str, Inject)] = &[
    ("F1", "kill -9 at random while reading and delivering", kills::random_kills),
    ("F1b", "the same under a slow target that honours no keys", keyless::slow_target),
    ("F2", "kill, error and delay at every fault point", points::every_point),
    ("F6", "disk full", machine::disk_full),
    ("F8", "database held by another process", machine::busy_database),
    ("F10", "PostgreSQL restarted and killed, sessions ended", replicas::lost_server),
    ("F12", "5xx, reset, refused, and one unit that always fails", answers::failing_target),
    ("F13", "rate limits, Retry-After in every form", answers::rate_limits),
    ("F14", "effect done, answer lost", answers::lost_answers),
    ("F14b", "the same, by a target that honours no keys", answers::lost_answers_without_keys),
    ("F23", "wall clock jumps", clocks::jumps),
    ("F24", "records of another shape", input::drift),
    ("F25", "file twice, re-sorted, half-written, replaced", input::files),
    ("F26", "three daemons on one database, one killed every few seconds", replicas::three_daemons),
    ("F27", "worker stopped past its lease", stalled::past_the_lease),
    ("F28", "record that stops a mapping", input::poison),
    ("F31", "SIGTERM under load, once and twice", kills::terminate),
    ("I14", "kill -9 over many stored records, a million at level release", million::ready_at_once),
];

/// Those that spend their time waiting: they run beside the others.
const PATIENT: &[&str] = &["F1b", "F12", "F14b", "F23", "F26", "F27"];

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Line {
    /// The fault.
    pub id: &'static str,
    /// What it is.
    pub what: &'static str,
    /// How it ended.
    pub ended: Ended,
    /// How long it took.
    pub took: Duration,
}

impl Line {
    /// Whether no promise was broken.
    pub fn is_well(&self) -> bool {
        match &self.ended {
            Ended::Ran(figures) => figures.violations.is_empty(),
            Ended::NotAvailable(_) => true,
        }
    }
}

/// Runs the faults of a plan, and says each as it ends.
pub fn run(plan: &Plan, say: &(dyn Fn(&str) + Sync)) -> Vec<Line> {
    let is_wanted = |id: &str| plan.only.is_empty() || plan.only.iter().any(|only| only.eq_ignore_ascii_case(id));
    let lines = Mutex::new(Vec::new());
    let one = &|(id, what, inject): &(&'static str, &'static str, Inject)| {
        let begun = Instant::now();
        let ended = inject(plan).unwrap_or_else(|error| {
            Ended::Ran(Figures {
                violations: vec![format!("the fault could not be judged: {error:#}")],
                ..Figures::default()
            })
        });
        let line = Line { id, what, ended, took: begun.elapsed() };
        say(&told(&line));
        lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line);
    };
    let (patient, others): (Vec<_>, Vec<_>) =
        FAULTS.iter().filter(|(id, ..)| is_wanted(id)).partition(|(id, ..)| PATIENT.contains(id));
    std::thread::scope(|scope| {
        for fault in patient {
            scope.spawn(move || one(fault));
        }
        others.into_iter().for_each(one);
    });
    let mut lines = lines.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    lines.sort_by_key(|line| FAULTS.iter().position(|(id, ..)| *id == line.id));
    lines
}

/// One line while the run goes on.
fn told(line: &Line) -> String {
    let how = match &line.ended {
        Ended::NotAvailable(why) => format!("NOT AVAILABLE: {why}"),
        Ended::Ran(figures) if figures.violations.is_empty() => format!("well, {} injected", figures.injected),
        Ended::Ran(figures) => format!("VIOLATED, {} times", figures.violations.len()),
    };
    format!("{:<4} {}: {how} ({})", line.id, line.what, seconds(line.took))
}

/// The table of a run, with its seed and the bound that it proves.
pub fn table(plan: &Plan, lines: &[Line]) -> String {
    let mut text = format!(
        "\n{:<5} {:>8} {:>6} {:>6} {:>10} {:>9} {:>9}   what\n",
        "fault", "injected", "lost", "stuck", "duplicated", "p50", "max"
    );
    let mut injected = 0;
    // Writing to a string does not fail.
    for line in lines {
        match &line.ended {
            Ended::NotAvailable(why) => {
                let _ = writeln!(text, "{:<5} NOT AVAILABLE: {why}", line.id);
            }
            Ended::Ran(figures) => {
                let (p50, max) = figures.recovery();
                let mark = if line.is_well() { "" } else { "   VIOLATED" };
                injected += figures.injected;
                let _ = writeln!(
                    text,
                    "{:<5} {:>8} {:>6} {:>6} {:>10} {p50:>9} {max:>9}   {}{mark}",
                    line.id, figures.injected, figures.lost, figures.stuck, figures.duplicated, line.what
                );
                for remark in &figures.remarks {
                    let _ = writeln!(text, "      {remark}");
                }
                for violation in figures.violations.iter().take(10) {
                    let _ = writeln!(text, "      VIOLATION: {violation}");
                }
                if figures.violations.len() > 10 {
                    let _ = writeln!(text, "      … and {} more", figures.violations.len() - 10);
                }
            }
        }
    }
    let _ = writeln!(text, "\ndatabase {}, seed {}", plan.database.name(), plan.seed);
    if lines.iter().all(Line::is_well) && injected > 0 {
        let per_million = 3_000_000_u64.div_ceil(injected);
        let _ = writeln!(
            text,
            "no failure in {injected} injected faults: with 95 % confidence fewer than {per_million} in a million fail (3/N)"
        );
    }
    text
}

fn seconds(time: Duration) -> String {
    format!("{}.{:02} s", time.as_secs(), time.subsec_millis() / 10)
}
