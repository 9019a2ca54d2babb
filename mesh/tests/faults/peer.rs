//! Servers that follow a script, for a client of the mesh, and what it must be like after they are gone.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mesh::{Clients, Directory, Process, client::ClientConfig, health::pb::health_client::HealthClient};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    time::{Instant, timeout},
};
use tonic::{Code, Status};

use crate::{
    PATIENCE,
    fixture::{Client, PROBE, eventually, process, question},
    frames::{Frame, Raw},
};

/// A server whose connections each follow a script; its address stays for all of them.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

/// Counts a connection that is served.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Peer {
    /// Runs `script` on each connection, with its number; the connection ends with it.
    pub(crate) async fn start<F, A>(script: F) -> Self
    where
        F: Fn(usize, Raw) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let peer = Self { address, accepted: Arc::clone(&accepted), open: Arc::clone(&open) };
        tokio::spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                let number = accepted.fetch_add(1, Ordering::SeqCst);
                open.fetch_add(1, Ordering::SeqCst);
                let open = Open(Arc::clone(&open));
                let serving = script(number, Raw::accept(io).await);
                tokio::spawn(async move {
                    serving.await;
                    drop(open);
                });
            }
        });
        peer
    }

    /// A peer whose first connection follows `script`, and which is well on all later ones.
    pub(crate) async fn ill_once<F, A>(script: F) -> Self
    where
        F: Fn(Raw) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let script = Arc::new(script);
        Self::start(move |number, raw| {
            let script = Arc::clone(&script);
            async move { if number == 0 { script(raw).await } else { well(raw).await } }
        })
        .await
    }

    /// How many connections it has accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// A peer that answers every call until the client ends the connection.
pub(crate) async fn well(mut raw: Raw) {
    let _ended = raw.send([Frame::settings(&[])]).await.is_err();
    answer_all(&mut raw).await;
}

/// Answers every call from here on, until the client ends the connection.
pub(crate) async fn answer_all(raw: &mut Raw) {
    while let Some(frame) = raw.next_of_stream().await {
        if frame.ends_stream() && raw.send(Frame::answer(frame.stream)).await.is_err() {
            return;
        }
    }
}

/// Says hello and reads the first call of a connection up to its end; the call's stream.
pub(crate) async fn first_call(raw: &mut Raw, settings: &[(u16, u32)]) -> u32 {
    raw.send([Frame::settings(settings)]).await.unwrap();
    next_call(raw).await
}

/// Reads the next call up to its end.
pub(crate) async fn next_call(raw: &mut Raw) -> u32 {
    loop {
        let frame = raw.next_of_stream().await.expect("a call comes");
        if frame.ends_stream() {
            return frame.stream;
        }
    }
}

/// Reads until the client ends the connection.
pub(crate) async fn gone(raw: &mut Raw) {
    while raw.next_of_stream().await.is_some() {}
}

/// A client of the mesh, with one connection to one peer.
pub(crate) struct Caller {
    pub(crate) process: Process,
    pub(crate) client: Client,
    tasks_before: usize,
}

/// What keeps a test short: one connection, and a peer that is back is found again soon.
pub(crate) fn config() -> ClientConfig {
    ClientConfig {
        connections_per_loop: 1,
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(50),
        ..Default::default()
    }
}

impl Caller {
    pub(crate) fn of(address: SocketAddr, config: ClientConfig) -> Self {
        let tasks_before = alive();
        let (process, directory) = (process(), Directory::default());
        directory.remote(PROBE.name(), address.to_string().parse().unwrap());
        let clients = Clients::new(&process, &directory, "caller", &[PROBE], &[], config).unwrap();
        let client = HealthClient::new(clients.channel(PROBE).unwrap());
        Self { process, client, tasks_before }
    }

    /// One call, with the default deadline.
    pub(crate) async fn check(&self) -> Result<(), Status> {
        let mut client = self.client.clone();
        timeout(PATIENCE, client.check(question())).await.expect("it ends").map(drop)
    }

    /// One call with this deadline.
    pub(crate) async fn check_within(&self, limit: Duration) -> Result<(), Status> {
        let mut client = self.client.clone();
        let mut request = question();
        request.set_timeout(limit);
        timeout(PATIENCE, client.check(request)).await.expect("it ends").map(drop)
    }

    /// The code of a call that must fail, and does so long before its deadline.
    pub(crate) async fn fails_at_once(&self) -> Status {
        let begun = Instant::now();
        let status = self.check().await.expect_err("it fails");
        assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}: {status:?}", begun.elapsed());
        assert!(status.message().starts_with("probe: "), "the target is not named: {}", status.message());
        status
    }

    /// Calls succeed again once the peer is well; until then they are UNAVAILABLE.
    pub(crate) async fn recovers(&self) {
        let end = Instant::now() + PATIENCE;
        while let Err(status) = self.check().await {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(Instant::now() < end, "it does not recover: {status:?}");
            tokio::task::yield_now().await;
        }
    }

    /// The peer is well again: calls succeed; and with the client everything ends that it had.
    pub(crate) async fn left_nothing(self, peer: Peer) {
        self.recovers().await;
        self.ends(&peer).await;
    }

    /// With the client everything ends that it had: connections, and tasks on its event loop.
    pub(crate) async fn ends(self, peer: &Peer) {
        let Self { process, client, tasks_before } = self;
        drop(client);
        eventually("the end of every connection", || peer.open.load(Ordering::SeqCst) == 0).await;
        // The peer's accept loop may have been started after the count.
        eventually("the end of every task", || alive() <= tasks_before).await;
        process.stop(Duration::ZERO).await;
    }
}

fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
