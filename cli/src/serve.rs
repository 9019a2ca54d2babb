//! `souk serve`: every service in one process, joined by in-process calls, on embedded databases.
//!
//! What is printed is true: the URLs appear when each of them has answered, and not before.

mod announce;
mod data;
mod options;
mod ports;
mod probe;

use std::{pin::pin, process::ExitCode};

use anyhow::Context as _;
use mesh::{Directory, Process};
use storefront::Links;
use tokio::time::Instant;

use announce::Open;
use data::Data;
pub(crate) use options::Options;
use ports::Ports;

/// What tells the services apart on the spans of the one process.
const SERVICE_ATTRIBUTE: &str = "souk.service";

/// Runs the shop until it is stopped. `begun` is when the command was given.
pub(crate) fn run(options: &Options, begun: Instant) -> anyhow::Result<ExitCode> {
    let data = Data::open(&options.data)?;
    let process = Process::start("souk", options.process.clone(), Some(SERVICE_ATTRIBUTE))?;
    process.block_on(serve(&process, options, &data, begun))
}

async fn serve(process: &Process, options: &Options, data: &Data, begun: Instant) -> anyhow::Result<ExitCode> {
    // A signal drains also while the shop is still being opened.
    let mut stopped = pin!(process.until_stopped());
    let stopped = tokio::select! {
        early = stopped.as_mut() => early,
        open = open(process, options, data) => {
            announce::print(options.output, &open?, begun.elapsed());
            stopped.await
        }
    };
    Ok(stopped.into())
}

/// Starts everything, and returns once everything answers.
async fn open(process: &Process, options: &Options, data: &Data) -> anyhow::Result<Open> {
    let ports = Ports::bind(process, options)?;
    let open = Open { ports: ports.addresses(), data: data.path().to_owned(), loaded: 0 };
    // First, so that probes hear "alive, not ready" while a database is waited for.
    process.serve_admin(ports.admin);

    let directory = Directory::default();
    let catalog = catalog::start(catalog::Config::new(options.database_of("catalog", data)?), process)
        .await
        .context("start catalog")?;
    directory.in_process(catalog);
    let storefront = storefront::start(&options.storefront, process, &directory).context("start storefront")?;
    let links = Links { grpc: open.ports.grpc.clone(), admin: open.ports.admin.clone() };
    process.health().ready().await;

    // Before anybody is let in: nobody sees an empty shop, and whoever connects already waits in the listener's queue.
    let loaded = crate::demo::fill(process, &directory).await?;
    process.serve_http(ports.http, "storefront", storefront.web.with_links(links));
    process.serve_grpc(ports.grpc, storefront.inbound);
    probe::everything_answers(process, &open.ports).await?;
    Ok(Open { loaded, ..open })
}
