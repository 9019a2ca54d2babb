//! The balancer on a machine that does not exist: two noisy cores, three replicas, a caller, and a clock of their own.
//!
//! The caller and the replicas are processes that an ordinary scheduler gives three milliseconds at a time, each on the core
//! that it last found itself on, which is a matter of seconds and of luck. Now and then another program takes a core, or
//! has one all the time, and a replica stops for up to 150 ms. Everything is drawn from a seed.
//! `docs/decisions/0011` quotes what this shows.

use std::{collections::VecDeque, sync::atomic::AtomicU64, time::Duration};

use super::{Candidate, Chooser};
use crate::client::load::{Kind, Load, Outcome};

/// Processor time that a call takes, in the caller and in the replica each.
const STEP_US: u64 = 25;
/// The scheduler's slice.
const SLICE_US: u64 = 3_000;
const REPLICAS: usize = 3;
/// The processes: the caller, the replicas, and a program that has nothing to do with them.
const CALLER: usize = 0;
const NEIGHBOUR: usize = REPLICAS + 1;
const PROCESSES: usize = REPLICAS + 2;

/// What comes in, and what goes wrong with the first replica.
#[derive(Clone, Copy)]
struct Scenario {
    /// Calls that are always in flight.
    concurrency: u32,
    /// Calls that come by themselves, a second.
    rate: u32,
    /// Another program wants a core all the time.
    crowded: bool,
    /// Every replica stops for 20 to 150 ms, every 3 s on average.
    hiccups: bool,
    /// The first replica does nothing between these seconds.
    stopped_s: Option<(u64, u64)>,
    /// What the first replica adds to each call.
    slow: Duration,
    /// How many of a hundred calls the first replica fails.
    failing: u32,
    seconds: u64,
}

const LOADED: Scenario = Scenario {
    concurrency: 64,
    rate: 0,
    crowded: false,
    hiccups: false,
    stopped_s: None,
    slow: Duration::ZERO,
    failing: 0,
    seconds: 6,
};
const LIGHT: Scenario = Scenario { concurrency: 0, rate: 1_000, ..LOADED };

struct Replica {
    load: Load,
    recent: AtomicU64,
    picks: u64,
    queue: VecDeque<Call>,
    stopped_until_us: u64,
    next_hiccup_us: u64,
}

impl Candidate for Replica {
    fn is_free(&self) -> bool {
        true
    }

    fn cost(&self, now_ms: u32) -> f32 {
        self.load.cost(now_ms)
    }

    fn latency(&self, now_ms: u32) -> f32 {
        self.load.latency_s(now_ms)
    }

    fn is_answering(&self, now_ms: u32) -> bool {
        self.load.is_answering(now_ms)
    }

    fn recent(&self) -> &AtomicU64 {
        &self.recent
    }
}

#[derive(Clone, Copy)]
struct Call {
    replica: usize,
    begun_us: u64,
}

/// What the caller has to do: make a call, or take an answer and, in a closed loop, make the next call.
enum Task {
    Start,
    Take { call: Call, failed: bool },
}

struct Machine {
    scenario: Scenario,
    random: fastrand::Rng,
    now_us: u64,
    chooser: Chooser,
    replicas: Vec<Replica>,
    caller: VecDeque<Task>,
    /// Answers of a slow replica, by the time at which they are there.
    late: VecDeque<(u64, Call)>,
    neighbour_us: u64,
    used_us: [u64; PROCESSES],
    running: [(Option<usize>, u64); 2],
    /// The core that each process waits for.
    home: [usize; PROCESSES],
    next_move_us: u64,
    next_call_us: u64,
    /// Calls that were given to a replica while it was stopped.
    stuck: u64,
}

impl Machine {
    fn new(scenario: Scenario, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let replicas = (0..REPLICAS).map(|_| Replica {
            load: Load::new(),
            recent: AtomicU64::new(0),
            picks: 0,
            queue: VecDeque::new(),
            stopped_until_us: 0,
            next_hiccup_us: exponential(&mut random, 3_000_000.0),
        });
        let replicas = replicas.collect();
        Self {
            scenario,
            random,
            now_us: 0,
            chooser: Chooser::default(),
            replicas,
            caller: (0..scenario.concurrency).map(|_| Task::Start).collect(),
            late: VecDeque::new(),
            neighbour_us: 0,
            used_us: [0; PROCESSES],
            running: [(None, 0); 2],
            home: [0, 0, 1, 1, 1],
            next_move_us: 1_000_000,
            next_call_us: 0,
            stuck: 0,
        }
    }

    fn now_ms(&self) -> u32 {
        u32::try_from(self.now_us / 1_000).unwrap()
    }

