//! The one task that writes the index: commits what waits, publishes views, and begins anew whatever cannot be mended.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use mesh::Drain;
use mesh::drain::Phase;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use rpc::now_us;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Index;
use super::behind::Behind;
use super::change::Pending;
use super::claim::Claim;
use super::suggestions::Suggestions;
use super::volume::{Payload, Volume, VolumeError};

/// The index within its folder: this part of it is ours, to be replaced as a whole.
const VOLUME: &str = "index";
/// Between two commits, at least and at most. A change that comes alone is committed at once.
const COMMIT_INTERVAL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_millis(750));
/// Commits take one part in so many of the time: under an import the index leaves the processors to it, and a product and
/// its stock, which come one after the other, are indexed once.
const COMMIT_SHARE: u32 = 4;
/// How often the folder is looked at, and another writer's commits are.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How often those who only read are told when the feeds were heard from.
const WORD_INTERVAL: Duration = Duration::from_secs(2);
/// Cursors that move without changes are committed this often: they expire in days.
const CURSOR_INTERVAL: Duration = Duration::from_secs(60);
/// Between two tries to make an index on a disk that refuses it.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Between two rounds of forgetting what was deleted long ago.
const FORGET_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// Between two rebuilds of the suggestions, at least; and they take one part in so many of the time.
const SUGGEST_INTERVAL: Duration = Duration::from_secs(2);
const SUGGEST_SHARE: u32 = 10;

/// What the keeper counts. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Measures {
    /// Products that can be found.
    pub(crate) documents: Gauge,
    /// 1 while answers may be out of date.
    pub(crate) stale: Gauge,
    /// How old the oldest change of a commit was when it could be found.
    pub(crate) lag: Histogram,
    pub(crate) commits: Histogram,
    /// How often the index was begun anew.
    pub(crate) rebuilds: Counter,
}

/// Keeps the index in `folder` until the process leaves.
pub(crate) async fn keep(index: Index, folder: PathBuf, drain: Drain, measures: Measures) {
    let (writing, suggesting) = loop {
        match (Behind::start("index"), Behind::start("suggestions")) {
            (Ok(writing), Ok(suggesting)) => break (writing, suggesting),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "no thread can be started for the index; trying again");
                sleep(RETRY_INTERVAL).await;
            }
        }
    };
    let suggesting = tokio::spawn(suggest(index.clone(), suggesting));
    let mut keeper = Keeper {
        index,
        behind: writing,
        folder,
        measures,
        claim: None,
        volume: None,
        useless: false,
        next: None,
        moved: Instant::now(),
        left: None,
        forgotten: None,
    };
    tokio::select! {
        () = keeper.run() => {}
        () = drain.reached(Phase::Leaving) => {}
    }
    // Whoever comes next may write from now on. What is not committed is still in the feeds.
    suggesting.abort();
    keeper.index.shared.status.send_modify(|status| status.writing = false);
    keeper.index.shared.room.notify_waiters();
    let Keeper { claim, volume, .. } = keeper;
    let _gone = tokio::task::spawn_blocking(move || drop((volume, claim))).await;
}

struct Keeper {
    index: Index,
    /// Where the volume is worked on.
    behind: Behind,
    folder: PathBuf,
    measures: Measures,
    /// `None`: another process has it.
    claim: Option<Arc<Claim>>,
    /// `None` while there is none, or the thread behind has it.
    volume: Option<Volume>,
    /// What is on the disk cannot be used, so the next volume is an empty one.
    useless: bool,
    /// When the next commit may begin.
    next: Option<Instant>,
    /// When cursors were last committed.
    moved: Instant,
    /// When word was last left for those who read.
    left: Option<Instant>,
    forgotten: Option<Instant>,
}

impl Keeper {
    async fn run(&mut self) {
        loop {
            if self.is_writing() {
                self.write().await;
            } else if self.take_claim().await {
                self.begin().await;
            } else {
                self.watch().await;
                sleep(LOOK_INTERVAL).await;
            }
        }
    }

    /// Becomes the process that writes, if none is.
    async fn take_claim(&mut self) -> bool {
        if self.claim.as_ref().is_some_and(|claim| claim.holds()) {
            return true;
        }
        self.claim = None;
        let folder = self.folder.clone();
        match tokio::task::spawn_blocking(move || Claim::take(&folder)).await {
            Ok(Ok(claim)) => self.claim = claim.map(Arc::new),
            Ok(Err(error)) => {
                tracing::error!(error = %store::chain(&error), folder = %self.folder.display(), "no index can be kept; trying again");
                sleep(RETRY_INTERVAL).await;
            }
            Err(panic) => tracing::error!(%panic, "taking the lock of the index panicked"),
        }
        self.claim.is_some()
    }

