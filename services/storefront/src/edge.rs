//! The gRPC front door: forwards `/souk.<service>.v1.<Service>/<Method>` to that service, byte for byte.
//!
//! It is the fallback of storefront's inbound stack and hands calls to the mesh's outbound stack. Those two count and
//! trace the call and continue its deadline and its trace. Bodies pass as they are, frame by frame and trailers
//! included: nothing is decoded, so a service may be newer than this process in everything but its RPCs' names.
//!
//! It is no confused deputy: the caller's `authorization` goes along, and storefront's own name never stands for the
//! caller's role. Each service decides by itself; what services say among themselves the edge forwards for operators only.

#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod headers;

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use contracts::access::v1::Audience;
use futures_util::future::BoxFuture;
pub(crate) use headers::strip;
use http::{Extensions, Request, Response, Uri};
use mesh::{Body, Channel, Clients, directory::UndeclaredTarget, token::Caller};
use rpc::access::{Access, is_operator};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::Service;

/// The domain of the edge's own errors.
const DOMAIN: &str = "storefront";

/// Forwards calls. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Edge {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    access: Access,
    upstreams: HashMap<&'static str, Channel>,
}

impl Edge {
    /// Forwards to every service that `clients` declares, as far as `access` lets the public in.
    ///
    /// # Errors
    /// Never for the targets of `clients` themselves.
    pub fn new(clients: &Clients, access: Access) -> Result<Self, UndeclaredTarget> {
        let upstreams = clients.calls().iter().map(|target| Ok((target.name(), clients.channel(*target)?)));
        Ok(Self { shared: Arc::new(Shared { access, upstreams: upstreams.collect::<Result<_, _>>()? }) })
    }
}

impl Shared {
    /// The way to the service that answers `uri` for a caller with a token or without, or why there is none.
    fn upstream(&self, uri: &Uri, caller: Option<&Caller>) -> Result<Channel, Status> {
        let path = uri.path();
        // A gRPC path has no query, and what the table does not name exactly is not forwarded.
        let rpc = self.access.at(path).filter(|_| uri.query().is_none());
        let Some(rpc) = rpc else { return Err(self.unknown(path)) };
        let Some(channel) = self.upstreams.get(&*rpc.noun) else { return Err(absent(&rpc.service)) };
        if is_forwarded(rpc.audience, caller) { Ok(channel.clone()) } else { Err(internal(path)) }
    }

    fn unknown(&self, path: &str) -> Status {
        let service = path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(service, _)| service);
        match service.and_then(|service| Some((service, self.access.noun_of(service)?))) {
            Some((service, noun)) if self.upstreams.contains_key(noun) => {
                refusal(Code::Unimplemented, "RPC_UNKNOWN", format!("{path}: {service} has no such RPC"))
            }
            Some((service, _)) => absent(service),
            None => refusal(Code::Unimplemented, "SERVICE_UNKNOWN", format!("{path}: there is no such service")),
        }
    }
}

/// Whether RPCs of this audience go through for the caller. Operators' own are let through because each service checks
/// the role by itself; what services say among themselves goes no further without it.
fn is_forwarded(audience: Audience, caller: Option<&Caller>) -> bool {
    match audience {
        Audience::Shopper | Audience::Operator => true,
        Audience::Service => caller.is_some_and(|caller| is_operator(&caller.principal)),
        Audience::Unspecified => false,
    }
}

fn absent(service: &str) -> Status {
    refusal(Code::Unimplemented, "SERVICE_ABSENT", format!("{service} is not part of this shop"))
}

fn internal(path: &str) -> Status {
    let text = format!("{path}: this RPC is for the shop's own services, the edge forwards it for operators only");
    refusal(Code::PermissionDenied, "RPC_INTERNAL", text)
}

fn refusal(code: Code, reason: &str, text: String) -> Status {
    Status::with_error_details(code, text, ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new()))
}

impl Service<Request<Body>> for Edge {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.shared.upstream(request.uri(), request.extensions().get::<Caller>()) {
            Ok(mut channel) => {
                strip(request.headers_mut());
                // What this hop knows of its peer is no business of the next one, which has a peer of its own.
                *request.extensions_mut() = Extensions::new();
                // Inside the future: there, and not here, the deadline and the trace of the call are the current ones.
                Box::pin(async move { channel.call(request).await })
            }
            Err(refusal) => Box::pin(std::future::ready(Ok(refusal.into_http()))),
        }
    }
}
