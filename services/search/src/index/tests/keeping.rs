//! The keeper: commits, publishes, takes over, and begins anew.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use mesh::Drain;
use mesh::drain::Phase;
use prometheus_client::metrics::histogram::Histogram;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::fixture::{made, product, stock};
use crate::index::change::Pending;
use crate::index::schema::VERSION;
use crate::index::volume::{Payload, Volume};
use crate::index::{Change, Cursor, Feed, Index, Measures, Restarted, keep};

const PATIENCE: Duration = Duration::from_secs(30);

/// A place in a feed.
fn at(text: &str) -> Cursor {
    Cursor { text: text.to_owned(), position: 7 }
}

/// An index that is kept, and what stops it.
struct Kept {
    index: Index,
    drain: Drain,
    keeper: JoinHandle<()>,
    measures: Measures,
}

impl Kept {
    fn start(folder: &Path) -> Self {
        let (index, drain) = (Index::default(), Drain::default());
        let measures = Measures {
            documents: Default::default(),
            stale: Default::default(),
            lag: Histogram::new([1.0]),
            commits: Histogram::new([1.0]),
            rebuilds: Default::default(),
        };
        let keeper = tokio::spawn(keep(index.clone(), folder.to_owned(), drain.clone(), measures.clone()));
        Self { index, drain, keeper, measures }
    }

    async fn stop(self) {
        self.drain.advance(Phase::Leaving);
        self.keeper.await.unwrap();
    }

    /// Waits until this index writes, and says in which epoch.
    async fn writing(&self) -> u64 {
        let mut status = self.index.status();
        let waited = timeout(PATIENCE, status.wait_for(|status| status.writing)).await;
        waited.expect("it never writes").unwrap().epoch
    }

    /// Waits until so many products are found.
    async fn finds(&self, products: u64) {
        let mut status = self.index.status();
        let found = async {
            while self.index.view().is_none_or(|view| view.live != products) {
                status.changed().await.unwrap();
            }
        };
        timeout(PATIENCE, found).await.expect("they are never found");
    }

    /// Both feeds from nothing, with these products and no stock.
    async fn fill(&self, changes: Vec<Change>) {
        let epoch = self.writing().await;
        for feed in Feed::ALL {
            assert_eq!(self.index.cursor(feed), (epoch, None));
            self.index.begin_snapshot(epoch, feed).unwrap();
        }
        self.index.apply(epoch, Feed::Products, changes, None, 1).await.unwrap();
        self.index.end_snapshot(epoch, Feed::Products, at("p1"), 1).unwrap();
        self.index.end_snapshot(epoch, Feed::Stock, at("s1"), 1).unwrap();
    }
}

#[tokio::test]
async fn nothing_answers_until_every_feed_was_followed_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::start(folder.path());
    let epoch = kept.writing().await;
    kept.index.begin_snapshot(epoch, Feed::Products).unwrap();
    kept.index.begin_snapshot(epoch, Feed::Stock).unwrap();
    kept.index.apply(epoch, Feed::Products, vec![made("lamp", 1, product("Lamp"))], None, 1).await.unwrap();
    kept.index.end_snapshot(epoch, Feed::Products, at("p1"), 1).unwrap();
    kept.index.apply(epoch, Feed::Products, vec![made("mug", 1, product("Mug"))], Some(at("p2")), 1).await.unwrap();
    // The stock's snapshot ends last, so whatever was committed until then was not shown.
    assert!(!kept.index.status().borrow().ready && kept.index.view().is_none());
    kept.index.end_snapshot(epoch, Feed::Stock, at("s1"), 1).unwrap();
    kept.finds(2).await;
    assert!(kept.index.status().borrow().ready);
    assert_eq!(kept.index.cursor(Feed::Products).1, Some(at("p2")));
    kept.stop().await;
}

