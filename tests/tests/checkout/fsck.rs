//! `souk fsck` on the databases of a shop that runs: what is right, and one wrong row for each thing that must hold.

use std::{path::Path, process::Command};

use rusqlite::Connection as SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use system_tests::{Shop, souk};
use test_postgres::Server;

use super::{CardOfShopper, OrderState, Shopper, pb, uuid};

const SERVICES: [&str; 6] = ["acquirer", "cart", "catalog", "checkout", "inventory", "payment"];
/// Orders that are placed while the shop is checked.
const ORDERS: i64 = 8;
/// An order that nobody placed.
const NOBODYS: &str = "ffffffffffffffffffffffffffffffff";

/// Where a shop's databases are.
enum Databases<'a> {
    Files(&'a Path),
    Servers(&'a Server),
}

impl Databases<'_> {
    async fn execute(&self, service: &str, sql: String) {
        let changed = match self {
            Self::Files(data) => {
                let file = SqliteConnection::open(data.join(format!("{service}.db"))).unwrap();
                file.execute_batch(&sql).unwrap();
                file.total_changes()
            }
            Self::Servers(server) => {
                let url = server.url(&format!("souk_{service}"));
                PgConnection::connect(&url).await.unwrap().execute(AssertSqlSafe(sql)).await.unwrap().rows_affected()
            }
        };
        assert_ne!(changed, 0, "{service}: nothing was changed");
    }

    /// A text's bytes, in SQL.
    fn bytes(&self, text: &str) -> String {
        match self {
            Self::Files(_) => format!("CAST('{text}' AS BLOB)"),
            Self::Servers(_) => format!("convert_to('{text}', 'UTF8')"),
        }
    }

    /// What is said, and the exit status.
    fn checked(&self, more: &[&str]) -> (String, Option<i32>) {
        let mut command = Command::new(souk());
        command.arg("fsck").args(more);
        match self {
            Self::Files(data) => command.arg("--data").arg(data),
            // Of the role that can only read.
            Self::Servers(server) => command.args(["--database", &server.url("").replace("souk@", "auditor@")]),
        };
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (said, output.status.code())
    }
}

/// Orders of several states; the one that is captured.
async fn orders(shop: &Shop) -> pb::Order {
    let mut shopper = Shopper::at(&shop.grpc);
    shopper.sell("mug-of-the-test", 9).await;
    let refused = shopper.wishes("mug-of-the-test", 1, CardOfShopper::DECLINED).await;
    shopper.place(refused).await;
    let cancelled = shopper.wishes("mug-of-the-test", 2, CardOfShopper::GOOD).await;
    let cancelled = shopper.place(cancelled).await;
    let (order_id, etag) = (cancelled.order_id.clone(), String::new());
    shopper.orders.cancel_order(pb::CancelOrderRequest { order_id, etag, request_id: uuid() }).await.unwrap();
    shopper.reaches(&cancelled, OrderState::Refunded).await;
    let captured = shopper.wishes("mug-of-the-test", 3, CardOfShopper::GOOD).await;
    let captured = shopper.place(captured).await;
    shopper.reaches(&captured, OrderState::Captured).await
}

