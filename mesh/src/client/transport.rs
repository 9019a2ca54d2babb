//! The way to the target: its connections, or its stack inside this process.
//!
//! In process is a tower call: no HTTP/2, no socket, no other task. Dropping the call drops the handler.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tonic::Status;
use tower::Service;

use super::{ChannelParts, observe::OutboundCall, pool::Pool, queue};
use crate::{
    Body,
    context::Standpoint,
    directory::{Place, Target},
    identity::{Peer, Transport as PeerTransport},
    server::Inbound,
    status,
};

/// The innermost service of a channel.
#[derive(Debug)]
pub(super) struct Transport {
    parts: Arc<ChannelParts>,
    target: Target,
    way: OnceLock<Way>,
}

#[derive(Debug)]
enum Way {
    Connections(Pool),
    InProcess(Inbound),
}

impl Transport {
    pub(super) fn new(parts: Arc<ChannelParts>, target: Target) -> Self {
        Self { parts, target, way: OnceLock::new() }
    }

    /// Starts connecting on this event loop, where the target is remote and its place is known.
    pub(super) fn connect(&self) {
        if let Ok(Way::Connections(pool)) = self.way() {
            pool.connect();
        }
    }

    /// Sends a request for a page below `below`, which is no call. Fails where there is no answer.
    pub(super) async fn send_plain(&self, below: &str, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        match self.way()? {
            Way::Connections(pool) => pool.send_plain(request).await,
            Way::InProcess(inbound) if inbound.pages_below() == Some(below) => {
                request.extensions_mut().insert(self.caller());
                let Ok(answer) = inbound.take(request).await;
                Ok(answer)
            }
            Way::InProcess(_) => Err(Status::unimplemented(format!("{}: it has no pages at {below}", self.target))),
        }
    }

    /// Who calls, for a target inside this process.
    fn caller(&self) -> Peer {
        Peer { principal: self.parts.principal.clone(), transport: PeerTransport::InProcess }
    }

    /// The place is looked up at the first call, when every service of the process has been started.
    fn way(&self) -> Result<&Way, Status> {
        if let Some(way) = self.way.get() {
            return Ok(way);
        }
        let Self { parts, target, .. } = self;
        let way = match parts.directory.find(target.name()) {
            Some(Place::Remote(remote)) => Way::Connections(parts.pools.get(parts, *target, &remote)),
            Some(Place::InProcess(inbound)) => Way::InProcess(inbound),
            None => return Err(queue::unsent(*target, format!("{target}: it is not said where this service is"))),
        };
        Ok(self.way.get_or_init(|| way))
    }
}

impl Service<Request<Body>> for &Transport {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.way() {
            Ok(Way::Connections(pool)) => {
                let pool = pool.clone();
                Box::pin(
                    async move { Ok(pool.send(request).await.unwrap_or_else(|failure| status::response_of(&failure))) },
                )
            }
            Ok(Way::InProcess(inbound)) => {
                request.extensions_mut().insert(self.caller());
                inbound.take(made_by_its_caller(request))
            }
            Err(lost) => Box::pin(std::future::ready(Ok(status::response_of(&lost)))),
        }
    }
}

/// A request whose messages are made in the caller's context, although the callee asks for them. One message is there
/// before its call is, or needs no context.
fn made_by_its_caller(request: Request<Body>) -> Request<Body> {
    let streams = request.extensions().get::<OutboundCall>().is_none_or(|call| call.method.client_streaming);
    if streams { request.map(|inner| Body::new(Made { inner, caller: Standpoint::here() })) } else { request }
}

struct Made {
    inner: Body,
    caller: Standpoint,
}

impl http_body::Body for Made {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { inner, caller } = &mut *self;
        caller.enter(|| Pin::new(inner).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
