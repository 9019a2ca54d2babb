//! Shoppers, so many at once, each waiting for an answer before the next call.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use contracts::{
    cart::v1::{AddItemRequest, cart_service_client::CartServiceClient},
    checkout::v1::{
        Address, Destination, OrderState, PlaceOrderRequest, QuoteOrderRequest,
        checkout_service_client::CheckoutServiceClient,
    },
    payment::v1::{CardDetails, TokenizeCardRequest, payment_service_client::PaymentServiceClient},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mesh::{Channel, Clients, Directory, Process, Target, client::ClientConfig};
use tokio::time::{Instant, sleep, timeout};
use tonic::Request;

use crate::bench::goods;

const CART: Target = Target::new("cart");
const CHECKOUT: Target = Target::new("checkout");
const PAYMENT: Target = Target::new("payment");
const TARGETS: &[Target] = &[CART, CHECKOUT, PAYMENT];
/// As long as a shopper waits; the whole answer is wanted, not one at four fifths of a short time.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon carts know products that are new.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);

/// Clients of a shop's edge, on a loop of their own.
#[derive(Debug)]
pub(super) struct Shoppers {
    process: Process,
    cart: CartServiceClient<Channel>,
    checkout: CheckoutServiceClient<Channel>,
    payment: PaymentServiceClient<Channel>,
}

/// How long calls took.
#[derive(Debug)]
pub(super) struct Times {
    /// Ascending.
    each: Vec<Duration>,
    /// From the first to the last.
    all: Duration,
}

impl Times {
    fn new(mut each: Vec<Duration>, all: Duration) -> Self {
        each.sort_unstable();
        Self { each, all }
    }

    pub(super) fn per_second(&self) -> f64 {
        f64::from(u32::try_from(self.each.len()).unwrap_or(u32::MAX)) / self.all.as_secs_f64()
    }

    /// The latency that so many of a hundred are below.
    pub(super) fn at(&self, percent: usize) -> Duration {
        self.each.get(self.each.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
    }
}

impl Shoppers {
    /// All services are behind the edge at this address.
    pub(super) fn connect(edge: &str) -> anyhow::Result<Self> {
        let told = mesh::process::Options { log: "warn".into(), cores: 1, ..Default::default() };
        let process = Process::start("bench", told, None)?;
        let directory = Directory::default();
        for target in TARGETS {
            directory.remote(target.name(), edge.parse()?);
        }
        let descriptors = [contracts::FILE_DESCRIPTOR_SET];
        let clients = Clients::new(&process, &directory, "bench", TARGETS, &descriptors, ClientConfig::default())?;
        let (cart, checkout, payment) = (clients.channel(CART)?, clients.channel(CHECKOUT)?, clients.channel(PAYMENT)?);
        Ok(Self {
            process,
            cart: CartServiceClient::new(cart),
            checkout: CheckoutServiceClient::new(checkout),
            payment: PaymentServiceClient::new(payment),
        })
    }

    /// Waits until carts take the last of so many products.
    pub(super) fn wait_for_products(&self, products: u32) -> anyhow::Result<()> {
        self.process.block_on(async {
            let known = async {
                while self.add("", products - 1).await.is_err() {
                    sleep(Duration::from_millis(50)).await;
                }
            };
            timeout(KNOWN_WITHIN, known).await.context("carts never come to know the products")
        })
    }

    /// Makes so many carts of so many lines, `crowd` at once: their ids, and how long each line took.
    pub(super) fn fill_carts(
        &self,
        crowd: u8,
        carts: u32,
        lines: u32,
        products: u32,
    ) -> anyhow::Result<(Vec<String>, Times)> {
        let fill = |number: u32| async move {
            let (mut cart_id, mut took) = (String::new(), Vec::new());
            for line in 0..lines {
                let begun = Instant::now();
                cart_id = self.add(&cart_id, (number + line) % products).await?;
                took.push(begun.elapsed());
            }
            anyhow::Ok((cart_id, took))
        };
        self.process.block_on(async {
            let begun = Instant::now();
            let filled: Vec<_> = stream::iter(0..carts).map(fill).buffer_unordered(crowd.into()).try_collect().await?;
            let all = begun.elapsed();
            let (ids, took): (Vec<_>, Vec<_>) = filled.into_iter().unzip();
            Ok((ids, Times::new(took.concat(), all)))
        })
    }

    /// Has each cart quoted and a card kept for it: orders that are ready to be placed.
    pub(super) fn quote(&self, crowd: u8, carts: Vec<String>) -> anyhow::Result<Vec<PlaceOrderRequest>> {
        let wish = |cart_id| self.wish(cart_id);
        self.process.block_on(stream::iter(carts).map(wish).buffer_unordered(crowd.into()).try_collect())
    }

    /// Places these, `crowd` at once.
    pub(super) fn place(&self, crowd: u8, wishes: Vec<PlaceOrderRequest>) -> anyhow::Result<Times> {
        let place = |wish| async move {
            let begun = Instant::now();
            let mut request = Request::new(wish);
            request.set_timeout(PATIENCE);
            let order = self.checkout.clone().place_order(request).await?.into_inner().order.context("no order")?;
            let state = order.state();
            ensure!(matches!(state, OrderState::Confirmed | OrderState::Captured), "an order is {state:?}");
            Ok(begun.elapsed())
        };
        self.process.block_on(async {
            let begun = Instant::now();
            let each = stream::iter(wishes).map(place).buffer_unordered(crowd.into()).try_collect().await?;
            Ok(Times::new(each, begun.elapsed()))
        })
    }

    /// Does nothing for this long.
    pub(super) fn rest(&self, time: Duration) {
        self.process.block_on(async { sleep(time).await });
    }

    async fn add(&self, cart_id: &str, product: u32) -> anyhow::Result<String> {
        let request = AddItemRequest {
            cart_id: cart_id.to_owned(),
            product_id: goods::id(product),
            quantity: 1,
            request_id: uuid::Uuid::new_v4().to_string(),
            ..AddItemRequest::default()
        };
        Ok(self.cart.clone().add_item(request).await?.into_inner().cart.context("no cart")?.cart_id)
    }

    async fn wish(&self, cart_id: String) -> anyhow::Result<PlaceOrderRequest> {
        let destination = Destination { country_code: "DE".to_owned(), ..Destination::default() };
        let request = QuoteOrderRequest {
            cart_id: cart_id.clone(),
            destination: Some(destination.clone()),
            ..QuoteOrderRequest::default()
        };
        let quoted = self.checkout.clone().quote_order(request).await?.into_inner();
        let quote = quoted.quote.context("no quote")?;
        let card = CardDetails {
            number: "4242424242424242".to_owned(),
            security_code: "123".to_owned(),
            expiry_month: 12,
            expiry_year: 2040,
            ..CardDetails::default()
        };
        let request = TokenizeCardRequest { card: Some(card), request_id: uuid::Uuid::new_v4().to_string() };
        let card_token = self.payment.clone().tokenize_card(request).await?.into_inner().card_token;
        Ok(PlaceOrderRequest {
            cart_id,
            quote_id: quote.quote_id,
            expected_total: quote.amounts.context("no amounts")?.total,
            shipping_address: Some(Address {
                recipient: "Ada Lovelace".to_owned(),
                lines: vec!["1 Analytical Row".to_owned()],
                locality: "Berlin".to_owned(),
                destination: Some(destination),
                ..Address::default()
            }),
            contact_email: "ada@example.org".to_owned(),
            card_token,
            request_id: uuid::Uuid::new_v4().to_string(),
        })
    }
}
