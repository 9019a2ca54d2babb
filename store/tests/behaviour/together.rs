//! What the units of a batch look up and write, a statement does for all of them, and each sees what it would see alone.

use futures_util::future::join_all;
use store::{Dialect, Error, Lookup, NewEvent, Statement, Store, Transaction, Unit};

use crate::harness::{Db, NUMBER, Refusal, count, event, events_after, number, on_both_databases};

on_both_databases! {
    many_units_take_a_few_statements,
    units_with_a_key_in_common_find_what_the_one_before_put,
    a_statement_of_a_unit_finds_what_it_put,
    a_unit_that_fails_has_put_nothing,
    a_row_that_is_not_as_it_was_fails_its_unit_and_no_other,
    replicas_find_what_the_other_put,
    a_thing_that_counts_its_changes_says_how_far_it_is,
}

const FIND: Statement = Statement::dialect(
    "SELECT thing",
    Dialect {
        sqlite: "SELECT wanted.key AS wanted, number FROM json_each($1) AS wanted CROSS JOIN thing ON thing.id = wanted.value",
        postgres: "SELECT wanted.number - 1 AS wanted, thing.number \
                   FROM json_array_elements_text($1::json) WITH ORDINALITY AS wanted(value, number) \
                   JOIN thing ON thing.id = wanted.value",
    },
);

const PUT: Statement = Statement::dialect(
    "UPSERT thing",
    Dialect {
        sqlite: "INSERT INTO thing (id, number) SELECT value ->> 0, value ->> 1 FROM jsonb_each($1) WHERE true \
                 ON CONFLICT (id) DO UPDATE SET number = excluded.number WHERE thing.number = excluded.number - 1",
        postgres: "INSERT INTO thing (id, number) SELECT value ->> 0, (value ->> 1)::bigint \
                   FROM json_array_elements($1::json) AS listed(value) \
                   ON CONFLICT (id) DO UPDATE SET number = excluded.number WHERE thing.number = excluded.number - 1",
    },
);

/// What a [`Count`] does besides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Twist {
    None,
    /// It fails at the end.
    Refuse,
    /// It writes over a number that is not there.
    Stray,
    /// It reads what it put.
    Read,
}

/// Counts a thing up, from 1, and gives its number.
struct Count {
    id: String,
    twist: Twist,
}

impl Count {
    fn of(id: impl Into<String>) -> Self {
        Self { id: id.into(), twist: Twist::None }
    }

    fn lookup(&self) -> Lookup {
        Lookup::new(FIND, self.id.as_str())
    }
}

impl Unit for Count {
    const NAME: &'static str = "Count";
    type Output = i64;
    type Error = Refusal;

