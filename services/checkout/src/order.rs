//! An order: what was placed, which never changes, and what has become of it.
//!
//! All amounts of an order are in its one currency, in minor units. How it goes on is `saga`'s, what it may be told is
//! `command`'s.

use std::fmt;
use std::sync::Arc;

use rpc::money::{Currency, Money};
use serde::{Deserialize, Serialize};

use rpc::Capability;

/// The most states of its past that an order remembers.
pub(crate) const TRANSITIONS_MAX: usize = 50;

/// Where an order stands. The numbers are those of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// It is stored, and will be carried on.
    Pending,
    /// Its units are held.
    Reserved,
    /// Its money is set aside.
    Authorized,
    /// Its units are sold: from here on it only goes forward.
    Confirmed,
    /// Its money is taken.
    Captured,
    /// It was sent.
    Fulfilled,
    /// It came to nothing.
    Failed,
    /// What it holds is being given up, on the way to `Failed` or `Cancelled`.
    Cancelling,
    /// It was cancelled.
    Cancelled,
    /// All its money was given back.
    Refunded,
    /// Somebody has to look at it.
    NeedsAttention,
}

impl State {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Pending,
        Self::Reserved,
        Self::Authorized,
        Self::Confirmed,
        Self::Captured,
        Self::Fulfilled,
        Self::Failed,
        Self::Cancelling,
        Self::Cancelled,
        Self::Refunded,
        Self::NeedsAttention,
    ];

    /// Whether PlaceOrder has nothing more to wait for.
    pub(crate) fn answers_placing(self) -> bool {
        !matches!(self, Self::Pending | Self::Reserved | Self::Authorized | Self::Cancelling)
    }

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Reserved => "reserved",
            Self::Authorized => "authorized",
            Self::Confirmed => "confirmed",
            Self::Captured => "captured",
            Self::Fulfilled => "fulfilled",
            Self::Failed => "failed",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
            Self::NeedsAttention => "needs_attention",
        }
    }
}

/// A product in an order. Its prices are in the order's currency, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The catalog's id of it.
    pub(crate) product: String,
    /// At most 200 characters.
    pub(crate) name: String,
    /// Empty: it has none.
    pub(crate) picture_uri: String,
    /// From 1 to 10,000.
    pub(crate) quantity: u32,
    pub(crate) unit_price: i64,
    /// `unit_price` times `quantity`.
    pub(crate) total: i64,
}

/// What an order costs, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amounts {
    pub(crate) subtotal: i64,
    pub(crate) shipping: i64,
    pub(crate) tax: i64,
    /// Whether `tax` is a part of `subtotal` and `shipping`, or on top of them.
    pub(crate) tax_included: bool,
    pub(crate) total: i64,
}

/// A place to deliver to, as far as costs depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Destination {
    /// ISO 3166-1 alpha-2.
    pub(crate) country: String,
    pub(crate) region: String,
    pub(crate) postal_code: String,
}

/// A postal address. It is about the shopper, so it is not printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) recipient: String,
    pub(crate) lines: Vec<String>,
    pub(crate) locality: String,
    pub(crate) destination: Destination,
    pub(crate) phone: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("country", &self.destination.country).finish_non_exhaustive()
    }
}

/// A way to deliver, at a price in the order's currency, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShippingOption {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) price: i64,
    pub(crate) days_min: u16,
    pub(crate) days_max: u16,
}

/// What was placed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) cart: Capability,
    /// The version of the cart that was ordered.
    pub(crate) cart_etag: String,
    #[serde(with = "code")]
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<Line>,
    pub(crate) amounts: Amounts,
    pub(crate) shipping: ShippingOption,
    pub(crate) address: Address,
    pub(crate) contact_email: String,
    /// The call that placed it, which all that is done for it links to.
    pub(crate) traceparent: Option<String>,
}

impl Placed {
    /// An amount of the order.
    pub(crate) fn money(&self, minor: i64) -> Money {
        Money::new(self.currency, minor)
    }
}

impl fmt::Debug for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placed").field("lines", &self.lines).field("amounts", &self.amounts).finish_non_exhaustive()
    }
}

/// What may be shown of a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Card {
    /// The number of payment's `CardBrand`.
    pub(crate) brand: i32,
    pub(crate) last_four: String,
    pub(crate) expiry_month: i32,
    pub(crate) expiry_year: i32,
}

/// Why an order failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    /// These products had too few units, the first 20 of them.
    OutOfStock(Vec<String>),
    /// The card was declined: the number of payment's `DeclineReason`.
    CardDeclined(i32),
    CardTokenInvalid,
    /// It was not confirmed in time.
    Expired,
}

/// What is done for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum StepKind {
    Reserve,
    Authorize,
    Commit,
    Capture,
    Undo,
    Refund,
}

impl StepKind {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Reserve, Self::Authorize, Self::Commit, Self::Capture, Self::Undo, Self::Refund];

    /// Its name in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Authorize => "authorize",
            Self::Commit => "commit",
            Self::Capture => "capture",
            Self::Undo => "undo",
            Self::Refund => "refund",
        }
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    pub(crate) attempts: u32,
    /// What the last try was answered, at most 100 characters; empty: no error.
    pub(crate) last_error: String,
    pub(crate) since_us: i64,
    /// When it is tried next. `None`: now; or, where the order needs attention, not by itself.
    pub(crate) next_us: Option<i64>,
}

