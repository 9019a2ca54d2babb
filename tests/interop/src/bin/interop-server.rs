//! A server of gRPC's interoperation tests, for the clients of other implementations.

use std::process::ExitCode;

use clap::Parser;
use mesh::{ListenAddress, Output, Process};

/// Serves grpc.testing.TestService over the mesh.
#[derive(Parser)]
#[command(name = "interop-server", version)]
struct Command {
    /// Where gRPC is served: IP:PORT or unix:PATH
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    grpc: ListenAddress,
    /// What every process can be told.
    #[command(flatten)]
    process: mesh::process::Options,
}

fn main() -> anyhow::Result<ExitCode> {
    let Command { grpc, process } = Command::parse();
    let process = Process::start("interop-server", process, None)?;
    let listener = process.bind(&grpc)?;
    let address = listener.address().to_string();
    process.serve_grpc(listener, interop::server::start(&process)?);
    Output::Json.print("listening", &[("grpc", address)]);
    Ok(process.block_on(process.until_stopped()).into())
}
