//! How every replica is, for this process, for whoever asks, and in `DATA/fleet.json`.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use mesh::{Address, ListenAddress};
use serde::Serialize;
use tokio::sync::watch;

use super::{control::SOCKET_FILE, plan::Plan};
use crate::shop::Data;

const FILE: &str = "fleet.json";

/// The state of the whole fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    /// Not everything has answered yet.
    Opening,
    /// Everything has answered once.
    Open,
    /// It is being stopped.
    Draining,
}

/// The state of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Its process runs and has not said yet that it is ready.
    Starting,
    /// It serves.
    Ready,
    /// Its process has died, and the next one waits for its time.
    Down,
    /// It is told to stop.
    Draining,
    /// It has stopped.
    Stopped,
}

/// One replica.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) service: &'static str,
    pub(super) state: State,
    /// The process that serves, or will.
    pub(super) pid: Option<u32>,
    /// The process that is to take over.
    pub(super) successor: Option<u32>,
    /// How often it was started again because it had died.
    pub(super) restarts: u32,
    /// How its last process that died did so.
    pub(super) last_exit: Option<String>,
    #[serde(serialize_with = "written")]
    pub(super) grpc: Option<ListenAddress>,
    #[serde(serialize_with = "written")]
    http: Option<ListenAddress>,
    #[serde(serialize_with = "written")]
    pub(super) admin: Option<ListenAddress>,
}

#[derive(Serialize)]
struct Sheet<'a> {
    state: Phase,
    pid: u32,
    http: String,
    grpc: String,
    data: String,
    control: String,
    replicas: &'a [Row],
    /// The services that run elsewhere, and where.
    external: BTreeMap<&'static str, String>,
}

/// All replicas.
#[derive(Debug)]
pub(super) struct Board {
    data: PathBuf,
    control: PathBuf,
    edge: (String, String),
    external: BTreeMap<&'static str, Address>,
    phase: Cell<Phase>,
    rows: RefCell<Vec<Row>>,
    changed: watch::Sender<()>,
}

impl Board {
    pub(super) fn new(plan: &Plan, data: &Data) -> anyhow::Result<Self> {
        let rows = plan.places.iter().map(|place| Row {
            name: place.name.clone(),
            service: place.service.name,
            state: State::Starting,
            pid: None,
            successor: None,
            restarts: 0,
            last_exit: None,
            grpc: place.address("grpc").cloned(),
            http: place.address("http").cloned(),
            admin: place.address("admin").cloned(),
        });
        let board = Self {
            data: data.path().to_owned(),
            control: data.path().join(SOCKET_FILE),
            external: plan.external.clone(),
            edge: (plan.addresses.http.to_string(), plan.addresses.grpc.to_string()),
            phase: Cell::new(Phase::Opening),
            rows: RefCell::new(rows.collect()),
            changed: watch::Sender::new(()),
        };
        board.write().with_context(|| format!("--data: write {}", board.path().display()))?;
        Ok(board)
    }

    /// Where it is written.
    pub(super) fn path(&self) -> PathBuf {
        self.data.join(FILE)
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// Changes the row of a replica.
    pub(super) fn update(&self, name: &str, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.borrow_mut().iter_mut().find(|row| row.name == name) {
            change(row);
        }
        self.publish();
    }

    pub(super) fn open(&self) {
        self.phase.set(Phase::Open);
        self.publish();
    }

    pub(super) fn drain(&self) {
        self.phase.set(Phase::Draining);
        self.publish();
    }

    /// Every replica, as it is now.
    pub(super) fn rows(&self) -> Vec<Row> {
        self.rows.borrow().clone()
    }

    /// What the file says.
    pub(super) fn json(&self) -> serde_json::Value {
        // Strings and numbers can always be written.
        serde_json::to_value(self.sheet(&self.rows.borrow())).unwrap_or_default()
    }

    /// Every endpoint of a service.
    pub(super) fn target(&self, service: &str) -> Option<Address> {
        if let Some(elsewhere) = self.external.get(service) {
            return Some(elsewhere.clone());
        }
        let rows = self.rows.borrow();
        super::target(rows.iter().filter(|row| row.service == service).filter_map(|row| row.grpc.as_ref()))
    }

    /// The services that run elsewhere, and where.
    pub(super) fn external(&self) -> &BTreeMap<&'static str, Address> {
        &self.external
    }

    /// Every admin port.
    pub(super) fn admins(&self) -> Vec<ListenAddress> {
        self.rows.borrow().iter().filter_map(|row| row.admin.clone()).collect()
    }

    /// Resolves once every replica is ready at the same time.
    pub(super) async fn all_ready(&self) {
        let mut changed = self.changed.subscribe();
        // The sender is this board's own.
        let ready = || self.rows.borrow().iter().all(|row| row.state == State::Ready);
        let _closed = changed.wait_for(|()| ready()).await.is_err();
    }

    /// Takes the file away: there is no fleet any more.
    pub(super) fn remove(&self) {
        let _gone = fs::remove_file(self.path()).is_err();
    }

    fn publish(&self) {
        self.changed.send_replace(());
        if let Err(error) = self.write() {
            tracing::warn!(%error, path = %self.path().display(), "cannot write where everything is");
        }
    }

    /// Replaces the file at once, so that nobody reads half of it.
    fn write(&self) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(&self.sheet(&self.rows.borrow()))?;
        let next = self.data.join(".fleet.json");
        fs::write(&next, text + "\n")?;
        fs::rename(next, self.path())
    }

    fn sheet<'a>(&'a self, replicas: &'a [Row]) -> Sheet<'a> {
        Sheet {
            state: self.phase.get(),
            pid: std::process::id(),
            http: self.edge.0.clone(),
            grpc: self.edge.1.clone(),
            data: self.data.display().to_string(),
            control: self.control.display().to_string(),
            replicas,
            external: self.external.iter().map(|(service, at)| (*service, at.to_string())).collect(),
        }
    }
}

fn written<S: serde::Serializer>(address: &Option<ListenAddress>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(address),
        None => serializer.serialize_none(),
    }
}
