//! Any path and any headers: the edge forwards exactly the public RPCs and none of the reserved headers.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use mesh::{Body, Clients, Directory, Process, Target, client::ClientConfig};
use proptest::prelude::*;
use rpc::access::Access;
use storefront::edge::Edge;
use tonic::Status;
use tower::Service as _;

use crate::{
    contracts::DESCRIPTORS,
    raw::{Way, process, serve},
};

const CALLS: &[Target] = &[Target::new("catalog")];
const PUBLIC: [&str; 4] = ["Unary", "ServerStream", "BothStream", "Operate"];

type Seen = Arc<Mutex<Vec<(String, HeaderMap)>>>;

/// An edge whose upstream remembers what reached it.
struct Fixture {
    edge: Edge,
    seen: Seen,
    runtime: tokio::runtime::Runtime,
    _process: Process,
}

impl Fixture {
    fn new() -> Self {
        let (process, directory, seen) = (process("requests-test"), Directory::default(), Seen::default());
        let kept = Arc::clone(&seen);
        serve(&process, &directory, Way::InProcess, "catalog", &DESCRIPTORS, move |request| {
            let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
            kept.lock().unwrap().push((path, request.headers().clone()));
            Box::pin(async { Ok(Status::ok("").into_http()) })
        });
        let clients =
            Clients::new(&process, &directory, "storefront", CALLS, &[&DESCRIPTORS], ClientConfig::default()).unwrap();
        let edge = Edge::new(&clients, Access::read(&DESCRIPTORS).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { edge, seen, runtime, _process: process }
    }

    /// The first line is a path, every further one `name:value`. Whatever HTTP itself refuses never reaches the edge.
    fn any_request(&self, bytes: &[u8]) {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let Some(uri) = lines.next().and_then(|path| Uri::try_from(path).ok()) else { return };
        let mut request = Request::post(uri.clone()).body(Body::empty()).unwrap();
        for line in lines {
            let mut halves = line.splitn(2, |byte| *byte == b':');
            let name = halves.next().and_then(|name| HeaderName::from_bytes(name).ok());
            let value = halves.next().and_then(|value| HeaderValue::from_bytes(value).ok());
            if let (Some(name), Some(value)) = (name, value) {
                request.headers_mut().append(name, value);
            }
        }
        let answer = self.runtime.block_on(self.edge.clone().call(request)).unwrap();
        let forwarded = std::mem::take(&mut *self.seen.lock().unwrap());
        for (path, headers) in &forwarded {
            let method = path.strip_prefix("/souk.catalog.v1.ProbeService/").expect("a path of the service");
            assert!(PUBLIC.contains(&method), "{path}");
            assert!(headers.keys().all(|name| !name.as_str().starts_with("x-souk-")), "{headers:?}");
            assert!(!headers.contains_key("te") && !headers.contains_key("connection"), "{headers:?}");
        }
        let refused = answer.headers().get("grpc-status").is_some_and(|status| status != "0");
        assert!(forwarded.len() <= 1 && (refused || forwarded.len() == 1), "{uri}: neither forwarded nor refused");
    }
}

const SEEDS: [&[u8]; 12] = [
    b"/souk.catalog.v1.ProbeService/Unary\nx-souk-role:operator\nX-SOUK-ROLE:admin\nte:trailers",
    b"/souk.catalog.v1.ProbeService/Unary\nconnection:x-a, authorization\nx-a:1\nauthorization:Bearer x",
    b"/souk.catalog.v1.ProbeService/Unary\ngrpc-timeout:nonsense",
    b"/souk.catalog.v1.ProbeService/Unary?x\n",
    b"/souk.catalog.v1.ProbeService/%55nary",
    b"/souk.catalog.v1.ProbeService/../ProbeService/Whisper",
    b"/souk.catalog.v1.ProbeService/Whisper\nx-souk-service:checkout",
    b"/souk.catalog.v1.ProbeService/Unary\x00",
    b"http://elsewhere/souk.catalog.v1.ProbeService/Unary#part",
    b"*",
    b"",
    b"/\n:authority:x\n\xff\xfe:\xff\nname\n:\nconnection:\xff,,",
];

#[test]
fn known_tricks_are_forwarded_or_refused_like_anything_else() {
    let fixture = Fixture::new();
    for seed in SEEDS {
        fixture.any_request(seed);
    }
}

#[test]
fn any_bytes_are_forwarded_as_a_public_rpc_or_refused() {
    let fixture = Fixture::new();
    let mutated = (0..SEEDS.len(), any::<prop::sample::Index>(), proptest::collection::vec(any::<u8>(), 0..24))
        .prop_map(|(seed, at, bytes)| {
            let (head, tail) = SEEDS[seed].split_at(at.index(SEEDS[seed].len() + 1));
            [head, &bytes, tail].concat()
        });
    let input = prop_oneof![mutated, proptest::collection::vec(any::<u8>(), 0..128)];
    proptest!(|(bytes in input)| fixture.any_request(&bytes));
}
