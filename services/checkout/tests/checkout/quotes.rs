//! Quotes: what a cart would cost, and what happens when that changes before it is ordered.

use contracts::checkout::v1 as pb;
use prost::Message as _;
use tonic::{Code, Status};

use crate::ask::{self, destination, placed, placing, precondition, quote, refusal, subjects};
use crate::bank::Card;
use crate::relay::Fate;
use crate::shop::{Client, Shop, money};

crate::on_both_databases!(
    a_quote_says_what_a_cart_costs_and_every_way_to_deliver_it,
    a_price_that_changed_is_refused_with_a_new_quote_that_can_be_ordered,
    a_cart_or_a_place_that_changed_is_refused_with_a_new_quote,
    a_quote_that_is_not_from_here_or_of_another_cart_is_refused,
    what_cannot_be_ordered_is_refused_with_the_products,
    an_amount_that_is_nothing_or_too_large_is_refused,
    a_replica_knows_the_quotes_of_another,
);

async fn quoted(client: &Client, cart: &str, country: &str, option: &str) -> Result<pb::Quote, Status> {
    let request = pb::QuoteOrderRequest {
        cart_id: cart.into(),
        destination: Some(destination(country)),
        shipping_option_id: option.into(),
    };
    Ok(client.clone().quote_order(request).await?.into_inner().quote.unwrap())
}

/// The quote in a refusal's details.
fn offered(status: &Status) -> pb::Quote {
    let details = tonic_types::Status::decode(status.details()).unwrap().details;
    let quote = details.iter().find(|any| any.type_url.ends_with("/souk.checkout.v1.Quote"));
    pb::Quote::decode(&*quote.unwrap_or_else(|| panic!("no quote in {status:?}")).value).unwrap()
}

async fn a_quote_says_what_a_cart_costs_and_every_way_to_deliver_it(shop: Shop) {
    shop.sell("mug", 1_000, 0).await;
    let cart = shop.cart(&[("mug", 3)]).await;
    let quote = quoted(&shop.client, &cart, "DE", "express").await.unwrap();
    let amounts = quote.amounts.unwrap();
    assert_eq!((amounts.shipping, amounts.total), (Some(money("EUR", 1_290)), Some(money("EUR", 4_290))));
    let options: Vec<_> = quote.shipping_options.iter().map(|option| &*option.option_id).collect();
    assert_eq!((options, &*quote.shipping_option.unwrap().option_id), (vec!["standard", "express"], "express"));
    assert_eq!((quote.lines.len(), quote.lines[0].total.clone()), (1, Some(money("EUR", 3_000))));
    // On top of the price, by state: 7.25 % of 34.90.
    let mut request =
        pb::QuoteOrderRequest { cart_id: cart.clone(), destination: Some(destination("US")), ..Default::default() };
    request.destination.as_mut().unwrap().region = "CA".into();
    let amounts = shop.client.clone().quote_order(request).await.unwrap().into_inner().quote.unwrap().amounts.unwrap();
    assert!(!amounts.tax_included);
    assert_eq!((amounts.tax, amounts.total), (Some(money("EUR", 253)), Some(money("EUR", 3_743))));
    assert_eq!(precondition(quoted(&shop.client, &cart, "DE", "pigeon").await), "SHIPPING_OPTION_UNKNOWN");
    let config = checkout::Config { shipping: "* a 1-2 EUR=1 A; KP none".parse().unwrap(), ..shop.config() };
    let picky = shop.replica(config).await;
    assert_eq!(precondition(quoted(&picky, &cart, "KP", "").await), "DESTINATION_NOT_SERVED");
}

async fn a_price_that_changed_is_refused_with_a_new_quote_that_can_be_ordered(shop: Shop) {
    shop.sell("mug", 1_000, 5).await;
    let cart = shop.cart(&[("mug", 1)]).await;
    let quote = quote(&shop.client, &cart).await.unwrap();
    shop.offer("mug", "EUR", 1_200).await;
    let request = placing(&quote, Card::Good);
    let status = placed(&shop.client, request.clone()).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::FailedPrecondition, "QUOTE_CHANGED".into()));
    let offer = offered(&status);
    assert_eq!(offer.amounts.as_ref().unwrap().total, Some(money("EUR", 1_690)));
    assert!(offer.lines.is_empty() && offer.shipping_options.is_empty());
    // Nothing was stored, so the same request may come with the new quote.
    let again = pb::PlaceOrderRequest { request_id: request.request_id, ..placing(&offer, Card::Good) };
    let order = placed(&shop.client, again).await.unwrap();
    assert_eq!(order.amounts.unwrap().total, Some(money("EUR", 1_690)));
}

