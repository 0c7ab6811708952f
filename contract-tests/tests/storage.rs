//! Every promise of the storage traits, on every database that this build knows.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use canonical::values::CalendarDate;
use contract_tests::shared_postgres::SharedDatabase;
use contract_tests::storage_suite::{Database, Scene};
use raccordo::storage::calls::CallCount;
use raccordo::storage::sqlite::{self, bare};
use raccordo::storage::{AuditChain as _, SqlStore, StorageError, Store, postgres};
use tempfile::TempDir;

/// A file in a folder of its own.
struct SqliteFile {
    folder: TempDir,
    open: Mutex<Option<Arc<SqlStore>>>,
}

impl SqliteFile {
    fn fresh() -> Self {
        Self { folder: TempDir::new().expect("a folder"), open: Mutex::default() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("raccordo.db")
    }

    fn store(&self) -> Option<Arc<SqlStore>> {
        self.open.lock().expect("nobody panicked").clone()
    }
}

#[async_trait]
impl Database for SqliteFile {
    async fn open(&self) -> Result<Arc<dyn Store>, StorageError> {
        let store = sqlite::open(self.path()).await?;
        *self.open.lock().expect("nobody panicked") = Some(Arc::clone(&store));
        Ok(store)
    }

    async fn end(&self) {
        let store = self.open.lock().expect("nobody panicked").take();
        if let Some(store) = store {
            store.close().await;
        }
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn execute(&self, sql: &str) -> Result<u64, String> {
        bare::execute(&self.path(), sql).await
    }

    async fn drop_trigger(&self, _: &str, trigger: &str) {
        self.execute(&format!("drop trigger {trigger}")).await.expect("whoever holds the file can do this");
    }

    async fn number(&self, sql: &str) -> i64 {
        bare::number(&self.path(), sql).await.expect("a number")
    }

    async fn calls_beside(&self, day: CalendarDate) -> Result<Vec<CallCount>, StorageError> {
        sqlite::calls_of(self.path(), day).await
    }

    async fn audit(&self) -> (u64, Option<String>) {
        let report = self.store().expect("an open store").verify_audit(None).await.expect("a report");
        (report.entries, report.broken)
    }
}

mod on_sqlite {
    use super::SqliteFile;

    contract_tests::storage_suite!(async { SqliteFile::fresh() });
}

/// A database on a server that the tests share.
struct PostgresDatabase {
    database: SharedDatabase,
    open: Mutex<Option<Arc<SqlStore>>>,
}

impl PostgresDatabase {
    fn fresh() -> Self {
        Self { database: SharedDatabase::fresh(), open: Mutex::default() }
    }

    fn store(&self) -> Option<Arc<SqlStore>> {
        self.open.lock().expect("nobody panicked").clone()
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    async fn open(&self) -> Result<Arc<dyn Store>, StorageError> {
        // The suite tells what time it is.
        let given = postgres::Given { goes_by_the_server: false, ..postgres::Given::default() };
        let store = postgres::open_given(&self.database.url, None, given).await?;
        *self.open.lock().expect("nobody panicked") = Some(Arc::clone(&store));
        Ok(store)
    }

    async fn end(&self) {
        let store = self.open.lock().expect("nobody panicked").take();
        if let Some(store) = store {
            store.close().await;
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn execute(&self, sql: &str) -> Result<u64, String> {
        postgres::bare::execute(&self.database.url, sql).await
    }

    async fn drop_trigger(&self, table: &str, trigger: &str) {
        let dropped = self.execute(&format!("drop trigger {trigger} on {table}")).await;
        dropped.expect("whoever owns the database can do this");
    }

    async fn number(&self, sql: &str) -> i64 {
        postgres::bare::number(&self.database.url, sql).await.expect("a number")
    }

    async fn calls_beside(&self, day: CalendarDate) -> Result<Vec<CallCount>, StorageError> {
        postgres::calls_of(&self.database.url, None, day).await
    }

    async fn audit(&self) -> (u64, Option<String>) {
        let report = self.store().expect("an open store").verify_audit(None).await.expect("a report");
        (report.entries, report.broken)
    }
}

mod on_postgres {
    use super::PostgresDatabase;

    contract_tests::storage_suite!(async { PostgresDatabase::fresh() });
}

#[tokio::test]
async fn a_second_process_on_the_same_file_is_refused() {
    let database = SqliteFile::fresh();
    let scene = Scene::open(&database).await;
    let refused = sqlite::open(database.path()).await;
    let problem = refused.expect_err("one process owns the file");
    let cause = std::error::Error::source(&problem).map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("another process"), "{problem}: {cause}");
    let scene = scene.restart(&database).await;
    drop(scene);
}

#[tokio::test]
async fn a_file_in_a_folder_that_does_not_exist_is_refused_with_its_name() {
    let folder = TempDir::new().expect("a folder");
    let refused = sqlite::open(folder.path().join("absent").join("raccordo.db")).await;
    let problem = refused.expect_err("the folder does not exist").to_string();
    assert!(problem.contains("absent"), "{problem}");
}

#[tokio::test]
async fn a_schema_newer_than_the_program_is_refused() {
    let database = SqliteFile::fresh();
    drop(Scene::open(&database).await);
    database.end().await;
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (9999, 'tomorrow', true, x'00', 0)";
    database.execute(newer).await.expect("tomorrow's program was here");
    let refused = sqlite::open(database.path()).await;
    let problem = refused.expect_err("the schema is newer").to_string();
    assert!(problem.contains("newer"), "{problem}");
}

#[tokio::test]
async fn a_store_that_was_closed_refuses_to_write() {
    let database = SqliteFile::fresh();
    let scene = Scene::open(&database).await;
    database.end().await;
    let refused = scene.store.sweep(contract_tests::records::at(1)).await;
    assert!(matches!(refused, Err(StorageError::Unavailable { .. })), "{refused:?}");
}
