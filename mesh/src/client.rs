//! The outbound side: what a generated client stands on, and every layer a call passes before it leaves.
//!
//! This file composes; the layers are in `client/`. A [`Channel`] is made by [`Clients`](crate::Clients).

mod balancer;
mod bearer;
mod config;
mod connect;
mod deadline;
mod error;
mod group;
mod lease;
mod load;
mod message;
mod observe;
mod pages;
mod plain;
mod pool;
mod queue;
mod report;
pub mod resolve;
mod subchannel;
mod transport;
mod upstream;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{TryFutureExt as _, future::BoxFuture};
use http::{Request, Response};
use tokio::runtime::Handle;
use tower::{Service, ServiceBuilder};

pub use bearer::Bearer;
pub use config::ClientConfig;
pub use pages::Pages;
pub(crate) use report::Pools;

use crate::{
    Body,
    directory::{Directory, Target},
    identity::Principal,
    methods::Methods,
    metrics::Metrics,
    telemetry::Tracer,
};

/// The whole outbound stack, outermost first. Its layers are services by shared reference: a call clones none of them.
type Stack = observe::Observe<deadline::Deadline<transport::Transport>>;

/// What all channels of a service share.
#[derive(Debug)]
pub(crate) struct ChannelParts {
    pub(crate) caller: Arc<str>,
    pub(crate) principal: Principal,
    pub(crate) directory: Directory,
    pub(crate) methods: Methods,
    pub(crate) metrics: Metrics,
    pub(crate) tracer: Tracer,
    pub(crate) config: ClientConfig,
    /// Where the tasks run that belong to no event loop's connections.
    pub(crate) background: Handle,
    pub(crate) pools: pool::Shelf,
}

/// Whether a call waits until its target can be reached, for as long as its deadline lets it, instead of failing at once
/// with UNAVAILABLE while it cannot (gRPC's `wait_for_ready`). A request's extension; it says more than its channel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitForReady(pub bool);

/// A channel to one target, for any generated client. Cloning shares its connections.
///
/// It is always ready: what has to wait waits inside the call, under its deadline. Failures are answers with a status,
/// never errors.
#[derive(Clone, Debug)]
pub struct Channel {
    stack: Arc<Stack>,
    wait_for_ready: bool,
    bearer: Option<Bearer>,
}

impl Channel {
    /// Composes the stack, outermost first. Route match, retries, breaker and ejection have their places marked.
    pub(crate) fn new(parts: &Arc<ChannelParts>, target: Target) -> Self {
        let stack = ServiceBuilder::new()
            // Outermost: one record a call, however many attempts, and with a deadline's expiry.
            .layer(observe::ObserveLayer::new(parts, target))
            // (The route match belongs here: it decides the timeout.)
            // Outside everything that waits: connecting, retries and the body are inside the time the caller has.
            .layer(deadline::DeadlineLayer::new(parts.config.default_timeout))
            // (Retry with its budget and the breaker belong here, in this order: each attempt is picked anew.)
            // The queue, the balancer and the connections, or the target's own stack. A transparent retry is no attempt of
            // its own, so it is in there. (Ejection belongs to the balancer: it takes endpoints from its choice.)
            .service(transport::Transport::new(Arc::clone(parts), target));
        Self { stack: Arc::new(stack), wait_for_ready: false, bearer: None }
    }

    /// The same channel, on which calls wait until the target can be reached, or fail fast: what [`WaitForReady`] says of
    /// one call.
    #[must_use]
    pub fn wait_for_ready(mut self, wait: bool) -> Self {
        self.wait_for_ready = wait;
        self
    }

    /// The same channel, on which calls show this token. No call shows one that its channel or itself was not given: a
    /// service's own calls are its own, whoever asked for them.
    #[must_use]
    pub fn with_token(mut self, bearer: Bearer) -> Self {
        self.bearer = Some(bearer);
        self
    }

    /// Starts looking the target up and connecting on this event loop, which the first call would do else. Does nothing for
    /// a target in this process, and for one of which it is not said where it is.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(&self) {
        self.stack.inner().inner().connect();
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if self.wait_for_ready && request.extensions().get::<WaitForReady>().is_none() {
            request.extensions_mut().insert(WaitForReady(true));
        }
        if let Some(bearer) = &self.bearer {
            bearer.show(request.headers_mut());
        }
        let call = (&*self.stack).call(request);
        Box::pin(call.map_ok(|answer| answer.map(Body::new)))
    }
}
