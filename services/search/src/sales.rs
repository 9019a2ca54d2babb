//! Units ordered in the last 30 days, by product: what an order by popularity goes by.
//!
//! Orders are kept in a small database beside the index, by the same inbox that every follower has: a cancel or a refund takes
//! back what its order counted, whenever it comes. Like the index it is a copy, built anew where it is missing. No answer
//! waits for it: until it is there nothing was sold.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::store::feed::Message;
use ::store::follow::Metrics;
use ::store::inbox::Beside;
use ::store::{
    Dialect, Effect, Error, Event, Failure, Follow, Inbox, Interrupted, Migration, Statement, Store, Transaction, Unit,
};
use futures_util::Stream;
use mesh::Drain;
use mesh::drain::Phase;
use rpc::feed::Linked;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until};

/// How many days count, the current one included.
const DAYS: i64 = 30;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
/// The file beside the index.
pub(crate) const FILE: &str = "sales.db";
/// Between two tries to open it.
const RETRY: Duration = Duration::from_secs(1);
/// How often sales are added up, at most.
const COUNT_INTERVAL: Duration = Duration::from_secs(2);
/// Adding up takes one part in so many of the time.
const COUNT_SHARE: u32 = 20;
/// How often what is too old is deleted.
const FORGET_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// Products that can have been sold, in memory.
const PRODUCTS_MAX: i64 = 1_000_000;

const SCHEMA: &str = "CREATE TABLE sales (order_id TEXT NOT NULL, product_id TEXT NOT NULL, day BIGINT NOT NULL, \
     units BIGINT NOT NULL, PRIMARY KEY (order_id, product_id)); \
     CREATE INDEX sales_day ON sales (day, product_id, units)";
const MIGRATIONS: &[Migration] =
    &[Migration { number: 1, name: "sales", sql: Dialect { sqlite: SCHEMA, postgres: SCHEMA } }];

const UNDO: Statement = Statement::new("DELETE sales of an order", "DELETE FROM sales WHERE order_id = $1");
const ADD: Statement = Statement::new(
    "INSERT sales",
    "INSERT INTO sales (order_id, product_id, day, units) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (order_id, product_id) DO UPDATE SET units = sales.units + excluded.units",
);
const UNITS: Statement = Statement::new(
    "SELECT sales by product",
    "SELECT product_id, CAST(SUM(units) AS BIGINT) AS units FROM sales WHERE day > $1 GROUP BY product_id \
     ORDER BY units DESC, product_id LIMIT $2",
);
const FORGET: Statement = Statement::new("DELETE old sales", "DELETE FROM sales WHERE day <= $1");

/// An order as far as it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// When it was placed, in microseconds since 1970.
    pub(crate) placed_us: i64,
    /// What of it stands: products and units.
    pub(crate) lines: Vec<(String, i64)>,
}

/// Reads an event, its type and its payload; `None`: nothing that this version knows.
pub(crate) type Read = fn(&str, &[u8]) -> Result<Option<Order>, Unreadable>;

/// What an event says makes no sense.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(crate) String);

/// Units by product.
pub(crate) type Units = HashMap<Box<str>, u64>;

/// Units ordered lately. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sales(Arc<RwLock<Arc<Units>>>);

impl Sales {
    /// As they are now.
    pub(crate) fn units(&self) -> Arc<Units> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, units: Units) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(units);
    }
}

/// Follows orders into the file in `folder` until the process leaves, and keeps `sales` in step with it. `connect` opens the
/// feed, `read` reads its events, `metrics` show how it is going.
pub(crate) async fn keep<C, Fut, M>(
    sales: Sales,
    folder: PathBuf,
    (connect, read): (C, Read),
    (metrics, drain): (Metrics, Drain),
    background: Handle,
) where
    C: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<M, Interrupted>> + Send + 'static,
    M: Stream<Item = Result<Message, Interrupted>> + Send + 'static,
{
    let (leaving, left) = (drain.clone(), drain);
    let leaving = leaving.reached(Phase::Leaving);
    tokio::pin!(leaving);
    let store = tokio::select! {
        store = opened(&folder, &background) => store,
        () = &mut leaving => return,
    };
    let inbox = Inbox::new(store.clone(), "checkout", Ledger { read });
    let follow = Follow::new("checkout", connect, Linked::new("checkout", inbox));
    metrics.observe(&follow);
    let following = background.spawn(async move { follow.run(left.reached(Phase::Leaving)).await });
    tokio::select! {
        () = count(&sales, &store) => {}
        () = &mut leaving => {}
    }
    let _ended = following.await.is_ok();
    store.close().await;
}

