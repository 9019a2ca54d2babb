//! The acquirer as a processor.

use std::time::Duration;

use contracts::acquirer::v1 as pb;
use contracts::acquirer::v1::acquirer_service_client::AcquirerServiceClient;
use mesh::Channel;
use rpc::Capability;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

use crate::payment::{Decline, Refund};
use crate::processor::{Answer, Authorization, Failure, Processor, Seen, SeenRefund, SeenState};

/// The domains of the acquirer's own errors, and of the mesh's.
const ACQUIRER: &str = "souk.acquirer.v1";
const MESH: &str = "mesh";
/// The acquirer's reasons that prove that nothing was done.
const NOTHING_DONE: [&str; 3] = ["PROCESSOR_DOWN", "DATABASE_UNAVAILABLE", "OVERLOADED"];

/// A client of the acquirer. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Acquirer {
    client: AcquirerServiceClient<Channel>,
    /// How long one call may take.
    timeout: Duration,
}

impl Acquirer {
    pub(crate) fn new(channel: Channel, timeout: Duration) -> Self {
        Self { client: AcquirerServiceClient::new(channel), timeout }
    }

    fn timed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }
}

impl Processor for Acquirer {
    async fn authorize(&self, order: Authorization<'_>) -> Answer {
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let card = pb::Card {
            number: order.number.expose().to_owned(),
            security_code: order.code.expose().to_owned(),
            expiry_month: number(order.expiry.month),
            expiry_year: number(order.expiry.year),
            holder_name: order.holder.to_owned(),
        };
        let payment_id = order.payment.as_str().to_owned();
        let request = pb::AuthorizeChargeRequest { payment_id, card: Some(card), amount: Some(order.amount.into()) };
        answered(self.client.clone().authorize_charge(self.timed(request)).await, |answer| answer.charge)
    }

    async fn capture(&self, payment: &Capability) -> Answer {
        let request = pb::CaptureChargeRequest { payment_id: payment.as_str().to_owned() };
        answered(self.client.clone().capture_charge(self.timed(request)).await, |answer| answer.charge)
    }

    async fn void(&self, payment: &Capability) -> Answer {
        let request = pb::VoidChargeRequest { payment_id: payment.as_str().to_owned() };
        answered(self.client.clone().void_charge(self.timed(request)).await, |answer| answer.charge)
    }

    async fn refund(&self, payment: &Capability, refund: &Refund) -> Answer {
        let request = pb::RefundChargeRequest {
            payment_id: payment.as_str().to_owned(),
            refund_id: refund.id.clone(),
            amount: Some(refund.amount.into()),
        };
        answered(self.client.clone().refund_charge(self.timed(request)).await, |answer| answer.charge)
    }

    async fn look_up(&self, payment: &Capability) -> Result<Option<Seen>, Failure> {
        let request = pb::GetChargeRequest { payment_id: payment.as_str().to_owned() };
        match self.client.clone().get_charge(self.timed(request)).await {
            Err(status) if status.code() == Code::NotFound => Ok(None),
            answer => answered(answer, |answer| answer.charge).map(Some),
        }
    }
}

fn answered<T>(answer: Result<Response<T>, Status>, charge: impl FnOnce(T) -> Option<pb::Charge>) -> Answer {
    let answer = answer.map_err(|status| failure(&status))?;
    let seen = charge(answer.into_inner()).and_then(|charge| seen(&charge));
    seen.ok_or_else(|| Failure::Unknown("its answer makes no sense".to_owned()))
}

fn seen(charge: &pb::Charge) -> Option<Seen> {
    let state = match charge.state() {
        pb::ChargeState::Authorized => {
            SeenState::Authorized { expire_us: charge.expire_time.map(|time| rpc::timestamp_us(&time)) }
        }
        pb::ChargeState::Declined => SeenState::Declined(decline(charge.issuer_reason())),
        pb::ChargeState::Captured => SeenState::Captured,
        pb::ChargeState::Voided => SeenState::Voided,
        pb::ChargeState::Unspecified => return None,
    };
    Some(Seen {
        reference: charge.reference.clone(),
        state,
        refunds: charge.refunds.iter().filter_map(refund).collect(),
    })
}

