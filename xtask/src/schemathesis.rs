//! The exchange API against its own description, asked by Schemathesis: a tool of Python, installed
//! under `target/` in the versions and with the hashes of its list.

use anyhow::{Context, Result};

use crate::step::{self, Outcome};
use crate::test::{is_want_of_network, not_done};

/// Where it is installed.
const FOLDER: &str = "target/schemathesis";
/// It, and all that it needs.
const LIST: &str = include_str!("../../contract-tests/schemathesis/requirements.txt");
/// The same features as those of the other tests, so that nothing is built again.
const RUN: &str = "cargo test --workspace --all-features --locked --test schemathesis -- --nocapture";

/// Installs what is missing, starts the program and asks.
pub(crate) fn exchange_api() -> Result<Outcome> {
    if let Some(ended) = install()? {
        return Ok(ended);
    }
    println!("$ {RUN}");
    let tool = crate::root().join(FOLDER).join("bin/schemathesis");
    let status = step::command(RUN).env("RACCORDO_SCHEMATHESIS", tool).status().context("cannot start cargo")?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed(format!("`{RUN}`: {status}")) })
}

/// None when it is there in the end.
fn install() -> Result<Option<Outcome>> {
    // The list is kept beside what was installed from it: another list is another installation.
    let installed = crate::root().join(FOLDER).join("requirements.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == LIST) {
        return Ok(None);
    }
    if !has_python() {
        return Ok(Some(not_done("the exchange API was not asked: Python with its venv is not installed")));
    }
    println!("Schemathesis is not installed; installing it under {FOLDER}");
    if let failed @ Outcome::Failed(_) = step::passes(&format!("python3 -m venv --clear {FOLDER}"))? {
        return Ok(Some(failed));
    }
    let (succeeded, said) = step::overheard(&format!(
        "{FOLDER}/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
         --requirement contract-tests/schemathesis/requirements.txt"
    ))?;
    if succeeded {
        std::fs::write(&installed, LIST).context("noting what was installed")?;
        return Ok(None);
    }
    Ok(Some(if is_want_of_network(&said) {
        not_done("the exchange API was not asked: Schemathesis is not installed and there is no network to install it")
    } else {
        Outcome::Failed("Schemathesis could not be installed".into())
    }))
}

/// Python, and what makes a folder of its own for packages.
pub(crate) fn has_python() -> bool {
    step::is_there("python3 -m ensurepip --version")
}
