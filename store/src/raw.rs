//! The two drivers behind one face.

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Postgres, SqlSafeStr, Sqlite};

use crate::row::RawRow;
use crate::statement::Statement;
use crate::value::Value;

/// A connection of either driver.
#[derive(Debug)]
pub(crate) enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    pub(crate) async fn execute(&mut self, statement: &Statement, values: &[Value]) -> Result<u64, sqlx::Error> {
        match self {
            Self::Sqlite(c) => Ok(sqlite(statement, values).execute(c).await?.rows_affected()),
            Self::Postgres(c) => Ok(postgres(statement, values).execute(c).await?.rows_affected()),
        }
    }

    pub(crate) async fn fetch_all(
        &mut self,
        statement: &Statement,
        values: &[Value],
    ) -> Result<Vec<RawRow>, sqlx::Error> {
        match self {
            Self::Sqlite(c) => {
                Ok(sqlite(statement, values).fetch_all(c).await?.into_iter().map(RawRow::Sqlite).collect())
            }
            Self::Postgres(c) => {
                Ok(postgres(statement, values).fetch_all(c).await?.into_iter().map(RawRow::Postgres).collect())
            }
        }
    }

    /// Runs several statements in one exchange, without values and without an answer.
    pub(crate) async fn script(&mut self, sql: impl SqlSafeStr) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(c) => sqlx::raw_sql(sql).execute(c).await.map(drop),
            Self::Postgres(c) => sqlx::raw_sql(sql).execute(c).await.map(drop),
        }
    }
}

/// Ends what takes too long. Its connection is then in an unknown state and of no more use.
pub(crate) async fn timed<T>(
    limit: Duration,
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(limit, statement).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer within {} ms", limit.as_millis()),
        ))),
    }
}

/// True if [`timed`] gave up.
pub(crate) fn is_timeout(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
}

fn sqlite<'q>(statement: &Statement, values: &[Value]) -> Query<'q, Sqlite, SqliteArguments> {
    values.iter().fold(sqlx::query(statement.sql.sqlite), |query, value| match value {
        Value::Integer(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.as_deref()),
        Value::Bytes(value) => query.bind(value.as_deref()),
        Value::Float(value) => query.bind(*value),
    })
}

fn postgres<'q>(statement: &Statement, values: &[Value]) -> Query<'q, Postgres, PgArguments> {
    values.iter().fold(sqlx::query(statement.sql.postgres), |query, value| match value {
        Value::Integer(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.as_deref()),
        Value::Bytes(value) => query.bind(value.as_deref()),
        Value::Float(value) => query.bind(*value),
    })
}
