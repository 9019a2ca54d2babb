//! A gRPC service mesh without proxies: the data plane as a library, for tonic services.
//!
//! What a sidecar does for a pod happens here inside the process: on the way in, an accept loop, a span, metrics, the
//! deadline and panic capture around generated tonic servers ([`server`]); on the way out, the same for generated tonic
//! clients, over connections that the mesh keeps ([`client`]). The two stacks are each composed in one place,
//! `server.rs` and `client.rs`. A call inside the process passes the same layers with no HTTP/2 in between.
//!
//! A process has one [`Process`] (threads, telemetry, health, metrics, drain) and one [`Directory`] that says where each
//! service is. It knows no application noun.

pub mod address;
pub mod admin;
pub mod announce;
pub mod client;
pub mod context;
pub mod deadline;
pub mod directory;
pub mod drain;
pub mod health;
pub mod identity;
pub mod methods;
pub mod metrics;
pub mod process;
pub mod server;
pub mod standalone;
pub mod status;
#[cfg(feature = "clap")]
pub mod targets;
pub mod telemetry;
pub mod threads;
pub mod token;
pub mod violations;

/// Fuzz targets, for `cargo test` and for fuzzers (which set `fuzzing`).
#[cfg(any(test, fuzzing))]
pub mod fuzz;

mod call;
mod wire;

#[cfg(test)]
extern crate self as mesh;

#[cfg(test)]
#[path = "../tests/stack/fixture.rs"]
#[allow(dead_code, reason = "the tests in here need a part of it")]
mod fixture;

pub use address::{Address, ListenAddress};
pub use announce::Output;
pub use client::Channel;
pub use context::spawn;
pub use directory::{Clients, Directory, Target};
pub use drain::Drain;
pub use health::Health;
pub use identity::{Peer, Principal};
pub use process::Process;
pub use server::{Builder, Inbound};
pub use standalone::Standalone;
pub use violations::{Violation, Violations};

/// The one body type of the mesh: requests and responses, on the wire and inside the process.
pub type Body = tonic::body::Body;

/// The encoded `FileDescriptorSet` of the mesh's own contracts (gRPC health).
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mesh.binpb"));
