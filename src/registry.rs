//! The one list of adapters, and the one choice of database.
//!
//! A new adapter is one line here and one dependency in `Cargo.toml`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use canonical::Kind;
use canonical::values::CalendarDate;
use contract::AdapterFactory;
use futures_util::future::BoxFuture;

use crate::config::StorageConfig;
use crate::flow::route::ownership::Order;
use crate::node::{CallsOfDay, Inspected, OpenStore, Parts, TestedMapping};
use crate::storage::{postgres, sqlite};

/// Everything that the daemon is made of.
pub const PARTS: Parts =
    Parts { adapters: ADAPTERS, ownership: OWNERSHIP, open_store, calls_of, inspect, test_mappings };

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

/// Who is believed about each kind when several sources speak of one thing: the ownership of field
/// groups in public procurement. The platform of the Province for procedures and awards, the
/// execution platform for contracts and events, the accounting system for payments, the registries
/// for identities. Those that are not named come last.
const OWNERSHIP: &[Order] = &[
    (
        &[Kind::Procedura, Kind::Lotto, Kind::Aggiudicazione, Kind::OperatoreEconomico],
        &["pad-maggioli", "pad-file", "file-drop", "anac-opendata", "scp-opendata", "osservatorio"],
    ),
    (
        &[Kind::Contratto, Kind::EventoEsecuzione],
        &["scp-esecuzione", "pad-maggioli", "pad-file", "file-drop", "anac-opendata", "osservatorio"],
    ),
    (&[Kind::Programma, Kind::Intervento], &["pad-maggioli", "pad-file", "file-drop"]),
    (&[Kind::Pagamento], &["contabilita", "pad-file", "file-drop", "mop-regis"]),
    (&[Kind::Progetto, Kind::CollegamentoCupCig], &["mop-regis", "anac-opendata", "pad-file", "file-drop"]),
    (&[Kind::Ente, Kind::Territorio], &["registri", "anac-opendata", "mop-regis", "file-drop"]),
    (&[Kind::Qualificazione], &["anac-opendata", "hub", "file-drop"]),
    (&[Kind::Codice], &["scp-tabelle", "anac-opendata"]),
];

fn open_store(config: StorageConfig) -> BoxFuture<'static, OpenStore> {
    Box::pin(async move {
        let store = match config.url {
            None => sqlite::open(&config.path).await?,
            Some(url) => postgres::open(&url, config.password_file.as_deref()).await?,
        };
        Ok(store as std::sync::Arc<dyn crate::storage::Store>)
    })
}

fn calls_of(config: StorageConfig, day: CalendarDate) -> BoxFuture<'static, CallsOfDay> {
    Box::pin(async move {
        match config.url {
            None => sqlite::calls_of(&config.path, day).await,
            Some(url) => postgres::calls_of(&url, config.password_file.as_deref(), day).await,
        }
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
