//! How much of an order is given back.
//!
//! Refunds by line add up to the prices of their units, with their share of a tax that came on top, rounded down; whatever is
//! left over, shipping among it, is given back with everything that is left. So no order of refunds gives back more than was
//! taken, and together they give back all of it.

use std::collections::HashMap;

use crate::derived;
use crate::order::{Order, Refund, RefundState, Units};

/// The most refunds of an order, those that failed not counted.
pub(crate) const REFUNDS_MAX: usize = 100;
/// The most refunds that failed that an order remembers.
const FAILED_MAX: usize = 20;

/// Units that cannot be given back, by their place in the request, with how many could.
pub(crate) type Excess = Vec<(usize, u32)>;

impl Order {
    /// The oldest refund that is to be carried out.
    pub(crate) fn pending_refund(&self) -> Option<&Refund> {
        self.progress.refunds.iter().find(|refund| refund.state == RefundState::Pending)
    }

    /// How much was given back, or is being given back.
    pub(crate) fn refunded_amount(&self) -> i64 {
        self.standing().map(|refund| refund.amount).sum()
    }

    /// How much could still be given back.
    pub(crate) fn left(&self) -> i64 {
        self.placed.amounts.total - self.refunded_amount()
    }

    /// Of how many units of each product money was given back, or is being given back.
    pub(crate) fn refunded_units(&self) -> HashMap<&str, u32> {
        let mut refunded = HashMap::new();
        for units in self.standing().flat_map(|refund| &refund.units) {
            *refunded.entry(units.product.as_str()).or_default() += units.quantity;
        }
        refunded
    }

    /// Whether all the money is given back.
    pub(super) fn is_given_back(&self) -> bool {
        let done = self.progress.refunds.iter().filter(|refund| refund.state == RefundState::Done);
        done.map(|refund| refund.amount).sum::<i64>() == self.placed.amounts.total
    }

    /// How many refunds count against [`REFUNDS_MAX`].
    pub(crate) fn standing_refunds(&self) -> usize {
        self.standing().count()
    }

    /// All units of which no money was given back.
    pub(crate) fn units_left(&self) -> Vec<Units> {
        let refunded = self.refunded_units();
        let left = self.placed.lines.iter().map(|line| Units {
            product: line.product.clone(),
            quantity: line.quantity - refunded.get(line.product.as_str()).copied().unwrap_or_default(),
        });
        left.filter(|units| units.quantity > 0).collect()
    }

    /// What these units bring back, beside the refunds that stand.
    ///
    /// # Errors
    /// Where they are more than is left.
    pub(crate) fn amount_of(&self, units: &[Units]) -> Result<i64, Excess> {
        let mut refunded = self.refunded_units();
        let mut excess = Excess::new();
        for (index, units) in units.iter().enumerate() {
            let line = self.placed.lines.iter().find(|line| line.product == units.product);
            let had = refunded.get(units.product.as_str()).copied().unwrap_or_default();
            let left = line.map_or(0, |line| line.quantity - had);
            if units.quantity > left {
                excess.push((index, left));
            } else {
                *refunded.entry(&units.product).or_default() += units.quantity;
            }
        }
        if !excess.is_empty() {
            return Err(excess);
        }
        let mut prices: i128 = 0;
        for line in &self.placed.lines {
            let quantity = refunded.get(line.product.as_str()).copied().unwrap_or_default();
            prices += i128::from(line.unit_price) * i128::from(quantity);
        }
        let amounts = self.placed.amounts;
        let base = i128::from(amounts.subtotal) + i128::from(amounts.shipping);
        let tax = if amounts.tax_included || base == 0 { 0 } else { i128::from(amounts.tax) * prices / base };
        // Not above the total, and so within its type; whatever was given back beyond lines is not taken again.
        let target = i64::try_from(prices + tax).unwrap_or(i64::MAX);
        Ok((target - self.refunded_amount()).clamp(0, self.left()))
    }

    /// Adds a refund that is to be carried out.
    pub(crate) fn add_refund(&mut self, refund: Refund) {
        self.progress.refunds_made += 1;
        self.progress.refunds.push(refund);
    }

