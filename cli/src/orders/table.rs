//! Orders as a table: an order a line, for somebody who was woken up.

use contracts::checkout::v1::{OrderState, OrderStep, OrderStepKind, OrderSummary};
use prost_types::Timestamp;

use super::{options::short, text};

const HEAD: [&str; 8] = ["ORDER", "AGE", "STATE", "TOTAL", "WAITS FOR", "TRIES", "NEXT TRY", "LAST ERROR"];

/// The table, with a line that says so where there is nothing in it.
pub(super) fn of(orders: &[OrderSummary], now_us: i64, full: bool) -> String {
    if orders.is_empty() {
        return "no orders\n".to_owned();
    }
    let rows = orders.iter().map(|order| row(order, now_us, full));
    let rows: Vec<[String; 8]> = std::iter::once(HEAD.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}

fn row(order: &OrderSummary, now_us: i64, full: bool) -> [String; 8] {
    let step = order.step.as_ref();
    let id = if full { order.order_id.as_str() } else { short(&order.order_id) };
    [
        id.to_owned(),
        age(order.create_time.as_ref(), now_us),
        text::state(order.state()).to_owned(),
        text::total(order.amounts.as_ref()),
        waits_for(order.state(), step).to_owned(),
        step.map_or_else(|| "-".to_owned(), |step| step.attempt_count.to_string()),
        step.map_or_else(|| "-".to_owned(), |step| next_try(order.state(), step, now_us)),
        step.map(|step| step.last_error.clone()).filter(|error| !error.is_empty()).unwrap_or_else(|| "-".to_owned()),
    ]
}

/// What has to happen next, by somebody's or the shop's doing.
pub(super) fn waits_for(state: OrderState, step: Option<&OrderStep>) -> &'static str {
    let Some(step) = step else {
        return if state == OrderState::Captured { "to be sent" } else { "-" };
    };
    match step.kind() {
        OrderStepKind::Unspecified => "something unknown here",
        OrderStepKind::Reserve => "units to be reserved",
        OrderStepKind::Authorize => "card to be authorized",
        OrderStepKind::Commit => "units to be sold",
        OrderStepKind::Capture => "money to be taken",
        OrderStepKind::Undo => "what it holds to be given up",
        OrderStepKind::Refund => "money to be given back",
    }
}

/// When the next step is tried.
pub(super) fn next_try(state: OrderState, step: &OrderStep, now_us: i64) -> String {
    match &step.next_attempt_time {
        None if state == OrderState::NeedsAttention => "by you: retry or cancel".to_owned(),
        None => "now".to_owned(),
        Some(time) => match micros(time).saturating_sub(now_us) {
            ..=0 => "now".to_owned(),
            left => format!("in {}", span(left)),
        },
    }
}

/// How long ago that was: `45s`, `12m`, `3h`, `5d`.
pub(super) fn age(time: Option<&Timestamp>, now_us: i64) -> String {
    time.map_or_else(|| "-".to_owned(), |time| span(now_us.saturating_sub(micros(time))))
}

fn micros(time: &Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos / 1_000))
}

fn span(micros: i64) -> String {
    match micros.max(0) / 1_000_000 {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 1_000_000_000_000;

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds: NOW_US / 1_000_000 + seconds, nanos: 0 })
    }

    fn order(state: OrderState, step: Option<OrderStep>) -> OrderSummary {
        let order_id = "0123456789abcdef0123456789abcdef".to_owned();
        OrderSummary { order_id, state: state.into(), step, create_time: at(-600), ..OrderSummary::default() }
    }

    #[test]
    fn an_order_that_needs_somebody_says_what_failed_and_that_nobody_tries_any_more() {
        let step = OrderStep {
            kind: OrderStepKind::Capture.into(),
            attempt_count: 9,
            last_error: "FAILED_PRECONDITION CAPTURE_REFUSED".into(),
            ..OrderStep::default()
        };
        let table = of(&[order(OrderState::NeedsAttention, Some(step))], NOW_US, false);
        for part in ["01234567  ", "10m", "NEEDS_ATTENTION", "money to be taken", " 9 ", "by you", "CAPTURE_REFUSED"] {
            assert!(table.contains(part), "{part} is missing in\n{table}");
        }
        assert!(!table.contains("0123456789"), "{table}");
    }

    #[test]
    fn a_step_with_a_next_try_says_when_and_a_late_one_is_due() {
        let step = |seconds| OrderStep { next_attempt_time: at(seconds), ..OrderStep::default() };
        assert_eq!(next_try(OrderState::Confirmed, &step(30), NOW_US), "in 30s");
        assert_eq!(next_try(OrderState::Confirmed, &step(-3), NOW_US), "now");
        assert_eq!(next_try(OrderState::Pending, &OrderStep::default(), NOW_US), "now");
    }

    #[test]
    fn columns_are_aligned_and_ids_whole_where_asked_for() {
        let table = of(&[order(OrderState::Captured, None), order(OrderState::Failed, None)], NOW_US, true);
        let places: Vec<_> = table.lines().map(|line| line.find("10m").or_else(|| line.find("AGE"))).collect();
        assert!(places.windows(2).all(|two| two[0] == two[1] && two[0].is_some()), "{table}");
        assert!(table.contains("0123456789abcdef0123456789abcdef"), "{table}");
    }
}
