//! A cart, and what may become of it.
//!
//! All items are priced in one currency, that of the first; there are at most [`ITEMS_MAX`] of them, each of another product,
//! and 1 to [`QUANTITY_MAX`] units of each. A change that is refused leaves the cart as it was.

use std::fmt;

use rpc::money::Currency;

use crate::product::ProductId;

/// The most products in a cart.
pub(crate) const ITEMS_MAX: usize = 100;
/// The most units of a product in a cart.
pub(crate) const QUANTITY_MAX: u32 = 10_000;
/// A cart is deleted when it has not changed for 90 days. Microseconds.
pub(crate) const LIFE_US: i64 = 90 * 24 * 60 * 60 * 1_000_000;

/// A cart's id: 128 random bits as 32 lower-case hexadecimal digits. It is the right to the cart, so it is never printed
/// whole.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct CartId(Box<str>);

impl CartId {
    /// The rule, as the end of a sentence.
    pub(crate) const RULE: &'static str = "must be 32 lower-case hexadecimal digits";

    pub(crate) fn parse(id: &str) -> Option<Self> {
        let digits = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        digits.then(|| Self(id.into()))
    }

    /// An id that nobody can guess.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bits)).into()))
    }

    /// The id as text, for the database and for whoever sent it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", &self.0[..8])
    }
}

/// Some units of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) product: ProductId,
    /// From 1 to 10,000.
    pub(crate) quantity: u32,
    /// When it was first added. Microseconds since 1970.
    pub(crate) create_us: i64,
}

/// A cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cart {
    pub(crate) id: CartId,
    /// In the order they were first added.
    pub(crate) items: Vec<Item>,
    /// Of all items. `None`: there are none.
    pub(crate) currency: Option<Currency>,
    /// Microseconds since 1970.
    pub(crate) create_us: i64,
    pub(crate) update_us: i64,
    /// Counts the changes. 0: it was never written.
    pub(crate) revision: u64,
}

/// Why a cart does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The cart's currency, and the other.
    Currency(Currency, Currency),
    Full,
    Quantity(ProductId),
    NotThere(ProductId),
}

impl Cart {
    /// An empty cart that is not written yet.
    pub(crate) fn new(id: CartId, now_us: i64) -> Self {
        Self { id, items: Vec::new(), currency: None, create_us: now_us, update_us: now_us, revision: 0 }
    }

    /// When it is deleted if it does not change.
    pub(crate) fn expire_us(&self) -> i64 {
        self.update_us.saturating_add(LIFE_US)
    }

    /// Names this version. The time keeps a database that was restored from giving the same name to two versions.
    pub(crate) fn etag(&self) -> String {
        format!("{:x}-{:x}", self.revision, self.update_us)
    }

    /// Adds units of a product to those that are there.
    pub(crate) fn add(
        &mut self,
        product: &ProductId,
        currency: Currency,
        quantity: u32,
        now_us: i64,
    ) -> Result<(), Refused> {
        self.agree(currency)?;
        let more = Item { product: product.clone(), quantity, create_us: 0 };
        self.items = self.joined([more].iter(), now_us)?;
        self.currency = Some(currency);
        self.stamp(now_us);
        Ok(())
    }

    /// Sets how many units of a product there are; whether that is a change.
    pub(crate) fn set(&mut self, product: &ProductId, quantity: u32, now_us: i64) -> Result<bool, Refused> {
        let item = self.items.iter_mut().find(|item| item.product == *product);
        let item = item.ok_or_else(|| Refused::NotThere(product.clone()))?;
        let old = std::mem::replace(&mut item.quantity, quantity);
        if old != quantity {
            self.stamp(now_us);
        }
        Ok(old != quantity)
    }

    /// Takes a product out; whether it was there.
    pub(crate) fn remove(&mut self, product: &ProductId, now_us: i64) -> bool {
        let before = self.items.len();
        self.items.retain(|item| item.product != *product);
        self.shrunk(before, now_us)
    }

    /// Takes everything out; whether there was anything.
    pub(crate) fn clear(&mut self, now_us: i64) -> bool {
        let before = self.items.len();
        self.items.clear();
        self.shrunk(before, now_us)
    }

