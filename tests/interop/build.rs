#![allow(clippy::disallowed_methods, reason = "a build script is configured by cargo, through the environment")]
//! Generates the contracts of the interoperation tests.

use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let files = ["grpc/testing/test.proto", "xds/orca/report.proto", "xds/orca/service.proto"];
    let descriptors = protox::compile(files, ["proto"])?;
    std::fs::write(out.join("interop.binpb"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().build_transport(false).bytes(".grpc.testing.Payload").compile_fds(descriptors)?;
    Ok(())
}
