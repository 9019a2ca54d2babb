//! Orders in a storm: while shoppers order from a fleet, its processes and its database's are killed and the acquirer
//! declines, stalls and loses answers, and a merchant changes what is on sale; once it is quiet, no order is lost, no unit
//! oversold, no card charged twice, and no copy out of date.
//!
//! Choices follow from the seed, which is printed; what the kernel and the network make of them does not. How many orders,
//! and by which seed, can be told: see [`plan`].
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod books;
mod copies;
mod merchant;
mod plan;
mod quiet;
mod records;
mod shoppers;
mod stock;
mod trouble;

use std::{cell::Cell, fmt, io::Write as _, time::Duration};

use futures_util::future::join_all;
use plan::Plan;
use shoppers::{Placed, Street};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use system_tests::{Kept, Running, Shopper, souk};
use test_postgres::Server;
use tokio::time::Instant;
use tonic::{Response, Status};

/// A call of a storm is answered within this, however often it has to be sent.
const ANSWERED: Duration = Duration::from_secs(180);

#[tokio::test]
async fn no_order_is_lost_no_unit_oversold_and_no_card_charged_twice_in_a_storm_on_sqlite() {
    storm("SQLite", None).await;
}

#[tokio::test]
async fn no_order_is_lost_no_unit_oversold_and_no_card_charged_twice_in_a_storm_on_postgresql() {
    let server = Server::start().unwrap();
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    for service in ["cart", "catalog", "inventory", "checkout", "payment", "acquirer"] {
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE souk_{service}"))).await.unwrap();
    }
    connection.close().await.unwrap();
    storm("PostgreSQL", Some(&server)).await;
}

/// What is said of a run: every line names its database and its seed.
#[derive(Debug)]
struct Run {
    database: &'static str,
    plan: Plan,
    begun: Instant,
}

impl Run {
    /// Shown at once and not only when the test fails: a storm takes its time.
    fn say(&self, what: impl fmt::Display) {
        let (seconds, seed) = (self.begun.elapsed().as_secs(), self.plan.seed);
        let line = format!("chaos on {}, seed {seed}, {seconds} s: {what}\n", self.database);
        let _closed = std::io::stderr().write_all(line.as_bytes()).is_err();
    }
}

async fn storm(database: &'static str, server: Option<&Server>) {
    // Which may have to be built: that is no part of the storm.
    let program = souk();
    let run = Run { database, plan: Plan::told(), begun: Instant::now() };
    run.say(format_args!("{} orders of {} shoppers", run.plan.orders, plan::SHOPPERS));
    let url = server.map(|server| server.url(""));
    let mut options = vec!["--replicas", "checkout=2", "--replicas", "inventory=2", "--replicas", "payment=2"];
    options.extend(url.iter().flat_map(|url| ["--database", &**url]));
    let fleet = Kept::open_as(program, &options, &[]).await;
    let operator = Shopper::at(&fleet.edge);
    stock::sell(&operator, &fleet.edge, &run.plan).await;

    run.say("everything is on sale");
    let street = Street::of(&fleet, &run);
    let over = Cell::new(false);
    let shopping = async {
        let placed = join_all((0..plan::SHOPPERS).map(|_| Box::pin(shoppers::shop(&street)))).await;
        over.set(true);
        placed.into_iter().flatten().collect::<Vec<Placed>>()
    };
    let trouble = Box::pin(trouble::cause(&fleet, server, &run, &over));
    let (placed, caused, changes) = tokio::join!(shopping, trouble, Box::pin(merchant::work(&fleet, &run, &over)));
    run.say(format_args!("every order has an answer; {caused}, {changes} changes of the catalog and the stock"));

    let orders = quiet::wait(&fleet, &run).await;
    let mut wrong = books::audit(&fleet, &placed, &orders).await;
    wrong.extend(stock::audit(&fleet, &run.plan, &orders).await);
    wrong.extend(copies::audit(&fleet, &run.plan, &orders).await);
    wrong.extend(fsck(&fleet, url.as_deref()).await);
    run.say(format_args!("{} orders at rest, {}", orders.len(), books::summary(&orders)));
    assert!(
        wrong.is_empty(),
        "on {database}, CHAOS_SEED={} CHAOS_ORDERS={}: {} things are wrong:\n{}",
        run.plan.seed,
        run.plan.orders,
        wrong.len(),
        wrong.join("\n")
    );
}

/// What `souk fsck` finds on the same databases: all invariants, and every copy.
async fn fsck(fleet: &Kept, url: Option<&str>) -> Option<String> {
    let data = fleet.data().to_str().unwrap();
    let at = url.map_or(["--data", data], |url| ["--database", url]);
    let mut fsck = Running::start(&[&["fsck", "--edge", &*fleet.edge], &at[..]].concat(), &[]);
    let ended = fsck.ended().await;
    (!ended.success()).then(|| format!("souk fsck: {ended}: {}", fsck.output()))
}

/// Sends a call until it has an answer or a refusal that is one.
async fn until_answered<T>(
    what: &str,
    mut call: impl AsyncFnMut() -> Result<Response<T>, Status>,
) -> Result<T, Status> {
    let begun = Instant::now();
    loop {
        let refused = match call().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(refused) => refused,
        };
        if !may_pass(&refused) {
            return Err(refused);
        }
        assert!(begun.elapsed() < ANSWERED, "{what}: no answer within {ANSWERED:?}: {refused}");
        tokio::time::sleep(shoppers::AGAIN).await;
    }
}

/// Whether it says that sending the same again may help.
fn may_pass(refused: &Status) -> bool {
    use tonic::Code;
    matches!(refused.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted)
}
