//! A server of the mesh for misbehaving clients, and what it must be like after they are gone.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mesh::{ListenAddress, health::pb::HealthListRequest, process::Stopped, server::ConnectionConfig};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    PATIENCE,
    fixture::{Answers, DropReport, Fixture, METHOD, Probe, Way, eventually, process_with, serving},
};

pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
pub(crate) const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The server, and what its handlers tell.
pub(crate) struct Served {
    fixture: Fixture,
    pub(crate) address: SocketAddr,
    begun: mpsc::UnboundedReceiver<()>,
    dropped: mpsc::UnboundedReceiver<()>,
    made: Arc<AtomicUsize>,
}

impl Served {
    /// `Check` is answered at once, and `Watch` with messages for ever.
    pub(crate) fn answering(config: ConnectionConfig) -> Self {
        Self::new(config, true)
    }

    /// `Check` is never answered, and `Watch` with messages for ever.
    pub(crate) fn waiting(config: ConnectionConfig) -> Self {
        Self::new(config, false)
    }

    fn new(config: ConnectionConfig, answers: bool) -> Self {
        let ((begins, begun), (drops, dropped)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let made = Arc::new(AtomicUsize::new(0));
        let makes = Arc::clone(&made);
        let (stream_begins, stream_drops) = (begins.clone(), drops.clone());
        let streams = Probe::streaming(move |_| {
            let (report, makes) = (DropReport(stream_drops.clone()), Arc::clone(&makes));
            stream_begins.send(()).unwrap();
            let messages = futures_util::stream::repeat_with(move || {
                let _kept = &report;
                makes.fetch_add(1, Ordering::Relaxed);
                Ok(serving())
            });
            Ok(Box::pin(messages) as Answers)
        });
        let probe = streams.with_unary(move |_| {
            let report = DropReport(drops.clone());
            begins.send(()).unwrap();
            async move {
                let _kept = report;
                if !answers {
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
        });
        let fixture = Fixture::on(process_with(config), Way::Tcp, probe);
        let Some(ListenAddress::Tcp(address)) = fixture.address else { panic!("not TCP") };
        Self { fixture, address, begun, dropped, made }
    }

    /// Waits until a handler has begun.
    pub(crate) async fn begins(&mut self) {
        timeout(PATIENCE, self.begun.recv()).await.expect("a handler begins").unwrap();
    }

    /// Waits until a handler, or the stream that it answered with, is gone.
    pub(crate) async fn drops(&mut self) {
        timeout(PATIENCE, self.dropped.recv()).await.expect("a handler ends").unwrap();
    }

    /// How many handlers have begun that nobody waited for.
    pub(crate) fn begun(&mut self) -> usize {
        std::iter::from_fn(|| self.begun.try_recv().ok()).count()
    }

    /// How many messages streams have made.
    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    /// Waits until so many `Check`s have ended with this status.
    pub(crate) async fn ended(&self, status: &str, count: usize) {
        let labels = format!(r#"service="probe",grpc_method="{METHOD}",grpc_status="{status}""#);
        self.fixture.metric(&format!("grpc_server_call_duration_seconds_count{{{labels}}} {count}")).await;
    }

    /// Waits until so many connections are open.
    pub(crate) async fn connections(&self, count: usize) {
        self.fixture.metric(&format!(r#"mesh_connections{{service="probe"}} {count}"#)).await;
    }

    /// Somebody else is answered, on a connection of its own, without waiting for whoever misbehaves.
    pub(crate) async fn serves_others(&self) {
        let mut client = self.fixture.client();
        let listed = timeout(Duration::from_secs(5), client.list(HealthListRequest {})).await;
        listed.expect("others are served meanwhile").unwrap();
    }

    /// Every connection and every call has ended, the next one succeeds, and nothing is left that a drain would wait for.
    pub(crate) async fn left_nothing(self) {
        self.connections(0).await;
        eventually("the end of every call", || self.started() == self.recorded()).await;
        self.serves_others().await;
        self.connections(0).await;
        let stopped = timeout(PATIENCE, self.fixture.process.stop(Duration::ZERO)).await.expect("it stops");
        assert_eq!(stopped, Stopped::Drained);
    }

    fn started(&self) -> u64 {
        self.sum("grpc_server_call_started_total{")
    }

    fn recorded(&self) -> u64 {
        self.sum("grpc_server_call_duration_seconds_count{")
    }

    fn sum(&self, series: &str) -> u64 {
        let metrics = self.fixture.process.metrics().encode();
        let of_probe = metrics.lines().filter(|line| line.starts_with(series) && line.contains(r#"service="probe""#));
        of_probe.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }
}
