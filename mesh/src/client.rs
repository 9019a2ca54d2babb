//! The outbound side: what a generated client stands on, and every layer a call passes before it leaves.
//!
//! This file composes; the layers are in `client/`. A [`Channel`] is made by [`Clients`](crate::Clients).

mod config;
mod connect;
mod deadline;
mod error;
mod observe;
mod pool;
mod resolve;
mod subchannel;
mod transport;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{TryFutureExt as _, future::BoxFuture};
use http::{Request, Response};
use tower::{Service, ServiceBuilder};

pub use config::ClientConfig;

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
}

/// A channel to one target, for any generated client. Cloning shares its connections.
///
/// It is always ready: what has to wait waits inside the call, under its deadline. Failures are answers with a status,
/// never errors.
#[derive(Clone, Debug)]
pub struct Channel {
    stack: Arc<Stack>,
}

impl Channel {
    /// Composes the stack, outermost first. Retries, breaker, queue and balancer have their places marked.
    pub(crate) fn new(parts: &Arc<ChannelParts>, target: Target) -> Self {
        let stack = ServiceBuilder::new()
            // Outermost: one record a call, however many attempts, and with a deadline's expiry.
            .layer(observe::ObserveLayer::new(parts, target))
            // (The route match belongs here: it decides the timeout.)
            // Outside everything that waits: connecting, retries and the body are inside the time the caller has.
            .layer(deadline::DeadlineLayer::new(parts.config.default_timeout))
            // (Retry with its budget, the breaker, the queue and the balancer belong here, in this order.)
            .service(transport::Transport::new(Arc::clone(parts), target));
        Self { stack: Arc::new(stack) }
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let call = (&*self.stack).call(request);
        Box::pin(call.map_ok(|answer| answer.map(Body::new)))
    }
}
