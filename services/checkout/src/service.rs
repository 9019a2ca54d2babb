//! Checkout's RPCs: each parses its request, asks the orders, and answers.

mod answer;
mod feed;
mod request;

use contracts::checkout::v1 as pb;
use contracts::checkout::v1::checkout_service_server::{CheckoutService, CheckoutServiceServer};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use prost::Message;
use rpc::{Served, now_us};
use tokio::time::{Duration, Instant};
use tonic::{Request, Response, Status};

use crate::driver::{Driver, Followed};
use crate::error::{DOMAIN, Error};
use crate::faults::Faults;
use crate::order::Order;
use crate::quote::Wish;
use crate::quoting::Quoting;
use crate::store::{NewOrder, Orders};

pub(crate) use answer::{WIRE, short_quote};

/// The full name of the service, as health and reflection say it.
pub(crate) const NAME: &str = contracts::checkout::v1::checkout_service_server::SERVICE_NAME;

/// How long PlaceOrder waits where its caller waits for ever.
const PLACING_DEFAULT: Duration = Duration::from_secs(15);
/// How much of its caller's time PlaceOrder takes.
const SHARE_OF_DEADLINE: f64 = 0.8;

/// The service behind the contract.
#[derive(Debug)]
pub(crate) struct Rpcs<F> {
    orders: Orders,
    driver: Driver<F>,
    quoting: Quoting,
}

/// What serves these orders.
pub(crate) fn server<F: Faults>(
    orders: Orders,
    driver: Driver<F>,
    quoting: Quoting,
) -> Served<CheckoutServiceServer<Rpcs<F>>> {
    Served::new(CheckoutServiceServer::new(Rpcs { orders, driver, quoting }), DOMAIN)
}

impl<F: Faults> Rpcs<F> {
    /// Places an order, or finds the one that the request placed before.
    async fn place(&self, place: request::Place) -> Result<Followed, Error> {
        let request = place.request.clone();
        let error = match self.agreed(place).await {
            // Whoever writes it finds the one that was placed before.
            Ok(new) => return self.driver.place(new, request).await,
            Err(error) => error,
        };
        // An order that was placed empties its cart: what stands in a repeated request's way is that order.
        match self.orders.placed(request).await? {
            Some(order) => Ok(Followed::elsewhere(order)),
            None => Err(error),
        }
    }

    /// The order that is placed, at what was quoted.
    async fn agreed(&self, place: request::Place) -> Result<NewOrder, Error> {
        let now_us = now_us();
        let quoted = self.quoting.quoted(&place.quote_id).await?.filter(|quoted| quoted.cart == place.cart);
        let quoted = quoted.ok_or(Error::QuoteInvalid)?;
        let (cart, destination) = (place.cart.clone(), place.address.destination.clone());
        let wish = Wish { cart, destination, shipping: Some(quoted.shipping.clone()) };
        let quote = self.quoting.quote(&wish, now_us).await?;
        let same = quoted.cart_etag == quote.cart_etag
            && quoted.is_to(&quote.destination)
            && place.expected_total == quote.total();
        if quoted.expire_us < now_us || !same {
            let offer = Box::new(self.quoting.offer(quote).await?);
            return Err(if same { Error::QuoteExpired(offer) } else { Error::QuoteChanged(offer) });
        }
        place.of(quote, mesh::context::traceparent())
    }
}

#[tonic::async_trait]
impl<F: Faults> CheckoutService for Rpcs<F> {
    async fn quote_order(
        &self,
        request: Request<pb::QuoteOrderRequest>,
    ) -> Result<Response<pb::QuoteOrderResponse>, Status> {
        let wish = request::quote(request.get_ref()).map_err(Error::from)?;
        let quote = self.quoting.quote(&wish, now_us()).await?;
        let offer = self.quoting.offer(quote).await?;
        Ok(Response::new(pb::QuoteOrderResponse { quote: Some(answer::quote(&offer.quote, offer.quote_id)) }))
    }

    async fn place_order(
        &self,
        request: Request<pb::PlaceOrderRequest>,
    ) -> Result<Response<pb::PlaceOrderResponse>, Status> {
        let until = placing_until();
        let place = request::place(request.into_inner()).map_err(Error::from)?;
        let followed = self.place(place).await?;
        let order = self.driver.outcome(followed, until).await;
        Ok(Response::new(pb::PlaceOrderResponse { order: Some(answer::order(&order)) }))
    }

