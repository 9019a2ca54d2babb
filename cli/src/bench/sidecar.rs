//! What a proxy beside each process costs: Envoy in front of bare tonic, as one sidecar and as a pair.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::Stdio,
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{
    Options,
    fixture::Fixture,
    server::{Server, pinned},
    variant::{Comparison, Variant},
};

/// The section, as Markdown.
pub(super) fn measure(options: &Options, fixture: &Fixture) -> anyhow::Result<String> {
    let asked = fixture.products.first().context("there is no product to ask for")?;
    let stock = || Server::start(&Fixture::stock(asked));
    let (alone, behind_one, behind_two) = (stock()?, stock()?, stock()?);
    let one = envoy(fixture.folder(), "one", behind_one.address("grpc")?)?;
    let inner = envoy(fixture.folder(), "inner", behind_two.address("grpc")?)?;
    let outer = envoy(fixture.folder(), "outer", inner.address("grpc")?)?;
    let resident = one.resident()?;
    let catalog = Server::start(&fixture.catalog())?;
    let behind_edge = Server::start(&fixture.catalog())?;
    let edge = Server::start(&Fixture::storefront(behind_edge.address("grpc")?))?;
    let mut comparison = Comparison::new(vec![
        Variant::new("stock tonic, bare", asked.call(), vec![alone]),
        Variant::new("the same behind one Envoy", asked.call(), vec![behind_one, one]),
        Variant::new("the same behind two, as between two pods", asked.call(), vec![behind_two, inner, outer]),
        Variant::new("catalog on the mesh, no proxy", asked.call(), vec![catalog]),
        Variant::new("catalog behind the edge, two processes of the mesh", asked.call(), vec![behind_edge, edge]),
    ]);
    comparison.measure("sidecars", options.effort(), || Ok(()))?;
    let mut text = format!("## Sidecars: GetProduct, {} bytes\n\n", asked.bytes);
    writeln!(
        text,
        "All processes of a row share one core; CPU a call is theirs together. Envoy 1.40 with one worker, no TLS,"
    )?;
    writeln!(text, "no policy, no access log (resident {:.0} MiB each).\n", resident.mib())?;
    writeln!(text, "{comparison}")?;
    Ok(text)
}

/// An Envoy on the servers' core that passes gRPC on to `upstream`.
fn envoy(folder: &Path, name: &str, upstream: &str) -> anyhow::Result<Server> {
    let address = free_address()?;
    let file = folder.join(format!("envoy-{name}.json"));
    std::fs::write(&file, config(&address, upstream)?.to_string()).context("write Envoy's configuration")?;
    let mut child = pinned()
        .args(["envoy", "--disable-hot-restart", "--concurrency", "1", "--log-level", "info", "-c"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("start taskset (Debian: util-linux)")?;
    let log = child.stderr.take().context("read Envoy's log")?;
    let server = Server::foreign(child, &address);
    let mut last = "nothing".to_owned();
    for line in BufReader::new(log).lines() {
        last = line.context("read Envoy's log")?;
        if last.contains("starting main dispatch loop") {
            return Ok(server);
        }
    }
    bail!("envoy ended before it listened (tests/peers/install envoy puts it where PATH should look); it said: {last}")
}

/// Free a moment ago, and nobody else takes ports here.
fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// HTTP/2 in and out, one route.
fn config(address: &str, upstream: &str) -> anyhow::Result<Value> {
    let manager =
        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    let options = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    Ok(json!({
        "static_resources": {
            "listeners": [{
                "address": socket(address)?,
                "filter_chains": [{ "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": manager,
                        "stat_prefix": "inbound",
                        "codec_type": "HTTP2",
                        "route_config": { "virtual_hosts": [{
                            "name": "all",
                            "domains": ["*"],
                            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "service", "timeout": "0s" } }]
                        }] },
                        "http_filters": [{ "name": "envoy.filters.http.router", "typed_config": { "@type": router } }]
                    }
                }] }]
            }],
            "clusters": [{
                "name": "service",
                "type": "STATIC",
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": options,
                        "explicit_http_config": { "http2_protocol_options": {} }
                    }
                },
                "load_assignment": {
                    "cluster_name": "service",
                    "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": socket(upstream)? } }] }]
                }
            }]
        }
    }))
}

fn socket(address: &str) -> anyhow::Result<Value> {
    let (host, port) = address.rsplit_once(':').context("split an address")?;
    let port: u16 = port.parse().context("read a port")?;
    Ok(json!({ "socket_address": { "address": host, "port_value": port } }))
}
