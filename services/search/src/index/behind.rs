//! A thread that gives way: what runs here, and on the threads that this starts, leaves the processors to whatever a caller
//! waits for. An index that is a second late costs nobody anything; a page that is does.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

/// By how much it is nicer than the rest: a fifth of what it would get where processors are short.
const NICER: i32 = 7;

/// See the module. Dropping it ends the thread once it has nothing left to do.
#[derive(Debug)]
pub(super) struct Behind {
    jobs: mpsc::Sender<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

/// What was run panicked.
#[derive(Debug, thiserror::Error)]
#[error("it panicked: {0}")]
pub(super) struct Panicked(String);

impl Behind {
    /// Starts the thread.
    pub(super) fn start(name: &str) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // On Linux a thread has a niceness of its own, and gives it to those it starts.
            if let Err(error) = rustix::process::nice(NICER) {
                tracing::debug!(%error, "the index is written with as much right as everything else");
            }
            waiting.into_iter().for_each(|job| job());
        })?;
        Ok(Self { jobs })
    }

    /// Runs something there, after whatever was asked before. A caller that gives up does not stop it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (reply, answer) = oneshot::channel();
        let job = move || {
            let ran = catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Panicked(said(&*panic)));
            // Whoever asked may be gone.
            drop(reply.send(ran));
        };
        // The thread lives as long as this does.
        drop(self.jobs.send(Box::new(job)));
        answer.await.unwrap_or_else(|_| Err(Panicked("the thread is gone".to_owned())))
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[tokio::test]
    async fn it_gives_way_and_so_do_the_threads_that_it_starts() {
        let behind = Behind::start("behind").unwrap();
        let (own, of_another) = behind.run(|| (niceness(), thread::spawn(niceness).join().unwrap())).await.unwrap();
        assert_eq!((own, of_another), (niceness() + NICER, niceness() + NICER));
    }

    #[tokio::test]
    async fn a_panic_is_told_and_ends_nothing() {
        let behind = Behind::start("behind").unwrap();
        let panicked = behind.run(|| panic!("no more room")).await;
        assert_eq!(
            panicked.map_err(|panicked: Panicked| panicked.to_string()),
            Err("it panicked: no more room".to_owned())
        );
        assert_eq!(behind.run(|| 1).await.unwrap(), 1);
    }
}
