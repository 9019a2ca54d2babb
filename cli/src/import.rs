//! `souk import`: products from another shop's CSV into a running shop.
//!
//! The file is read on a thread of its own, in batches, while those before are sent. Whatever happens on the way, the same
//! command again is right: a product that is already so stays as it is.

mod attribute;
mod category;
mod cell;
mod columns;
mod confirm;
mod currency;
mod dialect;
mod encoding;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden;
mod html;
mod identity;
mod names;
mod number;
mod picture;
mod price;
mod product;
mod progress;
mod rating;
mod records;
mod rejection;
mod rejects;
mod report;
mod shop;
mod source;
mod stock;
mod table;

use std::{path::PathBuf, pin::pin, process::ExitCode, thread};

use anyhow::{Context as _, anyhow};
use futures_util::{Stream, StreamExt as _, future::Either};
use mesh::{Address, Output, Process, process};
use tokio::{signal::unix, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::operator;

use self::{
    columns::Mapping,
    product::Given,
    progress::{Progress, say},
    rejects::Rejects,
    report::Tally,
    shop::{Outcome, Sent, Shop},
    source::Input,
    table::{Batch, Table},
};

/// Some rows were not imported.
const REJECTED: u8 = 3;
/// All products are in the catalog, but not all of their units in the inventory.
const UNSTOCKED: u8 = 4;
/// Stopped by Ctrl-C or SIGTERM.
const INTERRUPTED: u8 = 130;

/// Batches that wait to be sent.
const WAITING: usize = 2;
/// Batches that are being sent.
const IN_FLIGHT: usize = 4;
/// Products that a dry run shows.
const SHOWN: usize = 3;

/// Exit status: 0 everything is imported, 1 it failed, 2 wrong options, 3 some rows were rejected, 4 some stock was not
/// taken, 130 interrupted. The same command again goes on where it ended.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The CSV, in any encoding and with any separator; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the shop takes gRPC: HOST:PORT, dns:HOST:PORT or unix:PATH
    #[arg(long, value_name = "TARGET", default_value = "127.0.0.1:50051")]
    to: Address,
    /// Who says that this is an operator
    #[command(flatten)]
    operator: operator::Options,
    /// Read a field from this column (by name or number; nothing for none): id, sku, name, description, brand, category,
    /// price, list_price, currency, stock, picture, rating, reviews, attributes
    #[arg(long = "map", value_name = "FIELD=COLUMN")]
    mappings: Vec<Mapping>,
    /// The ISO 4217 currency of prices that do not say theirs
    #[arg(long, value_name = "CODE", value_parser = currency::parse)]
    currency: Option<rpc::money::Currency>,
    /// Units of products for which the file has no number; without it, 10 where it says "in stock", else none are set
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=1_000_000_000))]
    stock: Option<i64>,
    /// Do everything but send, and show the first products
    #[arg(long)]
    dry_run: bool,
    /// Write the rows that were not imported to this CSV, with the reasons in front
    #[arg(long, value_name = "OUT.csv")]
    rejects: Option<PathBuf>,
    /// How the result is printed: text or json
    #[arg(long, value_name = "FORMAT", default_value_t)]
    output: Output,
    /// Which log lines are written: a level, or targets with levels
    #[arg(long, env = "LOG", default_value = "error", value_name = "FILTER")]
    log: String,
}

/// Imports a file, and says what came of it.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let name = || format!("import {}", options.file.display());
    let source = source::open(&options.file).with_context(name)?;
    let bytes = source.bytes;
    let given = Given { currency: options.currency, stock: options.stock };
    let table = Table::open(source, &options.mappings, given).with_context(name)?;
    report::say_guess(&table.format(), &table::guess(&table));
    let header = &table.mapper().columns.header;
    let rejects = options.rejects.as_deref().map(|path| Rejects::create(path, &options.file, header)).transpose()?;

    let process = process::Options { log: options.log.clone(), cores: 1, ..process::Options::default() };
    let process = Process::start("souk-import", process, None)?;
    let at = |to| Shop::at(to, options.operator.bearer(to)?, &process);
    let shop = if options.dry_run { None } else { Some(at(&options.to)?) };
    let mut import = Import { tally: Tally::default(), progress: Progress::begin(bytes), rejects, shown: 0 };
    let ended = process.block_on(import.run(shop.as_ref(), table));
    import.progress.end();
    import.conclude(options, shop.as_ref(), ended)
}

/// An import on its way.
struct Import {
    tally: Tally,
    progress: Progress,
    rejects: Option<Rejects>,
    shown: usize,
}

/// How an import ended.
enum Ended {
    Whole,
    Interrupted,
}

