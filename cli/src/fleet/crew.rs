//! All replicas of the fleet, told together what each of them does.

use std::{cell::Cell, rc::Rc, time::Duration};

use futures_util::future::join_all;
use rustix::process::Signal;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{AbortHandle, spawn_local},
    time::timeout,
};

use super::{
    board::Board,
    launch::Launch,
    plan::Plan,
    replica::{Order, READY_MAX, Replica, Rolled},
    services::{self, SERVICES},
};

/// What an answer may take beyond the limits of each step.
const ANSWER_SLACK: Duration = Duration::from_secs(5);

/// Every replica, those of a service together.
#[derive(Debug)]
pub(super) struct Crew {
    members: Vec<Member>,
    patience: Duration,
    rolling: Cell<bool>,
}

#[derive(Debug)]
struct Member {
    service: &'static str,
    name: String,
    orders: mpsc::Sender<Order>,
    /// Whether it has ended, and well.
    ended: watch::Receiver<Option<bool>>,
    task: AbortHandle,
}

/// The right to roll, which one client has at a time.
#[derive(Debug)]
pub(super) struct Roll<'a> {
    crew: &'a Crew,
    /// The replicas to replace, in this order.
    members: Vec<&'a Member>,
}

impl Crew {
    /// Starts every replica.
    pub(super) fn start(plan: Plan, launch: &Rc<Launch>, board: &Rc<Board>) -> Self {
        let patience = launch.patience(Signal::INT);
        let members = plan.places.into_iter().map(|place| {
            let (orders, received) = mpsc::channel(1);
            let (ending, ended) = watch::channel(None);
            let (service, name) = (place.service.name, place.name.clone());
            let replica = Replica::new(place, Rc::clone(launch), Rc::clone(board), received);
            let task = spawn_local(async move {
                let well = replica.run().await;
                ending.send_replace(Some(well));
            });
            Member { service, name, orders, ended, task: task.abort_handle() }
        });
        Self { members: members.collect(), patience, rolling: Cell::new(false) }
    }

    /// Stops everything, a service after those that call it; returns whether all of it ended well.
    pub(super) async fn stop(&self, signal: Signal) -> bool {
        let mut well = true;
        for service in &SERVICES {
            // The delay of SIGTERM is for callers that have not heard yet, and only the front door has such.
            let signal = if service.front { signal } else { Signal::INT };
            let members = self.members.iter().filter(|member| member.service == service.name);
            well &= join_all(members.map(|member| member.stop(signal))).await.into_iter().all(|well| well);
        }
        well
    }

    /// Kills everything.
    pub(super) async fn kill(&self) {
        for member in &self.members {
            member.task.abort();
        }
        join_all(self.members.iter().map(Member::gone)).await;
    }

    /// Begins to replace every process, or those of a service.
    ///
    /// # Errors
    /// If somebody else does, or there is no such service, or none of its processes is this fleet's.
    pub(super) fn roll(&self, service: Option<&str>) -> Result<Roll<'_>, String> {
        let service = service.map(services::find).transpose()?;
        if let Some(service) = service.filter(|its| self.members.iter().all(|member| its.name != member.service)) {
            return Err(format!("{} runs elsewhere", service.name));
        }
        if self.rolling.replace(true) {
            return Err("another restart is under way".to_owned());
        }
        let members = self.members.iter().filter(|member| service.is_none_or(|its| its.name == member.service));
        Ok(Roll { crew: self, members: members.collect() })
    }
}

impl Roll<'_> {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// Replaces the process of one replica.
    pub(super) async fn replace(&self, name: &str) -> Rolled {
        let member = self.members.iter().find(|member| member.name == name).ok_or("there is no such replica")?;
        let (answer, answered) = oneshot::channel();
        let stopping = |_| "the fleet is being stopped".to_owned();
        member.orders.send(Order::Roll(answer)).await.map_err(|error| stopping(error.to_string()))?;
        let limit = READY_MAX + self.crew.patience + ANSWER_SLACK;
        let answered = timeout(limit, answered).await.map_err(|_| format!("not ready within {} s", limit.as_secs()))?;
        answered.map_err(|error| stopping(error.to_string()))?
    }
}

impl Drop for Roll<'_> {
    fn drop(&mut self) {
        self.crew.rolling.set(false);
    }
}

impl Member {
    async fn stop(&self, signal: Signal) -> bool {
        // One that has ended takes no orders.
        let _ended = self.orders.send(Order::Stop(signal)).await.is_err();
        self.gone().await
    }

    /// Resolves when it has ended; with whether it did so well.
    async fn gone(&self) -> bool {
        let mut ended = self.ended.clone();
        let ended = ended.wait_for(Option::is_some).await;
        ended.is_ok_and(|well| *well == Some(true))
    }
}
