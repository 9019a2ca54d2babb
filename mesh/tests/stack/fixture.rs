//! A server whose handlers the test writes, and a generated client that reaches it.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, future::BoxFuture};
use mesh::{
    Channel, Clients, Directory, Inbound, ListenAddress, Process, Target,
    client::ClientConfig,
    health::pb::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
        health_check_response::ServingStatus, health_client::HealthClient, health_server,
    },
    server::{ConnectionConfig, InboundConfig},
};
use tonic::{Request, Response, Status};

pub(crate) const PROBE: Target = Target::new("probe");
pub(crate) const METHOD: &str = "grpc.health.v1.Health/Check";

pub(crate) type Client = HealthClient<Channel>;
pub(crate) type Answers = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

type Unary = dyn Fn(Request<HealthCheckRequest>) -> BoxFuture<'static, Result<(), Status>> + Send + Sync;
type Streaming = dyn Fn(Request<HealthCheckRequest>) -> BoxFuture<'static, Result<Answers, Status>> + Send + Sync;

/// A generated server (any would do) whose `Check` and `Watch` are the test's.
#[derive(Clone)]
pub(crate) struct Probe {
    unary: Arc<Unary>,
    streaming: Arc<Streaming>,
}

impl Probe {
    pub(crate) fn unary<F, A>(handler: F) -> Self
    where
        F: Fn(Request<HealthCheckRequest>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), Status>> + Send + 'static,
    {
        Self {
            unary: Arc::new(move |request| Box::pin(handler(request))),
            streaming: Arc::new(|_| Box::pin(async { Ok(Box::pin(futures_util::stream::empty()) as Answers) })),
        }
    }

    pub(crate) fn streaming<F>(handler: F) -> Self
    where
        F: Fn(Request<HealthCheckRequest>) -> Result<Answers, Status> + Send + Sync + 'static,
    {
        Self::opening(move |request| std::future::ready(handler(request)))
    }

    /// A stream whose handler takes its time to open it.
    pub(crate) fn opening<F, A>(handler: F) -> Self
    where
        F: Fn(Request<HealthCheckRequest>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Answers, Status>> + Send + 'static,
    {
        Self { streaming: Arc::new(move |request| Box::pin(handler(request))), ..Self::unary(async |_| Ok(())) }
    }

    pub(crate) fn with_unary<F, A>(self, handler: F) -> Self
    where
        F: Fn(Request<HealthCheckRequest>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), Status>> + Send + 'static,
    {
        Self { streaming: self.streaming, ..Self::unary(handler) }
    }
}

pub(crate) fn serving() -> HealthCheckResponse {
    HealthCheckResponse { status: ServingStatus::Serving.into() }
}

pub(crate) fn question() -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest::default())
}

#[tonic::async_trait]
impl health_server::Health for Probe {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        (self.unary)(request).await.map(|()| Response::new(serving()))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Ok(Response::new(HealthListResponse::default()))
    }

    type WatchStream = Answers;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Answers>, Status> {
        (self.streaming)(request).await.map(Response::new)
    }
}

/// The way from the client to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    InProcess,
    Tcp,
    Unix,
}

pub(crate) const WAYS: [Way; 3] = [Way::InProcess, Way::Tcp, Way::Unix];

/// A process with one served probe.
pub(crate) struct Fixture {
    pub(crate) process: Process,
    pub(crate) directory: Directory,
    pub(crate) address: Option<ListenAddress>,
    _folder: tempfile::TempDir,
}

pub(crate) fn process() -> Process {
    process_with(ConnectionConfig::default())
}

pub(crate) fn process_with(connections: ConnectionConfig) -> Process {
    process_that_waits(Duration::from_secs(5)).with_connections(connections)
}

/// A process whose drain gives calls in flight this time.
pub(crate) fn process_that_waits(drain_grace: Duration) -> Process {
    let options = mesh::process::Options { cores: 2, drain_grace, ..Default::default() };
    Process::start("test", options, None).unwrap()
}

pub(crate) fn inbound(process: &Process, name: &str, probe: Probe) -> Inbound {
    let server = health_server::HealthServer::new(probe);
    mesh::Builder::new(name).without_health().add_service(server).build(process, InboundConfig::default()).unwrap()
}

pub(crate) fn client(process: &Process, directory: &Directory) -> Client {
    let config = ClientConfig { backoff_max: Duration::from_millis(50), ..Default::default() };
    let clients = Clients::new(process, directory, "caller", &[PROBE], &[], config).unwrap();
    HealthClient::new(clients.channel(PROBE).unwrap())
}

impl Fixture {
    pub(crate) fn new(way: Way, probe: Probe) -> Self {
        Self::on(process(), way, probe)
    }

    pub(crate) fn on(process: Process, way: Way, probe: Probe) -> Self {
        let (directory, folder) = (Directory::default(), tempfile::tempdir().unwrap());
        let inbound = inbound(&process, PROBE.name(), probe);
        let listen = match way {
            Way::InProcess => None,
            Way::Tcp => Some("127.0.0.1:0".parse().unwrap()),
            Way::Unix => Some(ListenAddress::Unix(folder.path().join("probe.sock"))),
        };
        let address = listen.map(|listen| {
            let listener = process.bind(&listen).unwrap();
            let bound = listener.address().clone();
            directory.remote(PROBE.name(), bound.dial());
            process.serve_grpc(listener, inbound.clone());
            bound
        });
        if address.is_none() {
            directory.in_process(inbound);
        }
        Self { process, directory, address, _folder: folder }
    }

    pub(crate) fn client(&self) -> Client {
        client(&self.process, &self.directory)
    }

    /// Waits until the metrics have a line that begins so; a call is recorded just after its answer was read.
    pub(crate) async fn metric(&self, line: &str) {
        eventually(&format!("the metric {line}"), || {
            self.process.metrics().encode().lines().any(|l| l.starts_with(line))
        })
        .await;
    }
}

/// Polls until `holds`, for at most ten seconds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(tokio::time::Instant::now() < end, "{what} did not come");
        tokio::task::yield_now().await;
    }
}

/// Reports when it is dropped, as a handler's future is when its call ends early.
pub(crate) struct DropReport(pub(crate) tokio::sync::mpsc::UnboundedSender<()>);

impl Drop for DropReport {
    fn drop(&mut self) {
        let _nobody_listens = self.0.send(()).is_err();
    }
}
