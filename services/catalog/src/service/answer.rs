//! Answers in the contract's terms.
//!
//! Every message about one product has it in field 1, and lists have theirs in field 1 too. So the same encoded bytes, field
//! number included, are a `GetProductResponse`, a `ProductChanged`, and one of many in a page: protobuf joins messages by
//! joining their bytes. A test holds this against the contract.

use bytes::{BufMut as _, Bytes, BytesMut};
use contracts::catalog::v1 as pb;
use prost::Message;
use rpc::timestamp;
use tonic::{Response, Status};

use crate::error::Error;
use crate::page::Filter;
use crate::product::{CategoryPath, Content, Product, Rating, State};
use crate::store::{Page, Subcategory, Wire};

/// How products are written.
pub(crate) const WIRE: Wire = Wire {
    product: |product| pb::GetProductResponse { product: Some(message(product)) }.encode_to_vec(),
    changed: "souk.catalog.v1.ProductChanged",
    deletion: |id| pb::ProductDeleted { product_id: id.as_str().to_owned() }.encode_to_vec(),
    deleted: "souk.catalog.v1.ProductDeleted",
};

/// The answer as a message, for whoever wants it typed.
#[allow(clippy::result_large_err, reason = "Status is what a tonic handler returns")]
pub(super) fn decoded<M: Message + Default>(answer: Bytes) -> Result<Response<M>, Status> {
    let message = M::decode(answer).map_err(|error| {
        let source = std::sync::Arc::new(error);
        Error::Store(store::Error::Corrupt { attempted: "decode an answer", what: "the answer", source })
    })?;
    Ok(Response::new(message))
}

/// An encoded `BatchGetProductsResponse` of ids and their products, in this order.
pub(super) fn batch<'a>(products: impl Iterator<Item = (&'a str, Option<Bytes>)>) -> Bytes {
    let (mut answer, mut missing) = (BytesMut::new(), Vec::new());
    for (id, product) in products {
        match product {
            Some(product) => answer.put(product),
            None => missing.push(id.to_owned()),
        }
    }
    join(answer, &pb::BatchGetProductsResponse { products: Vec::new(), missing_product_ids: missing })
}

/// An encoded `ListProductsResponse`.
pub(super) fn page(filter: &Filter, page: Page) -> Bytes {
    let Page { products, last, subcategories } = page;
    let mut answer = BytesMut::with_capacity(products.iter().map(Bytes::len).sum::<usize>() + 128);
    products.into_iter().for_each(|product| answer.put(product));
    let rest = pb::ListProductsResponse {
        products: Vec::new(),
        next_page_token: last.map(|last| filter.token(&last)).unwrap_or_default(),
        subcategories: subcategories.into_iter().map(subcategory).collect(),
    };
    join(answer, &rest)
}

fn join(mut answer: BytesMut, rest: &impl Message) -> Bytes {
    answer.reserve(rest.encoded_len());
    rest.encode_raw(&mut answer);
    answer.freeze()
}

fn message(product: &Product) -> pb::Product {
    let content = &product.content;
    let Content { name, description, brand, categories, pictures, attributes, sku, .. } = content.clone();
    let picture = |it: crate::product::Picture| pb::Picture { uri: it.uri, alt_text: it.alt_text };
    let attribute = |it: crate::product::Attribute| pb::Attribute { name: it.name, value: it.value };
    pb::Product {
        product_id: product.id.as_str().to_owned(),
        name,
        description,
        brand,
        categories: categories.into_iter().map(path).collect(),
        price: Some(content.price.into()),
        list_price: content.list_price.map(Into::into),
        pictures: pictures.into_iter().map(picture).collect(),
        attributes: attributes.into_iter().map(attribute).collect(),
        rating: content.rating.map(rating),
        sku,
        state: state(content.state).into(),
        create_time: Some(timestamp(product.create_us)),
        update_time: Some(timestamp(product.update_us)),
        etag: product.etag(),
        revision: i64::try_from(product.revision).unwrap_or(i64::MAX),
    }
}

fn subcategory(subcategory: Subcategory) -> pb::Subcategory {
    pb::Subcategory { category: Some(path(subcategory.category)), product_count: subcategory.products }
}

fn path(path: CategoryPath) -> pb::CategoryPath {
    pb::CategoryPath { names: path.into_names() }
}

fn rating(rating: Rating) -> pb::Rating {
    pb::Rating { average: rating.average(), count: i32::try_from(rating.count).unwrap_or(i32::MAX) }
}

fn state(state: State) -> pb::ProductState {
    match state {
        State::Active => pb::ProductState::Active,
        State::Discontinued => pb::ProductState::Discontinued,
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use rpc::money::{Currency, Money};

    use super::*;
    use crate::product::ProductId;

    fn product() -> Product {
        let content = Content {
            name: "Blue mug".to_owned(),
            description: String::new(),
            brand: String::new(),
            categories: vec![CategoryPath::new(vec!["Home".to_owned(), "Mugs".to_owned()])],
            price: Money::new(Currency::parse("EUR").unwrap(), 1_250),
            list_price: None,
            pictures: Vec::new(),
            attributes: Vec::new(),
            rating: Some(Rating { average_hundredths: 440, count: 3 }),
            sku: String::new(),
            state: State::Active,
        };
        Product {
            id: ProductId::parse("mug").unwrap(),
            content,
            create_us: 1_500_001,
            update_us: 2_000_000,
            revision: 3,
        }
    }

    #[test]
    fn the_bytes_of_a_product_are_every_answer_and_event_about_it() {
        let bytes = Bytes::from((WIRE.product)(&product()));
        let expected = Some(message(&product()));
        assert_eq!(pb::GetProductResponse::decode(bytes.clone()).unwrap().product, expected);
        assert_eq!(pb::CreateProductResponse::decode(bytes.clone()).unwrap().product, expected);
        assert_eq!(pb::UpdateProductResponse::decode(bytes.clone()).unwrap().product, expected);
        assert_eq!(pb::ProductChanged::decode(bytes).unwrap().product, expected);
    }

    #[test]
    fn a_page_is_its_products_joined_with_the_rest() {
        let bytes = Bytes::from((WIRE.product)(&product()));
        let page =
            Page { products: vec![bytes.clone(), bytes.clone()], last: Some(product().id), subcategories: Vec::new() };
        let list = pb::ListProductsResponse::decode(super::page(&Filter::default(), page)).unwrap();
        assert_eq!(list.products, [message(&product()), message(&product())]);
        assert_eq!(Filter::default().read_token(&list.next_page_token), Some(product().id));
        let batch = batch([("a", None), ("mug", Some(bytes)), ("b", None)].into_iter());
        let batch = pb::BatchGetProductsResponse::decode(batch).unwrap();
        assert_eq!(
            (batch.products, batch.missing_product_ids),
            (vec![message(&product())], vec!["a".into(), "b".into()])
        );
    }

    #[test]
    fn times_are_in_microseconds() {
        let message = message(&product());
        assert_eq!(message.create_time, Some(Timestamp { seconds: 1, nanos: 500_001_000 }));
    }
}
