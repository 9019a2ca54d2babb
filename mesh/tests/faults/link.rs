//! A link between two peers that can be slow, cut, and healed: a TCP proxy inside the test.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::sleep,
};

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    /// Everything passes at once.
    Good,
    /// Everything passes, after this time, in pieces of so many bytes.
    Slow { latency: Duration, piece: usize },
    /// Both ends are accepted and nothing passes: neither data nor ends. What was on its way arrives once it heals.
    Cut,
}

/// The link. Peers of the one end dial `address`.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    quality: watch::Sender<Quality>,
}

impl Link {
    pub(crate) async fn to(upstream: SocketAddr, quality: Quality) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (quality, seen) = watch::channel(quality);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(upstream).await else { continue };
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                tokio::spawn(carry(near_read, far_write, seen.clone()));
                tokio::spawn(carry(far_read, near_write, seen.clone()));
            }
        });
        Self { address, quality }
    }

    pub(crate) fn becomes(&self, quality: Quality) {
        self.quality.send_replace(quality);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut quality: watch::Receiver<Quality>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let mut rest = &buffer[..read];
        loop {
            // Nobody changes a link that is forgotten.
            let Ok(now) = quality.wait_for(|quality| *quality != Quality::Cut).await.map(|now| *now) else { return };
            let piece = match now {
                Quality::Slow { latency, piece } => {
                    sleep(latency).await;
                    // What is cut meanwhile does not arrive.
                    if quality.has_changed().unwrap_or(false) {
                        continue;
                    }
                    piece
                }
                Quality::Good | Quality::Cut => rest.len(),
            };
            let (piece, later) = rest.split_at(piece.min(rest.len()));
            if to.write_all(piece).await.is_err() {
                return;
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        if read == 0 {
            let _gone = to.shutdown().await.is_err();
            return;
        }
    }
}
