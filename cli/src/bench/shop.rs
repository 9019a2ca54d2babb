//! A whole shop on one data directory: in one process, or as a process a service.

use std::{collections::HashMap, path::Path, rc::Rc};

use anyhow::Context as _;

use super::server::{Cores, Server, souk};
use crate::{
    fleet::services::{SERVICES, Service},
    shop::{Data, database},
};

/// A free port of the loopback interface.
pub(super) const ANY: &str = "127.0.0.1:0";

/// Where a shop keeps what it has, and where it runs.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its data directory.
    data: String,
    /// The PostgreSQL server of its databases; files in the directory without one.
    server: Option<String>,
    cores: Cores,
}

/// A shop that answers; ended when dropped.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    /// Whoever is called before its callers: the storefront is the last.
    processes: Vec<(&'static str, Rc<Server>)>,
}

impl Place {
    /// On the servers' core, for a load that has the other one.
    pub(super) fn pinned(data: &str) -> Self {
        Self { data: data.to_owned(), server: None, cores: Cores::Servers }
    }

    /// On all cores, on this PostgreSQL server where there is one.
    pub(super) fn on_all_cores(data: &str, server: Option<&str>) -> Self {
        Self { data: data.to_owned(), server: server.map(ToOwned::to_owned), cores: Cores::All }
    }
}

impl Shop {
    /// All of it in one process, which opens the demo catalogue where there is none.
    pub(super) fn in_one(place: &Place) -> anyhow::Result<Self> {
        let mut arguments = in_one(&place.data);
        arguments.extend(place.server.iter().flat_map(|server| ["--database".to_owned(), server.clone()]));
        Ok(Self { processes: vec![("souk", Rc::new(Server::spawn(souk(&arguments, place.cores)?)?))] })
    }

    /// A process a service.
    pub(super) fn in_processes(place: &Place) -> anyhow::Result<Self> {
        let folder = Data::open(Path::new(&place.data))?;
        let (mut processes, mut addresses) = (Vec::new(), HashMap::new());
        for service in SERVICES.iter().rev() {
            let mut command = souk(&arguments(service, place, &addresses)?, place.cores)?;
            if let Some((variable, made)) = service.keys {
                command.env(variable, made(&folder)?);
            }
            let server = Server::spawn(command).with_context(|| format!("start {}", service.name))?;
            addresses.insert(service.name, server.address("grpc")?.to_owned());
            processes.push((service.name, Rc::new(server)));
        }
        Ok(Self { processes })
    }

    /// All processes; whoever is called from outside is the last.
    pub(super) fn servers(&self) -> Vec<Rc<Server>> {
        self.processes.iter().map(|(_, server)| Rc::clone(server)).collect()
    }

    /// Whoever is called from outside.
    pub(super) fn edge(&self) -> anyhow::Result<&Server> {
        self.processes.last().map(|(_, server)| &**server).context("there is no process")
    }

    /// The processes with their names.
    pub(super) fn processes(&self) -> &[(&'static str, Rc<Server>)] {
        &self.processes
    }

    /// The process of this service.
    pub(super) fn process(&self, name: &str) -> anyhow::Result<Rc<Server>> {
        let found = self.processes.iter().find(|(service, _)| *service == name);
        found.map(|(_, server)| Rc::clone(server)).with_context(|| format!("there is no process of {name}"))
    }
}

/// The arguments of the whole shop in one process.
pub(super) fn in_one(data: &str) -> Vec<String> {
    words(&["serve", "--data", data, "--http", ANY, "--grpc", ANY, "--admin", ANY, "--output", "json"])
}

/// The arguments of a service that finds the others at these addresses.
fn arguments(service: &Service, place: &Place, addresses: &HashMap<&str, String>) -> anyhow::Result<Vec<String>> {
    let data = &place.data;
    let mut arguments = words(&["service", service.name, "--grpc", ANY, "--admin", ANY, "--output", "json"]);
    if service.front {
        arguments.extend(words(&["--http", ANY]));
    }
    if service.data {
        let url = match &place.server {
            None => format!("sqlite:{data}/{}.db", service.name),
            Some(server) => database::Server::from(server.clone()).database_of(service.name)?,
        };
        arguments.extend(["--database-url".to_owned(), url]);
    }
    if service.index {
        arguments.extend(["--index-dir".to_owned(), format!("{data}/{}", service.name)]);
    }
    for target in service.calls {
        if let Some(address) = addresses.get(target.name()) {
            arguments.extend([format!("--{target}-target"), address.clone()]);
        }
    }
    Ok(arguments)
}

/// Owned ones.
pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
