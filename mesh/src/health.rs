//! Health: one table for `grpc.health.v1`, for the probes and for `/livez` and `/readyz`.
//!
//! A name is NOT_SERVING until it is said to be ready, and from the first moment of a drain. Readiness of a process is
//! that of all its services; the health of other services is never part of it.

/// The generated `grpc.health.v1`.
#[allow(
    missing_docs,
    rustdoc::bare_urls,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated; the contract carries the comments"
)]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/grpc.health.v1.rs"));
}

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
};

use futures_util::{Stream, StreamExt as _, stream};
use pb::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_check_response::ServingStatus,
};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

/// The name of the whole server.
pub const OVERALL: &str = "";
/// Whether the process turns; a kubelet restarts it otherwise.
pub const LIVENESS: &str = "liveness";
/// Whether calls may be sent here.
pub const READINESS: &str = "readiness";

/// The most names the table has, watched ones that nobody has set included.
const NAMES_MAX: usize = 256;

/// The longest name that is looked for, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The health of a process and of each service in it. Cloning shares the table.
#[derive(Clone, Debug, Default)]
pub struct Health {
    table: Arc<RwLock<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    /// `None` is a name somebody watches and nobody has set.
    statuses: HashMap<String, watch::Sender<Option<bool>>>,
    draining: bool,
}

impl Health {
    /// Says whether `service`, a full name such as `souk.cart.v1.CartService`, is ready.
    pub fn set(&self, service: &str, ready: bool) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let draining = table.draining;
        table.sender(service).send_replace(Some(ready && !draining));
        table.derive_overall();
    }

    /// Makes every name NOT_SERVING, for ever. Liveness stays: a process that drains is alive.
    pub fn drain(&self) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.draining = true;
        for sender in table.statuses.values() {
            sender.send_if_modified(|status| std::mem::replace(status, status.map(|_| false)) == Some(true));
        }
        table.derive_overall();
    }

    /// Whether `service` may be called; `None` where there is no such name.
    #[must_use]
    pub fn get(&self, service: &str) -> Option<bool> {
        if service == LIVENESS {
            return Some(true);
        }
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        *table.statuses.get(name_of(service))?.borrow()
    }

    /// Whether the whole process may be called.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.get(OVERALL).unwrap_or(false)
    }

    /// Resolves once the whole process may be called.
    pub async fn ready(&self) {
        let Some(mut status) = self.subscribe(OVERALL) else { return };
        // The sender is in the table, which `self` keeps.
        let _closed = status.wait_for(|status| *status == Some(true)).await;
    }

    /// Every name with its status.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, bool> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.statuses.iter().filter_map(|(name, status)| Some((name.clone(), (*status.borrow())?))).collect()
    }

    /// The server of `grpc.health.v1.Health` over this table.
    #[must_use]
    pub fn server(&self) -> pb::health_server::HealthServer<Self> {
        pb::health_server::HealthServer::new(self.clone())
    }

    /// `None` where the table is full of names that callers made up.
    fn subscribe(&self, service: &str) -> Option<watch::Receiver<Option<bool>>> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let name = name_of(service);
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
        if table.statuses.len() >= NAMES_MAX {
            table.statuses.retain(|_, status| status.borrow().is_some() || status.receiver_count() > 0);
        }
        let fits = name == OVERALL || table.statuses.contains_key(name) || table.statuses.len() < NAMES_MAX;
        fits.then(|| table.sender(name).subscribe())
    }
}

/// `readiness` is another name of the whole server.
fn name_of(service: &str) -> &str {
    if service == READINESS { OVERALL } else { service }
}

impl Table {
    fn sender(&mut self, service: &str) -> &watch::Sender<Option<bool>> {
        self.statuses.entry(service.to_owned()).or_default()
    }

    fn derive_overall(&mut self) {
        let mut named = self.statuses.iter().filter(|(name, _)| *name != OVERALL).filter_map(|(_, s)| *s.borrow());
        let ready = !self.draining && named.all(|ready| ready);
        self.sender(OVERALL).send_if_modified(|status| status.replace(ready) != Some(ready));
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

fn serving(ready: bool) -> ServingStatus {
    if ready { ServingStatus::Serving } else { ServingStatus::NotServing }
}

#[tonic::async_trait]
impl pb::health_server::Health for Health {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        match self.get(service) {
            Some(ready) => Ok(Response::new(response(serving(ready)))),
            None => Err(Status::not_found("service: there is none of this name here")),
        }
    }

    async fn list(&self, _request: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let statuses = self.all().into_iter().map(|(name, ready)| (name, response(serving(ready)))).collect();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let service = &request.get_ref().service;
        if service == LIVENESS {
            let alive = stream::iter([Ok(response(ServingStatus::Serving))]).chain(stream::pending());
            return Ok(Response::new(Box::pin(alive)));
        }
        let Some(statuses) = self.subscribe(service) else {
            return Err(Status::resource_exhausted(format!("service: more than {NAMES_MAX} names are watched")));
        };
        let statuses = WatchStream::new(statuses);
        let statuses = statuses.map(|status| Ok(response(status.map_or(ServingStatus::ServiceUnknown, serving))));
        Ok(Response::new(Box::pin(statuses)))
    }
}

#[cfg(test)]
mod tests {
    use pb::health_server::Health as _;

    use super::*;

    #[test]
    fn the_process_is_ready_when_all_its_services_are() {
        let health = Health::default();
        assert!(!health.is_ready());
        health.set("a.A", true);
        health.set("b.B", false);
        assert!(!health.is_ready());
        health.set("b.B", true);
        assert_eq!((health.is_ready(), health.get(READINESS)), (true, Some(true)));
    }

    #[test]
    fn a_drain_ends_readiness_for_ever_and_leaves_the_process_alive() {
        let health = Health::default();
        health.set("a.A", true);
        health.drain();
        health.set("a.A", true);
        assert_eq!(
            (health.get("a.A"), health.get(OVERALL), health.get(LIVENESS)),
            (Some(false), Some(false), Some(true))
        );
    }

    #[tokio::test]
    async fn names_that_callers_made_up_leave_room_for_others_once_nobody_watches_them() {
        let health = Health::default();
        let watch = |service: String| health.watch(Request::new(HealthCheckRequest { service }));
        let mut watched = Vec::new();
        for index in 0..NAMES_MAX {
            watched.push(watch(format!("made.Up{index}")).await.unwrap());
        }
        assert_eq!(watch("one.More".into()).await.err().unwrap().code(), tonic::Code::ResourceExhausted);
        drop(watched);
        watch("late.L".into()).await.unwrap();
        let long = watch("x".repeat(NAME_BYTES_MAX + 1)).await;
        assert_eq!(long.err().unwrap().code(), tonic::Code::ResourceExhausted);
        assert!(health.table.read().unwrap().statuses.len() < NAMES_MAX);
    }

    #[tokio::test]
    async fn an_unknown_service_is_not_found_but_can_be_watched_until_it_appears() {
        let health = Health::default();
        let ask = || Request::new(HealthCheckRequest { service: "late.L".into() });
        assert_eq!(health.check(ask()).await.unwrap_err().code(), tonic::Code::NotFound);
        let mut seen = health.watch(ask()).await.unwrap().into_inner();
        assert_eq!(seen.next().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
        health.set("late.L", true);
        assert_eq!(seen.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
        health.drain();
        assert_eq!(seen.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    }
}
