//! `souk fsck`: whether the databases of a shop agree with each other, while the shop runs.
//!
//! Each service says what is in its own database; here that is laid side by side. The databases are read one after the other,
//! so what is on its way shows as a difference: whatever looks wrong is looked at again, and only what stays wrong is.

mod copy;
mod databases;
mod judge;
mod orders;
mod report;
mod sales;
mod search;
mod settle;

use std::{io::Write as _, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use mesh::{
    Address, Process,
    process::{self, parse_duration},
};

use crate::shop::database::Server;
use databases::Databases;
use report::{Invariant, Report};
use settle::Settle;

/// Something is wrong.
const WRONG: u8 = 1;
/// Not everything could be checked, and nothing is known to be wrong.
const UNCHECKED: u8 = 2;

/// Exit status: 0 everything holds, 1 something is wrong, 2 not everything could be checked.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The directory of the databases of a shop on SQLite
    #[arg(long, env = "SOUK_DATA", value_name = "DIR", default_value = "souk-data")]
    pub(crate) data: PathBuf,
    /// The PostgreSQL server of a shop: postgres://USER:PASSWORD@HOST, with a database souk_SERVICE for each service
    #[arg(long, env = "SOUK_DATABASE", value_name = "URL", hide_env_values = true)]
    pub(crate) database: Option<Server>,
    /// Where search is asked what it has: HOST:PORT, dns:HOST:PORT or unix:PATH
    #[arg(long, value_name = "TARGET", default_value = "127.0.0.1:50051")]
    edge: Address,
    /// Do not ask search: check the databases alone
    #[arg(long)]
    without_search: bool,
    /// For how long what looks wrong may be on its way
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    settle: Duration,
    /// Whole order ids; whoever has one may read that order
    #[arg(long)]
    full: bool,
    /// Which log lines are written: a level, or targets with levels
    #[arg(long, env = "LOG", default_value = "error", value_name = "FILTER")]
    log: String,
}

/// Checks a shop, says what is wrong with it, and with which code the command ends.
pub(crate) fn run(options: &Options) -> ExitCode {
    match checked(options) {
        Ok(report) if report.is_wrong() => ExitCode::from(WRONG),
        Ok(report) if report.is_whole() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(UNCHECKED),
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "souk: not checked: {error:#}").is_err();
            ExitCode::from(UNCHECKED)
        }
    }
}

fn checked(options: &Options) -> anyhow::Result<Report> {
    let process = process::Options { log: options.log.clone(), cores: 1, ..process::Options::default() };
    let process = Process::start("souk-fsck", process, None)?;
    let mut report = Report::new(options.full);
    let ended = process.block_on(check(options, &process, &mut report));
    // What was found before something could not be read is said as well.
    report.print()?;
    ended?;
    Ok(report)
}

async fn check(options: &Options, process: &Process, report: &mut Report) -> anyhow::Result<()> {
    let mut databases = Databases::open(options).await?;
    let settle = Settle::new(options.settle);
    stock(&mut databases, report).await.context("read inventory")?;
    requests(&mut databases, report).await.context("read checkout")?;
    orders::check(&mut databases, settle, report).await?;
    copy::check(&mut databases, settle, report).await?;
    if !options.without_search {
        search::check(&mut databases, &mut search::client(&options.edge, process)?, settle, report).await?;
    }
    for (state, orders) in checkout::audit::unfinished(&mut databases.checkout).await.context("read checkout")? {
        report.not_quiet(orders, state.name());
    }
    Ok(())
}

/// One statement sees one moment, so there is nothing to wait for.
async fn stock(databases: &mut Databases, report: &mut Report) -> Result<(), store::Error> {
    report.looked_at("products in stock", inventory::audit::products(&mut databases.inventory).await?);
    let wrong = inventory::audit::wrong_levels(&mut databases.inventory, report::SHOWN_MAX + 1).await?;
    for level in wrong {
        report.wrong(Invariant::Stock, format!("product {}", level.product_id), judge::level(&level));
    }
    Ok(())
}

async fn requests(databases: &mut Databases, report: &mut Report) -> Result<(), store::Error> {
    for unpaired in checkout::audit::unpaired(&mut databases.checkout, report::SHOWN_MAX + 1).await? {
        let (invariant, order, wrong) = judge::unpaired(unpaired);
        report.wrong(invariant, report.order(&order), wrong);
    }
    Ok(())
}
