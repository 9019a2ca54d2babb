//! A service as a process of its own: what the `run` of every service has in common.
//!
//! Listeners first, so that a taken port costs no migration; then the admin port, so that a start which waits for its
//! database can be watched; then the service; then one line on standard output when, and only when, it is ready.
//!
//! Listeners may be handed down as systemd does it (`LISTEN_FDS` and `LISTEN_FDNAMES`, sd_listen_fds(3)): by their names,
//! or, if they have none that is known here, in the order grpc, admin, http. What is not handed down is bound.

use std::{error::Error, pin::pin, process::ExitCode};

use crate::{
    Directory, ListenAddress, Output, Process,
    process::{self, ProcessError},
    server::{BindError, Listener},
};

mod inherited;

pub use inherited::InheritError;
use inherited::Inherited;

/// What a service as a process of its own can be told, whatever it serves.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "clap", derive(clap::Args), group(skip))]
pub struct Options {
    /// Where health and metrics are served, in plaintext and read-only
    #[cfg_attr(
        feature = "clap",
        arg(long, env = "ADMIN_ADDR", default_value = "127.0.0.1:9901", value_name = "ADDRESS")
    )]
    pub admin: ListenAddress,
    /// How the printed line looks: text, or json (one object a line)
    #[cfg_attr(feature = "clap", arg(long, default_value_t, value_name = "FORMAT"))]
    pub output: Output,
    /// The process.
    #[cfg_attr(feature = "clap", command(flatten))]
    pub process: process::Options,
}

/// A service could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Threads, telemetry or signals.
    #[error("start the process")]
    Process(#[from] ProcessError),
    /// A listener that was handed down cannot be used.
    #[error("take the listeners of LISTEN_FDS")]
    Inherit(#[from] InheritError),
    /// An address is taken or may not be used.
    #[error("bind a listener")]
    Bind(#[from] BindError),
    /// The service itself.
    #[error("start {service}")]
    Start {
        /// The service.
        service: &'static str,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// One service in its own process, with the listeners it has so far.
#[derive(Debug)]
pub struct Standalone {
    service: &'static str,
    output: Output,
    inherited: Inherited,
    process: Process,
    directory: Directory,
    admin: Listener,
    /// The printed line: the service, then each listener.
    listening: Vec<(&'static str, String)>,
}

impl Standalone {
    /// Starts the process of `service` and binds its admin port.
    ///
    /// # Errors
    /// If a listener cannot be had or the process cannot be started.
    pub fn new(service: &'static str, options: Options) -> Result<Self, RunError> {
        // Before there are threads: it takes the variables out of the environment.
        let mut inherited = Inherited::from_environment()?;
        let admin = inherited.take_or_bind("admin", &options.admin)?;
        let process = Process::start(service, options.process, None)?;
        let listening = vec![("service", service.to_owned()), ("admin", admin.address().to_string())];
        let directory = Directory::default();
        Ok(Self { service, output: options.output, inherited, process, directory, admin, listening })
    }

    /// Binds the listener called `name` at `address`, or takes the one of that name that was handed down.
    ///
    /// # Errors
    /// If the address is taken or may not be used.
    pub fn bind(&mut self, name: &'static str, address: &ListenAddress) -> Result<Listener, RunError> {
        let listener = self.inherited.take_or_bind(name, address)?;
        self.listening.push((name, listener.address().to_string()));
        Ok(listener)
    }

    /// Where health and metrics are served.
    #[must_use]
    pub fn admin(&self) -> &ListenAddress {
        self.admin.address()
    }

    /// Where the services are that this one calls.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Runs the service that `start` starts and serves, until it is told to stop. A signal counts also meanwhile.
    ///
    /// # Errors
    /// If it cannot be started, or a listener was handed down that nobody took.
    pub fn run(
        self,
        start: impl AsyncFnOnce(&Process, &Directory) -> Result<(), Box<dyn Error + Send + Sync>>,
    ) -> Result<ExitCode, RunError> {
        let Self { service, output, inherited, process, directory, admin, listening } = self;
        inherited.finish()?;
        process.serve_admin(admin);
        process.block_on(async {
            let mut stopped = pin!(process.until_stopped());
            let opened = async {
                start(&process, &directory).await.map_err(|source| RunError::Start { service, source })?;
                process.health().ready().await;
                output.print("listening", &listening);
                Ok::<_, RunError>(())
            };
            let stopped = tokio::select! {
                early = stopped.as_mut() => early,
                opened = opened => {
                    opened?;
                    stopped.await
                }
            };
            Ok(stopped.into())
        })
    }
}
