//! The client of the interoperation tests: every case, by its name.
//!
//! A case is a sentence about what both sides do; it fails with what it saw instead.

mod cancellation;
mod compression;
mod load;
mod replicas;
mod soak;
mod status;
mod streams;
mod unary;
mod wire;

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::future::BoxFuture;
use mesh::{Clients, Directory, Process, Target, client::ClientConfig};

use crate::{FILE_DESCRIPTOR_SET, pb::test_service_client::TestServiceClient};
use wire::Seen;

/// The target of every case.
pub const TARGET: Target = Target::new("interop");

/// How long a case may take, but for those that are told how long.
const CASE_LIMIT: Duration = Duration::from_secs(60);

type Client = TestServiceClient<Seen>;

/// What a case is run against, and how much of it.
#[derive(Debug)]
pub struct Subject {
    process: Process,
    clients: Clients,
    amount: Amount,
}

/// How much the cases do that can do more or less.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Amount {
    /// Calls of rpc_soak and of channel_soak
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub soak_iterations: u32,
    /// How long one of them may take
    #[arg(long, default_value = "1s", value_parser = mesh::process::parse_duration, value_name = "TIME")]
    pub soak_latency_max: Duration,
    /// Calls at once of concurrent_large_unary
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub concurrent_calls: usize,
    /// Calls that spread and replica_dies keep in flight
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub callers: usize,
    /// How long spread and replica_dies call
    #[arg(long, default_value = "3s", value_parser = mesh::process::parse_duration, value_name = "TIME")]
    pub calling_time: Duration,
}

impl Default for Amount {
    fn default() -> Self {
        Self {
            soak_iterations: 10,
            soak_latency_max: Duration::from_secs(1),
            concurrent_calls: 1_000,
            callers: 16,
            calling_time: Duration::from_secs(3),
        }
    }
}

impl Subject {
    /// The server, or the several replicas of it, that `directory` has as [`TARGET`].
    ///
    /// # Errors
    /// Never: the descriptors are those of this crate.
    pub fn new(process: Process, directory: &Directory, amount: Amount) -> Result<Self> {
        let config = ClientConfig::default();
        let clients = Clients::new(&process, directory, "interop-client", &[TARGET], &[FILE_DESCRIPTOR_SET], config)?;
        Ok(Self { process, clients, amount })
    }

    /// Runs a case.
    ///
    /// # Errors
    /// If there is none of this name, or with what it saw that should not be.
    pub async fn run(&self, case: &str) -> Result<()> {
        let (_, run) =
            CASES.iter().find(|(name, _)| *name == case).with_context(|| format!("there is no case {case:?}"))?;
        let limit = CASE_LIMIT + self.amount.calling_time;
        tokio::time::timeout(limit, run(self)).await.with_context(|| format!("not over within {limit:?}"))?
    }

    /// The process that calls.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// A channel of its own.
    fn channel(&self) -> Result<Seen> {
        Ok(Seen(self.clients.channel(TARGET)?))
    }

    fn client(&self) -> Result<Client> {
        Ok(TestServiceClient::new(self.channel()?))
    }

    /// How many calls the mesh has recorded of a method with a status.
    fn recorded(&self, method: &str, status: &str) -> u64 {
        let labels = format!("grpc_method=\"grpc.testing.TestService/{method}\",grpc_status=\"{status}\"");
        let metrics = self.process.metrics().encode();
        let line =
            metrics.lines().find(|l| l.starts_with("grpc_client_call_duration_seconds_count") && l.contains(&labels));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    }
}

/// One case, run against a subject.
type Run = for<'a> fn(&'a Subject) -> BoxFuture<'a, Result<()>>;

/// Every case. Those up to `channel_soak` are gRPC's own; what the others ask for is in their comments.
pub const CASES: &[(&str, Run)] = &[
    ("empty_unary", |subject| Box::pin(unary::empty(subject))),
    ("large_unary", |subject| Box::pin(unary::large(subject))),
    ("client_compressed_unary", |subject| Box::pin(compression::client_unary(subject))),
    ("server_compressed_unary", |subject| Box::pin(compression::server_unary(subject))),
    ("client_streaming", |subject| Box::pin(streams::client(subject))),
    ("client_compressed_streaming", |subject| Box::pin(compression::client_streaming(subject))),
    ("server_streaming", |subject| Box::pin(streams::server(subject))),
    ("server_compressed_streaming", |subject| Box::pin(compression::server_streaming(subject))),
    ("ping_pong", |subject| Box::pin(streams::ping_pong(subject))),
    ("empty_stream", |subject| Box::pin(streams::empty(subject))),
    ("custom_metadata", |subject| Box::pin(unary::custom_metadata(subject))),
    ("status_code_and_message", |subject| Box::pin(status::code_and_message(subject))),
    ("special_status_message", |subject| Box::pin(status::special_message(subject))),
    ("unimplemented_method", |subject| Box::pin(status::unimplemented_method(subject))),
    ("unimplemented_service", |subject| Box::pin(status::unimplemented_service(subject))),
    ("cancel_after_begin", |subject| Box::pin(cancellation::after_begin(subject))),
    ("cancel_after_first_response", |subject| Box::pin(cancellation::after_first_response(subject))),
    ("timeout_on_sleeping_server", |subject| Box::pin(cancellation::timeout_on_sleeping_server(subject))),
    ("concurrent_large_unary", |subject| Box::pin(unary::concurrent_large(subject))),
    ("orca_per_rpc", |subject| Box::pin(load::per_rpc(subject))),
    ("orca_oob", |subject| Box::pin(load::out_of_band(subject))),
    ("rpc_soak", |subject| Box::pin(soak::rpc(subject))),
    ("channel_soak", |subject| Box::pin(soak::channel(subject))),
    ("half_duplex", |subject| Box::pin(streams::half_duplex(subject))),
    ("message_too_large", |subject| Box::pin(status::message_too_large(subject))),
    ("spread", |subject| Box::pin(replicas::spread(subject))),
    ("replica_dies", |subject| Box::pin(replicas::replica_dies(subject))),
    ("replica_stops", |subject| Box::pin(replicas::replica_stops(subject))),
    ("server_restarts", |subject| Box::pin(replicas::server_restarts(subject))),
];
