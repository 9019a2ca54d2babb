//! Deadlines: the `grpc-timeout` header, and a body that ends when the time is up.
//!
//! A header is parsed once into an absolute instant; what is left of it goes out again. The response body is covered,
//! since a call is over when its last byte is.

use std::{
    cell::Cell,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status};

use crate::status;

/// The header's name.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";

static TIMEOUT: HeaderName = HeaderName::from_static(GRPC_TIMEOUT);

/// The most digits a timeout has on the wire (gRPC over HTTP/2, *Timeout*).
const DIGITS_MAX: usize = 8;

/// How much before a deadline, as this side reckons it, the other may end the call: what rounding takes off a timer.
const SLACK: Duration = Duration::from_millis(2);

/// A `grpc-timeout` that is not 1 to 8 digits and one of `H M S m u n`.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("grpc-timeout: must be 1 to 8 digits and a unit (H, M, S, m, u or n)")]
pub struct ParseTimeoutError;

/// Parses the value of a `grpc-timeout` header.
///
/// # Errors
/// If it is malformed. Leniency would leave a call without the limit that its caller wanted.
pub fn parse(value: &[u8]) -> Result<Duration, ParseTimeoutError> {
    let (unit, digits) = value.split_last().ok_or(ParseTimeoutError)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ParseTimeoutError);
    }
    let amount = digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Ok(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return Err(ParseTimeoutError),
    })
}

/// Writes a timeout with at most 8 digits, in the finest unit that fits, rounded down: a hop never gains time.
#[must_use]
pub fn format(timeout: Duration) -> String {
    const MAX: u64 = 99_999_999;
    // Five centuries, which nobody waits for, are written as the most that fits.
    let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    [(1, 'n'), (1_000, 'u'), (1_000_000, 'm'), (1_000_000_000, 'S'), (60_000_000_000, 'M')]
        .iter()
        .find_map(|(unit, name)| (nanos / unit <= MAX).then(|| format!("{}{name}", nanos / unit)))
        .unwrap_or_else(|| format!("{}H", (nanos / 3_600_000_000_000).min(MAX)))
}

/// The timeout in a header block.
///
/// # Errors
/// If it is there and malformed.
pub fn read(headers: &HeaderMap) -> Result<Option<Duration>, ParseTimeoutError> {
    headers.get(&TIMEOUT).map(|value| parse(value.as_bytes())).transpose()
}

/// Puts a timeout into a header block.
pub fn write(headers: &mut HeaderMap, timeout: Duration) {
    if let Ok(value) = HeaderValue::try_from(format(timeout)) {
        headers.insert(&TIMEOUT, value);
    }
}

/// The end of a call whose time is up.
pub(crate) fn exceeded(method: &str) -> Status {
    Status::deadline_exceeded(format!("{method}: the deadline has passed"))
}

/// Whether the other side may already have seen a deadline pass. Whose timer was faster says nothing: what it cancels then
/// is over for its time.
pub(crate) fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() + SLACK >= deadline)
}

tokio::task_local! {
    /// When the HTTP/2 stream that this task serves ends, said by the first call in it.
    pub(crate) static STREAM_END: Cell<Option<Option<Instant>>>;
}

pin_project! {
    /// A response body that ends with DEADLINE_EXCEEDED when the time is up.
    ///
    /// The timer is only armed once the body is waited for: an answer that is there at once costs none.
    #[derive(Debug)]
    pub(crate) struct Body<B> {
        #[pin]
        inner: Option<B>,
        timer: Option<Pin<Box<Sleep>>>,
        deadline: Option<Instant>,
        method: &'static str,
        frames: u32,
    }
}

impl<B> Body<B> {
    pub(crate) fn new(inner: B, deadline: Option<Instant>, method: &'static str) -> Self {
        Self { inner: Some(inner), timer: None, deadline, method, frames: 0 }
    }

    /// The body of an answer that is nothing but a status.
    fn empty(method: &'static str) -> Self {
        Self { inner: None, timer: None, deadline: None, method, frames: 0 }
    }
}

