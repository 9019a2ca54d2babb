//! How large a storm is and what it consists of: all of it follows from a seed.
//!
//! `CHAOS_ORDERS` and `CHAOS_SEED` tell other numbers than the plain run's, which is small enough for every day.

use fastrand::Rng;
use system_tests::CardOfShopper;

/// Those who order at the same time.
pub(crate) const SHOPPERS: usize = 32;

/// Orders of a plain run, on each database.
const ORDERS: u64 = 300;
/// The seed of a plain run.
const SEED: u64 = 20_251_127;

/// Orders for each unit of the scarce product and each of the last units: most of them are refused.
const ORDERS_A_SCARCE_UNIT: u64 = 20;
/// More of the plentiful products than could ever be ordered.
const PLENTY: i64 = 1_000_000;

/// A storm.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) orders: u64,
    pub(crate) seed: u64,
}

/// What a shopper is up to.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) product: String,
    pub(crate) quantity: i32,
    pub(crate) card: CardOfShopper,
    pub(crate) manner: Manner,
}

/// How the order is placed, and what becomes of it afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Once, and again until there is an answer.
    Plain,
    /// The same request to both replicas at once.
    Twice,
    /// The first try is given up at once, before it can have an answer.
    Impatient,
    /// The order is cancelled right after the answer.
    Cancelled,
}

/// A product on sale, with its units.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) units: i64,
}

impl Plan {
    /// The storm that the variables tell, else the plain one.
    pub(crate) fn told() -> Self {
        let (orders, seed) = (number("CHAOS_ORDERS"), number("CHAOS_SEED"));
        let chosen = || if orders.is_some() { fastrand::u64(..) } else { SEED };
        Self { orders: orders.unwrap_or(ORDERS), seed: seed.unwrap_or_else(chosen) }
    }

    /// Chance for one use of its own, so that no use disturbs another.
    pub(crate) fn chance(&self, r#use: &str, number: u64) -> Rng {
        let name = r#use.bytes().fold(number, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        Rng::with_seed(self.seed ^ Rng::with_seed(name).u64(..))
    }

    /// Four products of which there is plenty, a scarce one, and some of which there is one unit.
    pub(crate) fn products(&self) -> Vec<Product> {
        let scarce = i64::try_from(self.orders / ORDERS_A_SCARCE_UNIT).unwrap().max(1);
        let plenty = (1..=4).map(|number| Product { id: format!("chaos-plenty-{number}"), units: PLENTY });
        let last = (1..=self.last_units()).map(|number| Product { id: format!("chaos-last-{number}"), units: 1 });
        plenty.chain([Product { id: "chaos-scarce".into(), units: scarce }]).chain(last).collect()
    }

    /// What the order of this number is for.
    pub(crate) fn wish(&self, number: u64) -> Wish {
        let mut chance = self.chance("wish", number);
        let (product, quantity) = match chance.u8(0..20) {
            0..=12 => (format!("chaos-plenty-{}", chance.u8(1..=4)), chance.i32(1..=3)),
            13..=16 => ("chaos-scarce".into(), chance.i32(1..=2)),
            // Neighbours in time want the same one.
            17.. => (format!("chaos-last-{}", number * self.last_units() / self.orders + 1), 1),
        };
        let card = match chance.u8(0..20) {
            0..=15 => CardOfShopper::GOOD,
            16 => CardOfShopper::DECLINED,
            17 => CardOfShopper::SLOW,
            18.. => CardOfShopper::LOST,
        };
        let manner = match chance.u8(0..20) {
            0..=10 => Manner::Plain,
            11..=13 => Manner::Twice,
            14..=15 => Manner::Impatient,
            16.. => Manner::Cancelled,
        };
        Wish { product, quantity, card, manner }
    }

    fn last_units(&self) -> u64 {
        (self.orders / ORDERS_A_SCARCE_UNIT).clamp(1, 40)
    }
}

#[allow(clippy::disallowed_methods, reason = "a test has no config; this is the one place that reads these two")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}
