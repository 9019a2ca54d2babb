//! Moves everything from one cart into another.

use ::store::{Lookup, Request, Transaction, Unit};

use super::{Answer, Target, View, key, load};
use crate::cart::CartId;
use crate::error::Error;

/// Moves everything from one cart into another, and remembers the answer.
pub(super) struct Merge {
    pub(super) target: Target,
    /// Another cart than the target.
    pub(super) source: CartId,
    pub(super) etag: Option<String>,
    pub(super) request: Request,
    pub(super) answer: Answer,
}

impl Unit for Merge {
    const NAME: &'static str = "MergeCarts";
    type Output = Vec<u8>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![key(self.target.id()), key(&self.source), self.request.key()]
    }

    fn lookups(&self) -> Vec<Lookup> {
        let carts = [self.target.id(), &self.source].map(|cart| load::lookup(cart, None));
        carts.into_iter().chain([self.request.lookup()]).collect()
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Vec<u8>, Error> {
        if let Some(answer) = tx.remembered(&self.request).await? {
            return Ok(answer);
        }
        let target = load::load(tx, self.target.id(), None).await?;
        let load::Found { cart, products, .. } = load::load(tx, &self.source, None).await?;
        let now_us = tx.now_us();
        let mut source = cart.ok_or(Error::CartNotFound)?;
        let mut cart = self.target.found(target.cart, self.etag.as_deref(), now_us)?;
        let moved = cart.take_all(&mut source, now_us).map_err(Error::of_merge)?;
        if moved {
            load::save(tx, &source)?;
        } else if cart.revision == 0 {
            // Made all the same, of nothing.
            cart.stamp(now_us);
        }
        if moved || matches!(self.target, Target::New(_)) {
            load::save(tx, &cart)?;
        }
        let products = target.products.into_iter().chain(products).collect();
        let answer = (self.answer)(&View { cart, products });
        tx.remember(&self.request, &answer)?;
        Ok(answer)
    }
}
