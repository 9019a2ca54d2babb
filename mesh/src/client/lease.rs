//! A call's share in the loads of its endpoint and its connection, from its pick to the last byte of its answer.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tonic::Code;

use super::{
    connect::Streams,
    load::{Kind, Outcome},
    queue::Queue,
    subchannel::Subchannel,
    upstream::{Endpoint, Upstream},
};

/// Given back when the call ends, however it ends.
#[derive(Debug)]
pub(super) struct Lease {
    subchannel: Arc<Subchannel>,
    streams: Arc<Streams>,
    queue: Arc<Queue>,
    upstream: Arc<Upstream>,
    kind: Kind,
    begun: Instant,
    outcome: Outcome,
}

impl Lease {
    pub(super) fn take(
        subchannel: &Arc<Subchannel>,
        streams: Arc<Streams>,
        queue: &Arc<Queue>,
        upstream: &Arc<Upstream>,
        (kind, begun, now_ms): (Kind, Instant, u32),
    ) -> Self {
        streams.opened();
        subchannel.endpoint.load.begin(kind, now_ms);
        subchannel.endpoint.picks.fetch_add(1, Ordering::Relaxed);
        Self {
            subchannel: Arc::clone(subchannel),
            streams,
            queue: Arc::clone(queue),
            upstream: Arc::clone(upstream),
            kind,
            begun,
            outcome: Outcome::Dropped,
        }
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.subchannel.endpoint
    }

    /// Ends with the call's status.
    pub(super) fn end(mut self, code: Code) {
        self.outcome = outcome_of(code);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let now = Instant::now();
        let took: Duration = now.saturating_duration_since(self.begun);
        self.endpoint().load.end(self.kind, self.outcome, took, self.upstream.ms_at(now));
        self.streams.closed();
        self.queue.wake_one();
    }
}

/// Whether a status is the endpoint's failure. One that comes of the request, or of a limit that all endpoints share, is an
/// answer like any other; a deadline that passed is as late as it is.
fn outcome_of(code: Code) -> Outcome {
    match code {
        Code::Unknown | Code::Internal | Code::Unavailable | Code::DataLoss => Outcome::Failed,
        Code::Cancelled => Outcome::Dropped,
        Code::Ok
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => Outcome::Answered,
    }
}
