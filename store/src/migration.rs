//! The schema, in numbered steps that only ever add (expand, then contract): version N runs on schema N + 1.
//!
//! The store's own tables and the service's are two sets, each with its own record of what was applied. Replicas that start
//! together wait for each other: under PostgreSQL's advisory lock, or under a lock file beside SQLite's.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migrate, MigrateError, MigrationType, Migrator};

use crate::error::source;
use crate::raw::{Class, Raw, classify_sqlx};
use crate::statement::{Dialect, Statement};
use crate::{Source, Value};

/// One numbered step of a service's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// From 1, ascending, never used again.
    pub number: i64,
    /// What it does: the name of its files.
    pub name: &'static str,
    /// Once applied anywhere it never changes: the checksums are compared at every start.
    pub sql: Dialect,
}

/// The [`Migration`] of this number in the files of this name, `migrations/{sqlite,postgres}/NAME.sql` beside the crate's manifest.
#[macro_export]
macro_rules! migration {
    ($number:literal, $name:literal) => {
        $crate::Migration {
            number: $number,
            name: $name,
            sql: $crate::Dialect {
                sqlite: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/", $name, ".sql")),
                postgres: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres/", $name, ".sql")),
            },
        }
    };
}

const STORE_TABLE: &str = "store_migrations";
const SERVICE_TABLE: &str = "service_migrations";

const STORE: &[Migration] =
    &[migration!(1, "0001_store"), migration!(2, "0002_inbox"), migration!(3, "0003_requests_in_order_of_insertion")];

/// A step may take as long as it takes: whole tables are rewritten.
pub(crate) const UNLIMITED: Duration = Duration::from_secs(24 * 60 * 60);

/// The feed's name is made once; cursors carry it, so that one of another database is refused.
const NAME_FEED: Statement = Statement::new(
    "INSERT store_feed",
    "INSERT INTO store_feed (one, feed, floor) VALUES (1, $1, 0) ON CONFLICT (one) DO NOTHING",
);

/// Why a schema could not be brought up to date.
pub(crate) enum Failure {
    /// The connection went away meanwhile; it can be tried again.
    Lost(Source),
    /// The migration is wrong.
    Wrong(Source),
}

/// Applies what is missing, the store's own set first.
pub(crate) async fn migrate(raw: &mut Raw, service: &[Migration]) -> Result<(), Failure> {
    run(raw, STORE_TABLE, STORE).await?;
    run(raw, SERVICE_TABLE, service).await?;
    let feed = Value::from(uuid::Uuid::new_v4().simple().to_string());
    raw.execute(&NAME_FEED, vec![feed], UNLIMITED).await.map_err(|error| failure(error.class(), source(error)))?;
    Ok(())
}

/// Holds the lock file of an SQLite database until it is dropped. Blocks.
pub(crate) fn lock_file(database: &Path) -> std::io::Result<File> {
    let mut path = database.as_os_str().to_owned();
    path.push(".migrate-lock");
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => {
            tracing::info!(database = %database.display(), "another process migrates: waiting for it");
            file.lock()?;
            Ok(file)
        }
    }
}

async fn run(raw: &mut Raw, table: &'static str, migrations: &[Migration]) -> Result<(), Failure> {
    match raw {
        Raw::Sqlite(connection) => apply(connection, table, migrations, |sql| sql.sqlite).await,
        Raw::Postgres(connection) => apply(connection, table, migrations, |sql| sql.postgres).await,
    }
    .map_err(Failure::from)
}

async fn apply<C: Migrate>(
    connection: &mut C,
    table: &'static str,
    migrations: &[Migration],
    dialect: fn(Dialect) -> &'static str,
) -> Result<(), MigrateError> {
    let steps = migrations.iter().map(|step| {
        let sql = dialect(step.sql).into_sql_str();
        sqlx::migrate::Migration::new(step.number, step.name.into(), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    // A newer version's steps may be there already: a rolling update runs both versions on the newer schema.
    migrator.set_ignore_missing(true).dangerous_set_table_name(table);
    migrator.run_direct(None, connection, false).await
}

impl From<MigrateError> for Failure {
    fn from(error: MigrateError) -> Self {
        let class = match &error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => classify_sqlx(cause),
            _ => Class::Mistake,
        };
        failure(class, source(error))
    }
}

fn failure(class: Class, source: Source) -> Failure {
    match class {
        Class::Lost | Class::Busy | Class::Full => Failure::Lost(source),
        Class::Contended | Class::Unique | Class::Constraint | Class::Corrupt | Class::Mistake => {
            Failure::Wrong(source)
        }
    }
}
