//! A cart with its products: read by one statement, written by one.

use std::collections::HashMap;

use ::store::{Connection, Dialect, Error as StoreError, Lookup, Row, Statement, Transaction, now};
use serde::Serialize;
use serde_json::json;

use super::{View, row};
use crate::cart::{Cart, CartId, LIFE_US};
use crate::error::{Error, unexpected};
use crate::product::{Product, ProductId};

/// What a row has beside its item; the cart and what is known of the whole are in each.
macro_rules! columns {
    () => {
        " AS wanted, (SELECT COUNT(*) FROM catalog_copy) AS copies, carts.currency AS cart_currency, carts.create_us, \
         carts.update_us, carts.revision, products.name, products.currency, products.price_minor, products.picture_uri, \
         products.state, "
    };
}

/// A row for each item of a cart in its order, and a last one, without a quantity, for the product that is asked for besides.
const LOAD: Statement = Statement::dialect(
    "SELECT carts",
    Dialect {
        sqlite: concat!(
            "SELECT wanted.key",
            columns!(),
            "listed.value ->> 0 AS product_id, listed.value ->> 1 AS quantity, listed.value ->> 2 AS item_create_us \
             FROM json_each($1) AS wanted LEFT JOIN carts ON carts.cart_id = wanted.value ->> 0 AND carts.update_us > ",
            now!(sqlite),
            " - (wanted.value ->> 2) CROSS JOIN \
             json_each(json_insert(COALESCE(carts.items, '[]'), '$[#]', json_array(wanted.value ->> 1))) AS listed \
             LEFT JOIN products ON products.product_id = listed.value ->> 0 ORDER BY wanted.key, listed.key"
        ),
        // Row by row, whatever the planner thinks of the tables.
        postgres: concat!(
            "SELECT wanted.number - 1",
            columns!(),
            "listed.value ->> 0 AS product_id, (listed.value ->> 1)::bigint AS quantity, \
             (listed.value ->> 2)::bigint AS item_create_us \
             FROM json_array_elements($1::json) WITH ORDINALITY AS wanted(value, number) \
             LEFT JOIN LATERAL (SELECT * FROM carts WHERE cart_id = wanted.value ->> 0 AND update_us > ",
            now!(postgres),
            " - (wanted.value ->> 2)::bigint OFFSET 0) AS carts ON true \
             CROSS JOIN LATERAL jsonb_array_elements(COALESCE(carts.items, '[]')::jsonb \
             || jsonb_build_array(jsonb_build_array(wanted.value ->> 1))) WITH ORDINALITY AS listed(value, number) \
             LEFT JOIN LATERAL (SELECT * FROM products WHERE product_id = listed.value ->> 0 OFFSET 0) AS products ON true \
             ORDER BY wanted.number, listed.number"
        ),
    },
);

macro_rules! on_conflict {
    () => {
        "ON CONFLICT (cart_id) DO UPDATE SET items = excluded.items, currency = excluded.currency, \
         update_us = excluded.update_us, revision = excluded.revision WHERE carts.revision = excluded.revision - 1"
    };
}

/// Touches a row only if it is the one that was read.
const SAVE: Statement = Statement::dialect(
    "UPSERT carts",
    Dialect {
        sqlite: concat!(
            "INSERT INTO carts (cart_id, items, currency, create_us, update_us, revision) \
             SELECT value ->> 'cart_id', value ->> 'items', value ->> 'currency', value ->> 'create_us', \
             value ->> 'update_us', value ->> 'revision' FROM jsonb_each($1) WHERE true ",
            on_conflict!()
        ),
        postgres: concat!(
            "INSERT INTO carts (cart_id, items, currency, create_us, update_us, revision) SELECT listed.cart_id, \
             listed.items, listed.currency, listed.create_us, listed.update_us, listed.revision FROM \
             json_to_recordset($1::json) AS listed(create_us bigint, update_us bigint, revision bigint, cart_id text, items \
             text, currency text) ",
            on_conflict!()
        ),
    },
);

/// A row of [`SAVE`].
#[derive(Serialize)]
struct CartRow<'a> {
    cart_id: &'a str,
    items: String,
    currency: &'static str,
    create_us: i64,
    update_us: i64,
    revision: u64,
}

/// What was asked for.
pub(super) struct Found {
    /// Whether the copy of the catalog was ever complete.
    pub(super) seen: bool,
    /// `None`: there is none, or its time is over.
    pub(super) cart: Option<Cart>,
    /// Of its items, and the one that was asked for besides.
    pub(super) products: HashMap<ProductId, Product>,
}

/// What finds a cart, and what is known of one more product.
pub(super) fn lookup(id: &CartId, product: Option<&ProductId>) -> Lookup {
    Lookup::new(LOAD, json!([id.as_str(), product.map(ProductId::as_str), LIFE_US]))
}

/// Reads a cart, and what is known of one more product.
pub(super) async fn load(tx: &mut Transaction, id: &CartId, product: Option<&ProductId>) -> Result<Found, Error> {
    Ok(found(id, &tx.look_up(&lookup(id, product)).await?)?)
}

/// Reads a cart on a connection that cannot write.
pub(super) async fn read(mut connection: Connection, id: CartId) -> Result<Option<View>, Error> {
    let Found { cart, products, .. } = found(&id, &connection.look_up(&lookup(&id, None)).await?)?;
    Ok(cart.map(|cart| View { cart, products }))
}

/// Writes a cart that has changed.
pub(super) fn save(tx: &mut Transaction, cart: &Cart) -> Result<(), Error> {
    let row = CartRow {
        cart_id: cart.id.as_str(),
        items: row::items_text(&cart.items)?,
        currency: cart.currency.map_or("", rpc::money::Currency::code),
        create_us: cart.create_us,
        update_us: cart.update_us,
        revision: cart.revision,
    };
    Ok(tx.put(&SAVE, &row)?)
}

fn found(id: &CartId, rows: &[Row]) -> Result<Found, StoreError> {
    let Some(first) = rows.first() else {
        return Err(unexpected("SELECT carts", std::io::Error::other("the answer has no row")));
    };
    let mut cart = row::cart(first, id)?;
    let (mut products, copies) = (HashMap::with_capacity(rows.len()), first.get::<i64>("copies")?);
    for found in rows {
        let product: Option<String> = found.get("product_id")?;
        // The last row, where no product was asked for.
        let Some(product) = product else { continue };
        let product = row::product_id(&product)?;
        if let (Some(cart), Some(item)) = (&mut cart, row::item(found, &product)?) {
            cart.items.push(item);
        }
        if let Some(known) = row::product(found)? {
            products.insert(product, known);
        }
    }
    Ok(Found { seen: copies > 0, cart, products })
}
