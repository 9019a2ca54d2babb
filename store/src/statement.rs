//! A statement is text that is fixed at compile time, with a name that traces may show.

/// The same statement for both databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

/// The database's clock in microseconds, as an expression of a statement: replicas' own clocks differ, and what is over for one
/// is over for the next. Within a unit it moves on; locks are held when it is asked.
#[macro_export]
macro_rules! now {
    (sqlite) => {
        "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
    };
    (postgres) => {
        "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint"
    };
}

/// A statement with `$1` placeholders and a name of low cardinality, such as `SELECT product`.
///
/// The name is what spans and errors show; values never are. Its first word is the span's `db.operation.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    pub(crate) name: &'static str,
    pub(crate) sql: Dialect,
}

impl Statement {
    /// A statement that both databases understand.
    #[must_use]
    pub const fn new(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql: Dialect { sqlite: sql, postgres: sql } }
    }

    /// Whether it reads, for sure, and nothing else.
    pub(crate) fn reads(&self) -> bool {
        let only = |sql: &str| sql.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"));
        only(self.sql.sqlite) && only(self.sql.postgres)
    }

    /// A statement that they spell differently; both take the same values and give the same columns.
    #[must_use]
    pub const fn dialect(name: &'static str, sql: Dialect) -> Self {
        Self { name, sql }
    }
}
