//! `cargo xtask schemas`: the JSON Schemas under `schemas/json/v1` say what the types say.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Schemas {
    /// Compare only, and fail when a file differs.
    #[arg(long)]
    check: bool,
}

impl Schemas {
    pub(crate) fn run(&self) -> Result<bool> {
        let folder = crate::root().join("schemas/json/v1");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut generated: BTreeMap<String, String> = canonical::json_schema::all().into_iter().collect();
        let mut differences = 0;

        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !generated.contains_key(&name) {
                differences += 1;
                println!("{name}: comes from no type");
                if !self.check {
                    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
                }
            } else if fs::read_to_string(&path).is_ok_and(|committed| committed == generated[&name]) {
                generated.remove(&name);
            }
        }
        for (name, text) in &generated {
            differences += 1;
            println!("{name}: {}", if self.check { "not what the types say" } else { "written" });
            if !self.check {
                fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
            }
        }

        match (self.check, differences) {
            (_, 0) => println!("the schemas are what the types say"),
            (true, _) => println!("run `cargo xtask schemas` and commit what it writes"),
            (false, _) => println!("{differences} files changed in {}", folder.display()),
        }
        Ok(!self.check || differences == 0)
    }
}
