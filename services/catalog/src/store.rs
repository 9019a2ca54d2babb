//! The products in their database: every read and every write.
//!
//! Products leave here encoded (see [`Wire`]): the same bytes are an answer, what a retried request is answered again, and
//! the payload of the event that goes out in the commit.

pub mod audit;
mod feed;
mod import;
mod read;
mod row;
mod write;

use ::store::feed::Message;
use ::store::{Migration, Request, Store, WatchError, migration};
use bytes::Bytes;
use futures_util::Stream;
use rpc::Stamp;
use tokio::sync::watch;

use crate::error::Error;
use crate::page::Query;
use crate::product::{CategoryPath, Change, Draft, Product, ProductId};

pub(crate) use import::{Imported, Outcome};

/// The schema of this service.
pub(crate) const MIGRATIONS: &[Migration] = &[migration!(1, "0001_products")];

/// How products are written for others; the composing file joins it with the contract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    /// Encodes a message whose field 1 is the product: every answer about one product and its event are such messages.
    pub(crate) product: fn(&Product) -> Vec<u8>,
    /// The full name of the event that a product changed.
    pub(crate) changed: &'static str,
    /// Encodes the event that a product was deleted.
    pub(crate) deletion: fn(&ProductId) -> Vec<u8>,
    /// Its full name.
    pub(crate) deleted: &'static str,
}

/// The products.
#[derive(Clone, Debug)]
pub(crate) struct Products {
    store: Store,
    wire: Wire,
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    /// Encoded one by one.
    pub(crate) products: Vec<Bytes>,
    /// The last product of this page, if there may be more.
    pub(crate) last: Option<ProductId>,
    pub(crate) subcategories: Vec<Subcategory>,
}

/// A category and how many products are in it or below it.
#[derive(Debug)]
pub(crate) struct Subcategory {
    pub(crate) category: CategoryPath,
    pub(crate) products: i64,
}

impl Products {
    pub(crate) fn new(store: Store, wire: Wire) -> Self {
        Self { store, wire }
    }

    /// The feed's head.
    pub(crate) fn position(&self) -> watch::Receiver<u64> {
        self.store.position()
    }

    /// The feed from this cursor on; empty: from a snapshot on.
    pub(crate) async fn watch(
        &self,
        cursor: &str,
    ) -> Result<impl Stream<Item = Result<Message, WatchError>> + Send + use<>, Error> {
        let wire = self.wire;
        let watch = self.store.watch(cursor, move |connection, after| feed::states(connection, wire, after)).await?;
        Ok(watch.into_stream())
    }

    /// One product, encoded.
    pub(crate) async fn get(&self, id: String) -> Result<Option<Bytes>, Error> {
        let wire = self.wire;
        self.store.read("GetProduct", move |connection| read::get(connection, wire, id)).await
    }

    /// Those of these products that exist, encoded, in any order.
    pub(crate) async fn get_many(&self, ids: Vec<String>) -> Result<Vec<(String, Bytes)>, Error> {
        let wire = self.wire;
        self.store.read("BatchGetProducts", move |connection| read::get_many(connection, wire, ids)).await
    }

    /// One page.
    pub(crate) async fn list(&self, query: Query) -> Result<Page, Error> {
        let wire = self.wire;
        self.store.read("ListProducts", move |connection| read::list(connection, wire, query)).await
    }

    /// Makes a product, or gives the first answer to this request again.
    pub(crate) async fn create(
        &self,
        id: ProductId,
        draft: Draft,
        request: Request,
        stamp: Stamp,
    ) -> Result<Vec<u8>, Error> {
        self.store.write(write::Create { wire: self.wire, id, draft, request, stamp }).await
    }

    /// Changes a product, or gives the first answer to this request again.
    pub(crate) async fn update(
        &self,
        id: ProductId,
        etag: Option<String>,
        change: Change,
        request: Request,
        stamp: Stamp,
    ) -> Result<Vec<u8>, Error> {
        self.store.write(write::Update { wire: self.wire, id, etag, change, request, stamp }).await
    }

    /// Deletes a product, once a request.
    pub(crate) async fn delete(
        &self,
        id: ProductId,
        etag: Option<String>,
        request: Request,
        stamp: Stamp,
    ) -> Result<(), Error> {
        self.store.write(write::Delete { wire: self.wire, id, etag, request, stamp }).await
    }

    /// Makes or replaces products, in one commit, in this order; what came of each.
    pub(crate) async fn import(&self, products: Vec<(ProductId, Draft)>, stamp: Stamp) -> Result<Vec<Outcome>, Error> {
        self.store.write(import::Import { wire: self.wire, products, stamp }).await
    }
}
