//! The limits of the inbound side.

use std::time::Duration;

/// Limits of one service's inbound stack.
#[derive(Clone, Copy, Debug)]
pub struct InboundConfig {
    /// The deadline of a unary call that brings none; streams get none. 15 s.
    pub default_timeout: Duration,
}

impl Default for InboundConfig {
    fn default() -> Self {
        Self { default_timeout: Duration::from_secs(15) }
    }
}

/// Limits of a listener and of its connections. hyper's own defaults are not relied on (RUSTSEC-2024-0003).
#[derive(Clone, Copy, Debug)]
pub struct ConnectionConfig {
    /// Connections open at once on a listener; the next one waits in the kernel's queue. 10,000.
    ///
    /// What peers can make a process hold is this many times `connection_window` of unread requests, and as much again as
    /// `send_buffer_max` for each open stream of unread answers: lower it where memory is short.
    pub connections_max: usize,
    /// How long a peer may take to say which protocol it speaks, and on a gRPC port for the headers of HTTP/1. 5 s.
    pub handshake_timeout: Duration,
    /// How long an HTTP/1 peer may be idle between two requests, and how long it may take for the headers of one. 60 s.
    pub http1_idle_max: Duration,
    /// Streams open at once on a connection (HTTP/2 MAX_CONCURRENT_STREAMS). 1,000.
    pub streams_max: u32,
    /// Streams that the peer reset before they were accepted; more of them end the connection. 20.
    pub pending_resets_max: usize,
    /// Streams that were reset here for the peer's mistakes; more of them end the connection. 1,024.
    pub local_resets_max: usize,
    /// Decoded size of a header block (HTTP/2 MAX_HEADER_LIST_SIZE). 16 KiB.
    pub header_bytes_max: u32,
    /// Flow control window of a stream. 1 MiB.
    pub stream_window: u32,
    /// Flow control window of a connection: the most that its unread requests take of memory. 1 MiB.
    pub connection_window: u32,
    /// Bytes of answers that wait for a slow peer, a stream. 256 KiB.
    pub send_buffer_max: usize,
    /// A PING is sent after this much silence. 30 s.
    pub keepalive_interval: Duration,
    /// The connection ends where a PING is not answered in this time. 10 s.
    pub keepalive_timeout: Duration,
    /// A connection is asked to end at this age, 10 % more or less, so that new replicas get their share. 10 min.
    pub age: Duration,
    /// How long calls may go on after a connection was asked to end for its age. 30 s.
    pub age_grace: Duration,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            handshake_timeout: Duration::from_secs(5),
            http1_idle_max: Duration::from_secs(60),
            streams_max: 1_000,
            pending_resets_max: 20,
            local_resets_max: 1_024,
            header_bytes_max: 16 * 1024,
            stream_window: 1024 * 1024,
            connection_window: 1024 * 1024,
            send_buffer_max: 256 * 1024,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            age: Duration::from_secs(600),
            age_grace: Duration::from_secs(30),
        }
    }
}
