//! Products a second that `souk import` brings into a shop, from reading the file to the answer that they are on disk.
//!
//! The servers and the command share all cores, as they do where a shop is filled.

mod rows;

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{
    Options,
    fixture::Fixture,
    operator, progress,
    server::{Resident, Server},
};

/// A shop that is empty but for the demo catalogue, or quite empty.
struct Shop {
    name: &'static str,
    /// The edge is the last one.
    servers: Vec<Server>,
}

/// What came of an import.
struct Imported {
    per_second: f64,
    created: u32,
    unchanged: u32,
}

/// The section, as Markdown.
pub(super) fn report(options: &Options, fixture: &Fixture, postgres: Option<&[String; 2]>) -> anyhow::Result<String> {
    let file = fixture.folder().join("import.csv");
    let bytes = rows::write(&file, options.rows)?;
    let mib = bytes.div_ceil(1024 * 1024);
    let mut text = format!("## `souk import`: {} rows, {mib} MiB\n\n", options.rows);
    text += "The file is imported twice, the second time into a shop that has all of it. All on all cores:\n\n";
    text += "| | rows a second | again | servers' memory after |\n|---|---|---|---|\n";
    let path = |name: &str| fixture.folder().join(name).display().to_string();
    let sqlite = |name: &str| format!("sqlite:{}", path(name));
    let mut shops: Vec<Box<dyn Fn() -> anyhow::Result<Shop>>> = vec![
        Box::new(|| Shop::whole("SQLite, the whole shop in one process", &path("import"))),
        Box::new(|| Shop::apart("SQLite, a process each", &[sqlite("import-c.db"), sqlite("import-i.db")])),
    ];
    if let Some(urls) = postgres {
        shops.push(Box::new(|| Shop::apart("PostgreSQL, a process each", urls)));
    }
    for open in shops {
        let shop = open()?;
        progress(format_args!("import: {}", shop.name));
        let (first, again) = (shop.import(&file)?, shop.import(&file)?);
        ensure!(first.created == options.rows, "{} of {} rows came in", first.created, options.rows);
        ensure!(again.unchanged == options.rows, "{} of {} rows were there", again.unchanged, options.rows);
        let memory = shop.servers.iter().map(Server::resident).sum::<anyhow::Result<Resident>>()?;
        let (first, again, memory) = (first.per_second, again.per_second, Resident::mib(memory));
        writeln!(text, "| {} | {first:.0} | {again:.0} | {memory:.0} MiB |", shop.name)?;
    }
    Ok(text + "\n")
}

impl Shop {
    fn whole(name: &'static str, data: &str) -> anyhow::Result<Self> {
        Ok(Self { name, servers: vec![Server::start_on_all_cores(&Fixture::shop_on(data))?] })
    }

    /// What an import has to do with, a process each: catalog, inventory, and the edge.
    fn apart(name: &'static str, databases: &[String; 2]) -> anyhow::Result<Self> {
        let [catalog, inventory] = databases;
        let catalog = Server::start_on_all_cores(&Fixture::service("catalog", catalog))?;
        let inventory = Server::start_on_all_cores(&Fixture::service("inventory", inventory))?;
        let mut edge = Fixture::storefront(catalog.address("grpc")?);
        edge.extend(["--inventory-target".to_owned(), inventory.address("grpc")?.to_owned()]);
        let edge = Server::start_on_all_cores(&edge)?;
        Ok(Self { name, servers: vec![catalog, inventory, edge] })
    }

    fn import(&self, file: &Path) -> anyhow::Result<Imported> {
        let edge = self.servers.last().context("there is no edge")?.address("grpc")?;
        let program = std::env::current_exe().context("find this program")?;
        let mut command = Command::new(program);
        command.env("SOUK_TOKEN", operator::token()?);
        command.arg("import").arg(file).args(["--to", edge, "--output", "json"]).stderr(Stdio::null());
        let output = command.output().context("start souk import")?;
        ensure!(output.status.success(), "souk import ended with {}", output.status);
        let report: Value = serde_json::from_slice(&output.stdout).context("read what souk import printed")?;
        let number = |name: &str| report[name].as_str().with_context(|| format!("it says nothing of {name}"));
        Ok(Imported {
            per_second: number("rows_per_second")?.parse()?,
            created: number("created")?.parse()?,
            unchanged: number("unchanged")?.parse()?,
        })
    }
}
