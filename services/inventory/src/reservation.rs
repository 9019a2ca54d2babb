//! What an order holds or has bought.

use std::collections::HashMap;
use std::fmt;

use crate::stock::ProductId;

/// The most lines of an order.
pub(crate) const LINES_MAX: usize = 100;

/// An order's id: 32 lower-case hexadecimal digits. It is the shopper's right to the order, so it is never printed whole.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct OrderId(Box<str>);

impl OrderId {
    /// The rule, as the end of a sentence.
    pub(crate) const RULE: &'static str = "must be 32 lower-case hexadecimal digits";

    pub(crate) fn parse(id: &str) -> Option<Self> {
        let digits = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        digits.then(|| Self(id.into()))
    }

    /// The id as text, for the database and for whoever sent it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", &self.0[..8])
    }
}

/// Where a reservation stands. Only an active one still changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    Committed,
    Released,
    Expired,
}

/// Some units of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Units {
    pub(crate) product: ProductId,
    /// From 1 to 10,000.
    pub(crate) quantity: u32,
}

/// The units of one product in a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) product: ProductId,
    pub(crate) quantity: u32,
    /// How many of them were sold and came back.
    pub(crate) returned: u32,
}

/// What an order holds or has bought. Times are microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub(crate) order: OrderId,
    pub(crate) state: State,
    /// Each of another product; what they are never changes. None where it was released before it was made.
    pub(crate) lines: Vec<Line>,
    pub(crate) create_us: i64,
    pub(crate) update_us: i64,
    /// From when on it can no longer be committed; always there while it is active.
    pub(crate) expire_us: Option<i64>,
}

/// Units that cannot come back, by their place in the request.
pub(crate) type Excess = Vec<(usize, u32)>;

impl Reservation {
    /// Whether it is active, and its time is over.
    pub(crate) fn is_overdue(&self, now_us: i64) -> bool {
        self.state == State::Active && self.expire_us.is_none_or(|expire_us| expire_us <= now_us)
    }

    /// The same in another state.
    pub(crate) fn become_at(self, state: State, now_us: i64) -> Self {
        Self { state, update_us: now_us.max(self.update_us), ..self }
    }

    /// Whether these are its lines, in any order.
    pub(crate) fn is_of(&self, wanted: &[Units]) -> bool {
        let held: HashMap<&ProductId, u32> = self.lines.iter().map(|line| (&line.product, line.quantity)).collect();
        wanted.len() == held.len() && wanted.iter().all(|units| held.get(&units.product) == Some(&units.quantity))
    }

    /// The products of its lines.
    pub(crate) fn products(&self) -> Vec<ProductId> {
        self.lines.iter().map(|line| line.product.clone()).collect()
    }

    /// What was sold and is not returned.
    pub(crate) fn outstanding(&self) -> Vec<Units> {
        let left = |line: &Line| Units { product: line.product.clone(), quantity: line.quantity - line.returned };
        self.lines.iter().map(left).filter(|units| units.quantity > 0).collect()
    }

    /// The same with these units returned.
    ///
    /// # Errors
    /// Where more would come back than was sold: the place of the units, and how many of them could.
    pub(crate) fn returned(mut self, units: &[Units]) -> Result<Self, Excess> {
        let mut places: HashMap<ProductId, usize> = HashMap::with_capacity(self.lines.len());
        places.extend(self.lines.iter().enumerate().map(|(place, line)| (line.product.clone(), place)));
        let mut excess = Excess::new();
        for (index, units) in units.iter().enumerate() {
            let Some(place) = places.get(&units.product) else {
                excess.push((index, 0));
                continue;
            };
            let line = &mut self.lines[*place];
            let left = line.quantity - line.returned;
            if units.quantity > left {
                excess.push((index, left));
            } else {
                line.returned += units.quantity;
            }
        }
        if excess.is_empty() { Ok(self) } else { Err(excess) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(product: &str, quantity: u32) -> Units {
        Units { product: ProductId::parse(product).unwrap(), quantity }
    }

    fn reservation(lines: &[Units]) -> Reservation {
        let line = |units: &Units| Line { product: units.product.clone(), quantity: units.quantity, returned: 0 };
        Reservation {
            order: OrderId::parse("0123456789abcdef0123456789abcdef").unwrap(),
            state: State::Active,
            lines: lines.iter().map(line).collect(),
            create_us: 10,
            update_us: 10,
            expire_us: Some(20),
        }
    }

    #[test]
    fn an_order_id_is_what_its_rule_says_and_is_not_printed_whole() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(format!("{:?}", OrderId::parse(id).unwrap()), "01234567…");
        for id in ["", &id[1..], &id.to_uppercase(), &format!("{id}0"), "0123456789abcdef0123456789abcdeg"] {
            assert!(OrderId::parse(id).is_none(), "{id}");
        }
    }

    #[test]
    fn the_same_lines_in_another_order_are_the_same_and_any_other_are_not() {
        let held = reservation(&[units("a", 1), units("b", 2)]);
        assert!(held.is_of(&[units("b", 2), units("a", 1)]));
        for other in [vec![units("a", 1)], vec![units("a", 1), units("b", 1)], vec![units("a", 1), units("c", 2)]] {
            assert!(!held.is_of(&other), "{other:?}");
        }
    }

    #[test]
    fn a_reservation_is_overdue_from_its_time_on_while_it_is_active() {
        let held = reservation(&[units("a", 1)]);
        assert!(!held.is_overdue(19) && held.is_overdue(20));
        assert!(!held.become_at(State::Committed, 15).is_overdue(20));
    }

    #[test]
    fn what_comes_back_was_sold_and_has_not_come_back_before() {
        let sold = reservation(&[units("a", 3), units("b", 2)]);
        let some = sold.returned(&[units("b", 2), units("a", 1)]).unwrap();
        assert_eq!(some.outstanding(), [units("a", 2)]);
        let refused = some.clone().returned(&[units("a", 3), units("b", 1), units("c", 1)]);
        assert_eq!(refused, Err(vec![(0, 2), (1, 0), (2, 0)]));
        assert_eq!(some.returned(&[units("a", 2)]).unwrap().outstanding(), []);
    }
}
