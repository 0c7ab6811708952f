//! The one list of adapters, and the one choice of database.
//!
//! A new adapter is one line here and one dependency in `Cargo.toml`.

use std::io::Read;
use std::path::PathBuf;

use futures_util::future::BoxFuture;

use crate::node::{Inspected, OpenStore, Parts};
use crate::storage::sqlite::SqliteStore;

/// Everything that the daemon is made of.
pub const PARTS: Parts =
    Parts { adapters: &[file_drop::FACTORY, pico::FACTORY, scp_esecuzione::FACTORY], open_store, inspect };

fn open_store(path: PathBuf) -> BoxFuture<'static, OpenStore> {
    Box::pin(async move {
        let store = SqliteStore::open(&path).await?;
        Ok(store as std::sync::Arc<dyn crate::storage::Store>)
    })
}

fn inspect(reader: &mut dyn Read, name: &str) -> Inspected {
    let inspection = file_drop::inspect(reader, name);
    Inspected {
        refused: inspection.refused.is_some(),
        has_errors: inspection.worst == Some(canonical::Severity::Error),
        facts: serde_json::to_value(&inspection).unwrap_or_default(),
    }
}
