//! The connections to one target: a few on each event loop, so that a call never leaves the core it is served on.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicUsize, Ordering},
};

use http::{HeaderValue, Request, Response, Uri, Version, header, uri::Authority};
use hyper::client::conn::http2::SendRequest;
use tokio::{
    runtime::{Handle, Id},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tonic::Status;

use super::{
    config::ClientConfig,
    error,
    observe::OutboundCall,
    subchannel::{self, Absence, State},
};
use crate::{Body, address::Address, directory::Target};

/// How often a request that never left may be given to another connection.
const UNSENT_RETRIES_MAX: usize = 3;

/// The connections of a process to one target. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: Target,
    authority: Authority,
    address: Address,
    config: ClientConfig,
    absence: Absence,
    by_loop: RwLock<Vec<(Id, Arc<Group>)>>,
}

/// The connections that live on one event loop.
#[derive(Debug)]
struct Group {
    states: watch::Receiver<Vec<State>>,
    next: AtomicUsize,
    /// Ended with the group.
    _keepers: JoinSet<()>,
}

impl Pool {
    pub(super) fn new(target: Target, address: Address, config: ClientConfig) -> Self {
        let authority = match &address {
            Address::Dns { host, port } => format!("{host}:{port}"),
            Address::Static(_) | Address::Unix(_) => target.name().to_owned(),
        };
        let authority = Authority::try_from(authority).unwrap_or_else(|_| Authority::from_static("localhost"));
        Self {
            shared: Arc::new(Shared {
                target,
                authority,
                address,
                config,
                absence: Absence::default(),
                by_loop: RwLock::default(),
            }),
        }
    }

    /// Sends a request on a connection of this event loop. A request that never left is sent again on another one.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        // One message is sent before its answer is dropped; a stream may wait for its next one.
        let streams = request.extensions().get::<OutboundCall>().is_none_or(|call| call.method.client_streaming);
        let mut open = None;
        let mut request = self.addressed(request);
        if streams {
            (request, open) = error::cancelled_with_its_answer(request);
        }
        let group = self.group();
        for _ in 0..=UNSENT_RETRIES_MAX {
            let mut sender = group.pick(&self.shared).await?;
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(error::checked(response, self.shared.target, open)),
                Err(mut failure) => match failure.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error::status_of(&failure.into_error(), self.shared.target)),
                },
            }
        }
        Err(Status::unavailable(format!("{}: every connection ended before it took the call", self.shared.target)))
    }

    /// The request as HTTP/2 wants it: absolute, and with the headers that gRPC demands.
    fn addressed(&self, mut request: Request<Body>) -> Request<Body> {
        let path = request.uri().path_and_query().cloned();
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(http::uri::Scheme::HTTP);
        parts.authority = Some(self.shared.authority.clone());
        parts.path_and_query = path.or_else(|| Some(http::uri::PathAndQuery::from_static("/")));
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        *request.version_mut() = Version::HTTP_2;
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
        let known = self.shared.by_loop.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, group)) = known.iter().find(|(known, _)| *known == id) {
            return Arc::clone(group);
        }
        drop(known);
        let mut groups = self.shared.by_loop.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, group)) = groups.iter().find(|(known, _)| *known == id) {
            return Arc::clone(group);
        }
        let group = Arc::new(Group::start(&self.shared, &handle));
        groups.push((id, Arc::clone(&group)));
        group
    }
}

impl Group {
    fn start(shared: &Shared, handle: &Handle) -> Self {
        let connections = shared.config.connections_per_loop.max(1);
        // Somewhere in the list of endpoints, so that all loops together use all of them.
        let first = fastrand::usize(..);
        let (sender, states) = watch::channel(vec![State::Connecting; connections]);
        let mut keepers = JoinSet::new();
        for index in 0..connections {
            let kept = subchannel::Kept {
                index,
                preferred: first.wrapping_add(index),
                address: shared.address.clone(),
                config: shared.config,
                absence: shared.absence.clone(),
            };
            let keeper = subchannel::keep(sender.clone(), kept);
            keepers.spawn_on(keeper, handle);
        }
        Self { states, next: AtomicUsize::new(0), _keepers: keepers }
    }

    /// A connection that takes requests. Waits only while one is being made; where all have failed, fails at once.
    async fn pick(&self, shared: &Shared) -> Result<SendRequest<Body>, Status> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let unavailable = |why: &str| Status::unavailable(format!("{}: {why}", shared.target));
        if let Some(picked) = picked(&self.states.borrow(), first, shared) {
            return picked;
        }
        let mut states = self.states.clone();
        let wait = async {
            loop {
                if let Some(picked) = picked(&states.borrow_and_update(), first, shared) {
                    return picked;
                }
                if states.changed().await.is_err() {
                    return Err(unavailable("its connections are closed"));
                }
            }
        };
        match timeout(shared.config.connecting_wait_max, wait).await {
            Ok(picked) => picked,
            Err(_) => Err(unavailable("no connection was made in time")),
        }
    }
}

/// The next ready connection, or why there will be none; `None` while that is not decided.
fn picked(states: &[State], first: usize, shared: &Shared) -> Option<Result<SendRequest<Body>, Status>> {
    let (mut last_error, mut connecting) = (None, false);
    for turn in 0..states.len() {
        match &states[(first.wrapping_add(turn)) % states.len()] {
            State::Ready(sender) if !sender.is_closed() => return Some(Ok(sender.clone())),
            State::Ready(_) | State::Connecting => connecting = true,
            State::TransientFailure(error) => last_error = Some(error),
        }
    }
    match last_error {
        Some(error) if !connecting => {
            let Shared { target, address, .. } = shared;
            Some(Err(Status::unavailable(format!("{target}: no connection to {address}, last error: {error}"))))
        }
        _ => None,
    }
}
