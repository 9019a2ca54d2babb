//! Quotes: a cart and its products, read where they are, at this shop's rates.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::clients::{CartNotFound, Clients};
use crate::error::{Error, Offer, unexpected};
use crate::proof::{Quoted, Signer};
use crate::quote::{Quote, Rates, Unquotable, Wish};
use crate::store::Orders;

/// Quotes carts, and knows its own quotes again.
#[derive(Clone, Debug)]
pub(crate) struct Quoting {
    clients: Clients,
    orders: Orders,
    rates: Arc<Rates>,
    /// Read once: it is there as long as the database is.
    signer: Arc<OnceCell<Signer>>,
}

impl Quoting {
    pub(crate) fn new(clients: Clients, orders: Orders, rates: Rates) -> Self {
        Self { clients, orders, rates: Arc::new(rates), signer: Arc::default() }
    }

    /// What a cart costs now.
    pub(crate) async fn quote(&self, wish: &Wish, now_us: i64) -> Result<Quote, Error> {
        let cart = self.clients.cart(&wish.cart).await?.map_err(|CartNotFound| Error::CartNotFound)?;
        if cart.items.is_empty() {
            return Err(Error::Unquotable(Unquotable::CartEmpty));
        }
        let ids = cart.items.iter().map(|(product, _)| product.clone()).collect();
        let products = self.clients.products(ids).await?;
        self.rates.quote(wish, &cart, &products, now_us).map_err(Error::Unquotable)
    }

    /// A quote with its id.
    pub(crate) async fn offer(&self, quote: Quote) -> Result<Offer, Error> {
        let quote_id = self.signer().await?.sign(&quote);
        Ok(Offer { quote, quote_id })
    }

    /// What was quoted under this id.
    pub(crate) async fn quoted(&self, quote_id: &str) -> Result<Option<Quoted>, Error> {
        Ok(self.signer().await?.read(quote_id))
    }

    async fn signer(&self) -> Result<&Signer, Error> {
        let read = || async {
            let secret = self.orders.secret().await?;
            let signer = Signer::new(&secret);
            signer.ok_or_else(|| Error::from(unexpected("read the key of quotes", "it is no key")))
        };
        self.signer.get_or_try_init(read).await
    }
}
