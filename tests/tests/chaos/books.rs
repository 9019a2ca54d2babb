//! Whether orders, payments and the acquirer's own ledger say the same, to the cent, and whether every order that was
//! acknowledged is there, once, with what was asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use contracts::{
    acquirer::v1::{Entry, Operation},
    checkout::v1::{self as pb, OrderState, OrderSummary, checkout_service_client::CheckoutServiceClient},
    payment::v1::{Payment, PaymentState},
};
use mesh::Channel;
use system_tests::{Kept, Shopper};
use tonic::Code;

use crate::{
    quiet::until,
    records::{self, cents},
    shoppers::{Placed, within},
    until_answered,
};

/// How long the services may take for an answer now that it is quiet.
const ANSWERED: Duration = Duration::from_secs(30);

/// What the acquirer wrote about one payment, in cents.
#[derive(Debug, Default)]
struct Account {
    authorized: Vec<i64>,
    captured: Vec<i64>,
    voided: Vec<i64>,
    refunded: Vec<i64>,
}

/// What is wrong with what the orders cost, and with what their shoppers were promised.
pub(crate) async fn audit(fleet: &Kept, placed: &[Placed], orders: &[OrderSummary]) -> Vec<String> {
    let mut wrong = acknowledged(placed, orders);
    let client = Shopper::at(&fleet.edge).orders;
    for order in placed {
        wrong.extend(kept(&client, order).await);
    }
    let payments = until("all payments are listed", ANSWERED, async || Ok(records::payments(fleet).await?)).await;
    let ledger = until("the ledger is listed", ANSWERED, async || Ok(records::ledger(fleet).await?)).await;
    wrong.extend(paid(orders, &payments, &ledger));
    wrong
}

/// How many orders are in which state, and what they brought in.
pub(crate) fn summary(orders: &[OrderSummary]) -> String {
    let mut states = BTreeMap::<_, usize>::new();
    for order in orders {
        *states.entry(order.state().as_str_name().trim_start_matches("ORDER_STATE_")).or_default() += 1;
    }
    let sold = orders.iter().filter(|order| took_money(order.state())).map(total).sum::<i64>();
    let back = orders.iter().map(|order| cents(order.refunded_amount.as_ref())).sum::<i64>();
    format!("{states:?}, {sold} cents taken and {back} of them given back")
}

/// I3: the orders are those that were acknowledged, and no others.
fn acknowledged(placed: &[Placed], orders: &[OrderSummary]) -> Vec<String> {
    let there: BTreeSet<_> = orders.iter().map(|order| &order.order_id).collect();
    let promised: BTreeSet<_> = placed.iter().map(|order| &order.order_id).collect();
    let mut wrong = Vec::new();
    for (what, some) in
        [("was acknowledged and is not listed", &promised - &there), ("nobody asked for", &there - &promised)]
    {
        wrong.extend(some.iter().map(|id| format!("I3: order {id}: it {what}")));
    }
    if (there.len(), promised.len()) != (orders.len(), placed.len()) {
        wrong.push(format!("I4: {} requests and {} rows are {} orders", placed.len(), orders.len(), there.len()));
    }
    wrong
}

/// I3 and I4: an order is found with its content, by the same request too, and by no other of the same id.
async fn kept(orders: &CheckoutServiceClient<Channel>, placed: &Placed) -> Option<String> {
    let get = pb::GetOrderRequest { order_id: placed.order_id.clone() };
    let found = until_answered("GetOrder", async || orders.clone().get_order(within(&get, ANSWERED)).await).await;
    let Some(order) = found.as_ref().ok().and_then(|found| found.order.as_ref()) else {
        return Some(format!("I3: {placed:?} is not found: {found:?}"));
    };
    let bought: Vec<_> = order.lines.iter().map(|line| (&*line.product_id, line.quantity)).collect();
    let same = bought == [(&*placed.wish.product, placed.wish.quantity)]
        && order.amounts.as_ref().and_then(|amounts| amounts.total.as_ref()) == placed.request.expected_total.as_ref()
        && order.contact_email == placed.request.contact_email
        && order.shipping_address == placed.request.shipping_address;
    if !same {
        return Some(format!("I3: {placed:?} has become {order:?}"));
    }
    let place = async |request: &pb::PlaceOrderRequest| {
        until_answered("PlaceOrder", async || orders.clone().place_order(within(request, ANSWERED)).await).await
    };
    let again = place(&placed.request).await;
    if again.as_ref().ok().and_then(|again| again.order.as_ref()).map(|order| &order.order_id) != Some(&placed.order_id)
    {
        return Some(format!("I4: {placed:?}: the same request gives {again:?}"));
    }
    let other = pb::PlaceOrderRequest { contact_email: "another@example.org".into(), ..placed.request.clone() };
    let refused = place(&other).await.err().map(|refused| refused.code());
    (refused != Some(Code::FailedPrecondition))
        .then(|| format!("I4: {placed:?}: the same id with other content gives {refused:?}"))
}

