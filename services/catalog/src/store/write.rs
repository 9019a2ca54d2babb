//! Writes, each a unit of the store: it succeeds or fails alone, and its event and its remembered answer go with it.

use std::collections::HashMap;
use std::sync::Arc;

use mesh::Violations;
use rpc::Stamp;

use ::store::{Dialect, Error as StoreError, NewEvent, Request, Statement, Transaction, Unit};

use super::Wire;
use super::row::{self, CategoryRow, ProductRow, columns};
use crate::error::Error;
use crate::product::{Change, Content, Draft, ENCODED_MAX, Product, ProductId};

/// The products of these ids, and how far their revisions have come whether they exist or not.
const LOAD: Statement = Statement::dialect(
    "SELECT products for write",
    Dialect {
        sqlite: "SELECT wanted.value AS wanted, revisions.revision AS last_revision, products.* \
                 FROM json_each($1) AS wanted LEFT JOIN store_revision AS revisions ON revisions.key = wanted.value \
                 LEFT JOIN products ON products.product_id = wanted.value",
        postgres: "SELECT wanted.value AS wanted, revisions.revision AS last_revision, products.* \
                   FROM json_array_elements_text($1::json) AS wanted(value) \
                   LEFT JOIN store_revision AS revisions ON revisions.key = wanted.value \
                   LEFT JOIN products ON products.product_id = wanted.value",
    },
);

/// What an answer has before a large product: its field's number and its length.
const FRAME: usize = 4;

/// Everything but the id and the time it was made.
macro_rules! on_conflict {
    () => {
        "ON CONFLICT (product_id) DO UPDATE SET name = excluded.name, description = excluded.description, \
         brand = excluded.brand, categories = excluded.categories, currency = excluded.currency, price = excluded.price, \
         list_price = excluded.list_price, pictures = excluded.pictures, attributes = excluded.attributes, \
         rating = excluded.rating, rating_count = excluded.rating_count, sku = excluded.sku, state = excluded.state, \
         update_us = excluded.update_us, revision = excluded.revision"
    };
}

const SAVE: Statement = Statement::dialect(
    "UPSERT products",
    Dialect {
        sqlite: concat!(
            "INSERT INTO products (",
            columns!(),
            ") SELECT value ->> 'product_id', value ->> 'name', value ->> 'description', value ->> 'brand', \
             value ->> 'categories', value ->> 'currency', value ->> 'price', value ->> 'list_price', \
             value ->> 'pictures', value ->> 'attributes', value ->> 'rating', value ->> 'rating_count', value ->> 'sku', \
             value ->> 'state', value ->> 'create_us', value ->> 'update_us', value ->> 'revision' \
             FROM jsonb_each($1) WHERE true ",
            on_conflict!()
        ),
        postgres: concat!(
            "INSERT INTO products (",
            columns!(),
            ") SELECT listed.product_id, listed.name, listed.description, listed.brand, listed.categories, listed.currency, \
             listed.price, listed.list_price, listed.pictures, listed.attributes, listed.rating, listed.rating_count, \
             listed.sku, listed.state, listed.create_us, listed.update_us, listed.revision FROM json_to_recordset($1::json) \
             AS listed(price bigint, list_price bigint, rating bigint, rating_count bigint, state bigint, create_us bigint, \
             update_us bigint, revision bigint, product_id text, name text, description text, brand text, categories text, \
             currency text, pictures text, attributes text, sku text) ",
            on_conflict!()
        ),
    },
);

const CLEAR_CATEGORIES: Statement = Statement::dialect(
    "DELETE product_categories",
    Dialect {
        sqlite: "DELETE FROM product_categories WHERE product_id IN (SELECT value FROM json_each($1))",
        postgres: "DELETE FROM product_categories WHERE product_id IN (SELECT json_array_elements_text($1::json))",
    },
);

const SAVE_CATEGORIES: Statement = Statement::dialect(
    "INSERT product_categories",
    Dialect {
        sqlite: "INSERT INTO product_categories (category, product_id, parent, name, brand, state) \
                 SELECT value ->> 'category', value ->> 'product_id', value ->> 'parent', value ->> 'name', \
                 value ->> 'brand', value ->> 'state' FROM jsonb_each($1)",
        postgres: "INSERT INTO product_categories (category, product_id, parent, name, brand, state) SELECT listed.category, \
                   listed.product_id, listed.parent, listed.name, listed.brand, listed.state FROM json_to_recordset($1::json) \
                   AS listed(state bigint, category text, product_id text, parent text, name text, brand text)",
    },
);

