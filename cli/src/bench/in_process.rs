//! A generated client over the catalog's own stack: both ends of a call, without a socket.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use contracts::catalog::v1::{GetProductRequest, catalog_service_client::CatalogServiceClient};
use mesh::{Clients, Directory, Process, Target, client::ClientConfig};
use tonic::Request;

use super::server::cpu_of;

const CATALOG: Target = Target::new("catalog");

/// What the client is told.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The data directory
    #[arg(long)]
    data: PathBuf,
    /// The product to ask for
    #[arg(long)]
    product: String,
    /// How many calls
    #[arg(long)]
    calls: u32,
}

/// Makes the calls one after the other and prints what they cost.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let told = mesh::process::Options { log: "warn".into(), cores: 1, ..Default::default() };
    let process = Process::start("bench", told, None)?;
    process.block_on(async {
        let directory = Directory::default();
        let config = catalog::Config::new(format!("sqlite:{}", options.data.join("catalog.db").display()));
        directory.in_process(catalog::start(config, &process).await.context("start catalog")?);
        let descriptors = [contracts::FILE_DESCRIPTOR_SET];
        let clients = Clients::new(&process, &directory, "bench", &[CATALOG], &descriptors, ClientConfig::default())?;
        let mut client = CatalogServiceClient::new(clients.channel(CATALOG)?);
        let ask = || Request::new(GetProductRequest { product_id: options.product.clone() });
        for _ in 0..options.calls / 10 {
            client.get_product(ask()).await?;
        }
        let before = cpu_of(Path::new("/proc/self/task"))?;
        for _ in 0..options.calls {
            client.get_product(ask()).await?;
        }
        let used = cpu_of(Path::new("/proc/self/task"))?.saturating_sub(before);
        let nanos = used.as_nanos() / u128::from(options.calls);
        mesh::Output::Json.print("listening", &[("nanos_per_call", nanos.to_string())]);
        Ok(())
    })
}
