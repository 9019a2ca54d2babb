//! Carts and orders: how many a second, how soon, what an order costs, and what there was no more of.
//!
//! Everything is on all cores: the services, PostgreSQL and the shoppers, who call the edge as internal clients do.

mod cost;
mod shopper;

use std::{fmt::Write as _, time::Duration};

use tokio::time::Instant;

use cost::{Books, Spent};
use shopper::{Shoppers, Times};

use super::{
    Options,
    client::Client,
    fixture::Fixture,
    progress,
    shop::{Place, Shop},
};

/// Different products that are bought.
const PRODUCTS: u32 = 200;
/// Lines of each cart.
const LINES: u32 = 2;
/// Shoppers at once: as many as a busy shop has, few enough that a latency is not their own queue, and one alone.
const CROWD: u8 = 128;
const FEW: u8 = 8;
const ALONE: u8 = 1;
/// Orders of the one that is alone.
const ORDERS_ALONE: u32 = 300;

/// What was measured of one topology on one database.
#[derive(Debug)]
struct Measured {
    name: String,
    added: Times,
    crowd: Times,
    few: Times,
    alone: Times,
    /// From the crowd's first order until the last one was captured.
    captured_in: Duration,
    spent: Spent,
}

/// The section, as Markdown; `server` is a PostgreSQL server with an empty database a service.
pub(super) fn report(options: &Options, fixture: &Fixture, server: Option<&str>) -> anyhow::Result<String> {
    let orders = (options.requests / 100).max(u32::from(CROWD));
    let mut measured = Vec::new();
    for (database, server) in [("SQLite", None), ("PostgreSQL", server)] {
        if database == "PostgreSQL" && server.is_none() {
            continue;
        }
        let data = fixture.folder().join(format!("orders-{database}")).to_string_lossy().into_owned();
        let place = Place::on_all_cores(&data, server);
        progress(format_args!("orders: {database}, a process a service"));
        measured.push(measure(format!("{database}, a process a service"), &Shop::in_processes(&place)?, orders)?);
        progress(format_args!("orders: {database}, one process"));
        measured.push(measure(format!("{database}, one process"), &Shop::in_one(&place)?, orders)?);
    }
    write(&measured, orders)
}

fn measure(name: String, shop: &Shop, orders: u32) -> anyhow::Result<Measured> {
    let edge = shop.edge()?.address("grpc")?.to_owned();
    Client::connect(&edge, &edge)?.fill(PRODUCTS)?;
    let shoppers = Shoppers::connect(&edge)?;
    shoppers.wait_for_products(PRODUCTS)?;
    let (carts, added) = shoppers.fill_carts(CROWD, 2 * orders + ORDERS_ALONE, LINES, PRODUCTS)?;
    let mut wishes = shoppers.quote(CROWD, carts)?;
    let (alone, few) = (wishes.split_off(2 * orders as usize), wishes.split_off(orders as usize));
    let books = Books::open(shop, &shoppers)?;
    let before = books.read()?;
    let begun = Instant::now();
    let crowd = shoppers.place(CROWD, wishes)?;
    books.wait_for_captures(&shoppers, &before, orders)?;
    let captured_in = begun.elapsed();
    let spent = books.read()?.since(&before, orders, captured_in)?;
    let few = shoppers.place(FEW, few)?;
    let alone = shoppers.place(ALONE, alone)?;
    Ok(Measured { name, added, crowd, few, alone, captured_in, spent })
}

fn write(measured: &[Measured], orders: u32) -> anyhow::Result<String> {
    let mut text = String::from("## Carts and orders\n\n");
    writeln!(
        text,
        "Services, PostgreSQL and shoppers share all cores; calls go through the edge. An order is a cart of {LINES} lines,"
    )?;
    writeln!(
        text,
        "quoted, and a card of its own; it is placed when PlaceOrder answers CONFIRMED or later. {orders} orders a cell.\n"
    )?;
    writeln!(
        text,
        "| | added to carts a second, {CROWD} shoppers | p99 | orders a second, {CROWD} shoppers | to the capture | {FEW} shoppers | p50 | p99 | alone p50 | alone p99 |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|---|---|---|---|")?;
    for Measured { name, added, crowd, few, alone, captured_in, .. } in measured {
        let captured = f64::from(orders) / captured_in.as_secs_f64();
        writeln!(
            text,
            "| {name} | {:.0} | {} | {:.0} | {captured:.0} | {:.0} | {} | {} | {} | {} |",
            added.per_second(),
            ms(added.at(99)),
            crowd.per_second(),
            few.per_second(),
            ms(few.at(50)),
            ms(few.at(99)),
            ms(alone.at(50)),
            ms(alone.at(99)),
        )?;
    }
    writeln!(text, "\n### Where the time goes: {CROWD} shoppers, from the first order to the last capture\n")?;
    writeln!(text, "| | CPU an order: services | PostgreSQL | shoppers | cores busy with it |\n|---|---|---|---|---|")?;
    for Measured { name, spent, .. } in measured {
        let [services, postgres, shoppers] = spent.cpu.map(|cpu| format!("{:.2} ms", cpu.as_secs_f64() * 1_000.0));
        writeln!(text, "| {name} | {services} | {postgres} | {shoppers} | {:.2} of {} |", spent.busy, cost::cores())?;
    }
    writeln!(text)?;
    for Measured { name, spent, .. } in measured {
        writeln!(text, "### What an order costs: {name}\n\n{spent}")?;
    }
    Ok(text)
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}
