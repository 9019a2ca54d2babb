//! The catalog through the contract, in process and through the whole stack, on both databases.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod database;
mod events;
mod imports;
mod input;
mod lists;
mod reads;
mod shop;
mod watch;
mod wire;
mod writes;

/// One test a database: each function takes an empty shop.
macro_rules! on_both_databases {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::shop::Shop::on_sqlite().await).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::shop::Shop::on_postgres().await).await;
            })*
        }
    };
}
use on_both_databases;
