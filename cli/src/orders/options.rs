//! What can be typed after `souk orders`.

use std::{fmt, str::FromStr, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use contracts::checkout::v1::{OrderState, RefundLine, Tracking};
use mesh::process::parse_duration;
use uuid::Uuid;

use super::access::Access;

/// What became of orders, and what can be done about them
#[derive(Debug, Args)]
pub(crate) struct Orders {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Orders, the newest first, a page at a time
    List(List),
    /// One order: its lines, its refunds, where it has been and what it waits for
    Show(Show),
    /// Orders that need somebody. Exit status: 0 none, 1 some, 2 the shop could not be asked
    ///
    /// Those in NEEDS_ATTENTION, and those whose next step has been the next for longer than --older-than. For a cron job:
    /// it prints nothing where there are none.
    Stuck(Stuck),
    /// Undoes an order: gives up what it holds, or gives back what was paid
    Cancel(MovesMoney),
    /// Gives money back: everything that is left, or what some units cost
    Refund(Refund),
    /// Tries an order's next step now, also out of NEEDS_ATTENTION
    Retry(MovesMoney),
    /// Says that a captured order was sent
    Fulfill(Fulfill),
}

/// How orders are printed.
#[derive(Debug, Args)]
pub(super) struct Shown {
    /// One JSON object, with everything the shop says
    #[arg(long)]
    pub(super) json: bool,
    /// Whole order ids; whoever has one may read that order
    #[arg(long)]
    pub(super) full: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    pub(super) access: Access,
    #[command(flatten)]
    pub(super) shown: Shown,
    /// Only orders in this state (captured, needs-attention); again for another
    #[arg(long = "state", value_name = "STATE", value_parser = state)]
    pub(super) states: Vec<OrderState>,
    /// Only orders for which something is still to be done
    #[arg(long)]
    pub(super) unfinished: bool,
    /// Orders in a page
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    pub(super) page_size: i32,
    /// What the page before said, with the same filters
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    pub(super) page_token: String,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The order: 32 hexadecimal digits
    pub(super) order: OrderId,
    #[command(flatten)]
    pub(super) access: Access,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct Stuck {
    #[command(flatten)]
    pub(super) access: Access,
    #[command(flatten)]
    pub(super) shown: Shown,
    /// How long a step may be the next one (90s, 30m, 8h)
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    pub(super) older_than: Duration,
}

/// A change of an order.
#[derive(Debug, Args)]
pub(super) struct Change {
    /// The order: 32 hexadecimal digits
    pub(super) order: OrderId,
    #[command(flatten)]
    pub(super) access: Access,
    #[command(flatten)]
    pub(super) shown: Shown,
    /// The id of a request whose answer was lost, so that it counts once
    #[arg(long, value_name = "UUID", default_value_t = Uuid::new_v4(), hide_default_value = true)]
    pub(super) request_id: Uuid,
}

/// A change that takes money, or gives it back.
#[derive(Debug, Args)]
pub(super) struct MovesMoney {
    #[command(flatten)]
    pub(super) change: Change,
    /// Do not ask; needed where nobody sits at a terminal
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct Refund {
    #[command(flatten)]
    pub(super) moves: MovesMoney,
    /// So many units of a product; again for another. Without: everything that is left, shipping included
    #[arg(long = "line", value_name = "PRODUCT=QUANTITY")]
    pub(super) lines: Vec<Line>,
    /// Whether the units go back into stock
    #[arg(long, value_name = "yes|no")]
    pub(super) return_units: YesNo,
    /// Why; the shopper can read it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) comment: String,
}

impl Refund {
    /// What is asked before it is done.
    pub(super) fn question(&self) -> String {
        let units = if self.return_units.is_yes() { "units return" } else { "units do not return" };
        if self.lines.is_empty() {
            return format!("Refund all that is left ({units}) of");
        }
        let lines: Vec<_> =
            self.lines.iter().map(|line| format!("{} × {}", line.0.quantity, line.0.product_id)).collect();
        format!("Refund {} ({units}) of", lines.join(", "))
    }
}

#[derive(Debug, Args)]
pub(super) struct Fulfill {
    #[command(flatten)]
    pub(super) change: Change,
    /// Who carries the parcel
    #[arg(long, value_name = "NAME")]
    carrier: Option<String>,
    /// Their number for it
    #[arg(long, value_name = "NUMBER")]
    tracking_number: Option<String>,
    /// Where they show it: https://…
    #[arg(long, value_name = "URI")]
    tracking_uri: Option<String>,
}

impl Fulfill {
    pub(super) fn tracking(&self) -> Option<Tracking> {
        let said = [&self.carrier, &self.tracking_number, &self.tracking_uri];
        let [carrier, tracking_number, uri] = said.map(|text| text.clone().unwrap_or_default());
        said.iter().any(|text| text.is_some()).then_some(Tracking { carrier, tracking_number, uri })
    }
}

/// The id of an order, which is the right to it: printed whole by [`Display`](fmt::Display) alone.
#[derive(Clone)]
pub(super) struct OrderId(String);

impl OrderId {
    /// What tells it from others, and is no right to it.
    pub(super) fn short(&self) -> &str {
        short(&self.0)
    }
}

/// The begin of an order's id.
pub(crate) fn short(order_id: &str) -> &str {
    order_id.get(..8).unwrap_or(order_id)
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderId({}…)", self.short())
    }
}

impl FromStr for OrderId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.len() == 32 && text.bytes().all(digit) {
            true => Ok(Self(text.to_owned())),
            false => {
                Err("an order id is 32 hexadecimal digits in lower case: `souk orders list --full` prints them".into())
            }
        }
    }
}

/// Some units of a product.
#[derive(Clone, Debug)]
pub(super) struct Line(pub(super) RefundLine);

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no PRODUCT=QUANTITY, such as tea-glass=2");
        let (product, quantity) = text.rsplit_once('=').ok_or_else(wrong)?;
        let quantity = quantity.parse().ok().filter(|quantity| *quantity > 0).ok_or_else(wrong)?;
        Ok(Self(RefundLine { product_id: product.to_owned(), quantity }))
    }
}

/// Yes or no, said and not assumed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum YesNo {
    Yes,
    No,
}

impl YesNo {
    pub(super) fn is_yes(self) -> bool {
        matches!(self, Self::Yes)
    }
}

fn state(text: &str) -> Result<OrderState, String> {
    let name = format!("ORDER_STATE_{}", text.to_uppercase().replace('-', "_"));
    OrderState::from_str_name(&name).filter(|state| *state != OrderState::Unspecified).ok_or_else(|| {
        "the states are pending, reserved, authorized, confirmed, captured, fulfilled, failed, cancelling, cancelled, \
         refunded, needs-attention"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_order_no_line_and_no_state_is_refused_with_what_is() {
        for (refused, hint) in [
            ("1234".parse::<OrderId>().unwrap_err(), "--full"),
            ("tea-glass".parse::<Line>().unwrap_err(), "tea-glass=2"),
            ("tea-glass=0".parse::<Line>().unwrap_err(), "PRODUCT=QUANTITY"),
            (state("unspecified").unwrap_err(), "needs-attention"),
        ] {
            assert!(refused.contains(hint), "{refused}");
        }
        assert_eq!(state("needs-attention"), Ok(OrderState::NeedsAttention));
        assert_eq!(state("CAPTURED"), Ok(OrderState::Captured));
    }

    #[test]
    fn an_order_is_not_printed_whole_by_accident() {
        let id: OrderId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        assert_eq!(format!("{id:?}"), "OrderId(01234567…)");
    }
}
