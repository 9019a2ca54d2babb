//! Somebody who orders at the edge of a whole shop.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use anyhow::Context as _;
use contracts::{
    cart::v1::AddItemRequest,
    checkout::v1::{self as pb, OrderState, checkout_service_client::CheckoutServiceClient},
    google::r#type::Money,
    inventory::v1::{AdjustStockRequest, GetStockRequest, StockAdjustment, stock_adjustment::Change},
    payment::v1::{
        CardDetails, ListPaymentsRequest, Payment, TokenizeCardRequest, payment_service_client::PaymentServiceClient,
    },
    search::v1::{SearchOrder, SearchProductsRequest, search_service_client::SearchServiceClient},
};
use mesh::Channel;
use tokio::time::{sleep, timeout};
use tonic::Request;

use crate::{cart, catalog, channel, eventually, inventory, operator};

/// What a replica that died has left is taken over when its lease of 30 s has run out; and then on a busy machine.
const TAKEN_OVER: Duration = Duration::from_secs(60);
/// Between two looks at an order.
const LOOK: Duration = Duration::from_millis(50);

/// A card, good until 2040.
#[derive(Clone, Copy, Debug)]
pub struct CardOfShopper {
    /// Its number, as it is typed.
    pub number: &'static str,
    /// Its security code.
    pub code: &'static str,
}

impl CardOfShopper {
    /// It is approved.
    pub const GOOD: Self = Self { number: "4242424242424242", code: "123" };
    /// It is declined.
    pub const DECLINED: Self = Self { number: "4000000000009995", code: "123" };
    /// It is approved after 2 seconds.
    pub const SLOW: Self = Self { number: "4000000000000077", code: "123" };
    /// Its authorization is done, and the answer is lost.
    pub const LOST: Self = Self { number: "4000000000000259", code: "123" };
}

/// A new request id.
#[must_use]
pub fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A shopper at the edge of a shop, with an operator's token.
#[derive(Clone, Debug)]
pub struct Shopper {
    edge: String,
    /// Orders, as a shopper has them.
    pub orders: CheckoutServiceClient<Channel>,
    /// Cards, and what was paid.
    pub payments: PaymentServiceClient<Channel>,
}

impl Shopper {
    /// One at this edge.
    #[must_use]
    pub fn at(edge: &str) -> Self {
        let channel = operator(edge);
        let (orders, payments) = (CheckoutServiceClient::new(channel.clone()), PaymentServiceClient::new(channel));
        Self { edge: edge.to_owned(), orders, payments }
    }

    /// A product of 12 EUR, so many of it, which carts know.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn sell(&self, id: &str, units: i64) {
        let price = Some(Money { currency_code: "EUR".into(), units: 12, nanos: 0 });
        let product = contracts::catalog::v1::Product {
            product_id: id.into(),
            name: "A mug".into(),
            price,
            ..Default::default()
        };
        let request = contracts::catalog::v1::CreateProductRequest { product: Some(product), request_id: uuid() };
        catalog(&self.edge).create_product(request).await.unwrap();
        let line = StockAdjustment { product_id: id.into(), change: Some(Change::Received(units)) };
        let request = AdjustStockRequest { lines: vec![line], request_id: uuid() };
        inventory(&self.edge).adjust_stock(request).await.unwrap();
    }

    /// A cart with so many of a product, quoted, as a request that is paid by a card.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn wishes(&mut self, product: &str, quantity: i32, card: CardOfShopper) -> pb::PlaceOrderRequest {
        let mut carts = cart(&self.edge);
        let request =
            || AddItemRequest { product_id: product.into(), quantity, request_id: uuid(), ..AddItemRequest::default() };
        let made = eventually("carts know the product", async || Ok(carts.add_item(request()).await?)).await;
        let cart_id = made.into_inner().cart.unwrap().cart_id;
        let place = pb::Destination { country_code: "DE".into(), ..Default::default() };
        let request = pb::QuoteOrderRequest {
            cart_id: cart_id.clone(),
            destination: Some(place.clone()),
            shipping_option_id: String::new(),
        };
        let quote = self.orders.quote_order(request).await.unwrap().into_inner().quote.unwrap();
        let (number, security_code) = (card.number.to_owned(), card.code.to_owned());
        let details =
            CardDetails { number, security_code, expiry_month: 12, expiry_year: 2040, holder_name: String::new() };
        let request = TokenizeCardRequest { card: Some(details), request_id: uuid() };
        let card_token = self.payments.tokenize_card(request).await.unwrap().into_inner().card_token;
        pb::PlaceOrderRequest {
            cart_id,
            quote_id: quote.quote_id,
            expected_total: quote.amounts.unwrap().total,
            shipping_address: Some(pb::Address {
                recipient: "Ada".into(),
                lines: vec!["1 St".into()],
                locality: "Berlin".into(),
                destination: Some(place),
                phone: String::new(),
            }),
            contact_email: "ada@example.org".into(),
            card_token,
            request_id: uuid(),
        }
    }

    /// Places an order.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn place(&mut self, request: pb::PlaceOrderRequest) -> pb::Order {
        let mut request = Request::new(request);
        request.set_timeout(Duration::from_secs(30));
        self.orders.place_order(request).await.unwrap().into_inner().order.unwrap()
    }

    /// An order once it is in this state.
    ///
    /// # Panics
    /// If it never is.
    pub async fn reaches(&self, order: &pb::Order, state: OrderState) -> pb::Order {
        let reached = async {
            loop {
                let request = pb::GetOrderRequest { order_id: order.order_id.clone() };
                let now = self.orders.clone().get_order(request).await.unwrap().into_inner().order.unwrap();
                if now.state() == state {
                    return now;
                }
                sleep(LOOK).await;
            }
        };
        timeout(TAKEN_OVER, reached).await.unwrap_or_else(|_| panic!("the order never becomes {state:?}"))
    }

    /// What was paid for an order.
    ///
    /// # Panics
    /// If nothing was.
    pub async fn payment(&mut self, order: &pb::Order) -> Payment {
        let listed = self.payments.list_payments(ListPaymentsRequest::default()).await.unwrap().into_inner();
        listed.payments.into_iter().find(|payment| payment.payment_id == order.order_id).unwrap()
    }

    /// The first product by popularity, and how popular it is.
    ///
    /// # Errors
    /// If search does not answer, or has nothing.
    pub async fn most_popular(&self) -> anyhow::Result<(String, i64)> {
        let mut search = SearchServiceClient::new(channel(&self.edge));
        let request = SearchProductsRequest { order: SearchOrder::Popularity.into(), ..Default::default() };
        let hit = search.search_products(request).await?.into_inner().hits.into_iter().next().context("no hit")?;
        Ok((hit.product_id, hit.popularity))
    }

    /// On hand, reserved, sold.
    ///
    /// # Panics
    /// If nobody knows.
    pub async fn units(&self, product: &str) -> (i64, i64, i64) {
        let request = GetStockRequest { product_id: product.into() };
        let stock = inventory(&self.edge).get_stock(request).await.unwrap().into_inner().stock.unwrap();
        (stock.on_hand, stock.reserved, stock.sold)
    }
}
