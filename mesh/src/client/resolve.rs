//! Where a target's endpoints come from: a stream of sets, each of which replaces the one before.
//!
//! A set is applied by a task of its own and never by traffic. An error, and a set with nothing in it, leave the last good
//! set in use. Every address of a name is an endpoint: each is connected to by itself, so that an address family that is
//! broken costs no call anything, which is what Happy Eyeballs (RFC 8305) is for.

use std::{fmt, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use futures_util::{
    StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::config::ClientConfig;
use crate::{address::Address, directory::Remote};

/// One place to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Endpoint {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A Unix domain socket.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why there is no set of endpoints.
#[derive(Clone, Debug, thiserror::Error)]
#[error("resolve {name}: {source}")]
pub struct ResolveError {
    /// What was asked for.
    pub name: String,
    /// Why it was not answered.
    pub source: Arc<io::Error>,
}

impl ResolveError {
    /// `name` was not answered because of `source`.
    #[must_use]
    pub fn new(name: impl Into<String>, source: io::Error) -> Self {
        Self { name: name.into(), source: Arc::new(source) }
    }
}

/// A stream of whole sets of endpoints.
pub type Sets = BoxStream<'static, Result<Vec<Endpoint>, ResolveError>>;

/// A source of a target's endpoints: a list, a name, and later whatever else watches them, such as EndpointSlices or xDS.
/// It is displayed as errors and log lines name it.
pub trait Resolve: fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// The set as it is now, as soon as that is known, and again whenever it may have changed. A source that cannot watch
    /// asks again on its own, and soon after [`Again::asked`]. The stream is dropped with the last channel to the target.
    fn watch(&self, again: Again) -> Sets;
}

/// Says that a set may be out of date: a connection ended, or could not be made.
#[derive(Clone, Debug, Default)]
pub struct Again(Arc<Notify>);

impl Again {
    /// Waits until somebody asks; what was asked since the last wait counts, once.
    pub async fn asked(&self) {
        self.0.notified().await;
    }

    pub(super) fn ask(&self) {
        self.0.notify_one();
    }
}

/// The source of what is at `remote`.
pub(super) fn source_of(remote: &Remote, config: &ClientConfig) -> Arc<dyn Resolve> {
    match remote {
        Remote::Address(Address::Static(list)) => Arc::new(Fixed(list.iter().copied().map(Endpoint::Tcp).collect())),
        Remote::Address(Address::Unix(path)) => Arc::new(Fixed(vec![Endpoint::Unix(path.clone())])),
        Remote::Address(Address::Dns { host, port }) => {
            Arc::new(Dns::new(host, *port, config.resolve_interval, config.resolve_interval_min))
        }
        Remote::Source(source) => Arc::clone(source),
    }
}

/// Endpoints that do not change.
#[derive(Clone, Debug)]
struct Fixed(Vec<Endpoint>);

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&list.join(","))
    }
}

impl Resolve for Fixed {
    fn watch(&self, _again: Again) -> Sets {
        stream::iter([Ok(self.0.clone())]).chain(stream::pending()).boxed()
    }
}

/// How long a name is asked for as often as it may be once an address is gone from it: whoever runs the replicas starts one
/// again, and a replica without a share is what the others pay for.
const LOOKING_FOR_A_SUCCESSOR: Duration = Duration::from_secs(30);

type Lookup = dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

/// The addresses of a name, such as a headless Service's, which has one a pod. Nothing is cached.
#[derive(Clone)]
pub struct Dns {
    host: String,
    port: u16,
    interval: Duration,
    interval_min: Duration,
    lookup: Arc<Lookup>,
}

impl Dns {
    /// The addresses of `host` as the system's resolver knows them: `/etc/hosts`, `nsswitch.conf` and the pod's
    /// `resolv.conf` hold. They are looked up every `interval`, and when a connection fails, but not within `interval_min`
    /// of the last time; every `interval_min` for half a minute after an address has gone, until there are as many as before.
    /// One lookup runs at a time, however long it takes.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16, interval: Duration, interval_min: Duration) -> Self {
        let lookup = |host: String, port| -> BoxFuture<'static, _> {
            Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
        };
        Self { host: host.into(), port, interval, interval_min, lookup: Arc::new(lookup) }
    }

    /// The same by another lookup.
    #[must_use]
    pub fn with_lookup<F, A>(mut self, lookup: F) -> Self
    where
        F: Fn(String, u16) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.lookup = Arc::new(move |host, port| Box::pin(lookup(host, port)));
        self
    }

    async fn look_up(&self) -> Result<Vec<Endpoint>, ResolveError> {
        let failed = |source| ResolveError::new(&self.host, source);
        let found = (self.lookup)(self.host.clone(), self.port).await.map_err(failed)?;
        if found.is_empty() {
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
        }
        Ok(found.into_iter().map(Endpoint::Tcp).collect())
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl fmt::Display for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dns:{}:{}", self.host, self.port)
    }
}

