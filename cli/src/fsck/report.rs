//! What was found, as it is said.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write as _},
};

use crate::orders::short;

/// Offences of one invariant that are said one by one.
pub(super) const SHOWN_MAX: u32 = 100;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Invariant {
    Stock,
    Captures,
    Orders,
    Requests,
    Copies,
}

impl Invariant {
    const ALL: [Self; 5] = [Self::Stock, Self::Captures, Self::Orders, Self::Requests, Self::Copies];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stock => "I1 stock adds up, as reservations and orders have it",
            Self::Captures => "I2 an order is captured once, of its total, as payment and acquirer have it",
            Self::Orders => "I3 whatever is reserved, paid or acknowledged has its order",
            Self::Requests => "I4 a request has one order",
            Self::Copies => "I5 a copy is like its source",
        })
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Whether orders are named by their whole ids.
    full: bool,
    looked_at: Vec<(&'static str, u64)>,
    /// How many, and the first of them with what is wrong.
    wrong: BTreeMap<Invariant, (u64, Vec<(String, String)>)>,
    not_quiet: Vec<(u64, &'static str)>,
    unchecked: Vec<String>,
}

impl Report {
    pub(super) fn new(full: bool) -> Self {
        Self { full, ..Self::default() }
    }

    /// An order as a row is named.
    pub(super) fn order(&self, id: &str) -> String {
        format!("order {}", if self.full { id } else { short(id) })
    }

    /// Something was looked at.
    pub(super) fn looked_at(&mut self, what: &'static str, many: u64) {
        self.looked_at.push((what, many));
    }

    /// A row is wrong.
    pub(super) fn wrong(&mut self, invariant: Invariant, row: String, wrong: String) {
        let (many, shown) = self.wrong.entry(invariant).or_default();
        *many += 1;
        if shown.len() < SHOWN_MAX as usize {
            shown.push((row, wrong));
        }
    }

    /// So many orders are still on their way.
    pub(super) fn not_quiet(&mut self, orders: u64, state: &'static str) {
        self.not_quiet.push((orders, state));
    }

    /// Something could not be looked at.
    pub(super) fn unchecked(&mut self, what: String) {
        self.unchecked.push(what);
    }

    pub(super) fn is_wrong(&self) -> bool {
        !self.wrong.is_empty()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.unchecked.is_empty()
    }

    /// Says everything.
    pub(super) fn print(&self) -> io::Result<()> {
        io::stdout().lock().write_all(self.to_string().as_bytes())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let looked_at = self.looked_at.iter().map(|(what, many)| format!("{many} {what}"));
        writeln!(f, "looked at {}", looked_at.collect::<Vec<_>>().join(", "))?;
        for invariant in Invariant::ALL {
            let Some((many, shown)) = self.wrong.get(&invariant) else {
                writeln!(f, "{invariant}: nothing wrong")?;
                continue;
            };
            writeln!(f, "{invariant}: {many} WRONG")?;
            for (row, wrong) in shown {
                writeln!(f, "  {row}: {wrong}")?;
            }
            if *many > shown.len() as u64 {
                writeln!(f, "  and more")?;
            }
        }
        for (orders, state) in &self.not_quiet {
            writeln!(f, "not quiet yet: {orders} orders {state}")?;
        }
        for what in &self.unchecked {
            writeln!(f, "NOT CHECKED: {what}")?;
        }
        Ok(())
    }
}