/// The database, as soon as the disk takes it.
async fn opened(folder: &Path, background: &Handle) -> Store {
    loop {
        match open(folder, background).await {
            Ok(store) => return store,
            Err(error) => {
                let error = ::store::chain(&*error);
                tracing::error!(error, folder = %folder.display(), "sales cannot be kept; trying again");
            }
        }
        sleep(RETRY).await;
    }
}

async fn open(folder: &Path, background: &Handle) -> Result<Store, Box<dyn std::error::Error + Send + Sync>> {
    tokio::fs::create_dir_all(folder).await?;
    let config = ::store::Config::parse(&format!("sqlite:{}", folder.join(FILE).display()))?;
    Ok(Store::open(config, MIGRATIONS, background.clone()).await?)
}

/// Opens checkout's events that could not be applied, in the file that `folder` has.
///
/// # Errors
/// If there is none, or it cannot be used as it is.
pub(crate) async fn dead_letters(folder: &Path, read: Read, background: Handle) -> Result<Beside<impl Effect>, Error> {
    let url = format!("sqlite:{}", folder.join(FILE).display());
    Beside::open(&url, "checkout", Ledger { read }, background).await
}

/// Adds up again and again, and deletes what no longer counts.
async fn count(sales: &Sales, store: &Store) {
    let mut forgotten: Option<Instant> = None;
    loop {
        let (begun, today) = (Instant::now(), rpc::now_us() / DAY_US);
        match store.read("CountSales", move |connection| units(connection, today - DAYS)).await {
            Ok(units) => sales.set(units),
            // The store says so where its file is away.
            Err(error) => tracing::debug!(error = ::store::chain(&error), "sales are not added up"),
        }
        if forgotten.is_none_or(|forgotten| forgotten.elapsed() > FORGET_INTERVAL) {
            let _next_time = store.write(Forget { day: today - DAYS }).await.is_err();
            forgotten = Some(begun);
        }
        sleep_until(begun + COUNT_INTERVAL.max(begun.elapsed() * COUNT_SHARE)).await;
    }
}

async fn units(mut connection: ::store::Connection, before: i64) -> Result<Units, Error> {
    let rows = connection.fetch_all(&UNITS, [before.into(), PRODUCTS_MAX.into()]).await?;
    rows.iter().map(|row| Ok((row.get::<String>("product_id")?.into_boxed_str(), row.get("units")?))).collect()
}

/// Writes down what stands of each order.
#[derive(Debug)]
struct Ledger {
    read: Read,
}

impl Effect for Ledger {
    async fn apply(&self, tx: &mut Transaction, event: &Event) -> Result<(), Failure> {
        let Some(order) = (self.read)(&event.r#type, &event.payload).map_err(Failure::permanent)? else {
            return Ok(());
        };
        self.remove(tx, &event.key).await?;
        let day = order.placed_us / DAY_US;
        for (product_id, units) in order.lines.iter().filter(|(_, units)| *units > 0) {
            let values = [event.key.as_str().into(), product_id.as_str().into(), day.into(), (*units).into()];
            tx.execute(&ADD, values).await?;
        }
        Ok(())
    }

    async fn remove(&self, tx: &mut Transaction, key: &str) -> Result<(), Failure> {
        tx.execute(&UNDO, [key.into()]).await?;
        Ok(())
    }
}

/// Deletes the sales of this day and before.
struct Forget {
    day: i64,
}

