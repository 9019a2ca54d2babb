//! The connections of one event loop to one target, and the choice among them.
//!
//! A call is sent on a connection of the loop that it runs on, so that it never leaves its core. One task keeps the
//! connections as the set of endpoints says; it and they end with the group.

use std::sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicU64};

use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::JoinSet,
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    balancer::{Candidate, Chooser},
    lease::Lease,
    load::Kind,
    queue::Queue,
    subchannel::{self, Connection, State, Subchannel},
    upstream::{Endpoint, Roster, Upstream},
};

/// One event loop's connections to one target.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) shared: Arc<Shared>,
    /// How many connections to an endpoint it keeps.
    pub(super) kept: usize,
    _supervisor: AbortOnDropHandle<()>,
}

/// What the group's calls and its tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) upstream: Arc<Upstream>,
    pub(super) queue: Arc<Queue>,
    members: Mutex<Vec<Arc<Subchannel>>>,
    view: RwLock<View>,
    chooser: Chooser,
    /// Told when a subchannel wants another connection.
    wanted: Notify,
}

/// The connections as calls see them, made anew at every change.
#[derive(Debug)]
struct View {
    ready: Vec<Ready>,
    /// Some are being made, or it is not known yet to where.
    connecting: bool,
}

#[derive(Debug)]
struct Ready {
    subchannel: Arc<Subchannel>,
    connections: Vec<Connection>,
}

/// A connection for one call, and the call's share in the loads.
#[derive(Debug)]
pub(super) struct Pick {
    pub(super) connection: Connection,
    pub(super) lease: Lease,
}

/// Why no connection was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPick {
    /// One is being made.
    Connecting,
    /// Every stream that the peers allow is in use.
    Full,
    /// None can be made.
    Failed,
}

impl Group {
    /// A group on the event loop of `handle`, keeping `kept` connections to each endpoint.
    pub(super) fn start(upstream: &Arc<Upstream>, kept: usize, handle: &Handle) -> Self {
        let shared = Arc::new(Shared {
            upstream: Arc::clone(upstream),
            queue: Arc::default(),
            members: Mutex::default(),
            view: RwLock::new(View { ready: Vec::new(), connecting: true }),
            chooser: Chooser::default(),
            wanted: Notify::new(),
        });
        let supervisor = handle.spawn(supervise(Arc::clone(&shared), upstream.roster.subscribe(), kept));
        Self { shared, kept, _supervisor: AbortOnDropHandle::new(supervisor) }
    }

    /// The best state of each endpoint's connections on this loop.
    pub(super) fn states(&self) -> Vec<(Arc<Endpoint>, State)> {
        let members = self.shared.members.lock().unwrap_or_else(PoisonError::into_inner);
        let best = |member: &Arc<Subchannel>| member.states().into_iter().min_by(State::better);
        members.iter().filter_map(|member| Some((Arc::clone(&member.endpoint), best(member)?))).collect()
    }
}

impl Shared {
    /// A connection that takes a call now. `avoided` takes it only where no other endpoint can.
    pub(super) fn pick(
        self: &Arc<Self>,
        kind: Kind,
        now: Instant,
        avoided: Option<&Arc<Endpoint>>,
    ) -> Result<Pick, NoPick> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        let avoid = avoided.and_then(|avoided| view.ready.iter().position(|ready| ready.is(avoided)));
        let now_ms = self.upstream.ms_at(now);
        let Some(chosen) = self.chooser.choose(&view.ready, now_ms, avoid, |below| fastrand::usize(..below)) else {
            return Err(view.reason());
        };
        let ready = &view.ready[chosen];
        let free = ready.connections.iter().filter(|connection| connection.is_free());
        let least = free.min_by_key(|connection| connection.streams.open());
        // It was free a moment ago.
        let connection = least.ok_or(NoPick::Full)?.clone();
        let streams = Arc::clone(&connection.streams);
        let lease = Lease::take(&ready.subchannel, streams, &self.queue, &self.upstream, (kind, now, now_ms));
        Ok(Pick { connection, lease })
    }

    /// Why there would be no connection now, if there is none.
    pub(super) fn why_not(&self) -> Option<NoPick> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        (!view.ready.iter().any(Candidate::is_free)).then(|| view.reason())
    }

    /// Has another connection made, if the calls that wait are worth one.
    pub(super) fn want_another(&self) {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        let Upstream { config, .. } = &*self.upstream;
        // The endpoint with the fewest, so that all of them serve those that wait.
        let Some(ready) = view.ready.iter().min_by_key(|ready| ready.connections.len()) else { return };
        let streams = ready.connections.first().map_or(1, |connection| connection.streams.max());
        let extra_max = config.connections_max.saturating_sub(config.connections_per_loop);
        if ready.subchannel.want_another(self.queue.waiting(), streams, extra_max) {
            self.wanted.notify_one();
        }
    }

    /// Looks at every connection anew, and has the calls that wait do so too.
    pub(super) fn refresh(&self) {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = View { ready: Vec::with_capacity(members.len()), connecting: false };
        {
            let roster = self.upstream.roster.borrow();
            // Endpoints that were just found have no connections yet.
            view.connecting = roster.is_resolving() || (members.is_empty() && !roster.endpoints.is_empty());
        }
        for subchannel in members.iter() {
            let mut connections = Vec::new();
            for state in subchannel.states() {
                match state {
                    State::Ready(connection) => connections.push(connection),
                    State::Connecting => view.connecting = true,
                    State::Idle | State::TransientFailure => {}
                }
            }
            if !connections.is_empty() {
                view.ready.push(Ready { subchannel: Arc::clone(subchannel), connections });
            }
        }
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
        drop(members);
        self.queue.wake_all();
    }
}

