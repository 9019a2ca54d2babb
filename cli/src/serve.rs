//! `souk serve`: every service in one process, joined by in-process calls, on embedded databases.
//!
//! What is printed is true: the URLs appear when each of them has answered, and not before.

mod options;
mod ports;

use std::{pin::pin, process::ExitCode};

use anyhow::Context as _;
use mesh::{Directory, Process, client::Bearer};
use storefront::Links;
use tokio::time::Instant;

use crate::operator::Keeper;
use crate::shop::{
    Data, acquirer_key,
    announce::{self, Open},
    payment_keys, probe,
};
pub(crate) use options::Options;
use ports::Ports;

/// What tells the services apart on the spans of the one process.
const SERVICE_ATTRIBUTE: &str = "souk.service";

/// Runs the shop until it is stopped. `begun` is when the command was given.
pub(crate) fn run(options: &Options, begun: Instant) -> anyhow::Result<ExitCode> {
    let data = Data::open(&options.shop.data)?;
    let keeper = Keeper::of(&data, &options.process.trust_domain)?;
    let mut told = options.process.clone();
    told.token_keys.add(keeper.public());
    let process = Process::start("souk", told, Some(SERVICE_ATTRIBUTE))?;
    process.block_on(serve(&process, options, &data, keeper, begun))
}

async fn serve(
    process: &Process,
    options: &Options,
    data: &Data,
    keeper: Keeper,
    begun: Instant,
) -> anyhow::Result<ExitCode> {
    let operator = keeper.bearer()?;
    process.background().spawn(keeper.keep());
    // A signal drains also while the shop is still being opened.
    let mut stopped = pin!(process.until_stopped());
    let stopped = tokio::select! {
        early = stopped.as_mut() => early,
        open = open(process, options, data, operator) => {
            announce::print(options.shop.output, &open?, begun.elapsed());
            stopped.await
        }
    };
    Ok(stopped.into())
}

/// Starts everything, and returns once everything answers.
async fn open(process: &Process, options: &Options, data: &Data, operator: Bearer) -> anyhow::Result<Open> {
    let ports = Ports::bind(options)?;
    let open = Open { ports: ports.addresses(), data: data.path().to_owned(), loaded: 0 };
    // First, so that probes hear "alive, not ready" while a database is waited for.
    process.serve_admin(ports.admin);

    let directory = Directory::default();
    let catalog = catalog::start(catalog::Config::new(options.shop.database_of("catalog", data)?), process)
        .await
        .context("start catalog")?;
    directory.in_process(catalog);
    let inventory = inventory::start(inventory::Config::new(options.shop.database_of("inventory", data)?), process)
        .await
        .context("start inventory")?;
    directory.in_process(inventory);
    let cart = cart::start(cart::Config::new(options.shop.database_of("cart", data)?), process, &directory)
        .await
        .context("start cart")?;
    directory.in_process(cart);
    let key = acquirer_key(data)?;
    let acquirer = acquirer::start(acquirer::Config::new(options.shop.database_of("acquirer", data)?, key), process)
        .await
        .context("start acquirer")?;
    directory.in_process(acquirer);
    let keys = payment_keys(data)?;
    let payment = payment::Config::new(options.shop.database_of("payment", data)?, keys);
    let payment = payment::start(payment, process, &directory).await.context("start payment")?;
    directory.in_process(payment);
    let checkout = checkout::Config::new(options.shop.database_of("checkout", data)?);
    let checkout = checkout::start(checkout, process, &directory).await.context("start checkout")?;
    directory.in_process(checkout);
    let search =
        search::start(search::Config::new(data.folder("search")), process, &directory).context("start search")?;
    directory.in_process(search);
    let storefront = storefront::start(&options.storefront, process, &directory).context("start storefront")?;
    let links = Links { grpc: open.ports.grpc.clone(), admin: open.ports.admin.clone() };
    process.health().ready().await;

    // Before anybody is let in: nobody sees an empty shop, and whoever connects already waits in the listener's queue.
    let loaded = crate::demo::fill(process, &directory, operator).await?;
    process.serve_http(ports.http, "storefront", storefront.web.with_links(links));
    process.serve_grpc(ports.grpc, storefront.inbound);
    probe::everything_answers(process, &open.ports).await?;
    Ok(Open { loaded, ..open })
}