    /// Opens or makes the volume to write, and starts from what is in it.
    async fn begin(&mut self) {
        let folder = self.folder.join(VOLUME);
        let open = if self.useless { Volume::create } else { Volume::open };
        // A reader of the same files is in the way of nobody, but has no use any more.
        self.volume = None;
        let opened = self.behind.run(move || {
            let mut volume = open(&folder)?;
            if volume.lock()? { Ok(volume) } else { Err(VolumeError::Locked) }
        });
        match opened.await {
            Ok(Ok(volume)) => {
                self.useless = false;
                self.index.state().restore(volume.payload());
                self.publish(&volume);
                self.volume = Some(volume);
                self.index.shared.status.send_modify(|status| status.writing = true);
                return;
            }
            Ok(Err(error)) => tracing::error!(error = %store::chain(&error), "no index can be made; trying again"),
            Err(panic) => {
                tracing::error!(%panic, "opening the index panicked; it is built anew");
                self.useless = true;
            }
        }
        sleep(RETRY_INTERVAL).await;
    }

    /// Gives up what is on the disk. Whatever was published goes on answering.
    async fn begin_anew(&mut self, why: &str) {
        tracing::warn!(why, "the index is built anew");
        self.measures.rebuilds.inc();
        self.useless = true;
        {
            let mut state = self.index.state();
            state.restore(&Payload::default());
            self.index.shared.status.send_modify(|status| (status.epoch, status.writing) = (status.epoch + 1, false));
        }
        self.index.shared.room.notify_waiters();
        let broken = self.volume.take();
        let _dropped = self.behind.run(move || drop(broken)).await;
    }

    fn is_writing(&self) -> bool {
        self.index.shared.status.borrow().writing
    }