impl View {
    fn reason(&self) -> NoPick {
        let mut open = self.ready.iter().flat_map(|ready| &ready.connections).filter(|connection| connection.is_open());
        if open.next().is_some() {
            NoPick::Full
        } else if self.connecting || !self.ready.is_empty() {
            // One that has ended is about to be made again.
            NoPick::Connecting
        } else {
            NoPick::Failed
        }
    }
}

impl Ready {
    fn is(&self, endpoint: &Arc<Endpoint>) -> bool {
        Arc::ptr_eq(&self.subchannel.endpoint, endpoint)
    }
}

impl Candidate for Ready {
    fn is_free(&self) -> bool {
        self.connections.iter().any(Connection::is_free)
    }

    fn cost(&self, now_ms: u32) -> f32 {
        self.subchannel.endpoint.load.cost(now_ms)
    }

    fn latency(&self, now_ms: u32) -> f32 {
        self.subchannel.endpoint.load.latency_s(now_ms)
    }

    fn is_answering(&self, now_ms: u32) -> bool {
        self.subchannel.endpoint.load.is_answering(now_ms)
    }

    fn recent(&self) -> &AtomicU64 {
        &self.subchannel.recent
    }
}

/// A subchannel and the tasks that keep its connections; they end when it is dropped, and calls in flight on them do not.
struct Kept {
    subchannel: Arc<Subchannel>,
    keepers: JoinSet<()>,
}

/// Has every endpoint of the roster connected to, and no other.
async fn supervise(group: Arc<Shared>, mut roster: watch::Receiver<Roster>, kept: usize) {
    let mut all: Vec<Kept> = Vec::new();
    let mut next_index = kept;
    loop {
        let endpoints = roster.borrow_and_update().endpoints.clone();
        let stays = |one: &Kept| endpoints.iter().any(|endpoint| Arc::ptr_eq(endpoint, &one.subchannel.endpoint));
        all.retain(stays);
        for endpoint in endpoints {
            if !all.iter().any(|one| Arc::ptr_eq(&one.subchannel.endpoint, &endpoint)) {
                let subchannel = Arc::new(Subchannel::new(endpoint, kept));
                let mut keepers = JoinSet::new();
                for index in 0..kept {
                    keepers.spawn(subchannel::keep(Arc::clone(&group), Arc::clone(&subchannel), index));
                }
                all.push(Kept { subchannel, keepers });
            }
        }
        let members = all.iter().map(|one| Arc::clone(&one.subchannel)).collect();
        *group.members.lock().unwrap_or_else(PoisonError::into_inner) = members;
        group.refresh();
        loop {
            tokio::select! {
                changed = roster.changed() => match changed {
                    Ok(()) => break,
                    Err(_gone) => return,
                },
                () = group.wanted.notified() => {}
            }
            for Kept { subchannel, keepers } in &mut all {
                while keepers.try_join_next().is_some() {}
                for _ in 0..subchannel.take_wanted() {
                    keepers.spawn(subchannel::keep_extra(Arc::clone(&group), Arc::clone(subchannel), next_index));
                    next_index += 1;
                }
            }
        }
    }
}