impl Import {
    async fn run(&mut self, shop: Option<&Shop>, table: Table<Input>) -> anyhow::Result<Ended> {
        let batches = read(table)?;
        let mut sent = pin!(send(shop, batches));
        let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
        let mut terminate = unix::signal(unix::SignalKind::terminate())?;
        loop {
            let next = tokio::select! {
                next = sent.next() => next,
                _ = interrupt.recv() => return Ok(Ended::Interrupted),
                _ = terminate.recv() => return Ok(Ended::Interrupted),
            };
            match next {
                Some(sent) => self.done(&sent?, shop.is_none())?,
                None => return Ok(Ended::Whole),
            }
        }
    }

    /// Takes note of a batch that is in the shop.
    fn done(&mut self, sent: &Sent, dry: bool) -> anyhow::Result<()> {
        let Sent { batch, outcome } = sent;
        self.tally.add(batch, *outcome);
        for rejected in &batch.rejected {
            self.tally.reject(rejected, &self.progress);
            self.rejects.iter_mut().try_for_each(|rejects| rejects.add(rejected))?;
        }
        if dry && self.shown < SHOWN {
            let more = batch.products.iter().take(SHOWN - self.shown);
            self.shown += more.inspect(|row| report::say_product(&row.product, row.units)).count();
        }
        self.progress.advance(self.tally.counts.rows, batch.bytes);
        Ok(())
    }

    /// Says what came of it, and with which code the command ends.
    fn conclude(
        mut self,
        options: &Options,
        shop: Option<&Shop>,
        ended: anyhow::Result<Ended>,
    ) -> anyhow::Result<ExitCode> {
        if let Some(rejects) = &mut self.rejects {
            rejects.flush().context("--rejects: write the file")?;
        }
        self.tally.say_reasons(self.rejects.is_some());
        let event = if options.dry_run { "read" } else { "imported" };
        options.output.print(event, &self.tally.figures(&self.progress));
        let unstocked = self.tally.outcome.unstocked;
        if unstocked > 0 {
            let why =
                shop.and_then(Shop::inventory_away).unwrap_or("these totals are less than what was sold or reserved");
            say(&format!(
                "the stock of {unstocked} products was not taken by the inventory ({why}); their products are imported"
            ));
        }
        let line = self.tally.line;
        let go_on =
            format!("everything up to line {line} is done; the same command again goes on and changes nothing of it");
        match ended {
            Err(error) if line > 0 => Err(error.context(go_on)),
            Err(error) => Err(error).with_context(|| match options.dry_run {
                true => format!("read {}", options.file.display()),
                false => format!("import {} into {}", options.file.display(), options.to),
            }),
            Ok(Ended::Interrupted) => {
                say(&format!("interrupted: {go_on}"));
                Ok(ExitCode::from(INTERRUPTED))
            }
            Ok(Ended::Whole) if unstocked > 0 => Ok(ExitCode::from(UNSTOCKED)),
            Ok(Ended::Whole) if self.tally.rejected > 0 => Ok(ExitCode::from(REJECTED)),
            Ok(Ended::Whole) if self.tally.products == 0 => Err(anyhow!("{} has no rows", options.file.display())),
            Ok(Ended::Whole) => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Reads the batches on a thread of its own, which waits while enough of them do.
fn read(mut table: Table<Input>) -> anyhow::Result<impl Stream<Item = Result<Batch, table::Error>>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    // It is not waited for: one that reads a pipe may never end.
    let reading = move || {
        while let Some(batch) = table.batch().transpose() {
            let last = batch.is_err();
            if sender.blocking_send(batch).is_err() || last {
                return;
            }
        }
    };
    thread::Builder::new().name("import-read".into()).spawn(reading).context("start a thread")?;
    Ok(ReceiverStream::new(receiver))
}

/// Sends the batches, some at a time; their results come in the order of the file.
fn send(
    shop: Option<&Shop>,
    batches: impl Stream<Item = Result<Batch, table::Error>>,
) -> impl Stream<Item = anyhow::Result<Sent>> {
    let of = |status: Status| anyhow!("{:?}: {}", status.code(), status.message());
    let send = move |batch: Result<Batch, table::Error>| match (batch, shop) {
        (Err(error), _) => Either::Left(std::future::ready(Err(error.into()))),
        (Ok(batch), None) => Either::Left(std::future::ready(Ok(Sent { batch, outcome: Outcome::default() }))),
        (Ok(batch), Some(shop)) => Either::Right(async move { shop.send(batch).await.map_err(of) }),
    };
    batches.map(send).buffered(IN_FLIGHT)
}
