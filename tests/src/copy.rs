//! A consumer of the catalog's feed as any service is one: over gRPC, into a database of its own.

use std::{collections::BTreeMap, time::Duration};

use contracts::catalog::v1::{
    Product, ProductChanged, WatchProductsRequest, WatchProductsResponse, catalog_service_client::CatalogServiceClient,
    watch_products_response::Kind,
};
use futures_util::{Stream, future::BoxFuture, stream::BoxStream};
use mesh::Channel;
use prost::Message as _;
use rpc::feed::{self, Wire};
use store::{
    Connection, Dialect, Effect, Error, Event, Failure, Follow, Inbox, Interrupted, Migration, Statement, Store,
    Transaction, feed::Message,
};

/// The name under which the copy knows its source.
pub const SOURCE: &str = "catalog";

/// The copy's schema: products as they came.
pub const SCHEMA: &[Migration] = &[Migration {
    number: 1,
    name: "copy",
    sql: Dialect {
        sqlite: "CREATE TABLE copy (product_id TEXT PRIMARY KEY, product BLOB NOT NULL)",
        postgres: "CREATE TABLE copy (product_id TEXT COLLATE \"C\" PRIMARY KEY, product BYTEA NOT NULL)",
    },
}];

const PUT: Statement = Statement::new(
    "UPSERT copy",
    "INSERT INTO copy (product_id, product) VALUES ($1, $2) \
     ON CONFLICT (product_id) DO UPDATE SET product = excluded.product",
);
const REMOVE: Statement = Statement::new("DELETE copy", "DELETE FROM copy WHERE product_id = $1");
const ALL: Statement = Statement::new("SELECT copy", "SELECT product_id, product FROM copy ORDER BY product_id");

/// Keeps the copy.
#[derive(Clone, Copy, Debug)]
pub struct Copying;

impl Effect for Copying {
    async fn apply(&self, tx: &mut Transaction, event: &Event) -> Result<(), Failure> {
        match event.r#type.as_str() {
            "souk.catalog.v1.ProductChanged" => {
                let changed = ProductChanged::decode(&*event.payload).map_err(Failure::permanent)?;
                let product = changed.product.unwrap_or_default().encode_to_vec();
                tx.execute(&PUT, [event.key.as_str().into(), product.into()]).await?;
                Ok(())
            }
            "souk.catalog.v1.ProductDeleted" => self.remove(tx, &event.key).await,
            _ => Ok(()),
        }
    }

    async fn remove(&self, tx: &mut Transaction, key: &str) -> Result<(), Failure> {
        tx.execute(&REMOVE, [key.into()]).await?;
        Ok(())
    }
}

type Answers = BoxStream<'static, Result<Message, Interrupted>>;
type Connecting = BoxFuture<'static, Result<Answers, Interrupted>>;

/// A follower of the catalog behind `channel` whose copy is in `own`.
pub fn copying(
    channel: Channel,
    own: Store,
    lease: Duration,
) -> Follow<impl Fn(String) -> Connecting + Send + Sync, Inbox<Copying>> {
    let connect = move |cursor: String| -> Connecting {
        let mut catalog = CatalogServiceClient::new(channel.clone());
        Box::pin(async move {
            let opened = catalog.watch_products(WatchProductsRequest { cursor }).await.map_err(feed::interrupted)?;
            Ok(boxed(feed::stream(opened.into_inner(), received)))
        })
    };
    Follow::new(SOURCE, connect, Inbox::new(own, SOURCE, Copying).with_lease(lease))
}

fn boxed(answers: impl Stream<Item = Result<Message, Interrupted>> + Send + 'static) -> Answers {
    Box::pin(answers)
}

fn received(response: WatchProductsResponse) -> Option<Message> {
    let wire = match response.kind? {
        Kind::Event(event) => Wire::Event(event),
        Kind::Bookmark(bookmark) => Wire::Bookmark(bookmark),
        Kind::SnapshotStart(start) => Wire::SnapshotStart(start),
    };
    Some(feed::received(wire, response.cursor))
}

/// The copy's products by their ids.
///
/// # Errors
/// As the store.
pub async fn copied(own: &Store) -> Result<BTreeMap<String, Product>, Error> {
    let read = |mut connection: Connection| async move {
        let mut products = BTreeMap::new();
        for row in connection.fetch_all(&ALL, []).await? {
            let bytes: Vec<u8> = row.get("product")?;
            products.insert(row.get("product_id")?, Product::decode(&*bytes).unwrap_or_default());
        }
        Ok(products)
    };
    own.read("Copied", read).await
}
