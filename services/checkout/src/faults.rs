//! Where a replica may die: between any two effects of a saga, and after each of its writes.
//!
//! A test that wants to know what a crash leaves behind lets the work on an order stop at one of these points, as it would if
//! the process ended there: nothing is written and nothing is given up any more. The production value is `()`, whose answer is
//! a constant, so that the points compile to nothing.

use crate::order::{State, StepKind};

/// Where the work on an order may stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// It is placed, and nothing is done for it yet.
    Placed,
    /// It was told something, and nobody goes on with it yet.
    Told,
    /// It was found due and taken up, and nothing is done for it yet.
    TakenUp,
    /// The step of this name is answered, and nothing of that is written.
    Answered(&'static str),
    /// The step of this name is answered, and that it was the next is not written, which was under way meanwhile.
    Ahead(&'static str),
    /// Its units are given up, its money is not.
    Released,
    /// Its money is given up, its units are not.
    Voided,
    /// Its money is given back, its units are not.
    Refunded,
    /// Its cart is emptied, and that is not written.
    CartCleared,
    /// What a step came to is written, and it is in the state of this name.
    Written(&'static str),
}

impl Point {
    /// All of them, whatever steps and states there are.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let alone =
            [Self::Placed, Self::Told, Self::TakenUp, Self::Released, Self::Voided, Self::Refunded, Self::CartCleared];
        let answered = StepKind::ALL.into_iter().map(|kind| Self::Answered(kind.name()));
        let ahead = StepKind::ALL.into_iter().filter(|kind| kind.may_be_ahead()).map(|kind| Self::Ahead(kind.name()));
        let written = State::ALL.into_iter().map(|state| Self::Written(state.name()));
        alone.into_iter().chain(answered).chain(ahead).chain(written).collect()
    }
}

/// Decides where the work on an order stops.
pub trait Faults: Clone + Send + Sync + 'static {
    /// The work on an order has come this far; true stops it before the next effect.
    fn reached(&self, point: Point) -> bool;
}

impl Faults for () {
    #[inline]
    fn reached(&self, _point: Point) -> bool {
        false
    }
}
