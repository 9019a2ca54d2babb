//! Links that are slow, and links that are cut for a while: a partition that heals.

use std::time::Duration;

use mesh::{client::ClientConfig, server::ConnectionConfig};
use tokio::time::Instant;
use tonic::Code;

use crate::{
    link::{Link, Quality},
    peer::{Caller, Peer, config, well},
    served::Served,
};

const BRIEF: Duration = Duration::from_millis(100);

/// How long the answer to a PING may take: more than on a busy machine.
const UNANSWERED: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_link_that_carries_a_byte_at_a_time_carries_calls() {
    let served = Served::answering(ConnectionConfig::default());
    let link = Link::to(served.address, Quality::Slow { latency: Duration::ZERO, piece: 1 }).await;
    let caller = Caller::of(link.address, config());
    for _ in 0..3 {
        caller.check().await.unwrap();
    }
    drop(caller);
    served.left_nothing().await;
}

#[tokio::test]
async fn a_link_that_takes_its_time_delays_calls_and_fails_only_those_that_cannot_wait() {
    const LATENCY: Duration = Duration::from_millis(60);
    let peer = Peer::start(|_, raw| well(raw)).await;
    let link = Link::to(peer.address, Quality::Slow { latency: LATENCY, piece: 64 * 1024 }).await;
    let caller = Caller::of(link.address, config());
    caller.check().await.unwrap();
    let begun = Instant::now();
    caller.check().await.unwrap();
    assert!(begun.elapsed() >= LATENCY * 2, "there and back took {:?}", begun.elapsed());
    let status = caller.check_within(LATENCY).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    // The connection is slow and not ill.
    caller.check().await.unwrap();
    assert_eq!(peer.accepted(), 1);
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn calls_in_a_partition_end_at_their_deadline_and_go_through_once_it_heals() {
    let served = Served::answering(ConnectionConfig::default());
    let link = Link::to(served.address, Quality::Good).await;
    let caller = Caller::of(link.address, config());
    caller.check().await.unwrap();
    link.becomes(Quality::Cut);
    let status = caller.check_within(BRIEF).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    link.becomes(Quality::Good);
    // What had been sent arrives late, on the same connection; nothing was lost.
    caller.check().await.unwrap();
    drop(caller);
    served.left_nothing().await;
}

#[tokio::test]
async fn a_partition_that_lasts_ends_the_connections_of_both_sides_and_heals() {
    let attentive = ConnectionConfig { keepalive_interval: BRIEF, keepalive_timeout: UNANSWERED, ..Default::default() };
    let mut served = Served::waiting(attentive);
    let link = Link::to(served.address, Quality::Good).await;
    let config = ClientConfig { keepalive_interval: BRIEF, keepalive_timeout: UNANSWERED, ..config() };
    let caller = Caller::of(link.address, config);
    let call = {
        let mut client = caller.client.clone();
        tokio::spawn(async move { client.check(crate::fixture::question()).await.map(drop) })
    };
    served.begins().await;
    link.becomes(Quality::Cut);
    let status = tokio::time::timeout(crate::PATIENCE, call).await.expect("it ends").unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    served.drops().await;
    link.becomes(Quality::Good);
    let end = Instant::now() + crate::PATIENCE;
    loop {
        let mut client = caller.client.clone();
        match client.list(mesh::health::pb::HealthListRequest {}).await {
            Ok(_) => break,
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
        }
        assert!(Instant::now() < end, "it does not heal");
        tokio::task::yield_now().await;
    }
    drop(caller);
    served.left_nothing().await;
}