#[tokio::test]
async fn a_first_build_that_was_interrupted_ends_with_the_feed_that_was_missing() {
    let folder = tempfile::tempdir().unwrap();
    let mut volume = Volume::open(&folder.path().join("index")).unwrap();
    assert!(volume.lock().unwrap());
    let mut pending = Pending::default();
    pending.add(made("lamp", 1, product("Lamp")), true);
    let payload = Payload { version: VERSION, cursors: [Some(at("p1")), None], ..Payload::default() };
    volume.commit(pending, &payload, 1).unwrap();
    drop(volume);
    let kept = Kept::start(folder.path());
    let epoch = kept.writing().await;
    assert_eq!(kept.index.cursor(Feed::Products).1, Some(at("p1")));
    assert!(kept.index.view().is_none());
    kept.index.begin_snapshot(epoch, Feed::Stock).unwrap();
    kept.index.end_snapshot(epoch, Feed::Stock, at("s1"), 1).unwrap();
    kept.finds(1).await;
    kept.stop().await;
}

#[tokio::test]
async fn a_restart_answers_at_once_and_goes_on_from_its_cursors() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::start(folder.path());
    kept.fill(vec![made("lamp", 1, product("Lamp"))]).await;
    kept.finds(1).await;
    kept.stop().await;
    let kept = Kept::start(folder.path());
    kept.finds(1).await;
    let epoch = kept.writing().await;
    assert_eq!(kept.index.cursor(Feed::Products), (epoch, Some(at("p1"))));
    assert_eq!(kept.index.cursor(Feed::Stock), (epoch, Some(at("s1"))));
    kept.index.apply(epoch, Feed::Products, vec![made("mug", 1, product("Mug"))], Some(at("p2")), 1).await.unwrap();
    kept.finds(2).await;
    kept.stop().await;
}

#[tokio::test]
async fn an_index_whose_folder_is_deleted_answers_on_and_is_built_anew() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::start(folder.path());
    kept.fill(vec![made("lamp", 1, product("Lamp")), made("mug", 1, product("Mug"))]).await;
    kept.finds(2).await;
    let before = kept.index.status().borrow().epoch;
    std::fs::remove_dir_all(folder.path()).unwrap();
    let mut status = kept.index.status();
    timeout(PATIENCE, status.wait_for(|status| status.epoch > before)).await.unwrap().unwrap();
    assert!(kept.index.freshness(1).stale);
    assert_eq!(kept.index.apply(before, Feed::Products, vec![], Some(at("p9")), 1).await, Err(Restarted));
    let epoch = kept.writing().await;
    kept.index.begin_snapshot(epoch, Feed::Products).unwrap();
    kept.index.apply(epoch, Feed::Products, vec![made("mug", 1, product("Mug"))], None, 1).await.unwrap();
    // What was there before is still what answers.
    assert_eq!(kept.index.view().unwrap().live, 2);
    assert!(kept.index.status().borrow().ready);
    kept.index.end_snapshot(epoch, Feed::Products, at("p5"), 1).unwrap();
    kept.index.begin_snapshot(epoch, Feed::Stock).unwrap();
    kept.index.end_snapshot(epoch, Feed::Stock, at("s5"), 1).unwrap();
    kept.finds(1).await;
    assert!(!kept.index.freshness(1).stale);
    assert_eq!(kept.measures.rebuilds.get(), 1);
    kept.stop().await;
}

#[tokio::test]
async fn an_index_that_turns_out_to_be_damaged_answers_no_more_and_is_built_anew() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::start(folder.path());
    kept.fill(vec![made("lamp", 1, product("Lamp"))]).await;
    kept.finds(1).await;
    // A suspicion without a reason changes nothing.
    kept.index.suspect();
    let epoch = kept.writing().await;
    kept.index.apply(epoch, Feed::Products, vec![made("mug", 1, product("Mug"))], Some(at("p2")), 1).await.unwrap();
    kept.finds(2).await;
    for entry in std::fs::read_dir(folder.path().join("index")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "store") {
            let byte = std::fs::read(&path).unwrap()[0];
            // In place: whoever has the file mapped sees it.
            let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all(&[byte ^ 1]).unwrap();
        }
    }
    kept.index.suspect();
    let mut status = kept.index.status();
    timeout(PATIENCE, status.wait_for(|status| !status.ready && status.epoch > epoch)).await.unwrap().unwrap();
    kept.fill(vec![made("lamp", 1, product("Lamp")), made("mug", 1, product("Mug"))]).await;
    kept.finds(2).await;
    kept.stop().await;
}

