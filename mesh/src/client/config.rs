//! The limits of the outbound side.

use std::time::Duration;

/// Limits of a service's channels.
#[derive(Clone, Copy, Debug)]
pub struct ClientConfig {
    /// The deadline of a unary call that has none of its own and serves no call that has one; streams get none. 15 s.
    pub default_timeout: Duration,
    /// Connections to an endpoint that one event loop keeps, while all loops together have no more than
    /// `connections_per_endpoint`. 2.
    pub connections_per_loop: usize,
    /// Connections to an endpoint that all event loops together keep; a loop that calls has at least one. 4.
    pub connections_per_endpoint: usize,
    /// Connections to an endpoint that an event loop has at most, where the peer's MAX_CONCURRENT_STREAMS leaves calls
    /// waiting on those it keeps (gRFC A105). What is made for that stays until the peer ends it. 10.
    pub connections_max: usize,
    /// How long a connect may take, up to the peer's first word of HTTP/2. 1 s.
    pub connect_timeout: Duration,
    /// The first wait after a failed connect. 100 ms.
    pub backoff_min: Duration,
    /// The longest wait after failed connects. 5 s: an endpoint that comes back has its share of the calls within 10 s.
    pub backoff_max: Duration,
    /// How much longer each wait is than the one before. 1.6.
    pub backoff_factor: f64,
    /// The share by which a wait is shortened or lengthened at random. 0.2.
    pub backoff_jitter: f64,
    /// How long a call waits while a name is resolved or a connection is made, and one without a deadline for a stream of
    /// a connection that has none free. 3 s.
    pub connecting_wait_max: Duration,
    /// Calls to a target that may wait at once; one more is UNAVAILABLE. 1,024.
    pub queue_max: usize,
    /// A name is resolved again after this time. 5 s.
    pub resolve_interval: Duration,
    /// A name is resolved again when a connection ends or cannot be made, but not sooner than this after the last time. 1 s.
    pub resolve_interval_min: Duration,
    /// How long the kernel waits for a TCP peer: for the acknowledgement of what was sent, and for that of a probe on an
    /// idle connection, which no HTTP/2 peer sees. Whoever is silent for longer is gone. 15 s.
    pub tcp_silence_max: Duration,
    /// A PING is sent after this much silence while calls are open, against a peer whose kernel answers and whose program
    /// does not. 5 min: grpc-go and the gRPC core hang up on clients that ping more often, or at all when they have no
    /// call open (`too_many_pings`, gRFC A8).
    pub keepalive_interval: Duration,
    /// The connection is given up where a PING is not answered in this time. 10 s.
    pub keepalive_timeout: Duration,
    /// Flow control window of a stream. 1 MiB.
    pub stream_window: u32,
    /// Flow control window of a connection: the most that its unread answers take of memory. 1 MiB.
    pub connection_window: u32,
    /// Decoded size of a header block that is accepted. 16 KiB.
    pub header_bytes_max: u32,
    /// Bytes of requests that wait for a slow peer, a stream. 256 KiB.
    pub send_buffer_max: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            default_timeout: Duration::from_secs(15),
            connections_per_loop: 2,
            connections_per_endpoint: 4,
            connections_max: 10,
            connect_timeout: Duration::from_secs(1),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            backoff_factor: 1.6,
            backoff_jitter: 0.2,
            connecting_wait_max: Duration::from_secs(3),
            queue_max: 1024,
            resolve_interval: Duration::from_secs(5),
            resolve_interval_min: Duration::from_secs(1),
            tcp_silence_max: Duration::from_secs(15),
            keepalive_interval: Duration::from_secs(300),
            keepalive_timeout: Duration::from_secs(10),
            stream_window: 1024 * 1024,
            connection_window: 1024 * 1024,
            header_bytes_max: 16 * 1024,
            send_buffer_max: 256 * 1024,
        }
    }
}

impl ClientConfig {
    /// The wait after the `failures`-th failed connect in a row, counted from 1; `random` is in 0..1.
    pub(super) fn backoff(&self, failures: u32, random: f64) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1).min(64)).unwrap_or(64);
        let grown = self.backoff_min.as_secs_f64() * self.backoff_factor.powi(exponent);
        let capped = grown.min(self.backoff_max.as_secs_f64());
        Duration::from_secs_f64(capped * (1.0 + self.backoff_jitter * (2.0 * random - 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_backoff_grows_and_stays_within_its_bounds(failures in 1_u32..10_000, random in 0.0..1.0_f64) {
            let config = ClientConfig::default();
            let wait = config.backoff(failures, random);
            prop_assert!(wait >= config.backoff_min.mul_f64(0.8) && wait <= config.backoff_max.mul_f64(1.2));
            prop_assert!(config.backoff(failures + 1, random) >= wait);
            // With the longest wait and the longest connect, what comes back is noticed within 10 s.
            prop_assert!(wait + config.connect_timeout < Duration::from_secs(8));
        }
    }
}
