//! Ends an HTTP/2 stream at its call's deadline even where its reader takes nothing.
//!
//! A body is polled only while the peer's flow control window is open, so a timer inside of it does not run while the
//! peer reads nothing. The stream's task is always there.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use super::connection::Protocol;
use crate::deadline::STREAM_END;

/// How much later than the body the stream ends, so that a peer that reads gets the status.
const SLACK: Duration = Duration::from_millis(100);

/// Spawns streams; those of a gRPC port end at their deadline. A page has none, whatever the calls it makes have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounded(pub(super) Protocol);

impl<F> hyper::rt::Executor<F> for Bounded
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let end = (self.0 == Protocol::Http).then_some(None);
        tokio::spawn(Stream { stream, end, timer: None });
    }
}

pin_project! {
    struct Stream<F> {
        #[pin]
        stream: F,
        end: Option<Option<Instant>>,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let (polled, end) =
            STREAM_END.sync_scope(Cell::new(*this.end), || (this.stream.poll(cx), STREAM_END.with(Cell::get)));
        *this.end = end;
        if polled.is_ready() {
            return Poll::Ready(());
        }
        let Some(end) = end.flatten() else { return Poll::Pending };
        if this.timer.is_none() {
            this.timer.set(Some(tokio::time::sleep_until(end + SLACK)));
        }
        this.timer.as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx))
    }
}