impl<B: http_body::Body<Data = Bytes, Error = Status>> http_body::Body for Body<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        // A body that is never idle must end too. One that is a message and its trailers costs no look at the clock.
        let late = this.deadline.is_some_and(|deadline| *this.frames > 1 && Instant::now() >= deadline);
        if !late && let Poll::Ready(frame) = inner.poll_frame(cx) {
            *this.frames = this.frames.saturating_add(1);
            if cancelled(frame.as_ref()) && is_over(*this.deadline) {
                return Poll::Ready(Some(Ok(status::trailers_of(&exceeded(this.method)))));
            }
            return Poll::Ready(frame);
        }
        let Some(deadline) = *this.deadline else { return Poll::Pending };
        if this.timer.is_none() {
            *this.timer = Some(Box::pin(tokio::time::sleep_until(deadline)));
        }
        if let Some(timer) = this.timer {
            ready!(timer.as_mut().poll(cx));
        }
        // What the handler still held is free now, whenever the reader drops this.
        this.inner.set(None);
        Poll::Ready(Some(Ok(status::trailers_of(&exceeded(this.method)))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

/// Whether a frame ends its call with CANCELLED.
fn cancelled(frame: Option<&Result<Frame<Bytes>, Status>>) -> bool {
    let code = match frame {
        Some(Ok(frame)) => frame.trailers_ref().and_then(status::code_of),
        Some(Err(broken)) => Some(broken.code()),
        None => None,
    };
    code == Some(Code::Cancelled)
}

pin_project! {
    /// A call that is dropped at its deadline. The timer is armed only once the handler is waited for.
    #[derive(Debug)]
    pub(crate) struct DeadlineFuture<F> {
        #[pin]
        inner: Option<F>,
        timer: Option<Pin<Box<Sleep>>>,
        deadline: Option<Instant>,
        method: &'static str,
        refusal: Option<Status>,
    }
}

impl<F> DeadlineFuture<F> {
    /// Ends `inner` at `deadline`.
    pub(crate) fn new(inner: F, deadline: Option<Instant>, method: &'static str) -> Self {
        Self { inner: Some(inner), timer: None, deadline, method, refusal: None }
    }

    /// A call that is answered with `status` without being made.
    pub(crate) fn refused(method: &'static str, status: Status) -> Self {
        Self { inner: None, timer: None, deadline: None, method, refusal: Some(status) }
    }
}

impl<F, B> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Body<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let _none = STREAM_END.try_with(|end| end.set(end.get().or(Some(*this.deadline))));
        let answer = |status: &Status, method: &'static str| {
            let response = status::response_of(status);
            Poll::Ready(Ok(response.map(|_| Body::empty(method))))
        };
        if let Some(refusal) = this.refusal.take() {
            return answer(&refusal, this.method);
        }
        if let Some(inner) = this.inner.as_mut().as_pin_mut()
            && let Poll::Ready(response) = inner.poll(cx)
        {
            let (deadline, method, response) = (*this.deadline, *this.method, response?);
            if status::code_of(response.headers()) == Some(Code::Cancelled) && is_over(deadline) {
                return answer(&exceeded(method), method);
            }
            return Poll::Ready(Ok(response.map(|body| Body::new(body, deadline, method))));
        }
        let Some(deadline) = *this.deadline else { return Poll::Pending };
        if this.timer.is_none() {
            *this.timer = Some(Box::pin(tokio::time::sleep_until(deadline)));
        }
        if let Some(timer) = this.timer {
            ready!(timer.as_mut().poll(cx));
        }
        this.inner.set(None);
        answer(&exceeded(this.method), this.method)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_read_as_the_specification_names_them() {
        for (text, expected) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("4m", Duration::from_millis(4)),
            ("5u", Duration::from_micros(5)),
            ("99999999n", Duration::from_nanos(99_999_999)),
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_malformed_timeout_is_refused() {
        for text in ["", "S", "1", "123456789S", "-1S", "1.5S", "1s", "1 S", "\u{661}S"] {
            assert_eq!(parse(text.as_bytes()), Err(ParseTimeoutError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_timeout_is_read_back_within_its_unit_and_never_longer(nanos in 0_u64..u64::MAX) {
            let timeout = Duration::from_nanos(nanos);
            let text = format(timeout);
            prop_assert!(text.len() <= DIGITS_MAX + 1);
            let read = parse(text.as_bytes()).unwrap();
            prop_assert!(read <= timeout);
            prop_assert!((timeout - read).as_nanos() <= timeout.as_nanos() / 1_000);
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..16)) {
            let _outcome = parse(&bytes).is_ok();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_ends_with_the_status_when_the_time_is_up() {
        let stalled = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Status>>());
        let deadline = Instant::now() + Duration::from_secs(3);
        let mut body = Box::pin(Body::new(stalled, Some(deadline), "a.B/C"));
        let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(status::code_of(&trailers), Some(tonic::Code::DeadlineExceeded));
        assert_eq!(Instant::now(), deadline);
        assert!(body.frame().await.is_none());
    }

    /// What a peer that resets the stream `early` before the deadline makes of the call.
    async fn code_of_a_call_that_the_peer_cancels(early: Duration) -> Code {
        let deadline = Instant::now() + Duration::from_secs(3);
        let reset = async move {
            tokio::time::sleep_until(deadline - early).await;
            Err::<Frame<Bytes>, _>(Status::cancelled("reset"))
        };
        let broken = StreamBody::new(futures_util::stream::once(Box::pin(reset)));
        match Body::new(broken, Some(deadline), "a.B/C").frame().await.unwrap() {
            Ok(frame) => status::code_of(frame.trailers_ref().unwrap()).unwrap(),
            Err(status) => status.code(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_whose_timer_was_faster_has_not_cancelled_the_call() {
        let code = code_of_a_call_that_the_peer_cancels(Duration::from_millis(1)).await;
        assert_eq!(code, Code::DeadlineExceeded);
        let code = code_of_a_call_that_the_peer_cancels(Duration::from_secs(1)).await;
        assert_eq!(code, Code::Cancelled);
    }
}
