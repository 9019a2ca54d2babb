//! ImportProducts: reads the stream while what it brought before is committed.
//!
//! Memory stays flat: the stream is only read on while fewer products wait than one commit takes, so a fast caller waits for the
//! database by HTTP/2's flow control.

use mesh::Violations;
use std::collections::VecDeque;
use std::pin::Pin;

use contracts::catalog::v1 as pb;
use futures_util::{Stream, StreamExt as _};
use rpc::Stamp;
use tonic::Status;

use super::product::Parser;
use crate::error::Error;
use crate::product::{Draft, ProductId};
use crate::store::{Imported, Outcome, Products};

/// The most products in one message.
const MESSAGE_MAX: usize = 500;
/// Products that share a commit: enough to pay for it, few enough that other writers hardly notice.
const CHUNK: usize = 250;
/// The most rejections that are listed.
const REJECTIONS_MAX: usize = 1_000;
/// How much of a rejected id is given back, in characters.
const REJECTED_ID_MAX: usize = 64;

/// A product of the stream.
struct Row {
    index: i64,
    /// As it was sent.
    sent_id: String,
    parsed: Result<(ProductId, Draft), Violations>,
}

/// What came of the import so far.
#[derive(Default)]
struct Report(pb::ImportProductsResponse);

/// The stream and what it brought that is not committed yet.
struct Incoming<S> {
    stream: Pin<Box<S>>,
    waiting: VecDeque<Row>,
    next_index: i64,
    /// How it ended, once it has.
    end: Option<Result<(), Status>>,
}

/// How to import.
pub(super) struct Import<'a> {
    pub(super) products: &'a Products,
    /// Told of each product that a commit may have changed.
    pub(super) changed: &'a (dyn Fn(&ProductId) + Sync),
    pub(super) stamp: fn() -> Stamp,
}

impl Import<'_> {
    /// Imports everything that `stream` brings and reports on it.
    pub(super) async fn run<S>(&self, stream: S) -> Result<pb::ImportProductsResponse, Status>
    where
        S: Stream<Item = Result<pb::ImportProductsRequest, Status>> + Send,
    {
        let mut incoming = Incoming { stream: Box::pin(stream), waiting: VecDeque::new(), next_index: 0, end: None };
        let mut report = Report::default();
        loop {
            while incoming.waiting.is_empty() && incoming.end.is_none() {
                incoming.read().await;
            }
            let chunk = incoming.take_chunk();
            if !chunk.is_empty() {
                let commit = self.commit(chunk, &mut report);
                let mut commit = std::pin::pin!(commit);
                loop {
                    tokio::select! {
                        committed = &mut commit => break committed?,
                        () = incoming.read(), if incoming.wants_more() => {}
                    }
                }
            }
            match incoming.end {
                // What came before a failure is committed as far as it had got into a chunk.
                Some(Err(status)) => return Err(status),
                Some(Ok(())) if incoming.waiting.is_empty() => return Ok(report.0),
                Some(Ok(())) | None => {}
            }
        }
    }

    async fn commit(&self, chunk: Vec<Row>, report: &mut Report) -> Result<(), Error> {
        let (mut places, mut accepted, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
        for Row { index, sent_id, parsed } in chunk {
            match parsed {
                Ok(product) => {
                    places.push((index, sent_id));
                    accepted.push(product);
                }
                Err(violations) => rejected.push((index, sent_id, violations)),
            }
        }
        if !accepted.is_empty() {
            let ids: Vec<ProductId> = accepted.iter().map(|(id, _)| id.clone()).collect();
            let outcomes = self.products.import(accepted, (self.stamp)()).await;
            // Also after a failure, which may have come after the commit.
            ids.iter().for_each(self.changed);
            for ((index, sent_id), outcome) in places.into_iter().zip(outcomes?) {
                match outcome {
                    Outcome::Imported(imported) => report.accept(imported),
                    Outcome::Rejected(violations) => rejected.push((index, sent_id, violations)),
                }
            }
        }
        // Both kinds of refusal together in the order of the import.
        rejected.sort_by_key(|(index, ..)| *index);
        for (index, sent_id, violations) in rejected {
            report.reject(index, &sent_id, &violations);
        }
        Ok(())
    }
}

impl<S: Stream<Item = Result<pb::ImportProductsRequest, Status>>> Incoming<S> {
    fn wants_more(&self) -> bool {
        self.end.is_none() && self.waiting.len() < CHUNK
    }

    fn take_chunk(&mut self) -> Vec<Row> {
        self.waiting.drain(..self.waiting.len().min(CHUNK)).collect()
    }

    /// Reads one message. Dropping it before it is done loses nothing.
    async fn read(&mut self) {
        match self.stream.next().await {
            Some(Ok(message)) => self.accept(message),
            Some(Err(status)) => self.end = Some(Err(status)),
            None => self.end = Some(Ok(())),
        }
    }

    fn accept(&mut self, message: pb::ImportProductsRequest) {
        if message.products.len() > MESSAGE_MAX {
            let violations = Violations::one("products", format!("must be at most {MESSAGE_MAX}"));
            self.end = Some(Err(Error::from(violations).into()));
            return;
        }
        for product in message.products {
            let parsed = parse(&product);
            self.waiting.push_back(Row { index: self.next_index, sent_id: product.product_id, parsed });
            self.next_index += 1;
        }
    }
}

impl Report {
    fn accept(&mut self, imported: Imported) {
        match imported {
            Imported::Created => self.0.created_count += 1,
            Imported::Updated => self.0.updated_count += 1,
            Imported::Unchanged => self.0.unchanged_count += 1,
        }
    }

    fn reject(&mut self, index: i64, sent_id: &str, violations: &Violations) {
        self.0.rejected_count += 1;
        if self.0.rejections.len() >= REJECTIONS_MAX {
            return;
        }
        let first = violations.first();
        self.0.rejections.push(pb::ImportRejection {
            index,
            product_id: sent_id.chars().take(REJECTED_ID_MAX).collect(),
            field: first.map(|found| found.field.clone()).unwrap_or_default(),
            reason: "INVALID_REQUEST".to_owned(),
            message: first.map(|found| found.description.clone()).unwrap_or_default(),
        });
    }
}

fn parse(product: &pb::Product) -> Result<(ProductId, Draft), Violations> {
    let mut violations = Violations::default();
    let id = ProductId::parse(&product.product_id);
    if id.is_none() {
        violations.add("product_id", ProductId::RULE);
    }
    let draft = Parser::new(product, "", &mut violations).draft();
    violations.clone().check()?;
    id.zip(draft).ok_or(violations)
}
