//! Checkout through the contract, in process, on both databases, beside a real catalog, inventory and cart.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod ask;
mod bank;
mod cancels;
mod crashes;
mod input;
mod lists;
mod orders;
mod outages;
mod quotes;
mod refunds;
mod relay;
mod replicas;
mod retries;
mod shop;
mod watch;

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
