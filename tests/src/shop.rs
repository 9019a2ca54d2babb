//! The whole shop in one process.

use std::{ops, path::Path};

use tempfile::TempDir;

use crate::Running;

/// `souk serve`, answering.
#[derive(Debug)]
pub struct Shop {
    /// Where the web pages are.
    pub http: String,
    /// Where the edge is.
    pub grpc: String,
    /// Where health and metrics are.
    pub admin: String,
    running: Running,
    _data: Option<TempDir>,
}

impl Shop {
    /// Opens a shop on a data directory of its own.
    ///
    /// # Panics
    /// If it does not open.
    pub async fn open(more: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a directory for the data");
        let mut shop = Self::open_on(data.path(), more).await;
        shop._data = Some(data);
        shop
    }

    /// Opens a shop on a directory that is there.
    ///
    /// # Panics
    /// If it does not open.
    pub async fn open_on(data: &Path, more: &[&str]) -> Self {
        let mut running = Self::start_on(data, more);
        let listening = running.listening().await;
        let at = |port: &str| listening[port].as_str().expect("an address").to_owned();
        Self { http: at("http"), grpc: at("grpc"), admin: at("admin"), running, _data: None }
    }

    /// Starts one without waiting for it, on free ports.
    ///
    /// # Panics
    /// If the path is not UTF-8.
    #[must_use]
    pub fn start_on(data: &Path, more: &[&str]) -> Running {
        let data = data.to_str().expect("a path in UTF-8");
        let free = "127.0.0.1:0";
        let arguments = ["serve", "--data", data, "--output", "json", "--http", free, "--grpc", free, "--admin", free];
        let keys = test_operator::keys().to_string();
        Running::start(&[&arguments[..], &["--token-keys", &keys], more].concat(), &[])
    }
}

impl ops::Deref for Shop {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl ops::DerefMut for Shop {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}
