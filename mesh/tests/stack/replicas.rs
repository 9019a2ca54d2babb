//! Several servers behind one target: who takes the calls while they come, go, stop and come back.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use mesh::{
    Clients, Directory, ListenAddress, Process,
    client::{ClientConfig, resolve::Dns},
    health::pb::health_client::HealthClient,
    process::Stopped,
    server::ConnectionConfig,
};
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};

use crate::fixture::{Client, PROBE, Probe, eventually, inbound, process, process_with, question};

/// How long any of these may take, even on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

/// Calls that are in flight at once.
const CONCURRENCY: usize = 16;

/// One server: its process, where it listens, and how many calls it took.
struct Replica {
    process: Process,
    address: SocketAddr,
    taken: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
}

impl Replica {
    fn start(process: Process, address: Option<SocketAddr>) -> Self {
        let listen = address.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
        let listener = process.bind(&ListenAddress::Tcp(listen)).unwrap();
        let ListenAddress::Tcp(address) = *listener.address() else { panic!("not TCP") };
        let (taken, stopped) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let probe = Probe::unary({
            let (taken, stopped) = (Arc::clone(&taken), Arc::clone(&stopped));
            move |_| {
                taken.fetch_add(1, Ordering::Relaxed);
                let stopped = Arc::clone(&stopped);
                async move {
                    while stopped.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    Ok(())
                }
            }
        });
        process.serve_grpc(listener, inbound(&process, PROBE.name(), probe));
        Self { process, address, taken, stopped }
    }
}

fn three() -> Vec<Replica> {
    (0..3).map(|_| Replica::start(process(), None)).collect()
}

fn target(replicas: &[Replica]) -> String {
    let list: Vec<_> = replicas.iter().map(|replica| replica.address.to_string()).collect();
    format!("ipv4:{}", list.join(","))
}

fn connected(process: &Process, directory: &Directory) -> Client {
    let clients = Clients::new(process, directory, "caller", &[PROBE], &[], ClientConfig::default()).unwrap();
    HealthClient::new(clients.channel(PROBE).unwrap())
}

fn client_of(process: &Process, replicas: &[Replica]) -> Client {
    let directory = Directory::default();
    directory.remote(PROBE.name(), target(replicas).parse().unwrap());
    connected(process, &directory)
}

/// Makes calls, several at a time; the failures.
async fn calls(client: &Client, count: usize) -> Vec<Status> {
    let answers = stream::iter(0..count).map(|_| {
        let mut client = client.clone();
        async move { client.check(question()).await.err() }
    });
    answers.buffer_unordered(CONCURRENCY).filter_map(std::future::ready).collect().await
}

/// One test at a time makes this much work; others have deadlines to keep.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Makes calls until those of two seconds are even within a tenth; fails where that takes more than ten seconds.
async fn until_even(client: &Client, replicas: &[Replica]) {
    const WINDOW: Duration = Duration::from_secs(2);
    let begun = Instant::now();
    let counts = || replicas.iter().map(|replica| replica.taken.load(Ordering::Relaxed)).collect::<Vec<_>>();
    loop {
        let (window, before) = (Instant::now(), counts());
        while window.elapsed() < WINDOW {
            assert_eq!(calls(client, 1_000).await.len(), 0);
            let taken: Vec<_> = counts().iter().zip(&before).map(|(after, before)| after - before).collect();
            let even = taken.iter().sum::<u64>() / 3;
            if even >= 1_000 && taken.iter().all(|taken| taken.abs_diff(even) <= even / 10) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "uneven: {taken:?}");
        }
    }
}

#[tokio::test]
async fn calls_are_spread_evenly_over_all_replicas_and_one_that_was_killed_has_its_share_again() {
    let _alone = ALONE.lock().await;
    let (caller, mut replicas) = (process(), three());
    let client = client_of(&caller, &replicas);
    until_even(&client, &replicas).await;
    let Replica { process: killed, address, .. } = replicas.remove(0);
    drop(killed);
    // Its threads may go on for a moment; what they had taken by then is lost with them.
    let lost = calls(&client, 500).await.len();
    assert!(lost <= 2 * CONCURRENCY, "{lost} calls were lost");
    assert_eq!(calls(&client, 500).await.len(), 0);
    replicas.push(Replica::start(process(), Some(address)));
    until_even(&client, &replicas).await;
}