impl Unit for Forget {
    const NAME: &'static str = "ForgetSales";
    type Output = ();
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec!["sales".to_owned()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Error> {
        tx.execute(&FORGET, [self.day.into()]).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ::store::feed::Kind;
    use futures_util::stream::{self, StreamExt as _};
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::UnboundedReceiverStream;

    use super::*;

    /// As a payload: when, and a product with its units.
    fn read(r#type: &str, payload: &[u8]) -> Result<Option<Order>, Unreadable> {
        let text = String::from_utf8_lossy(payload);
        let mut words = text.split_whitespace();
        match (r#type, words.next().and_then(|word| word.parse().ok()), words.next(), words.next()) {
            ("Other", ..) => Ok(None),
            (_, Some(placed_us), Some(product), Some(units)) => {
                Ok(Some(Order { placed_us, lines: vec![(product.to_owned(), units.parse().unwrap())] }))
            }
            _ => Err(Unreadable("it says nothing".to_owned())),
        }
    }

    struct Script {
        say: mpsc::UnboundedSender<Result<Message, Interrupted>>,
        sales: Sales,
        drain: Drain,
        kept: tokio::task::JoinHandle<()>,
    }

    impl Script {
        /// A follower of which the first connection says what is told, and others nothing.
        fn start(folder: &Path) -> Self {
            let (say, said) = mpsc::unbounded_channel();
            let said = Mutex::new(Some(UnboundedReceiverStream::new(said)));
            let connect = move |_cursor: String| {
                let said = said.lock().unwrap().take();
                async move { Ok(said.map_or_else(|| stream::pending().boxed(), |said| said.boxed())) }
            };
            let (sales, drain) = (Sales::default(), Drain::default());
            let told = (Metrics::default(), drain.clone());
            let kept = tokio::spawn(keep(sales.clone(), folder.to_owned(), (connect, read), told, Handle::current()));
            Self { say, sales, drain, kept }
        }

        fn say(&self, kind: Kind, cursor: &str) {
            self.say.send(Ok(Message { kind, cursor: cursor.to_owned() })).unwrap();
        }

        fn order(&self, key: &str, revision: u64, payload: &str, cursor: &str) {
            let event = Event {
                r#type: "Order".into(),
                subject: String::new(),
                key: key.into(),
                revision,
                position: revision,
                time_us: 1,
                traceparent: None,
                payload: payload.to_owned().into(),
            };
            self.say(Kind::Event(Arc::new(event)), cursor);
        }

        async fn reaches(&self, expected: &[(&str, u64)]) {
            let expected: Units = expected.iter().map(|(product, units)| ((*product).into(), *units)).collect();
            let reached = async {
                while *self.sales.units() != expected {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            let late = || panic!("it is {:?}", self.sales.units());
            tokio::time::timeout(Duration::from_secs(60), reached).await.unwrap_or_else(|_| late());
        }

        async fn end(self) {
            self.drain.advance(Phase::Leaving);
            self.kept.await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_stands_of_each_order_counts_for_thirty_days_and_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let now = rpc::now_us();
        let script = Script::start(folder.path());
        script.say(Kind::SnapshotStart { position: 2 }, "");
        script.order("a", 1, &format!("{now} mug 3"), "");
        script.order("old", 1, &format!("{} mug 100", now - DAYS * DAY_US), "");
        script.say(Kind::Bookmark { ends_snapshot: true, position: 2, time_us: now }, "c2");
        script.reaches(&[("mug", 3)]).await;
        script.order("b", 1, &format!("{now} lamp 2"), "c3");
        script.order("a", 2, &format!("{now} mug 1"), "c4");
        script.order("c", 1, "nonsense", "c5");
        // Said again, and out of order: it counts once.
        script.order("a", 1, &format!("{now} mug 3"), "c6");
        script.reaches(&[("mug", 1), ("lamp", 2)]).await;
        script.order("b", 2, &format!("{now} lamp 0"), "c7");
        script.reaches(&[("mug", 1)]).await;
        script.end().await;
        let script = Script::start(folder.path());
        script.reaches(&[("mug", 1)]).await;
        script.end().await;
    }
}
