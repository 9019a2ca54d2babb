//! HTTP/2 as raw frames (RFC 9113, section 4), so that a test can say what no library would.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::PATIENCE;

/// Types of frames.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags of frames.
pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Settings.
pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

/// Error codes.
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
pub(crate) const INADEQUATE_SECURITY: u32 = 12;

/// What a client says first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The longest frame that everybody takes.
pub(crate) const FRAME_MAX: usize = 16 * 1024;

/// The empty message of gRPC.
pub(crate) const EMPTY: &[u8] = &[0; 5];

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    pub(crate) fn settings(settings: &[(u16, u32)]) -> Self {
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        Self::new(SETTINGS, 0, 0, payload)
    }

    pub(crate) fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Self {
        Self::new(HEADERS, END_HEADERS | flags, stream, block(fields))
    }

    /// Headers that may need more than one frame.
    pub(crate) fn long_headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<Self> {
        let block = block(fields);
        let pieces: Vec<_> = block.chunks(FRAME_MAX).collect();
        let last = pieces.len() - 1;
        let frame = |(index, piece): (usize, &&[u8])| {
            let end = if index == last { END_HEADERS } else { 0 };
            let (kind, flags) = if index == 0 { (HEADERS, flags) } else { (CONTINUATION, 0) };
            Self::new(kind, flags | end, stream, *piece)
        };
        pieces.iter().enumerate().map(frame).collect()
    }

    pub(crate) fn data(stream: u32, flags: u8, bytes: &[u8]) -> Self {
        Self::new(DATA, flags, stream, bytes)
    }

    pub(crate) fn reset(stream: u32, code: u32) -> Self {
        Self::new(RST_STREAM, 0, stream, code.to_be_bytes())
    }

    pub(crate) fn goaway(last_stream: u32, code: u32) -> Self {
        Self::new(GOAWAY, 0, 0, [last_stream.to_be_bytes(), code.to_be_bytes()].concat())
    }

    pub(crate) fn window(stream: u32, more: u32) -> Self {
        Self::new(WINDOW_UPDATE, 0, stream, more.to_be_bytes())
    }

    pub(crate) fn ping(payload: [u8; 8]) -> Self {
        Self::new(PING, 0, 0, payload)
    }

    /// The request of a call with an empty message, up to its end.
    pub(crate) fn call(stream: u32, path: &str) -> [Self; 2] {
        [Self::asking(stream, path, &[]), Self::data(stream, END_STREAM, EMPTY)]
    }

    /// The headers of a call.
    pub(crate) fn asking(stream: u32, path: &str, more: &[(&str, &str)]) -> Self {
        Self::headers(stream, 0, &[&request(path), more].concat())
    }

    /// The headers of an answer, its empty message, and its trailers.
    pub(crate) fn answer(stream: u32) -> [Self; 3] {
        [
            Self::headers(stream, 0, &[(":status", "200"), ("content-type", "application/grpc")]),
            Self::data(stream, 0, EMPTY),
            Self::headers(stream, END_STREAM, &[("grpc-status", "0")]),
        ]
    }

    pub(crate) fn is(&self, kind: u8, stream: u32) -> bool {
        self.kind == kind && self.stream == stream
    }

    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// The code of a RST_STREAM or a GOAWAY.
    pub(crate) fn code(&self) -> Option<u32> {
        let code = match self.kind {
            RST_STREAM => self.payload.get(..4)?,
            GOAWAY => self.payload.get(4..8)?,
            _ => return None,
        };
        Some(u32::from_be_bytes(code.try_into().unwrap()))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes()].concat();
        [head, self.payload.clone()].concat()
    }
}

/// The header fields of a call.
pub(crate) fn request(path: &str) -> [(&str, &str); 6] {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
}

