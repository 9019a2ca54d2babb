//! What of the first page is the same for everybody, kept for less than a second.
//!
//! Nobody waits for somebody else's page: while it is fresh enough one visitor renews it and the others are shown what there
//! is, and where there is nothing fresh everybody asks for himself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Front, Language};

/// Shown for at most so long after the services were asked for it: a price is never older than that.
const FRESH: Duration = Duration::from_secs(1);
/// From then on somebody renews it.
const RENEWED_AFTER: Duration = Duration::from_millis(500);

/// One for each language that was asked for; there are as many as in the table of languages. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Kept {
    fronts: Arc<Mutex<HashMap<&'static str, Entry>>>,
}

#[derive(Debug)]
struct Entry {
    front: Arc<Front>,
    asked: Instant,
    is_being_renewed: bool,
}

impl Kept {
    /// What to show; `None`: ask for it.
    pub(super) fn find(&self, language: &Language) -> Option<Arc<Front>> {
        let mut fronts = self.fronts.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = fronts.get_mut(language.tag())?;
        let age = entry.asked.elapsed();
        // Who renews it may be gone before that is done; then this ends with its freshness.
        let renews = age >= RENEWED_AFTER && !std::mem::replace(&mut entry.is_being_renewed, true);
        (age < FRESH && !renews).then(|| Arc::clone(&entry.front))
    }

    /// Keeps what the services said who were asked at that time, unless something newer is there.
    pub(super) fn keep(&self, language: &Language, asked: Instant, front: &Arc<Front>) {
        let mut fronts = self.fronts.lock().unwrap_or_else(PoisonError::into_inner);
        if fronts.get(language.tag()).is_none_or(|entry| entry.asked <= asked) {
            let entry = Entry { front: Arc::clone(front), asked, is_being_renewed: false };
            fronts.insert(language.tag(), entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::web::amount::english;

    fn front(html: &str) -> Arc<Front> {
        Arc::new(Front { html: html.into(), has_foreign_pictures: false })
    }

    fn found(kept: &Kept) -> Option<String> {
        kept.find(english()).map(|front| front.html.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn one_visitor_renews_it_and_nobody_is_shown_what_is_a_second_old() {
        let kept = Kept::default();
        assert_eq!(found(&kept), None);
        kept.keep(english(), Instant::now(), &front("old"));
        advance(Duration::from_millis(499)).await;
        assert_eq!(found(&kept).as_deref(), Some("old"));
        advance(Duration::from_millis(1)).await;
        assert_eq!((found(&kept), found(&kept).as_deref()), (None, Some("old")));
        advance(Duration::from_millis(500)).await;
        assert_eq!((found(&kept), found(&kept)), (None, None));
        kept.keep(english(), Instant::now(), &front("new"));
        assert_eq!(found(&kept).as_deref(), Some("new"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_replaces_no_newer_one_and_is_as_old_as_its_question() {
        let kept = Kept::default();
        let asked = Instant::now();
        advance(Duration::from_millis(400)).await;
        kept.keep(english(), Instant::now(), &front("new"));
        kept.keep(english(), asked, &front("old"));
        assert_eq!(found(&kept).as_deref(), Some("new"));
        kept.keep(english(), Instant::now(), &front("newer"));
        advance(Duration::from_millis(1_000)).await;
        assert_eq!(found(&kept), None);
    }
}
