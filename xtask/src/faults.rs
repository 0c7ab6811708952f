//! `cargo xtask faults`: makes the real program fail in every way of the list, and compares what it
//! promised with what happened.
//!
//! The program is built with its fault points; asked from an ordinary build, the command builds both
//! and runs itself there.

use anyhow::Result;
use clap::{Args, ValueEnum};

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// About three minutes on two cores.
    Ci,
    /// Before a release.
    Release,
}

/// Under the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
    Both,
}

#[derive(Debug, Args)]
pub(crate) struct Faults {
    /// How much of everything.
    #[arg(long, value_enum, default_value = "ci")]
    level: Level,
    /// Only these, for instance F1,F14.
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    only: Vec<String>,
    /// How many kills F1 makes on each database; 20 at level ci and 500 at level release when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    kills: Option<u64>,
    /// The database under the program.
    #[arg(long, value_enum, default_value = "both")]
    database: Database,
    /// From which everything that is drawn comes; drawn itself when absent, and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Plant bugs, and fail unless each of them is found.
    #[arg(long)]
    prove: bool,
    /// Plant this bug alone.
    #[arg(long, value_name = "NAME", requires = "prove")]
    bug: Option<String>,
}

impl Faults {
    /// True when no promise was broken.
    #[cfg(feature = "faults")]
    pub(crate) fn run(&self) -> Result<bool> {
        use contract_tests::faults::{self, Plan, programme};

        let target = crate::root().join("target");
        let program = std::env::current_exe()?.with_file_name("raccordo");
        anyhow::ensure!(program.is_file(), "the program is not beside this one: `cargo xtask faults` builds it");
        let parent = target.join("faults");
        std::fs::create_dir_all(&parent)?;
        let level = match self.level {
            Level::Ci => faults::Level::Ci,
            Level::Release => faults::Level::Release,
        };
        let databases: &[faults::Database] = match self.database {
            Database::Sqlite => &[faults::Database::Sqlite],
            Database::Postgres => &[faults::Database::Postgres],
            Database::Both => &[faults::Database::Sqlite, faults::Database::Postgres],
        };
        let known: Vec<&str> = programme::FAULTS.iter().map(|(id, ..)| *id).collect();
        if let Some(stranger) = self.only.iter().find(|only| !known.iter().any(|id| id.eq_ignore_ascii_case(only))) {
            anyhow::bail!("there is no fault {stranger}; there are {}", known.join(", "));
        }
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
        println!("seed {seed}");
        let mut is_well = true;
        for database in databases {
            let plan = Plan {
                level,
                only: self.only.clone(),
                kills: self.kills,
                database: *database,
                seed,
                program: program.clone(),
                parent: parent.clone(),
                planted: None,
            };
            if self.prove {
                let proofs = faults::prove(&plan, self.bug.as_deref(), &|said| println!("{said}"))?;
                let missed = proofs.iter().filter(|proof| proof.found.is_none()).count();
                println!("{} planted, {missed} not found", proofs.len());
                is_well &= missed == 0;
            } else {
                let lines = faults::run(&plan, &|said| println!("{said}"));
                println!("{}", programme::table(&plan, &lines));
                is_well &= lines.iter().all(programme::Line::is_well);
            }
        }
        Ok(is_well)
    }

    /// Builds the program with its fault points and this one with what judges it, and runs the same
    /// command there.
    #[cfg(not(feature = "faults"))]
    #[expect(clippy::unused_self, reason = "the command is given on as it was written")]
    pub(crate) fn run(&self) -> Result<bool> {
        const BUILD: &str = "cargo build --locked --package raccordo --package xtask --bins \
                             --features raccordo/failpoints,xtask/faults";
        println!("$ {BUILD}");
        if !crate::step::command(BUILD).status()?.success() {
            return Ok(false);
        }
        let words = "cargo run --quiet --locked --package xtask --features faults --";
        let status = crate::step::command(words).args(std::env::args_os().skip(1)).status()?;
        Ok(status.success())
    }
}
