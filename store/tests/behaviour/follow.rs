//! The loop that follows a feed, whatever its sink; on virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use store::feed::{Kind, Message};
use store::follow::{Metrics, Options, Place, Role, Sink, SinkError, Taken};
use store::{Event, Follow, Interrupted};
use tokio::time::{Instant, sleep};

use crate::feeds::Connecting;

/// Keeps its cursor itself, as an index does in its commit.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    cursor: String,
    position: u64,
    done: Vec<String>,
    released: bool,
}

impl Memory {
    fn done(&self) -> Vec<String> {
        self.0.lock().unwrap().done.clone()
    }

    fn keep(&self, done: String, cursor: &str, position: u64) -> Taken {
        let mut kept = self.0.lock().unwrap();
        kept.done.push(done);
        (kept.cursor, kept.position) = (cursor.to_owned(), position);
        Taken { applied: 1, dead: 0 }
    }
}

fn keys(events: &[Arc<Event>]) -> String {
    events.iter().map(|event| event.key.as_str()).collect::<Vec<_>>().join("+")
}

impl Sink for Memory {
    async fn resume(&mut self) -> Result<Option<Place>, SinkError> {
        let kept = self.0.lock().unwrap();
        Ok(Some(Place { cursor: kept.cursor.clone(), position: kept.position }))
    }

    async fn begin_snapshot(&mut self, position: u64) -> Result<(), SinkError> {
        Memory::keep(self, "begin".to_owned(), "", position);
        Ok(())
    }

    async fn snapshot(&mut self, events: &[Arc<Event>]) -> Result<Taken, SinkError> {
        Ok(Memory::keep(self, format!("snapshot {}", keys(events)), "", 0))
    }

    async fn end_snapshot(&mut self, cursor: &str, position: u64) -> Result<Taken, SinkError> {
        Ok(Memory::keep(self, "end".to_owned(), cursor, position))
    }

    async fn changes(&mut self, events: &[Arc<Event>], cursor: &str) -> Result<Taken, SinkError> {
        let position = events.last().map_or(0, |event| event.position);
        Ok(Memory::keep(self, format!("changes {}", keys(events)), cursor, position))
    }

    async fn release(&mut self) {
        self.0.lock().unwrap().released = true;
    }
}

fn event(key: &str, position: u64) -> Message {
    let event = Event {
        r#type: "t".into(),
        subject: String::new(),
        key: key.into(),
        revision: position,
        position,
        time_us: 0,
        traceparent: None,
        payload: Default::default(),
    };
    Message { kind: Kind::Event(Arc::new(event)), cursor: format!("c{position}") }
}

fn bookmark(ends_snapshot: bool, position: u64) -> Message {
    Message { kind: Kind::Bookmark { ends_snapshot, position, time_us: 0 }, cursor: format!("c{position}") }
}

fn start(position: u64) -> Message {
    Message { kind: Kind::SnapshotStart { position }, cursor: String::new() }
}

/// What each connection is answered, in turn: an error, or messages and then silence or an end. And when it was made.
struct Script {
    answers: Mutex<Vec<Answer>>,
    asked: Mutex<Vec<(Duration, String)>>,
    begun: Instant,
}

enum Answer {
    Refuse(Interrupted),
    Silence(Vec<Message>),
    End(Vec<Message>),
}

impl Script {
    fn new(mut answers: Vec<Answer>) -> Arc<Self> {
        answers.reverse();
        Arc::new(Self { answers: Mutex::new(answers), asked: Mutex::default(), begun: Instant::now() })
    }

    fn connect(self: &Arc<Self>) -> impl Fn(String) -> Connecting + Send + Sync + use<> {
        let script = Arc::clone(self);
        move |cursor| {
            script.asked.lock().unwrap().push((script.begun.elapsed(), cursor));
            let answer = script.answers.lock().unwrap().pop().unwrap_or(Answer::Silence(Vec::new()));
            async move {
                match answer {
                    Answer::Refuse(why) => Err(why),
                    Answer::Silence(messages) => {
                        Ok(stream::iter(messages.into_iter().map(Ok)).chain(stream::pending()).boxed())
                    }
                    Answer::End(messages) => Ok(stream::iter(messages.into_iter().map(Ok)).boxed()),
                }
            }
            .boxed()
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(_, cursor)| cursor.clone()).collect()
    }

    fn times(&self) -> Vec<Duration> {
        self.asked.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }
}

fn refused() -> Interrupted {
    Interrupted::lost(std::io::Error::other("connection refused"))
}

