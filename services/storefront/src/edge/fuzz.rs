//! The fuzz target of the edge: whatever path and headers a caller sends, what is forwarded is the public's and only that.
//!
//! `cargo test` runs it on `corpus/edge` and on mutations of it; CONTRIBUTING.md says how a fuzzer does.

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use contracts::access::v1::Audience;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use mesh::{Body, Builder, Clients, Directory, Peer, Process, process::Options, server::InboundConfig};
use rpc::access::Access;
use tonic::{Code, Status};
use tower::Service as _;

use super::Edge;
use crate::CALLS;

/// Headers that each hop writes by itself.
const OF_THE_NEXT_HOP: [&str; 5] = ["te", "user-agent", "grpc-timeout", "traceparent", "tracestate"];

/// An edge of the real contracts, with a catalog behind it that keeps what it is sent.
struct Fixture {
    process: Process,
    edge: Edge,
    access: Access,
    forwarded: Arc<Mutex<Option<Request<()>>>>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let options = Options { cores: 1, ..Options::default() };
    let process = Process::start("edge-fuzz", options, None).expect("a process");
    let (directory, forwarded) = (Directory::default(), Arc::new(Mutex::new(None)));
    let kept = Arc::clone(&forwarded);
    let upstream = tower::service_fn(move |request: Request<Body>| {
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.map(drop));
        std::future::ready(Ok::<_, Infallible>(Status::ok("").into_http()))
    });
    let contracts = contracts::FILE_DESCRIPTOR_SET;
    for target in CALLS {
        let builder = Builder::new(target.name()).descriptors(contracts).fallback(upstream.clone());
        directory.in_process(builder.build(&process, InboundConfig::default()).expect("a stack"));
    }
    let clients =
        Clients::new(&process, &directory, crate::NAME, CALLS, &[contracts], mesh::client::ClientConfig::default());
    let access = Access::read(contracts).expect("the contracts");
    let edge = Edge::new(&clients.expect("clients"), access.clone()).expect("an edge");
    Fixture { process, edge, access, forwarded }
});

/// A request, one field a line: the path, then `name: value` for each header. It is answered with a status at once. Only
/// RPCs for the public, of services that storefront declares, are forwarded, without anything that callers may not say.
pub fn edge(lines: &[u8]) {
    let mut lines = lines.split(|byte| *byte == b'\n');
    let Ok(uri) = Uri::try_from(lines.next().unwrap_or_default()) else { return };
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri.clone();
    for line in lines {
        let Some(colon) = line.iter().skip(1).position(|byte| *byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..=colon]), line[colon + 2..].trim_ascii());
        // The rest are no headers for HTTP either.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            request.headers_mut().append(name, value);
        }
    }
    let sent = request.headers().clone();
    let Fixture { process, edge, access, forwarded } = &*FIXTURE;
    let answer = process.block_on(edge.clone().call(request)).unwrap_or_else(|never| match never {});
    let forwarded = forwarded.lock().unwrap_or_else(PoisonError::into_inner).take();
    let status = Status::from_header_map(answer.headers()).expect("an answer without a status");
    let public = access.at(uri.path()).is_some_and(|rpc| {
        CALLS.iter().any(|target| target.name() == rpc.noun)
            && matches!(rpc.audience, Audience::Shopper | Audience::Operator)
    });
    let public = public && uri.query().is_none();
    match forwarded {
        Some(request) => {
            assert!(public, "{uri} was forwarded");
            assert_eq!((request.uri().path(), status.code()), (uri.path(), Code::Ok));
            let peer = request.extensions().get::<Peer>().map(|peer| peer.principal.to_string());
            assert!(peer.is_some_and(|peer| peer.ends_with("/sa/storefront")), "the edge speaks as somebody else");
            only_what_callers_may_say(&sent, request.headers());
        }
        // Its time was up, or it named none that can be read.
        None if public => {
            assert!(matches!(status.code(), Code::DeadlineExceeded | Code::InvalidArgument), "{status:?}");
        }
        None => assert!(matches!(status.code(), Code::Unimplemented | Code::PermissionDenied), "{status:?}"),
    }
}

fn only_what_callers_may_say(sent: &HeaderMap, forwarded: &HeaderMap) {
    let hop = |name: &str| {
        let connection =
            sent.get_all(header::CONNECTION).iter().flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
        let about_the_hop = ["connection", "host", "keep-alive", "proxy-authenticate", "proxy-authorization"];
        let more = ["proxy-connection", "trailer", "transfer-encoding", "upgrade"];
        about_the_hop.contains(&name)
            || more.contains(&name)
            || connection.into_iter().any(|one| one.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    };
    for (name, value) in forwarded {
        let name = name.as_str();
        assert!(!name.starts_with("x-souk-"), "{name} was forwarded");
        if OF_THE_NEXT_HOP.contains(&name) {
            continue;
        }
        assert!(!hop(name), "{name} is about the connection to the edge");
        assert!(sent.get_all(name).iter().any(|one| one == value), "{name} was made up");
    }
    for (name, value) in sent {
        let name = name.as_str();
        let kept = forwarded.get_all(name).iter().any(|one| one == value);
        assert!(kept || name.starts_with("x-souk-") || hop(name) || OF_THE_NEXT_HOP.contains(&name), "{name} was lost");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_but_the_publics_own_passes_the_edge() {
        test_fuzz::Target { crate_folder: env!("CARGO_MANIFEST_DIR"), name: "edge", function: super::edge }.run();
    }
}
