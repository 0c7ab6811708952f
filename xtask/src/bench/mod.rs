//! `cargo xtask bench`: our code beside the bare library, in one run on one machine.
//!
//! Absolute figures depend on the machine, so each measurement answers with a ratio and fails when
//! the ratio is under its bar. Measuring needs an optimised build of the whole product: asked from
//! an ordinary build, the command builds that and runs itself in it.

#[cfg(feature = "bench")]
mod appalti;
#[cfg(feature = "bench")]
mod l190;
#[cfg(feature = "bench")]
pub(crate) mod processes;
#[cfg(feature = "bench")]
mod queue;
#[cfg(feature = "bench")]
mod reconcile;
#[cfg(feature = "bench")]
mod signed;
#[cfg(feature = "bench")]
mod stock;
#[cfg(feature = "bench")]
mod xml;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Read an L190 file to canonical, beside a bare quick-xml event pass over the same file.
    Xml {
        /// Size of the generated file.
        #[arg(long, default_value_t = 1000, value_name = "MB")]
        size_mb: u64,
        /// How many times each side is measured, in turn; the median counts.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        pairs: u32,
    },
    /// Claim, run and acknowledge jobs on both databases, beside a bare batched claim and
    /// acknowledge loop and beside the stock storage of apalis.
    Queue {
        /// How many jobs a side and round.
        #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(1..))]
        jobs: u32,
        /// How many rounds; the medians count.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Succeed although a bar is missed.
        #[arg(long)]
        report_only: bool,
    },
    /// Compare two files of records, beside bare merges of hashes, `DuckDB` and reladiff; two nodes.
    Reconcile {
        /// How many records a side.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(2..))]
        records: u64,
        /// How many of them differ.
        #[arg(long, default_value_t = 12_000)]
        differences: u64,
        /// How many times each is measured, in turn; the median counts. reladiff takes its time once.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Succeed although a bar is missed.
        #[arg(long)]
        report_only: bool,
    },
    /// Sign and post messages by the client of deliveries, beside a bare loop that signs and posts.
    Signed {
        /// How many messages a side and round.
        #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(16..))]
        calls: u32,
        /// How many rounds; the medians count.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// How long a message is.
        #[arg(long, default_value_t = 16, value_name = "KIB")]
        body_kib: u32,
        /// Succeed although a bar is missed.
        #[arg(long)]
        report_only: bool,
    },
    /// One pass over the files of such a comparison, in a process of its own.
    #[command(hide = true)]
    ReconcilePass {
        /// Which side.
        pass: ReconcileSide,
        /// Where the files are.
        folder: PathBuf,
    },
    /// One process of several on a queue.
    #[command(hide = true)]
    QueueReplica {
        /// The address of the database.
        url: String,
    },
    /// One pass over a file, in a process of its own so that its memory is its own.
    #[command(hide = true)]
    XmlPass {
        /// Which side.
        side: Side,
        /// The file.
        file: PathBuf,
    },
}

/// A side of the measurement of XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    /// Events only.
    Bare,
    /// What the product does.
    Ours,
}

/// A side of the comparison of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReconcileSide {
    /// Hash lines, sort and merge.
    Lines,
    /// Hash fields, sort and merge.
    Fields,
    /// What the product does.
    Ours,
}

impl Bench {
    /// True when the bar is met.
    #[cfg(feature = "bench")]
    pub(crate) fn run(&self) -> Result<bool> {
        anyhow::ensure!(
            !cfg!(debug_assertions),
            "an unoptimised build has no figures worth reading: `cargo xtask bench`"
        );
        match self {
            Self::Xml { size_mb, pairs } => xml::run(*size_mb, *pairs),
            Self::Queue { jobs, rounds, report_only } => queue::run(*jobs, *rounds, *report_only),
            Self::Reconcile { records, differences, rounds, report_only } => {
                Ok(reconcile::run(*records, *differences, *rounds)? || *report_only)
            }
            Self::Signed { calls, rounds, body_kib, report_only } => {
                signed::run(*calls, *rounds, *body_kib, *report_only)
            }
            Self::ReconcilePass { pass, folder } => reconcile::pass(*pass, folder),
            Self::QueueReplica { url } => processes::replica(url),
            Self::XmlPass { side, file } => xml::pass(*side, file),
        }
    }

    /// Builds this program with what it measures, optimised, and runs the same command in it.
    #[cfg(not(feature = "bench"))]
    #[expect(clippy::unused_self, reason = "the command is given on as it was written")]
    pub(crate) fn run(&self) -> Result<bool> {
        const WORDS: &str = "cargo run --release --locked --package xtask --features bench --";
        println!("$ {WORDS} …\nbuilding with optimisation, which takes minutes the first time");
        let status = crate::step::command(WORDS).args(std::env::args_os().skip(1)).status()?;
        Ok(status.success())
    }
}

/// A folder that goes when it is dropped. Under `target`, which is on a disk: elsewhere a temporary
/// file may live in memory, where durability costs nothing and a big file takes what is measured.
#[cfg(feature = "bench")]
fn folder() -> Result<tempfile::TempDir> {
    let target = crate::root().join("target");
    std::fs::create_dir_all(&target)?;
    Ok(tempfile::tempdir_in(target)?)
}

#[cfg(feature = "bench")]
fn decimal(percent: u64) -> String {
    format!("{}.{:02}", percent / 100, percent % 100)
}

#[cfg(feature = "bench")]
fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "NOT MET" }
}
