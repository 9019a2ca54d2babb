//! A connection as both sides hand it to HTTP/2.
//!
//! It gives bytes that were read too early once more, says when the peer has spoken, and coalesces small writes. It
//! belongs right around the socket, and around TLS where there is some.
//!
//! h2 asks once, at the handshake, whether the connection writes vectored, and then gives a DATA frame of 256 bytes or more
//! a write of its own. Of a connection that does not, it copies frames of up to a KiB behind one another, and many small
//! answers leave in one write. Asked later, at each write, the truth is what makes large frames leave without a copy.
//! So this connection says "no" until it has written, and then the truth.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

/// A connection on its way to HTTP/2.
#[derive(Debug)]
pub(crate) struct Wire<IO> {
    io: IO,
    /// What was read already and is read again first.
    first: Bytes,
    /// Told once the peer has sent anything.
    heard: Option<oneshot::Sender<()>>,
    written: bool,
}

impl<IO> Wire<IO> {
    /// A connection whose first bytes have been read.
    pub(crate) fn rewound(io: IO, first: Bytes) -> Self {
        Self { io, first, heard: None, written: false }
    }

    /// A connection, and what resolves once its peer has sent anything.
    pub(crate) fn hearing(io: IO) -> (Self, oneshot::Receiver<()>) {
        let (heard, hearing) = oneshot::channel();
        (Self { io, first: Bytes::new(), heard: Some(heard), written: false }, hearing)
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Wire<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.first.is_empty() {
            let fits = buf.remaining().min(this.first.len());
            buf.put_slice(&this.first[..fits]);
            this.first.advance(fits);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        if buf.filled().len() > before
            && let Some(heard) = this.heard.take()
        {
            let _nobody_waits = heard.send(()).is_err();
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Wire<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.written = true;
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.written = true;
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.written && self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use futures_util::{StreamExt as _, stream};
    use http::{Request, Response};
    use http_body_util::{BodyExt as _, Full};
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::io::{AsyncReadExt as _, DuplexStream};

    use super::*;

    /// A connection that writes vectored, as a socket does, and counts its writes.
    struct Counted {
        io: DuplexStream,
        writes: Arc<AtomicUsize>,
    }

    impl AsyncRead for Counted {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Counted {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.io).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_shutdown(cx)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            // One write, whatever it gathers.
            let gathered: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
            Pin::new(&mut self.io).poll_write(cx, &gathered)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }
    }

    /// Writes of a server for each of 1,000 replies of `size` bytes, 16 asked for at a time.
    async fn writes_per_reply(size: usize, wrap: bool) -> f64 {
        const REPLIES: u32 = 1_000;
        let (near, far) = tokio::io::duplex(1024 * 1024);
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = Counted { io: far, writes: Arc::clone(&writes) };
        let answer = Bytes::from(vec![7; size]);
        let service = service_fn(move |_| {
            let answer = answer.clone();
            async move { Ok::<_, Infallible>(Response::new(Full::new(answer))) }
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        if wrap {
            tokio::spawn(server.serve_connection(TokioIo::new(Wire::rewound(counted, Bytes::new())), service));
        } else {
            tokio::spawn(server.serve_connection(TokioIo::new(counted), service));
        }
        let client = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near));
        let (sender, connection) = client.await.unwrap();
        tokio::spawn(connection);
        stream::iter(0..REPLIES)
            .for_each_concurrent(16, |_| {
                let mut sender = sender.clone();
                async move {
                    let request = Request::get("http://a/").body(Full::new(Bytes::new())).unwrap();
                    let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
                    assert_eq!(body.to_bytes().len(), size);
                }
            })
            .await;
        f64::from(u32::try_from(writes.load(Ordering::Relaxed)).unwrap()) / f64::from(REPLIES)
    }

    #[tokio::test]
    async fn small_replies_share_a_write_and_large_ones_need_no_more_than_before() {
        let (small, large) = (writes_per_reply(310, true).await, writes_per_reply(4096, true).await);
        let (small_before, large_before) = (writes_per_reply(310, false).await, writes_per_reply(4096, false).await);
        assert!(small < 0.2, "{small} writes a reply of 310 bytes, {small_before} without coalescing");
        assert!(large <= large_before * 1.05, "{large} writes a reply of 4 KiB, {large_before} without coalescing");
    }

    #[tokio::test]
    async fn what_was_read_early_is_read_again_and_nothing_of_it_is_lost() {
        let io = tokio_test::io::Builder::new().read(b"rest").build();
        let mut wire = Wire::rewound(io, Bytes::from_static(b"first "));
        let mut all = String::new();
        wire.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "first rest");
    }
}