const DELETE: Statement = Statement::new("DELETE products", "DELETE FROM products WHERE product_id = $1");

/// What is known of an id.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) product: Option<Product>,
    /// 0: there never was a product of this id.
    pub(super) last_revision: u64,
}

/// Makes a product.
pub(super) struct Create {
    pub(super) wire: Wire,
    pub(super) id: ProductId,
    pub(super) draft: Draft,
    pub(super) request: Request,
    pub(super) stamp: Stamp,
}

impl Unit for Create {
    const NAME: &'static str = "CreateProduct";
    type Output = Vec<u8>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![key(&self.id), self.request.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Vec<u8>, Error> {
        if let Some(answer) = tx.remembered(&self.request).await? {
            return Ok(answer);
        }
        let known = load_one(tx, &self.id).await?;
        if known.product.is_some() {
            return Err(Error::Exists(self.id.clone()));
        }
        let content = self.draft.onto(None);
        let (product, answer) = made(self.wire, &self.id, content, &known, self.stamp.now_us).map_err(in_product)?;
        save(tx, &[&product], &[&product]).await?;
        emit(tx, self.wire, &product, answer.clone(), &self.stamp).await?;
        tx.remember(&self.request, &answer)?;
        Ok(answer)
    }
}

/// Changes a product.
pub(super) struct Update {
    pub(super) wire: Wire,
    pub(super) id: ProductId,
    pub(super) etag: Option<String>,
    pub(super) change: Change,
    pub(super) request: Request,
    pub(super) stamp: Stamp,
}

impl Unit for Update {
    const NAME: &'static str = "UpdateProduct";
    type Output = Vec<u8>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![key(&self.id), self.request.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Vec<u8>, Error> {
        // Before the etag: the first try changed it.
        if let Some(answer) = tx.remembered(&self.request).await? {
            return Ok(answer);
        }
        let known = load_one(tx, &self.id).await?;
        let old = current(&known, &self.id, self.etag.as_deref())?;
        let content = self.change.onto(&old.content);
        let answer = if content == old.content {
            (self.wire.product)(old)
        } else {
            let relisted = !CategoryRow::are_the_same(&old.content, &content);
            let (product, answer) =
                made(self.wire, &self.id, content, &known, self.stamp.now_us).map_err(in_product)?;
            let products = [&product];
            save(tx, &products, &products[..usize::from(relisted)]).await?;
            emit(tx, self.wire, &product, answer.clone(), &self.stamp).await?;
            answer
        };
        tx.remember(&self.request, &answer)?;
        Ok(answer)
    }
}

/// Deletes a product.
pub(super) struct Delete {
    pub(super) wire: Wire,
    pub(super) id: ProductId,
    pub(super) etag: Option<String>,
    pub(super) request: Request,
    pub(super) stamp: Stamp,
}

impl Unit for Delete {
    const NAME: &'static str = "DeleteProduct";
    type Output = ();
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![key(&self.id), self.request.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Error> {
        if tx.remembered(&self.request).await?.is_some() {
            return Ok(());
        }
        let known = load_one(tx, &self.id).await?;
        current(&known, &self.id, self.etag.as_deref())?;
        tx.execute(&CLEAR_CATEGORIES, [json(&[self.id.as_str()])?.into()]).await?;
        tx.execute(&DELETE, [self.id.as_str().into()]).await?;
        let event = event(self.wire.deleted, &self.id, (self.wire.deletion)(&self.id), &self.stamp);
        tx.emit(event).await?;
        tx.remember(&self.request, &[])?;
        Ok(())
    }
}

/// What units of this product lock.
pub(super) fn key(id: &ProductId) -> String {
    format!("product/{id}")
}

/// What events of this product are about.
pub(super) fn subject(id: &ProductId) -> String {
    format!("products/{id}")
}

/// The next version of a product, with its answer. Violations have the paths of a product on its own.
pub(super) fn made(
    wire: Wire,
    id: &ProductId,
    content: Content,
    known: &Known,
    now_us: i64,
) -> Result<(Product, Vec<u8>), Error> {
    content.check()?;
    let (create_us, update_us) = match &known.product {
        // A clock that was set back makes no product younger.
        Some(old) => (old.create_us, now_us.max(old.update_us)),
        None => (now_us, now_us),
    };
    let product = Product { id: id.clone(), content, create_us, update_us, revision: known.last_revision + 1 };
    let answer = (wire.product)(&product);
    if answer.len() > FRAME + ENCODED_MAX {
        return Err(Violations::one("", format!("must be at most {ENCODED_MAX} bytes encoded")).into());
    }
    Ok((product, answer))
}

/// Writes rows; `relisted` are those whose categories, brand or state are new.
pub(super) async fn save(tx: &mut Transaction, products: &[&Product], relisted: &[&Product]) -> Result<(), Error> {
    let rows: Vec<ProductRow<'_>> = products.iter().map(|product| ProductRow::of(product)).collect();
    tx.execute(&SAVE, [json(&rows)?.into()]).await?;
    if relisted.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = relisted.iter().map(|product| product.id.as_str()).collect();
    tx.execute(&CLEAR_CATEGORIES, [json(&ids)?.into()]).await?;
    let categories: Vec<CategoryRow<'_>> = relisted.iter().flat_map(|product| CategoryRow::all_of(product)).collect();
    if !categories.is_empty() {
        tx.execute(&SAVE_CATEGORIES, [json(&categories)?.into()]).await?;
    }
    Ok(())
}

/// Gives out that a product changed; its answer is the event's payload.
pub(super) async fn emit(
    tx: &mut Transaction,
    wire: Wire,
    product: &Product,
    answer: Vec<u8>,
    stamp: &Stamp,
) -> Result<(), Error> {
    let revision = tx.emit(changed(wire, &product.id, answer, stamp)).await?;
    check_revision(revision, product.revision)
}

/// The event that a product changed.
pub(super) fn changed(wire: Wire, id: &ProductId, answer: Vec<u8>, stamp: &Stamp) -> NewEvent {
    event(wire.changed, id, answer, stamp)
}

/// The answer says the revision already, so it was worked out before; its key is locked, so nobody came between.
pub(super) fn check_revision(given: u64, expected: u64) -> Result<(), Error> {
    if given != expected {
        let source = Arc::new(std::io::Error::other(format!("{given} after {expected}")));
        return Err(StoreError::Corrupt { attempted: "emit", what: "the product's revision", source }.into());
    }
    Ok(())
}

/// What is known of these ids.
pub(super) async fn load(tx: &mut Transaction, ids: &[&str]) -> Result<HashMap<String, Known>, Error> {
    let mut known = HashMap::with_capacity(ids.len());
    for row in tx.fetch_all(&LOAD, [json(ids)?.into()]).await? {
        let last_revision: Option<u64> = row.get("last_revision")?;
        let exists: Option<String> = row.get("product_id")?;
        let product = exists.map(|_| row::product(&row)).transpose()?;
        known.insert(row.get("wanted")?, Known { product, last_revision: last_revision.unwrap_or_default() });
    }
    Ok(known)
}

async fn load_one(tx: &mut Transaction, id: &ProductId) -> Result<Known, Error> {
    Ok(load(tx, &[id.as_str()]).await?.remove(id.as_str()).unwrap_or_default())
}

/// The product, if it is there and the one that the caller means.
fn current<'a>(known: &'a Known, id: &ProductId, etag: Option<&str>) -> Result<&'a Product, Error> {
    let product = known.product.as_ref().ok_or_else(|| Error::NotFound(id.clone()))?;
    match etag {
        Some(etag) if etag != product.etag() => Err(Error::EtagMismatch(id.clone())),
        Some(_) | None => Ok(product),
    }
}

fn event(r#type: &'static str, id: &ProductId, payload: Vec<u8>, stamp: &Stamp) -> NewEvent {
    NewEvent {
        r#type,
        subject: subject(id),
        key: id.as_str().to_owned(),
        payload,
        traceparent: stamp.traceparent.clone(),
    }
}

/// Paths of a request that has the product in its field `product`.
fn in_product(error: Error) -> Error {
    match error {
        Error::Invalid(violations) => Error::Invalid(violations.within("product")),
        other => other,
    }
}

fn json<T: serde::Serialize + ?Sized>(rows: &T) -> Result<String, StoreError> {
    let failed = |error| StoreError::Internal { attempted: "encode rows", source: Arc::new(error) };
    serde_json::to_string(rows).map_err(failed)
}
