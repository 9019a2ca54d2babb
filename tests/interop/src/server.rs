//! The server of the interoperation tests: `grpc.testing.TestService`, and the service that tells the load.
//!
//! `grpc.testing.UnimplementedService` is not served: calls to it get what calls to any unknown service get.

mod answer;
mod load;
mod service;
mod wire;

use mesh::{
    Inbound, Process,
    server::{BuildError, InboundConfig},
};
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;

use crate::{
    FILE_DESCRIPTOR_SET, OrcaLoadReport,
    orca::open_rca_service_server::OpenRcaServiceServer,
    pb::test_service_server::{SERVICE_NAME, TestServiceServer},
};
use load::Load;
use service::TestServer;
use wire::Wired;

/// Makes the server inside a process. Its id, which answers give where they are asked, is its own.
///
/// # Errors
/// Never: its descriptors are those of this crate.
pub fn start(process: &Process) -> Result<Inbound, BuildError> {
    let load = watch::Sender::new(OrcaLoadReport::default());
    let service = TestServer::new(uuid::Uuid::new_v4().to_string(), load.clone());
    let service = TestServiceServer::new(service)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let inbound = mesh::Builder::new("interop")
        .descriptors(FILE_DESCRIPTOR_SET)
        .add_service(Wired(service))
        .add_service(OpenRcaServiceServer::new(Load::new(&load)))
        .build(process, InboundConfig::default())?;
    process.health().set(SERVICE_NAME, true);
    Ok(inbound)
}
