//! Which endpoint takes a call: the cheaper one of two chosen at random, unless the other one has had fewer calls of late and
//! could have taken more.
//!
//! Two random choices spread nearly as well as looking at all, and no two event loops run after the same endpoint. Alone
//! they follow whoever the scheduler favours: on a machine that is busy the endpoint that runs has the fewest calls in
//! flight, is given more, and others sleep. So calls in flight decide at once, and of those that answer equally fast the
//! one that is behind is preferred, until it is not. `docs/decisions/0011` has the reasons and figures.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Calls are counted over this time, and half counted over the same time before.
const WINDOW_MS: u32 = 1_000;

/// An endpoint is behind that has less than this share of another one's calls.
const BEHIND_PERCENT: u64 = 95;

/// One that has less than this share of another one's calls, because it was away or slow, need not make up for more.
const FORGIVEN_PERCENT: u64 = 80;

/// How much more an endpoint that is behind may cost. Nothing but calls in flight makes this difference.
const SLACK: f32 = 6.0;

/// What a choice is made among.
pub(super) trait Candidate {
    /// Whether it can take a call now.
    fn is_free(&self) -> bool;
    /// What a call would cost at this millisecond.
    fn cost(&self, now_ms: u32) -> f32;
    /// How long it takes to answer.
    fn latency(&self, now_ms: u32) -> f32;
    /// Whether it has answered just now, or had nothing to answer.
    fn is_answering(&self, now_ms: u32) -> bool;
    /// How many calls it was given of late.
    fn recent(&self) -> &AtomicU64;
}

/// Makes the choices of one event loop.
#[derive(Debug, Default)]
pub(super) struct Chooser {
    window_ms: AtomicU32,
}

impl Chooser {
    /// The index of the candidate that takes the call; none where none is free. The one to `avoid` takes it only where no
    /// other can. `random` gives a number below its argument.
    pub(super) fn choose<C: Candidate>(
        &self,
        candidates: &[C],
        now_ms: u32,
        avoid: Option<usize>,
        mut random: impl FnMut(usize) -> usize,
    ) -> Option<usize> {
        let is_free = |index: usize| Some(index) != avoid && candidates[index].is_free();
        let count = candidates.len();
        let chosen = match count {
            0 => return None,
            1 => 0,
            _ => {
                self.forget(candidates, now_ms);
                let first = random(count);
                let other = (first + 1 + random(count - 1)) % count;
                match (is_free(first), is_free(other)) {
                    (true, false) => first,
                    (false, true) => other,
                    (true, true) => better(candidates, now_ms, first, other),
                    (false, false) => first,
                }
            }
        };
        let cheapest = |free: &dyn Fn(usize) -> bool| {
            let cost = |index: &usize| candidates[*index].cost(now_ms);
            (0..count).filter(|index| free(*index)).min_by(|a, b| cost(a).total_cmp(&cost(b)))
        };
        let chosen = Some(chosen).filter(|chosen| is_free(*chosen)).or_else(|| cheapest(&is_free));
        let chosen = chosen.or_else(|| avoid.filter(|avoided| candidates[*avoided].is_free()))?;
        candidates[chosen].recent().fetch_add(1, Ordering::Relaxed);
        Some(chosen)
    }

