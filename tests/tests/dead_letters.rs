//! `souk dead-letters` beside a shop that runs, on both databases.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use contracts::{
    catalog::v1::{Product, ProductChanged},
    google::r#type::Money,
};
use prost::Message as _;
use sqlx::{Connection as _, Executor as _, PgConnection};
use store::{Config, Error, Event, Statement, Store, Transaction, Unit};
use system_tests::{Running, Shop};

const BURY: Statement = Statement::new(
    "INSERT store_dead_letter",
    "INSERT INTO store_dead_letter (source, position, key, event, reason, attempts, time_us) \
     VALUES ('catalog', $1, $2, $3, 'its price was unknown', 1, 1)",
);

/// Puts events of the catalog aside, as a cart service of an older version does with what it does not understand.
struct Aside(Vec<Event>);

impl Unit for Aside {
    const NAME: &'static str = "Aside";
    type Output = ();
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec!["aside".to_owned()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Error> {
        for event in &self.0 {
            let position = i64::try_from(event.position).unwrap();
            tx.execute(&BURY, [position.into(), event.key.as_str().into(), event.encode().into()]).await?;
        }
        Ok(())
    }
}

fn event(position: u64, key: &str, payload: Vec<u8>) -> Event {
    Event {
        r#type: "souk.catalog.v1.ProductChanged".into(),
        subject: format!("products/{key}"),
        key: key.into(),
        revision: 1,
        position,
        time_us: 1,
        traceparent: None,
        payload: payload.into(),
    }
}

async fn put_aside(database: &str) {
    let price = Some(Money { currency_code: "EUR".into(), units: 3, nanos: 0 });
    let mended = Product { product_id: "mended".into(), name: "A lamp".into(), price, ..Product::default() };
    let mended = ProductChanged { product: Some(mended) }.encode_to_vec();
    let store = Store::open(Config::parse(database).unwrap(), &[], tokio::runtime::Handle::current()).await.unwrap();
    store.write(Aside(vec![event(7, "mended", mended), event(8, "broken", vec![0xff])])).await.unwrap();
    store.close().await;
}

async fn letters(arguments: &[&str], place: &[&str]) -> (Option<i32>, String) {
    let mut running = Running::start(&[&["dead-letters"], arguments, place].concat(), &[]);
    let code = running.ended().await.code();
    (code, running.output())
}

async fn what_can_be_applied_is_and_the_rest_stays_with_its_reason(database: &str, place: &[&str]) {
    let (code, none) = letters(&["list"], place).await;
    assert!(code == Some(0) && none.contains("cart: 0 dead letters of catalog"), "{none}");
    put_aside(database).await;
    let (code, listed) = letters(&["list", "cart"], place).await;
    assert_eq!(code, Some(0), "{listed}");
    assert!(listed.contains("catalog@7  mended") && listed.contains("its price was unknown"), "{listed}");
    let (code, replayed) = letters(&["replay"], place).await;
    assert_eq!(code, Some(1), "one cannot be applied: {replayed}");
    let line = |key: &str| replayed.lines().find(|line| line.contains(key)).unwrap().to_owned();
    assert!(line("mended").ends_with("applied") && line("broken").contains("failed: "), "{replayed}");
    let (_, left) = letters(&["list", "--json"], place).await;
    assert!(left.contains(r#""key":"broken""#) && left.contains(r#""attempts":2"#), "{left}");
    assert!(!left.contains("mended") && !left.contains("its price was unknown"), "{left}");
    let (code, refused) = letters(&["list", "search"], place).await;
    let files = place.first() == Some(&"--data");
    let said = if files { "search: 0 dead letters of checkout" } else { "sales.db; name the data directory" };
    assert!(code == Some(i32::from(!files)) && refused.contains(said), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_replayed_beside_a_shop_on_files() {
    let data = tempfile::tempdir().unwrap();
    let _shop = Shop::open_on(data.path(), &[]).await;
    let path = data.path().to_str().unwrap();
    let database = format!("sqlite:{path}/cart.db");
    what_can_be_applied_is_and_the_rest_stays_with_its_reason(&database, &["--data", path]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_replayed_beside_a_shop_on_a_server() {
    let server = test_postgres::Server::start().unwrap();
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    connection.execute("CREATE DATABASE souk_acquirer").await.unwrap();
    connection.execute("CREATE DATABASE souk_cart").await.unwrap();
    connection.execute("CREATE DATABASE souk_catalog").await.unwrap();
    connection.execute("CREATE DATABASE souk_checkout").await.unwrap();
    connection.execute("CREATE DATABASE souk_inventory").await.unwrap();
    connection.execute("CREATE DATABASE souk_payment").await.unwrap();
    let url = server.url("");
    let _shop = Shop::open(&["--database", &url]).await;
    what_can_be_applied_is_and_the_rest_stays_with_its_reason(&server.url("souk_cart"), &["--database", &url]).await;
}
