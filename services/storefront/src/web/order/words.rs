//! Where an order stands, in the words of a shop.

use contracts::{
    checkout::v1::{Order, OrderFailureReason, OrderState},
    payment::v1::DeclineReason,
};
use prost_types::Timestamp;

use super::super::checkout::days;

/// What is said of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) text: String,
    pub(super) tone: &'static str,
    /// Nothing came of it, and what was wanted can be ordered anew.
    pub(super) is_to_be_repeated: bool,
}

/// A part of an order's way, and whether it is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) is_done: bool,
    pub(super) is_current: bool,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Words {
    pub(super) fn of(order: &Order) -> Self {
        let good = |title, text: &str| Self { title, text: text.into(), tone: "good", is_to_be_repeated: false };
        let pending = |title, text: &str| Self { tone: "pending", ..good(title, text) };
        let bad = |title, text: &str| Self { tone: "bad", ..good(title, text) };
        // As somebody wanted it.
        let over = |title, text: &str| Self { tone: "over", ..good(title, text) };
        match order.state() {
            OrderState::Confirmed | OrderState::Captured if order.cancel_requested => pending(
                "It is being cancelled",
                "Your order was already paid, so its money goes back to your card. This goes on by itself.",
            ),
            OrderState::Unspecified | OrderState::Pending | OrderState::Reserved | OrderState::Authorized => pending(
                "Your order is being placed",
                "What you chose is being set aside, and your bank is asked. This goes on by itself, even if you close this page.",
            ),
            OrderState::Confirmed => good(
                "Thank you, your order stands",
                "What you chose is set aside for you, and your card is being charged. There is nothing more to do.",
            ),
            OrderState::Captured => {
                let delivery = order.shipping_option.as_ref().map(days).unwrap_or_default();
                good(
                    "Thank you, it is ordered and paid",
                    &format!("It is packed next, and takes {delivery} to you once it is sent."),
                )
            }
            OrderState::Fulfilled => good("It is on its way", "Your order was handed to the carrier."),
            OrderState::Failed => Self { is_to_be_repeated: true, ..bad("It could not be ordered", &failure(order)) },
            OrderState::Cancelling if order.failure.is_some() => {
                pending("It could not be ordered", "What was set aside for it is being given up. Nothing is charged.")
            }
            OrderState::Cancelling => pending("It is being cancelled", "What was set aside for it is being given up."),
            OrderState::Cancelled => Self {
                is_to_be_repeated: true,
                ..over("It was cancelled", "Nothing was taken from your card, or what was set aside is free again.")
            },
            OrderState::Refunded => {
                over("Your money was given back", "All of it went back to your card; banks take a few days to show it.")
            }
            OrderState::NeedsAttention => pending(
                "We are looking into it",
                "Your bank did not answer as it should, and somebody here is taking care of it. You are charged once at most.",
            ),
        }
    }
}

fn failure(order: &Order) -> String {
    let failure = order.failure.clone().unwrap_or_default();
    let why = match failure.reason() {
        OrderFailureReason::OutOfStock => "There was not enough left of what you chose.",
        OrderFailureReason::CardDeclined => match failure.decline_reason() {
            DeclineReason::InsufficientFunds => "Your bank declined the card: there is not enough money on it.",
            DeclineReason::ExpiredCard => "Your bank declined the card: it has expired.",
            DeclineReason::IncorrectCode => "Your bank declined the card: the security code is wrong.",
            DeclineReason::CardNotAccepted
            | DeclineReason::Unspecified
            | DeclineReason::Generic
            | DeclineReason::SuspectedFraud => "Your bank declined the card.",
        },
        OrderFailureReason::CardTokenInvalid => "The card was given too long ago, or for another order.",
        OrderFailureReason::Expired | OrderFailureReason::Unspecified => {
            "It could not be confirmed in time, so what was set aside for it was given up."
        }
    };
    format!("{why} Nothing was charged, and your cart is kept.")
}

/// Whether something is being done for an order.
pub(super) fn is_under_way(order: &Order) -> bool {
    match order.state() {
        OrderState::Unspecified
        | OrderState::Pending
        | OrderState::Reserved
        | OrderState::Authorized
        | OrderState::Confirmed
        | OrderState::Cancelling => true,
        OrderState::Captured => order.cancel_requested,
        OrderState::Fulfilled
        | OrderState::Failed
        | OrderState::Cancelled
        | OrderState::Refunded
        | OrderState::NeedsAttention => false,
    }
}

/// Whether a shopper may still cancel it (checkout's contract).
pub(super) fn is_cancellable(order: &Order) -> bool {
    let stands = match order.state() {
        OrderState::Pending
        | OrderState::Reserved
        | OrderState::Authorized
        | OrderState::Confirmed
        | OrderState::Captured => true,
        OrderState::Unspecified
        | OrderState::Fulfilled
        | OrderState::Failed
        | OrderState::Cancelling
        | OrderState::Cancelled
        | OrderState::Refunded
        | OrderState::NeedsAttention => false,
    };
    stands && !order.cancel_requested
}

/// The way of an order to its buyer. One that came to nothing has none.
pub(super) fn stages(order: &Order) -> [Stage; 4] {
    let reached = match order.state() {
        OrderState::Confirmed | OrderState::NeedsAttention => 2,
        OrderState::Captured => 3,
        OrderState::Fulfilled => 4,
        OrderState::Unspecified
        | OrderState::Pending
        | OrderState::Reserved
        | OrderState::Authorized
        | OrderState::Failed
        | OrderState::Cancelling
        | OrderState::Cancelled
        | OrderState::Refunded => 1,
    };
    let mut index = 0;
    ["Placed", "Confirmed", "Paid", "Sent"].map(|name| {
        let stage = Stage { name, is_done: index < reached, is_current: index == reached };
        index += 1;
        stage
    })
}

/// The day of a time, in UTC.
pub(super) fn day(time: Option<Timestamp>) -> String {
    let (year, month, day) = rpc::date(time.unwrap_or_default().seconds.saturating_mul(1_000_000));
    let month = usize::try_from(month).ok().and_then(|month| MONTHS.get(month.checked_sub(1)?)).unwrap_or(&"");
    format!("{day} {month} {year}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_day_that_it_is_on() {
        assert_eq!(day(Some(Timestamp { seconds: 951_868_799, nanos: 0 })), "29 February 2000");
        assert_eq!(day(None), "1 January 1970");
    }

    #[test]
    fn every_state_has_words_and_only_one_that_came_to_nothing_is_to_be_repeated() {
        for number in 1..=11 {
            let state = OrderState::try_from(number).unwrap();
            let order = Order { state: number, ..Order::default() };
            let words = Words::of(&order);
            assert!(!words.title.is_empty() && words.text.ends_with('.'), "{state:?}: {words:?}");
            let is_nothing = matches!(state, OrderState::Failed | OrderState::Cancelled);
            assert_eq!(words.is_to_be_repeated, is_nothing, "{state:?}");
            let cancelled = Order { cancel_requested: true, ..order };
            assert!(!is_cancellable(&cancelled), "{state:?}");
        }
    }
}
