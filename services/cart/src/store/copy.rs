//! The copy of the catalog: what its feed says, in the commit that moves the feed's cursor.
//!
//! What is deleted stays as it was last, for the carts that have it. That the copy was complete once is written down: from
//! then on carts answer by it, whether the catalog is there or not.

use std::sync::Arc;
use std::time::Duration;

use ::store::follow::{Place, Sink, SinkError, Taken};
use ::store::{Effect, Error as StoreError, Event, Failure, Inbox, Statement, Store, Transaction, Unit};
use tokio::time::sleep;

use super::{Read, row};
use crate::product::{News, Product, State};

/// The name of the feed that is followed.
pub(crate) const SOURCE: &str = "catalog";

/// How often a replica looks whether the copy is complete, as long as it is not.
const LOOK: Duration = Duration::from_millis(100);

const SET: Statement = Statement::new(
    "UPSERT products",
    "INSERT INTO products (product_id, name, currency, price_minor, picture_uri, state) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (product_id) DO UPDATE SET name = excluded.name, currency = excluded.currency, \
     price_minor = excluded.price_minor, picture_uri = excluded.picture_uri, state = excluded.state",
);

const DELETED: Statement = Statement::new("UPDATE products", "UPDATE products SET state = $2 WHERE product_id = $1");

const COMPLETE: Statement = Statement::new(
    "INSERT catalog_copy",
    "INSERT INTO catalog_copy (one, complete_us) VALUES (1, $1) ON CONFLICT (one) DO NOTHING",
);

const IS_COMPLETE: Statement = Statement::new("SELECT catalog_copy", "SELECT COUNT(*) AS copies FROM catalog_copy");

/// Applies the catalog's events to the copy.
#[derive(Debug)]
pub(crate) struct Products {
    pub(crate) read: Read,
}

impl Effect for Products {
    async fn apply(&self, tx: &mut Transaction, event: &Event) -> Result<(), Failure> {
        match (self.read)(&event.r#type, &event.payload).map_err(Failure::permanent)? {
            News::Now(product) => set(tx, &event.key, product).await,
            News::Deleted => self.remove(tx, &event.key).await,
            News::Other => Ok(()),
        }
    }

    async fn remove(&self, tx: &mut Transaction, key: &str) -> Result<(), Failure> {
        tx.execute(&DELETED, [key.into(), row::state_number(State::Deleted).into()]).await?;
        Ok(())
    }
}

async fn set(tx: &mut Transaction, key: &str, product: Product) -> Result<(), Failure> {
    row::product_id(key).map_err(Failure::permanent)?;
    let values = [
        key.into(),
        product.name.into(),
        product.price.currency().code().into(),
        product.price.minor().into(),
        product.picture_uri.into(),
        row::state_number(product.state).into(),
    ];
    tx.execute(&SET, values).await?;
    Ok(())
}

/// Where the catalog's feed goes.
#[derive(Debug)]
pub(crate) struct Copy {
    inbox: Inbox<Products>,
    store: Store,
    /// That it was complete is written down.
    noted: bool,
}

impl Copy {
    /// The copy in this database, whose events are read by `read`.
    pub(crate) fn new(store: Store, read: Read) -> Self {
        Self { inbox: Inbox::new(store.clone(), SOURCE, Products { read }), store, noted: false }
    }

    async fn note(&mut self) -> Result<(), SinkError> {
        if !self.noted {
            self.store.write(Note).await.map_err(|error| SinkError::Failed(Arc::new(error)))?;
            self.noted = true;
        }
        Ok(())
    }
}

impl Sink for Copy {
    async fn resume(&mut self) -> Result<Option<Place>, SinkError> {
        let place = self.inbox.resume().await?;
        // There is a cursor once a snapshot has ended, also if nobody came to write that down.
        if place.as_ref().is_some_and(|place| !place.cursor.is_empty()) {
            self.note().await?;
        }
        Ok(place)
    }

    async fn begin_snapshot(&mut self, position: u64) -> Result<(), SinkError> {
        self.inbox.begin_snapshot(position).await
    }

    async fn snapshot(&mut self, events: &[Arc<Event>]) -> Result<Taken, SinkError> {
        self.inbox.snapshot(events).await
    }

    async fn end_snapshot(&mut self, cursor: &str, position: u64) -> Result<Taken, SinkError> {
        let taken = self.inbox.end_snapshot(cursor, position).await?;
        self.note().await?;
        Ok(taken)
    }

    async fn changes(&mut self, events: &[Arc<Event>], cursor: &str) -> Result<Taken, SinkError> {
        self.inbox.changes(events, cursor).await
    }

    async fn keep(&mut self) -> Result<(), SinkError> {
        self.inbox.keep().await
    }

    async fn release(&mut self) {
        self.inbox.release().await;
    }
}

/// Writes down that the copy was complete.
struct Note;

impl Unit for Note {
    const NAME: &'static str = "NoteCatalog";
    type Output = ();
    type Error = StoreError;

    fn keys(&self) -> Vec<String> {
        vec!["catalog".to_owned()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), StoreError> {
        tx.execute(&COMPLETE, [rpc::now_us().into()]).await.map(drop)
    }
}

/// Returns once the copy was complete, in whichever replica's hands.
pub(crate) async fn complete(store: &Store) {
    loop {
        let copies = store.read("SeeCatalog", |mut connection| async move {
            connection.fetch_one(&IS_COMPLETE, []).await?.get::<i64>("copies")
        });
        match copies.await {
            Ok(1..) => return,
            // The store says so where its database is away.
            Ok(_) | Err(_) => sleep(LOOK).await,
        }
    }
}
