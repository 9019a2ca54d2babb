//! The catalog as carts see it: its feed, read into products.

use contracts::catalog::v1 as pb;
use contracts::catalog::v1::catalog_service_client::CatalogServiceClient;
use contracts::catalog::v1::watch_products_response::Kind;
use mesh::Channel;
use mesh::drain::Phase;
use prost::Message as _;
use rpc::feed::{self, Linked, Wire};
use rpc::money::Money;
use store::feed::Message;
use store::follow::Metrics;
use store::{Follow, Interrupted};

use crate::product::{News, Product, State, cut};
use crate::store::{Copy, Unreadable};

/// Follows the catalog's feed into the copy until the process leaves. `metrics` show how it is going.
pub(crate) async fn follow(catalog: Channel, copy: Copy, metrics: Metrics, drain: mesh::Drain) {
    let catalog = CatalogServiceClient::new(catalog);
    let connect = move |cursor: String| {
        let mut catalog = catalog.clone();
        async move {
            let opened = catalog.watch_products(pb::WatchProductsRequest { cursor }).await;
            let opened = opened.map_err(feed::interrupted)?;
            Ok::<_, Interrupted>(feed::stream(opened.into_inner(), received))
        }
    };
    let follow = Follow::new("catalog", connect, Linked::new("catalog", copy));
    metrics.observe(&follow);
    follow.run(async move { drain.reached(Phase::Leaving).await }).await;
}

/// What an event says of its product.
pub(crate) fn read(r#type: &str, payload: &[u8]) -> Result<News, Unreadable> {
    match r#type {
        "souk.catalog.v1.ProductChanged" => {
            let changed = pb::ProductChanged::decode(payload).map_err(|error| Unreadable(error.to_string()))?;
            let product = changed.product.ok_or_else(|| Unreadable("it has no product".to_owned()))?;
            self::product(product).map(News::Now)
        }
        "souk.catalog.v1.ProductDeleted" => Ok(News::Deleted),
        _ => Ok(News::Other),
    }
}

fn product(product: pb::Product) -> Result<Product, Unreadable> {
    // A state that this version does not know is none in which a product is sold.
    let state = match product.state() {
        pb::ProductState::Active => State::Active,
        pb::ProductState::Discontinued | pb::ProductState::Unspecified => State::Discontinued,
    };
    let price = product.price.ok_or_else(|| Unreadable("it has no price".to_owned()))?;
    let price = Money::try_from(&price).map_err(|error| Unreadable(format!("its price {error}")))?;
    let picture_uri = product.pictures.into_iter().next().map(|picture| picture.uri).unwrap_or_default();
    Ok(Product { name: cut(&product.name), price, picture_uri, state })
}

fn received(response: pb::WatchProductsResponse) -> Option<Message> {
    let wire = match response.kind? {
        Kind::Event(event) => Wire::Event(event),
        Kind::Bookmark(bookmark) => Wire::Bookmark(bookmark),
        Kind::SnapshotStart(start) => Wire::SnapshotStart(start),
    };
    Some(feed::received(wire, response.cursor))
}

#[cfg(test)]
mod tests {
    use contracts::google::r#type::Money as Price;

    use super::*;

    fn mug() -> pb::Product {
        let price = Some(Price { currency_code: "EUR".into(), units: 12, nanos: 500_000_000 });
        let pictures = ["/mug.svg", "/other.svg"].map(|uri| pb::Picture { uri: uri.into(), ..pb::Picture::default() });
        let (state, pictures) = (pb::ProductState::Active.into(), pictures.to_vec());
        pb::Product { name: "A mug".into(), price, pictures, state, ..pb::Product::default() }
    }

    fn changed(product: Option<pb::Product>) -> Result<News, Unreadable> {
        read("souk.catalog.v1.ProductChanged", &pb::ProductChanged { product }.encode_to_vec())
    }

    #[test]
    fn a_change_says_what_carts_show_and_whether_the_product_is_sold() {
        let News::Now(product) = changed(Some(mug())).unwrap() else { panic!("no product") };
        assert_eq!((&*product.name, product.price.minor(), &*product.picture_uri), ("A mug", 1250, "/mug.svg"));
        assert_eq!(product.state, State::Active);
        for state in [pb::ProductState::Discontinued.into(), pb::ProductState::Unspecified.into(), 77] {
            let News::Now(product) = changed(Some(pb::Product { state, ..mug() })).unwrap() else { panic!() };
            assert_eq!(product.state, State::Discontinued, "{state}");
        }
        assert_eq!(read("souk.catalog.v1.ProductDeleted", b"").unwrap(), News::Deleted);
        assert_eq!(read("souk.catalog.v2.ProductPraised", b"\xff").unwrap(), News::Other);
    }

    #[test]
    fn an_event_that_says_no_product_is_refused() {
        let odd = Price { currency_code: "JPY".into(), units: 1, nanos: 1 };
        for product in
            [None, Some(pb::Product { price: None, ..mug() }), Some(pb::Product { price: Some(odd), ..mug() })]
        {
            changed(product).unwrap_err();
        }
        read("souk.catalog.v1.ProductChanged", b"\xff").unwrap_err();
    }
}
