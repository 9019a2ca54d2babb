//! The connections to one target: a group on each event loop that calls, and one task that follows the target's endpoints.
//!
//! All channels of a service to a target share a pool, and everything it started ends with the last of them.

use std::{
    cmp::Ordering as Order,
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
};

use http::{HeaderValue, Request, Response, Uri, Version, header, request::Parts, uri::Authority};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use super::{
    ChannelParts, WaitForReady,
    error::{self, Fate},
    group::{Group, Pick},
    lease::Lease,
    load::Kind,
    message::{self, Message, Whole},
    observe::OutboundCall,
    plain,
    queue::{self, Wish},
    report::Counters,
    resolve::source_of,
    subchannel::State,
    upstream::{self, Endpoint, Upstream},
};
use crate::{
    Body, deadline,
    directory::{Remote, Target},
    metrics::ByTarget,
};

/// How often a request that provably never left may be given to another connection. Each time a connection has ended in the
/// moment between its pick and its use.
const UNSENT_RETRIES_MAX: u32 = 8;

/// How often a request may be sent again that a peer refused, or ignored as it went away (gRFC A6).
const REFUSED_RETRIES_MAX: u32 = 1;

/// The connections of a process to one target. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    upstream: Arc<Upstream>,
    authority: Authority,
    by_loop: RwLock<Vec<(Id, Arc<Group>)>>,
    _follower: AbortOnDropHandle<()>,
}

/// The pools of one service, so that its channels to a target share one.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<Vec<(Target, Remote, Weak<Inner>)>>);

impl Shelf {
    /// The pool of `target`, which is at `remote`.
    pub(super) fn get(&self, parts: &ChannelParts, target: Target, remote: &Remote) -> Pool {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|(.., pool)| pool.strong_count() > 0);
        let known = pools.iter().find(|(known, at, _)| *known == target && at == remote);
        if let Some(inner) = known.and_then(|(.., pool)| pool.upgrade()) {
            return Pool { inner };
        }
        let pool = Pool::start(parts, target, remote);
        pools.push((target, remote.clone(), Arc::downgrade(&pool.inner)));
        pool
    }
}

impl Pool {
    fn start(parts: &ChannelParts, target: Target, remote: &Remote) -> Self {
        let labels = ByTarget { service: Arc::clone(&parts.caller), grpc_target: target.name().into() };
        let authority = remote.authority().and_then(|name| Authority::try_from(name).ok());
        let authority = authority.or_else(|| Authority::try_from(target.name()).ok());
        let counters = Counters::new(&parts.metrics, &labels);
        let upstream = Arc::new(Upstream::new(target, remote.to_string(), parts.config, counters));
        let follower = upstream::follow(Arc::clone(&upstream), source_of(remote, &parts.config));
        let inner = Arc::new(Inner {
            upstream,
            authority: authority.unwrap_or_else(|| Authority::from_static("localhost")),
            by_loop: RwLock::default(),
            _follower: AbortOnDropHandle::new(parts.background.spawn(follower)),
        });
        parts.metrics.all.targets.pools.add(labels, &inner);
        Self { inner }
    }

    /// Starts connecting on the event loop that this runs on.
    pub(super) fn connect(&self) {
        let _connecting = self.inner.group();
    }

    /// Sends a call on a connection of this event loop.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let call = request.extensions().get::<OutboundCall>();
        let (streams_up, kind) = call.map_or((true, Kind::Stream), |call| {
            (call.method.client_streaming, if call.method.is_unary() { Kind::Unary } else { Kind::Stream })
        });
        let now = call.map_or_else(Instant::now, |call| call.begun);
        let wait_for_ready = request.extensions().get::<WaitForReady>().is_some_and(|wait| wait.0);
        let has_deadline = request.headers().contains_key(deadline::GRPC_TIMEOUT);
        let wish = Wish { kind, wait_for_ready, has_deadline, avoided: None };
        let Sent { answer, lease, open } = self.deliver(request, streams_up, now, wish).await?;
        Ok(error::checked(answer, self.inner.upstream.target, lease, open))
    }

    /// Sends a request that is no call, which has a deadline.
    pub(super) async fn send_plain(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        // Its body passes as it comes; one that has none is sent again as a call's message is.
        let streams_up = !request.body().is_end_stream();
        // How long it takes says more of whoever fills it than of the endpoint.
        let wish = Wish { kind: Kind::Stream, wait_for_ready: false, has_deadline: true, avoided: None };
        let Sent { answer, lease, open } = self.deliver(request, streams_up, Instant::now(), wish).await?;
        Ok(plain::unchecked(answer, self.inner.upstream.target, lease, open))
    }

    /// Sends a request on a connection of this event loop. What never left, or was refused, is sent again elsewhere.
    async fn deliver(
        &self,
        request: Request<Body>,
        streams_up: bool,
        mut now: Instant,
        wish: Wish<'_>,
    ) -> Result<Sent, Status> {
        let (group, target) = (self.inner.group(), self.inner.upstream.target);
        let mut attempts = Attempts::new(self.inner.addressed(request), streams_up).await?;
        let mut avoided = None;
        loop {
            let wish = Wish { avoided: avoided.as_ref(), ..wish };
            let Pick { mut connection, lease } = queue::pick(&group.shared, &wish, now).await?;
            let Some(request) = attempts.next() else {
                return Err(Status::internal(format!("{target}: the request is gone")));
            };
            match connection.sender.try_send_request(request).await {
                Ok(answer) => return Ok(Sent { answer, lease, open: attempts.open.take() }),
                Err(mut failure) => {
                    let unsent = failure.take_message();
                    let endpoint = Arc::clone(lease.endpoint());
                    attempts.failed(unsent, &failure.into_error(), lease, target)?;
                    self.inner.upstream.counters.transparent_retries.inc();
                    (avoided, now) = (Some(endpoint), Instant::now());
                }
            }
        }
    }
}

