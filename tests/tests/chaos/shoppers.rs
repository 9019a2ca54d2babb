//! Shoppers who do not give up: every request is sent until it has an answer, always with the same id.

use std::{cell::Cell, time::Duration};

use contracts::{
    cart::v1::AddItemRequest,
    checkout::v1::{self as pb, checkout_service_client::CheckoutServiceClient},
    payment::v1::{CardDetails, TokenizeCardRequest, payment_service_client::PaymentServiceClient},
};
use mesh::Channel;
use system_tests::{Cart, Kept, cart, channel, uuid};
use tonic::{Code, Request, Response, Status};

use crate::{
    Run,
    plan::{Manner, Wish},
    until_answered,
};

/// Between two tries.
pub(crate) const AGAIN: Duration = Duration::from_millis(200);
/// How long a shopper waits for an answer before asking again.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long one waits who gives up at once.
const IMPATIENCE: Duration = Duration::from_millis(30);
/// How long one waits who will cancel: an order is given as it stands when most of that is over.
const HURRY: Duration = Duration::from_millis(150);
/// Orders between two lines of progress.
const PROGRESS: u64 = 50;

/// An order that was acknowledged, and what was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) wish: Wish,
    pub(crate) request: pb::PlaceOrderRequest,
    pub(crate) order_id: String,
}

/// Where all shoppers are.
pub(crate) struct Street<'a> {
    run: &'a Run,
    carts: Cart,
    payments: PaymentServiceClient<Channel>,
    orders: CheckoutServiceClient<Channel>,
    /// The replicas of checkout themselves.
    replicas: Vec<CheckoutServiceClient<Channel>>,
    begun: Cell<u64>,
    done: Cell<u64>,
}

impl<'a> Street<'a> {
    pub(crate) fn of(fleet: &Kept, run: &'a Run) -> Self {
        let replica = |name| {
            let row = fleet.replica(name).unwrap();
            CheckoutServiceClient::new(channel(row["grpc"].as_str().unwrap()))
        };
        Self {
            run,
            carts: cart(&fleet.edge),
            payments: PaymentServiceClient::new(channel(&fleet.edge)),
            orders: CheckoutServiceClient::new(channel(&fleet.edge)),
            replicas: ["checkout.1", "checkout.2"].map(replica).into(),
            begun: Cell::new(0),
            done: Cell::new(0),
        }
    }

    fn next(&self) -> Option<u64> {
        let number = self.begun.get();
        self.begun.set(number + 1);
        (number < self.run.plan.orders).then_some(number)
    }

    fn done(&self) {
        self.done.set(self.done.get() + 1);
        if self.done.get().is_multiple_of(PROGRESS) {
            self.run.say(format_args!("{} of {} orders are placed", self.done.get(), self.run.plan.orders));
        }
    }

    /// A cart with so many of a product, quoted, and a token for the card.
    async fn wishes(&self, number: u64, wish: &Wish) -> pb::PlaceOrderRequest {
        let (product_id, quantity) = (wish.product.clone(), wish.quantity);
        let add = AddItemRequest { product_id, quantity, request_id: uuid(), ..AddItemRequest::default() };
        let made = until_answered("AddItem", async || self.carts.clone().add_item(within(&add, PATIENCE)).await).await;
        let cart_id = made.unwrap().cart.unwrap().cart_id;
        let place = pb::Destination { country_code: "DE".into(), ..Default::default() };
        let (destination, shipping_option_id) = (Some(place.clone()), String::new());
        let ask = pb::QuoteOrderRequest { cart_id: cart_id.clone(), destination, shipping_option_id };
        let quoted =
            until_answered("QuoteOrder", async || self.orders.clone().quote_order(within(&ask, PATIENCE)).await).await;
        let quote = quoted.unwrap().quote.unwrap();
        let card = CardDetails {
            number: wish.card.number.into(),
            security_code: wish.card.code.into(),
            expiry_month: 12,
            expiry_year: 2040,
            holder_name: String::new(),
        };
        let card = TokenizeCardRequest { card: Some(card), request_id: uuid() };
        let token = async || self.payments.clone().tokenize_card(within(&card, PATIENCE)).await;
        let card_token = until_answered("TokenizeCard", token).await.unwrap().card_token;
        let shipping_address = Some(pb::Address {
            recipient: format!("Shopper {number}"),
            lines: vec![format!("{number} Storm Street")],
            locality: "Berlin".into(),
            destination: Some(place),
            phone: String::new(),
        });
        pb::PlaceOrderRequest {
            cart_id,
            quote_id: quote.quote_id,
            expected_total: quote.amounts.unwrap().total,
            shipping_address,
            contact_email: format!("shopper-{number}@example.org"),
            card_token,
            request_id: uuid(),
        }
    }

    async fn place(&self, request: &pb::PlaceOrderRequest, manner: Manner) -> String {
        match manner {
            Manner::Twice => {
                let [first, second] = [&self.replicas[0], &self.replicas[1]].map(|at| place_at(at, request));
                let (first, second) = tokio::join!(first, second);
                assert_eq!(first, second, "the same request at once made two orders");
                return first;
            }
            Manner::Impatient => {
                // Whatever became of it: the same is asked for again.
                let _given_up = self.orders.clone().place_order(within(request, IMPATIENCE)).await.is_err();
            }
            Manner::Cancelled => {
                // Mostly answered with an order that is still on its way.
                let early = self.orders.clone().place_order(within(request, HURRY)).await;
                if let Ok(order) = early {
                    return order.into_inner().order.unwrap().order_id;
                }
            }
            Manner::Plain => {}
        }
        place_at(&self.orders, request).await
    }

    async fn cancel(&self, order_id: &str) {
        let (order_id, etag) = (order_id.to_owned(), String::new());
        let request = pb::CancelOrderRequest { order_id, etag, request_id: uuid() };
        let cancel = async || self.orders.clone().cancel_order(within(&request, PATIENCE)).await;
        let answer = until_answered("CancelOrder", cancel).await;
        // It failed, or it is an operator's by now.
        if let Err(refused) = answer {
            assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        }
    }
}

/// Orders one thing after the other until all that were planned are ordered.
pub(crate) async fn shop(street: &Street<'_>) -> Vec<Placed> {
    let mut placed = Vec::new();
    while let Some(number) = street.next() {
        let wish = street.run.plan.wish(number);
        let request = street.wishes(number, &wish).await;
        let order_id = street.place(&request, wish.manner).await;
        if wish.manner == Manner::Cancelled {
            street.cancel(&order_id).await;
        }
        placed.push(Placed { wish, request, order_id });
        street.done();
    }
    placed
}

async fn place_at(at: &CheckoutServiceClient<Channel>, request: &pb::PlaceOrderRequest) -> String {
    let place = async || -> Result<Response<pb::PlaceOrderResponse>, Status> {
        at.clone().place_order(within(request, PATIENCE)).await
    };
    until_answered("PlaceOrder", place).await.unwrap().order.unwrap().order_id
}

/// The request, to be answered in time.
pub(crate) fn within<T: Clone>(request: &T, time: Duration) -> Request<T> {
    let mut request = Request::new(request.clone());
    request.set_timeout(time);
    request
}
