//! Steps: what a command does one after another, each with a heading, its duration and its end,
//! and a table at the end in which nothing that was not done can hide.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// Done, and something is wrong.
    Failed(String),
    /// Could not be done here, for a reason that is not in the project.
    NotDone(String),
}

/// A step: its name and what it does.
pub(crate) type Step = (&'static str, fn() -> Result<Outcome>);

/// Runs steps in order and prints the table. True when none failed.
///
/// After a failure the rest is not reached, unless `keep_going`.
pub(crate) fn run(steps: &[Step], keep_going: bool) -> bool {
    let mut lines = Vec::new();
    let mut failed = false;
    for (name, step) in steps {
        if failed && !keep_going {
            lines.push(line("not reached", name, None, ""));
            continue;
        }
        println!("\n=== {name} ===");
        let started = Instant::now();
        let outcome = step().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        let took = Some(started.elapsed());
        failed |= matches!(outcome, Outcome::Failed(_));
        lines.push(match &outcome {
            Outcome::Passed => line("passed", name, took, ""),
            Outcome::Failed(why) => line("FAILED", name, took, why),
            Outcome::NotDone(why) => line("NOT DONE", name, took, why),
        });
        println!("{}", lines[lines.len() - 1]);
    }
    println!("\n=== summary ===\n{}", lines.join("\n"));
    !failed
}

fn line(state: &str, name: &str, took: Option<Duration>, remark: &str) -> String {
    let took = took.map_or_else(String::new, |took| format!("{}.{} s", took.as_secs(), took.subsec_millis() / 100));
    format!("{state:<12} {name:<24} {took:>9}   {remark}").trim_end().to_owned()
}

/// A command at the root of the workspace, with its words for the terminal.
pub(crate) fn command(words: &str) -> Command {
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).current_dir(crate::root()).stdin(Stdio::null());
    command
}

/// Runs a command that speaks to the terminal itself.
pub(crate) fn passes(words: &str) -> Result<Outcome> {
    ended(command(words), words)
}

/// The same for a program at a path.
pub(crate) fn passes_by(program: &Path, arguments: &[&str]) -> Result<Outcome> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(crate::root()).stdin(Stdio::null());
    ended(command, &format!("{} {}", program.display(), arguments.join(" ")))
}

fn ended(mut command: Command, words: &str) -> Result<Outcome> {
    println!("$ {words}");
    let status = command.status().with_context(|| format!("cannot start `{words}`"))?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed(format!("`{words}`: {status}")) })
}

/// Whether a command can be started and is content.
pub(crate) fn is_there(words: &str) -> bool {
    command(words).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// What a command says, without the end of its last line. None when it cannot be started or is not content.
pub(crate) fn says(words: &str) -> Option<String> {
    let output = command(words).stderr(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Runs a command, shows what it says on its error stream and keeps it. True when it succeeded.
pub(crate) fn overheard(words: &str) -> Result<(bool, String)> {
    println!("$ {words}");
    let mut child = command(words).stderr(Stdio::piped()).spawn().with_context(|| format!("cannot start `{words}`"))?;
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines() {
            let line = line?;
            eprintln!("{line}");
            said.push_str(&line);
            said.push('\n');
        }
    }
    Ok((child.wait()?.success(), said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stops_the_rest_and_is_not_forgotten() {
        assert!(!run(&[("a", || Ok(Outcome::Failed("x".into()))), ("b", || unreachable!())], false));
        assert!(!run(&[("a", || anyhow::bail!("x")), ("b", || Ok(Outcome::Passed))], true));
    }

    #[test]
    fn what_could_not_be_done_is_no_failure_and_is_shown() {
        assert!(run(&[("a", || Ok(Outcome::NotDone("no network".into())))], false));
        assert!(
            line("NOT DONE", "advisories", Some(Duration::from_millis(1250)), "no network")
                .ends_with("1.2 s   no network")
        );
    }

    #[test]
    fn what_a_command_says_is_kept() {
        let (succeeded, said) = overheard("cargo no-such-command").unwrap();
        assert!(!succeeded);
        assert!(said.contains("no such command"), "{said}");
        assert!(!is_there("no-such-program-anywhere"));
    }
}
