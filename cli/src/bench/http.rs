//! Fetches what a server says over HTTP: a page, its metrics.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use anyhow::{Context as _, ensure};

/// The body at a path, which starts with a slash.
pub(super) fn get(address: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
    // HTTP/1.0 has no chunks.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(|| format!("read {path} of {address}"))?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("find the end of the headers")?;
    let status = String::from_utf8_lossy(&answer[..end]).into_owned();
    ensure!(status.split_whitespace().nth(1) == Some("200"), "GET {path} of {address}: {status}");
    Ok(answer.split_off(end + 4))
}
