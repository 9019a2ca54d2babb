//! What can go wrong, and the gRPC status each of it becomes.

use std::sync::Arc;

use mesh::Violations;
use prost::Message as _;
use rpc::Domain;
use tonic::{Code, Status};
use tonic_types::{PreconditionViolation, StatusExt as _};

use crate::clients::Away;
use crate::command::Refused;
use crate::quote::{Quote, Unquotable};

/// The domain of every `ErrorInfo`.
pub(crate) const DOMAIN: Domain = Domain::new("souk.checkout.v1");
/// The most preconditions one answer names; details travel in a header, which peers limit to 8 KiB or more.
const PRECONDITIONS_MAX: usize = 20;

/// A quote with the id that it has.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) quote: Quote,
    pub(crate) quote_id: String,
}

/// Why a call is refused. None names the order or the cart: an id is the right to it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request is invalid")]
    Invalid(Violations),
    #[error("there is no such order")]
    OrderNotFound,
    #[error("there is no such cart, or it has expired")]
    CartNotFound,
    #[error("the cart cannot be ordered")]
    Unquotable(Unquotable),
    #[error("the quote is not from here, or of another cart")]
    QuoteInvalid,
    #[error("the quote has expired: there is a new one in the details")]
    QuoteExpired(Box<Offer>),
    #[error("the cart costs something else now: there is a new quote in the details")]
    QuoteChanged(Box<Offer>),
    #[error("the order is no longer the one of this etag: read it again")]
    EtagMismatch,
    #[error("the order does not do that")]
    Refused(Refused),
    #[error("the token is none of this list")]
    PageToken,
    #[error("too many orders are being placed")]
    Overloaded,
    #[error("a service that is needed is away")]
    Away(#[source] Away),
    #[error("the feed")]
    Feed(#[source] store::WatchError),
    #[error("the database did not do it")]
    Store(#[source] store::Error),
}

/// What cannot be unless the database was written by somebody else, or the system has no random numbers.
pub(crate) fn unexpected(attempted: &'static str, why: &'static str) -> store::Error {
    store::Error::Internal { attempted, source: Arc::new(std::io::Error::other(why)) }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<store::WatchError> for Error {
    fn from(error: store::WatchError) -> Self {
        Self::Feed(error)
    }
}

impl From<Violations> for Error {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

impl From<Away> for Error {
    fn from(away: Away) -> Self {
        Self::Away(away)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Invalid(violations) => DOMAIN.invalid(&violations),
            Error::OrderNotFound => DOMAIN.status(Code::NotFound, &message, "ORDER_NOT_FOUND"),
            Error::CartNotFound => DOMAIN.status(Code::NotFound, &message, "CART_NOT_FOUND"),
            Error::Unquotable(why) => unquotable(&why),
            Error::QuoteInvalid => DOMAIN.status(Code::InvalidArgument, &message, "QUOTE_INVALID"),
            Error::QuoteExpired(offer) => offered(&message, "QUOTE_EXPIRED", &offer),
            Error::QuoteChanged(offer) => offered(&message, "QUOTE_CHANGED", &offer),
            Error::EtagMismatch => DOMAIN.status(Code::Aborted, &message, "ETAG_MISMATCH"),
            Error::Refused(refused) => self::refused(&refused),
            Error::PageToken => DOMAIN.status(Code::InvalidArgument, &message, "PAGE_TOKEN_INVALID"),
            Error::Overloaded => DOMAIN.again(&message, "OVERLOADED"),
            Error::Away(away) => self::away(&away),
            Error::Feed(error) => rpc::feed::refusal(DOMAIN, &error),
            Error::Store(error) => DOMAIN.store(&error),
        }
    }
}

fn unquotable(why: &Unquotable) -> Status {
    let failed = |message, reason| DOMAIN.status(Code::FailedPrecondition, message, reason);
    match why {
        Unquotable::CartEmpty => failed("there is nothing in the cart", "CART_EMPTY"),
        Unquotable::NotServed => failed("nothing is delivered there in this currency", "DESTINATION_NOT_SERVED"),
        Unquotable::NoSuchOption => failed("there is no such way to deliver there", "SHIPPING_OPTION_UNKNOWN"),
        Unquotable::NothingToPay => failed("the total is zero", "NOTHING_TO_PAY"),
        Unquotable::TooLarge => failed("the total is above 1,000,000,000,000 units", "TOTAL_TOO_LARGE"),
        Unquotable::Unavailable(products) => {
            let subjects = products.iter().map(|(id, why)| (format!("products/{id}"), (*why).to_owned()));
            in_the_way("some products cannot be ordered", "PRODUCT_UNAVAILABLE", subjects)
        }
    }
}

fn refused(why: &Refused) -> Status {
    let failed = |message, reason| DOMAIN.status(Code::FailedPrecondition, message, reason);
    match why {
        Refused::Fulfilled => failed("the order was sent", "ORDER_FULFILLED"),
        Refused::Failed => failed("the order failed: there is nothing to cancel", "ORDER_FAILED"),
        Refused::NeedsAttention => failed("only an operator can do that now", "ORDER_NEEDS_ATTENTION"),
        Refused::NotCaptured => {
            failed("there is no money of the order to be given back or sent for", "ORDER_NOT_CAPTURED")
        }
        Refused::Cancelling => failed("the order's cancel was asked for", "ORDER_CANCELLING"),
        Refused::TooManyRefunds => failed("the order has 100 refunds", "TOO_MANY_REFUNDS"),
        Refused::Excess(excess) => {
            let subject = |(index, left): &(usize, u32)| (format!("lines[{index}]"), format!("{left} are left"));
            in_the_way("more would be given back than is left", "REFUND_EXCEEDS_ORDER", excess.iter().map(subject))
        }
    }
}

/// Another service's refusal is none of the caller's business, but for who it was.
fn away(away: &Away) -> Status {
    match away.status.code() {
        // Whose time was over is the caller.
        Code::DeadlineExceeded | Code::Cancelled => Status::new(away.status.code(), "the call took too long"),
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => {
            tracing::warn!(service = away.service, status = %away.status, "a service that is needed did not answer");
            let message = format!("{} is away", away.service);
            let retry = DOMAIN.again(&message, "DEPENDENCY_UNAVAILABLE").get_error_details();
            let about = [("service", away.service)];
            let about = DOMAIN.about(Code::Unavailable, &message, "DEPENDENCY_UNAVAILABLE", about);
            let mut details = about.get_error_details();
            details.set_retry_info(retry.retry_info().and_then(|info| info.retry_delay));
            Status::with_error_details(Code::Unavailable, message, details)
        }
    }
}

fn in_the_way(message: &str, reason: &str, found: impl Iterator<Item = (String, String)>) -> Status {
    let found: Vec<_> = found.take(PRECONDITIONS_MAX).collect();
    let message = match found.first() {
        Some((subject, why)) => format!("{message}: {subject}: {why}"),
        None => message.to_owned(),
    };
    let mut details = DOMAIN.status(Code::FailedPrecondition, "", reason).get_error_details();
    let violation = |(subject, why): &(String, String)| PreconditionViolation::new(reason, subject, why);
    details.set_precondition_failure(found.iter().map(violation).collect::<Vec<_>>());
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

/// A refusal with a new quote beside its reason.
fn offered(message: &str, reason: &str, offer: &Offer) -> Status {
    let status = DOMAIN.status(Code::FailedPrecondition, message, reason);
    // What was encoded a line above.
    let mut details = tonic_types::Status::decode(status.details()).unwrap_or_default();
    let quote = crate::service::short_quote(&offer.quote, offer.quote_id.clone());
    details.details.push(prost_types::Any {
        type_url: "type.googleapis.com/souk.checkout.v1.Quote".to_owned(),
        value: quote.encode_to_vec(),
    });
    Status::with_details(status.code(), message, details.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_is_named_twenty_times_at_most_and_fits_a_header() {
        let products =
            (0..100).map(|index| (format!("{index:0>64}"), "it is priced in another currency than the cart"));
        let status = Status::from(Error::Unquotable(Unquotable::Unavailable(products.collect())));
        let details = status.get_error_details();
        let violations = &details.precondition_failure().unwrap().violations;
        assert_eq!((violations.len(), violations[0].r#type.as_str()), (20, "PRODUCT_UNAVAILABLE"));
        // base64 in one header, of which peers take 8 KiB.
        assert!(status.details().len() * 4 / 3 + status.message().len() < 6 * 1024);
    }

    #[test]
    fn a_service_that_is_away_is_named_and_what_it_said_stays_here() {
        let away = Away { service: "cart", status: Status::unavailable("10.1.2.3:50052 refused") };
        let status = Status::from(Error::Away(away));
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["service"], "cart");
        assert!(details.retry_info().unwrap().retry_delay.is_some());
        assert!(!format!("{status:?}").contains("10.1.2.3"));
    }
}