#[tokio::test]
async fn only_the_calls_in_flight_on_a_killed_replica_fail_and_at_once() {
    let _alone = ALONE.lock().await;
    let (caller, mut replicas) = (process(), three());
    let client = client_of(&caller, &replicas);
    until_even(&client, &replicas).await;
    let killed = replicas.remove(0);
    killed.stopped.store(true, Ordering::Relaxed);
    let before = killed.taken.load(Ordering::Relaxed);
    let load = tokio::spawn({
        let client = client.clone();
        async move { calls(&client, 5_000).await }
    });
    eventually("calls in flight", || killed.taken.load(Ordering::Relaxed) > before).await;
    let (at_least, begun) = (killed.taken.load(Ordering::Relaxed) - before, Instant::now());
    drop(killed.process);
    let failures = timeout(PATIENCE, load).await.expect("nothing hangs").unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    // Its connections may end one after the other, and calls that fail with the first make room for others on the second.
    let (failed, at_most) = (failures.len() as u64, 2 * CONCURRENCY as u64);
    assert!(at_least <= failed && failed <= at_most, "{failed} failed, {at_least} to {at_most} were in flight");
    assert!(failures.iter().all(|status| status.code() == Code::Unavailable), "{failures:?}");
}

#[tokio::test]
async fn a_replica_that_stops_answering_is_left_alone_and_has_its_share_when_it_goes_on() {
    let _alone = ALONE.lock().await;
    let (caller, replicas) = (process(), three());
    let client = client_of(&caller, &replicas);
    until_even(&client, &replicas).await;
    let stopped = &replicas[0];
    let before = stopped.taken.load(Ordering::Relaxed);
    stopped.stopped.store(true, Ordering::Relaxed);
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { calls(&client, 2_000).await }
    });
    // Until it is known to be silent it has its share of what is in flight, and hardly any call after that.
    let others = || replicas[1..].iter().map(|replica| replica.taken.load(Ordering::Relaxed)).sum::<u64>();
    let first = others();
    eventually("the other replicas' answers", || others() - first > 1_500).await;
    let stuck = stopped.taken.load(Ordering::Relaxed) - before;
    assert!(stuck <= CONCURRENCY as u64, "{stuck} calls were given to it");
    stopped.stopped.store(false, Ordering::Relaxed);
    assert_eq!(timeout(PATIENCE, waiting).await.expect("it goes on").unwrap().len(), 0);
    until_even(&client, &replicas).await;
}

#[tokio::test]
async fn replicas_are_rolled_under_load_and_no_call_fails() {
    let _alone = ALONE.lock().await;
    let (caller, mut replicas) = (process(), three());
    let client = client_of(&caller, &replicas);
    let done = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (client, done) = (client.clone(), Arc::clone(&done));
        async move {
            let mut failures = Vec::new();
            while !done.load(Ordering::Relaxed) {
                failures.extend(calls(&client, 100).await);
            }
            failures
        }
    });
    for _ in 0..3 {
        let Replica { process: old, address, taken, .. } = replicas.remove(0);
        eventually("calls", || taken.load(Ordering::Relaxed) > 0).await;
        assert_eq!(old.stop(Duration::from_millis(50)).await, Stopped::Drained);
        drop(old);
        replicas.push(Replica::start(process(), Some(address)));
    }
    for replica in &replicas {
        eventually("the share of the new ones", || replica.taken.load(Ordering::Relaxed) > 100).await;
    }
    done.store(true, Ordering::Relaxed);
    let failures = timeout(PATIENCE, load).await.expect("it ends").unwrap();
    assert!(failures.is_empty(), "{failures:?}");
}

#[tokio::test]
async fn connections_that_grow_old_under_load_are_replaced_and_no_call_fails() {
    let _alone = ALONE.lock().await;
    let config = ConnectionConfig { age: Duration::from_millis(150), ..Default::default() };
    let replicas: Vec<_> = (0..3).map(|_| Replica::start(process_with(config), None)).collect();
    let caller = process();
    let client = client_of(&caller, &replicas);
    let accepted = || {
        let one = |replica: &Replica| {
            let metrics = replica.process.metrics().encode();
            let name = r#"mesh_connections_accepted_total{service="probe"} "#;
            let line = metrics.lines().find_map(|line| line.strip_prefix(name));
            line.map_or(0, |count| count.parse::<u32>().unwrap())
        };
        replicas.iter().map(one).sum::<u32>()
    };
    let begun = Instant::now();
    while accepted() < 60 {
        let failures = calls(&client, 200).await;
        assert!(failures.is_empty(), "{failures:?}");
        assert!(begun.elapsed() < PATIENCE, "connections are not replaced");
    }
}

