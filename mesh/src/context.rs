//! What a call carries through the code that serves it: its deadline, its trace, its caller.
//!
//! Outbound calls made anywhere below a handler find it here, so that no service passes it by hand. It belongs to the
//! task; [`spawn`] takes it along into another.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use opentelemetry::{Context as TraceContext, trace::TraceContextExt as _};
use pin_project_lite::pin_project;
use tokio::{
    task::{JoinHandle, futures::TaskLocalFuture},
    time::Instant,
};

use crate::{identity::Principal, telemetry};

/// The context of one inbound call.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// The trace and the current span in it; empty where the call is not traced.
    pub trace: TraceContext,
    /// As whom the caller called: the role of its token, such as `role:operator`, else the peer.
    pub principal: Principal,
}

tokio::task_local! {
    static CURRENT: Option<Arc<CallContext>>;
}

/// A future that runs in a call's context.
pub(crate) type Scoped<F> = TaskLocalFuture<Option<Arc<CallContext>>, Traced<F>>;

/// The context of the inbound call that this task serves, if it serves one.
#[must_use]
pub fn current() -> Option<CallContext> {
    shared().map(|context| CallContext::clone(&context))
}

/// The same without a copy.
fn shared() -> Option<Arc<CallContext>> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// When the caller of the call that this task serves stops waiting.
#[must_use]
pub fn deadline() -> Option<Instant> {
    CURRENT.try_with(|context| context.as_ref().and_then(|context| context.deadline)).ok().flatten()
}

/// The trace that this task is in: the current span's, else the inbound call's.
#[must_use]
pub fn trace() -> TraceContext {
    let active = TraceContext::current();
    if active.has_active_span() {
        return active;
    }
    let of_call = CURRENT.try_with(|context| context.as_ref().map(|context| context.trace.clone()));
    of_call.ok().flatten().unwrap_or(active)
}

/// The current span as a `traceparent` header writes it (W3C Trace Context), for what outlives the call, such as an event.
#[must_use]
pub fn traceparent() -> Option<String> {
    let trace = trace();
    let span = trace.span();
    let span = span.span_context();
    span.is_valid().then(|| telemetry::traceparent(span).iter().copied().map(char::from).collect())
}

/// Runs `future` in `context`.
pub fn scope<F: Future>(context: CallContext, future: F) -> impl Future<Output = F::Output> {
    scope_shared(Arc::new(context), future)
}

/// The same of a context that others have too.
pub(crate) fn scope_shared<F: Future>(context: Arc<CallContext>, future: F) -> Scoped<F> {
    let trace = context.trace.clone();
    CURRENT.scope(Some(context), Traced { future, trace })
}

/// Runs one step of a call, such as the poll of a body, in `context`.
pub(crate) fn enter<T>(context: &Arc<CallContext>, step: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(Some(Arc::clone(context)), || {
        let _attached = context.trace.has_active_span().then(|| context.trace.clone().attach());
        step()
    })
}

/// Where a caller stands: in the call that it serves, if it serves one, and in its current span.
#[derive(Clone, Debug)]
pub(crate) struct Standpoint {
    call: Option<Arc<CallContext>>,
    trace: TraceContext,
}

impl Standpoint {
    pub(crate) fn here() -> Self {
        Self { call: shared(), trace: TraceContext::current() }
    }

    /// Runs one step as if it ran there, and so outside of whatever call it runs in.
    pub(crate) fn enter<T>(&self, step: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.call.clone(), || {
            let _attached = self.trace.clone().attach();
            step()
        })
    }
}

/// Spawns a task that belongs to the current call: its outbound calls have the same deadline, trace and caller.
///
/// It is not cancelled with the call. A step that must outlive the caller's deadline takes a fresh one by running in a
/// [`scope`] of its own.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match current() {
        Some(mut context) => {
            context.trace = trace();
            tokio::spawn(scope(context, future))
        }
        None => tokio::spawn(future),
    }
}

pin_project! {
    /// Makes a trace context the current one at every poll. One that is empty costs nothing.
    pub(crate) struct Traced<F> {
        #[pin]
        future: F,
        trace: TraceContext,
    }
}

impl<F: Future> Future for Traced<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _attached = this.trace.has_active_span().then(|| this.trace.clone().attach());
        this.future.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn context() -> CallContext {
        CallContext {
            deadline: Some(Instant::now() + Duration::from_secs(1)),
            trace: TraceContext::new(),
            principal: Principal::service("souk", "souk", "cart"),
        }
    }

    #[tokio::test]
    async fn a_spawned_task_belongs_to_the_call_and_a_plain_one_does_not() {
        let context = context();
        let (deadline, caller) = (context.deadline, context.principal.clone());
        scope(context, async move {
            let carried = spawn(async { current() }).await.unwrap().unwrap();
            assert_eq!((carried.deadline, carried.principal), (deadline, caller));
            assert!(tokio::spawn(async { current() }).await.unwrap().is_none());
        })
        .await;
        assert!(current().is_none());
    }
}
