//! Three replicas against one, behind one edge: what balancing costs, and how even it is.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::{
    Options,
    fixture::Fixture,
    metrics::counter,
    server::Server,
    variant::{Comparison, Variant},
};

/// The calls that a server has answered, by its own count.
const ANSWERED: &str = "grpc_server_call_duration_seconds_count";

/// The section, as Markdown.
pub(super) fn measure(options: &Options, fixture: &Fixture) -> anyhow::Result<String> {
    let asked = fixture.products.first().context("there is no product to ask for")?;
    let behind = |count: usize| -> anyhow::Result<Vec<Server>> {
        let mut servers = Vec::new();
        for _ in 0..count {
            servers.push(Server::start(&fixture.catalog())?);
        }
        let addresses: anyhow::Result<Vec<_>> = servers.iter().map(|server| server.address("grpc")).collect();
        let edge = Server::start(&Fixture::storefront(&addresses?.join(",")))?;
        servers.push(edge);
        Ok(servers)
    };
    let mut comparison = Comparison::new(vec![
        Variant::new("edge and one catalog", asked.call(), behind(1)?),
        Variant::new("edge and three catalogs", asked.call(), behind(3)?),
    ]);
    comparison.measure("replicas", options.effort(), || Ok(()))?;
    let mut text = format!("## Three replicas against one: GetProduct, {} bytes, through the edge\n\n", asked.bytes);
    writeln!(
        text,
        "All processes of a row share one core, so that three cannot be faster than one: what differs is the cost.\n"
    )?;
    writeln!(text, "{comparison}")?;
    let mut shares = Vec::new();
    if let Some((_edge, catalogs)) = comparison.variants().last().and_then(|three| three.servers().split_last()) {
        for catalog in catalogs {
            shares.push(counter(catalog.address("admin")?, ANSWERED, "GetProduct")?);
        }
    }
    let total: f64 = shares.iter().sum();
    let shares: Vec<_> = shares.iter().map(|share| format!("{:.1} %", 100.0 * share / total)).collect();
    writeln!(text, "Shares of the three, of all {total:.0} calls: {}.\n", shares.join(", "))?;
    Ok(text)
}
