//! The catalog as checkout sees it: what products are called and cost now.

use contracts::catalog::v1 as pb;
use rpc::money::Money;

use super::{Away, Clients};
use crate::quote::Product;

impl Clients {
    /// Those of these products that are sold, at most 100.
    pub(crate) async fn products(&self, ids: Vec<String>) -> Result<Vec<Product>, Away> {
        let request = pb::BatchGetProductsRequest { product_ids: ids };
        let answer = self.catalog.clone().batch_get_products(request).await;
        let answer = answer.map_err(|status| Away { service: "catalog", status })?.into_inner();
        Ok(answer.products.into_iter().filter_map(product).collect())
    }
}

/// A product, if it is sold. A state that this version does not know is none in which it is.
fn product(product: pb::Product) -> Option<Product> {
    if product.state() != pb::ProductState::Active {
        return None;
    }
    let price = Money::try_from(&product.price.unwrap_or_default()).ok().filter(|price| price.minor() >= 0)?;
    let picture_uri = product.pictures.into_iter().next().map(|picture| picture.uri).unwrap_or_default();
    Some(Product { id: product.product_id, name: product.name, picture_uri, price })
}
