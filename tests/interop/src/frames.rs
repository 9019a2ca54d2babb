//! The messages of a gRPC body as they stand on the wire: a flag that says whether it is compressed, a length, and bytes.
//!
//! tonic decodes them before a handler sees them, compresses either all messages of a stream or none, and gives a handler no
//! way to trailers of its own. The cases ask for all three.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use http::HeaderMap;
use http_body::Frame;
use mesh::Body;
use tonic::Status;

/// The flag and the length before each message (gRPC over HTTP/2, *Length-Prefixed-Message*).
const PREFIX_BYTES: usize = 5;

/// One flag a message, in the messages' order, shared between who passes them and who asks for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags(Arc<Mutex<VecDeque<bool>>>);

impl Flags {
    pub(crate) fn of(flags: impl IntoIterator<Item = bool>) -> Self {
        Self(Arc::new(Mutex::new(flags.into_iter().collect())))
    }

    pub(crate) fn push(&self, compressed: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(compressed);
    }

    pub(crate) fn pop(&self) -> Option<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(crate) fn all(&self) -> Vec<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

/// Notes of each message whether it is compressed.
pub(crate) fn noted(body: Body, seen: Flags) -> Body {
    let note = move |compressed, message| {
        seen.push(compressed);
        (compressed, message)
    };
    Body::new(Reframed { inner: body, kept: BytesMut::new(), each: note, trailers: HeaderMap::new() })
}

/// Has the messages compressed whose flag is set and no other, however they come, and adds to the body's trailers.
pub(crate) fn compressed(body: Body, which: Flags, trailers: HeaderMap) -> Body {
    let compress = move |is, message: Bytes| match (is, which.pop().unwrap_or(false)) {
        (false, true) => (true, gzip(&message)),
        (true, false) => (false, gunzip(&message)),
        (_, as_it_is) => (as_it_is, message),
    };
    Body::new(Reframed { inner: body, kept: BytesMut::new(), each: compress, trailers })
}

/// A body whose messages have passed through `each`.
struct Reframed<F> {
    inner: Body,
    kept: BytesMut,
    each: F,
    trailers: HeaderMap,
}

impl<F> http_body::Body for Reframed<F>
where
    F: FnMut(bool, Bytes) -> (bool, Bytes) + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            let Self { inner, kept, each, trailers } = &mut *self;
            if let Some((flag, message)) = whole(kept) {
                let (flag, message) = each(flag, message);
                return Poll::Ready(Some(Ok(Frame::data(framed(flag, &message)))));
            }
            let frame = match ready!(Pin::new(inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            match frame.into_data() {
                Ok(data) => kept.extend_from_slice(&data),
                Err(mut frame) => {
                    if let Some(sent) = frame.trailers_mut() {
                        sent.extend(std::mem::take(trailers));
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.kept.is_empty() && self.inner.is_end_stream()
    }
}

/// The first message, where all of it is there.
fn whole(kept: &mut BytesMut) -> Option<(bool, Bytes)> {
    let mut prefix = kept.get(..PREFIX_BYTES)?;
    let (flag, length) = (prefix.get_u8(), usize::try_from(prefix.get_u32()).ok()?);
    if kept.len() < PREFIX_BYTES + length {
        return None;
    }
    kept.advance(PREFIX_BYTES);
    Some((flag != 0, kept.split_to(length).freeze()))
}

fn framed(flag: bool, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.put_u8(flag.into());
    // A message came with a length of this size, and compressing makes it no longer than that allows.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

fn gzip(message: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _infallible = encoder.write_all(message).is_err();
    encoder.finish().unwrap_or_default().into()
}

/// The bytes that were compressed in this process.
fn gunzip(message: &[u8]) -> Bytes {
    let mut bytes = Vec::new();
    let _infallible = GzDecoder::new(message).read_to_end(&mut bytes).is_err();
    bytes.into()
}

#[cfg(test)]
mod tests {

    use futures_util::stream;
    use http_body::Body as _;
    use tokio_stream::StreamExt as _;

    use super::*;

    /// A body that comes in pieces of this size.
    fn body(bytes: &[u8], piece: usize) -> Body {
        let pieces: Vec<_> =
            bytes.chunks(piece).map(|piece| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(piece)))).collect();
        Body::new(Pieces(Box::pin(stream::iter(pieces))))
    }

    struct Pieces(Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, Status>> + Send>>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            self.0.as_mut().poll_next(cx)
        }
    }

    async fn read(mut body: Body) -> Bytes {
        let frames = stream::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        let data: Vec<_> = frames.map(|frame| frame.unwrap().into_data().unwrap()).collect().await;
        data.concat().into()
    }

    #[tokio::test]
    async fn messages_pass_unchanged_however_they_are_cut_and_their_flags_are_noted() {
        let sent = [framed(false, b"one"), framed(true, b""), framed(false, &[7; 300])].concat();
        for piece in [1, 2, 4, 7, 1000] {
            let seen = Flags::default();
            assert_eq!(read(noted(body(&sent, piece), seen.clone())).await, sent, "in pieces of {piece}");
            assert_eq!(seen.all(), [false, true, false]);
        }
    }

    #[tokio::test]
    async fn a_message_is_compressed_where_its_flag_says_so_and_no_other() {
        let (plain, packed) = (framed(false, &[0; 3000]), framed(true, &gzip(&[0; 3000])));
        assert!(packed.len() < 300);
        for came in [&plain, &packed] {
            let sent = [came, came, came].map(AsRef::as_ref).concat();
            let got = read(compressed(body(&sent, 10), Flags::of([true, false]), HeaderMap::new())).await;
            assert_eq!(got, [&packed, &plain, &plain].map(AsRef::as_ref).concat());
        }
    }
}