/// The emptying of the cart, which holds nothing up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clearing {
    pub(crate) attempts: u32,
    /// When it is tried next. `None`: now.
    pub(crate) next_us: Option<i64>,
}

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RefundState {
    Pending,
    Done,
    /// The processor refuses for good.
    Failed,
}

/// Some units of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Units {
    pub(crate) product: String,
    pub(crate) quantity: u32,
}

/// Money given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refund {
    /// A UUID.
    pub(crate) id: String,
    pub(crate) state: RefundState,
    /// In minor units.
    pub(crate) amount: i64,
    pub(crate) units: Vec<Units>,
    /// Whether the units go back into stock.
    pub(crate) return_units: bool,
    pub(crate) comment: String,
    pub(crate) create_us: i64,
}

/// How to follow a parcel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tracking {
    pub(crate) carrier: String,
    pub(crate) number: String,
    pub(crate) uri: String,
}

/// What has become of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) failure: Option<Failure>,
    pub(crate) cancel_requested: bool,
    /// Its units were sold, and not all given back by an undo.
    pub(crate) sold: bool,
    /// Until it has done its work.
    pub(crate) card_token: Option<Capability>,
    pub(crate) card: Option<Card>,
    pub(crate) refunds: Vec<Refund>,
    /// How many refunds were ever made, those that are forgotten included: names the next one.
    pub(crate) refunds_made: u32,
    pub(crate) tracking: Option<Tracking>,
    /// The states it was in, and since when, the oldest first.
    pub(crate) transitions: Vec<(State, i64)>,
    pub(crate) step: Option<Step>,
    pub(crate) clearing: Option<Clearing>,
    /// The state to go back to, where the order needs attention.
    pub(crate) before_attention: Option<State>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: Capability,
    pub(crate) placed: Arc<Placed>,
    pub(crate) state: State,
    pub(crate) progress: Progress,
    pub(crate) create_us: i64,
    pub(crate) update_us: i64,
    /// Counts the changes, as its events do.
    pub(crate) revision: u64,
}

impl Order {
    /// An order that is placed now.
    pub(crate) fn new(id: Capability, placed: Arc<Placed>, card_token: Capability, now_us: i64) -> Self {
        let progress = Progress { card_token: Some(card_token), ..Progress::default() };
        let state = State::Pending;
        let mut order = Self { id, placed, state, progress, create_us: now_us, update_us: now_us, revision: 1 };
        order.enter(State::Pending, now_us);
        order
    }

    /// Names this version. The time keeps a database that was restored from giving the same name to two versions.
    pub(crate) fn etag(&self) -> String {
        format!("{:x}-{:x}", self.revision, self.update_us)
    }

    /// When something is to be done for it. `None`: never, by itself.
    pub(crate) fn wake_us(&self) -> Option<i64> {
        let step = self.progress.step.as_ref().filter(|_| self.state != State::NeedsAttention);
        let step = step.map(|step| step.next_us.unwrap_or_default());
        let clearing = self.progress.clearing.as_ref().map(|clearing| clearing.next_us.unwrap_or_default());
        step.into_iter().chain(clearing).min()
    }

    /// The next version of it, as of now. A clock that was set back makes no order younger.
    pub(crate) fn stamp(&mut self, now_us: i64) {
        self.update_us = now_us.max(self.update_us);
        self.revision += 1;
    }
}

/// A currency as its code.
mod code {
    use rpc::money::Currency;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(currency: &Currency, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(currency.code())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Currency, D::Error> {
        let code = String::deserialize(deserializer)?;
        Currency::parse(&code).ok_or_else(|| D::Error::custom("it is no currency"))
    }
}

/// An order of products `p0`, `p1`, … at these prices in these quantities.
#[cfg(test)]
pub(crate) fn example(prices: &[(i64, u32)], shipping: i64, basis_points: i64, tax_included: bool) -> Order {
    let line = |(index, (price, quantity)): (usize, &(i64, u32))| Line {
        product: format!("p{index}"),
        name: String::new(),
        picture_uri: String::new(),
        quantity: *quantity,
        unit_price: *price,
        total: price * i64::from(*quantity),
    };
    let lines: Vec<_> = prices.iter().enumerate().map(line).collect();
    let subtotal = lines.iter().map(|line| line.total).sum::<i64>();
    let tax = crate::tax::Rate { basis_points, included: tax_included }.of(subtotal + shipping).unwrap_or_default();
    let total = subtotal + shipping + if tax_included { 0 } else { tax };
    let destination = Destination { country: "DE".into(), region: String::new(), postal_code: String::new() };
    let (recipient, locality, phone) = ("R".to_owned(), "L".to_owned(), String::new());
    let id = Capability::parse(&"0".repeat(32)).expect("an id");
    let placed = Placed {
        cart: id.clone(),
        cart_etag: "1".into(),
        currency: Currency::parse("EUR").expect("a currency"),
        lines,
        amounts: Amounts { subtotal, shipping, tax, tax_included, total },
        shipping: ShippingOption { id: "post".into(), name: "P".into(), price: shipping, days_min: 1, days_max: 2 },
        address: Address { recipient, lines: vec!["1".into()], locality, destination, phone },
        contact_email: "a@b".into(),
        traceparent: None,
    };
    Order::new(id.clone(), Arc::new(placed), id, 0)
}
