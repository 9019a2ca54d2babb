//! The two drivers behind one face.
//!
//! Whatever takes longer than its limit is ended. Its connection is then in an unknown state and of no more use.

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, Row as _};

use crate::now;
use crate::row::RawRow;
use crate::statement::Statement;
use crate::transaction::now_us;
use crate::value::Value;

mod error;
mod migrate;
mod sqlite;

pub(crate) use error::{Class, DriverError, classify_sqlx};
pub(crate) use sqlite::{Access, Embedded, Place};

/// A connection of either driver.
#[derive(Debug)]
pub(crate) enum Raw {
    Sqlite(Embedded),
    Postgres(PgConnection),
}

impl Raw {
    pub(crate) async fn execute(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
        limit: Duration,
    ) -> Result<u64, DriverError> {
        match self {
            Self::Sqlite(c) => c.execute(statement, values, limit).await,
            Self::Postgres(c) => Ok(timed(limit, postgres(statement, values).execute(c)).await?.rows_affected()),
        }
    }

    pub(crate) async fn fetch_all(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
        limit: Duration,
    ) -> Result<Vec<RawRow>, DriverError> {
        match self {
            Self::Sqlite(c) => {
                Ok(c.fetch_all(statement, values, limit).await?.into_iter().map(RawRow::Sqlite).collect())
            }
            Self::Postgres(c) => {
                let rows = timed(limit, postgres(statement, values).fetch_all(c)).await?;
                Ok(rows.into_iter().map(RawRow::Postgres).collect())
            }
        }
    }

    /// Runs several statements in one exchange, without values and without an answer. The text is made of constants and numbers.
    pub(crate) async fn script(&mut self, sql: &str, limit: Duration) -> Result<(), DriverError> {
        match self {
            Self::Sqlite(c) => c.script(sql, limit).await,
            Self::Postgres(c) => timed(limit, sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(c)).await.map(drop),
        }
    }

    /// As [`script`](Self::script), and asks the database's clock last, in microseconds since 1970. An embedded one's is this
    /// machine's.
    pub(crate) async fn script_then_clock(&mut self, sql: &str, limit: Duration) -> Result<i64, DriverError> {
        match self {
            Self::Sqlite(c) => {
                c.script(sql, limit).await?;
                Ok(now_us())
            }
            Self::Postgres(c) => {
                let sql = format!(concat!("{}; SELECT ", now!(postgres), " AS now_us"), sql);
                let rows = timed(limit, sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(c)).await?;
                let now_us = rows.last().map(|row| row.try_get("now_us")).unwrap_or(Err(sqlx::Error::RowNotFound));
                Ok(now_us?)
            }
        }
    }

    /// Closes it rather than dropping it: a server then lets go of the connection's locks before anything else happens.
    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => {
                if let Err(error) = sqlx::Connection::close(connection).await {
                    tracing::debug!(%error, "connection ended before it was closed");
                }
            }
        }
    }
}

/// Ends what takes too long.
pub(crate) async fn timed<T, E: Into<DriverError>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, DriverError> {
    match tokio::time::timeout(limit, work).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_elapsed) => Err(DriverError::TimedOut(limit)),
    }
}

fn postgres<'q>(statement: &Statement, values: Vec<Value>) -> Query<'q, Postgres, PgArguments> {
    values.into_iter().fold(sqlx::query(statement.sql.postgres), |query, value| match value {
        Value::Integer(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
        Value::Float(value) => query.bind(value),
    })
}