impl Resolve for Dns {
    fn watch(&self, again: Again) -> Sets {
        let watched = Watched { dns: self.clone(), again, last: None, most: 0, gone: None };
        stream::unfold(watched, |mut watched| async move { Some((watched.next().await, watched)) }).boxed()
    }
}

/// A name that is being watched.
struct Watched {
    dns: Dns,
    again: Again,
    /// When it was last looked up.
    last: Option<Instant>,
    /// How many addresses it had at most since it was last whole.
    most: usize,
    /// Since when it has fewer.
    gone: Option<Instant>,
}

impl Watched {
    async fn next(&mut self) -> Result<Vec<Endpoint>, ResolveError> {
        if let Some(last) = self.last {
            let soon = last + self.dns.interval_min;
            if self.gone.is_some_and(|gone| last < gone + LOOKING_FOR_A_SUCCESSOR) {
                sleep_until(soon).await;
            } else {
                tokio::select! {
                    () = sleep_until(last + self.dns.interval) => {}
                    () = self.again.asked() => sleep_until(soon).await,
                }
            }
        }
        let found = self.dns.look_up().await;
        let now = Instant::now();
        self.last = Some(now);
        if let Ok(set) = &found {
            self.count(set.len(), now);
        }
        found
    }

    fn count(&mut self, addresses: usize, now: Instant) {
        let given_up = self.gone.is_some_and(|gone| now >= gone + LOOKING_FOR_A_SUCCESSOR);
        if addresses >= self.most || given_up {
            (self.most, self.gone) = (addresses, None);
        } else if self.gone.is_none() {
            self.gone = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU16, Ordering};

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);
    const INTERVAL_MIN: Duration = Duration::from_secs(1);

    fn address(number: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], number))
    }

    fn counting(answer: fn(u16) -> io::Result<Vec<SocketAddr>>) -> Dns {
        let asked = AtomicU16::new(0);
        Dns::new("catalog", 1, INTERVAL, INTERVAL_MIN)
            .with_lookup(move |_, _| std::future::ready(answer(asked.fetch_add(1, Ordering::Relaxed))))
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_at_once_and_then_every_interval() {
        let mut sets = counting(|n| Ok(vec![address(n)])).watch(Again::default());
        let begun = Instant::now();
        for turn in 0..3 {
            let set = sets.next().await.unwrap().unwrap();
            assert_eq!(set, [Endpoint::Tcp(address(turn))]);
            assert_eq!(begun.elapsed(), INTERVAL * u32::from(turn));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_connection_has_the_name_looked_up_again_but_not_more_often_than_the_limit() {
        let again = Again::default();
        let mut sets = counting(|_| Ok(vec![address(1)])).watch(again.clone());
        let begun = Instant::now();
        for turn in 0..4 {
            sets.next().await.unwrap().unwrap();
            assert_eq!(begun.elapsed(), INTERVAL_MIN * turn);
            for _ in 0..10 {
                again.ask();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_successor_of_an_address_that_is_gone_is_looked_for_at_once_but_not_for_ever() {
        fn addresses(count: u16) -> io::Result<Vec<SocketAddr>> {
            Ok((0..count).map(address).collect())
        }
        // When the name is asked, in seconds.
        let times = |answer: fn(u16) -> io::Result<Vec<SocketAddr>>, count: usize| async move {
            let begun = Instant::now();
            let sets = counting(answer).watch(Again::default());
            sets.take(count).map(|_| begun.elapsed().as_secs()).collect::<Vec<_>>().await
        };
        let killed = times(|n| addresses(if n == 1 || n == 2 { 1 } else { 2 }), 6).await;
        assert_eq!(killed, [0, 5, 6, 7, 12, 17]);
        let scaled_down = times(|n| addresses(if n == 0 { 2 } else { 1 }), 38).await;
        assert_eq!(scaled_down[..4], [0, 5, 6, 7]);
        assert_eq!(scaled_down[30..], [34, 35, 40, 45, 50, 55, 60, 65]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_and_an_empty_answer_are_errors_that_name_the_host_and_the_next_answer_counts() {
        let mut sets = counting(|n| match n {
            0 => Err(io::Error::other("SERVFAIL")),
            1 => Ok(vec![]),
            _ => Ok(vec![address(1)]),
        })
        .watch(Again::default());
        assert_eq!(sets.next().await.unwrap().unwrap_err().to_string(), "resolve catalog: SERVFAIL");
        let empty = sets.next().await.unwrap().unwrap_err().to_string();
        assert_eq!(empty, "resolve catalog: the name has no address");
        assert_eq!(sets.next().await.unwrap().unwrap().len(), 1);
    }
}