#[tokio::test(start_paused = true)]
async fn a_sink_with_a_cursor_of_its_own_takes_a_snapshot_and_goes_on_from_its_cursor() {
    let snapshot = vec![start(5), event("a", 5), event("b", 5), bookmark(true, 5), event("c", 6), event("d", 7)];
    let script = Script::new(vec![Answer::End(snapshot), Answer::Silence(vec![event("e", 8), bookmark(false, 9)])]);
    let (sink, follow) = (Memory::default(), script.connect());
    let follow = Follow::new("things", follow, sink.clone());
    let status = follow.status();
    follow.run(sleep(Duration::from_secs(5))).await;
    assert_eq!(sink.done(), ["begin", "snapshot a+b", "end", "changes c+d", "changes e"]);
    assert_eq!(script.asked(), ["", "c7"]);
    assert!(sink.0.lock().unwrap().released);
    let status = *status.borrow();
    assert_eq!((status.position, status.head, status.lag(), status.applied), (8, 9, 1, 4));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_says_nothing_for_thirty_seconds_is_given_up() {
    let script = Script::new(vec![Answer::Silence(vec![event("a", 1)])]);
    Follow::new("things", script.connect(), Memory::default()).run(sleep(Duration::from_secs(32))).await;
    let times = script.times();
    assert_eq!(times.len(), 2, "{times:?}");
    assert!(times[1] >= Duration::from_secs(30) && times[1] <= Duration::from_millis(30_200), "{times:?}");
    assert_eq!(script.asked(), ["", "c1"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_away_is_tried_at_growing_intervals_and_soon_again_once_it_was_there() {
    let answers = (0..12).map(|_| Answer::Refuse(refused())).collect::<Vec<_>>();
    let there = Answer::End(vec![event("a", 1)]);
    let script = Script::new(answers.into_iter().chain([there]).collect());
    let options = Options::default();
    let (min, max) = (options.backoff_min, options.backoff_max);
    Follow::new("things", script.connect(), Memory::default()).run(sleep(Duration::from_secs(120))).await;
    let times = script.times();
    for (failures, gap) in times[..13].windows(2).map(|pair| pair[1] - pair[0]).enumerate() {
        let full = (min * 2_u32.pow(u32::try_from(failures).unwrap())).min(max);
        // Timers are exact to a millisecond.
        assert!(gap >= full / 2 && gap <= full + Duration::from_millis(2), "failure {failures}: {gap:?}");
    }
    assert!(times[13] - times[12] <= min + Duration::from_millis(2), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn an_expired_cursor_starts_a_snapshot_and_is_kept_until_it_begins() {
    let script = Script::new(vec![
        Answer::End(vec![event("a", 1)]),
        Answer::Refuse(Interrupted::Expired),
        Answer::Refuse(refused()),
        Answer::Silence(vec![start(3), event("b", 3), bookmark(true, 3)]),
    ]);
    let sink = Memory::default();
    Follow::new("things", script.connect(), sink.clone()).run(sleep(Duration::from_secs(5))).await;
    assert_eq!(script.asked(), ["", "c1", "", ""]);
    assert_eq!(sink.done(), ["changes a", "begin", "snapshot b", "end"]);
}

#[tokio::test(start_paused = true)]
async fn metrics_show_the_lag_and_how_long_ago_nothing_was_missing() {
    let script = Script::new(vec![Answer::Silence(vec![event("a", 7), bookmark(false, 7), bookmark(false, 10)])]);
    let follow = Follow::new("things", script.connect(), Memory::default());
    let (metrics, mut registry) = (Metrics::default(), Registry::default());
    metrics.observe(&follow);
    for (name, help, series) in metrics.series() {
        registry.register(name, help, series);
    }
    let mut status = follow.status();
    let running = tokio::spawn(follow.run(std::future::pending()));
    status.wait_for(|status| status.head == 10).await.unwrap();
    assert_eq!(status.borrow().role, Role::Following);
    sleep(Duration::from_secs(4)).await;
    let mut shown = String::new();
    text::encode(&mut shown, &registry).unwrap();
    for line in [
        "feed_working{feed=\"things\"} 1",
        "feed_lag_positions{feed=\"things\"} 3",
        "feed_lag_seconds{feed=\"things\"} 4.0",
        "feed_applied_events_total{feed=\"things\"} 1",
        "feed_dead_letters_total{feed=\"things\"} 0",
        "feed_connects_total{feed=\"things\"} 1",
    ] {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line} is not in\n{shown}");
    }
    running.abort();
}
