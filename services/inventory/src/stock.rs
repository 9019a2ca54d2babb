//! The units of a product, and what may be done with them.
//!
//! However units move, they stay in one of three places, which add up to what was received; none of them goes below zero.

pub(crate) use rpc::ProductId;

/// The most units of a product that were ever received.
pub(crate) const RECEIVED_MAX: i64 = 1_000_000_000;
/// The most units of one line of an order.
pub(crate) const QUANTITY_MAX: u32 = 10_000;

/// Where the units of a product are. The default is that of a product that nothing was ever received of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    pub(crate) sold: i64,
    /// Kept beside the sum of the three, so that a unit that is lost shows.
    pub(crate) received: i64,
    /// Microseconds since 1970.
    pub(crate) update_us: i64,
    /// 0: there is no such product.
    pub(crate) revision: u64,
}

/// A change of what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Units that came in, or are gone.
    Delta(i64),
    /// How many were received in all.
    Received(i64),
}

/// Units of an order on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// From on hand to reserved.
    Reserve,
    /// From reserved to sold.
    Sell,
    /// From reserved back to on hand.
    Free,
    /// From sold back to on hand.
    TakeBack,
}

impl Level {
    /// True for a product that the inventory knows.
    pub(crate) fn is_known(&self) -> bool {
        self.revision > 0
    }

    /// The stock after a change; `None` if there would be less than nothing on hand, or more received than there may be.
    pub(crate) fn adjusted(self, change: Change) -> Option<Self> {
        let delta = match change {
            Change::Delta(delta) => delta,
            Change::Received(received) => received.checked_sub(self.received)?,
        };
        let (on_hand, received) = (self.on_hand.checked_add(delta)?, self.received.checked_add(delta)?);
        (on_hand >= 0 && received <= RECEIVED_MAX).then_some(Self { on_hand, received, ..self })
    }

    /// The stock after some units moved; `None` if there are not as many where they come from.
    pub(crate) fn moved(mut self, r#move: Move, quantity: u32) -> Option<Self> {
        let (from, to) = match r#move {
            Move::Reserve => (&mut self.on_hand, &mut self.reserved),
            Move::Sell => (&mut self.reserved, &mut self.sold),
            Move::Free => (&mut self.reserved, &mut self.on_hand),
            Move::TakeBack => (&mut self.sold, &mut self.on_hand),
        };
        *from -= i64::from(quantity);
        *to += i64::from(quantity);
        (*from >= 0).then_some(self)
    }

    /// The next version of it, as of now. A clock that was set back makes no stock younger.
    pub(crate) fn stamped(self, now_us: i64) -> Self {
        Self { update_us: now_us.max(self.update_us), revision: self.revision + 1, ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn level(on_hand: i64, reserved: i64, sold: i64) -> Level {
        Level { on_hand, reserved, sold, received: on_hand + reserved + sold, update_us: 0, revision: 1 }
    }

    #[test]
    fn what_was_received_in_all_leaves_on_hand_what_is_neither_reserved_nor_sold() {
        let stock = level(5, 2, 3);
        assert_eq!(stock.adjusted(Change::Received(5)), Some(Level { on_hand: 0, received: 5, ..stock }));
        assert_eq!(stock.adjusted(Change::Received(4)), None);
        assert_eq!(stock.adjusted(Change::Received(10)), Some(stock));
        assert_eq!(stock.adjusted(Change::Received(RECEIVED_MAX)).unwrap().received, RECEIVED_MAX);
        assert_eq!(stock.adjusted(Change::Received(RECEIVED_MAX + 1)), None);
        assert_eq!(stock.adjusted(Change::Received(i64::MIN)), None);
    }

    #[test]
    fn a_delta_takes_no_more_than_there_is_and_adds_no_more_than_there_may_be() {
        let stock = level(5, 2, 3);
        assert_eq!(stock.adjusted(Change::Delta(-5)), Some(Level { on_hand: 0, received: 5, ..stock }));
        assert_eq!(stock.adjusted(Change::Delta(-6)), None);
        assert_eq!(stock.adjusted(Change::Delta(RECEIVED_MAX - 9)), None);
        assert_eq!(stock.adjusted(Change::Delta(i64::MAX)), None);
    }

    proptest! {
        #[test]
        fn no_move_loses_a_unit_or_goes_below_zero(
            (on_hand, reserved, sold) in (0_i64..20, 0_i64..20, 0_i64..20),
            r#move in prop::sample::select(vec![Move::Reserve, Move::Sell, Move::Free, Move::TakeBack]),
            quantity in 1_u32..25,
        ) {
            let before = level(on_hand, reserved, sold);
            let there = match r#move {
                Move::Reserve => on_hand,
                Move::Sell | Move::Free => reserved,
                Move::TakeBack => sold,
            };
            let after = before.moved(r#move, quantity);
            prop_assert_eq!(after.is_some(), there >= i64::from(quantity));
            if let Some(after) = after {
                prop_assert!(after.on_hand >= 0 && after.reserved >= 0 && after.sold >= 0);
                prop_assert_eq!(after.on_hand + after.reserved + after.sold, after.received);
                prop_assert_eq!(after.received, before.received);
            }
        }
    }
}