    /// Runs for a second; how many calls each replica was given.
    fn second(&mut self) -> [u64; REPLICAS] {
        let before: Vec<_> = self.replicas.iter().map(|replica| replica.picks).collect();
        for _ in 0..1_000_000 / STEP_US {
            self.step();
        }
        std::array::from_fn(|index| self.replicas[index].picks - before[index])
    }

    fn step(&mut self) {
        self.now_us += STEP_US;
        self.disturb();
        if self.scenario.rate > 0 && self.next_call_us <= self.now_us {
            self.caller.push_back(Task::Start);
            self.next_call_us += exponential(&mut self.random, 1_000_000.0 / f64::from(self.scenario.rate));
        }
        while self.late.front().is_some_and(|(at_us, _)| *at_us <= self.now_us) {
            let (_, call) = self.late.pop_front().unwrap();
            self.caller.push_back(Task::Take { call, failed: false });
        }
        for core in 0..2 {
            self.schedule(core);
            let (Some(process), _) = self.running[core] else { continue };
            self.used_us[process] += STEP_US;
            match process {
                CALLER => self.call(),
                NEIGHBOUR => self.neighbour_us = self.neighbour_us.saturating_sub(STEP_US),
                replica => self.serve(replica - 1),
            }
        }
    }

    fn disturb(&mut self) {
        if self.random.f64() < 0.000_25 {
            self.neighbour_us += exponential(&mut self.random, 10_000.0);
        }
        if self.scenario.crowded {
            self.neighbour_us = STEP_US * 2;
        }
        if self.next_move_us <= self.now_us {
            self.next_move_us += exponential(&mut self.random, 2_000_000.0);
            self.home = std::array::from_fn(|_| self.random.usize(..2));
        }
        for replica in &mut self.replicas {
            if self.scenario.hiccups && self.now_us > replica.next_hiccup_us {
                replica.stopped_until_us = self.now_us + self.random.u64(20_000..150_000);
                replica.next_hiccup_us = self.now_us + exponential(&mut self.random, 3_000_000.0);
            }
        }
        if let Some((from, to)) = self.scenario.stopped_s
            && (from..to).contains(&(self.now_us / 1_000_000))
        {
            self.replicas[0].stopped_until_us = self.now_us + STEP_US;
        }
    }

    fn has_work(&self, process: usize) -> bool {
        match process {
            CALLER => !self.caller.is_empty(),
            NEIGHBOUR => self.neighbour_us > 0,
            replica => {
                let replica = &self.replicas[replica - 1];
                !replica.queue.is_empty() && replica.stopped_until_us <= self.now_us
            }
        }
    }

    /// Gives a core that is idle, or whose slice is over, to whoever had the least of all.
    fn schedule(&mut self, core: usize) {
        let (running, left_us) = self.running[core];
        if let Some(running) = running.filter(|running| left_us > 0 && self.has_work(*running)) {
            self.running[core] = (Some(running), left_us.saturating_sub(STEP_US));
            return;
        }
        let other = self.running[1 - core].0;
        let waits = |process: &usize| Some(*process) != other && self.has_work(*process);
        let at_home = |process: &usize| self.home[*process] == core && waits(process);
        // A core that would be idle takes what waits for the other one.
        let steals = !(0..PROCESSES).any(|process| at_home(&process));
        let waiting = (0..PROCESSES).filter(|process| at_home(process) || (steals && waits(process)));
        let next = waiting.min_by_key(|process| self.used_us[*process]);
        if let Some(next) = next {
            // Whoever slept may not make up for all of it.
            let most = self.used_us.iter().max().copied().unwrap();
            self.used_us[next] = self.used_us[next].max(most.saturating_sub(10_000));
        }
        self.running[core] = (next, SLICE_US);
    }

    fn call(&mut self) {
        let now_ms = self.now_ms();
        match self.caller.pop_front() {
            Some(Task::Take { call: Call { replica, begun_us }, failed }) => {
                let outcome = if failed { Outcome::Failed } else { Outcome::Answered };
                let took = Duration::from_micros(self.now_us - begun_us);
                self.replicas[replica].load.end(Kind::Unary, outcome, took, now_ms);
                if self.scenario.rate > 0 {
                    return;
                }
            }
            Some(Task::Start) => {}
            None => return,
        }
        let random = &mut self.random;
        let chosen = self.chooser.choose(&self.replicas, now_ms, None, |below| random.usize(..below)).unwrap();
        let replica = &mut self.replicas[chosen];
        replica.load.begin(Kind::Unary, now_ms);
        replica.picks += 1;
        replica.queue.push_back(Call { replica: chosen, begun_us: self.now_us });
        if replica.stopped_until_us > self.now_us {
            self.stuck += 1;
        }
    }