    /// Adds the refund of a cancel: all that is left, and its units return. Nothing where nothing is left.
    pub(super) fn give_everything_back(&mut self, now_us: i64) {
        let amount = self.left();
        if amount == 0 {
            return;
        }
        self.add_refund(Refund {
            id: derived::request_id(&self.id, &format!("refund/{}", self.progress.refunds_made)),
            state: RefundState::Pending,
            amount,
            units: self.units_left(),
            return_units: true,
            comment: String::new(),
            create_us: now_us,
        });
    }

    /// Says how a refund ended.
    pub(super) fn settle_refund(&mut self, id: &str, state: RefundState) {
        let refunds = &mut self.progress.refunds;
        if let Some(refund) = refunds.iter_mut().find(|refund| refund.id == id) {
            refund.state = state;
        }
        let is_failed = |refund: &Refund| refund.state == RefundState::Failed;
        let mut surplus = refunds.iter().filter(|refund| is_failed(refund)).count().saturating_sub(FAILED_MAX);
        refunds.retain(|refund| {
            let forgotten = surplus > 0 && is_failed(refund);
            surplus -= usize::from(forgotten);
            !forgotten
        });
    }

    fn standing(&self) -> impl Iterator<Item = &Refund> {
        self.progress.refunds.iter().filter(|refund| refund.state != RefundState::Failed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::order::example;

    /// Gives some units back, as far as they are left; `None`: everything that is left.
    fn give_back(order: &mut Order, units: Option<(usize, u32)>, failed: bool) {
        let (units, amount) = match units {
            None => (order.units_left(), order.left()),
            Some((index, quantity)) => {
                let product = order.placed.lines[index % order.placed.lines.len()].product.clone();
                let units = vec![Units { product, quantity }];
                let Ok(amount) = order.amount_of(&units) else { return };
                (units, amount)
            }
        };
        let (id, state) = (order.progress.refunds_made.to_string(), RefundState::Pending);
        let (comment, create_us) = (String::new(), 0);
        order.add_refund(Refund { id: id.clone(), state, amount, units, return_units: false, comment, create_us });
        order.settle_refund(&id, if failed { RefundState::Failed } else { RefundState::Done });
    }

    proptest! {
        #[test]
        fn no_order_of_refunds_gives_back_more_than_was_taken_and_together_they_give_back_all_of_it(
            prices in proptest::collection::vec((0_i64..10_000, 1_u32..5), 1..5),
            shipping in 0_i64..1_000,
            basis_points in 0_i64..3_000,
            included: bool,
            refunds in proptest::collection::vec((proptest::option::of((0_usize..5, 1_u32..5)), any::<bool>()), 0..30),
        ) {
            let mut order = example(&prices, shipping, basis_points, included);
            let total = order.placed.amounts.total;
            for (units, failed) in refunds {
                let before = order.refunded_amount();
                give_back(&mut order, units, failed);
                prop_assert!(order.refunded_amount() >= before && order.left() >= 0);
                let refunded = order.refunded_units();
                for line in &order.placed.lines {
                    prop_assert!(refunded.get(&*line.product).copied().unwrap_or_default() <= line.quantity);
                }
            }
            let failed = order.progress.refunds.iter().filter(|refund| refund.state == RefundState::Failed).count();
            prop_assert!(failed <= FAILED_MAX);
            give_back(&mut order, None, false);
            prop_assert_eq!((order.refunded_amount(), order.left()), (total, 0));
            prop_assert!(order.is_given_back() && order.units_left().is_empty());
        }
    }

    #[test]
    fn a_line_brings_its_price_and_its_share_of_a_tax_that_came_on_top_rounded_down() {
        // 3 x 100 and 1 x 50 and 25 for shipping, 10 % on top: 37.5, rounded half up.
        let mut order = example(&[(100, 3), (50, 1)], 25, 1_000, false);
        assert_eq!(order.placed.amounts.tax, 38);
        let one = [Units { product: "p0".into(), quantity: 1 }];
        assert_eq!(order.amount_of(&one), Ok(100 + 10));
        give_back(&mut order, Some((0, 1)), false);
        // 200 + 38 * 200 / 375, less what was given back.
        assert_eq!(order.amount_of(&one), Ok(220 - 110));
        let too_many = [Units { product: "p1".into(), quantity: 1 }, Units { product: "p0".into(), quantity: 3 }];
        assert_eq!(order.amount_of(&too_many), Err(vec![(1, 2)]));
        assert_eq!(order.amount_of(&[Units { product: "p9".into(), quantity: 1 }]), Err(vec![(0, 0)]));
    }
}
