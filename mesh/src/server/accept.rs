//! Accepts connections and hands each to the core that has the fewest.
//!
//! Nothing a peer does ends this loop. Where the process has no file descriptor left it waits and tries again, since
//! ending would turn a full house into a closed one.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use rustix::io::Errno;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tower::Service;

use super::{
    config::ConnectionConfig,
    connection::{self, Protocol},
    listener::{self, Listener, Socket},
};
use crate::{
    Body,
    drain::{Drain, Phase},
    identity::Peer,
    metrics::{ByService, Metrics},
    threads::{self, Core},
};

/// The first and the longest wait after an accept failed for want of resources.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What every accept loop of a process shares.
#[derive(Clone, Debug)]
pub(crate) struct Acceptor {
    pub(crate) cores: Arc<[Arc<Core>]>,
    pub(crate) drain: Drain,
    /// Connections that are still served.
    pub(crate) open: TaskTracker,
    pub(crate) config: ConnectionConfig,
}

/// A connection's share in the counts, given back when it ends.
struct Counted {
    core: Arc<Core>,
    gauge: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Counted {
    fn new(core: Arc<Core>, gauge: Gauge, permit: OwnedSemaphorePermit) -> Self {
        core.connections.fetch_add(1, Ordering::Relaxed);
        gauge.inc();
        Self { core, gauge, _permit: permit }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.core.connections.fetch_sub(1, Ordering::Relaxed);
        self.gauge.dec();
    }
}

/// Accepts until the process closes its listeners.
pub(crate) async fn accept<S>(
    acceptor: Acceptor,
    mut listener: Listener,
    name: Arc<str>,
    service: S,
    protocol: Protocol,
    metrics: Metrics,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let label = ByService { service: name };
    let accepted: Counter = metrics.all.connections_accepted.get_or_create(&label).clone();
    let errors: Counter = metrics.all.accept_errors.get_or_create(&label).clone();
    let gauge: Gauge = metrics.all.connections.get_or_create(&label).clone();
    let places = Arc::new(Semaphore::new(acceptor.config.connections_max));
    let failures = AtomicUsize::new(0);
    loop {
        let next = async {
            let permit = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?, permit))
        };
        let next = tokio::select! {
            next = next => next,
            () = acceptor.drain.reached(Phase::Closing) => return,
        };
        match next {
            Ok(((socket, peer), permit)) => {
                failures.store(0, Ordering::Relaxed);
                accepted.inc();
                let Some(core) = threads::least_loaded(&acceptor.cores).map(Arc::clone) else { return };
                let counted = Counted::new(Arc::clone(&core), gauge.clone(), permit);
                let served = run(socket, peer, service.clone(), protocol, acceptor.clone(), counted);
                core.handle.spawn(acceptor.open.track_future(served));
            }
            Err(error) if is_of_one_peer(&error) => {}
            Err(error) => {
                errors.inc();
                let wait = backoff(failures.fetch_add(1, Ordering::Relaxed));
                tracing::warn!(service = %label.service, %error, wait_ms = wait.as_millis(), "cannot accept connections");
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = acceptor.drain.reached(Phase::Closing) => return,
                }
            }
        }
    }
}

async fn run<S>(socket: Socket, peer: Peer, service: S, protocol: Protocol, acceptor: Acceptor, counted: Counted)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let (config, drain) = (acceptor.config, acceptor.drain);
    match socket {
        Socket::Tcp(stream) => match listener::adopt_tcp(stream) {
            Ok(io) => connection::serve(io, peer, service, protocol, config, drain).await,
            Err(error) => tracing::warn!(%error, "cannot register a connection"),
        },
        Socket::Unix(stream) => match listener::adopt_unix(stream) {
            Ok(io) => connection::serve(io, peer, service, protocol, config, drain).await,
            Err(error) => tracing::warn!(%error, "cannot register a connection"),
        },
    }
    drop(counted);
}

/// Errors that belong to the connection that was about to be accepted. Linux reports what went wrong on its network too,
/// and says to treat that like a peer that is gone (accept(2), *Error handling*).
fn is_of_one_peer(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::CONNREFUSED
                | Errno::INTR
                | Errno::PERM
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::OPNOTSUPP
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::TIMEDOUT
        )
    )
}

fn backoff(failures: usize) -> Duration {
    let doublings = u32::try_from(failures.min(10)).unwrap_or(10);
    (BACKOFF.0 * 2_u32.pow(doublings)).min(BACKOFF.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_house_is_tried_again_ever_later_and_at_least_each_second() {
        assert_eq!(backoff(0), Duration::from_millis(10));
        assert_eq!(backoff(3), Duration::from_millis(80));
        assert_eq!(backoff(1000), Duration::from_secs(1));
    }

    #[test]
    fn only_a_lack_of_resources_makes_the_loop_wait() {
        for of_one in [Errno::CONNABORTED, Errno::PROTO, Errno::NETDOWN, Errno::HOSTUNREACH] {
            assert!(is_of_one_peer(&of_one.into()), "{of_one}");
        }
        for of_all in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(!is_of_one_peer(&of_all.into()), "{of_all}");
        }
    }
}
