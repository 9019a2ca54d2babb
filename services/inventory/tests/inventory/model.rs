//! What the contract says, as a plain function: one operation on one state.
//!
//! Time passes in one step here: what is over is over for everybody at once. The service may keep the units a little longer,
//! as long as nobody's answer shows it.

use std::collections::BTreeMap;

/// The products there are.
pub(crate) const PRODUCTS: usize = 2;
/// The orders there are.
pub(crate) const ORDERS: usize = 5;

/// Product and quantity.
pub(crate) type Lines = Vec<(usize, i64)>;

/// Something that a client does, or that happens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    Delta {
        product: usize,
        delta: i64,
        request: usize,
    },
    Received {
        product: usize,
        received: i64,
        request: usize,
    },
    Reserve {
        order: usize,
        lines: Lines,
    },
    Commit {
        order: usize,
    },
    Release {
        order: usize,
    },
    /// The time of the order's reservation is over.
    TimePasses {
        order: usize,
    },
    Return {
        order: usize,
        lines: Lines,
        request: usize,
    },
}

/// What the client is told, as far as it does not depend on when expired units are freed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// How many were received of the product.
    Received(i64),
    /// Product, quantity and returned quantity of each line.
    Reservation(State, Vec<(usize, i64, i64)>),
    /// The reason of the refusal.
    Refused(String),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Active,
    Committed,
    Released,
    Expired,
}

/// The units of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Units {
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    pub(crate) sold: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    state: State,
    lines: Vec<(usize, i64, i64)>,
}

/// Everything that the inventory knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Model {
    pub(crate) stock: [Option<Units>; PRODUCTS],
    orders: BTreeMap<usize, Order>,
    /// By the order, if the request names one, and the number of the request: what it asked and was answered.
    remembered: BTreeMap<(Option<usize>, usize), (Op, Answer)>,
}

impl Model {
    /// Does it, and says what the client is told.
    pub(crate) fn apply(&mut self, op: &Op) -> Answer {
        match op {
            Op::Delta { product, delta, request } => {
                self.once((None, *request), op, |model| model.adjust(*product, |_| *delta))
            }
            Op::Received { product, received, request } => {
                self.once((None, *request), op, |model| model.adjust(*product, |now| *received - now))
            }
            Op::Reserve { order, lines } => self.reserve(*order, lines),
            Op::Commit { order } => match self.end(*order, State::Committed) {
                Some(answer) => answer,
                None => refused("RESERVATION_NOT_FOUND"),
            },
            Op::Release { order } => self.end(*order, State::Released).unwrap_or_else(|| {
                let closed = Order { state: State::Released, lines: Vec::new() };
                self.orders.insert(*order, closed.clone());
                closed.answer()
            }),
            Op::TimePasses { order } => {
                self.end(*order, State::Expired);
                Answer::Nothing
            }
            Op::Return { order, lines, request } => {
                self.once((Some(*order), *request), op, |model| model.give_back(*order, lines))
            }
        }
    }

    /// A refusal is not remembered.
    fn once(&mut self, key: (Option<usize>, usize), op: &Op, run: impl FnOnce(&mut Self) -> Answer) -> Answer {
        if let Some((first, answer)) = self.remembered.get(&key) {
            return if first == op { answer.clone() } else { refused("REQUEST_ID_REUSED") };
        }
        let answer = run(self);
        if !matches!(answer, Answer::Refused(_)) {
            self.remembered.insert(key, (op.clone(), answer.clone()));
        }
        answer
    }

    fn adjust(&mut self, product: usize, delta: impl FnOnce(i64) -> i64) -> Answer {
        let units = self.stock[product].unwrap_or_default();
        let delta = delta(units.received());
        if units.on_hand + delta < 0 {
            return refused("STOCK_OUT_OF_RANGE");
        }
        let units = Units { on_hand: units.on_hand + delta, ..units };
        self.stock[product] = Some(units);
        Answer::Received(units.received())
    }

    fn reserve(&mut self, order: usize, lines: &Lines) -> Answer {
        if let Some(held) = self.orders.get(&order) {
            let (mut wanted, mut there) = (lines.clone(), held.quantities());
            wanted.sort_unstable();
            there.sort_unstable();
            return match held.state {
                State::Released | State::Expired => refused("RESERVATION_CLOSED"),
                State::Active | State::Committed if wanted == there => held.answer(),
                State::Active | State::Committed => refused("RESERVATION_MISMATCH"),
            };
        }
        if lines.iter().any(|(product, quantity)| self.stock[*product].unwrap_or_default().on_hand < *quantity) {
            return refused("INSUFFICIENT_STOCK");
        }
        for (product, quantity) in lines {
            self.change(*product, |units| {
                units.on_hand -= quantity;
                units.reserved += quantity;
            });
        }
        let lines = lines.iter().map(|(product, quantity)| (*product, *quantity, 0)).collect();
        let made = Order { state: State::Active, lines };
        self.orders.insert(order, made.clone());
        made.answer()
    }

    /// Ends an active one; how it stands, if there is one.
    fn end(&mut self, order: usize, state: State) -> Option<Answer> {
        let held = self.orders.get(&order)?.clone();
        if held.state != State::Active {
            return Some(held.answer());
        }
        for (product, quantity) in held.quantities() {
            self.change(product, |units| {
                units.reserved -= quantity;
                let to = if state == State::Committed { &mut units.sold } else { &mut units.on_hand };
                *to += quantity;
            });
        }
        let ended = Order { state, ..held };
        self.orders.insert(order, ended.clone());
        Some(ended.answer())
    }

    fn give_back(&mut self, order: usize, lines: &Lines) -> Answer {
        let Some(mut sold) = self.orders.get(&order).cloned() else { return refused("RESERVATION_NOT_FOUND") };
        if sold.state != State::Committed {
            return refused("RESERVATION_NOT_COMMITTED");
        }
        let lines: Lines = match lines.is_empty() {
            true => sold.lines.iter().map(|(product, quantity, returned)| (*product, quantity - returned)).collect(),
            false => lines.clone(),
        };
        for (product, quantity) in &lines {
            let line = sold.lines.iter_mut().find(|(sold, ..)| sold == product);
            match line {
                Some((_, sold, returned)) if *returned + quantity <= *sold => *returned += quantity,
                _ => return refused("RETURN_EXCEEDS_SOLD"),
            }
        }
        for (product, quantity) in lines {
            self.change(product, |units| {
                units.sold -= quantity;
                units.on_hand += quantity;
            });
        }
        self.orders.insert(order, sold.clone());
        sold.answer()
    }

    fn change(&mut self, product: usize, change: impl FnOnce(&mut Units)) {
        let units = self.stock[product].as_mut().unwrap();
        let received = units.received();
        change(units);
        assert!(units.on_hand >= 0 && units.reserved >= 0 && units.sold >= 0 && units.received() == received);
    }
}

impl Units {
    fn received(self) -> i64 {
        self.on_hand + self.reserved + self.sold
    }
}

impl Order {
    fn quantities(&self) -> Lines {
        self.lines.iter().map(|(product, quantity, _)| (*product, *quantity)).collect()
    }

    fn answer(&self) -> Answer {
        Answer::Reservation(self.state, self.lines.clone())
    }
}

fn refused(reason: &str) -> Answer {
    Answer::Refused(reason.to_owned())
}
