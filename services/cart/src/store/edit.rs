//! Changes one cart.

use ::store::{Lookup, Request, Transaction, Unit};

use super::{Answer, Target, View, key, load};
use crate::error::Error;
use crate::product::{ProductId, State};

/// What is done to a cart.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Adds units to those that are there.
    Add(ProductId, u32),
    /// Sets how many there are.
    Set(ProductId, u32),
    /// Takes a product out.
    Remove(ProductId),
    /// Takes everything out.
    Clear,
}

/// Changes one cart, and remembers the answer.
pub(super) struct Edit {
    pub(super) target: Target,
    pub(super) etag: Option<String>,
    pub(super) request: Request,
    pub(super) answer: Answer,
    pub(super) action: Action,
}

impl Edit {
    /// The product whose copy is asked for besides the cart's.
    fn asked(&self) -> Option<&ProductId> {
        match &self.action {
            Action::Add(product, _) => Some(product),
            Action::Set(..) | Action::Remove(_) | Action::Clear => None,
        }
    }
}

impl Unit for Edit {
    const NAME: &'static str = "ChangeCart";
    type Output = Vec<u8>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![key(self.target.id()), self.request.key()]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![self.request.lookup(), load::lookup(self.target.id(), self.asked())]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Vec<u8>, Error> {
        // Before the etag: the first try changed it.
        if let Some(answer) = tx.remembered(&self.request).await? {
            return Ok(answer);
        }
        let load::Found { seen, cart, products } = load::load(tx, self.target.id(), self.asked()).await?;
        let now_us = tx.now_us();
        let mut cart = self.target.found(cart, self.etag.as_deref(), now_us)?;
        let changed = match &self.action {
            Action::Add(product, quantity) => {
                if !seen {
                    return Err(Error::CatalogNotSeen);
                }
                let known = products.get(product).filter(|known| known.state != State::Deleted);
                let known = known.ok_or_else(|| Error::ProductNotFound(product.clone()))?;
                if known.state == State::Discontinued {
                    return Err(Error::ProductDiscontinued(product.clone()));
                }
                let added = cart.add(product, known.price.currency(), *quantity, now_us);
                added.map(|()| true).map_err(Error::of_product)?
            }
            Action::Set(product, quantity) => cart.set(product, *quantity, now_us).map_err(Error::of_product)?,
            Action::Remove(product) => cart.remove(product, now_us),
            Action::Clear => cart.clear(now_us),
        };
        if changed {
            load::save(tx, &cart)?;
        }
        let answer = (self.answer)(&View { cart, products });
        tx.remember(&self.request, &answer)?;
        Ok(answer)
    }
}
