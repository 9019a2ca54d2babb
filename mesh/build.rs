#![allow(clippy::disallowed_methods, reason = "a build script is configured by cargo, through the environment")]
//! Generates the mesh's own contracts, so that the crate stands alone.

use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let descriptors = protox::compile(["grpc/health/v1/health.proto"], ["proto"])?;
    std::fs::write(out.join("mesh.binpb"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
