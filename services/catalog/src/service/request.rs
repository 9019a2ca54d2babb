//! Requests, parsed: everything wrong with one is found at once.

use std::collections::HashSet;

use contracts::catalog::v1 as pb;
use mesh::Violations;
use prost::Message as _;
use rpc::{etag, request_id};
use store::Request;

use super::product::{self, Parser};
use crate::error::Error;
use crate::mask::Fields;
use crate::page::{self, Filter, Query};
use crate::product::{BRAND_MAX, Change, Draft, ProductId, text};

/// The most ids of a batch.
const IDS_MAX: usize = 100;

/// A `CreateProductRequest`.
pub(super) struct Create {
    pub(super) id: ProductId,
    pub(super) draft: Draft,
    pub(super) request: Request,
}

/// An `UpdateProductRequest`.
pub(super) struct Update {
    pub(super) id: ProductId,
    pub(super) etag: Option<String>,
    pub(super) change: Change,
    pub(super) request: Request,
}

/// A `DeleteProductRequest`.
pub(super) struct Delete {
    pub(super) id: ProductId,
    pub(super) etag: Option<String>,
    pub(super) request: Request,
}

/// The ids of a batch, each once, in their order.
pub(super) fn distinct_ids(ids: &[String]) -> Result<Vec<&str>, Violations> {
    if ids.is_empty() || ids.len() > IDS_MAX {
        return Err(Violations::one("product_ids", format!("must be 1 to {IDS_MAX} ids")));
    }
    let mut violations = Violations::default();
    let (mut seen, mut distinct) = (HashSet::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
    for (index, id) in ids.iter().enumerate() {
        if !ProductId::is_valid(id) {
            violations.add(format!("product_ids[{index}]"), ProductId::RULE);
        } else if seen.insert(id.as_str()) {
            distinct.push(id.as_str());
        }
    }
    violations.check().map(|()| distinct)
}

/// A page's query.
pub(super) fn list(request: &pb::ListProductsRequest) -> Result<Query, Error> {
    let mut violations = Violations::default();
    let size = rpc::page_size(request.page_size, page::SIZE_DEFAULT, page::SIZE_MAX, &mut violations);
    let named = request.category.as_ref().filter(|category| !category.names.is_empty());
    let category = named.and_then(|category| product::path(category, "category", &mut violations));
    if let Err(rule) = text::line(&request.brand, BRAND_MAX) {
        violations.add("brand", rule);
    }
    violations.check()?;
    let filter = Filter { category, brand: request.brand.clone(), include_discontinued: request.include_discontinued };
    let after = match request.page_token.as_str() {
        "" => None,
        token => Some(filter.read_token(token).ok_or(Error::PageToken)?),
    };
    Ok(Query { filter, size, after, count_subcategories: request.count_subcategories })
}

pub(super) fn create(mut request: pb::CreateProductRequest) -> Result<Create, Violations> {
    let mut violations = Violations::default();
    let request_id = request_id(&mut request.request_id, &mut violations);
    let Some(product) = request.product.as_mut() else {
        violations.add("product", "must be set");
        return Err(violations);
    };
    product.etag.clear();
    clear_output(product);
    let id = match product.product_id.as_str() {
        "" => Some(ProductId::generate()),
        id => parsed_id(id, "product.product_id", &mut violations),
    };
    let draft = Parser::new(product, "product.", &mut violations).draft();
    let request = once("souk.catalog.v1.CatalogService/CreateProduct", request_id, &request.encode_to_vec());
    violations.clone().check()?;
    let (Some(id), Some(draft)) = (id, draft) else { return Err(violations) };
    Ok(Create { id, draft, request })
}

pub(super) fn update(mut request: pb::UpdateProductRequest) -> Result<Update, Violations> {
    let mut violations = Violations::default();
    let request_id = request_id(&mut request.request_id, &mut violations);
    let Some(product) = request.product.as_mut() else {
        violations.add("product", "must be set");
        return Err(violations);
    };
    clear_output(product);
    let id = parsed_id(&product.product_id, "product.product_id", &mut violations);
    let etag = etag(&product.etag, "product.etag", &mut violations);
    let paths = request.update_mask.as_ref().map_or(&[][..], |mask| &mask.paths);
    let fields = match Fields::parse(paths, product::populated(product)) {
        Ok(fields) => fields,
        Err(unknown) => {
            unknown.as_slice().iter().for_each(|found| violations.add(&found.field, &found.description));
            Fields::default()
        }
    };
    let change = Parser::new(product, "product.", &mut violations).change(fields);
    let request = once("souk.catalog.v1.CatalogService/UpdateProduct", request_id, &request.encode_to_vec());
    violations.clone().check()?;
    let Some(id) = id else { return Err(violations) };
    Ok(Update { id, etag, change, request })
}

pub(super) fn delete(mut request: pb::DeleteProductRequest) -> Result<Delete, Violations> {
    let mut violations = Violations::default();
    let request_id = request_id(&mut request.request_id, &mut violations);
    let id = parsed_id(&request.product_id, "product_id", &mut violations);
    let etag = etag(&request.etag, "etag", &mut violations);
    let request = once("souk.catalog.v1.CatalogService/DeleteProduct", request_id, &request.encode_to_vec());
    violations.clone().check()?;
    let Some(id) = id else { return Err(violations) };
    Ok(Delete { id, etag, request })
}

/// A request that names nothing but itself is known again for the same principal.
fn once(rpc: &'static str, request_id: String, content: &[u8]) -> Request {
    rpc::once(rpc::principal(), rpc, request_id, content)
}

fn parsed_id(id: &str, field: &str, violations: &mut Violations) -> Option<ProductId> {
    let parsed = ProductId::parse(id);
    if parsed.is_none() {
        violations.add(field, ProductId::RULE);
    }
    parsed
}

/// Output only fields are ignored, in the content of a retry too.
fn clear_output(product: &mut pb::Product) {
    product.create_time = None;
    product.update_time = None;
    product.revision = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_known_by_its_content_and_not_by_what_is_output_only() {
        let request = |name: &str, revision| pb::CreateProductRequest {
            product: Some(pb::Product {
                product_id: "mug".into(),
                name: name.into(),
                price: Some(contracts::google::r#type::Money { currency_code: "EUR".into(), units: 1, nanos: 0 }),
                revision,
                etag: revision.to_string(),
                ..Default::default()
            }),
            request_id: "3f2a8d4e-0b6c-4f6e-9c1d-2a7b5e8f9d10".into(),
        };
        let fingerprint = |name, revision| create(request(name, revision)).ok().unwrap().request.fingerprint;
        assert_eq!(fingerprint("Mug", 1), fingerprint("Mug", 2));
        assert_ne!(fingerprint("Mug", 1), fingerprint("Jug", 1));
    }
}