    /// Runs something that blocks on the volume. `None`: it failed or panicked, and the index has to begin anew.
    async fn blocking<T: Send + 'static>(
        &mut self,
        what: impl FnOnce(&mut Volume) -> Result<T, VolumeError> + Send + 'static,
    ) -> Option<T> {
        let mut volume = self.volume.take()?;
        // A commit that is under way when the process leaves keeps the claim to its end.
        let claim = self.claim.clone();
        let ran = self.behind.run(move || {
            let answer = what(&mut volume);
            drop(claim);
            (volume, answer)
        });
        match ran.await {
            Ok((volume, Ok(answer))) => {
                self.volume = Some(volume);
                Some(answer)
            }
            Ok((volume, Err(error))) => {
                self.volume = Some(volume);
                self.begin_anew(&store::chain(&error)).await;
                None
            }
            Err(panic) => {
                self.begin_anew(&panic.to_string()).await;
                None
            }
        }
    }

    /// While another process writes: shows what it commits.
    async fn watch(&mut self) {
        let (folder, volume) = (self.folder.join(VOLUME), self.volume.take());
        let root = self.folder.clone();
        let looked = self.behind.run(move || {
            let (volume, new) = match volume {
                Some(mut volume) => {
                    let new = volume.reload()?;
                    (volume, new)
                }
                None => (Volume::existing(&folder)?, true),
            };
            Ok((volume, new, Claim::word(&root)))
        });
        // What cannot be read now is being made or replaced by the one who writes.
        let Ok(Ok::<_, VolumeError>((volume, new, word))) = looked.await else { return };
        {
            let mut state = self.index.state();
            state.complete = volume.payload().complete;
            let heard_us = word.max(volume.payload().heard_us);
            state.feeds.iter_mut().for_each(|feed| feed.heard_us = heard_us);
        }
        if new {
            self.publish(&volume);
        }
        self.volume = Some(volume);
    }

    /// Waits for something to commit, commits it, and shows it.
    async fn write(&mut self) {
        let _quiet = timeout(LOOK_INTERVAL, self.index.shared.work.notified()).await;
        if self.index.shared.suspect.swap(false, Ordering::Relaxed) {
            if self.blocking(|volume| volume.check()).await.is_none() {
                // It is damaged, so what was published may be wrong too.
                self.withdraw();
            }
            return;
        }
        if let Some(next) = self.next {
            sleep_until(next).await;
        }
        let is_there = self.volume.as_ref().is_some_and(Volume::is_there);
        if !is_there || !self.claim.as_ref().is_some_and(|claim| claim.holds()) {
            self.begin_anew("its folder is gone").await;
            return;
        }
        self.leave_word();
        let forget = self.forgotten.is_none_or(|last| last.elapsed() >= FORGET_INTERVAL);
        let taken = {
            let mut state = self.index.state();
            let cursors_only = state.moved && self.moved.elapsed() >= CURSOR_INTERVAL;
            let completes = !state.complete && state.feeds.iter().all(|feed| feed.caught_up);
            let ended = state.feeds.iter().any(|feed| feed.ended);
            let due = !state.pending.is_empty() || cursors_only || completes || ended;
            due.then(|| state.take())
        };
        let Some((pending, payload)) = taken else {
            if self.volume.as_ref().is_some_and(Volume::is_unsettled) {
                self.blocking(Volume::settle).await;
            }
            return;
        };
        self.next = Some(Instant::now() + COMMIT_INTERVAL.0);
        self.moved = Instant::now();
        if forget {
            self.forgotten = Some(Instant::now());
        }
        self.index.shared.room.notify_waiters();
        self.commit(pending, payload, forget).await;
    }

    fn leave_word(&mut self) {
        let Some(claim) = self.claim.as_ref().filter(|_| self.left.is_none_or(|left| left.elapsed() >= WORD_INTERVAL))
        else {
            return;
        };
        self.left = Some(Instant::now());
        let heard_us = self.index.state().heard_us();
        if let Some(Err(error)) = heard_us.map(|heard_us| claim.leave_word(heard_us)) {
            tracing::warn!(error = %store::chain(&error), "those who share the index are not told that it is followed");
        }
    }

    async fn commit(&mut self, pending: Pending, payload: Payload, forget: bool) {
        let (oldest_us, begun, now_s) = (pending.oldest_us, Instant::now(), now_us() / 1_000_000);
        let now_s = u64::try_from(now_s).unwrap_or_default();
        let done = self.blocking(move |volume| {
            if forget {
                volume.forget(now_s);
            }
            volume.commit(pending, &payload, now_s)
        });
        if done.await.is_none() {
            return;
        }
        let took = begun.elapsed();
        self.measures.commits.observe(took.as_secs_f64());
        self.next = Some(begun + (took * COMMIT_SHARE).clamp(COMMIT_INTERVAL.0, COMMIT_INTERVAL.1));
        let Some(volume) = &self.volume else { return };
        self.publish(volume);
        if let Some(oldest_us) = oldest_us {
            let lag_us = now_us().saturating_sub(oldest_us).max(0);
            self.measures.lag.observe(Duration::from_micros(lag_us.unsigned_abs()).as_secs_f64());
        }
    }

    /// Shows what the volume has, if it is a whole index.
    fn publish(&self, volume: &Volume) {
        if !self.index.state().complete {
            return;
        }
        let view = Arc::clone(volume.view());
        self.measures.documents.set(i64::try_from(view.live).unwrap_or(i64::MAX));
        *self.index.shared.view.write().unwrap_or_else(PoisonError::into_inner) = Some(view);
        self.index.shared.status.send_modify(|status| (status.ready, status.views) = (true, status.views + 1));
    }

    /// Shows nothing any more.
    fn withdraw(&self) {
        *self.index.shared.view.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.index.shared.status.send_modify(|status| status.ready = false);
    }
}

/// Keeps the suggestions in step with the views.
async fn suggest(index: Index, behind: Behind) {
    let mut status = index.status();
    loop {
        let seen = status.borrow_and_update().views;
        let begun = Instant::now();
        if let Some(view) = index.view() {
            match behind.run(move || Suggestions::read(&view)).await {
                Ok(Ok(suggestions)) => {
                    let suggestions = Arc::new(suggestions);
                    *index.shared.suggestions.write().unwrap_or_else(PoisonError::into_inner) = suggestions;
                }
                Ok(Err(_)) | Err(_) => index.suspect(),
            }
        }
        let pause = SUGGEST_INTERVAL.max(begun.elapsed() * SUGGEST_SHARE);
        if status.wait_for(|status| status.views != seen).await.is_err() {
            return;
        }
        sleep_until(begun + pause).await;
    }
}