/// I2: of each order at most one capture, of its total, and exactly one where it took money; here, at payment and at the
/// acquirer.
fn paid(orders: &[OrderSummary], payments: &[Payment], ledger: &[Entry]) -> Vec<String> {
    let mut accounts = accounts(ledger);
    let mut payments: BTreeMap<_, _> = payments.iter().map(|payment| (&*payment.payment_id, payment)).collect();
    let mut wrong = Vec::new();
    for order in orders {
        let account = accounts.remove(&*order.order_id).unwrap_or_default();
        let payment = payments.remove(&*order.order_id);
        if !(at_payment(order, payment) && at_acquirer(order, &account)) {
            // Debug output redacts ids, and the services' logs have so much of them.
            let id = &order.order_id[..8];
            wrong.push(format!("I2: {id}: {order:?}\n    has {payment:?}\n    and at the acquirer {account:?}"));
        }
    }
    wrong.extend(payments.values().map(|payment| format!("I2: no order has {payment:?}")));
    wrong.extend(accounts.iter().map(|(id, account)| format!("I2: no order has, at the acquirer, {id} {account:?}")));
    wrong
}

fn at_payment(order: &OrderSummary, payment: Option<&Payment>) -> bool {
    let Some(payment) = payment else { return !took_money(order.state()) };
    if !took_money(order.state()) {
        let nothing = matches!(payment.state(), PaymentState::Declined | PaymentState::Voided);
        return nothing && cents(payment.refunded_amount.as_ref()) == 0;
    }
    payment.state() == PaymentState::Captured
        && cents(payment.amount.as_ref()) == total(order)
        && cents(payment.refunded_amount.as_ref()) == cents(order.refunded_amount.as_ref())
}

fn at_acquirer(order: &OrderSummary, account: &Account) -> bool {
    if !took_money(order.state()) {
        let freed = account.authorized == account.voided && account.authorized.len() <= 1;
        return freed && account.captured.is_empty() && account.refunded.is_empty();
    }
    let (total, back) = (total(order), account.refunded.iter().sum::<i64>());
    let whole = order.state() != OrderState::Refunded || back == total;
    account.authorized == [total]
        && account.captured == [total]
        && account.voided.is_empty()
        && back == cents(order.refunded_amount.as_ref())
        && whole
}

fn accounts(ledger: &[Entry]) -> BTreeMap<&str, Account> {
    let mut accounts = BTreeMap::<_, Account>::new();
    for entry in ledger {
        let account = accounts.entry(&*entry.payment_id).or_default();
        let column = match entry.operation() {
            Operation::Authorize => &mut account.authorized,
            Operation::Capture => &mut account.captured,
            Operation::Void => &mut account.voided,
            Operation::Refund => &mut account.refunded,
            Operation::Unspecified => panic!("{entry:?}"),
        };
        column.push(cents(entry.amount.as_ref()));
    }
    accounts
}

/// Whether an order that is at rest in this state has taken its money.
fn took_money(state: OrderState) -> bool {
    matches!(state, OrderState::Captured | OrderState::Fulfilled | OrderState::Refunded)
}

fn total(order: &OrderSummary) -> i64 {
    cents(order.amounts.as_ref().and_then(|amounts| amounts.total.as_ref()))
}
