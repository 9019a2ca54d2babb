//! A fresh database a test, of either kind.

use std::marker::PhantomData;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use store::{Config, Dialect, Error, Limits, Migration, NewEvent, Statement, Store, Transaction, Unit};
use tempfile::TempDir;
use test_postgres::Server;
use tokio::runtime::{Handle, Runtime};

/// The test service's schema.
pub(crate) const SCHEMA: &[Migration] = &[Migration {
    number: 1,
    name: "thing",
    sql: Dialect {
        sqlite: "CREATE TABLE thing (id TEXT PRIMARY KEY, number BIGINT NOT NULL CHECK (number >= 0))",
        postgres: "CREATE TABLE thing (id TEXT PRIMARY KEY, number BIGINT NOT NULL CHECK (number >= 0))",
    },
}];

pub(crate) const INSERT: Statement = Statement::new("INSERT thing", "INSERT INTO thing (id, number) VALUES ($1, $2)");
pub(crate) const NUMBER: Statement = Statement::new("SELECT thing", "SELECT number FROM thing WHERE id = $1");
pub(crate) const SET: Statement = Statement::new("UPDATE thing", "UPDATE thing SET number = $2 WHERE id = $1");
pub(crate) const DELETE: Statement = Statement::new("DELETE thing", "DELETE FROM thing WHERE id = $1");
pub(crate) const COUNT: Statement = Statement::new("SELECT thing", "SELECT COUNT(*) AS number FROM thing");
pub(crate) const POSITIONS: Statement = Statement::new(
    "SELECT store_outbox",
    "SELECT position, key, revision FROM store_outbox WHERE position > $1 ORDER BY position LIMIT 1000",
);

/// Generates a module for each database, with every behaviour as a test in it.
macro_rules! on_both_databases {
    ($($behaviour:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $behaviour() {
                $crate::harness::in_time(super::$behaviour($crate::harness::Db::sqlite())).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $behaviour() {
                $crate::harness::in_time(super::$behaviour($crate::harness::Db::postgres().await)).await;
            })*
        }
    };
}
pub(crate) use on_both_databases;

/// A behaviour that hangs is a failed test, not a stuck run.
pub(crate) async fn in_time(behaviour: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), behaviour).await.expect("it hangs");
}

/// An empty database.
pub(crate) struct Db {
    pub(crate) url: String,
    /// Removed when the test ends.
    _directory: Option<TempDir>,
}

impl Db {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("test.db").display());
        Self { url, _directory: Some(directory) }
    }

    pub(crate) async fn postgres() -> Self {
        Self { url: Server::shared().unwrap().create_database().await.unwrap(), _directory: None }
    }

    /// One that somebody else looks after.
    pub(crate) fn at(url: String) -> Self {
        Self { url, _directory: None }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }

    pub(crate) async fn open(&self) -> Store {
        self.open_with(|_| {}).await
    }

    pub(crate) async fn open_with(&self, limits: impl FnOnce(&mut Limits)) -> Store {
        let patient = |all: &mut Limits| {
            // A machine that also compiles takes its time; what the default does is for the tests of outages.
            all.acquire_timeout = Duration::from_secs(5);
            limits(all);
        };
        open(&self.url, SCHEMA, patient).await.unwrap()
    }

    /// Runs statements on a connection that the store knows nothing of.
    pub(crate) async fn script(&self, sql: &str) {
        self.stranger().await.script(sql).await.unwrap();
    }

    pub(crate) async fn stranger(&self) -> Stranger {
        self.connect().await.unwrap()
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<Stranger> {
        match self.url.strip_prefix("sqlite:") {
            Some(path) => {
                let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
                Ok(Stranger::Sqlite(rusqlite::Connection::open_with_flags(path, flags)?))
            }
            None => {
                let options: sqlx::postgres::PgConnectOptions = self.url.parse()?;
                Ok(Stranger::Postgres(options.connect().await?))
            }
        }
    }
}

/// A connection beside the store's.
pub(crate) enum Stranger {
    Sqlite(rusqlite::Connection),
    Postgres(sqlx::PgConnection),
}

