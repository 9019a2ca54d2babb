//! An index in a folder of its own, written directly.

use tempfile::TempDir;

use crate::index::change::Pending;
use crate::index::volume::{Payload, Volume};
use crate::index::{Change, View};

/// See the module.
pub(crate) struct Shelf {
    volume: Volume,
    pub(crate) now_s: u64,
    _folder: TempDir,
}

impl Default for Shelf {
    fn default() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut volume = Volume::open(folder.path()).unwrap();
        assert!(volume.lock().unwrap());
        Self { volume, now_s: 1_000, _folder: folder }
    }
}

impl Shelf {
    pub(crate) fn commit(&mut self, changes: impl IntoIterator<Item = Change>) {
        let mut pending = Pending::default();
        changes.into_iter().for_each(|change| pending.add(change, false));
        self.commit_pending(pending);
    }

    pub(in crate::index) fn commit_pending(&mut self, pending: Pending) {
        self.volume.commit(pending, &Payload::default(), self.now_s).unwrap();
    }

    pub(crate) fn forget(&mut self) {
        self.volume.forget(self.now_s);
        self.commit_pending(Pending::default());
    }

    pub(crate) fn view(&self) -> &View {
        self.volume.view()
    }

    /// The names of all products that can be found, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (segment, opened) in self.view().segments.iter().enumerate() {
            for doc in opened.live() {
                names.push(self.view().product(crate::index::Address { segment, doc }).unwrap().unwrap().name);
            }
        }
        names.sort();
        names
    }
}
