//! What a process knows of one endpoint: how much is in flight there, and how long it takes to answer.
//!
//! All event loops share it, so it is a few atomic words and no lock. Time is milliseconds since the target's first call,
//! given by whoever asks: the same code runs under a simulated clock. `docs/decisions/0011` has the reasons and figures.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

/// Estimates below this count as equal, and an endpoint of which nothing is known starts here. On a busy machine any
/// endpoint is a few milliseconds late now and then; who follows that sends everything to the one that happened not to be.
pub(super) const FLOOR: Duration = Duration::from_millis(30);

/// How long a sample takes to lose two thirds of its weight.
const DECAY_S: f32 = 1.0;

/// Whoever has calls and has answered none for this long is stopped, or was not given a processor for several turns.
const ANSWERING_MS: u32 = 10;

/// What a failed call counts as: an endpoint that fails fast must not look like one that answers fast.
const FAILURE_S: f32 = 5.0;

/// One stream in the upper half of the count.
const STREAM: u64 = 1 << 32;

/// How a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By its place and its latency.
    Unary,
    /// By its place alone: how long a stream lasts says nothing about who serves it.
    Stream,
}

impl Kind {
    fn one(self) -> u64 {
        match self {
            Self::Unary => 1,
            Self::Stream => STREAM,
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With an answer, be it an error of the caller's making.
    Answered,
    /// With the endpoint's failure, or its connection's.
    Failed,
    /// The caller gave up, or the request was not taken: how long that took is the least that an answer would have.
    Dropped,
}

/// The load of one endpoint.
#[derive(Debug)]
pub(super) struct Load {
    /// Unary calls in the lower half, streams in the upper one.
    in_flight: AtomicU64,
    /// Seconds as the bits of an `f32` in the upper half, and the millisecond of that estimate in the lower one.
    estimate: AtomicU64,
    /// The millisecond at which a unary call was last answered, or sent while no other one was there.
    progress_ms: AtomicU32,
}

impl Load {
    pub(super) fn new() -> Self {
        Self {
            in_flight: AtomicU64::new(0),
            estimate: AtomicU64::new(packed(FLOOR.as_secs_f32(), 0)),
            progress_ms: AtomicU32::new(0),
        }
    }

    /// Forgets what was learnt, for an endpoint that may have become another process.
    pub(super) fn start_at(&self, estimate: Duration, now_ms: u32) {
        self.estimate.store(packed(estimate.as_secs_f32(), now_ms), Ordering::Relaxed);
        self.progress_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Counts a call that is sent.
    pub(super) fn begin(&self, kind: Kind, now_ms: u32) {
        let before = self.in_flight.fetch_add(kind.one(), Ordering::Relaxed);
        if kind == Kind::Unary && unary(before) == 0 {
            self.progress_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// Counts a call no longer, and takes what it says about the endpoint.
    pub(super) fn end(&self, kind: Kind, outcome: Outcome, took: Duration, now_ms: u32) {
        self.in_flight.fetch_sub(kind.one(), Ordering::Relaxed);
        let answered = kind == Kind::Unary && outcome != Outcome::Dropped;
        if answered && self.progress_ms.load(Ordering::Relaxed) != now_ms {
            self.progress_ms.store(now_ms, Ordering::Relaxed);
        }
        match (outcome, kind) {
            (Outcome::Failed, _) => self.sample(FAILURE_S, now_ms),
            (Outcome::Answered, Kind::Unary) => self.sample(took.as_secs_f32(), now_ms),
            (Outcome::Dropped, Kind::Unary) if took.as_secs_f32() > self.estimate_s(now_ms) => {
                self.sample(took.as_secs_f32(), now_ms);
            }
            (Outcome::Answered, Kind::Stream) | (Outcome::Dropped, _) => {}
        }
    }

    /// Calls of both kinds in flight.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> u64 {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        unary(in_flight) + in_flight / STREAM
    }

    /// What one more call costs here: the latency times those who share it.
    pub(super) fn cost(&self, now_ms: u32) -> f32 {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let mut latency = self.latency_s(now_ms);
        if unary(in_flight) > 0 {
            // Nothing has come back since: whoever is stopped is found before its first call ends.
            latency = latency.max(seconds(self.silent_ms(now_ms)));
        }
        #[allow(clippy::cast_precision_loss, reason = "a cost is compared, not counted")]
        let sharers = (unary(in_flight) + in_flight / STREAM + 1) as f32;
        latency * sharers
    }

    /// The expected latency; below the floor all are equal.
    pub(super) fn latency_s(&self, now_ms: u32) -> f32 {
        self.estimate_s(now_ms).max(FLOOR.as_secs_f32())
    }

    /// Whether a unary call came back just now, or none is awaited.
    pub(super) fn is_answering(&self, now_ms: u32) -> bool {
        unary(self.in_flight.load(Ordering::Relaxed)) == 0 || self.silent_ms(now_ms) < ANSWERING_MS
    }

    fn silent_ms(&self, now_ms: u32) -> u32 {
        elapsed_ms(now_ms, self.progress_ms.load(Ordering::Relaxed))
    }

    /// The average latency, recent calls first; without calls it fades, so that every endpoint is tried again.
    pub(super) fn estimate_s(&self, now_ms: u32) -> f32 {
        let (estimate, at_ms) = unpacked(self.estimate.load(Ordering::Relaxed));
        // What counts as equal anyway need not be exact.
        if estimate <= FLOOR.as_secs_f32() { estimate } else { estimate * weight(elapsed_ms(now_ms, at_ms)) }
    }

    fn sample(&self, sample: f32, now_ms: u32) {
        let known = self.estimate.load(Ordering::Relaxed);
        let (estimate, at_ms) = unpacked(known);
        let elapsed = elapsed_ms(now_ms, at_ms);
        // One a millisecond is enough, whichever it is.
        if elapsed == 0 {
            return;
        }
        let old = weight(elapsed);
        let next = packed(estimate * old + sample * (1.0 - old), now_ms);
        // Whoever was faster had a sample of the same millisecond.
        let _taken = self.estimate.compare_exchange(known, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    }
}

fn unary(in_flight: u64) -> u64 {
    in_flight % STREAM
}

fn packed(seconds: f32, at_ms: u32) -> u64 {
    u64::from(seconds.to_bits()) << 32 | u64::from(at_ms)
}

fn unpacked(word: u64) -> (f32, u32) {
    #[allow(clippy::cast_possible_truncation, reason = "the halves of a word")]
    let (upper, lower) = ((word >> 32) as u32, word as u32);
    (f32::from_bits(upper), lower)
}

/// What is left of a sample's weight after this time.
fn weight(elapsed_ms: u32) -> f32 {
    (-seconds(elapsed_ms) / DECAY_S).exp()
}

fn seconds(ms: u32) -> f32 {
    #[allow(clippy::cast_precision_loss, reason = "an age is compared, not counted")]
    let seconds = ms as f32 / 1_000.0;
    seconds
}

/// Wraps around after 49 days; another thread's clock may have been read a moment later.
fn elapsed_ms(now_ms: u32, then_ms: u32) -> u32 {
    let elapsed = now_ms.wrapping_sub(then_ms);
    if elapsed > u32::MAX / 2 { 0 } else { elapsed }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_micros(100);

    fn call(load: &Load, outcome: Outcome, took: Duration, now_ms: u32) {
        load.begin(Kind::Unary, now_ms);
        load.end(Kind::Unary, outcome, took, now_ms);
    }

    fn idle_cost() -> f32 {
        FLOOR.as_secs_f32()
    }

    #[test]
    fn a_late_answer_among_many_fast_ones_changes_nothing() {
        let load = Load::new();
        for now_ms in 1..1_000 {
            call(&load, Outcome::Answered, if now_ms == 500 { Duration::from_millis(500) } else { FAST }, now_ms);
            assert_eq!(load.cost(now_ms), idle_cost(), "after {now_ms} ms");
        }
    }

    #[test]
    fn an_endpoint_that_became_slow_is_known_to_be_within_a_second() {
        let load = Load::new();
        for turn in 1..=10 {
            call(&load, Outcome::Answered, Duration::from_millis(200), turn * 100);
        }
        assert!(load.estimate_s(1_000) > 0.1, "{}", load.estimate_s(1_000));
    }

    #[test]
    fn one_that_fails_fast_costs_more_than_any_that_answers_and_is_tried_again_within_seconds() {
        let load = Load::new();
        for now_ms in 1..=200 {
            call(&load, Outcome::Failed, FAST, now_ms);
        }
        assert!(load.cost(200) > 20.0 * idle_cost(), "{}", load.cost(200));
        assert_eq!(load.cost(6_000), idle_cost());
        load.start_at(FLOOR, 200);
        assert_eq!(load.cost(200), idle_cost(), "a new connection starts anew");
    }

    #[test]
    fn a_stopped_endpoint_costs_more_the_longer_it_is_silent_and_nothing_more_once_it_answers() {
        let load = Load::new();
        load.begin(Kind::Unary, 1_000);
        load.begin(Kind::Unary, 1_500);
        assert_eq!(load.cost(1_030), 3.0 * idle_cost());
        assert!(load.cost(2_000) >= 3.0 * 0.99);
        load.end(Kind::Unary, Outcome::Answered, FAST, 2_000);
        assert!(load.cost(2_000) < 3.0 * idle_cost());
    }

    #[test]
    fn streams_count_by_their_place_alone() {
        let load = Load::new();
        load.begin(Kind::Stream, 0);
        assert_eq!((load.cost(60_000), load.in_flight()), (2.0 * idle_cost(), 1));
        load.end(Kind::Stream, Outcome::Answered, Duration::from_secs(60), 60_000);
        assert_eq!((load.cost(60_000), load.in_flight()), (idle_cost(), 0));
    }

    #[test]
    fn a_call_that_was_given_up_counts_only_where_it_took_longer_than_an_answer() {
        let load = Load::new();
        call(&load, Outcome::Dropped, Duration::ZERO, 500);
        assert_eq!(load.estimate_s(500), FLOOR.as_secs_f32());
        call(&load, Outcome::Dropped, Duration::from_secs(3), 1_000);
        assert!(load.estimate_s(1_000) > 1.0);
    }

    #[test]
    fn the_clock_may_wrap_around_and_run_a_little_behind() {
        assert_eq!(elapsed_ms(3, u32::MAX - 1), 5);
        assert_eq!(elapsed_ms(7, 8), 0);
    }
}
