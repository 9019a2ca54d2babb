//! Keeps one replica running: starts its process, again when it dies, and replaces it without a gap when it is told to.

use std::{ops::ControlFlow, pin::pin, rc::Rc, time::Duration};

use futures_util::future::join_all;
use rustix::process::Signal;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::sleep,
};

use super::{
    backoff::Backoff,
    board::{Board, Row, State},
    child::{Child, Event},
    launch::Launch,
    plan::Place,
};

/// How long a successor may take to be ready.
pub(super) const READY_MAX: Duration = Duration::from_secs(30);

/// What a replica is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Replace the process, and say how that went once the old one is gone.
    Roll(oneshot::Sender<Rolled>),
    /// End it with this signal.
    Stop(Signal),
}

/// How a replacement went; why not, where the old process stays.
pub(super) type Rolled = Result<Replaced, String>;

/// A process that was replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replaced {
    /// The old process, if there was one.
    pub(super) from: Option<u32>,
    /// The new process.
    pub(super) to: u32,
    /// Whether the old one ended well, with every call answered.
    pub(super) drained: bool,
}

/// One replica.
#[derive(Debug)]
pub(super) struct Replica {
    place: Place,
    launch: Rc<Launch>,
    board: Rc<Board>,
    orders: mpsc::Receiver<Order>,
    backoff: Backoff,
    /// Whoever waits for a process that starts where there was none.
    asked: Option<oneshot::Sender<Rolled>>,
    /// Predecessors that drain.
    retiring: JoinSet<bool>,
}

/// How it goes on after a process.
enum Next {
    Died { wait: Duration },
    Stopped { well: bool },
}

impl Replica {
    pub(super) fn new(place: Place, launch: Rc<Launch>, board: Rc<Board>, orders: mpsc::Receiver<Order>) -> Self {
        Self { place, launch, board, orders, backoff: Backoff::default(), asked: None, retiring: JoinSet::new() }
    }

    /// Runs until it is told to stop; returns whether everything ended well then.
    pub(super) async fn run(mut self) -> bool {
        let well = self.keep_running().await;
        self.board.update(&self.place.name, |row| (row.state, row.pid, row.successor) = (State::Stopped, None, None));
        well
    }

    async fn keep_running(&mut self) -> bool {
        loop {
            let wait = match self.start() {
                Ok(child) => match self.serve(child).await {
                    Next::Died { wait } => wait,
                    Next::Stopped { well } => return well,
                },
                Err(error) => {
                    let (wait, error) = (self.backoff.after(None), format!("{error:#}"));
                    let again_in_ms = wait.as_millis();
                    tracing::warn!(replica = %self.place.name, error, again_in_ms, "cannot start the process");
                    self.answer(Err(error));
                    wait
                }
            };
            self.board.update(&self.place.name, |row| (row.state, row.pid) = (State::Down, None));
            tokio::select! {
                () = sleep(wait) => {}
                order = self.orders.recv() => match order {
                    // Whoever asks has mended it, perhaps.
                    Some(Order::Roll(answer)) => self.asked = Some(answer),
                    Some(Order::Stop(_)) | None => return self.retired().await,
                },
            }
            self.board.update(&self.place.name, |row| row.restarts += 1);
        }
    }

    fn start(&self) -> anyhow::Result<Child> {
        let child = Child::start(&self.launch, &self.place)?;
        self.board.update(&self.place.name, |row| (row.state, row.pid) = (State::Starting, Some(child.pid())));
        Ok(child)
    }

    /// Looks after a process until it dies or is to stop.
    async fn serve(&mut self, mut child: Child) -> Next {
        loop {
            let order = tokio::select! {
                event = child.next() => match event {
                    Event::Ready => {
                        self.ready(&child);
                        self.answer(Ok(Replaced { from: None, to: child.pid(), drained: true }));
                        continue;
                    }
                    Event::Ended(exit) => {
                        let wait = self.died(&child, &exit);
                        self.answer(Err(format!("process {} ended before it was ready: {exit}", child.pid())));
                        return Next::Died { wait };
                    }
                },
                order = self.orders.recv() => order,
            };
            match order {
                Some(Order::Roll(answer)) => match self.roll(child, answer).await {
                    ControlFlow::Continue(next) => child = next,
                    ControlFlow::Break(well) => return Next::Stopped { well },
                },
                Some(Order::Stop(signal)) => return Next::Stopped { well: self.stop(vec![child], signal).await },
                None => return Next::Stopped { well: false },
            }
        }
    }

