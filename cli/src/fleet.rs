//! `souk fleet`: the same shop as one process a service, kept running.
//!
//! This process holds every listener and hands it down, so that a successor accepts before its predecessor drains; it
//! serves nothing itself. Each replica has a task of its own ([`replica`]); [`control`] takes orders from other terminals;
//! [`board`] says how everything is.

mod announce;
mod ask;
mod backoff;
mod board;
mod child;
mod control;
mod crew;
mod launch;
mod lines;
mod options;
mod plan;
mod replica;
pub(crate) mod services;
mod socket;

use std::{convert::Infallible, process::ExitCode, rc::Rc, time::Duration};

use anyhow::Context as _;
use mesh::{Address, Directory, Process, client::Bearer, process};
pub(crate) use options::Fleet;
use options::Options;
use rustix::process::Signal;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::LocalSet,
    time::{Instant, sleep, timeout},
};

use crate::operator::Keeper;
use crate::shop::{Data, probe};
use board::Board;
use control::Control;
use crew::Crew;
use launch::Launch;
use plan::Plan;

/// How long the output of processes that have ended may take to be written.
const LAST_LINES_MAX: Duration = Duration::from_secs(1);

/// How long it takes to kill everything.
const KILL_MAX: Duration = Duration::from_secs(1);

/// What is waited before the opening is tried again: a process that dies meanwhile is restarted soon.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs the fleet until it is stopped. `begun` is when the command was given.
fn run(options: &Options, begun: Instant) -> anyhow::Result<ExitCode> {
    let data = Data::open(&options.shop.data)?;
    let keeper = Keeper::of(&data, &options.process.trust_domain)?;
    let mut options = options.clone();
    options.process.token_keys.add(keeper.public());
    let plan = Plan::bind(&options)?;
    // It makes a few calls at the opening, for which one loop will do.
    let process = process::Options { cores: 1, ..options.process.clone() };
    let process = Process::start("souk-fleet", process, None)?;
    // On this thread and no other: the kernel ends a child with the thread that started it.
    process.block_on(LocalSet::new().run_until(supervise(&process, &options, plan, &data, keeper, begun)))
}

async fn supervise(
    process: &Process,
    options: &Options,
    plan: Plan,
    data: &Data,
    keeper: Keeper,
    begun: Instant,
) -> anyhow::Result<ExitCode> {
    let operator = keeper.bearer()?;
    process.background().spawn(keeper.keep());
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let control = Control::bind(data)?;
    let board = Rc::new(Board::new(&plan, data)?);
    let (launch, written) = Launch::new(options, &plan, data)?;
    let at = plan.addresses.clone();
    let crew = Rc::new(Crew::start(plan, &Rc::new(launch), &board));
    let serving = tokio::task::spawn_local(control.serve(Rc::clone(&crew), Rc::clone(&board)));

    let opening = async {
        let loaded = open(process, &board, &at, &operator).await;
        board.open();
        announce::print(options.shop.output, &announce::Open { at: &at, board: &board, loaded }, begun.elapsed());
        std::future::pending::<Infallible>().await
    };
    let signal = tokio::select! {
        _ = terminate.recv() => Signal::TERM,
        _ = interrupt.recv() => Signal::INT,
        never = opening => match never {},
    };
    tracing::info!("draining the fleet, those first that nobody calls");
    board.drain();
    serving.abort();
    let well = tokio::select! {
        well = crew.stop(signal) => well,
        _ = interrupt.recv() => {
            // What is not gone by then goes with this process.
            let _late = timeout(KILL_MAX, crew.kill()).await.is_err();
            false
        }
    };
    drop(crew);
    written.wait(LAST_LINES_MAX);
    board.remove();
    if !well {
        tracing::warn!("stopped with calls in flight");
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns once everything is ready, the catalog is not empty and every port answers: how many products came in.
async fn open(process: &Process, board: &Board, at: &crate::shop::Addresses, operator: &Bearer) -> i64 {
    board.all_ready().await;
    loop {
        match try_to_open(process, board, at, operator).await {
            Ok(loaded) => return loaded,
            Err(error) => tracing::warn!(error = format!("{error:#}"), "not open yet"),
        }
        sleep(AGAIN).await;
    }
}

async fn try_to_open(
    process: &Process,
    board: &Board,
    at: &crate::shop::Addresses,
    operator: &Bearer,
) -> anyhow::Result<i64> {
    let directory = Directory::default();
    for name in crate::demo::NEEDS {
        directory.remote(name, board.target(name).with_context(|| format!("find {name}"))?);
    }
    let loaded = crate::demo::fill(process, &directory, operator.clone()).await?;
    probe::everything_answers(process, at).await?;
    for admin in board.admins() {
        probe::ready(&admin).await?;
    }
    Ok(loaded)
}

/// The list that a caller is told: every endpoint of a service.
fn target<'a>(endpoints: impl Iterator<Item = &'a mesh::ListenAddress>) -> Option<Address> {
    let endpoints = endpoints.flat_map(|endpoint| match endpoint.dial() {
        Address::Static(endpoints) => endpoints,
        Address::Dns { .. } | Address::Unix(_) => Vec::new(),
    });
    Some(endpoints.collect::<Vec<_>>()).filter(|list| !list.is_empty()).map(Address::Static)
}