/// What a name stands for, as a test wants it.
#[derive(Clone, Default)]
struct Zone(Arc<Mutex<Vec<SocketAddr>>>);

impl Zone {
    fn set(&self, replicas: &[&Replica]) {
        *self.0.lock().unwrap() = replicas.iter().map(|replica| replica.address).collect();
    }

    fn name(&self) -> Dns {
        let (zone, often) = (self.clone(), Duration::from_millis(20));
        Dns::new("catalog", 1, often, often)
            .with_lookup(move |_, _| std::future::ready(Ok(zone.0.lock().unwrap().clone())))
    }
}

#[tokio::test]
async fn the_addresses_of_a_name_are_followed_as_they_change_and_an_empty_answer_changes_nothing() {
    let (caller, replicas, zone) = (process(), three(), Zone::default());
    zone.set(&[&replicas[0]]);
    let directory = Directory::default();
    directory.resolved(PROBE.name(), zone.name());
    let client = connected(&caller, &directory);
    assert_eq!(calls(&client, 100).await.len(), 0);
    assert_eq!(replicas[0].taken.load(Ordering::Relaxed), 100);
    let moved_to = async |replica: &Replica| {
        let before = replica.taken.load(Ordering::Relaxed);
        let begun = Instant::now();
        while replica.taken.load(Ordering::Relaxed) < before + 100 {
            assert_eq!(calls(&client, 10).await.len(), 0);
            assert!(begun.elapsed() < PATIENCE, "no call goes there");
        }
    };
    zone.set(&[&replicas[1], &replicas[2]]);
    moved_to(&replicas[1]).await;
    moved_to(&replicas[2]).await;
    let gone = replicas[0].taken.load(Ordering::Relaxed);
    zone.set(&[]);
    moved_to(&replicas[1]).await;
    assert_eq!(replicas[0].taken.load(Ordering::Relaxed), gone, "it is no endpoint any more");
    zone.set(&[&replicas[0]]);
    moved_to(&replicas[0]).await;
}

#[tokio::test]
async fn a_name_without_an_address_is_unavailable_at_once_and_says_so_until_it_has_one() {
    let (caller, replicas, zone) = (process(), three(), Zone::default());
    let directory = Directory::default();
    directory.resolved(PROBE.name(), zone.name());
    let mut client = connected(&caller, &directory);
    let begun = Instant::now();
    let status = client.check(question()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().starts_with("probe: no endpoint of dns:catalog:1, last error: resolve"), "{status:?}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    zone.set(&[&replicas[0]]);
    while let Err(status) = client.check(question()).await {
        assert!(begun.elapsed() < PATIENCE, "{status:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_operator_sees_who_takes_the_calls_and_in_which_state_the_endpoints_are() {
    let _alone = ALONE.lock().await;
    let (caller, replicas) = (process(), three());
    let client = client_of(&caller, &replicas);
    until_even(&client, &replicas).await;
    let labels = r#"service="caller",grpc_target="probe""#;
    let metric = |line: String| {
        let metrics = caller.metrics().encode();
        metrics.lines().find_map(|found| found.strip_prefix(&line).map(|value| value.trim().parse::<u64>().unwrap()))
    };
    let ready = || metric(format!(r#"mesh_client_endpoints{{{labels},state="READY"}}"#));
    assert_eq!(ready(), Some(3));
    for replica in &replicas {
        let picks = metric(format!(r#"mesh_client_picks_total{{{labels},endpoint="{}"}}"#, replica.address));
        assert_eq!(picks, Some(replica.taken.load(Ordering::Relaxed)));
    }
    let open = || metric(format!("grpc_subchannel_open_connections{{{labels}}}"));
    assert_eq!(open(), metric(format!("grpc_subchannel_connection_attempts_succeeded_total{{{labels}}}")));
    drop(client);
    // With the last channel its connections end, and what is said of endpoints is no longer true of any.
    eventually("the end of the connections", || open() == Some(0) && ready().is_none()).await;
    for replica in &replicas {
        let open = || replica.process.metrics().encode().contains(r#"mesh_connections{service="probe"} 0"#);
        eventually("the end of the connections at the server", open).await;
    }
}
