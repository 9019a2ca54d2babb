//! The threads of a process: one event loop a core for calls, and one in the background for everything that must not
//! wait behind them.
//!
//! A core's loop is a current-thread runtime with the connections it was handed, their handlers and its own outbound
//! connections. The background runtime has database pools, feeds, the exporter and the accept loops.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

/// How often each core's loop proves that it turns.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// A core whose loop has not turned for this long makes the process not live.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// One core's event loop.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) handle: Handle,
    /// Inbound connections that live here.
    pub(crate) connections: AtomicUsize,
    /// Milliseconds after the start of the process when the loop last turned.
    turned_ms: AtomicU64,
}

/// The threads of a process. Dropping them ends the cores' loops.
#[derive(Debug)]
pub struct Threads {
    cores: Arc<[Arc<Core>]>,
    background: Option<Runtime>,
    begun: tokio::time::Instant,
    _stop: Vec<oneshot::Sender<()>>,
}

/// A thread or an event loop could not be made.
#[derive(Debug, thiserror::Error)]
#[error("start an event loop")]
pub struct StartError(#[from] std::io::Error);

impl Threads {
    /// Starts `cores` event loops (0: one a processor) and the background runtime.
    ///
    /// # Errors
    /// If the system refuses a thread or an epoll instance.
    pub fn start(cores: usize) -> Result<Self, StartError> {
        let cores = match cores {
            0 => thread::available_parallelism().map_or(1, std::num::NonZero::get),
            told => told,
        };
        let background =
            Builder::new_multi_thread().worker_threads(2).thread_name("background").enable_all().build()?;
        let begun = tokio::time::Instant::now();
        let (mut started, mut stops) = (Vec::with_capacity(cores), Vec::with_capacity(cores));
        for index in 0..cores {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (stop, stopped) = oneshot::channel::<()>();
            let core = Arc::new(Core {
                handle: runtime.handle().clone(),
                connections: AtomicUsize::new(0),
                turned_ms: AtomicU64::new(0),
            });
            let beating = Arc::clone(&core);
            thread::Builder::new().name(format!("core-{index}")).spawn(move || {
                runtime.block_on(async move {
                    let turn = async {
                        loop {
                            beating.turned_ms.store(millis_since(begun), Ordering::Relaxed);
                            tokio::time::sleep(HEARTBEAT).await;
                        }
                    };
                    // The sender is dropped with the threads.
                    tokio::select! { () = turn => {}, _ = stopped => {} }
                });
            })?;
            started.push(core);
            stops.push(stop);
        }
        Ok(Self { cores: started.into(), background: Some(background), begun, _stop: stops })
    }

    /// The runtime for pools, feeds and whatever else outlives a call.
    ///
    /// # Panics
    /// Never: the runtime is only taken when the threads are dropped.
    #[must_use]
    pub fn background(&self) -> &Handle {
        self.background.as_ref().expect("the background runtime lives as long as the threads").handle()
    }

    /// The cores, to hand sockets to.
    pub(crate) fn cores(&self) -> &Arc<[Arc<Core>]> {
        &self.cores
    }

    /// Runs `future` on the background runtime, from a thread that is none of ours.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.background().block_on(future)
    }

    /// Tells whether the loops turn, without keeping them.
    pub(crate) fn pulse(&self) -> Pulse {
        Pulse { cores: Arc::clone(&self.cores), begun: self.begun }
    }
}

/// Tells whether the cores' loops turn. It is held by tasks of these very threads, so it does not keep them alive.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    cores: Arc<[Arc<Core>]>,
    begun: tokio::time::Instant,
}

impl Pulse {
    /// Whether every core's loop turned within the last ten seconds.
    pub(crate) fn is_felt(&self) -> bool {
        let now = millis_since(self.begun);
        let limit = u64::try_from(STALLED_AFTER.as_millis()).unwrap_or(u64::MAX);
        self.cores.iter().all(|core| now.saturating_sub(core.turned_ms.load(Ordering::Relaxed)) < limit)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A blocking drop inside an async context would panic, and nothing here is worth waiting for any more.
        if let Some(background) = self.background.take() {
            background.shutdown_background();
        }
    }
}

/// The core with the fewest connections.
pub(crate) fn least_loaded(cores: &[Arc<Core>]) -> Option<&Arc<Core>> {
    cores.iter().min_by_key(|core| core.connections.load(Ordering::Relaxed))
}

fn millis_since(begun: tokio::time::Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