/// A request that was answered.
struct Sent {
    answer: Response<Incoming>,
    lease: Lease,
    /// Ends a request that streams, when its answer is dropped.
    open: Option<oneshot::Sender<()>>,
}

/// A call's request, and how often it may still be sent.
struct Attempts {
    /// The next attempt's, where it is there already.
    ready: Option<Request<Body>>,
    /// What further attempts are made of.
    kept: Option<(Parts, Arc<Whole>)>,
    /// Ends a request that streams, when its answer is dropped.
    open: Option<oneshot::Sender<()>>,
    unsent: u32,
    refused: u32,
}

impl Attempts {
    async fn new(request: Request<Body>, streams_up: bool) -> Result<Self, Status> {
        let first = |ready| Self { ready: Some(ready), kept: None, open: None, unsent: 0, refused: 0 };
        if streams_up {
            // A stream may wait for its next message when its answer is dropped.
            let (request, open) = error::cancelled_with_its_answer(request);
            return Ok(Self { open, ..first(request) });
        }
        let (parts, body) = request.into_parts();
        Ok(match message::read(body).await? {
            Message::Long(body) => first(Request::from_parts(parts, body)),
            Message::Whole(whole) => {
                let ready = Request::from_parts(parts.clone(), whole.body());
                Self { kept: Some((parts, whole)), ..first(ready) }
            }
        })
    }

    fn next(&mut self) -> Option<Request<Body>> {
        let again = || self.kept.as_ref().map(|(parts, whole)| Request::from_parts(parts.clone(), whole.body()));
        self.ready.take().or_else(again)
    }

    /// Decides whether there is another attempt after one failed; else fails as that one did.
    fn failed(
        &mut self,
        unsent: Option<Request<Body>>,
        error: &hyper::Error,
        lease: Lease,
        target: Target,
    ) -> Result<(), Status> {
        let status = error::status_of(error, target);
        let never_left = self.kept.as_ref().is_some_and(|(_, whole)| !whole.was_taken());
        if unsent.is_some() || never_left {
            // It says nothing about the endpoint: the lease ends as that of a call that was dropped.
            self.unsent += 1;
            self.ready = unsent;
            let again = self.unsent <= UNSENT_RETRIES_MAX && (self.ready.is_some() || self.kept.is_some());
            return if again { Ok(()) } else { Err(queue::unsent(target, status.message().to_owned())) };
        }
        let refused = error::fate_of(error) == Fate::Refused;
        lease.end(status.code());
        if refused && self.kept.is_some() && self.refused < REFUSED_RETRIES_MAX {
            self.refused += 1;
            return Ok(());
        }
        // That an earlier attempt was refused as well is why there was another one.
        Err(if refused { queue::unsent(target, status.message().to_owned()) } else { status })
    }
}

impl Inner {
    /// The best state of each endpoint's connections on any event loop.
    pub(super) fn states(&self) -> Vec<(Arc<Endpoint>, State)> {
        let endpoints = self.upstream.roster.borrow().endpoints.clone();
        let mut states: Vec<_> = endpoints.into_iter().map(|endpoint| (endpoint, State::Idle)).collect();
        let groups = self.by_loop.read().unwrap_or_else(PoisonError::into_inner);
        for (endpoint, state) in groups.iter().flat_map(|(_, group)| group.states()) {
            let known = states.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &endpoint));
            if let Some((_, known)) = known.filter(|(_, known)| state.better(known) == Order::Less) {
                *known = state;
            }
        }
        states
    }

    /// The request as HTTP/2 wants it: absolute, with the headers that gRPC demands, and nothing that is only for us.
    fn addressed(&self, mut request: Request<Body>) -> Request<Body> {
        let path = request.uri().path_and_query().cloned();
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(http::uri::Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = path.or_else(|| Some(http::uri::PathAndQuery::from_static("/")));
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        *request.version_mut() = Version::HTTP_2;
        request.extensions_mut().clear();
        let headers = request.headers_mut();
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if !headers.contains_key(header::USER_AGENT) {
            headers
                .insert(header::USER_AGENT, HeaderValue::from_static(concat!("souk-mesh/", env!("CARGO_PKG_VERSION"))));
        }
        request
    }

    /// The connections of the event loop that this runs on, made at their first use.
    fn group(&self) -> Arc<Group> {
        let handle = Handle::current();
        let id = handle.id();
        let known = self.by_loop.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, group)) = known.iter().find(|(known, _)| *known == id) {
            return Arc::clone(group);
        }
        drop(known);
        let mut groups = self.by_loop.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, group)) = groups.iter().find(|(known, _)| *known == id) {
            return Arc::clone(group);
        }
        let config = &self.upstream.config;
        let taken: usize = groups.iter().map(|(_, group)| group.kept).sum();
        let left = config.connections_per_endpoint.saturating_sub(taken);
        let kept = left.min(config.connections_per_loop).max(1);
        let group = Arc::new(Group::start(&self.upstream, kept, &handle));
        groups.push((id, Arc::clone(&group)));
        group
    }
}