    /// Starts a successor on the same listeners; once it is ready the predecessor drains, and if it fails that one stays.
    /// Gives the process to look after, or breaks with whether everything ended well.
    async fn roll(&mut self, mut current: Child, answer: oneshot::Sender<Rolled>) -> ControlFlow<bool, Child> {
        let mut successor = match Child::start(&self.launch, &self.place) {
            Ok(successor) => successor,
            Err(error) => {
                let _gone = answer.send(Err(format!("{error:#}"))).is_err();
                return ControlFlow::Continue(current);
            }
        };
        let pid = successor.pid();
        self.board.update(&self.place.name, |row| row.successor = Some(pid));
        let mut limit = pin!(sleep(READY_MAX));
        let reason = loop {
            tokio::select! {
                event = current.next() => match event {
                    // It will be replaced all the same.
                    Event::Ready => self.ready(&current),
                    Event::Ended(exit) => {
                        self.died(&current, &exit);
                        // The successor is all there is now.
                        self.board.update(&self.place.name, |row| {
                            (row.state, row.pid, row.successor) = (State::Starting, Some(pid), None);
                            row.restarts += 1;
                        });
                        self.asked = Some(answer);
                        return ControlFlow::Continue(successor);
                    }
                },
                event = successor.next() => match event {
                    Event::Ready => {
                        self.board.update(&self.place.name, |row| row.successor = None);
                        self.ready(&successor);
                        self.retire(current, pid, answer);
                        return ControlFlow::Continue(successor);
                    }
                    Event::Ended(exit) => break format!("process {pid} ended before it was ready: {exit}"),
                },
                () = limit.as_mut() => {
                    successor.end(&self.place.name, Signal::KILL, READY_MAX).await;
                    break format!("process {pid} was not ready within {} s", READY_MAX.as_secs());
                }
                order = self.orders.recv() => match order {
                    Some(Order::Stop(signal)) => {
                        return ControlFlow::Break(self.stop(vec![current, successor], signal).await);
                    }
                    Some(Order::Roll(other)) => {
                        let _gone = other.send(Err("it is being replaced already".to_owned())).is_err();
                    }
                    None => return ControlFlow::Break(false),
                },
            }
        };
        tracing::warn!(replica = %self.place.name, reason, "the successor failed; the old process stays");
        self.board.update(&self.place.name, |row| row.successor = None);
        let _gone = answer.send(Err(reason)).is_err();
        ControlFlow::Continue(current)
    }

    /// Lets a predecessor drain in the background, without a delay: its successor already takes the calls.
    fn retire(&mut self, predecessor: Child, to: u32, answer: oneshot::Sender<Rolled>) {
        let (name, limit) = (self.place.name.clone(), self.launch.patience(Signal::INT));
        self.retiring.spawn_local(async move {
            let from = Some(predecessor.pid());
            let drained = predecessor.end(&name, Signal::INT, limit).await;
            let _gone = answer.send(Ok(Replaced { from, to, drained })).is_err();
            drained
        });
    }

    /// Ends these and waits for those that drain already. Another order to stop cuts it short.
    async fn stop(&mut self, children: Vec<Child>, signal: Signal) -> bool {
        self.board.update(&self.place.name, |row| row.state = State::Draining);
        // Whoever comes once they have stopped accepting is to be refused, not kept waiting.
        for (_, socket) in &self.place.sockets {
            socket.release();
        }
        let (name, limit) = (self.place.name.clone(), self.launch.patience(signal));
        let ended = join_all(children.into_iter().map(|child| child.end(&name, signal, limit))).await;
        self.retired().await && ended.into_iter().all(|well| well)
    }

    async fn retired(&mut self) -> bool {
        let mut well = true;
        while let Some(drained) = self.retiring.join_next().await {
            well &= drained.unwrap_or(false);
        }
        well
    }

    fn ready(&self, child: &Child) {
        let ready = |row: &mut Row| {
            (row.state, row.pid) = (State::Ready, Some(child.pid()));
        };
        self.board.update(&self.place.name, ready);
    }

    /// Notes a death, and says how long to wait before the next start.
    fn died(&mut self, child: &Child, exit: &str) -> Duration {
        let wait = self.backoff.after(child.ready_for());
        let again_in_ms = wait.as_millis();
        tracing::warn!(replica = %self.place.name, pid = child.pid(), exit, again_in_ms, "process died");
        self.board.update(&self.place.name, |row| row.last_exit = Some(exit.to_owned()));
        wait
    }

    fn answer(&mut self, answer: Rolled) {
        // Whoever asked may have gone.
        let _gone = self.asked.take().is_some_and(|asked| asked.send(answer).is_err());
    }
}
