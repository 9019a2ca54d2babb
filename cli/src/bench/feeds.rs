//! Events a second, end to end: written to the catalog, sent over TCP, committed in a consumer's own database.

use std::time::Duration;

use anyhow::Context as _;
use contracts::catalog::v1::{
    ImportProductsRequest, Product, WatchProductsRequest, WatchProductsResponse,
    catalog_service_client::CatalogServiceClient, watch_products_response::Kind,
};
use contracts::google::r#type::Money;
use mesh::{Channel, Clients, Directory, Process, Target, client::ClientConfig};
use rpc::feed::{self, Wire};
use store::{
    Config, Dialect, Effect, Event, Failure, Follow, Inbox, Interrupted, Migration, Statement, Store, Transaction,
    feed::Message, follow::Status,
};
use tokio::{sync::watch, time::Instant};

use super::{fixture::Fixture, operator, progress};

/// Events of each kind in the report.
const EVENTS: u32 = 20_000;

const CATALOG: Target = Target::new("catalog");

const SCHEMA: &[Migration] = &[Migration {
    number: 1,
    name: "copy",
    sql: Dialect {
        sqlite: "CREATE TABLE copy (id TEXT PRIMARY KEY, product BLOB NOT NULL)",
        postgres: "CREATE TABLE copy (id TEXT PRIMARY KEY, product BYTEA NOT NULL)",
    },
}];

const PUT: Statement = Statement::new(
    "UPSERT copy",
    "INSERT INTO copy (id, product) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET product = excluded.product",
);
const REMOVE: Statement = Statement::new("DELETE copy", "DELETE FROM copy WHERE id = $1");

/// What is measured.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The catalog's database, empty: sqlite:PATH or postgres://HOST/DATABASE
    #[arg(long, value_name = "URL")]
    source: String,
    /// The consumer's database, empty
    #[arg(long, value_name = "URL")]
    copy: String,
    /// Events of each kind
    #[arg(long, default_value_t = EVENTS, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    events: u32,
}

/// How fast a consumer was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// Products of a snapshot, a second.
    pub(super) snapshot: f64,
    /// Changes that waited in the outbox, a second.
    pub(super) catching_up: f64,
    /// Changes while they are made: written, sent and applied, a second.
    pub(super) live: f64,
}

/// Measures and prints the rates.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let process = process()?;
    let rates = process.block_on(measure(&process, &options.source, &options.copy, options.events))?;
    let shown = |rate: f64| format!("{rate:.0}");
    mesh::Output::Json.print(
        "rates",
        &[
            ("snapshot_per_s", shown(rates.snapshot)),
            ("catching_up_per_s", shown(rates.catching_up)),
            ("live_per_s", shown(rates.live)),
        ],
    );
    Ok(())
}

/// The section, as Markdown.
pub(super) fn report(fixture: &Fixture, postgres: Option<&[String; 2]>) -> anyhow::Result<String> {
    let file = |name: &str| format!("sqlite:{}", fixture.folder().join(name).display());
    let mut databases = vec![("SQLite", file("source.db"), file("copy.db"))];
    if let Some([source, copy]) = postgres {
        databases.push(("PostgreSQL", source.clone(), copy.clone()));
    }
    let mut text = format!("## Feeds: events a second, {EVENTS} of each kind\n\n");
    text += "From a catalog over TCP to a consumer that commits each into a database of its own, all in one process on all cores:\n";
    text += "a snapshot, changes that waited, and changes while they are made (written, sent and applied).\n\n";
    text += "| | snapshot | catching up | live |\n|---|---|---|---|\n";
    for (name, source, copy) in databases {
        progress(format_args!("feeds: {name}"));
        let process = process()?;
        let Rates { snapshot, catching_up, live } = process.block_on(measure(&process, &source, &copy, EVENTS))?;
        text += &format!("| {name} | {snapshot:.0} | {catching_up:.0} | {live:.0} |\n");
    }
    Ok(text + "\n")
}

fn process() -> anyhow::Result<Process> {
    let token_keys = operator::keys();
    let told = mesh::process::Options { log: "warn".into(), token_keys, ..Default::default() };
    Ok(Process::start("bench", told, None)?)
}