    fn serve(&mut self, index: usize) {
        let Some(call) = self.replicas[index].queue.pop_front() else { return };
        let (slow, failing) = (self.scenario.slow, self.scenario.failing);
        if index == 0 && !slow.is_zero() {
            self.late.push_back((self.now_us + u64::try_from(slow.as_micros()).unwrap(), call));
        } else {
            let failed = index == 0 && self.random.u32(..100) < failing;
            self.caller.push_back(Task::Take { call, failed });
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds of a few seconds")]
fn exponential(random: &mut fastrand::Rng, mean: f64) -> u64 {
    (-(1.0 - random.f64()).ln() * mean) as u64
}

/// Runs a scenario; each second's picks, and how many calls were stuck.
fn run(scenario: Scenario, seed: u64) -> (Vec<[u64; REPLICAS]>, u64) {
    let mut machine = Machine::new(scenario, seed);
    let seconds = (0..scenario.seconds).map(|_| machine.second()).collect();
    (seconds, machine.stuck)
}

#[allow(clippy::cast_precision_loss, reason = "calls of a few seconds")]
fn share(seconds: &[[u64; REPLICAS]], replica: usize) -> f64 {
    let of = |index: usize| seconds.iter().map(|second| second[index]).sum::<u64>() as f64;
    of(replica) / (0..REPLICAS).map(of).sum::<f64>()
}

/// By how much a replica's share is off an even one at worst, in `seconds` together.
fn unevenness(seconds: &[[u64; REPLICAS]]) -> f64 {
    (0..REPLICAS).map(|index| (share(seconds, index) * 3.0 - 1.0).abs()).fold(0.0, f64::max)
}

const SEEDS: std::ops::Range<u64> = 0..2;

#[test]
fn healthy_replicas_share_even_within_a_tenth_in_any_three_seconds() {
    for (concurrency, crowded) in [(64, false), (64, true), (16, true), (1, true)] {
        for seed in SEEDS {
            let (seconds, _) = run(Scenario { concurrency, crowded, ..LOADED }, seed);
            let worst = seconds.windows(3).map(unevenness).fold(0.0, f64::max);
            assert!(worst < 0.08, "{concurrency} {crowded} {seed}: {worst} off: {seconds:?}");
        }
    }
    for rate in [100, 10_000] {
        let (seconds, _) = run(Scenario { rate, crowded: true, ..LIGHT }, 1);
        let worst = seconds.windows(3).map(unevenness).fold(0.0, f64::max);
        assert!(worst < 0.08, "{rate}: {worst} off: {seconds:?}");
    }
}

#[test]
fn replicas_that_stop_for_a_moment_now_and_then_do_not_starve() {
    for scenario in [LOADED, LIGHT] {
        for seed in SEEDS {
            let (seconds, _) = run(Scenario { hiccups: true, seconds: 8, ..scenario }, seed);
            let worst = seconds.windows(3).map(unevenness).fold(0.0, f64::max);
            assert!(worst < 0.12, "{seed}: {worst} off at worst: {seconds:?}");
        }
    }
}

#[test]
fn a_stopped_replica_is_left_at_once_and_has_its_share_within_seven_seconds_of_going_on() {
    for scenario in [LOADED, LIGHT, Scenario { concurrency: 6, ..LOADED }] {
        for seed in SEEDS {
            let (seconds, stuck) = run(Scenario { stopped_s: Some((1, 3)), seconds: 12, ..scenario }, seed);
            let most = u64::from(scenario.concurrency / 2).max(3);
            assert!(stuck <= most, "{seed}: {stuck} of {} calls were stuck", scenario.concurrency);
            assert!(share(&seconds[2..3], 0) < 0.01);
            let after = unevenness(&seconds[10..]);
            assert!(after < 0.1, "{seed}: {after} off: {seconds:?}");
        }
    }
}

#[test]
fn a_slow_replica_has_few_of_the_calls() {
    let rare = Scenario { rate: 30, ..LIGHT };
    for (slow_ms, scenario, most) in [
        (100, LIGHT, 0.02),
        (100, LOADED, 0.02),
        (100, rare, 0.1),
        (50, LIGHT, 0.03),
        (50, LOADED, 0.03),
        (50, Scenario { concurrency: 1, ..LOADED }, 0.01),
        (20, LIGHT, 0.3),
        (20, LOADED, 0.15),
    ] {
        let (seconds, _) = run(Scenario { slow: Duration::from_millis(slow_ms), seconds: 5, ..scenario }, 1);
        let share = share(&seconds[1..], 0);
        assert!(share < most, "{share} of the calls go to the one that takes {slow_ms} ms: {seconds:?}");
    }
}

#[test]
fn a_replica_that_fails_fast_is_no_magnet() {
    for scenario in [LIGHT, LOADED, Scenario { rate: 30, ..LIGHT }] {
        let (seconds, _) = run(Scenario { failing: 100, seconds: 12, ..scenario }, 1);
        assert!(share(&seconds[1..], 0) < 0.02, "{seconds:?}");
    }
}
