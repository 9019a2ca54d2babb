//! Two services, one of which keeps a copy of the other's things.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use store::feed::{Kind, Message, State};
use store::follow::{Role, Status};
use store::{
    Connection, Effect, Error, Event, Failure, Follow, Inbox, Interrupted, NewEvent, Statement, Store, Transaction,
    Unit,
};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::harness::{DELETE, Db, Refusal, eventually, unit};

const PUT: Statement = Statement::new(
    "UPSERT thing",
    "INSERT INTO thing (id, number) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET number = excluded.number",
);
const ALL: Statement = Statement::new("SELECT thing", "SELECT id, number FROM thing ORDER BY id");
const STATES: Statement = Statement::new(
    "SELECT thing states",
    "SELECT thing.id AS id, number, revision FROM thing JOIN store_revision ON store_revision.key = thing.id \
     WHERE thing.id > $1 ORDER BY thing.id LIMIT 3",
);

pub(crate) const PUT_EVENT: &str = "souk.test.v1.ThingPut";
pub(crate) const REMOVED_EVENT: &str = "souk.test.v1.ThingRemoved";

/// Puts a thing and says so.
pub(crate) fn put(id: &str, number: i64) -> impl Unit<Output = u64, Error = Refusal> + use<> {
    let id = id.to_owned();
    unit(id.clone(), move |tx| {
        let id = id.clone();
        async move {
            tx.execute(&PUT, [id.as_str().into(), number.into()]).await?;
            Ok(tx.emit(told(PUT_EVENT, &id, &number.to_string())).await?)
        }
        .boxed()
    })
}

/// Removes a thing and says so.
pub(crate) fn remove(id: &str) -> impl Unit<Output = u64, Error = Refusal> + use<> {
    let id = id.to_owned();
    unit(id.clone(), move |tx| {
        let id = id.clone();
        async move {
            tx.execute(&DELETE, [id.as_str().into()]).await?;
            Ok(tx.emit(told(REMOVED_EVENT, &id, "")).await?)
        }
        .boxed()
    })
}

