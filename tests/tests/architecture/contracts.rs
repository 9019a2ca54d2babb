//! What every contract says of itself: comments, who may call, and what may be repeated.

use std::collections::{BTreeMap, BTreeSet};

use contracts::access::v1::Audience;

use crate::descriptors::Descriptors;

/// `google.protobuf.MethodOptions.IdempotencyLevel`.
mod level {
    pub(super) const UNKNOWN: i32 = 0;
    pub(super) const NO_SIDE_EFFECTS: i32 = 1;
    pub(super) const IDEMPOTENT: i32 = 2;
}

/// What a method that has no side effects is called.
const READS: [&str; 7] = ["BatchGet", "Get", "List", "Quote", "Search", "Suggest", "Watch"];

/// RPCs whose request names what it makes or changes, so that doing it again does nothing: with the field that does.
/// Whoever adds one here has made sure that the handler behind it keeps the promise.
const NAMES_ITS_EFFECT: [(&str, &str); 7] = [
    ("souk.inventory.v1.InventoryService/ReserveStock", "order_id"),
    ("souk.inventory.v1.InventoryService/CommitReservation", "order_id"),
    ("souk.inventory.v1.InventoryService/ReleaseReservation", "order_id"),
    ("souk.payment.v1.PaymentService/AuthorizePayment", "payment_id"),
    ("souk.payment.v1.PaymentService/CapturePayment", "payment_id"),
    ("souk.payment.v1.PaymentService/VoidPayment", "payment_id"),
    ("souk.payment.v1.PaymentService/RefundPayment", "refund_id"),
];

/// The reviewed table of who may call what. A change here is a change of what the public can reach.
const AUDIENCES: [(Audience, &str, &[&str]); 18] = [
    (
        Audience::Service,
        "souk.acquirer.v1.AcquirerService",
        &["AuthorizeCharge", "CaptureCharge", "VoidCharge", "RefundCharge", "GetCharge"],
    ),
    (Audience::Operator, "souk.acquirer.v1.AcquirerService", &["ListEntries", "SetFaults", "GetFaults"]),
    (Audience::Shopper, "souk.cart.v1.CartService", &["GetCart", "AddItem", "SetItemQuantity", "RemoveItem"]),
    (Audience::Shopper, "souk.cart.v1.CartService", &["ClearCart", "MergeCarts"]),
    (Audience::Shopper, "souk.catalog.v1.CatalogService", &["GetProduct", "BatchGetProducts", "ListProducts"]),
    (Audience::Operator, "souk.catalog.v1.CatalogService", &["CreateProduct", "UpdateProduct", "DeleteProduct"]),
    (Audience::Operator, "souk.catalog.v1.CatalogService", &["ImportProducts"]),
    (Audience::Service, "souk.catalog.v1.CatalogService", &["WatchProducts"]),
    (Audience::Shopper, "souk.checkout.v1.CheckoutService", &["QuoteOrder", "PlaceOrder", "GetOrder", "CancelOrder"]),
    (
        Audience::Operator,
        "souk.checkout.v1.CheckoutService",
        &["ListOrders", "RefundOrder", "FulfillOrder", "RetryOrder"],
    ),
    (Audience::Service, "souk.checkout.v1.CheckoutService", &["WatchOrders"]),
    (Audience::Shopper, "souk.inventory.v1.InventoryService", &["GetStock", "BatchGetStock"]),
    (Audience::Operator, "souk.inventory.v1.InventoryService", &["AdjustStock"]),
    (
        Audience::Service,
        "souk.inventory.v1.InventoryService",
        &["ReserveStock", "CommitReservation", "ReleaseReservation", "ReturnStock", "WatchStock"],
    ),
    (Audience::Shopper, "souk.payment.v1.PaymentService", &["TokenizeCard"]),
    (
        Audience::Service,
        "souk.payment.v1.PaymentService",
        &["AuthorizePayment", "CapturePayment", "VoidPayment", "RefundPayment", "GetPayment"],
    ),
    (Audience::Operator, "souk.payment.v1.PaymentService", &["ListPayments"]),
    (Audience::Shopper, "souk.search.v1.SearchService", &["SearchProducts", "SuggestQueries"]),
];

