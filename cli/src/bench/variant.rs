//! Variants that take turns: each round measures every one of them, so that a ratio is of one moment.

use std::{fmt, rc::Rc, time::Duration};

use super::{
    Effort,
    load::{Alone, Call, Sample},
    progress,
    server::Server,
};

/// How many calls are made one after the other.
const ALONE: u32 = 20_000;

/// One way to have a call answered, and what was measured of it.
#[derive(Debug)]
pub(super) struct Variant {
    name: String,
    /// All processes that work for an answer; the calls go to the last one.
    servers: Vec<Rc<Server>>,
    /// Under which name that one says where it takes them.
    port: &'static str,
    call: Call,
    samples: Vec<Sample>,
    alone: Option<Alone>,
}

/// Some variants, the first of which is what the others are compared with.
#[derive(Debug)]
pub(super) struct Comparison {
    variants: Vec<Variant>,
}

impl Variant {
    /// A gRPC call to the last of `servers`.
    pub(super) fn new<S: Into<Rc<Server>>>(name: &str, call: Call, servers: Vec<S>) -> Self {
        let servers = servers.into_iter().map(Into::into).collect();
        Self { name: name.to_owned(), servers, port: "grpc", call, samples: Vec::new(), alone: None }
    }

    /// The same to its port for pages.
    pub(super) fn pages<S: Into<Rc<Server>>>(name: &str, page: Call, servers: Vec<S>) -> Self {
        Self { port: "http", ..Self::new(name, page, servers) }
    }

    pub(super) fn servers(&self) -> &[Rc<Server>] {
        &self.servers
    }

    fn address(&self) -> anyhow::Result<&str> {
        self.servers.last().map_or_else(|| anyhow::bail!("{} has no server", self.name), |last| last.address(self.port))
    }
}

impl Comparison {
    pub(super) fn new(variants: Vec<Variant>) -> Self {
        Self { variants }
    }

    pub(super) fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// Measures all variants in turn, `each` once a round beside them.
    pub(super) fn measure(
        &mut self,
        what: &str,
        effort: Effort,
        mut each: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for round in 1..=effort.rounds {
            progress(format_args!("{what}: round {round} of {}", effort.rounds));
            for variant in &mut self.variants {
                let sample = variant.call.load(&variant.servers, variant.address()?, effort.requests)?;
                variant.samples.push(sample);
            }
            each()?;
        }
        for variant in &mut self.variants {
            variant.alone = Some(variant.call.alone(variant.address()?, ALONE.min(effort.requests))?);
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    /// A table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| | CPU a call | calls a CPU-second | to the first | calls a second | alone p50 | alone p99 |")?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        let first: Vec<_> = self.variants.iter().take(1).flat_map(|first| &first.samples).collect();
        for variant in &self.variants {
            let per_core = median(variant.samples.iter().map(|sample| sample.per_core).collect());
            let ratios = variant.samples.iter().zip(&first).map(|(own, first)| own.per_core / first.per_core).collect();
            let per_second = median(variant.samples.iter().map(|sample| sample.per_second).collect());
            let alone = variant.alone.unwrap_or(Alone { p50: Duration::ZERO, p99: Duration::ZERO });
            writeln!(
                f,
                "| {} | {:.1} us | {per_core:.0} | {:.2} | {per_second:.0} | {} us | {} us |",
                variant.name,
                1_000_000.0 / per_core,
                median(ratios),
                alone.p50.as_micros(),
                alone.p99.as_micros()
            )?;
        }
        Ok(())
    }
}

/// The one in the middle.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
