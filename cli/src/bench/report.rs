//! Measures everything and writes it down.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use contracts::{
    catalog::v1::{GetProductRequest, ImportProductsRequest, Product, catalog_service_client::CatalogServiceClient},
    google::r#type::Money,
};
use mesh::{Clients, Directory, Process, Target, client::ClientConfig};
use prost::Message as _;
use tokio::time::Instant;

use super::{
    Options,
    load::{Alone, Call, Sample},
    progress,
    server::{Resident, Server},
};

const CATALOG: Target = Target::new("catalog");
const METHOD: &str = "souk.catalog.v1.CatalogService/GetProduct";
/// The size of the framed answer; the one that this project's targets are for.
const ANSWER_BYTES: usize = 310;
/// How often a start is measured.
const STARTS: usize = 9;

/// One variant's samples, a round each.
#[derive(Debug)]
struct Variant {
    name: &'static str,
    samples: Vec<Sample>,
    alone: Option<Alone>,
}

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    rounds: u32,
    requests: u32,
    variants: Vec<Variant>,
    in_process_ns: Vec<u64>,
    starts: Vec<(&'static str, Duration)>,
    resident: Vec<(&'static str, Resident, Resident)>,
    cold: Option<Duration>,
}

impl Report {
    pub(super) fn measure(options: &Options) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for the data")?;
        let data = folder.path().to_string_lossy().into_owned();
        let bench = Fixture::prepare(folder.path(), &data)?;
        let call = Call { method: METHOD, body: &bench.body };

        let stock = Server::start(&["bench", "stock", &bench.answer.to_string_lossy()])?;
        let catalog = Server::start(&bench.catalog)?;
        let shop = Server::start(&bench.shop)?;
        let servers =
            [("stock tonic, bare", &stock), ("catalog over TCP", &catalog), ("edge and catalog, one process", &shop)];
        let (idle, shop_idle) = (catalog.resident()?, shop.resident()?);
        let mut variants: Vec<_> =
            servers.iter().map(|(name, _)| Variant { name, samples: Vec::new(), alone: None }).collect();
        let mut in_process_ns = Vec::new();
        for round in 1..=options.rounds {
            progress(format_args!("round {round} of {}", options.rounds));
            for (variant, (_, server)) in variants.iter_mut().zip(servers) {
                variant.samples.push(call.load(server, server.address("grpc")?, options.requests)?);
            }
            in_process_ns.push(bench.in_process(options.requests)?);
        }
        for (variant, (_, server)) in variants.iter_mut().zip(servers) {
            variant.alone = Some(call.alone(server.address("grpc")?, 20_000)?);
        }
        let resident = vec![("catalog", idle, catalog.resident()?), ("souk, one process", shop_idle, shop.resident()?)];
        drop((stock, catalog, shop));

        progress(format_args!("starts"));
        let starts =
            vec![("souk service catalog", median_start(&bench.catalog)?), ("souk serve", median_start(&bench.shop)?)];
        let cold = options.cold.as_deref().map(cold_run).transpose()?;
        let Options { rounds, requests, .. } = *options;
        Ok(Self { rounds, requests, variants, in_process_ns, starts, resident, cold })
    }
}

/// A data directory with the demo catalogue and one product whose framed answer has the measured size.
struct Fixture<'a> {
    data: &'a str,
    answer: PathBuf,
    body: PathBuf,
    catalog: Vec<&'a str>,
    shop: Vec<&'a str>,
}

const PRODUCT: &str = "bench-product";

impl<'a> Fixture<'a> {
    fn prepare(folder: &Path, data: &'a str) -> anyhow::Result<Self> {
        let any = "127.0.0.1:0";
        let catalog =
            vec!["service", "catalog", "--database-url", "", "--grpc", any, "--admin", any, "--output", "json"];
        let shop = vec!["serve", "--data", data, "--http", any, "--grpc", any, "--admin", any, "--output", "json"];
        progress(format_args!("a first start, with the demo catalogue"));
        let server = Server::start(&shop)?;
        let answer = make_product(server.address("grpc")?)?;
        drop(server);
        let request = GetProductRequest { product_id: PRODUCT.to_owned() }.encode_to_vec();
        let mut framed = vec![0];
        framed.extend_from_slice(&u32::try_from(request.len())?.to_be_bytes());
        framed.extend_from_slice(&request);
        let (answer_file, body) = (folder.join("answer.bin"), folder.join("request.bin"));
        std::fs::write(&answer_file, answer)?;
        std::fs::write(&body, framed)?;
        let url: &'static str = Box::leak(format!("sqlite:{data}/catalog.db").into_boxed_str());
        let catalog = catalog.into_iter().map(|word| if word.is_empty() { url } else { word }).collect();
        Ok(Self { data, answer: answer_file, body, catalog, shop })
    }

    /// CPU time of both ends of a call in process, in nanoseconds.
    fn in_process(&self, calls: u32) -> anyhow::Result<u64> {
        let calls = calls.to_string();
        let arguments = ["bench", "in-process", "--data", self.data, "--product", PRODUCT, "--calls", &calls];
        Server::start(&arguments)?.address("nanos_per_call")?.parse().context("read the cost of a call in process")
    }
}