    async fn get_order(&self, request: Request<pb::GetOrderRequest>) -> Result<Response<pb::GetOrderResponse>, Status> {
        let id = request::order(&request.get_ref().order_id).map_err(Error::from)?;
        let order = self.orders.get(&id).await?;
        Ok(Response::new(pb::GetOrderResponse { order: Some(answer::order(&order)) }))
    }

    async fn list_orders(
        &self,
        request: Request<pb::ListOrdersRequest>,
    ) -> Result<Response<pb::ListOrdersResponse>, Status> {
        let query = request::list(request.into_inner())?;
        let filter = query.filter.clone();
        let page = self.orders.list(query, |order| answer::summary(order).encoded_len()).await?;
        let token = page.orders.last().filter(|_| page.more).map(|last| filter.token(last));
        let orders = page.orders.iter().map(answer::summary).collect();
        Ok(Response::new(pb::ListOrdersResponse { orders, next_page_token: token.unwrap_or_default() }))
    }

    async fn cancel_order(
        &self,
        request: Request<pb::CancelOrderRequest>,
    ) -> Result<Response<pb::CancelOrderResponse>, Status> {
        let operator = is_operator();
        let answer = |order: &Order| pb::CancelOrderResponse { order: Some(answer::order(order)) }.encode_to_vec();
        let telling = request::cancel(request.into_inner(), operator, answer).map_err(Error::from)?;
        decoded(&self.driver.tell(telling).await?)
    }

    async fn refund_order(
        &self,
        request: Request<pb::RefundOrderRequest>,
    ) -> Result<Response<pb::RefundOrderResponse>, Status> {
        let answer = |order: &Order| pb::RefundOrderResponse { order: Some(answer::order(order)) }.encode_to_vec();
        let telling = request::refund(request.into_inner(), answer).map_err(Error::from)?;
        decoded(&self.driver.tell(telling).await?)
    }

    async fn fulfill_order(
        &self,
        request: Request<pb::FulfillOrderRequest>,
    ) -> Result<Response<pb::FulfillOrderResponse>, Status> {
        let answer = |order: &Order| pb::FulfillOrderResponse { order: Some(answer::order(order)) }.encode_to_vec();
        let telling = request::fulfill(request.into_inner(), answer).map_err(Error::from)?;
        decoded(&self.driver.tell(telling).await?)
    }

    async fn retry_order(
        &self,
        request: Request<pb::RetryOrderRequest>,
    ) -> Result<Response<pb::RetryOrderResponse>, Status> {
        let answer = |order: &Order| pb::RetryOrderResponse { order: Some(answer::order(order)) }.encode_to_vec();
        let telling = request::retry(request.into_inner(), answer).map_err(Error::from)?;
        decoded(&self.driver.tell(telling).await?)
    }

    type WatchOrdersStream = BoxStream<'static, Result<pb::WatchOrdersResponse, Status>>;

    async fn watch_orders(
        &self,
        request: Request<pb::WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>, Status> {
        let messages = self.orders.watch(&request.get_ref().cursor).await?;
        Ok(Response::new(messages.map(|message| Ok(feed::sent(message.map_err(Error::from)?))).boxed()))
    }
}

/// When PlaceOrder answers, whatever it knows by then.
fn placing_until() -> Instant {
    let now = Instant::now();
    let time = mesh::context::deadline().map_or(PLACING_DEFAULT, |deadline| deadline.saturating_duration_since(now));
    now + time.mul_f64(SHARE_OF_DEADLINE)
}

/// Whether the caller speaks for the shop, as its token was found to say. Anybody else is a shopper.
fn is_operator() -> bool {
    mesh::context::current().is_some_and(|call| rpc::access::is_operator(&call.principal))
}

/// An answer that was remembered as bytes.
#[allow(clippy::result_large_err, reason = "Status is what a tonic handler returns")]
fn decoded<M: Message + Default>(answer: &[u8]) -> Result<Response<M>, Status> {
    let message = M::decode(answer).map_err(|error| {
        let source = std::sync::Arc::new(error);
        Error::Store(store::Error::Corrupt { attempted: "decode an answer", what: "the answer", source })
    })?;
    Ok(Response::new(message))
}
