//! Finds out which protocol a peer speaks, from its first bytes, within a time limit.
//!
//! HTTP/2 with prior knowledge begins with a fixed preface; anything else is read as HTTP/1. The bytes that were read
//! are given back to whoever reads on.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::wire::Wire;

/// The client connection preface (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// The whole HTTP/2 preface.
    Http2,
    /// Anything else.
    Http1,
    /// The peer hung up before it said anything.
    Nothing,
}

/// Reads until the first bytes are the preface or cannot become it.
pub(super) async fn sniff<IO: AsyncRead + Unpin>(mut io: IO) -> io::Result<(Spoken, Wire<IO>)> {
    let (mut first, mut read) = ([0; PREFACE.len()], 0);
    let spoken = loop {
        let more = io.read(&mut first[read..]).await?;
        read += more;
        if more == 0 {
            break if read == 0 { Spoken::Nothing } else { Spoken::Http1 };
        }
        if first[..read] != PREFACE[..read] {
            break Spoken::Http1;
        }
        if read == PREFACE.len() {
            break Spoken::Http2;
        }
    };
    Ok((spoken, Wire::rewound(io, Bytes::copy_from_slice(&first[..read]))))
}

#[cfg(test)]
mod tests {
    use tokio_test::io::Builder;

    use super::*;

    #[tokio::test]
    async fn a_preface_in_pieces_is_http2_and_nothing_of_it_is_lost() {
        let io = Builder::new().read(&PREFACE[..3]).read(&PREFACE[3..]).read(b"rest").build();
        let (spoken, mut io) = sniff(io).await.unwrap();
        assert_eq!(spoken, Spoken::Http2);
        let mut all = Vec::new();
        io.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [&PREFACE[..], b"rest"].concat());
    }

    #[tokio::test]
    async fn anything_else_is_http1_at_its_first_wrong_byte() {
        for first in [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/1", b"\x16\x03\x01"] {
            let (spoken, _io) = sniff(Builder::new().read(first).build()).await.unwrap();
            assert_eq!(spoken, Spoken::Http1);
        }
        assert_eq!(sniff(Builder::new().build()).await.unwrap().0, Spoken::Nothing);
    }
}
