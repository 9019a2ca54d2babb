//! One process of the mesh: its threads, telemetry, health, metrics, listeners, and how it stops.

use std::{
    convert::Infallible,
    fmt,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};
use http::{Request, Response};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    runtime::Handle,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::{
    Body, ListenAddress,
    admin::Admin,
    drain::{Drain, Phase},
    health::Health,
    identity::Principal,
    metrics::Metrics,
    server::{
        Acceptor, BindError, Builder, ConnectionConfig, Inbound, InboundConfig, Listener, Protocol, accept, plain_http,
    },
    telemetry::{self, SetupError, Telemetry, Tracer},
    threads::{StartError, Threads},
    token::{PublicKeys, Verifier},
};

/// How long everything that is closed at the end may take together.
const LAST_TIMEOUT: Duration = Duration::from_secs(2);

/// What a process can be told, whatever it serves.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "clap", derive(clap::Args), group(skip))]
pub struct Options {
    /// Which log lines are written: a level, or targets with levels (`info,store=debug`)
    #[cfg_attr(feature = "clap", arg(long, env = "LOG", default_value = "info", value_name = "FILTER"))]
    pub log: String,
    /// How log lines look: text or json
    #[cfg_attr(feature = "clap", arg(long, env = "LOG_FORMAT", default_value_t, value_name = "FORMAT"))]
    pub log_format: telemetry::Format,
    /// How long calls are still taken after SIGTERM while health says NOT_SERVING (5s, 500ms); none on Ctrl-C
    #[cfg_attr(
        feature = "clap",
        arg(long, env = "DRAIN_DELAY", default_value = "5s", value_parser = parse_duration, value_name = "TIME")
    )]
    pub drain_delay: Duration,
    /// How long calls in flight may take once connections are told to go
    #[cfg_attr(
        feature = "clap",
        arg(long, env = "DRAIN_GRACE", default_value = "20s", value_parser = parse_duration, value_name = "TIME")
    )]
    pub drain_grace: Duration,
    /// Event loops for calls; 0 is one a processor
    #[cfg_attr(feature = "clap", arg(long, env = "CORES", default_value_t = 0, value_name = "N"))]
    pub cores: usize,
    /// The SPIFFE trust domain of the fleet
    #[cfg_attr(feature = "clap", arg(long, env = "TRUST_DOMAIN", default_value = "souk", value_name = "NAME"))]
    pub trust_domain: String,
    /// The namespace in the services' identities
    #[cfg_attr(feature = "clap", arg(long, env = "NAMESPACE", default_value = "souk", value_name = "NAME"))]
    pub namespace: String,
    /// The public keys that bearer tokens are verified with, in base64url, separated by commas; without one, RPCs that need
    /// a token are refused
    #[cfg_attr(
        feature = "clap",
        // A key may begin with a hyphen.
        arg(long, env = "TOKEN_KEYS", default_value_t, hide_default_value = true, allow_hyphen_values = true)
    )]
    pub token_keys: PublicKeys,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log: "info".into(),
            log_format: telemetry::Format::Text,
            drain_delay: Duration::from_secs(5),
            drain_grace: Duration::from_secs(20),
            cores: 0,
            trust_domain: "souk".into(),
            namespace: "souk".into(),
            token_keys: PublicKeys::default(),
        }
    }
}

/// Reads a duration such as `5s`, `500ms`, `2m` or a bare number of seconds.
///
/// # Errors
/// If the text is none, or is negative.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit_s) = [("ms", 0.001), ("s", 1.0), ("m", 60.0)]
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))
        .unwrap_or((text, 1.0));
    let seconds = number.trim().parse::<f64>().ok().map(|number| number * unit_s);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| format!("{text:?} is no duration: write 5s, 500ms or 2m"))
}

