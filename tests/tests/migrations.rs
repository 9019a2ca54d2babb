//! Databases of an earlier version of the shop, opened by this one.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{collections::BTreeMap, fs, path::Path};

use contracts::checkout::v1::OrderState;
use rusqlite::Connection;
use system_tests::{CardOfShopper, Shop, Shopper};

/// The steps that lay tables out anew, by where a database notes them and by the ends of their names.
const LAID_OUT: [&str; 2] = [
    "FROM store_migrations WHERE description LIKE '%in_order_of_insertion'",
    "FROM service_migrations WHERE description LIKE '%in_order_of_insertion'",
];
/// What changes by itself, and what is about the steps.
const VOLATILE: [&str; 4] = ["store_inbox", "store_inbox_revision", "store_migrations", "service_migrations"];

/// Every database in this directory.
fn databases(data: &Path) -> BTreeMap<String, Connection> {
    let files = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    let databases = files.filter(|path| path.extension().is_some_and(|kind| kind == "db"));
    databases.map(|path| (path.display().to_string(), Connection::open(&path).unwrap())).collect()
}

/// What a query finds, a row a line.
fn rows(database: &Connection, query: &str) -> Vec<String> {
    let mut statement = database.prepare(query).unwrap();
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        Ok(format!("{:?}", (0..columns).map(|column| row.get_ref_unwrap(column)).collect::<Vec<_>>()))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// How many steps that lay tables out anew a database has had.
fn laid_out(database: &Connection) -> usize {
    LAID_OUT.iter().map(|steps| rows(database, &format!("SELECT version {steps}")).len()).sum()
}

/// The indexes of a database, and the rows of each of its tables in the order of their first columns.
fn contents(database: &Connection) -> BTreeMap<String, Vec<String>> {
    let mut contents = BTreeMap::new();
    let named = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    let tables: Vec<String> = named.unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for table in tables.into_iter().filter(|table| !VOLATILE.contains(&table.as_str())) {
        let mut rows = rows(database, &format!("SELECT * FROM {table}"));
        rows.sort();
        contents.insert(table, rows);
    }
    let indexes = "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY sql";
    contents.insert("the indexes".to_owned(), rows(database, indexes));
    contents
}

#[tokio::test]
async fn steps_that_lay_tables_out_anew_keep_every_row_and_every_index() {
    let data = tempfile::tempdir().unwrap();
    let mut shop = Shop::open_on(data.path(), &[]).await;
    let mut shopper = Shopper::at(&shop.grpc);
    shopper.sell("mug", 5).await;
    let first = shopper.wishes("mug", 2, CardOfShopper::GOOD).await;
    let second = shopper.wishes("mug", 1, CardOfShopper::GOOD).await;
    let placed = shopper.place(first.clone()).await;
    let captured = shopper.reaches(&placed, OrderState::Captured).await;
    shop.kill();

    let (mut before, mut steps) = (BTreeMap::new(), 0);
    for (name, database) in databases(data.path()) {
        steps += laid_out(&database);
        // That a step was applied is forgotten, so that it meets rows, as in a database that is older than it.
        for step in LAID_OUT {
            database.execute(&format!("DELETE {step}"), []).unwrap();
        }
        before.insert(name, contents(&database));
    }
    assert_eq!(steps, 11, "one of each of six stores, and one of each service's but the catalog's");
    assert!(before.values().flat_map(|tables| &tables["store_request"]).count() >= 5);

    let mut shop = Shop::open_on(data.path(), &[]).await;
    shop.kill();
    let mut steps = 0;
    for (name, database) in databases(data.path()) {
        steps += laid_out(&database);
        let after = contents(&database);
        for (table, rows) in &before[&name] {
            assert_eq!(rows, &after[table], "{table} of {name}");
        }
    }
    assert_eq!(steps, 11, "they were not all applied again");

    let shop = Shop::open_on(data.path(), &[]).await;
    let mut shopper = Shopper::at(&shop.grpc);
    assert_eq!(shopper.reaches(&placed, OrderState::Captured).await, captured);
    assert_eq!(shopper.place(first).await.order_id, captured.order_id);
    let another = shopper.place(second).await;
    assert_ne!(another.order_id, captured.order_id);
    shopper.reaches(&another, OrderState::Captured).await;
}
