//! The feeds that the index follows, in its own terms.

use contracts::catalog::v1 as catalog;
use contracts::inventory::v1 as inventory;
use prost::Message as _;
use rpc::money::Money;

use super::answer;
use crate::index::{Change, What};
use crate::product::{CategoryPath, Product, Rating};

/// Why an event cannot be indexed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum EventError {
    #[error("decode {0}")]
    Undecodable(&'static str, #[source] prost::DecodeError),
    #[error("read the event")]
    Malformed(#[source] store::Malformed),
    #[error("a product's price")]
    Price(#[source] rpc::money::MoneyError),
    #[error("{0}")]
    Wrong(&'static str),
}

/// One event of a feed, whichever it is.
pub(crate) struct Event<'a> {
    pub(crate) r#type: &'a str,
    pub(crate) key: &'a str,
    pub(crate) revision: u64,
    /// `None` within a snapshot.
    pub(crate) time_us: Option<i64>,
    pub(crate) payload: &'a [u8],
}

/// What an event changes; `None`: nothing that this version knows.
pub(crate) fn change(event: &Event<'_>) -> Result<Option<Change>, EventError> {
    let what = match event.r#type {
        "souk.catalog.v1.ProductChanged" => {
            let changed = catalog::ProductChanged::decode(event.payload);
            let changed = changed.map_err(|error| EventError::Undecodable("a changed product", error))?;
            product(changed.product.ok_or(EventError::Wrong("a change without a product"))?)?
        }
        "souk.catalog.v1.ProductDeleted" => What::Deleted,
        "souk.inventory.v1.StockChanged" => {
            let changed = inventory::StockChanged::decode(event.payload);
            let changed = changed.map_err(|error| EventError::Undecodable("a changed stock", error))?;
            let stock = changed.stock.ok_or(EventError::Wrong("a change without a stock"))?;
            What::Stock { in_stock: stock.on_hand > 0 }
        }
        _ => return Ok(None),
    };
    let Event { key, revision, time_us, .. } = *event;
    Ok(Some(Change { id: key.to_owned(), revision, what, time_us }))
}

fn product(product: catalog::Product) -> Result<What, EventError> {
    if product.state() == catalog::ProductState::Discontinued {
        return Ok(What::Discontinued);
    }
    let price = product.price.as_ref().ok_or(EventError::Wrong("a product without a price"))?;
    let price = Money::try_from(price).map_err(EventError::Price)?;
    let rating = product.rating.as_ref().and_then(rating);
    Ok(What::Product(Box::new(Product {
        name: product.name.clone(),
        description: product.description.clone(),
        brand: product.brand.clone(),
        categories: product.categories.iter().map(|path| CategoryPath { names: path.names.clone() }).collect(),
        attributes: product.attributes.iter().map(|one| (one.name.clone(), one.value.clone())).collect(),
        sku: product.sku.clone(),
        price,
        rating,
        shown: answer::shown(product),
    })))
}

/// An average in hundredths, rounded half up as the catalog does; `None`: it is none.
fn rating(rating: &catalog::Rating) -> Option<Rating> {
    let hundredths = (rating.average * 100.0).round();
    let average_hundredths = (100..=500).find(|average| f64::from(*average) >= hundredths)?;
    let real = (1.0..=5.0).contains(&rating.average);
    real.then_some(Rating { average_hundredths, count: u32::try_from(rating.count).unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use contracts::google::r#type::Money as WireMoney;

    use super::*;

    fn event<'a>(r#type: &'a str, payload: &'a [u8]) -> Event<'a> {
        Event { r#type, key: "mug", revision: 3, time_us: Some(7), payload }
    }

    fn lamp() -> catalog::Product {
        catalog::Product {
            product_id: "mug".into(),
            name: "Mug".into(),
            price: Some(WireMoney { currency_code: "KWD".into(), units: 1, nanos: 5_000_000 }),
            rating: Some(catalog::Rating { average: 4.375, count: 2 }),
            state: catalog::ProductState::Active.into(),
            ..Default::default()
        }
    }

    fn changed(product: catalog::Product) -> Result<Option<Change>, EventError> {
        let payload = catalog::ProductChanged { product: Some(product) }.encode_to_vec();
        change(&event("souk.catalog.v1.ProductChanged", &payload))
    }

    #[test]
    fn a_product_is_read_with_its_price_and_rating() {
        let Some(Change { id, revision: 3, what: What::Product(product), time_us: Some(7) }) = changed(lamp()).unwrap()
        else {
            panic!("no product");
        };
        assert_eq!((id.as_str(), product.price.minor()), ("mug", 1_005));
        assert_eq!(product.rating, Some(Rating { average_hundredths: 438, count: 2 }));
        assert!(!product.shown.is_empty());
    }

    #[test]
    fn a_product_that_is_no_longer_sold_and_one_that_is_deleted_are_told_apart() {
        let discontinued = catalog::Product { state: catalog::ProductState::Discontinued.into(), ..lamp() };
        assert_eq!(changed(discontinued).unwrap().unwrap().what, What::Discontinued);
        let deleted = change(&event("souk.catalog.v1.ProductDeleted", b"")).unwrap().unwrap();
        assert_eq!((deleted.what, deleted.id.as_str()), (What::Deleted, "mug"));
    }

    #[test]
    fn a_product_is_in_stock_while_one_is_on_hand() {
        for (on_hand, in_stock) in [(0, false), (1, true)] {
            let stock = inventory::StockLevel { product_id: "mug".into(), on_hand, reserved: 9, ..Default::default() };
            let payload = inventory::StockChanged { stock: Some(stock) }.encode_to_vec();
            let found = change(&event("souk.inventory.v1.StockChanged", &payload)).unwrap().unwrap();
            assert_eq!(found.what, What::Stock { in_stock });
        }
    }

    #[test]
    fn what_cannot_be_indexed_is_said_and_what_is_not_known_is_passed_over() {
        assert!(changed(catalog::Product { price: None, ..lamp() }).is_err());
        assert!(change(&event("souk.catalog.v1.ProductChanged", b"\xff")).is_err());
        assert_eq!(change(&event("souk.catalog.v1.SomethingNew", b"\xff")).unwrap(), None);
    }
}
