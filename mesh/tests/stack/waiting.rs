//! What a call does while its target cannot be reached: how long it waits, and what it is told.

use std::{net::SocketAddr, time::Duration};

use mesh::{
    Channel, Clients, Directory, ListenAddress, Process,
    client::{ClientConfig, WaitForReady},
    health::pb::health_client::HealthClient,
};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};
use tonic::Code;

use crate::fixture::{PROBE, Probe, eventually, inbound, process, question};

const PATIENCE: Duration = Duration::from_secs(20);

fn channel(process: &Process, target: &str, config: ClientConfig) -> Channel {
    let directory = Directory::default();
    directory.remote(PROBE.name(), target.parse().unwrap());
    Clients::new(process, &directory, "caller", &[PROBE], &[], config).unwrap().channel(PROBE).unwrap()
}

/// Ports that were free a moment ago.
fn free(process: &Process, count: usize) -> Vec<SocketAddr> {
    let listeners: Vec<_> = (0..count).map(|_| process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap()).collect();
    let address = |listener: &mesh::server::Listener| match *listener.address() {
        ListenAddress::Tcp(address) => address,
        ListenAddress::Unix(_) => panic!("not TCP"),
    };
    listeners.iter().map(address).collect()
}

#[tokio::test]
async fn where_no_endpoint_can_be_reached_the_answer_says_which_target_how_many_and_the_last_error() {
    let process = process();
    let [first, second, third] = free(&process, 3).try_into().unwrap();
    let target = format!("ipv4:{first},{second},{third}");
    let mut client = HealthClient::new(channel(&process, &target, ClientConfig::default()));
    let begun = Instant::now();
    let status = client.check(question()).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(status.code(), Code::Unavailable);
    let expected = format!("probe: no connection to {first},{second},{third} (3 endpoints), last error: connect to ");
    let last = status.message().strip_prefix(&expected).unwrap_or_else(|| panic!("{}", status.message()));
    assert!([first, second, third].iter().any(|address| last.starts_with(&address.to_string())), "{last}");
    assert!(last.to_lowercase().contains("connection refused"), "{last}");
}

#[tokio::test]
async fn a_call_that_waits_for_ready_waits_until_the_target_is_there_and_another_one_fails_at_once() {
    let process = process();
    let [address] = free(&process, 1).try_into().unwrap();
    let config = ClientConfig { backoff_max: Duration::from_millis(50), ..Default::default() };
    let channel = channel(&process, &address.to_string(), config);
    let mut failing = HealthClient::new(channel.clone());
    assert_eq!(failing.check(question()).await.unwrap_err().code(), Code::Unavailable);
    // One waits because its channel does, one because it does itself, and one does not although its channel would.
    let mut by_channel = HealthClient::new(channel.clone().wait_for_ready(true));
    let mut exempt = by_channel.clone();
    let mut by_itself = failing.clone();
    let waiting = [
        tokio::spawn(async move { by_channel.check(question()).await }),
        tokio::spawn(async move {
            let mut request = question();
            request.extensions_mut().insert(WaitForReady(true));
            by_itself.check(request).await
        }),
    ];
    let waits = r#"mesh_client_waiting_calls{service="caller",grpc_target="probe"} 2"#;
    eventually("two calls that wait", || process.metrics().encode().contains(waits)).await;
    assert_eq!(failing.check(question()).await.unwrap_err().code(), Code::Unavailable);
    let mut request = question();
    request.extensions_mut().insert(WaitForReady(false));
    assert_eq!(exempt.check(request).await.unwrap_err().code(), Code::Unavailable);
    let listener = process.bind(&ListenAddress::Tcp(address)).unwrap();
    process.serve_grpc(listener, inbound(&process, PROBE.name(), Probe::unary(async |_| Ok(()))));
    for call in waiting {
        timeout(PATIENCE, call).await.expect("it is answered").unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_call_that_waits_for_ready_ends_at_its_deadline() {
    let process = process();
    let [address] = free(&process, 1).try_into().unwrap();
    let mut client =
        HealthClient::new(channel(&process, &address.to_string(), ClientConfig::default()).wait_for_ready(true));
    let mut request = question();
    request.set_timeout(Duration::from_millis(200));
    let status = timeout(PATIENCE, client.check(request)).await.expect("it ends").unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn the_queue_is_bounded_and_what_does_not_fit_is_unavailable_at_once() {
    // It accepts, and never says a word.
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let process = process();
    let config = ClientConfig { connect_timeout: Duration::from_secs(60), queue_max: 2, ..Default::default() };
    let client = HealthClient::new(channel(&process, &hole.local_addr().unwrap().to_string(), config));
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.check(question()).await })
        })
        .collect();
    let waits = r#"mesh_client_waiting_calls{service="caller",grpc_target="probe"} 2"#;
    eventually("two calls that wait", || process.metrics().encode().contains(waits)).await;
    let begun = Instant::now();
    let status = client.clone().check(question()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().starts_with("probe: 2 calls wait for a connection to 127.0.0.1:"), "{status:?}");
    assert!(begun.elapsed() < Duration::from_secs(1));
    // The ones that wait do so for no longer than they may.
    for call in waiting {
        let status = timeout(PATIENCE, call).await.expect("it ends").unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().starts_with("probe: no connection was made at "), "{status:?}");
        assert!(begun.elapsed() >= Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_channel_that_is_told_to_connects_before_its_first_call() {
    let process = process();
    let listener = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.address().dial().to_string();
    process.serve_grpc(listener, inbound(&process, PROBE.name(), Probe::unary(async |_| Ok(()))));
    let channel = channel(&process, &address, ClientConfig::default());
    channel.connect();
    let ready = r#"mesh_client_endpoints{service="caller",grpc_target="probe",state="READY"} 1"#;
    eventually("a connection", || process.metrics().encode().contains(ready)).await;
}

#[tokio::test]
async fn all_event_loops_together_keep_no_more_connections_than_an_endpoint_should_have() {
    let process = process();
    let listener = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.address().dial().to_string();
    process.serve_grpc(listener, inbound(&process, PROBE.name(), Probe::unary(async |_| Ok(()))));
    let channel = channel(&process, &address, ClientConfig::default());
    let loops: Vec<_> = (0..6)
        .map(|_| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
        .collect();
    for each in &loops {
        let mut client = HealthClient::new(channel.clone());
        each.spawn(async move { client.check(question()).await.map(drop) }).await.unwrap().unwrap();
    }
    // Two, two, and from then on the one that none can do without.
    let open = r#"grpc_subchannel_open_connections{service="caller",grpc_target="probe"} 8"#;
    eventually("eight connections", || process.metrics().encode().contains(open)).await;
    for each in loops {
        each.shutdown_background();
    }
}
