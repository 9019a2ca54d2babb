//! HTTP/2 frame by frame, for what no client library would ever send (RFC 9113, section 4.1).

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedReadHalf},
};

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame type: opens a stream.
pub const HEADERS: u8 = 0x1;
/// Ends a stream at once.
pub const RST_STREAM: u8 = 0x3;
/// How the peer should speak; the first thing after the preface.
pub const SETTINGS: u8 = 0x4;
/// The peer ends the connection, and says why.
pub const GOAWAY: u8 = 0x7;
/// More of a header block.
pub const CONTINUATION: u8 = 0x9;

/// Flag of HEADERS and CONTINUATION: the block ends here.
pub const END_HEADERS: u8 = 0x4;
/// GOAWAY's reason for a peer that asks too much.
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// One frame as it came in.
#[derive(Debug)]
struct Frame {
    kind: u8,
    payload: Vec<u8>,
}

impl Frame {
    /// The error code of a GOAWAY.
    fn reason(&self) -> u32 {
        self.payload.get(4..8).and_then(|code| code.try_into().ok()).map_or(u32::MAX, u32::from_be_bytes)
    }
}

/// Writes one frame.
///
/// # Panics
/// If the payload is longer than a frame can be.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    assert_eq!(length[0], 0, "a frame has 24 bits for its length");
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The header block of a gRPC call, in literals without indexing (RFC 7541, section 6.2.2).
#[must_use]
pub fn call_headers(path: &str) -> Vec<u8> {
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost")];
    let plain = [("te", "trailers"), ("content-type", "application/grpc")];
    pseudo.into_iter().chain(plain).flat_map(|(name, value)| literal(name, value)).collect()
}

/// One header, both parts shorter than 127 bytes.
///
/// # Panics
/// If a part is longer.
#[must_use]
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for part in [name, value] {
        bytes.push(u8::try_from(part.len()).ok().filter(|length| *length < 127).expect("a short header"));
        bytes.extend(part.as_bytes());
    }
    bytes
}

/// A connection on which anything can be said.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
}

/// What became of a flood.
#[derive(Debug)]
pub struct Flooded {
    /// Bytes that the peer took, or that were on their way to it.
    pub sent: usize,
    /// Whether the peer closed before the flood was over.
    pub stopped: bool,
    /// The error code of the peer's GOAWAY.
    pub goaway: Option<u32>,
}

impl Wire {
    /// Connects, and says nothing.
    ///
    /// # Errors
    /// As the system.
    pub async fn connect(address: &str) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(address).await? })
    }

    /// Connects, and greets as an HTTP/2 client does.
    ///
    /// # Errors
    /// As the system.
    pub async fn greeted(address: &str) -> io::Result<Self> {
        let mut wire = Self::connect(address).await?;
        wire.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await?;
        Ok(wire)
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// If the peer has closed.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Everything the peer says until it closes, in whichever way. Nothing more is said to it.
    pub async fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // Whether it hangs up or resets the connection, it is over.
        let _reset = self.stream.read_to_end(&mut rest).await.is_err();
        rest
    }

    /// Sends whatever `next` makes until the peer closes or `most` bytes are sent, and reads on the side.
    pub async fn flood(self, most: usize, mut next: impl FnMut() -> Vec<u8>) -> Flooded {
        let (mut reader, mut writer) = self.stream.into_split();
        let write = async {
            let mut sent = 0;
            while sent < most {
                let bytes = next();
                if writer.write_all(&bytes).await.is_err() {
                    return (sent, true);
                }
                sent += bytes.len();
            }
            let _closed = writer.shutdown().await.is_err();
            (sent, false)
        };
        let read = async {
            let mut goaway = None;
            while let Some(frame) = read_frame(&mut reader).await {
                if frame.kind == GOAWAY && frame.reason() != 0 {
                    goaway = Some(frame.reason());
                }
            }
            goaway
        };
        let ((sent, stopped), goaway) = tokio::join!(write, read);
        Flooded { sent, stopped, goaway }
    }
}

/// The next frame, or `None` where the peer has closed, in whichever way.
async fn read_frame(reader: &mut OwnedReadHalf) -> Option<Frame> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).ok()?];
    reader.read_exact(&mut payload).await.ok()?;
    Some(Frame { kind: head[3], payload })
}
