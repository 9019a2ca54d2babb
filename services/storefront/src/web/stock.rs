//! How much there is of a product, in the words of a shop.

use std::collections::HashMap;

use contracts::{
    catalog::v1::Product,
    inventory::v1::{BatchGetStockRequest, BatchGetStockResponse},
    search::v1::Availability,
};

use super::{Shop, refusal::Refusal, text::grouped};

/// From so few units on it is said how many there are.
const FEW: i64 = 5;
/// Ids at most in one call (inventory's contract).
const IDS_MAX: usize = 100;

/// What can be had of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stock {
    Plenty,
    Few(i64),
    Out,
    /// Inventory does not answer, or never had any.
    Unknown,
}

/// The stock of some products, or that inventory is away.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    on_hand: Option<HashMap<String, i64>>,
}

impl Stock {
    fn of(on_hand: i64) -> Self {
        match on_hand {
            ..=0 => Self::Out,
            1..=FEW => Self::Few(on_hand),
            _ => Self::Plenty,
        }
    }

    /// As the index has it.
    pub(super) fn indexed(availability: Availability) -> Self {
        match availability {
            Availability::InStock => Self::Plenty,
            Availability::OutOfStock => Self::Out,
            Availability::Unspecified => Self::Unknown,
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Self::Plenty => "In stock".into(),
            Self::Few(units) => format!("Only {} left", grouped(units)),
            Self::Out => "Out of stock".into(),
            Self::Unknown => "Stock unknown".into(),
        }
    }

    /// Its class in the style.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Plenty => "plenty",
            Self::Few(_) => "few",
            Self::Out => "out",
            Self::Unknown => "unknown",
        }
    }

    /// Whether there is any, as far as one knows.
    pub(super) fn is_out(self) -> bool {
        self == Self::Out
    }
}

impl Levels {
    /// The stock of these products, asked for at once. Nothing is asked where there are none.
    pub(super) async fn ask(shop: &Shop, ids: Vec<String>) -> Self {
        if ids.is_empty() {
            return Self { on_hand: Some(HashMap::new()) };
        }
        debug_assert!(ids.len() <= IDS_MAX, "a cart and a page have at most {IDS_MAX} products");
        let answer = shop.inventory.clone().batch_get_stock(BatchGetStockRequest { product_ids: ids }).await;
        match answer {
            Ok(answer) => Self::of(answer.into_inner()),
            Err(status) => {
                tracing::debug!(refusal = ?Refusal::from(status), "inventory does not tell the stock");
                Self::default()
            }
        }
    }

    /// The same of what is on a page.
    pub(super) async fn of_products(shop: &Shop, products: impl IntoIterator<Item = &Product>) -> Self {
        let ids = products.into_iter().take(IDS_MAX).map(|product| product.product_id.clone());
        Self::ask(shop, ids.collect()).await
    }

    fn of(answer: BatchGetStockResponse) -> Self {
        // Of what was never received inventory knows nothing; the shop may still have it.
        let levels = answer.stock.into_iter().map(|level| (level.product_id, level.on_hand));
        Self { on_hand: Some(levels.collect()) }
    }

    pub(super) fn is_away(&self) -> bool {
        self.on_hand.is_none()
    }

    pub(super) fn stock(&self, id: &str) -> Stock {
        self.on_hand(id).map_or(Stock::Unknown, Stock::of)
    }

    /// How many units can be bought, where that is known.
    pub(super) fn on_hand(&self, id: &str) -> Option<i64> {
        self.on_hand.as_ref()?.get(id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_counted_only_where_there_are_few() {
        let words = |on_hand| Stock::of(on_hand).words();
        assert_eq!([words(-1), words(0), words(1)], ["Out of stock", "Out of stock", "Only 1 left"]);
        assert_eq!([words(5), words(6)], ["Only 5 left", "In stock"]);
    }

    #[test]
    fn what_was_never_received_and_what_is_not_told_are_unknown() {
        let answer = BatchGetStockResponse { missing_product_ids: vec!["mug".into()], ..Default::default() };
        let told = Levels::of(answer);
        assert!(told.stock("mug") == Stock::Unknown && !told.is_away());
        assert!(Levels::default().is_away());
        assert_eq!(Levels::default().stock("mug"), Stock::Unknown);
    }
}
