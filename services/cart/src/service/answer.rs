//! Answers in the contract's terms.

use contracts::cart::v1 as pb;
use rpc::money::Currency;
use rpc::timestamp;

use crate::cart::Item;
use crate::product::{Product, State};
use crate::store::View;

pub(super) fn cart(View { cart, products }: &View) -> pb::Cart {
    let item = |item: &Item| self::item(item, products.get(&item.product), cart.currency);
    pb::Cart {
        cart_id: cart.id.as_str().to_owned(),
        items: cart.items.iter().map(item).collect(),
        currency_code: cart.currency.map(Currency::code).unwrap_or_default().to_owned(),
        create_time: Some(timestamp(cart.create_us)),
        update_time: Some(timestamp(cart.update_us)),
        expire_time: Some(timestamp(cart.expire_us())),
        etag: cart.etag(),
    }
}

fn item(item: &Item, product: Option<&Product>, currency: Option<Currency>) -> pb::CartItem {
    let orders = |product: &Product| product.state == State::Active && Some(product.price.currency()) == currency;
    pb::CartItem {
        product_id: item.product.to_string(),
        quantity: i32::try_from(item.quantity).unwrap_or(i32::MAX),
        create_time: Some(timestamp(item.create_us)),
        unavailable: !product.is_some_and(orders),
        name: product.map(|product| product.name.clone()).unwrap_or_default(),
        unit_price: product.map(|product| product.price.into()),
        picture_uri: product.map(|product| product.picture_uri.clone()).unwrap_or_default(),
    }
}
