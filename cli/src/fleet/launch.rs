//! The command that starts a replica: this very program, as `souk service NAME`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use mesh::process;
use rustix::process::Signal;

use super::{
    lines::{Label, Reading, Written, reading},
    options::Options,
    plan::{Place, Plan},
    services::SERVICES,
};
use crate::shop::Data;

/// What a process may take to end beyond its drain: it closes its database, and the machine may be busy.
const END_MAX: Duration = Duration::from_secs(5);

/// The program that runs, wherever its file is now.
const THIS_IMAGE: &str = "/proc/self/exe";

/// What every replica is started with.
#[derive(Debug)]
pub(super) struct Launch {
    program: PathBuf,
    /// By service.
    databases: HashMap<&'static str, String>,
    /// By name of a replica.
    labels: HashMap<String, Label>,
    /// By service.
    indexes: HashMap<&'static str, PathBuf>,
    /// By service: a variable and what it says.
    keys: HashMap<&'static str, (&'static str, String)>,
    /// The options that say where the services are, for whoever calls them.
    targets: HashMap<&'static str, String>,
    process: process::Options,
    reading: Reading,
}

impl Launch {
    pub(super) fn new(options: &Options, plan: &Plan, data: &Data) -> anyhow::Result<(Self, Written)> {
        let mut databases = HashMap::new();
        for service in SERVICES.iter().filter(|service| service.data) {
            databases.insert(service.name, options.shop.database_of(service.name, data)?);
        }
        let mut keys = HashMap::new();
        for service in &SERVICES {
            if let Some((variable, made)) = service.keys {
                keys.insert(service.name, (variable, made(data)?));
            }
        }
        let indexed = SERVICES.iter().filter(|service| service.index);
        let indexes = indexed.map(|service| (service.name, data.folder(service.name))).collect();
        let mut process = options.process.clone();
        if process.cores == 0 {
            process.cores = share(plan.places.len());
        }
        let width = plan.places.iter().map(|place| place.name.len()).max().unwrap_or_default();
        let labels = plan.places.iter().enumerate().map(|(index, place)| {
            (place.name.clone(), Label::new(&place.name, index, width, options.process.log_format))
        });
        let targets =
            SERVICES.iter().filter_map(|service| Some((service.name, plan.target(service.name)?.to_string())));
        let (reading, written) = reading();
        let program = std::env::current_exe().context("find the program that runs")?;
        let (labels, targets) = (labels.collect(), targets.collect());
        Ok((Self { program, databases, indexes, keys, labels, targets, process, reading }, written))
    }

    /// The command of a replica, whose listeners and output are for the caller to add.
    pub(super) fn command(&self, place: &Place) -> Command {
        let mut command = Command::new(self.program());
        command.args(["service", "--child-of", &std::process::id().to_string(), place.service.name]);
        for (name, socket) in &place.sockets {
            command.arg(format!("--{name}")).arg(socket.address().to_string());
        }
        for target in place.service.calls {
            if let Some(address) = self.targets.get(target.name()) {
                command.args([format!("--{target}-target"), address.clone()]);
            }
        }
        let process::Options { log, log_format, drain_delay, drain_grace, cores, trust_domain, namespace, token_keys } =
            &self.process;
        let milliseconds = |time: &Duration| format!("{}ms", time.as_millis());
        command.args(["--output", "json", "--log", log, "--log-format", &log_format.to_string()]);
        command.args(["--drain-delay", &milliseconds(drain_delay), "--drain-grace", &milliseconds(drain_grace)]);
        command.args(["--cores", &cores.to_string(), "--trust-domain", trust_domain, "--namespace", namespace]);
        command.args(["--token-keys", &token_keys.to_string()]);
        // An address may hold a password, and keys are secret: neither is anybody's to read in the list of processes.
        command.env_remove("SOUK_DATABASE").env_remove("DATABASE_URL");
        if let Some((variable, keys)) = self.keys.get(place.service.name) {
            command.env(variable, keys);
        }
        if let Some(url) = self.databases.get(place.service.name) {
            command.env("DATABASE_URL", url);
        }
        if let Some(folder) = self.indexes.get(place.service.name) {
            command.env("INDEX_DIR", folder);
        }
        command
    }

    pub(super) fn label(&self, place: &Place) -> Option<&Label> {
        self.labels.get(&place.name)
    }

    pub(super) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// How long a process may take to end that was sent this signal.
    pub(super) fn patience(&self, signal: Signal) -> Duration {
        let delay = if signal == Signal::TERM { self.process.drain_delay } else { Duration::ZERO };
        delay + self.process.drain_grace + END_MAX
    }

    /// The file that this program was started from, which a newer one may have replaced: then that is what the next
    /// process runs. While there is none, the program that runs now.
    fn program(&self) -> &Path {
        if self.program.is_file() { &self.program } else { Path::new(THIS_IMAGE) }
    }
}

/// The event loops of each of `processes`: together as many as there are processors, as far as that goes. More than that cost
/// a fifth more CPU a call (five processes on two processors: 286 instead of 242 µs) and answered no more of them.
fn share(processes: usize) -> usize {
    let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (processors / processes.max(1)).max(1)
}
