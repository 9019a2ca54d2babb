//! Contracts of our own for the edge to read: every kind of stream, every audience, a service that does not run.

use std::sync::LazyLock;

use contracts::access::v1::Audience;
use prost::Message;

/// The service behind the edge.
pub(crate) const PROBE: &str = "/souk.catalog.v1.ProbeService";

pub(crate) static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let probe = [
        ("Unary", false, false, Audience::Shopper),
        ("ServerStream", false, true, Audience::Shopper),
        ("BothStream", true, true, Audience::Shopper),
        ("Operate", false, false, Audience::Operator),
        ("Whisper", false, false, Audience::Service),
        ("Unclassed", false, false, Audience::Unspecified),
    ];
    let absent = [("GetCart", false, false, Audience::Shopper)];
    let foreign = [("Sign", false, false, Audience::Shopper)];
    let file = vec![
        file("souk.catalog.v1", "ProbeService", &probe),
        file("souk.cart.v1", "CartService", &absent),
        file("mesh.catalog.v1", "ProbeService", &foreign),
    ];
    FileSet { file }.encode_to_vec()
});

fn file(package: &str, service: &str, methods: &[(&str, bool, bool, Audience)]) -> File {
    let method = methods.iter().map(|(name, client_streaming, server_streaming, audience)| Method {
        name: (*name).into(),
        input_type: format!(".{package}.Message"),
        output_type: format!(".{package}.Message"),
        options: Some(Options { audience: (*audience).into() }),
        client_streaming: *client_streaming,
        server_streaming: *server_streaming,
    });
    File {
        name: format!("{package}.proto"),
        package: package.into(),
        message_type: vec![Named { name: "Message".into() }],
        service: vec![Service { name: service.into(), method: method.collect() }],
    }
}

#[derive(Clone, PartialEq, Message)]
struct FileSet {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    message_type: Vec<Named>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    input_type: String,
    #[prost(string, tag = "3")]
    output_type: String,
    #[prost(message, optional, tag = "4")]
    options: Option<Options>,
    #[prost(bool, tag = "5")]
    client_streaming: bool,
    #[prost(bool, tag = "6")]
    server_streaming: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Options {
    #[prost(enumeration = "Audience", tag = "50501")]
    audience: i32,
}
