//! gRPC's interoperation tests over the mesh: the server that other implementations' clients are run against, and a client
//! that has every case, to be run against other implementations' servers.
//!
//! What a case asks of either side is in grpc/doc/interop-test-descriptions.md. Both sides stand on the mesh as a service of
//! the shop does: generated tonic code over its inbound and its outbound stack, with nothing in between but
//! `frames`, which sees and sets what tonic keeps to itself.

pub mod client;
mod frames;
pub mod server;

/// The contracts that a client and a server of these tests have.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/interop.binpb"));

#[allow(
    missing_docs,
    rustdoc::all,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated; the contract carries the comments"
)]
mod generated {
    pub mod grpc {
        pub mod testing {
            include!(concat!(env!("OUT_DIR"), "/grpc.testing.rs"));
        }
    }
    pub mod xds {
        pub mod data {
            pub mod orca {
                pub mod v3 {
                    include!(concat!(env!("OUT_DIR"), "/xds.data.orca.v3.rs"));
                }
            }
        }
        pub mod service {
            pub mod orca {
                pub mod v3 {
                    include!(concat!(env!("OUT_DIR"), "/xds.service.orca.v3.rs"));
                }
            }
        }
    }
}

use generated::{
    grpc::testing as pb,
    xds::{data::orca::v3::OrcaLoadReport, service::orca::v3 as orca},
};

/// The key whose value comes back in the headers.
const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";

/// The key whose value comes back in the trailers.
const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";

/// The trailer that reports the load of a call (gRFC A51).
const LOAD_TRAILER: &str = "endpoint-load-metrics-bin";

/// The load that a request tells a server to report.
fn report_of(told: pb::TestOrcaReport) -> OrcaLoadReport {
    OrcaLoadReport {
        cpu_utilization: told.cpu_utilization,
        mem_utilization: told.memory_utilization,
        request_cost: told.request_cost,
        utilization: told.utilization,
        ..OrcaLoadReport::default()
    }
}
