//! Runs searches on threads that may block, a few at a time.
//!
//! A search takes memory-mapped pages that may not be there, so it must not hold up an event loop. As many run as there are
//! processors; some more wait; whoever comes beyond that is refused at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// How many wait for each that runs.
const WAITING_FOR_EACH: usize = 64;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    threads: Handle,
    running: Arc<Semaphore>,
    inside: Arc<AtomicUsize>,
    inside_max: usize,
}

/// Why something was not run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PoolError {
    #[error("too many are waiting")]
    Full,
    #[error("the work panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

/// Counts one out, also when its caller gives up.
struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    /// One that runs `size` at a time, on the blocking threads of a runtime.
    pub(crate) fn new(threads: Handle, size: usize) -> Self {
        let running = Arc::new(Semaphore::new(size));
        Self { threads, running, inside: Arc::default(), inside_max: size * (1 + WAITING_FOR_EACH) }
    }

    /// Runs `work`, once it is its turn.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let inside = Inside(Arc::clone(&self.inside));
        if self.inside.fetch_add(1, Ordering::Relaxed) >= self.inside_max {
            return Err(PoolError::Full);
        }
        // Nobody closes it.
        let Ok(turn) = Arc::clone(&self.running).acquire_owned().await else { return Err(PoolError::Full) };
        // Both go with the work: it goes on where its caller has given up.
        let ran = self.threads.spawn_blocking(move || {
            let done = work();
            drop((turn, inside));
            done
        });
        ran.await.map_err(PoolError::Panicked)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn who_comes_when_all_places_are_taken_is_refused_and_gives_no_place_away() {
        let pool = Pool::new(Handle::current(), 1);
        let (go, wait) = mpsc::channel::<()>();
        let (started, mut has_started) = tokio::sync::oneshot::channel();
        let mut inside = vec![tokio::spawn({
            let pool = pool.clone();
            async move {
                pool.run(move || {
                    started.send(()).unwrap();
                    wait.recv().unwrap();
                })
                .await
            }
        })];
        (&mut has_started).await.unwrap();
        for _ in 0..WAITING_FOR_EACH {
            let pool = pool.clone();
            inside.push(tokio::spawn(async move { pool.run(|| ()).await }));
        }
        while pool.inside.load(Ordering::Relaxed) <= WAITING_FOR_EACH {
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            assert!(matches!(pool.run(|| ()).await, Err(PoolError::Full)));
        }
        inside.pop().unwrap().abort();
        go.send(()).unwrap();
        for one in inside {
            one.await.unwrap().unwrap();
        }
        pool.run(|| ()).await.unwrap();
        while pool.inside.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_panic_is_one_failed_call() {
        let pool = Pool::new(Handle::current(), 1);
        assert!(matches!(pool.run(|| panic!("on purpose")).await, Err(PoolError::Panicked(_))));
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }
}
