//! Between checkout and a service: passes calls on, or does not, or loses their answers, as a test says.

use std::collections::HashMap;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use mesh::{Body, Channel};
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::server::NamedService;
use tower::Service;

/// What becomes of a call.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It is not passed on.
    Refused,
    /// It is done, and its answer is lost.
    Lost,
    /// It waits for a permit before it is passed on.
    Held(Arc<Semaphore>),
    /// It is done, and its answer waits for a permit.
    Answered(Arc<Semaphore>),
}

/// What becomes of calls, by the name of their method; what is not named is passed on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fates {
    fates: Arc<Mutex<HashMap<&'static str, Fate>>>,
    seen: Arc<Mutex<HashMap<String, u32>>>,
}

impl Fates {
    pub(crate) fn set(&self, method: &'static str, fate: Fate) {
        self.fates.lock().unwrap().insert(method, fate);
    }

    pub(crate) fn clear(&self, method: &str) {
        self.fates.lock().unwrap().remove(method);
    }

    /// How often a method was called.
    pub(crate) fn seen(&self, method: &str) -> u32 {
        self.seen.lock().unwrap().get(method).copied().unwrap_or_default()
    }

    fn of(&self, method: &str) -> Option<Fate> {
        *self.seen.lock().unwrap().entry(method.to_owned()).or_default() += 1;
        self.fates.lock().unwrap().get(method).cloned()
    }
}

/// The name of a service.
pub(crate) trait Named: Send + Sync + 'static {
    const NAME: &'static str;
}

pub(crate) struct Cart;
pub(crate) struct Inventory;
pub(crate) struct Payment;

impl Named for Cart {
    const NAME: &'static str = contracts::cart::v1::cart_service_server::SERVICE_NAME;
}

impl Named for Inventory {
    const NAME: &'static str = contracts::inventory::v1::inventory_service_server::SERVICE_NAME;
}

impl Named for Payment {
    const NAME: &'static str = contracts::payment::v1::payment_service_server::SERVICE_NAME;
}

/// Stands before a service.
pub(crate) struct Relay<N> {
    to: Channel,
    fates: Fates,
    name: PhantomData<N>,
}

impl<N> Relay<N> {
    pub(crate) fn new(to: Channel, fates: Fates) -> Self {
        Self { to, fates, name: PhantomData }
    }
}

impl<N> Clone for Relay<N> {
    fn clone(&self) -> Self {
        Self::new(self.to.clone(), self.fates.clone())
    }
}

impl<N: Named> NamedService for Relay<N> {
    const NAME: &'static str = N::NAME;
}

impl<N: Named> Service<Request<Body>> for Relay<N> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let (mut to, fate) = (self.to.clone(), self.fates.of(&method));
        Box::pin(async move {
            let away = || Ok(Status::unavailable("it is away").into_http());
            match &fate {
                Some(Fate::Refused) => return away(),
                Some(Fate::Held(permits)) => drop(permits.acquire().await),
                Some(Fate::Lost | Fate::Answered(_)) | None => {}
            }
            let Ok(answer) = to.call(request).await;
            match fate {
                Some(Fate::Lost) => away(),
                Some(Fate::Answered(permits)) => {
                    drop(permits.acquire().await);
                    Ok(answer)
                }
                Some(Fate::Refused | Fate::Held(_)) | None => Ok(answer),
            }
        })
    }
}