    fn keys(&self) -> Vec<String> {
        vec![self.id.clone()]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![self.lookup()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<i64, Refusal> {
        let found = tx.look_up_optional(&self.lookup()).await?;
        let number = found.map(|row| row.get::<i64>("number")).transpose()?.unwrap_or_default() + 1;
        let put = number + i64::from(self.twist == Twist::Stray);
        tx.put(&PUT, &(&self.id, put))?;
        match self.twist {
            Twist::None | Twist::Stray => Ok(number),
            Twist::Refuse => Err(Refusal::No("at the end")),
            Twist::Read => Ok(tx.fetch_one(&NUMBER, [self.id.as_str().into()]).await?.get("number")?),
        }
    }
}

/// The statements of what is done meanwhile, but for those of a poll or two.
async fn statements(store: &Store, work: impl Future<Output = ()>) -> u64 {
    let before = store.stats();
    work.await;
    let after = store.stats();
    assert!(after.commits - before.commits < 40, "{} commits", after.commits - before.commits);
    after.statements - before.statements
}

async fn many_units_take_a_few_statements(db: Db) {
    let store = db.open().await;
    for expected in 1..=2 {
        let sent = statements(&store, async {
            for counted in join_all((0..500).map(|n| store.write(Count::of(format!("k{n}"))))).await {
                assert_eq!(counted.unwrap(), expected);
            }
        });
        let sent = sent.await;
        assert!(sent < 300, "{sent} statements for 500 units that look up and write");
    }
    assert_eq!((count(&store).await, number(&store, "k499").await), (500, Some(2)));
}

async fn units_with_a_key_in_common_find_what_the_one_before_put(db: Db) {
    let store = db.open().await;
    let writes = (0..200).map(|n| store.write(Count::of(format!("k{}", n % 3))));
    let mut counted: Vec<i64> = join_all(writes).await.into_iter().map(Result::unwrap).collect();
    counted.sort_unstable();
    counted.dedup();
    assert_eq!(counted, (1..=67).collect::<Vec<_>>());
    assert_eq!(number(&store, "k0").await, Some(67));
    // They stay in company: none of them had to run alone to see what was there.
    assert!(store.stats().commits < 150, "{} commits for 200 units", store.stats().commits);
}

async fn a_statement_of_a_unit_finds_what_it_put(db: Db) {
    let store = db.open().await;
    let writes = (0..100).map(|n| store.write(Count { id: format!("k{}", n % 50), twist: Twist::Read }));
    let counted: Vec<i64> = join_all(writes).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(counted.iter().sum::<i64>(), 50 + 2 * 50);
}

async fn a_unit_that_fails_has_put_nothing(db: Db) {
    let store = db.open().await;
    let twist = |n: usize| if n.is_multiple_of(3) { Twist::Refuse } else { Twist::None };
    let writes = (0..99).map(|n| store.write(Count { id: format!("k{n}"), twist: twist(n) }));
    let outcomes = join_all(writes).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_ok(), twist(n) == Twist::None, "unit {n}: {outcome:?}");
    }
    assert_eq!((count(&store).await, number(&store, "k3").await), (66, None));
}

async fn a_row_that_is_not_as_it_was_fails_its_unit_and_no_other(db: Db) {
    let store = db.open().await;
    for outcome in join_all((0..60).map(|n| store.write(Count::of(format!("k{n}"))))).await {
        outcome.unwrap();
    }
    let twist = |n: usize| if n == 31 { Twist::Stray } else { Twist::None };
    let outcomes = join_all((0..60).map(|n| store.write(Count { id: format!("k{n}"), twist: twist(n) }))).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        match (n, outcome) {
            (31, Err(Refusal::Store(Error::Internal { attempted: "UPSERT thing", .. }))) => {}
            (31, outcome) => panic!("the stray one: {outcome:?}"),
            (_, outcome) => assert_eq!(*outcome.as_ref().unwrap(), 2, "unit {n}"),
        }
        assert_eq!(number(&store, &format!("k{n}")).await, Some(if n == 31 { 1 } else { 2 }));
    }
}

async fn replicas_find_what_the_other_put(db: Db) {
    let replicas = [db.open().await, db.open().await];
    let writes = (0..200).map(|n: usize| replicas[n % 2].write(Count::of(format!("k{}", n % 5))));
    for outcome in join_all(writes).await {
        outcome.unwrap();
    }
    for n in 0..5 {
        assert_eq!(number(&replicas[0], &format!("k{n}")).await, Some(40));
    }
}

/// Tells that a key is this far.
struct Tell(&'static str, u64);

impl Unit for Tell {
    const NAME: &'static str = "Tell";
    type Output = ();
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![self.0.to_owned()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Error> {
        tx.emit_at(NewEvent { payload: Vec::new(), ..event(self.0) }, self.1)
    }
}

async fn a_thing_that_counts_its_changes_says_how_far_it_is(db: Db) {
    let store = db.open().await;
    store.write(Tell("a", 3)).await.unwrap();
    store.write(Tell("b", 1)).await.unwrap();
    store.write(Tell("a", 7)).await.unwrap();
    for behind in [7, 5] {
        let told = store.write(Tell("a", behind)).await;
        assert!(matches!(told, Err(Error::Internal { .. })), "{told:?}");
    }
    let told = events_after(&store, 0).await.into_iter().map(|(_, key, revision)| (key, revision));
    let told: Vec<_> = told.collect();
    assert_eq!(told, [("a".to_owned(), 3), ("b".to_owned(), 1), ("a".to_owned(), 7)]);
}