/// Imports the product, twice: the second time with its description as long as the answer's size wants it.
fn make_product(address: &str) -> anyhow::Result<Vec<u8>> {
    let told = mesh::process::Options { log: "warn".into(), cores: 1, ..Default::default() };
    let process = Process::start("bench", told, None)?;
    let directory = Directory::default();
    directory.remote(CATALOG.name(), address.parse()?);
    let descriptors = [contracts::FILE_DESCRIPTOR_SET];
    let clients = Clients::new(&process, &directory, "bench", &[CATALOG], &descriptors, ClientConfig::default())?;
    let mut client = CatalogServiceClient::new(clients.channel(CATALOG)?);
    process.block_on(async {
        let mut description = 100;
        for _ in 0..4 {
            let product = Product {
                product_id: PRODUCT.to_owned(),
                name: "A product to measure with".to_owned(),
                brand: "Souk".to_owned(),
                description: "x".repeat(description),
                price: Some(Money { currency_code: "USD".to_owned(), units: 12, nanos: 500_000_000 }),
                ..Product::default()
            };
            let import = tokio_stream::iter([ImportProductsRequest { products: vec![product] }]);
            client.import_products(import).await?;
            let asked = GetProductRequest { product_id: PRODUCT.to_owned() };
            let answer = client.get_product(asked).await?.into_inner().encode_to_vec();
            let framed = answer.len() + 5;
            if framed == ANSWER_BYTES {
                return Ok(answer);
            }
            description = (description + ANSWER_BYTES).checked_sub(framed).context("the product is too large")?;
        }
        anyhow::bail!("the answer cannot be made {ANSWER_BYTES} bytes long")
    })
}

fn median_start(arguments: &[&str]) -> anyhow::Result<Duration> {
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        times.push(Server::start(arguments)?.started_in());
    }
    times.sort_unstable();
    Ok(times[STARTS / 2])
}

/// `cargo run` in `checkout` with an empty target directory, until the shop answers.
fn cold_run(checkout: &Path) -> anyhow::Result<Duration> {
    progress(format_args!("a cold cargo run"));
    let target = tempfile::tempdir()?;
    let any = "127.0.0.1:0";
    let data = target.path().join("data").to_string_lossy().into_owned();
    let begun = Instant::now();
    let mut child = Command::new("cargo")
        .args(["run", "--quiet", "--locked", "--", "--output", "json", "--data", &data])
        .args(["--http", any, "--grpc", any, "--admin", any])
        .current_dir(checkout)
        .env("CARGO_TARGET_DIR", target.path())
        .stdout(Stdio::piped())
        .spawn()
        .context("start cargo")?;
    let stdout = child.stdout.take().context("read cargo's output")?;
    let first = std::io::BufRead::lines(std::io::BufReader::new(stdout)).next();
    let elapsed = begun.elapsed();
    child.kill()?;
    child.wait()?;
    first.context("cargo run ended before the shop answered")??;
    Ok(elapsed)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn mib(resident: Resident) -> f64 {
    // Resident sizes are far below 2^52 bytes.
    f64::from(u32::try_from(resident.0 / 1024).unwrap_or(u32::MAX)) / 1024.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Benchmarks\n")?;
        writeln!(
            f,
            "Made by `cargo run --release -p cli --features bench -- bench --cold . --out docs/benchmarks.md`"
        )?;
        writeln!(f, "(needs `h2load` and `taskset`; `tests/peers/install h2load`).\n")?;
        writeln!(
            f,
            "Servers are pinned to one core and the load to another; {} requests a measurement, {} rounds in which the\n\
             variants take turns. A cost is the server's CPU time, summed over its threads. The machine is shared and\n\
             noisy: quote ratios, which are of the same round; figures are medians. Without TLS and authorization.\n",
            self.requests, self.rounds
        )?;
        self.write_calls(f)?;
        self.write_process(f)
    }
}

impl Report {
    fn write_calls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## GetProduct, a framed answer of {ANSWER_BYTES} bytes\n")?;
        writeln!(f, "8 connections with 16 streams each; \"alone\" is one call after the other on one connection.\n")?;
        writeln!(f, "| | calls a CPU-second | best | to stock | calls a second | alone p50 | alone p99 |")?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        let stock: Vec<_> = self.variants.iter().take(1).flat_map(|stock| &stock.samples).collect();
        for variant in &self.variants {
            let per_core: Vec<_> = variant.samples.iter().map(|sample| sample.per_core).collect();
            let ratios = variant.samples.iter().zip(&stock).map(|(own, stock)| own.per_core / stock.per_core).collect();
            let best = per_core.iter().copied().fold(0.0, f64::max);
            let per_second = median(variant.samples.iter().map(|sample| sample.per_second).collect());
            let alone = variant.alone.unwrap_or(Alone { p50: Duration::ZERO, p99: Duration::ZERO });
            writeln!(
                f,
                "| {} | {:.0} | {best:.0} | {:.2} | {per_second:.0} | {} us | {} us |",
                variant.name,
                median(per_core),
                median(ratios),
                alone.p50.as_micros(),
                alone.p99.as_micros()
            )?;
        }
        let nanos = self.in_process_ns.iter().map(|nanos| f64::from(u32::try_from(*nanos).unwrap_or(u32::MAX)));
        let micros = median(nanos.collect()) / 1000.0;
        writeln!(
            f,
            "\nIn process, a generated client over the catalog's whole stack: {micros:.1} us of CPU a call, both ends"
        )?;
        writeln!(f, "({:.0} calls a CPU-second).\n", 1_000_000.0 / micros)
    }

    fn write_process(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Start and memory\n")?;
        writeln!(f, "| | start to answering, median of {STARTS} |\n|---|---|")?;
        for (name, time) in &self.starts {
            writeln!(f, "| {name}, database there | {} ms |", time.as_millis())?;
        }
        if let Some(cold) = self.cold {
            writeln!(f, "| `cargo run`, empty target directory, crates downloaded | {} s |", cold.as_secs())?;
        }
        writeln!(f, "\n| resident | idle | after the load |\n|---|---|---|")?;
        for (name, idle, loaded) in &self.resident {
            writeln!(f, "| {name} | {:.1} MiB | {:.1} MiB |", mib(*idle), mib(*loaded))?;
        }
        Ok(())
    }
}
