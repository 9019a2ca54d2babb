//! What of a caller's headers goes no further than the edge.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers of this prefix are said by the shop's own processes only.
const RESERVED_PREFIX: &str = "x-souk-";

/// Headers about the connection to the edge (RFC 9110, 7.6.1; RFC 9113, 8.2.2). `te` and the authority are the next
/// hop's own.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes reserved headers, those about the connection, and those that `connection` names.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers.get_all(header::CONNECTION).iter().flat_map(names_in).collect();
    let reserved: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(RESERVED_PREFIX)).cloned().collect();
    for name in HOP_BY_HOP.iter().chain(&named).chain(&reserved) {
        headers.remove(name);
    }
}

fn names_in(list: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    list.as_bytes().split(|byte| *byte == b',').filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(headers: &[(&str, &str)]) -> Vec<String> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let mut headers: HeaderMap<HeaderValue> = headers.collect();
        strip(&mut headers);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn reserved_headers_stay_outside_whatever_their_case_and_number() {
        assert_eq!(
            stripped(&[("X-Souk-Role", "operator"), ("x-souk-role", "admin"), ("x-souk-trace-bin", "")]),
            [""; 0]
        );
    }

    #[test]
    fn headers_about_the_connection_stay_outside_with_those_that_it_names() {
        let headers = [("connection", "close, X-Hop"), ("x-hop", "1"), ("te", "trailers"), ("host", "shop")];
        assert_eq!(stripped(&headers), [""; 0]);
    }

    #[test]
    fn the_callers_own_headers_go_along() {
        let headers = [("authorization", "Bearer a"), ("x-soukish", "1"), ("data-bin", "AAE"), ("user-agent", "t")];
        assert_eq!(stripped(&headers).len(), headers.len());
    }
}