#[tokio::test]
async fn a_successor_answers_beside_its_predecessor_and_takes_over_when_that_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let old = Kept::start(folder.path());
    old.fill(vec![made("lamp", 1, product("Lamp"))]).await;
    old.finds(1).await;
    let new = Kept::start(folder.path());
    new.finds(1).await;
    let epoch = old.writing().await;
    old.index.apply(epoch, Feed::Products, vec![made("mug", 1, product("Mug"))], Some(at("p2")), 1).await.unwrap();
    new.finds(2).await;
    assert!(!new.index.status().borrow().writing);
    // Bookmarks alone are no commits, and are heard all the same.
    for feed in Feed::ALL {
        old.index.heard(feed, 77);
    }
    let heard = async {
        while new.index.freshness(77).heard_us != Some(77) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, heard).await.expect("it is never told");
    old.stop().await;
    let epoch = new.writing().await;
    assert_eq!(new.index.cursor(Feed::Products), (epoch, Some(at("p2"))));
    new.stop().await;
}

#[tokio::test]
async fn a_snapshot_into_an_index_that_answers_prunes_it_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::start(folder.path());
    kept.fill(vec![made("lamp", 7, product("Lamp")), made("mug", 1, product("Mug"))]).await;
    kept.finds(2).await;
    let epoch = kept.writing().await;
    assert!(!kept.index.freshness(1).stale);
    kept.index.begin_snapshot(epoch, Feed::Products).unwrap();
    assert!(kept.index.freshness(1).stale);
    assert_eq!(kept.index.cursor(Feed::Products).1, None, "a snapshot is taken as a whole");
    let changes = vec![made("mug", 1, product("Mug")), made("jug", 1, product("Jug"))];
    kept.index.apply(epoch, Feed::Products, changes, None, 1).await.unwrap();
    kept.finds(3).await;
    kept.index.end_snapshot(epoch, Feed::Products, at("p8"), 1).unwrap();
    // A change right behind the end belongs to what is.
    kept.index.apply(epoch, Feed::Products, vec![made("cup", 1, product("Cup"))], Some(at("p9")), 1).await.unwrap();
    kept.index.apply(epoch, Feed::Stock, vec![stock("cup", 1, true)], Some(at("s2")), 1).await.unwrap();
    let names = async {
        loop {
            let view = kept.index.view().unwrap();
            if view.find("cup").unwrap().is_some() && view.live == 3 {
                return view;
            }
            tokio::task::yield_now().await;
        }
    };
    let view = timeout(PATIENCE, names).await.unwrap();
    assert!(view.find("jug").unwrap().is_some() && !kept.index.freshness(1).stale);
    kept.stop().await;
}

#[tokio::test]
async fn a_feed_that_is_silent_for_half_a_minute_makes_answers_stale() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::start(folder.path());
    kept.fill(vec![made("lamp", 1, product("Lamp"))]).await;
    kept.finds(1).await;
    let s = 1_000_000;
    kept.index.heard(Feed::Products, 20 * s);
    kept.index.heard(Feed::Stock, 10 * s);
    let fresh = |now_us| (kept.index.freshness(now_us).stale, kept.index.freshness(now_us).heard_us);
    assert_eq!(fresh(40 * s), (false, Some(10 * s)));
    assert_eq!(fresh(40 * s + 1), (true, Some(10 * s)));
    kept.stop().await;
}
