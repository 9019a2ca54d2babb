//! Imports: products made or replaced by id, a chunk a commit.

use mesh::Violations;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use ::store::{NewEvent, Transaction, Unit};

use super::Wire;
use super::row::CategoryRow;
use rpc::Stamp;

use super::write::{Known, changed, check_revision, key, load, made, save};
use crate::error::Error;
use crate::product::{Draft, Product, ProductId};

/// What became of one product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Imported(Imported),
    Rejected(Violations),
}

/// What an accepted product did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Imported {
    Created,
    Updated,
    Unchanged,
}

/// Makes or replaces products, in their order; an id may occur more than once.
pub(super) struct Import {
    pub(super) wire: Wire,
    pub(super) products: Vec<(ProductId, Draft)>,
    pub(super) stamp: Stamp,
}

impl Unit for Import {
    const NAME: &'static str = "ImportProducts";
    type Output = Vec<Outcome>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        self.products.iter().map(|(id, _)| key(id)).collect()
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Vec<Outcome>, Error> {
        let ids: BTreeSet<&str> = self.products.iter().map(|(id, _)| id.as_str()).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut known = load(tx, &ids).await?;
        let (mut saved, mut relisted, mut events) = (BTreeMap::new(), BTreeSet::new(), Events::default());
        let mut outcomes = Vec::with_capacity(self.products.len());
        for (id, draft) in &self.products {
            let known = known.entry(id.as_str().to_owned()).or_default();
            let (next, outcome) = match self.next(id, draft, known) {
                Ok(next) => next,
                Err(Error::Invalid(violations)) => {
                    outcomes.push(Outcome::Rejected(violations));
                    continue;
                }
                Err(error) => return Err(error),
            };
            outcomes.push(Outcome::Imported(outcome));
            let Some((product, answer)) = next else { continue };
            if events.are_about(id) {
                std::mem::take(&mut events).emit(tx).await?;
            }
            events.add(changed(self.wire, id, answer, &self.stamp), product.revision);
            let old = known.product.as_ref();
            if !old.is_some_and(|old| CategoryRow::are_the_same(&old.content, &product.content)) {
                relisted.insert(id);
            }
            known.last_revision = product.revision;
            known.product = Some(product.clone());
            saved.insert(id, product);
        }
        if saved.is_empty() {
            return Ok(outcomes);
        }
        events.emit(tx).await?;
        let relisted: Vec<&Product> = saved.iter().filter(|(id, _)| relisted.contains(*id)).map(|(_, it)| it).collect();
        save(tx, &saved.values().collect::<Vec<_>>(), &relisted).await?;
        Ok(outcomes)
    }
}

/// Events that are given out by one statement: each is about another product.
#[derive(Default)]
struct Events {
    events: Vec<NewEvent>,
    ids: HashSet<String>,
    /// What their products say.
    revisions: Vec<u64>,
}

impl Events {
    fn are_about(&self, id: &ProductId) -> bool {
        self.ids.contains(id.as_str())
    }

    fn add(&mut self, event: NewEvent, revision: u64) {
        self.ids.insert(event.key.clone());
        self.events.push(event);
        self.revisions.push(revision);
    }

    async fn emit(self, tx: &mut Transaction) -> Result<(), Error> {
        let given = tx.emit_all(self.events).await?;
        given.into_iter().zip(self.revisions).try_for_each(|(given, expected)| check_revision(given, expected))
    }
}

/// A product that has to be written, with its answer.
type Next = Option<(Product, Vec<u8>)>;

impl Import {
    fn next(&self, id: &ProductId, draft: &Draft, known: &Known) -> Result<(Next, Imported), Error> {
        let old = known.product.as_ref().map(|old| &old.content);
        let content = draft.onto(old);
        if old == Some(&content) {
            return Ok((None, Imported::Unchanged));
        }
        let outcome = if old.is_some() { Imported::Updated } else { Imported::Created };
        Ok((Some(made(self.wire, id, content, known, self.stamp.now_us)?), outcome))
    }
}
