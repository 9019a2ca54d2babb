//! The way to the target: its connections, or its stack inside this process.
//!
//! In process is a tower call: no HTTP/2, no socket, no other task. Dropping the call drops the handler.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use tonic::Status;
use tower::Service;

use super::{ChannelParts, pool::Pool};
use crate::{
    Body,
    directory::{Place, Target},
    identity::{Peer, Transport as PeerTransport},
    server::Inbound,
    status,
};

/// The innermost service of a channel.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
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
        Self { shared: Arc::new(Shared { parts, target, way: OnceLock::new() }) }
    }
}

impl Shared {
    /// The place is looked up at the first call, when every service of the process has been started.
    fn way(&self) -> Result<&Way, Status> {
        if let Some(way) = self.way.get() {
            return Ok(way);
        }
        let Self { parts, target, .. } = self;
        let way = match parts.directory.find(target.name()) {
            Some(Place::Remote(address)) => Way::Connections(Pool::new(*target, address, parts.config)),
            Some(Place::InProcess(inbound)) => Way::InProcess(inbound),
            None => return Err(Status::unavailable(format!("{target}: it is not said where this service is"))),
        };
        Ok(self.way.get_or_init(|| way))
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.shared.way() {
            Ok(Way::Connections(pool)) => {
                let pool = pool.clone();
                Box::pin(
                    async move { Ok(pool.send(request).await.unwrap_or_else(|failure| status::response_of(&failure))) },
                )
            }
            Ok(Way::InProcess(inbound)) => {
                let principal = self.shared.parts.principal.clone();
                request.extensions_mut().insert(Peer { principal, transport: PeerTransport::InProcess });
                inbound.clone().call(request)
            }
            Err(lost) => Box::pin(std::future::ready(Ok(status::response_of(&lost)))),
        }
    }
}