fn told(r#type: &'static str, id: &str, payload: &str) -> NewEvent {
    NewEvent {
        r#type,
        subject: format!("things/{id}"),
        key: id.to_owned(),
        payload: payload.as_bytes().to_vec(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    }
}

/// Pages of three, so that every snapshot has several.
pub(crate) async fn states(mut connection: Connection, after: String) -> Result<Vec<State>, Error> {
    let rows = connection.fetch_all(&STATES, [after.into()]).await?;
    let state = |row: &store::Row| {
        let (key, number): (String, i64) = (row.get("id")?, row.get("number")?);
        let (subject, payload) = (format!("things/{key}"), number.to_string().into());
        Ok(State { r#type: PUT_EVENT, subject, key, revision: row.get("revision")?, time_us: 7, payload })
    };
    rows.iter().map(state).collect()
}

/// The things that are in a database.
pub(crate) async fn things(store: &Store) -> Vec<(String, i64)> {
    let read = |mut connection: Connection| async move {
        let rows = connection.fetch_all(&ALL, []).await?;
        rows.iter().map(|row| Ok((row.get("id")?, row.get("number")?))).collect()
    };
    store.read::<_, Error, _, _>("things", read).await.unwrap()
}

/// Keeps the copy. Numbers from 1,000 on it cannot take: 1,000 never, 2,000 not yet.
#[derive(Clone, Default)]
pub(crate) struct Copying {
    pub(crate) applied: Arc<Mutex<Vec<(String, u64)>>>,
    pub(crate) tries: Arc<AtomicUsize>,
    pub(crate) mended: Arc<std::sync::atomic::AtomicBool>,
}

impl Copying {
    /// What it was asked to apply, in order; also what was not committed.
    pub(crate) fn asked(&self) -> Vec<(String, u64)> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Effect for Copying {
    fn keys(&self, event: &Event) -> Vec<String> {
        vec![event.key.clone()]
    }

    async fn apply(&self, tx: &mut Transaction, event: &Event) -> Result<(), Failure> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).push((event.key.clone(), event.revision));
        match event.r#type.as_str() {
            PUT_EVENT => {
                let text = std::str::from_utf8(&event.payload).map_err(Failure::permanent)?;
                let number: i64 = text.parse().map_err(Failure::permanent)?;
                if number >= 1_000 && !self.mended.load(Ordering::Relaxed) {
                    self.tries.fetch_add(1, Ordering::Relaxed);
                    let sorry = std::io::Error::other(format!("{number} is too much"));
                    return Err(if number < 2_000 { Failure::permanent(sorry) } else { Failure::transient(sorry) });
                }
                tx.execute(&PUT, [event.key.as_str().into(), number.into()]).await?;
                Ok(())
            }
            REMOVED_EVENT => self.remove(tx, &event.key).await,
            _ => Ok(()),
        }
    }

    async fn remove(&self, tx: &mut Transaction, key: &str) -> Result<(), Failure> {
        tx.execute(&DELETE, [key.into()]).await?;
        Ok(())
    }
}

pub(crate) type Stream = BoxStream<'static, Result<Message, Interrupted>>;
pub(crate) type Connecting = futures_util::future::BoxFuture<'static, Result<Stream, Interrupted>>;

/// How a consumer reaches a source in this process.
pub(crate) fn connect(source: &Store) -> impl Fn(String) -> Connecting + Send + Sync + use<> {
    let source = source.clone();
    move |cursor| {
        let source = source.clone();
        async move {
            let watch = source.watch(&cursor, states).await?;
            Ok(store::follow::stream(watch.into_stream(), |message| message, Interrupted::from).boxed())
        }
        .boxed()
    }
}

/// A follower of `source` whose copy is in `own`.
pub(crate) fn copying(
    source: &Store,
    own: &Store,
    effect: Copying,
) -> Follow<impl Fn(String) -> Connecting + Send + Sync + use<>, Inbox<Copying>> {
    let inbox = Inbox::new(own.clone(), "things", effect).with_lease(Duration::from_millis(600));
    Follow::new("things", connect(source), inbox).with_options(quick())
}

/// Limits for tests, which take things away and bring them back.
pub(crate) fn quick() -> store::follow::Options {
    store::follow::Options {
        backoff_min: Duration::from_millis(5),
        backoff_max: Duration::from_millis(50),
        standby: Duration::from_millis(30),
        ..store::follow::Options::default()
    }
}

pub(crate) fn event_of(message: &Message) -> Option<&Event> {
    match &message.kind {
        Kind::Event(event) => Some(event),
        Kind::SnapshotStart { .. } | Kind::Bookmark { .. } => None,
    }
}

/// A source and a copy on two databases of the same kind.
pub(crate) async fn pair(db: &Db) -> (Db, Store, Store) {
    let own = if db.is_postgres() { Db::postgres().await } else { Db::sqlite() };
    let (source, copy) = (db.open().await, own.open().await);
    (own, source, copy)
}

pub(crate) async fn equal(source: &Store, copy: &Store) {
    eventually("the copy equals its source", async || things(source).await == things(copy).await).await;
}

pub(crate) async fn caught_up(status: &mut watch::Receiver<Status>) {
    let there = status.wait_for(|status| status.role == Role::Following && status.caught_up.is_some());
    timeout(Duration::from_secs(30), there).await.expect("it catches up").unwrap();
}

/// Runs a follower until the sender is used or dropped.
macro_rules! running {
    ($follow:expr) => {{
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        (stop, tokio::spawn($follow.run(futures_util::FutureExt::map(stopped, drop))))
    }};
}
pub(crate) use running;

/// That `key` is put to `number`, as a scripted source says it.
pub(crate) fn event(key: &str, revision: u64, number: i64) -> Arc<Event> {
    Arc::new(Event {
        r#type: PUT_EVENT.to_owned(),
        subject: String::new(),
        key: key.to_owned(),
        revision,
        position: revision,
        time_us: 1,
        traceparent: None,
        payload: number.to_string().into(),
    })
}
