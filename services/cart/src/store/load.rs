//! A cart with its products: read by one statement, written by one.

use std::collections::HashMap;

use ::store::{Connection, Dialect, Error as StoreError, Row, Statement, Transaction, Value, now};

use super::{View, row};
use crate::cart::{Cart, CartId, LIFE_US};
use crate::error::{Error, unexpected};
use crate::product::{Product, ProductId};

/// What a row has beside its item; the cart and what is known of the whole are in each.
macro_rules! columns {
    () => {
        " AS now_us, (SELECT COUNT(*) FROM catalog_copy) AS copies, carts.currency AS cart_currency, carts.create_us, \
         carts.update_us, carts.revision, products.name, products.currency, products.price_minor, products.picture_uri, \
         products.state, "
    };
}

/// A row for each item of a cart in its order, and a last one, without a quantity, for the product that is asked for besides.
const LOAD: Statement = Statement::dialect(
    "SELECT carts",
    Dialect {
        sqlite: concat!(
            "SELECT ",
            now!(sqlite),
            columns!(),
            "listed.value ->> 0 AS product_id, listed.value ->> 1 AS quantity, listed.value ->> 2 AS item_create_us \
             FROM (SELECT 1) AS one LEFT JOIN carts ON carts.cart_id = $1 AND carts.update_us > ",
            now!(sqlite),
            " - $3 CROSS JOIN json_each(json_insert(COALESCE(carts.items, '[]'), '$[#]', json_array($2))) AS listed \
             LEFT JOIN products ON products.product_id = listed.value ->> 0 ORDER BY listed.key"
        ),
        postgres: concat!(
            "SELECT ",
            now!(postgres),
            columns!(),
            "listed.value ->> 0 AS product_id, (listed.value ->> 1)::bigint AS quantity, \
             (listed.value ->> 2)::bigint AS item_create_us \
             FROM (SELECT 1) AS one LEFT JOIN carts ON carts.cart_id = $1 AND carts.update_us > ",
            now!(postgres),
            " - $3 CROSS JOIN jsonb_array_elements(COALESCE(carts.items, '[]')::jsonb \
             || jsonb_build_array(jsonb_build_array($2::text))) WITH ORDINALITY AS listed(value, number) \
             LEFT JOIN products ON products.product_id = listed.value ->> 0 ORDER BY listed.number"
        ),
    },
);

/// Touches a row only if it is the one that was read.
const SAVE: Statement = Statement::new(
    "UPSERT carts",
    "INSERT INTO carts (cart_id, items, currency, create_us, update_us, revision) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (cart_id) DO UPDATE SET items = excluded.items, currency = excluded.currency, \
     update_us = excluded.update_us, revision = excluded.revision WHERE carts.revision = excluded.revision - 1",
);

/// What was asked for.
pub(super) struct Found {
    /// The database's clock.
    pub(super) now_us: i64,
    /// Whether the copy of the catalog was ever complete.
    pub(super) seen: bool,
    /// `None`: there is none, or its time is over.
    pub(super) cart: Option<Cart>,
    /// Of its items, and the one that was asked for besides.
    pub(super) products: HashMap<ProductId, Product>,
}

/// Reads a cart, and what is known of one more product.
pub(super) async fn load(tx: &mut Transaction, id: &CartId, product: Option<&ProductId>) -> Result<Found, Error> {
    Ok(found(id, &tx.fetch_all(&LOAD, values(id, product)).await?)?)
}

/// Reads a cart on a connection that cannot write.
pub(super) async fn read(mut connection: Connection, id: CartId) -> Result<Option<View>, Error> {
    let Found { cart, products, .. } = found(&id, &connection.fetch_all(&LOAD, values(&id, None)).await?)?;
    Ok(cart.map(|cart| View { cart, products }))
}

/// Writes a cart that has changed.
pub(super) async fn save(tx: &mut Transaction, cart: &Cart) -> Result<(), Error> {
    let values = [
        cart.id.as_str().into(),
        row::items_text(&cart.items)?.into(),
        cart.currency.map_or("", rpc::money::Currency::code).into(),
        cart.create_us.into(),
        cart.update_us.into(),
        i64::try_from(cart.revision).unwrap_or(i64::MAX).into(),
    ];
    if tx.execute(&SAVE, values).await? == 1 {
        return Ok(());
    }
    let why = std::io::Error::other("somebody else changed what this unit had locked");
    Err(unexpected("UPSERT carts", why).into())
}

fn values(id: &CartId, product: Option<&ProductId>) -> [Value; 3] {
    let product = product.map(|product| product.as_str().to_owned());
    [id.as_str().into(), product.into(), LIFE_US.into()]
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
    Ok(Found { now_us: first.get("now_us")?, seen: copies > 0, cart, products })
}
