//! What each service holds in memory: empty and idle, with the demo catalogue, and with a large one, after load.

use std::fmt::Write as _;

use super::{
    Options,
    fixture::{Fixture, framed},
    goods,
    load::Call,
    progress,
    shop::{Place, Shop},
};
use contracts::catalog::v1::GetProductRequest;
use prost::Message as _;

/// Products in the large catalogue.
const PRODUCTS: u32 = 100_000;
/// Different ones that are read of it.
const READ: u32 = 100;

/// The section, as Markdown.
pub(super) fn measure(options: &Options, fixture: &Fixture) -> anyhow::Result<String> {
    let empty = fixture.folder().join("empty");
    std::fs::create_dir_all(&empty)?;
    progress(format_args!("memory"));
    let idle = resident(&Shop::in_processes(&Place::pinned(&empty.to_string_lossy()))?)?;
    let demo = loaded(options, fixture, &fixture.data(), &["bench-product-310".to_owned()])?;
    let read: Vec<_> = (0..READ).map(|one| goods::id(one * (PRODUCTS / READ))).collect();
    let many = loaded(options, fixture, &fixture.goods(PRODUCTS)?, &read)?;
    let mut text = String::from("## Resident memory of each service\n\n");
    writeln!(
        text,
        "In MiB, mapped files that are in memory included: of search, its index. The loaded ones have answered"
    )?;
    writeln!(text, "{} home pages and as many GetProduct.\n", options.requests / 10)?;
    writeln!(text, "| | idle, empty | demo catalogue, loaded | {PRODUCTS} products, loaded |\n|---|---|---|---|")?;
    for (((name, idle), (_, demo)), (_, many)) in idle.into_iter().zip(demo).zip(many) {
        writeln!(text, "| {name} | {idle:.1} | {demo:.1} | {many:.1} |")?;
    }
    writeln!(text)?;
    Ok(text)
}

/// Of each process, in MiB.
fn resident(shop: &Shop) -> anyhow::Result<Vec<(&'static str, f64)>> {
    shop.processes().iter().map(|(name, server)| Ok((*name, server.resident()?.mib()))).collect()
}

/// Of each process after some load of pages and products.
fn loaded(
    options: &Options,
    fixture: &Fixture,
    data: &str,
    products: &[String],
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let shop = Shop::in_processes(&Place::pinned(data))?;
    let front = shop.process("storefront")?;
    Call::page("").run(front.address("http")?, options.requests / 10)?;
    let mut requests = Vec::new();
    for (number, product_id) in products.iter().enumerate() {
        let request = GetProductRequest { product_id: product_id.clone() };
        requests.push(fixture.file(&format!("memory-{number}.bin"), &framed(&request.encode_to_vec())?)?);
    }
    Call::grpc(super::calls::METHOD, requests).run(front.address("grpc")?, options.requests / 10)?;
    resident(&shop)
}
