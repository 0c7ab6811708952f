//! What the commands print: tables for people, JSON for machines, progress while one waits.
#![allow(clippy::unused_self, reason = "whoever prints holds an output, and so knows its language and form")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this module is for")]

use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::Language;
use super::table::{Column, drawn, wrapped};
use super::words::Words;

/// A line on standard error. Whoever read it may have left: that is no reason to stop working.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Where a command prints.
#[derive(Debug)]
pub(super) struct Output {
    json: bool,
    /// The words of the chosen language.
    pub(super) words: &'static Words,
}

impl Output {
    pub(super) fn new(json: bool, language: Language) -> Self {
        Self { json, words: Words::of(language) }
    }

    /// Whether the reader is a machine.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// One JSON value on one line.
    pub(super) fn json(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(line) => say(&line),
            Err(error) => tell(&format!("error: facts not printable as JSON: {error}")),
        }
    }

    /// A line for people.
    pub(super) fn line(&self, line: &str) {
        say(line);
    }

    /// Data as they stand in a file.
    pub(super) fn copy(&self, from: &mut impl std::io::Read) {
        // Whoever reads may stop reading, as in `say`.
        let _ = std::io::copy(from, &mut std::io::stdout().lock());
    }

    /// A message that is not data.
    pub(super) fn note(&self, line: &str) {
        tell(line);
    }

    /// A table for people, as wide as the terminal at most.
    pub(super) fn table(&self, title: &str, columns: &[Column<'_>], rows: &[Vec<String>]) {
        let drawn = drawn(columns, rows, told_width().map(usize::from));
        say(&format!("\n{title}\n{}", drawn.text));
        if !drawn.left_out.is_empty() {
            self.paragraph(&format!("{}: {}", self.words.columns_of_zeros, drawn.left_out.join(", ")));
        }
    }

    /// Lines that belong to a name, which stands before the first of them.
    pub(super) fn item(&self, name: &str, widest: usize, lines: &[String]) {
        let indent = widest + 2;
        let wide = usize::from(told_width().unwrap_or(NARROW)).saturating_sub(indent);
        let lines = lines.iter().flat_map(|line| wrapped(line, wide));
        for (n, line) in lines.enumerate() {
            say(&format!("{:indent$}{line}", if n == 0 { name } else { "" }));
        }
    }

    /// A sentence, on as many lines as it needs.
    pub(super) fn paragraph(&self, sentence: &str) {
        for line in wrapped(sentence, told_width().unwrap_or(NARROW).into()) {
            say(&line);
        }
    }

    /// The whole chain of an error, once.
    pub(super) fn problem(&self, error: &anyhow::Error) {
        if self.json {
            let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
            tell(&serde_json::json!({ "error": error.to_string(), "causes": causes }).to_string());
        } else {
            tell(&format!("error: {error}"));
            let mut last = error.to_string();
            for cause in error.chain().skip(1).map(ToString::to_string) {
                // A library may say the words of its source before its source does.
                if !last.ends_with(&cause) {
                    tell(&format!("  because: {cause}"));
                }
                last = cause;
            }
        }
    }

    /// A sign of life while a person waits; nothing without a terminal.
    pub(super) fn progress(&self, what: &str) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// A bar that counts bytes; nothing without a terminal.
    pub(super) fn byte_progress(&self, what: &str, bytes: u64) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(bytes).with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {eta}") {
            bar.set_style(style);
        }
        bar
    }
}

/// The width of sentences, where nobody says another.
const NARROW: u16 = 100;

/// As wide as the terminal, or as `COLUMNS` says; none in a pipe or a file.
fn told_width() -> Option<u16> {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns >= 40);
    let terminal = std::io::stdout().is_terminal().then(|| console::Term::stdout().size_checked()).flatten();
    terminal.map(|(_, columns)| columns).or(told)
}

/// Writes a line of data. Whoever reads may stop reading, as `head` does: that is no error of ours.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}