    /// Moves everything from another cart into this one; whether there was anything.
    pub(crate) fn take_all(&mut self, source: &mut Self, now_us: i64) -> Result<bool, Refused> {
        let Some(currency) = source.currency else { return Ok(false) };
        self.agree(currency)?;
        self.items = self.joined(source.items.iter(), now_us)?;
        self.currency = Some(currency);
        self.stamp(now_us);
        Ok(source.clear(now_us))
    }

    /// The next version, as of now. A clock that was set back makes no cart younger.
    pub(crate) fn stamp(&mut self, now_us: i64) {
        self.update_us = now_us.max(self.update_us);
        self.revision += 1;
    }

    fn agree(&self, other: Currency) -> Result<(), Refused> {
        match self.currency {
            Some(own) if own != other => Err(Refused::Currency(own, other)),
            Some(_) | None => Ok(()),
        }
    }

    /// The items with these among them.
    fn joined<'a>(&self, more: impl Iterator<Item = &'a Item>, now_us: i64) -> Result<Vec<Item>, Refused> {
        let mut items = self.items.clone();
        for more in more {
            match items.iter_mut().find(|item| item.product == more.product) {
                Some(item) => item.quantity = item.quantity.saturating_add(more.quantity),
                None => items.push(Item { create_us: now_us.max(self.update_us), ..more.clone() }),
            }
        }
        if items.len() > ITEMS_MAX {
            return Err(Refused::Full);
        }
        match items.iter().find(|item| item.quantity > QUANTITY_MAX) {
            Some(item) => Err(Refused::Quantity(item.product.clone())),
            None => Ok(items),
        }
    }

    fn shrunk(&mut self, before: usize, now_us: i64) -> bool {
        let changed = self.items.len() < before;
        if self.items.is_empty() {
            self.currency = None;
        }
        if changed {
            self.stamp(now_us);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn euro() -> Currency {
        Currency::parse("EUR").unwrap()
    }

    fn cart(items: &[(u8, u32)]) -> Cart {
        let mut cart = Cart::new(CartId::random().unwrap(), 5);
        for (number, quantity) in items {
            let product = ProductId::parse(&format!("p{number}")).unwrap();
            let _a_limit = cart.add(&product, euro(), *quantity, 5);
        }
        cart
    }

    fn units(carts: &[&Cart]) -> BTreeMap<ProductId, u32> {
        let mut units = BTreeMap::new();
        for item in carts.iter().flat_map(|cart| &cart.items) {
            *units.entry(item.product.clone()).or_default() += item.quantity;
        }
        units
    }

    #[test]
    fn an_id_is_new_each_time_has_128_bits_and_is_never_printed_whole() {
        let (one, other) = (CartId::random().unwrap(), CartId::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(CartId::parse(one.as_str()), Some(one.clone()));
        assert_eq!(format!("{one:?}"), format!("{}…", &one.as_str()[..8]));
    }

    proptest! {
        #[test]
        fn a_merge_moves_every_unit_or_nothing(
            target in proptest::collection::vec((0_u8..120, 1_u32..=QUANTITY_MAX), 0..110),
            source in proptest::collection::vec((0_u8..120, 1_u32..=QUANTITY_MAX), 0..110),
        ) {
            let (mut target, mut source) = (cart(&target), cart(&source));
            let before = (target.clone(), source.clone());
            let all = units(&[&target, &source]);
            match target.take_all(&mut source, 7) {
                Ok(changed) => {
                    prop_assert_eq!(units(&[&target]), all);
                    prop_assert!(source.items.is_empty() && source.currency.is_none());
                    prop_assert_eq!(changed, !before.1.items.is_empty());
                    prop_assert_eq!(changed, target.etag() != before.0.etag());
                    prop_assert!(target.items.len() <= ITEMS_MAX);
                    prop_assert!(target.items.is_sorted_by_key(|item| item.create_us));
                }
                Err(refused) => {
                    prop_assert_eq!((target, source), before);
                    match refused {
                        Refused::Full => prop_assert!(all.len() > ITEMS_MAX),
                        Refused::Quantity(product) => prop_assert!(all[&product] > QUANTITY_MAX),
                        Refused::Currency(..) | Refused::NotThere(_) => prop_assert!(false, "{refused:?}"),
                    }
                }
            }
        }
    }
}