/// Runs a catalog on `source` and a consumer on `copy`, both empty databases, in this process, with a TCP connection between
/// them, and so many events of each kind.
pub(super) async fn measure(process: &Process, source: &str, copy: &str, events: u32) -> anyhow::Result<Rates> {
    let listener = process.bind(&"127.0.0.1:0".parse()?)?;
    let directory = Directory::default();
    directory.remote(CATALOG.name(), listener.address().to_string().parse()?);
    process.serve_grpc(listener, catalog::start(catalog::Config::new(source), process).await.context("start catalog")?);
    let descriptors = [contracts::FILE_DESCRIPTOR_SET];
    let clients = Clients::new(process, &directory, "bench", &[CATALOG], &descriptors, ClientConfig::default())?;
    let channel = clients.channel(CATALOG)?.with_token(operator::bearer()?);
    let own = Store::open(Config::parse(copy)?, SCHEMA, process.background().clone()).await?;

    let mut client = CatalogServiceClient::new(channel.clone());
    import(&mut client, events, 1).await?;
    let (snapshot, position) = {
        let started = Instant::now();
        let mut running = Running::start(process, &channel, &own);
        running.reach(0, u64::from(events)).await?;
        (started.elapsed(), running.stop().await?)
    };
    import(&mut client, events, 2).await?;
    let started = Instant::now();
    let mut running = Running::start(process, &channel, &own);
    running.reach(position + u64::from(events), 0).await?;
    let catching_up = started.elapsed();
    let started = Instant::now();
    import(&mut client, events, 3).await?;
    running.reach(position + 2 * u64::from(events), 0).await?;
    let live = started.elapsed();
    running.stop().await?;
    let rate = |took: Duration| f64::from(events) / took.as_secs_f64();
    Ok(Rates { snapshot: rate(snapshot), catching_up: rate(catching_up), live: rate(live) })
}

/// A consumer that is at work.
struct Running {
    status: watch::Receiver<Status>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(process: &Process, channel: &Channel, own: &Store) -> Self {
        let channel = channel.clone();
        let connect = move |cursor: String| {
            let mut client = CatalogServiceClient::new(channel.clone());
            async move {
                let opened = client.watch_products(WatchProductsRequest { cursor }).await.map_err(feed::interrupted)?;
                Ok::<_, Interrupted>(feed::stream(opened.into_inner(), received))
            }
        };
        let follow = Follow::new("catalog", connect, Inbox::new(own.clone(), "catalog", Copying));
        let (stop, mut stopped) = watch::channel(false);
        let status = follow.status();
        let told = async move {
            let _dropped_is_told_too = stopped.wait_for(|stop| *stop).await.is_ok();
        };
        Self { status, stop, task: process.background().spawn(follow.run(told)) }
    }

    /// Waits until this position, or this number of events, was applied.
    async fn reach(&mut self, position: u64, applied: u64) -> anyhow::Result<()> {
        let there = |status: &Status| status.position >= position && status.applied >= applied && status.connects > 0;
        self.status.wait_for(there).await.context("the consumer ended")?;
        Ok(())
    }

    /// Ends it; the position that it had reached.
    async fn stop(mut self) -> anyhow::Result<u64> {
        // A snapshot's cursor comes with its end.
        self.status.wait_for(|status| status.caught_up.is_some()).await.context("the consumer ended")?;
        self.stop.send_replace(true);
        let position = self.status.borrow().position;
        self.task.await?;
        Ok(position)
    }
}

/// Keeps the copy.
struct Copying;

impl Effect for Copying {
    async fn apply(&self, tx: &mut Transaction, event: &Event) -> Result<(), Failure> {
        tx.execute(&PUT, [event.key.as_str().into(), (&*event.payload).into()]).await?;
        Ok(())
    }

    async fn remove(&self, tx: &mut Transaction, key: &str) -> Result<(), Failure> {
        tx.execute(&REMOVE, [key.into()]).await?;
        Ok(())
    }
}

fn received(response: WatchProductsResponse) -> Option<Message> {
    let wire = match response.kind? {
        Kind::Event(event) => Wire::Event(event),
        Kind::Bookmark(bookmark) => Wire::Bookmark(bookmark),
        Kind::SnapshotStart(start) => Wire::SnapshotStart(start),
    };
    Some(feed::received(wire, response.cursor))
}

/// Makes or changes so many products: one event each.
async fn import(client: &mut CatalogServiceClient<Channel>, events: u32, price: i64) -> anyhow::Result<()> {
    const MESSAGE: u32 = 250;
    let product = move |number: u32| Product {
        product_id: format!("product-{number}"),
        name: format!("The product with the number {number}"),
        description: "Stoneware, thrown and glazed by hand; keeps tea warm for a while.".into(),
        price: Some(Money { currency_code: "EUR".into(), units: price, nanos: 0 }),
        ..Product::default()
    };
    let messages = (0..events).step_by(MESSAGE as usize).map(move |first| ImportProductsRequest {
        products: (first..events.min(first + MESSAGE)).map(product).collect(),
    });
    let report = client.import_products(tokio_stream::iter(messages)).await?.into_inner();
    anyhow::ensure!(report.created_count + report.updated_count == i64::from(events), "{report:?}");
    Ok(())
}
