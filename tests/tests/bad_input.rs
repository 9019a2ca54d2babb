//! What no well-behaved peer sends, on real sockets: a clear error or a closed connection for whoever sends it, nothing for
//! everybody else, and no memory for either.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use contracts::catalog::v1::ListProductsRequest;
use system_tests::{
    Fleet, LIMIT, call, catalog, channel,
    wire::{
        CONTINUATION, END_HEADERS, ENHANCE_YOUR_CALM, Flooded, HEADERS, RST_STREAM, Wire, call_headers, frame, literal,
    },
};
use tokio::time::timeout;
use tonic::{Code, Status};

const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";

/// How much more memory a process may have in use after the attacks than after the first of them: what an allocator keeps.
const GROWTH_MAX_KIB: u64 = 4 * 1024;

/// Bytes that are sent at most to a peer that should close long before.
const FLOOD: usize = 64 * 1024 * 1024;

/// What may be on its way when a peer closes: the buffers of two sockets.
const IN_FLIGHT_MAX: usize = 16 * 1024 * 1024;

const MIB: usize = 1024 * 1024;

/// Attacks the edge and the service behind it, again and again, and looks whether they mind.
async fn neither_minds(times: usize, attack: impl AsyncFn(String)) {
    let fleet = Fleet::start().await;
    let memory = || [&fleet.storefront, &fleet.catalog].map(|process| process.resident_kib().unwrap());
    for address in [&fleet.edge, &fleet.catalog_at] {
        attack(address.clone()).await;
        let before = memory();
        for _ in 0..times {
            timeout(LIMIT, attack(address.clone())).await.expect("the attack is over in time");
        }
        let after = memory();
        for (before, after) in before.into_iter().zip(after) {
            let grown = after.saturating_sub(before);
            assert!(grown <= GROWTH_MAX_KIB, "{grown} KiB more than the {before} KiB before");
        }
        let page = catalog(address).list_products(ListProductsRequest::default()).await;
        assert!(page.is_ok(), "{address} answers others: {page:?}");
    }
    for process in [&fleet.storefront, &fleet.catalog] {
        assert!(!process.output().contains("panic"), "{}", process.output());
    }
}

/// The bytes of a message with this length in front of it.
fn claimed(length: u32, content: &[u8]) -> Vec<u8> {
    [&[0], length.to_be_bytes().as_slice(), content].concat()
}

/// The peer closed long before the flood was over, and said why: unless what was still on its way tore the connection.
fn was_calmed(flooded: &Flooded) {
    assert!(flooded.stopped && flooded.sent < IN_FLIGHT_MAX, "{flooded:?}");
    assert!(flooded.goaway.is_none_or(|reason| reason == ENHANCE_YOUR_CALM), "{flooded:?}");
}

async fn get_product(address: &str, request: Vec<u8>) -> Status {
    call(&channel(address), GET_PRODUCT, request).await
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_with_the_limit() {
    let content = vec![0; 5 * MIB];
    neither_minds(20, async |address| {
        let refused = get_product(&address, claimed(5 * 1024 * 1024, &content)).await;
        assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused}");
        assert!(refused.message().contains("4194304"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_length_of_four_gigabytes_is_refused_before_anything_is_kept_for_it() {
    neither_minds(200, async |address| {
        let refused = get_product(&address, claimed(u32::MAX, b"few")).await;
        assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_cut_off_is_an_error_of_that_call() {
    neither_minds(200, async |address| {
        for cut in [claimed(100, b"ten of 100"), vec![0, 0, 0]] {
            let refused = get_product(&address, cut).await;
            assert_eq!(refused.code(), Code::Internal, "{refused}");
            assert!(!refused.message().is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_none_is_an_error_that_says_what_is_wrong() {
    // Field 1 is a string: one that is no UTF-8, one that is longer than the message, a field that is a varint.
    let messages: [&[u8]; 3] = [b"\x0a\x02\xff\xfe", b"\x0a\x7fshort", b"\x08\x01"];
    neither_minds(100, async |address| {
        for content in messages {
            let length = u32::try_from(content.len()).unwrap();
            let refused = get_product(&address, claimed(length, content)).await;
            assert!(matches!(refused.code(), Code::Internal | Code::InvalidArgument), "{refused}");
            assert!(!refused.message().is_empty());
        }
        // Compressed, in no way that was announced.
        let refused = get_product(&address, [&[1], claimed(2, b"zz").split_at(1).1].concat()).await;
        assert!(matches!(refused.code(), Code::Internal | Code::Unimplemented), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn http_1_on_the_grpc_port_is_told_what_the_port_speaks() {
    neither_minds(100, async |address| {
        let (status, answer) = system_tests::get(&address, "/").await.unwrap();
        assert_eq!(status, 505);
        assert!(answer.ends_with("this port speaks gRPC over HTTP/2 (content-type: application/grpc); try grpcurl\n"));
    })
    .await;
}

#[tokio::test]
async fn a_header_block_that_never_ends_ends_the_connection() {
    let more = frame(CONTINUATION, 0, 1, &literal("padding", &"x".repeat(100)).repeat(128));
    neither_minds(5, async |address| {
        let mut wire = Wire::greeted(&address).await.unwrap();
        wire.send(&frame(HEADERS, 0, 1, &call_headers(GET_PRODUCT))).await.unwrap();
        was_calmed(&wire.flood(FLOOD, || more.clone()).await);
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    const STREAMS_AT_ONCE: u32 = 500;
    const CANCEL: [u8; 4] = 8_u32.to_be_bytes();
    let block = call_headers(GET_PRODUCT);
    neither_minds(5, async |address| {
        let mut stream = 1;
        let open_and_reset = || {
            let streams = (0..STREAMS_AT_ONCE).map(|index| stream + 2 * index);
            let pairs =
                streams.map(|id| [frame(HEADERS, END_HEADERS, id, &block), frame(RST_STREAM, 0, id, &CANCEL)].concat());
            let bytes = pairs.collect::<Vec<_>>().concat();
            stream += 2 * STREAMS_AT_ONCE;
            bytes
        };
        was_calmed(&Wire::greeted(&address).await.unwrap().flood(FLOOD, open_and_reset).await);
    })
    .await;
}

#[tokio::test]
async fn noise_ends_the_connection() {
    // A linear congruential generator: every run sends the same noise.
    let noise = |seed: u32| {
        let bytes =
            std::iter::successors(Some(seed), |last| Some(last.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)));
        bytes.map(|word| word.to_be_bytes()[0]).take(64 * 1024).collect::<Vec<_>>()
    };
    neither_minds(50, async |address| {
        for seed in [1, 2] {
            let flooded = Wire::connect(&address).await.unwrap().flood(1, || noise(seed)).await;
            assert_eq!(flooded.goaway, None, "noise is no HTTP/2");
            // After the preface, it is: until its first frame.
            Wire::greeted(&address).await.unwrap().flood(1, || noise(seed)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_not_waited_for_and_keeps_nobody_waiting() {
    let fleet = Fleet::start().await;
    let mut idle = Vec::new();
    for address in [&fleet.edge, &fleet.catalog_at] {
        for beginning in [&b""[..], b"PRI * HT", b"GET / HTTP/1.1\r\nhost:"].repeat(100) {
            let mut wire = Wire::connect(address).await.unwrap();
            wire.send(beginning).await.unwrap();
            idle.push(wire);
        }
        catalog(address).list_products(ListProductsRequest::default()).await.unwrap();
    }
    for wire in idle {
        timeout(LIMIT, wire.rest()).await.expect("the server hangs up");
    }
}
