//! GetProduct against stock tonic, at two sizes, with the writes that an answer takes and what the processes hold.

use std::{fmt::Write as _, process::Command};

use anyhow::{Context as _, ensure};

use super::{
    Options,
    fixture::{Asked, Fixture},
    load::Call,
    progress,
    server::{Resident, Server},
    variant::{Comparison, Variant, median},
};

/// The method that is measured.
pub(super) const METHOD: &str = "souk.catalog.v1.CatalogService/GetProduct";
/// The system calls with which a program writes to a socket.
const WRITES: &str =
    "syscalls:sys_enter_write,syscalls:sys_enter_writev,syscalls:sys_enter_sendto,syscalls:sys_enter_sendmsg";

impl Asked {
    /// The call for this product.
    pub(super) fn call(&self) -> Call {
        Call::grpc(METHOD, vec![self.request.clone()])
    }
}

/// All of it, as Markdown.
pub(super) fn measure(options: &Options, fixture: &Fixture) -> anyhow::Result<String> {
    let mut text = String::new();
    for asked in &fixture.products {
        one_size(options, fixture, asked, &mut text)?;
    }
    Ok(text)
}

fn one_size(options: &Options, fixture: &Fixture, asked: &Asked, text: &mut String) -> anyhow::Result<()> {
    let Asked { bytes, what, .. } = asked;
    let stock = Server::start(&Fixture::stock(asked))?;
    let catalog = Server::start(&fixture.catalog())?;
    let shop = Server::start(&fixture.shop())?;
    let idle = [catalog.resident()?, shop.resident()?];
    let mut comparison = Comparison::new(vec![
        Variant::new("stock tonic, bare", asked.call(), vec![stock]),
        Variant::new("catalog over TCP", asked.call(), vec![catalog]),
        Variant::new("edge and catalog, one process", asked.call(), vec![shop]),
    ]);
    let mut nanos = Vec::new();
    comparison.measure(&format!("{bytes} bytes"), options.effort(), || {
        nanos.push(in_process(fixture, asked, options.requests)?);
        Ok(())
    })?;
    let micros = median(nanos) / 1000.0;
    writeln!(text, "## GetProduct, a framed answer of {bytes} bytes ({what})\n")?;
    writeln!(text, "8 connections with 16 streams each; \"alone\" is one call after the other on one connection.\n")?;
    writeln!(text, "{comparison}")?;
    writeln!(
        text,
        "In process, a generated client over the catalog's whole stack: {micros:.1} us of CPU a call, both ends"
    )?;
    writeln!(text, "({:.0} calls a CPU-second).\n", 1_000_000.0 / micros)?;
    let [stock, catalog, shop] = comparison.variants() else { anyhow::bail!("there are three variants") };
    progress(format_args!("{bytes} bytes: writes"));
    writeln!(text, "| writes a reply (`perf stat`, the system calls of the server) | |\n|---|---|")?;
    for (name, variant) in [("stock tonic", stock), ("catalog", catalog)] {
        let [server] = variant.servers() else { anyhow::bail!("{name} is one process") };
        writeln!(text, "| {name} | {:.3} |", writes_per_reply(server, &asked.call(), options.requests)?)?;
    }
    writeln!(text, "\n| resident | idle | after the load |\n|---|---|---|")?;
    for (name, variant, idle) in [("catalog", catalog, idle[0]), ("souk, one process", shop, idle[1])] {
        let loaded =
            variant.servers().first().map(|server| server.resident()).transpose()?.map_or(f64::NAN, Resident::mib);
        writeln!(text, "| {name} | {:.1} MiB | {loaded:.1} MiB |", idle.mib())?;
    }
    writeln!(text)?;
    Ok(())
}

/// CPU time of both ends of a call in process, in nanoseconds.
fn in_process(fixture: &Fixture, asked: &Asked, calls: u32) -> anyhow::Result<f64> {
    let (data, calls) = (fixture.data(), calls.to_string());
    let arguments = ["bench", "in-process", "--data", &data, "--product", &asked.product_id, "--calls", &calls];
    Server::start(&arguments)?.address("nanos_per_call")?.parse().context("read the cost of a call in process")
}

/// How often the server wrote, for each answer.
fn writes_per_reply(server: &Server, call: &Call, requests: u32) -> anyhow::Result<f64> {
    let counter = Command::new("perf")
        .args(["stat", "-x", ",", "-e", WRITES, "-p", &server.id().to_string()])
        .stderr(std::process::Stdio::piped())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .context("start perf (Debian: linux-perf)")?;
    call.run(server.address("grpc")?, requests)?;
    let id = rustix::process::Pid::from_child(&counter);
    rustix::process::kill_process(id, rustix::process::Signal::INT)?;
    let output = counter.wait_with_output().context("read perf's output")?;
    let counts = String::from_utf8_lossy(&output.stderr);
    let counted: Option<f64> = counts
        .lines()
        .filter(|line| line.contains("sys_enter_"))
        .map(|line| line.split(',').next()?.parse::<f64>().ok())
        .sum();
    let counted = counted.filter(|counted| *counted > 0.0);
    ensure!(counted.is_some(), "perf counted nothing; it needs to be allowed to trace system calls: {counts}");
    Ok(counted.unwrap_or_default() / f64::from(requests))
}
