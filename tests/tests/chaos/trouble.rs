//! The storm itself: every process of the fleet is killed again and again, PostgreSQL's too, and the acquirer fails in
//! all the ways it can.

use std::{cell::Cell, collections::BTreeMap, fmt, time::Duration};

use anyhow::ensure;
use contracts::acquirer::v1::{
    FaultKind, FaultPlan, FaultRule, IssuerReason, Operation, SetFaultsRequest,
    acquirer_service_client::AcquirerServiceClient,
};
use fastrand::Rng;
use mesh::Channel;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, PgConnection};
use system_tests::Kept;
use test_postgres::Server;
use tokio::time::sleep;

use crate::{
    Run,
    quiet::{READY, until},
    records,
    shoppers::within,
    until_answered,
};

/// Between two deaths, in milliseconds: seldom enough that a fleet of eleven mostly works.
const BETWEEN_DEATHS_MS: std::ops::Range<u64> = 600..2_200;
/// Between two plans of faults, in milliseconds.
const BETWEEN_FAULTS_MS: std::ops::Range<u64> = 1_500..4_000;
/// Deaths of services for each of a database's process.
const DEATHS_A_BACKEND: u32 = 6;
/// How long the acquirer has for an answer about its faults.
const TOLD: Duration = Duration::from_secs(5);

/// What a storm did.
#[derive(Debug, Default)]
pub(crate) struct Caused {
    deaths: BTreeMap<String, u32>,
    plans: u32,
}

impl fmt::Display for Caused {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deaths = self.deaths.values().sum::<u32>();
        write!(text, "{deaths} kills {:?}, {} plans of faults", self.deaths, self.plans)
    }
}

/// Goes on until it is over, and until each replica was killed at least once.
pub(crate) async fn cause(fleet: &Kept, server: Option<&Server>, run: &Run, over: &Cell<bool>) -> Caused {
    let killed = Cell::new(false);
    let (deaths, plans) = tokio::join!(kill(fleet, server, run, over, &killed), fail(fleet, run, over, &killed));
    Caused { deaths, plans }
}

async fn kill(
    fleet: &Kept,
    server: Option<&Server>,
    run: &Run,
    over: &Cell<bool>,
    all_killed: &Cell<bool>,
) -> BTreeMap<String, u32> {
    let mut chance = run.plan.chance("deaths", 0);
    let sheet = fleet.sheet().unwrap();
    let mut names: Vec<_> =
        sheet["replicas"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    let (mut deaths, mut count) = (BTreeMap::new(), 0);
    let mut dies = |name: &str| *deaths.entry(name.to_owned()).or_default() += 1;
    while !(over.get() && all_killed.get()) {
        chance.shuffle(&mut names);
        for name in &names {
            if over.get() && all_killed.get() {
                break;
            }
            sleep(Duration::from_millis(chance.u64(BETWEEN_DEATHS_MS))).await;
            // In the first round none is left out; later one that is not back yet is left alone.
            let killed = if all_killed.get() {
                kill_replica(fleet, name)
            } else {
                until("a replica is there to be killed", READY, async || {
                    ensure!(kill_replica(fleet, name), "{name} is not ready");
                    Ok(true)
                })
                .await
            };
            if killed {
                dies(name);
            }
            count += 1;
            if let Some(server) = server.filter(|_| count % DEATHS_A_BACKEND == 0)
                && kill_backend(server, &mut chance).await
            {
                dies("postgresql");
            }
        }
        all_killed.set(true);
    }
    deaths
}

/// Kills the process of a replica that is ready; says whether there was one.
fn kill_replica(fleet: &Kept, name: &str) -> bool {
    let row = fleet.replica(name).unwrap();
    let pid = row["pid"].as_i64().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let ready = pid.filter(|_| row["state"] == "ready");
    ready.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}

/// Kills one of the processes that PostgreSQL has for the services' connections; it then ends all of them and recovers.
/// Says whether there was one.
async fn kill_backend(server: &Server, chance: &mut Rng) -> bool {
    // It may be recovering from the last one.
    let Ok(mut connection) = PgConnection::connect(&server.url("postgres")).await else { return false };
    let backends = "SELECT pid FROM pg_stat_activity WHERE datname LIKE 'souk\\_%'";
    let pids: Vec<i32> = sqlx::query_scalar(backends).fetch_all(&mut connection).await.unwrap_or_default();
    let pid = chance.choice(&pids).and_then(|pid| Pid::from_raw(*pid));
    // One whose service was killed may have ended since.
    pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}

async fn fail(fleet: &Kept, run: &Run, over: &Cell<bool>, all_killed: &Cell<bool>) -> u32 {
    let mut chance = run.plan.chance("faults", 0);
    let acquirer = records::acquirer(fleet);
    let mut plans = 0;
    while !(over.get() && all_killed.get()) {
        set(&acquirer, plan(&mut chance)).await;
        plans += 1;
        sleep(Duration::from_millis(chance.u64(BETWEEN_FAULTS_MS))).await;
    }
    set(&acquirer, FaultPlan::default()).await;
    plans
}

/// Some calls of each kind go wrong in one way or the other; now and then the whole acquirer is down.
fn plan(chance: &mut Rng) -> FaultPlan {
    let rule = |operations: &[Operation], kind: FaultKind, probability, delay_ms: i32| FaultRule {
        operations: operations.iter().map(|operation| (*operation).into()).collect(),
        probability,
        kind: kind.into(),
        issuer_reason: match kind {
            FaultKind::Decline => IssuerReason::Generic.into(),
            _ => IssuerReason::Unspecified.into(),
        },
        delay: (delay_ms > 0)
            .then(|| prost_types::Duration { seconds: (delay_ms / 1_000).into(), nanos: delay_ms % 1_000 * 1_000_000 }),
        ..FaultRule::default()
    };
    let rules = match chance.u8(0..8) {
        0 => vec![rule(&[], FaultKind::Down, 1.0, 0)],
        1 => vec![rule(&[], FaultKind::LoseAnswer, 0.5, chance.i32(1..3_000))],
        2 => vec![],
        _ => vec![
            rule(&[Operation::Authorize], FaultKind::Decline, 0.05, 0),
            rule(&[Operation::Capture, Operation::Refund], FaultKind::Refuse, 0.03, 0),
            rule(&[], FaultKind::LoseAnswer, 0.15, 0),
            rule(&[], FaultKind::Slow, 0.1, chance.i32(100..4_000)),
            rule(&[], FaultKind::Down, 0.05, 0),
        ],
    };
    FaultPlan { rules, seed: chance.i64(0..i64::MAX), ..FaultPlan::default() }
}

pub(crate) async fn set(acquirer: &AcquirerServiceClient<Channel>, plan: FaultPlan) {
    let request = SetFaultsRequest { plan: Some(plan) };
    let set = async || acquirer.clone().set_faults(within(&request, TOLD)).await;
    until_answered("SetFaults", set).await.unwrap();
}