#[test]
fn everything_in_every_contract_is_commented() {
    let comments = Descriptors::read().comments();
    assert!(comments.len() > 400, "only {} things are described", comments.len());
    let bare: Vec<_> = comments.iter().filter(|(_, comment)| comment.is_empty()).map(|(name, _)| name).collect();
    assert!(bare.is_empty(), "without a comment: {bare:#?}");
}

#[test]
fn every_rpc_says_whether_it_may_be_repeated() {
    for (name, method) in Descriptors::read().methods() {
        let level = method.options.as_ref().and_then(|options| options.idempotency_level);
        let level = level.unwrap_or_else(|| panic!("{name} has no idempotency_level"));
        let reads = READS.iter().any(|verb| method.name.starts_with(verb));
        assert_eq!(
            level == level::NO_SIDE_EFFECTS,
            reads,
            "{name}: by its name it {}",
            if reads { "reads" } else { "writes" }
        );
        assert!((level::UNKNOWN..=level::IDEMPOTENT).contains(&level), "{name}: {level}");
    }
}

#[test]
fn what_the_mesh_repeats_by_itself_is_safe_to_repeat() {
    let descriptors = Descriptors::read();
    let comments: BTreeMap<_, _> = descriptors.comments().into_iter().collect();
    let named: BTreeMap<_, _> = NAMES_ITS_EFFECT.into_iter().collect();
    let mut seen = BTreeSet::new();
    for (name, method) in descriptors.methods() {
        let level = method.options.as_ref().and_then(|options| options.idempotency_level);
        if level != Some(level::IDEMPOTENT) {
            continue;
        }
        let field = named.get(name.as_str()).copied().inspect(|_| assert!(seen.insert(name.clone()), "{name}"));
        let field = format!("{}.{}", method.input_type.trim_start_matches('.'), field.unwrap_or("request_id"));
        let comment = comments.get(&field).unwrap_or_else(|| panic!("{name} is IDEMPOTENT, but there is no {field}"));
        assert!(comment.starts_with("Required."), "{name} is IDEMPOTENT, but {field} is not required: {comment}");
    }
    assert_eq!(seen.len(), named.len(), "NAMES_ITS_EFFECT names an RPC that is not IDEMPOTENT");
}

#[test]
fn every_rpc_is_for_whom_the_reviewed_table_says() {
    let table: BTreeMap<_, _> = AUDIENCES
        .into_iter()
        .flat_map(|(audience, service, methods)| methods.iter().map(move |m| (format!("{service}/{m}"), audience)))
        .collect();
    let declared: BTreeMap<_, _> = Descriptors::read()
        .methods()
        .map(|(name, method)| {
            let audience = method.options.as_ref().and_then(|options| options.audience).unwrap_or_default();
            (name, Audience::try_from(audience).unwrap())
        })
        .collect();
    assert_eq!(declared, table);
}

#[test]
fn names_follow_the_style_that_every_contract_has() {
    let descriptors = Descriptors::read();
    for (name, method) in descriptors.methods() {
        let request = method.input_type.rsplit('.').next().unwrap();
        assert_eq!(request, format!("{}Request", method.name), "{name} has a request of its own");
    }
    for named in descriptors.files().flat_map(|file| &file.enum_type) {
        let zero = named.value.iter().find(|value| value.number == 0).unwrap();
        assert!(zero.name.ends_with("_UNSPECIFIED"), "{} starts with {}", named.name, zero.name);
    }
}

#[test]
fn every_service_serves_under_the_policy_of_the_contracts() {
    for service in crate::services() {
        let path = system_tests::repository().join("services").join(&service).join("src/lib.rs");
        let composes = std::fs::read_to_string(path).unwrap();
        // The edge forwards by the same table, and each service behind it decides by itself.
        let decides = [".policy(rpc::access::policy())", "Edge::new(&clients, access)"];
        assert!(composes.contains(decides[usize::from(service == "storefront")]), "{service} lets in whoever comes");
    }
}