impl Stranger {
    pub(crate) async fn script(&mut self, sql: &str) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(sql)?,
            Self::Postgres(connection) => {
                connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
            }
        }
        Ok(())
    }
}

pub(crate) async fn open(
    url: &str,
    schema: &'static [Migration],
    limits: impl FnOnce(&mut Limits),
) -> Result<Store, Error> {
    let mut config = Config::parse(url)?;
    limits(&mut config.limits);
    Store::open(config, schema, background()).await
}

/// The runtime of the databases, which is never a test's own: as in a service.
pub(crate) fn background() -> Handle {
    static BACKGROUND: OnceLock<Runtime> = OnceLock::new();
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    BACKGROUND.get_or_init(runtime).handle().clone()
}

/// Waits until a condition holds that another task brings about.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..2_000 {
        ticks.tick().await;
        if condition().await {
            return;
        }
    }
    panic!("never happened: {what}");
}

/// Why a test's unit refuses.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("refused: {0}")]
    No(&'static str),
    #[error(transparent)]
    Store(#[from] Error),
}

/// A unit made of a closure.
pub(crate) struct Do<F, T> {
    keys: Vec<String>,
    run: F,
    output: PhantomData<fn() -> T>,
}

pub(crate) fn unit<F, T>(key: impl Into<String>, run: F) -> Do<F, T>
where
    F: for<'t> Fn(&'t mut Transaction) -> BoxFuture<'t, Result<T, Refusal>>,
{
    Do { keys: vec![key.into()], run, output: PhantomData }
}

impl<F, T> Do<F, T> {
    /// It writes these too.
    pub(crate) fn and_keys(mut self, keys: impl Iterator<Item = String>) -> Self {
        self.keys.extend(keys);
        self
    }
}

impl<F, T: Send + 'static> Unit for Do<F, T>
where
    F: for<'t> Fn(&'t mut Transaction) -> BoxFuture<'t, Result<T, Refusal>> + Send + Sync + 'static,
{
    const NAME: &'static str = "Do";
    type Output = T;
    type Error = Refusal;

    fn keys(&self) -> Vec<String> {
        self.keys.clone()
    }

    async fn run(&self, tx: &mut Transaction) -> Result<T, Refusal> {
        (self.run)(tx).await
    }
}

/// Inserts a thing and tells it.
pub(crate) struct Insert(pub(crate) String);

impl Unit for Insert {
    const NAME: &'static str = "Insert";
    type Output = u64;
    type Error = Refusal;

    fn keys(&self) -> Vec<String> {
        vec![self.0.clone()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<u64, Refusal> {
        tx.execute(&INSERT, [self.0.as_str().into(), 1_i64.into()]).await?;
        Ok(tx.emit(event(&self.0)).await?)
    }
}

pub(crate) fn event(key: &str) -> NewEvent {
    NewEvent {
        r#type: "souk.test.v1.ThingChanged",
        subject: format!("things/{key}"),
        key: key.to_owned(),
        payload: (0..=255).collect(),
        traceparent: None,
    }
}

pub(crate) async fn number(store: &Store, id: &str) -> Option<i64> {
    let id = id.to_owned();
    let read = |mut c: store::Connection| async move {
        c.fetch_optional(&NUMBER, [id.into()]).await?.map(|row| row.get("number")).transpose()
    };
    store.read::<_, Error, _, _>("number", read).await.unwrap()
}

pub(crate) async fn count(store: &Store) -> i64 {
    let read = |mut c: store::Connection| async move { c.fetch_one(&COUNT, []).await?.get("number") };
    store.read::<_, Error, _, _>("count", read).await.unwrap()
}

/// (position, key, revision) of the events after a position.
pub(crate) async fn events_after(store: &Store, position: u64) -> Vec<(u64, String, u64)> {
    let after = i64::try_from(position).unwrap();
    let read = move |mut c: store::Connection| async move {
        let rows = c.fetch_all(&POSITIONS, [after.into()]).await?;
        rows.iter().map(|row| Ok((row.get("position")?, row.get("key")?, row.get("revision")?))).collect()
    };
    store.read::<_, Error, _, _>("events", read).await.unwrap()
}
