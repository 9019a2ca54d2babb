//! The embedded database for sqlx's migrator: the same table, as sqlx's own driver for SQLite keeps it.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration};
use tokio::time::Instant;

use super::error::DriverError;
use super::sqlite::{Embedded, Open};
use crate::migration::UNLIMITED;

impl Embedded {
    async fn step<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Open) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, MigrateError> {
        self.run(UNLIMITED, work).await.map_err(|error| MigrateError::Execute(driver(error)))
    }
}

impl Migrate for Embedded {
    fn create_schema_if_not_exists<'e>(&'e mut self, name: &'e str) -> BoxFuture<'e, Result<(), MigrateError>> {
        async move { Err(MigrateError::CreateSchemasNotSupported(name.to_owned())) }.boxed()
    }

    fn ensure_migrations_table<'e>(&'e mut self, table: &'e str) -> BoxFuture<'e, Result<(), MigrateError>> {
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {table} (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
             installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
             checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)"
        );
        self.step(move |open| open.connection.execute_batch(&sql)).boxed()
    }

    /// A step and its record are one transaction, so there is nothing half done.
    fn dirty_version<'e>(&'e mut self, _table: &'e str) -> BoxFuture<'e, Result<Option<i64>, MigrateError>> {
        async { Ok(None) }.boxed()
    }

    fn list_applied_migrations<'e>(
        &'e mut self,
        table: &'e str,
    ) -> BoxFuture<'e, Result<Vec<AppliedMigration>, MigrateError>> {
        let sql = format!("SELECT version, checksum FROM {table} ORDER BY version");
        self.step(move |open| {
            let mut prepared = open.connection.prepare(&sql)?;
            let applied = prepared.query_map([], |row| {
                let checksum: Vec<u8> = row.get(1)?;
                Ok(AppliedMigration { version: row.get(0)?, checksum: checksum.into() })
            })?;
            applied.collect()
        })
        .boxed()
    }

    /// Whoever migrates holds the file's lock ([`lock_file`](crate::migration::lock_file)).
    fn lock(&mut self) -> BoxFuture<'_, Result<(), MigrateError>> {
        async { Ok(()) }.boxed()
    }

    fn unlock(&mut self) -> BoxFuture<'_, Result<(), MigrateError>> {
        async { Ok(()) }.boxed()
    }

    fn apply<'e>(
        &'e mut self,
        table: &'e str,
        migration: &'e Migration,
    ) -> BoxFuture<'e, Result<Duration, MigrateError>> {
        let record = format!(
            "INSERT INTO {table} (version, description, success, checksum, execution_time) VALUES (?1, ?2, TRUE, ?3, ?4)"
        );
        let (version, description) = (migration.version, migration.description.to_string());
        let (sql, checksum) = (migration.sql.as_str().to_owned(), migration.checksum.to_vec());
        let applied = self.run(UNLIMITED, move |open| {
            let begun = Instant::now();
            let transaction = open.connection.transaction()?;
            transaction.execute_batch(&sql)?;
            let nanoseconds = i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX);
            transaction.execute(&record, (version, description, checksum, nanoseconds))?;
            transaction.commit()?;
            Ok(begun.elapsed())
        });
        async move { applied.await.map_err(|error| MigrateError::ExecuteMigration(driver(error), version)) }.boxed()
    }

    fn revert<'e>(
        &'e mut self,
        _table: &'e str,
        migration: &'e Migration,
    ) -> BoxFuture<'e, Result<Duration, MigrateError>> {
        // Steps only ever add.
        async move { Err(MigrateError::VersionNotPresent(migration.version)) }.boxed()
    }
}

fn driver(error: DriverError) -> sqlx::Error {
    sqlx::Error::AnyDriverError(Box::new(error))
}
