//! How the statements that run often find their rows. The planner has no statistics: a statement
//! that walks a table is noticed here, not in a Province with a million records.

use super::connection::query;
use crate::storage::sqlite;

/// Statements, and the index that each of them must use.
const OFTEN: &[(&str, &str)] = &[
    (super::deliveries::FORGOTTEN, "delivery_open"),
    (super::deliveries::LAST_RECEIPT, "receipt_of"),
    (super::views::OPEN, "delivery_open"),
    (super::lanes::TO_WAKE, "delivery_waiting"),
    (super::lanes::NEIGHBOURS, "delivery_of_lane"),
    (super::reroute::ADESIONI, "record_adesione"),
    (super::families::KEYS, "sqlite_autoindex_record_1"),
    (super::families::LOTS_AFTER, "PRIMARY KEY"),
    (super::families::THINGS, "sqlite_autoindex_record_1"),
];

#[tokio::test]
async fn what_runs_often_walks_no_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite::open(folder.path().join("raccordo.db")).await.expect("opens");
    for (statement, index) in OFTEN {
        let explained: &'static str = format!("explain query plan {statement}").leak();
        let mut reader = store.readers.acquire().await.expect("a reader");
        // The plan asks for no values.
        let rows = query(explained).fetch_all(&mut reader).await.expect("explained");
        let plan: Vec<String> = rows.iter().map(|row| row.try_get(3).expect("a detail")).collect();
        assert!(plan.iter().any(|line| line.contains(index)), "{index} is not used: {plan:#?}");
        let walks = plan
            .iter()
            .find(|line| line.starts_with("SCAN") && !line.contains(index) && !line.contains("comparison_run"));
        assert!(walks.is_none(), "a walk through a table: {walks:?}");
    }
}