async fn what_is_wrong_is_reported_with_its_row(databases: &Databases<'_>, shop: &Shop, order: &str) {
    let search = ["--edge", &shop.grpc];
    let (said, status) = databases.checked(&search);
    assert_eq!(status, Some(0), "{said}");
    // What is wrong stays so, however long it is looked at.
    let search = ["--edge", &shop.grpc, "--settle", "1s"];
    assert!(said.contains("3 orders, 3 reservations") && !said.contains("WRONG"), "{said}");

    let sold = "UPDATE stock SET on_hand = on_hand - 1, sold = sold + 1 WHERE product_id = 'mug-of-the-test'";
    databases.execute("inventory", sold.to_owned()).await;
    let twice = "INSERT INTO entries (payment_id, operation, refund_id, currency, amount_minor, create_us) \
                 SELECT payment_id, operation, refund_id, currency, amount_minor, create_us FROM entries";
    databases.execute("acquirer", format!("{twice} WHERE payment_id = '{order}' AND operation = 2")).await;
    let orphan = format!("SELECT '{NOBODYS}', 4, lines, create_us, update_us, expire_us FROM reservations");
    let orphan = format!("INSERT INTO reservations {orphan} WHERE order_id = '{order}'");
    databases.execute("inventory", orphan).await;
    let again = "INSERT INTO store_request SELECT scope, rpc, 'again', fingerprint, answer, expire_us FROM store_request \
                 WHERE rpc LIKE '%/PlaceOrder' AND scope = (SELECT MIN(scope) FROM store_request WHERE rpc LIKE '%/PlaceOrder')";
    databases.execute("checkout", again.to_owned()).await;
    let lost =
        format!("SELECT MIN(scope), MIN(rpc), 'lost', {}, {}, NULL", databases.bytes("0"), databases.bytes(NOBODYS));
    let lost = format!("INSERT INTO store_request {lost} FROM store_request WHERE rpc LIKE '%/PlaceOrder'");
    databases.execute("checkout", lost).await;
    let (said, status) = databases.checked(&["--edge", "127.0.0.1:1", "--settle", "1s"]);
    assert!(status == Some(1) && said.contains("NOT CHECKED: search does not answer"), "{said}");
    let dearer = "UPDATE products SET price_minor = price_minor + 1 WHERE product_id = 'mug-of-the-test'";
    databases.execute("cart", dearer.to_owned()).await;
    let (said, _) = databases.checked(&["--without-search", "--settle", "1s"]);
    let copied = "product mug-of-the-test: the catalog has (\"A mug\"";
    assert!(said.contains(copied) && !said.contains("NOT CHECKED"), "{said}");

    // A month ago, which nobody is told either.
    databases.execute("checkout", "UPDATE orders SET create_us = create_us - 2678400000000".to_owned()).await;
    let (said, _) = databases.checked(&search);
    let counted = "product mug-of-the-test: its orders of the last 30 days have 0 units, and search has 3";
    assert!(said.contains(counted), "{said}");

    // Search is not told: nobody else changes a revision without an event.
    databases
        .execute(
            "catalog",
            "UPDATE products SET revision = revision + 1 WHERE product_id = 'mug-of-the-test'".to_owned(),
        )
        .await;

    let (said, status) = databases.checked(&search);
    assert!(said.contains(&order[..8]) && !said.contains(order), "whoever has an order's id may read it: {said}");
    assert_eq!(status, Some(1), "{said}");
    let (said, _) = databases.checked(&[&search[..], &["--full"]].concat());
    for row in [
        "product mug-of-the-test: 5 on hand, 0 reserved, 4 sold, 9 received; its reservations have 0 reserved and 3 sold",
        &format!("order {order}: the acquirer has captured it 2 times"),
        &format!("order {NOBODYS}: it has a reservation (Expired), and there is no such order"),
        "2 requests were answered with it",
        "request lost was answered with it, and it is not there",
        "product mug-of-the-test: its revision is 2 and its stock's ",
    ] {
        assert!(said.contains(row), "{row}\n{said}");
    }
}

#[tokio::test]
async fn what_is_wrong_in_files_is_reported_with_its_row_and_what_is_right_is_not() {
    let data = tempfile::tempdir().unwrap();
    let shop = Shop::open_on(data.path(), &[]).await;
    let order = orders(&shop).await;
    what_is_wrong_is_reported_with_its_row(&Databases::Files(data.path()), &shop, &order.order_id).await;
}

#[tokio::test]
async fn what_is_wrong_on_a_server_is_reported_to_a_role_that_can_only_read() {
    let server = Server::start().unwrap();
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    connection.execute("CREATE ROLE auditor LOGIN").await.unwrap();
    for service in SERVICES {
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE souk_{service}"))).await.unwrap();
    }
    let shop = Shop::open(&["--database", &server.url("")]).await;
    for service in SERVICES {
        let mut connection = PgConnection::connect(&server.url(&format!("souk_{service}"))).await.unwrap();
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor").await.unwrap();
    }
    let order = orders(&shop).await;
    what_is_wrong_is_reported_with_its_row(&Databases::Servers(&server), &shop, &order.order_id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_is_not_wrong() {
    let data = tempfile::tempdir().unwrap();
    let shop = Shop::open_on(data.path(), &[]).await;
    let mut shopper = Shopper::at(&shop.grpc);
    shopper.sell("mug-of-the-test", ORDERS).await;
    let mut placing = Vec::new();
    for _ in 0..ORDERS {
        let request = shopper.wishes("mug-of-the-test", 1, CardOfShopper::GOOD).await;
        let mut orders = shopper.orders.clone();
        placing.push(tokio::spawn(async move { orders.place_order(request).await }));
        let databases = Databases::Files(data.path());
        let (said, status) = databases.checked(&["--edge", &shop.grpc]);
        assert_eq!(status, Some(0), "{said}");
    }
    for placed in placing {
        placed.await.unwrap().unwrap();
    }
    let (said, status) = Databases::Files(data.path()).checked(&["--edge", &shop.grpc]);
    assert!(status == Some(0) && said.contains(&format!("{ORDERS} orders, {ORDERS} reservations")), "{said}");
}

#[test]
fn a_shop_that_is_not_there_is_not_checked() {
    let data = tempfile::tempdir().unwrap();
    let (said, status) = Databases::Files(data.path()).checked(&[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("not checked: the database of catalog: open sqlite:"), "{said}");
    assert_eq!(data.path().read_dir().unwrap().count(), 0);
}