fn refund(refund: &pb::ChargeRefund) -> Option<SeenRefund> {
    let refused = match refund.state() {
        pb::ChargeRefundState::Done => None,
        pb::ChargeRefundState::Refused => Some(refund.processor_reason.clone()),
        pb::ChargeRefundState::Unspecified => return None,
    };
    Some(SeenRefund { id: refund.refund_id.clone(), refused })
}

fn decline(reason: pb::IssuerReason) -> Decline {
    match reason {
        pb::IssuerReason::InsufficientFunds => Decline::InsufficientFunds,
        pb::IssuerReason::ExpiredCard => Decline::ExpiredCard,
        pb::IssuerReason::IncorrectCode => Decline::IncorrectCode,
        pb::IssuerReason::StolenCard => Decline::SuspectedFraud,
        pb::IssuerReason::NotAccepted => Decline::CardNotAccepted,
        pb::IssuerReason::Generic | pb::IssuerReason::Unspecified => Decline::Generic,
    }
}

/// What a status says of what was done. Only what is proved is believed.
fn failure(status: &Status) -> Failure {
    let details = status.get_error_details();
    let info = details.error_info().map(|info| (info.domain.as_str(), info.reason.as_str()));
    let message = status.message();
    match (status.code(), info) {
        (Code::Unavailable, Some((ACQUIRER, reason))) if NOTHING_DONE.contains(&reason) => {
            Failure::NotDone(message.to_owned())
        }
        (Code::Unavailable, Some((MESH, "NOT_SENT"))) if target(&details) == Some("acquirer") => {
            Failure::NotDone(message.to_owned())
        }
        (Code::FailedPrecondition | Code::InvalidArgument | Code::NotFound, Some((ACQUIRER, reason))) => {
            Failure::Refused(why(&details, reason))
        }
        (code, _) => Failure::Unknown(format!("{code:?}: {message}")),
    }
}

/// Whom the mesh speaks of.
fn target(details: &tonic_types::ErrorDetails) -> Option<&str> {
    details.error_info()?.metadata.get("target").map(String::as_str)
}

fn why(details: &tonic_types::ErrorDetails, reason: &str) -> String {
    let told = details.error_info().and_then(|info| info.metadata.get("processor_reason"));
    told.map_or_else(|| reason.to_lowercase().replace('_', " "), Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: rpc::Domain = rpc::Domain::new(ACQUIRER);

    #[test]
    fn only_what_proves_that_nothing_was_done_is_taken_for_it() {
        let not_done = |status: &Status| matches!(failure(status), Failure::NotDone(_));
        assert!(not_done(&DOMAIN.again("down", "PROCESSOR_DOWN")));
        let unsent = |target| rpc::Domain::new(MESH).about(Code::Unavailable, "", "NOT_SENT", [("target", target)]);
        assert!(not_done(&unsent("acquirer")));
        assert!(!not_done(&unsent("bank")));
        for status in [
            Status::unavailable("the answer is lost"),
            DOMAIN.again("in doubt", "COMMIT_IN_DOUBT"),
            rpc::Domain::new("other").status(Code::Unavailable, "", "PROCESSOR_DOWN"),
            Status::deadline_exceeded("late"),
            Status::failed_precondition("from nobody knows where"),
            DOMAIN.status(Code::Internal, "internal error", "INTERNAL"),
        ] {
            assert!(matches!(failure(&status), Failure::Unknown(_)), "{status:?}");
        }
        let refused = DOMAIN.about(Code::FailedPrecondition, "", "CHARGE_REFUSED", [("processor_reason", "because")]);
        assert_eq!(failure(&refused), Failure::Refused("because".to_owned()));
        let expired = DOMAIN.status(Code::FailedPrecondition, "", "AUTHORIZATION_EXPIRED");
        assert_eq!(failure(&expired), Failure::Refused("authorization expired".to_owned()));
    }
}
