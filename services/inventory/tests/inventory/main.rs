//! The inventory through the contract, in process, on both databases.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod adjust;
mod database;
mod events;
mod expiry;
mod input;
mod interleavings;
mod model;
mod races;
mod reads;
mod reservations;
mod returns;
mod shop;
mod watch;
mod wire;

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