/// A header block of literals that are not indexed (RFC 7541, section 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.extend(integer(text.len()));
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A length after seven bits (RFC 7541, section 5.1).
pub(crate) fn integer(length: usize) -> Vec<u8> {
    let Some(mut rest) = length.checked_sub(127) else { return vec![u8::try_from(length).unwrap()] };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Raw {
    io: TcpStream,
    received: Vec<u8>,
}

impl Raw {
    /// A connection on which nothing has been said.
    pub(crate) fn new(io: TcpStream) -> Self {
        Self { io, received: Vec::new() }
    }

    /// A client's connection, up to its SETTINGS.
    pub(crate) async fn dial(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut raw = Self::new(TcpStream::connect(address).await.unwrap());
        raw.write(PREFACE).await.unwrap();
        raw.send([Frame::settings(settings)]).await.unwrap();
        raw
    }

    /// A server's connection, up to the client's preface.
    pub(crate) async fn accept(io: TcpStream) -> Self {
        let mut raw = Self::new(io);
        raw.io.set_nodelay(true).unwrap();
        while raw.received.len() < PREFACE.len() && raw.read().await {}
        let preface = raw.received.split_off(PREFACE.len().min(raw.received.len()));
        assert!(preface.is_empty() || raw.received == PREFACE);
        raw.received = preface;
        raw
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.io.write_all(bytes)).await.expect("the peer reads")
    }

    pub(crate) async fn send(&mut self, frames: impl IntoIterator<Item = Frame>) -> io::Result<()> {
        let bytes: Vec<u8> = frames.into_iter().flat_map(|frame| frame.encode()).collect();
        self.write(&bytes).await
    }

    /// The next frame; `None` once the connection has ended, whichever way.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take() {
                return Some(frame);
            }
            if !timeout(PATIENCE, self.read()).await.expect("the peer speaks or ends") {
                return None;
            }
        }
    }

    /// The next frame that is not about the connection. SETTINGS and PINGs are acknowledged, as a peer that is well does.
    pub(crate) async fn next_of_stream(&mut self) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            match frame.kind {
                SETTINGS | PING if frame.flags & ACK == 0 => {
                    let payload = if frame.kind == PING { frame.payload } else { Vec::new() };
                    // A peer that has ended says so at the next read.
                    let _ended = self.send([Frame::new(frame.kind, ACK, 0, payload)]).await.is_err();
                }
                SETTINGS | PING => {}
                WINDOW_UPDATE if frame.stream == 0 => {}
                _ => return Some(frame),
            }
        }
    }

    /// Frames up to one of this kind on this stream.
    pub(crate) async fn until(&mut self, kind: u8, stream: u32) -> Frame {
        loop {
            let frame = self.next_of_stream().await.unwrap_or_else(|| panic!("no frame {kind} on {stream}: it ended"));
            if frame.is(kind, stream) {
                return frame;
            }
        }
    }

    /// The first frame that is so; `None` where the connection ends before.
    pub(crate) async fn rest_until(&mut self, is: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if is(&frame) {
                return Some(frame);
            }
        }
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// Ends the connection with a RST: what was sent may be lost.
    pub(crate) fn abort(self) {
        self.io.set_zero_linger().unwrap();
    }

    /// Says that nothing more comes.
    pub(crate) async fn finish(&mut self) {
        let _ended_already = self.io.shutdown().await.is_err();
    }

    /// The two directions, for whoever writes without reading.
    pub(crate) fn into_split(self) -> (tokio::net::tcp::OwnedReadHalf, tokio::net::tcp::OwnedWriteHalf) {
        self.io.into_split()
    }

    fn take(&mut self) -> Option<Frame> {
        let (head, rest) = self.received.split_at_checked(9)?;
        let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap();
        let payload = rest.get(..length)?.to_vec();
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        self.received.drain(..9 + length);
        Some(frame)
    }

    async fn read(&mut self) -> bool {
        // A reset is an end.
        self.io.read_buf(&mut self.received).await.is_ok_and(|read| read > 0)
    }
}
