//! Fuzz targets: what callers and consumers send the catalog, and what holds whatever they send.
//!
//! Each is a plain function that panics where it does not hold. `cargo test` runs them on `corpus/` and on mutations of it;
//! CONTRIBUTING.md says how a fuzzer does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::catalog::v1 as pb;
use contracts::event::v1::Event;
use mesh::Violations;
use prost::Message;

use super::answer;
use super::product::Parser;
use super::request;
use crate::error::Error;
use crate::page::{self, Filter};
use crate::product::{CategoryPath, Product, ProductId};

/// A page token, one field a line: the token, the brand of the list, the names of its category. It is read by the list
/// that made it alone, and only as it was made.
pub fn page_token(lines: &[u8]) {
    let Ok(text) = std::str::from_utf8(lines) else { return };
    let mut lines = text.split('\n');
    let (token, brand) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let names: Vec<String> = lines.map(str::to_owned).collect();
    let category = (!names.is_empty()).then_some(pb::CategoryPath { names });
    let request = pb::ListProductsRequest {
        category: category.clone(),
        brand: brand.to_owned(),
        page_token: token.to_owned(),
        page_size: i32::try_from(text.len()).unwrap_or(i32::MAX),
        ..Default::default()
    };
    match request::list(&request) {
        Ok(query) => {
            assert!((1..=page::SIZE_MAX).contains(&query.size));
            let made = query.after.as_ref().map_or(String::new(), |last| query.filter.token(last));
            assert_eq!(made, token, "it is read as another one");
            only_its_own(&query.filter, token);
        }
        Err(Error::PageToken) => assert!(!token.is_empty(), "the first page needs no token"),
        Err(Error::Invalid(violations)) => assert!(named(&violations), "{violations:?}"),
        Err(other) => panic!("{other}"),
    }
    let brand: String = brand.chars().take(8).collect();
    let category = category.map(|category| CategoryPath::new(category.names));
    only_its_own(&Filter { category, brand, include_discontinued: text.len() % 2 == 0 }, token);
}

/// What a list makes of this text: nothing, or a token that it makes too. Its own tokens it reads, and no changed one.
fn only_its_own(list: &Filter, text: &str) {
    if let Some(last) = list.read_token(text) {
        assert_eq!(list.token(&last), text, "two tokens for one page");
    }
    let id: String = text.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    let Some(id) = ProductId::parse(&id) else { return };
    let token = list.token(&id);
    assert!(token.len() <= 128, "a token of {} bytes", token.len());
    assert_eq!(list.read_token(&token).as_ref(), Some(&id), "it cannot read its own token");
    let other = Filter { brand: format!("{}x", list.brand), ..list.clone() };
    assert_eq!(other.read_token(&token), None, "another list reads it");
    let mut bytes = URL_SAFE_NO_PAD.decode(&token).expect("a token is base64");
    let at = text.len() % bytes.len();
    bytes[at] ^= 1 << (text.len() % 8);
    assert_eq!(list.read_token(&URL_SAFE_NO_PAD.encode(&bytes)), None, "a changed token is read");
}

/// A `CreateProductRequest` as bytes: refused with the fields that are wrong, or a product that is answered as it was
/// sent and would be accepted again.
pub fn product(bytes: &[u8]) {
    let Ok(mut sent) = pb::CreateProductRequest::decode(bytes) else { return };
    let created = match request::create(sent.clone()) {
        Ok(created) => created,
        Err(violations) => {
            assert!(named(&violations), "{violations:?}");
            let status = tonic::Status::from(Error::from(violations));
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(status.details().len() * 4 / 3 + status.message().len() < 8 * 1024, "no header takes this status");
            return;
        }
    };
    let content = created.draft.onto(None);
    let product = Product { id: created.id, content, create_us: 1, update_us: 2, revision: 1 };
    let answered = pb::GetProductResponse::decode(&*(answer::WIRE.product)(&product)).expect("it cannot be read");
    let mut answered = answered.product.expect("an answer without a product");
    let mut violations = Violations::default();
    let again = Parser::new(&answered, "", &mut violations).draft();
    assert!(violations.check().is_ok(), "what was accepted once is not accepted again");
    assert_eq!(
        again.map(|draft| draft.onto(None)),
        Some(product.content),
        "it is stored otherwise than it is answered"
    );
    // Everything but what the catalog decides: ids, times, a rounded average, a state that was left out.
    let sent = sent.product.as_mut().expect("a product was parsed");
    for one in [&mut *sent, &mut answered] {
        (one.product_id, one.etag, one.revision, one.state) = Default::default();
        (one.create_time, one.update_time) = Default::default();
        let average = one.rating.map(|rating| (rating.average * 100.0).round() / 100.0);
        if let (Some(rating), Some(average)) = (&mut one.rating, average) {
            rating.average = average;
        }
    }
    assert_eq!(*sent, answered, "it is answered otherwise than it was sent");
}

/// Whether every violation says which field it is about, and the list is as long as its limit.
fn named(violations: &Violations) -> bool {
    let found = violations.as_slice();
    (1..=mesh::violations::VIOLATIONS_MAX).contains(&found.len())
        && found.iter().all(|found| !found.field.is_empty() && !found.description.is_empty())
}

/// An event as a consumer gets it: what is decoded is encoded to the same event, in no more than what came, and so is a
/// payload of the catalog's.
pub fn event(bytes: &[u8]) {
    let Ok(event) = Event::decode(bytes) else { return };
    again(&event, bytes.len());
    let Some(payload) = event.payload else { return };
    let size = payload.value.len();
    if let Ok(changed) = pb::ProductChanged::decode(&*payload.value) {
        again(&changed, size);
    }
    if let Ok(deleted) = pb::ProductDeleted::decode(&*payload.value) {
        again(&deleted, size);
    }
}

fn again<M: Message + Default + PartialEq + std::fmt::Debug>(message: &M, came: usize) {
    let encoded = message.encode_to_vec();
    // Unknown fields and defaults are dropped; a number below zero in too few bytes is all that can grow.
    assert!(encoded.len() <= came * 10, "{} bytes of {came}", encoded.len());
    let decoded = M::decode(&*encoded).expect("what was encoded is no message");
    // A NaN is no NaN.
    assert_eq!(decoded.encode_to_vec(), encoded, "it is read otherwise: {message:?}");
}

#[cfg(test)]
mod tests {
    use test_fuzz::Target;

    const fn target(name: &'static str, function: fn(&[u8])) -> Target {
        Target { crate_folder: env!("CARGO_MANIFEST_DIR"), name, function }
    }

    #[test]
    fn no_list_reads_a_token_that_it_did_not_make() {
        target("page_token", super::page_token).run();
    }

    #[test]
    fn no_product_is_refused_without_a_field_or_kept_otherwise_than_it_was_sent() {
        target("product", super::product).run();
    }

    #[test]
    fn no_event_is_read_otherwise_than_it_was_written() {
        target("event", super::event).run();
    }
}
