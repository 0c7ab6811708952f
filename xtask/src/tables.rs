//! `cargo xtask tables`: the tables that say what the adapters do, written from what they do.
//!
//! Two of them: the capabilities in the README, and the certificate of `contract-tests`. Tests
//! compare both; this writes them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

const BEGIN: &str = "<!-- adapters";
const END: &str = "<!-- end -->";

pub(crate) fn run() -> Result<bool> {
    let root = crate::root();
    let asked =
        Command::new("cargo").args(["run", "--quiet", "--", "adapters", "--markdown"]).current_dir(&root).output();
    let output = asked.context("cannot ask the program for its adapters")?;
    if !output.status.success() {
        bail!("`raccordo adapters` failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let path = root.join("README.md");
    let readme = fs::read_to_string(&path).context("cannot read README.md")?;
    let written = with_table(&readme, String::from_utf8_lossy(&output.stdout).trim_end())?;
    fs::write(&path, written).context("cannot write README.md")?;
    println!("README.md: the table of the adapters is written");

    let mut suite = Command::new("cargo");
    suite.args(["test", "--quiet", "--package", "contract-tests", "--test", "adapters"]);
    let status = suite.env("RACCORDO_WRITE_CERTIFICATE", "1").current_dir(&root).status();
    let is_well = status.context("cannot run the suite of the adapters")?.success();
    if is_well {
        println!("contract-tests/certificate.md is written");
    }
    Ok(is_well)
}

/// The README with another table between its two marks.
fn with_table(readme: &str, table: &str) -> Result<String> {
    let begin = readme.find(BEGIN).context("README.md has no mark for the table of the adapters")?;
    let line_end = begin + readme[begin..].find('\n').context("README.md ends in its mark")? + 1;
    let end = begin + readme[begin..].find(END).context("README.md has no mark after the table of the adapters")?;
    Ok(format!("{}{table}\n{}", &readme[..line_end], &readme[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_changes() {
        let readme = "before\n<!-- adapters: x -->\nold\n<!-- end -->\nafter\n";
        let written = with_table(readme, "new\nrows").unwrap();
        assert_eq!(written, "before\n<!-- adapters: x -->\nnew\nrows\n<!-- end -->\nafter\n");
        assert!(with_table("no mark", "x").is_err());
    }
}
