//! Migrations: forward only, once, and version N on schema N + 1.

use futures_util::future::join_all;
use store::{Dialect, Error, Migration};

use crate::harness::{Db, Insert, SCHEMA, count, number, on_both_databases, open};

on_both_databases! {
    a_store_opened_again_finds_what_was_written,
    this_version_runs_on_the_next_versions_schema,
    a_migration_that_changed_after_it_was_applied_refuses_to_start,
    a_migration_that_fails_refuses_to_start_and_leaves_nothing_behind,
    replicas_that_start_together_migrate_once,
}

const fn same(sql: &'static str) -> Dialect {
    Dialect { sqlite: sql, postgres: sql }
}

const NEXT: &[Migration] = &[
    SCHEMA[0],
    Migration {
        number: 2,
        name: "colour",
        sql: same("ALTER TABLE thing ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'"),
    },
];

const CHANGED: &[Migration] = &[Migration { number: 1, name: "thing", sql: same("CREATE TABLE thing (id TEXT)") }];

const BROKEN: &[Migration] = &[
    SCHEMA[0],
    Migration { number: 2, name: "broken", sql: same("CREATE TABLE half (n BIGINT); CREATE TABEL typo (n)") },
];

async fn a_store_opened_again_finds_what_was_written(db: Db) {
    let store = db.open().await;
    store.write(Insert("k".to_owned())).await.unwrap();
    let position = *store.position().borrow();
    store.close().await;
    let store = db.open().await;
    assert_eq!(number(&store, "k").await, Some(1));
    assert_eq!(*store.position().borrow(), position);
}

async fn this_version_runs_on_the_next_versions_schema(db: Db) {
    let this = db.open().await;
    let next = open(&db.url, NEXT, |_| {}).await.unwrap();
    this.write(Insert("before".to_owned())).await.unwrap();
    next.write(Insert("next".to_owned())).await.unwrap();
    let this = db.open().await;
    this.write(Insert("after".to_owned())).await.unwrap();
    assert_eq!(count(&this).await, 3);
}

async fn a_migration_that_changed_after_it_was_applied_refuses_to_start(db: Db) {
    db.open().await.close().await;
    let error = open(&db.url, CHANGED, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Migration { .. }), "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains('1') && cause.contains("modified"), "{cause}");
}

async fn a_migration_that_fails_refuses_to_start_and_leaves_nothing_behind(db: Db) {
    let error = open(&db.url, BROKEN, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Migration { .. }), "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains('2') && cause.contains("TABEL"), "{cause}");
    // The half that worked is undone, and the mended one applies.
    let store = open(&db.url, NEXT, |_| {}).await.unwrap();
    store.write(Insert("k".to_owned())).await.unwrap();
    db.script("CREATE TABLE half (n BIGINT)").await;
}

async fn replicas_that_start_together_migrate_once(db: Db) {
    for store in join_all((0..6).map(|_| open(&db.url, NEXT, |_| {}))).await {
        store.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_refuses_to_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not.db");
    std::fs::write(&path, "this is a text file, and long enough to be taken for a header of sixteen bytes").unwrap();
    let error = open(&format!("sqlite:{}", path.display()), SCHEMA, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
    let error = open("sqlite:/nonexistent/folder/x.db", SCHEMA, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/folder/x.db"), "{error}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_on_a_server_that_does_refuses_to_start() {
    let url = test_postgres::Server::shared().unwrap().url("missing");
    let error = open(&url, SCHEMA, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
    // Nor does waiting mend a user or a password that the server does not know.
    let error = open(&url.replace("souk@", "nobody:secret@"), SCHEMA, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
    assert!(error.chain().contains("nobody") && !error.chain().contains("secret"), "{}", error.chain());
}

#[tokio::test]
async fn a_damaged_file_refuses_to_start() {
    let db = Db::sqlite();
    let store = db.open().await;
    for n in 0..300 {
        store.write(Insert(format!("{n:0100}"))).await.unwrap();
    }
    store.close().await;
    drop(store);
    let path = db.url.strip_prefix("sqlite:").unwrap();
    db.script("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let mut bytes = std::fs::read(path).unwrap();
    // All but the first page, which has the schema.
    bytes[4096..].fill(0xa5);
    std::fs::write(path, bytes).unwrap();
    let error = open(&db.url, SCHEMA, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Open { .. } | Error::Migration { .. }), "{error:?}");
    assert!(error.chain().contains("malformed"), "{}", error.chain());
}