    fn forget<C: Candidate>(&self, candidates: &[C], now_ms: u32) {
        if now_ms.wrapping_sub(self.window_ms.load(Ordering::Relaxed)) < WINDOW_MS {
            return;
        }
        self.window_ms.store(now_ms, Ordering::Relaxed);
        for candidate in candidates {
            let recent = candidate.recent();
            recent.store(recent.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
        }
    }
}

fn better<C: Candidate>(candidates: &[C], now_ms: u32, first: usize, other: usize) -> usize {
    let recent = |index: usize| candidates[index].recent().load(Ordering::Relaxed);
    let (fewer, more) = if recent(other) < recent(first) { (other, first) } else { (first, other) };
    let (mut few, many) = (recent(fewer), recent(more));
    let (a, b) = (&candidates[fewer], &candidates[more]);
    if few * 100 < many * FORGIVEN_PERCENT {
        few = many * FORGIVEN_PERCENT / 100;
        a.recent().store(few, Ordering::Relaxed);
    }
    let (cost, others) = (a.cost(now_ms), b.cost(now_ms));
    let is_behind = few * 100 < many * BEHIND_PERCENT;
    let is_well = || a.latency(now_ms) <= b.latency(now_ms) && a.is_answering(now_ms);
    let most = if is_behind && is_well() { others * SLACK } else { others };
    if cost <= most { fewer } else { more }
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake {
        free: bool,
        cost: f32,
        latency: f32,
        answering: bool,
        recent: AtomicU64,
    }

    impl Candidate for Fake {
        fn is_free(&self) -> bool {
            self.free
        }

        fn cost(&self, _now_ms: u32) -> f32 {
            self.cost
        }

        fn latency(&self, _now_ms: u32) -> f32 {
            self.latency
        }

        fn is_answering(&self, _now_ms: u32) -> bool {
            self.answering
        }

        fn recent(&self) -> &AtomicU64 {
            &self.recent
        }
    }

    fn idle() -> Fake {
        Fake { free: true, cost: 1.0, latency: 1.0, answering: true, recent: AtomicU64::new(0) }
    }

    fn chosen(candidates: &[Fake], avoid: Option<usize>, calls: u32) -> Vec<u32> {
        let (chooser, mut random) = (Chooser::default(), fastrand::Rng::with_seed(7));
        let mut counts = vec![0; candidates.len()];
        for call in 0..calls {
            if let Some(index) = chooser.choose(candidates, call, avoid, |below| random.usize(..below)) {
                counts[index] += 1;
            }
        }
        counts
    }

    #[test]
    fn calls_to_equal_endpoints_are_even_within_a_few_of_a_hundred() {
        for counts in [chosen(&[idle(), idle(), idle()], None, 3_000), chosen(&[idle(), idle()], None, 2_000)] {
            assert!(counts.iter().all(|count| (970..=1_030).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn one_that_has_more_in_flight_keeps_its_share_as_long_as_it_answers_as_fast_as_others() {
        let busy = |cost| [Fake { cost, ..idle() }, idle(), idle()];
        let share = |candidates: &[Fake]| chosen(candidates, None, 6_000)[0];
        assert!((1_850..=2_150).contains(&share(&busy(5.0))), "{}", share(&busy(5.0)));
        assert_eq!(share(&busy(7.0)), 0);
        let [mut slow, mut silent] = [busy(5.0), busy(5.0)];
        slow[0].latency = 1.1;
        silent[0].answering = false;
        assert_eq!((share(&slow), share(&silent)), (0, 0));
    }

    #[test]
    fn one_that_comes_back_does_not_have_all_calls_until_it_has_made_up_for_its_absence() {
        let others = || Fake { recent: AtomicU64::new(10_000), ..idle() };
        let counts = chosen(&[idle(), others(), others()], None, 900);
        assert!((250..=750).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn a_full_one_is_never_chosen() {
        let full = || Fake { free: false, ..idle() };
        assert_eq!(chosen(&[full(), full(), Fake { cost: 9.0, ..idle() }], None, 1_000), [0, 0, 1_000]);
        assert_eq!(chosen(&[full(), full()], None, 1_000), [0, 0]);
        assert_eq!(chosen(&[], None, 10), Vec::<u32>::new());
    }

    #[test]
    fn the_one_to_avoid_is_chosen_only_where_it_alone_is_left() {
        assert_eq!(chosen(&[idle(), Fake { cost: 9.0, ..idle() }], Some(0), 100), [0, 100]);
        assert_eq!(chosen(&[idle(), Fake { free: false, ..idle() }], Some(0), 100), [100, 0]);
        assert_eq!(chosen(&[idle()], Some(0), 100), [100]);
    }
}
