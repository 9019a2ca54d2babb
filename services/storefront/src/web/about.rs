//! About this shop: what runs here, how it is, and how to call it.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode, Uri, header};
use mesh::{ListenAddress, health::pb::health_check_response::ServingStatus};

use super::{Links, Shop, answer, frame::Frame, services::Description, visitor::Visitor};

#[derive(Template)]
#[template(path = "about.html")]
struct Page {
    frame: Frame,
    services: Vec<Service>,
    connect: Option<Connect>,
}

struct Service {
    noun: &'static str,
    service: String,
    about: String,
    rpcs: usize,
    is_serving: bool,
}

/// How to reach the other ports.
struct Connect {
    grpc: String,
    /// Only where a browser on this machine is the likely reader.
    admin: Option<String>,
}

/// Answers with the page.
pub(super) async fn show(State(shop): State<Arc<Shop>>, visitor: Visitor, uri: Uri, headers: HeaderMap) -> Response {
    let (frame, health) = tokio::join!(Frame::ask(&shop, &visitor), shop.fleet.services());
    let services = shop.services.iter().map(|described| {
        let Description { noun, service, about, rpcs } = described.clone();
        let is_serving = health.get(&service) == Some(&ServingStatus::Serving);
        Service { noun, service, about, rpcs, is_serving }
    });
    let connect = shop.links.as_ref().map(|links| connect(links, host_of(&uri, &headers)));
    let page = Page { frame, services: services.collect(), connect };
    answer::page(StatusCode::OK, &page.frame, &page)
}

/// The host that the browser asked for, without its port.
fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let asked = authority.or_else(|| headers.get(header::HOST)?.to_str().ok())?;
    let end = if asked.starts_with('[') { asked.find(']')? + 1 } else { asked.find(':').unwrap_or(asked.len()) };
    let host = &asked[..end];
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
    (!host.is_empty() && host.chars().all(is_plain)).then_some(host)
}

/// A port on loopback is named as it is; one on every interface by the name that led the browser here.
fn connect(links: &Links, host: Option<&str>) -> Connect {
    let named = |address: &ListenAddress| match (address, host) {
        (ListenAddress::Tcp(tcp), Some(host)) if tcp.ip().is_unspecified() => format!("{host}:{}", tcp.port()),
        _ => address.to_string(),
    };
    let is_local = matches!(&links.admin, ListenAddress::Tcp(tcp) if tcp.ip().is_loopback());
    Connect { grpc: named(&links.grpc), admin: is_local.then(|| links.admin.to_string()) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_host_is_taken_without_its_port_and_only_if_it_looks_like_one() {
        let asked = |host: &'static str| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            host_of(&Uri::from_static("/"), &headers).map(str::to_owned)
        };
        assert_eq!(asked("shop.test:8080").as_deref(), Some("shop.test"));
        assert_eq!(asked("[::1]:8080").as_deref(), Some("[::1]"));
        for host in ["", ":8080", "a;rm -rf", "$(id)", "[::1", "a b"] {
            assert_eq!(asked(host), None, "{host}");
        }
    }

    #[test]
    fn a_port_on_every_interface_is_named_by_the_host_that_was_asked_for() {
        let links = |address: &str| Links { grpc: address.parse().unwrap(), admin: address.parse().unwrap() };
        assert_eq!(connect(&links("0.0.0.0:50051"), Some("shop.test")).grpc, "shop.test:50051");
        let local = connect(&links("127.0.0.1:50051"), Some("shop.test"));
        assert_eq!((local.grpc.as_str(), local.admin.as_deref()), ("127.0.0.1:50051", Some("127.0.0.1:50051")));
        assert!(connect(&links("0.0.0.0:9901"), None).admin.is_none());
    }
}
