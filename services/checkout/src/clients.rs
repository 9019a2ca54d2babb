//! The services that checkout calls, in its own terms: one file a service.
//!
//! Every call that changes something is named by the order, so that it may be repeated. An answer that says nothing about the
//! outcome is [`Unanswered`], whatever its code: the same call again finds out.

mod cart;
mod catalog;
mod inventory;
mod payment;

use mesh::Channel;
use tonic::Status;
use tonic_types::StatusExt as _;

pub(crate) use cart::{CartNotFound, Cleared};
pub(crate) use inventory::{Closing, Committing, Reserving};
pub(crate) use payment::{Authorizing, Capturing, Refunding, Voiding};

use contracts::cart::v1::cart_service_client::CartServiceClient;
use contracts::catalog::v1::catalog_service_client::CatalogServiceClient;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::payment::v1::payment_service_client::PaymentServiceClient;

/// The longest error that an order remembers of a step.
const ERROR_MAX: usize = 100;

/// The clients of checkout. Cloning shares their connections.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    cart: CartServiceClient<Channel>,
    catalog: CatalogServiceClient<Channel>,
    inventory: InventoryServiceClient<Channel>,
    payment: PaymentServiceClient<Channel>,
}

impl Clients {
    pub(crate) fn new(cart: Channel, catalog: Channel, inventory: Channel, payment: Channel) -> Self {
        Self {
            cart: CartServiceClient::new(cart),
            catalog: CatalogServiceClient::new(catalog),
            inventory: InventoryServiceClient::new(inventory),
            payment: PaymentServiceClient::new(payment),
        }
    }
}

/// A call without an answer that would say what came of it: a code and a reason, such as
/// `UNAVAILABLE PROCESSOR_UNAVAILABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unanswered(pub(crate) String);

/// A service that is needed for an answer, and does not give its own.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{service} does not answer")]
pub(crate) struct Away {
    pub(crate) service: &'static str,
    pub(crate) status: Status,
}

/// The reason in a refusal's details; empty where it has none.
fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// A refusal in short: its code and its reason, and nothing else of what others wrote.
fn in_short(status: &Status) -> String {
    let (code, reason) = (mesh::status::code_name(status.code()), reason(status));
    let text = if reason.is_empty() { code.to_owned() } else { format!("{code} {reason}") };
    text.chars().filter(|c| !c.is_control()).take(ERROR_MAX).collect()
}

fn unanswered(status: &Status) -> Unanswered {
    Unanswered(in_short(status))
}

/// An answer without what it is about.
fn incomplete() -> Unanswered {
    Unanswered("INTERNAL INCOMPLETE_ANSWER".to_owned())
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn an_order_remembers_a_code_and_a_reason_and_nothing_that_somebody_else_wrote() {
        let domain = rpc::Domain::new("souk.payment.v1");
        let status = domain.again("the card 4111 1111 1111 1111", "PROCESSOR_UNAVAILABLE");
        assert_eq!(in_short(&status), "UNAVAILABLE PROCESSOR_UNAVAILABLE");
        assert_eq!(in_short(&Status::deadline_exceeded("x")), "DEADLINE_EXCEEDED");
        let long = domain.status(Code::Aborted, "", &"R".repeat(200));
        assert_eq!(in_short(&long).chars().count(), ERROR_MAX);
    }
}