/// A process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Threads or event loops.
    #[error("start the threads")]
    Threads(#[from] StartError),
    /// Logs or traces.
    #[error("set up telemetry")]
    Telemetry(#[from] SetupError),
    /// The system delivers no signals.
    #[error("listen for signals")]
    Signals(#[from] std::io::Error),
}

/// Why the process stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every connection ended within the grace: unary calls had their answers, streams were told UNAVAILABLE.
    Drained,
    /// The grace was over, or a second signal came, while there were connections with calls in flight.
    Cut,
}

impl From<Stopped> for ExitCode {
    /// Success only where nobody was cut off.
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Drained => Self::SUCCESS,
            Stopped::Cut => Self::FAILURE,
        }
    }
}

/// One process of the mesh.
pub struct Process {
    options: Options,
    service_attribute: Option<&'static str>,
    telemetry: Telemetry,
    metrics: Metrics,
    health: Health,
    drain: Drain,
    open: TaskTracker,
    connections: ConnectionConfig,
    tokens: Arc<Verifier>,
    threads: Arc<Threads>,
    signals: tokio::sync::Mutex<Signals>,
    last: Mutex<Vec<BoxFuture<'static, ()>>>,
}

/// The signals that stop a process, listened for from its start: one that comes while services are being started counts.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Process {
    /// Starts the threads and the telemetry of a process called `name`.
    ///
    /// `service_attribute` names the services apart on the spans of a process that holds several.
    ///
    /// # Errors
    /// If an event loop cannot be made, or the log filter or an `OTEL_*` variable is wrong.
    pub fn start(name: &str, options: Options, service_attribute: Option<&'static str>) -> Result<Self, ProcessError> {
        raise_file_limit();
        Self::start_with(name, options, service_attribute, Telemetry::install)
    }

    /// The same with telemetry of the caller's making.
    pub(crate) fn start_with(
        name: &str,
        options: Options,
        service_attribute: Option<&'static str>,
        install: impl FnOnce(&telemetry::Config, &Metrics, &Handle) -> Result<Telemetry, SetupError>,
    ) -> Result<Self, ProcessError> {
        let threads = Arc::new(Threads::start(options.cores)?);
        let metrics = Metrics::default();
        let telemetry = telemetry::Config {
            service_name: name.to_owned(),
            service_attribute,
            filter: options.log.clone(),
            format: options.log_format,
        };
        let telemetry = install(&telemetry, &metrics, threads.background())?;
        let inside = threads.background().enter();
        let signals =
            Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        drop(inside);
        let tokens = Arc::new(Verifier::new(options.token_keys.as_slice(), &options.trust_domain));
        Ok(Self {
            options,
            service_attribute,
            telemetry,
            metrics,
            health: Health::default(),
            drain: Drain::default(),
            open: TaskTracker::new(),
            connections: ConnectionConfig::default(),
            tokens,
            threads,
            signals: tokio::sync::Mutex::new(signals),
            last: Mutex::default(),
        })
    }

    /// Changes the limits of every listener that is served from now on.
    #[must_use]
    pub fn with_connections(mut self, config: ConnectionConfig) -> Self {
        self.connections = config;
        self
    }

    /// The runtime for pools, feeds and whatever else outlives a call.
    #[must_use]
    pub fn background(&self) -> &Handle {
        self.threads.background()
    }

    /// Runs `future` on the background runtime, from a thread that is none of ours.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.threads.block_on(future)
    }

    /// The metrics of the process.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The health of the process and its services.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// How the process stops.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// As whom `service` calls.
    #[must_use]
    pub fn principal_of(&self, service: &str) -> Principal {
        Principal::service(&self.options.trust_domain, &self.options.namespace, service)
    }

    /// What tells valid tokens from others.
    #[must_use]
    pub fn tokens(&self) -> &Arc<Verifier> {
        &self.tokens
    }

    pub(crate) fn tracer_of(&self, service: &str) -> Tracer {
        self.telemetry.tracer().of_service(self.service_attribute, service)
    }

    /// Binds a listener; nothing is accepted yet.
    ///
    /// # Errors
    /// If the address is taken or may not be used.
    pub fn bind(&self, address: &ListenAddress) -> Result<Listener, BindError> {
        Listener::bind(address)
    }

    /// Serves a service's gRPC on a listener.
    pub fn serve_grpc(&self, listener: Listener, inbound: Inbound) {
        let name = Arc::clone(inbound.name());
        let pages = inbound.pages_below();
        self.serve(listener, name, inbound, Protocol::Grpc { pages });
    }

    /// Serves plain HTTP, such as web pages, on a listener; `name` is its label in the metrics.
    pub fn serve_http<S>(&self, listener: Listener, name: &str, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        let name = Arc::from(name);
        let pages = plain_http(service, &name, &self.metrics);
        self.serve(listener, name, pages, Protocol::Http);
    }

    /// Serves the admin port on a listener.
    ///
    /// # Panics
    /// Never: the stack is built of this crate's own descriptors.
    pub fn serve_admin(&self, listener: Listener) {
        let grpc = Builder::new("admin").build(self, InboundConfig::default());
        let grpc = grpc.expect("this crate's own descriptors can be read");
        self.serve_http(listener, "admin", Admin::new(&self.health, &self.metrics, self.threads.pulse(), grpc));
    }

    fn serve<S>(&self, mut listener: Listener, name: Arc<str>, service: S, protocol: Protocol)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        let acceptor = Acceptor {
            cores: Arc::clone(self.threads.cores()),
            drain: self.drain.clone(),
            open: self.open.clone(),
            config: self.connections,
        };
        let _inside = self.background().enter();
        // Now, since whoever hears that it is served may connect at once. What fails is tried again, and told, by the loop.
        let _later = listener.open().is_err();
        let accepting = accept(acceptor, listener, name, service, protocol, self.metrics.clone());
        self.background().spawn(self.open.track_future(accepting));
    }

    /// Runs `last` when the process stops, after the calls in flight: for what should be closed and need not be.
    pub fn at_end(&self, last: impl Future<Output = ()> + Send + 'static) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(last));
    }

    /// Waits for SIGTERM or Ctrl-C, one that came earlier included, then drains: NOT_SERVING at once, calls still taken
    /// for the delay (none on Ctrl-C), GOAWAY, at most the grace for calls in flight. A second Ctrl-C ends at once.
    pub async fn until_stopped(&self) -> Stopped {
        let mut signals = self.signals.lock().await;
        let Signals { terminate, interrupt } = &mut *signals;
        let delay = tokio::select! {
            _ = terminate.recv() => self.options.drain_delay,
            _ = interrupt.recv() => Duration::ZERO,
        };
        tracing::info!(delay_s = delay.as_secs_f64(), grace_s = self.options.drain_grace.as_secs_f64(), "draining");
        let stopped = tokio::select! {
            stopped = self.stop(delay) => stopped,
            _ = interrupt.recv() => {
                self.drain.advance(Phase::Closed);
                Stopped::Cut
            }
        };
        if stopped == Stopped::Cut {
            tracing::warn!("stopped with calls in flight");
        }
        stopped
    }

    /// Drains without a signal, taking calls for `delay`.
    pub async fn stop(&self, delay: Duration) -> Stopped {
        self.health.drain();
        self.open.close();
        let drained = self.drain.run(delay, self.options.drain_grace, self.open.wait()).await;
        let last = std::mem::take(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner));
        if tokio::time::timeout(LAST_TIMEOUT, join_all(last)).await.is_err() {
            tracing::warn!(limit_s = LAST_TIMEOUT.as_secs(), "not everything was closed in time");
        }
        tracing::info!(drained, "stopped");
        if drained { Stopped::Drained } else { Stopped::Cut }
    }
}

/// Every connection is an open file, and the usual soft limit, 1,024, is there for programs that use select(2).
fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    // A system that says no leaves what there was; accepting copes with its end.
    let _refused = current != maximum && setrlimit(Resource::Nofile, raised).is_err();
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("options", &self.options).field("drain", &self.drain).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_open_as_many_files_as_it_is_allowed_to() {
        raise_file_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn durations_are_read_with_their_unit_and_nonsense_is_refused() {
        assert_eq!(parse_duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "-1s", "soon", "1h30", "NaN", "1e400s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
