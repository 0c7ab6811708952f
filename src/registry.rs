//! The one list of adapters, and the one choice of database.
//!
//! A new adapter is one line here and one dependency in `Cargo.toml`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use contract::AdapterFactory;
use futures_util::future::BoxFuture;

use crate::node::{Inspected, OpenStore, Parts, TestedMapping};
use crate::storage::sqlite::SqliteStore;

/// Everything that the daemon is made of.
pub const PARTS: Parts = Parts { adapters: ADAPTERS, open_store, inspect, test_mappings };

/// Every adapter, sources of the Provinces first, then the Ministry, Pi.Co. and the open data.
const ADAPTERS: &[AdapterFactory] = &[
    file_drop::FACTORY,
    file_drop::PAD_FILE_FACTORY,
    pad_maggioli::FACTORY,
    contabilita::FACTORY,
    scp_programmi::FACTORY,
    scp_tabelle::FACTORY,
    scp_opendata::FACTORY,
    scp_esecuzione::FACTORY,
    pico::FACTORY,
    hub::FACTORY,
    osservatorio::FACTORY,
    anac_opendata::FACTORY,
    mop_regis::FACTORY,
    registri::FACTORY,
];

fn open_store(path: PathBuf) -> BoxFuture<'static, OpenStore> {
    Box::pin(async move {
        let store = SqliteStore::open(&path).await?;
        Ok(store as std::sync::Arc<dyn crate::storage::Store>)
    })
}

fn test_mappings(path: &Path) -> Vec<TestedMapping> {
    let reports = match file_drop::mapping::test(path) {
        Ok(reports) => reports,
        Err(error) => {
            let problems = vec![error.to_string()];
            return vec![TestedMapping { mapping: path.display().to_string(), problems, examples: BTreeMap::new() }];
        }
    };
    let tested = reports.into_iter().map(|report| TestedMapping {
        mapping: format!("{} ({}, versione {})", report.file.display(), report.platform, report.version),
        problems: report.problems.iter().map(ToString::to_string).collect(),
        examples: report.examples.into_iter().map(|example| (name_of(&example.file), example.differences)).collect(),
    });
    tested.collect()
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn inspect(reader: &mut dyn Read, name: &str) -> Inspected {
    let inspection = file_drop::inspect(reader, name);
    Inspected {
        refused: inspection.refused.is_some(),
        has_errors: inspection.worst == Some(canonical::Severity::Error),
        facts: serde_json::to_value(&inspection).unwrap_or_default(),
    }
}
