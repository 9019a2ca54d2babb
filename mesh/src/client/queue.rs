//! Where calls wait for a connection, or for a stream of one.
//!
//! The queue fails fast: it is bounded, a call waits only while a connection may still come, and where none can be made it
//! is told so at once, with the target and the last error. Calls that wait have the streams that become free before those
//! that come later, or ten callers in a loop would keep everybody else out.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{
    group::{NoPick, Pick, Shared},
    load::Kind,
    upstream::{Endpoint, Upstream},
};
use crate::directory::Target;

/// The calls of one event loop that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: AtomicUsize,
    changed: Notify,
}

impl Queue {
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A stream has become free.
    pub(super) fn wake_one(&self) {
        if self.waiting() > 0 {
            self.changed.notify_one();
        }
    }

    /// The connections are others now.
    pub(super) fn wake_all(&self) {
        self.changed.notify_waiters();
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) kind: Kind,
    /// It waits through failures too.
    pub(super) wait_for_ready: bool,
    /// It ends by itself.
    pub(super) has_deadline: bool,
    /// Another endpoint is better: this one has just refused the call.
    pub(super) avoided: Option<&'a Arc<Endpoint>>,
}

/// A connection for a call that is made now, or as soon as there is one.
pub(super) async fn pick(group: &Arc<Shared>, wish: &Wish<'_>, now: Instant) -> Result<Pick, Status> {
    let ahead = group.queue.waiting() > 0;
    if !ahead {
        match group.pick(wish.kind, now, wish.avoided) {
            Ok(pick) => return Ok(pick),
            Err(NoPick::Failed) if !wish.wait_for_ready => return Err(unavailable(&group.upstream)),
            Err(_) => {}
        }
    }
    wait(group, wish, ahead).await
}

async fn wait(group: &Arc<Shared>, wish: &Wish<'_>, mut ahead: bool) -> Result<Pick, Status> {
    let Shared { upstream, queue, .. } = &**group;
    let _place = Place::take(upstream, queue)?;
    let mut limit = pin!(sleep(upstream.config.connecting_wait_max));
    let mut waited_long = false;
    loop {
        // From here on no change is missed.
        let mut changed = pin!(queue.changed.notified());
        changed.as_mut().enable();
        let why = if std::mem::take(&mut ahead) {
            group.why_not()
        } else {
            match group.pick(wish.kind, Instant::now(), wish.avoided) {
                Ok(pick) => {
                    // Whoever is woken for nothing loses its turn.
                    if group.why_not().is_none() {
                        queue.wake_one();
                    }
                    return Ok(pick);
                }
                Err(why) => Some(why),
            }
        };
        match why {
            Some(NoPick::Failed) if !wish.wait_for_ready => return Err(unavailable(upstream)),
            Some(NoPick::Full) => group.want_another(),
            Some(NoPick::Failed | NoPick::Connecting) | None => {}
        }
        let ends_by_itself = wish.has_deadline && why != Some(NoPick::Connecting);
        if waited_long && !wish.wait_for_ready && !ends_by_itself {
            return Err(waited_too_long(upstream, why));
        }
        tokio::select! {
            () = changed => {}
            () = &mut limit, if !waited_long => waited_long = true,
        }
    }
}

/// A call's place in the queue.
struct Place<'a> {
    upstream: &'a Upstream,
    queue: &'a Queue,
}

impl<'a> Place<'a> {
    fn take(upstream: &'a Upstream, queue: &'a Queue) -> Result<Self, Status> {
        if upstream.waiting.fetch_add(1, Ordering::Relaxed) >= upstream.config.queue_max {
            upstream.waiting.fetch_sub(1, Ordering::Relaxed);
            let (target, place, max) = (upstream.target, &upstream.place, upstream.config.queue_max);
            let text = format!("{target}: {max} calls wait for a connection to {place} already");
            return Err(unsent(target, text));
        }
        queue.waiting.fetch_add(1, Ordering::Relaxed);
        upstream.counters.waiting.inc();
        Ok(Self { upstream, queue })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.upstream.waiting.fetch_sub(1, Ordering::Relaxed);
        self.queue.waiting.fetch_sub(1, Ordering::Relaxed);
        self.upstream.counters.waiting.dec();
    }
}

/// The answer while no connection can be made.
fn unavailable(upstream: &Upstream) -> Status {
    let roster = upstream.roster.borrow();
    let Upstream { target, place, .. } = upstream;
    match (roster.endpoints.len(), &roster.error) {
        (0, Some(error)) => unsent(*target, format!("{target}: no endpoint of {place}, last error: {error}")),
        (count, _) => {
            let error = upstream.last_error();
            let error = error.as_deref().unwrap_or("none");
            let count = if count == 1 { "1 endpoint".to_owned() } else { format!("{count} endpoints") };
            unsent(*target, format!("{target}: no connection to {place} ({count}), last error: {error}"))
        }
    }
}

fn waited_too_long(upstream: &Upstream, why: Option<NoPick>) -> Status {
    let Upstream { target, place, config, .. } = upstream;
    let limit_ms = config.connecting_wait_max.as_millis();
    let what = match why {
        Some(NoPick::Full) | None => "no stream became free",
        Some(NoPick::Connecting | NoPick::Failed) if upstream.roster.borrow().is_resolving() => "no endpoint was found",
        Some(NoPick::Connecting | NoPick::Failed) => "no connection was made",
    };
    let last = upstream.last_error().map(|error| format!(", last error: {error}")).unwrap_or_default();
    unsent(*target, format!("{target}: {what} at {place} within {limit_ms} ms{last}"))
}

/// UNAVAILABLE with a proof: no part of the request has left this process, or a peer said that it did nothing with it. A
/// caller whose calls must not be done twice reads the `ErrorInfo` (domain `mesh`, reason `NOT_SENT`, metadata `target`).
pub(super) fn unsent(target: Target, text: String) -> Status {
    let about = HashMap::from([("target".to_owned(), target.name().to_owned())]);
    let details = ErrorDetails::with_error_info("NOT_SENT", "mesh", about);
    Status::with_error_details(Code::Unavailable, text, details)
}