async fn a_cart_or_a_place_that_changed_is_refused_with_a_new_quote(shop: Shop) {
    shop.sell("mug", 1_000, 5).await;
    let cart = shop.cart(&[("mug", 1)]).await;
    let before = quote(&shop.client, &cart).await.unwrap();
    let mut elsewhere = placing(&before, Card::Good);
    elsewhere.shipping_address.as_mut().unwrap().destination = Some(destination("FR"));
    let refused = placed(&shop.client, elsewhere).await.unwrap_err();
    assert_eq!(offered(&refused).destination, Some(destination("FR")));
    shop.add(&cart, "mug", 1).await;
    let refused = placed(&shop.client, placing(&before, Card::Good)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "QUOTE_CHANGED".into()));
    assert_ne!(offered(&refused).cart_etag, before.cart_etag);
    let mut cheaper = placing(&offered(&refused), Card::Good);
    cheaper.expected_total = Some(money("EUR", 1));
    assert_eq!(precondition(placed(&shop.client, cheaper).await), "QUOTE_CHANGED");
}

async fn a_quote_that_is_not_from_here_or_of_another_cart_is_refused(shop: Shop) {
    shop.sell("mug", 1_000, 5).await;
    let (one, other) = (shop.cart(&[("mug", 1)]).await, shop.cart(&[("mug", 1)]).await);
    let quote = quote(&shop.client, &one).await.unwrap();
    let of_another = pb::PlaceOrderRequest { cart_id: other, ..placing(&quote, Card::Good) };
    let made_up = pb::PlaceOrderRequest { quote_id: "x".repeat(1_024), ..placing(&quote, Card::Good) };
    for request in [of_another, made_up] {
        let refused = placed(&shop.client, request).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::InvalidArgument, "QUOTE_INVALID".into()));
    }
}

async fn what_cannot_be_ordered_is_refused_with_the_products(shop: Shop) {
    for id in ["gone", "dear", "mug"] {
        shop.sell(id, 1_000, 5).await;
    }
    let cart = shop.cart(&[("gone", 1), ("mug", 1), ("dear", 1)]).await;
    let before = quote(&shop.client, &cart).await.unwrap();
    shop.delete("gone").await;
    shop.offer("dear", "USD", 1_000).await;
    for refused in [
        quote(&shop.client, &cart).await.map(drop).unwrap_err(),
        placed(&shop.client, placing(&before, Card::Good)).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(refusal(&refused), (Code::FailedPrecondition, "PRODUCT_UNAVAILABLE".into()));
        assert_eq!(subjects(&refused), ["products/gone", "products/dear"]);
    }
    let refused = quote(&shop.client, &"0".repeat(32)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "CART_NOT_FOUND".into()));
    let emptied = shop.cart(&[("mug", 1)]).await;
    let order = placed(&shop.client, placing(&quote(&shop.client, &emptied).await.unwrap(), Card::Good)).await.unwrap();
    shop.rests(&order).await;
    crate::shop::eventually(async || shop.items(&emptied).await == 0).await;
    assert_eq!(precondition(quote(&shop.client, &emptied).await), "CART_EMPTY");
    shop.to_cart.set("GetCart", Fate::Refused);
    let away = quote(&shop.client, &cart).await.unwrap_err();
    assert_eq!(refusal(&away), (Code::Unavailable, "DEPENDENCY_UNAVAILABLE".into()));
}

async fn an_amount_that_is_nothing_or_too_large_is_refused(shop: Shop) {
    shop.sell("free", 0, 5).await;
    shop.sell("dear", 100_000_000_000_000, 5).await;
    let config = checkout::Config { shipping: "* post 1-2 *=0 Post".parse().unwrap(), ..shop.config() };
    let generous = shop.replica(config).await;
    let (free, dear) = (shop.cart(&[("free", 2)]).await, shop.cart(&[("dear", 10_000)]).await);
    assert_eq!(precondition(quote(&generous, &free).await), "NOTHING_TO_PAY");
    assert_eq!(precondition(quote(&generous, &dear).await), "TOTAL_TOO_LARGE");
    let most = shop.cart(&[("dear", 1)]).await;
    assert_eq!(quote(&generous, &most).await.unwrap().amounts.unwrap().total, Some(money("EUR", 100_000_000_000_000)));
    assert_eq!(precondition(quote(&shop.client, &most).await), "TOTAL_TOO_LARGE");
}

async fn a_replica_knows_the_quotes_of_another(shop: Shop) {
    shop.sell("mug", 1_000, 5).await;
    let other = shop.replica(shop.config()).await;
    let cart = shop.cart(&[("mug", 1)]).await;
    let quote = quote(&shop.client, &cart).await.unwrap();
    let order = placed(&other, placing(&quote, Card::Good)).await.unwrap();
    assert_eq!(ask::get(&shop.client, &order.order_id).await.unwrap().order_id, order.order_id);
}
