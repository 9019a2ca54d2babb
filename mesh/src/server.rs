//! The inbound side: what a service serves, and every layer a call passes before its handler.
//!
//! This file composes; the layers are in `server/`. The same [`Inbound`] takes calls from sockets and from inside the
//! process.

mod accept;
mod authorize;
mod bounded;
mod config;
mod connection;
mod context;
mod deadline;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod listener;
mod observe;
mod panic;
mod received;
mod routes;
mod sniff;
mod streams;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{TryFutureExt as _, future::BoxFuture};
use http::{Request, Response};
use tonic::{body::Body, server::NamedService};
use tower::{Service, ServiceBuilder};

pub use authorize::{Policy, Rule};
pub use config::{ConnectionConfig, InboundConfig};
pub use listener::{BindError, Listener};
pub(crate) use {
    accept::{Acceptor, accept},
    connection::Protocol,
};

use crate::{
    methods::{DescriptorError, Methods},
    metrics::Metrics,
    process::Process,
};
use routes::{Pages, Routes};

/// The whole inbound stack, outermost first. Its layers are services by shared reference: a call clones none of them.
type Stack = observe::Observe<
    deadline::Deadline<streams::Streams<authorize::Authorize<context::InContext<panic::CatchPanic<Routes>>>>>,
>;

/// One service's inbound stack. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Inbound {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: Arc<str>,
    stack: Stack,
    pages: Option<Pages>,
}

impl Inbound {
    /// The service's noun.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    /// Where its pages are.
    pub(crate) fn pages_below(&self) -> Option<&'static str> {
        self.shared.pages.as_ref().map(Pages::below)
    }

    /// Takes one call, or a request for a page.
    pub(crate) fn take(&self, request: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, Infallible>> {
        if let Some(pages) = self.shared.pages.as_ref().filter(|pages| pages.has(request.uri().path())) {
            return pages.answer(request);
        }
        let call = (&self.shared.stack).call(request);
        Box::pin(call.map_ok(|answer| answer.map(Body::new)))
    }
}

impl Service<Request<Body>> for Inbound {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.take(request)
    }
}

/// Builds the inbound stack of one service out of generated servers.
#[derive(Debug)]
pub struct Builder {
    name: Arc<str>,
    routes: Routes,
    descriptors: Vec<&'static [u8]>,
    listed: Vec<String>,
    policy: Policy,
    health: bool,
    pages: Option<Pages>,
}

/// An inbound stack could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A descriptor set is none.
    #[error("build the table of methods")]
    Methods(#[from] DescriptorError),
    /// Reflection cannot use a descriptor set.
    #[error("build server reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl Builder {
    /// Starts a stack for the service called `name`, the noun in its metrics, spans and identity.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            routes: Routes::default(),
            descriptors: vec![
                crate::FILE_DESCRIPTOR_SET,
                tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
                tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
                // So that grpcurl can read the details of an error.
                tonic_types::pb::FILE_DESCRIPTOR_SET,
            ],
            listed: Vec::new(),
            policy: Policy::default(),
            health: true,
            pages: None,
        }
    }

    /// Adds an encoded `FileDescriptorSet`: it describes methods to the layers, and everything in it to reflection.
    #[must_use]
    pub fn descriptors(mut self, set: &'static [u8]) -> Self {
        self.descriptors.push(set);
        self
    }

    /// Adds a generated server; reflection lists it.
    #[must_use]
    pub fn add_service<S>(mut self, server: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + NamedService,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.listed.push(S::NAME.to_owned());
        self.routes.add(S::NAME, server);
        self
    }

    /// Says who may call what. Without it everything is open, and a token that is presented is verified all the same.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Lists a service in reflection that the fallback answers for.
    #[must_use]
    pub fn list(mut self, full_name: &str) -> Self {
        self.listed.push(full_name.to_owned());
        self
    }

    /// Takes the calls to every service that was not added.
    #[must_use]
    pub fn fallback<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.routes.set_fallback(service);
        self
    }

    /// Answers plain HTTP/2 requests below a path, such as `/pay/`, beside the calls, whose paths begin with a service's full
    /// name. They are no calls: of the layers they pass only the one that makes a 500 of a panic. What they wait for they
    /// bound themselves.
    #[must_use]
    pub fn pages<S>(mut self, below: &'static str, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.pages = Some(Pages::new(below, service));
        self
    }

    /// Leaves the process' own health service out, for a service that answers `grpc.health.v1` with another of its own.
    #[must_use]
    pub fn without_health(mut self) -> Self {
        self.health = false;
        self
    }

    /// Composes the stack, outermost first. Routes, admission and faults have their places marked.
    ///
    /// # Errors
    /// If a descriptor set cannot be read.
    pub fn build(mut self, process: &Process, config: InboundConfig) -> Result<Inbound, BuildError> {
        let methods = Methods::from_descriptor_sets(&self.descriptors)?;
        if self.health {
            self = self.add_service(process.health().server());
        }
        let (v1, v1alpha) = (self.reflection().build_v1()?, self.reflection().build_v1alpha()?);
        self.routes.add_named(v1);
        self.routes.add_named(v1alpha);
        let tracer = process.tracer_of(&self.name);
        let stack = ServiceBuilder::new()
            // Outermost, so that whatever refuses a call below is counted and traced, and a body is followed to its end.
            .layer(observe::ObserveLayer::new(&self.name, &methods, process.metrics(), tracer))
            // Before anything that waits: an expired call must cost nothing, and a handler ends when its caller gives up.
            .layer(deadline::DeadlineLayer::new(config.default_timeout))
            // Streams have no deadline to end them at a drain, and feeds must hear of it at once.
            .layer(streams::StreamsLayer::new(process.drain().clone()))
            // Before anything is done for the call, and before the context, which has the caller.
            .layer(authorize::AuthorizeLayer::new(&self.name, self.policy, process.tokens()))
            // (Admission and quota belong here: they need the deadline and the caller, and their refusals are calls.)
            // What the handler's own calls will inherit.
            .layer(context::InContextLayer)
            // Innermost, so that a panic unwinds through no layer of ours. (Faults on demand belong right outside of it.)
            .layer(panic::CatchPanicLayer::new(process.metrics(), &self.name, Protocol::Grpc { pages: None }))
            .service(self.routes);
        let pages = self.pages.map(|pages| {
            let below = pages.below();
            Pages::new(below, plain_http(pages, &self.name, process.metrics()))
        });
        Ok(Inbound { shared: Arc::new(Shared { name: self.name, stack, pages }) })
    }

    fn reflection(&self) -> tonic_reflection::server::Builder<'static> {
        let mut builder = tonic_reflection::server::Builder::configure();
        for set in &self.descriptors {
            builder = builder.register_encoded_file_descriptor_set(set);
        }
        let reflection = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
        let listed = self.listed.iter().map(String::as_str).chain(reflection);
        listed.fold(builder.include_reflection_service(false), |builder, name| builder.with_service_name(name))
    }
}

/// The stack of a port that serves plain HTTP: a panic is one 500. A gRPC stack does that for itself, inside its record.
pub(crate) fn plain_http<S>(
    service: S,
    name: &Arc<str>,
    metrics: &Metrics,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static> + Clone + Send + use<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    ServiceBuilder::new()
        .map_response(|page: Response<_>| page.map(Body::new))
        .layer(panic::CatchPanicLayer::new(metrics, name, Protocol::Http))
        .service(service)
}
