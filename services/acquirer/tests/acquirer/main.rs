//! The acquirer through the contract, in process, on both databases.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bank;
mod charges;
mod faults;
mod input;
mod ledger;

/// One test a database: each function takes an empty ledger.
macro_rules! on_both_databases {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::bank::Bank::on_sqlite().await).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::bank::Bank::on_postgres().await).await;
            })*
        }
    };
}
use on_both_databases;
