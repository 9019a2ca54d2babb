//! Whatever is answered and told, in whatever order, an order keeps to its states.

use proptest::prelude::*;

use super::*;
use crate::command::Command;
use crate::order::example;

const LIMITS: Limits = Limits { confirm_within_us: 1_000, attempts_max: 3 };

/// What may come of a step, by a number: anything that the step's services can answer.
fn outcome_of(order: &Order, number: u8) -> Option<Outcome> {
    let card = Card { brand: 1, last_four: "4242".into(), expiry_month: 1, expiry_year: 2030 };
    let refund = || order.pending_refund().map(|refund| refund.id.clone()).unwrap_or_default();
    let error = || "UNAVAILABLE".to_owned();
    let later = Outcome::Later { error: error(), wait_us: 10 };
    let possible = match order.progress.step.as_ref()?.kind {
        StepKind::Reserve => vec![Outcome::Reserved, Outcome::Short(vec!["p0".into()]), Outcome::Closed],
        StepKind::Authorize => {
            vec![Outcome::Authorized(card), Outcome::Declined(1), Outcome::TokenInvalid, Outcome::Closed]
        }
        StepKind::Commit => vec![Outcome::Sold, Outcome::Closed],
        StepKind::Capture => vec![Outcome::Captured, Outcome::CaptureRefused(error())],
        StepKind::Undo if order.progress.sold => vec![Outcome::Undone, Outcome::FoundCaptured],
        StepKind::Undo => vec![Outcome::Undone, Outcome::FoundSold],
        StepKind::Refund => vec![Outcome::Refunded(refund()), Outcome::RefundRefused(refund(), error())],
    };
    let number = usize::from(number) % (possible.len() + 1);
    Some(possible.into_iter().nth(number).unwrap_or(later))
}

/// A command by a number, of a request of its own: no two requests of an order have one id.
fn command_of(number: u8, request: usize) -> Command {
    match number % 5 {
        0 => Command::Cancel { operator: false },
        1 => Command::Cancel { operator: true },
        2 => Command::Refund { id: request.to_string(), units: vec![], return_units: true, comment: String::new() },
        3 => Command::Fulfill(None),
        _ => Command::Retry,
    }
}

/// Whether one state may follow another.
fn may_follow(before: State, after: State) -> bool {
    let next: &[State] = match before {
        State::Pending => &[State::Reserved, State::Cancelling],
        State::Reserved => &[State::Authorized, State::Cancelling],
        State::Authorized => &[State::Confirmed, State::Cancelling],
        State::Confirmed => &[State::Captured, State::NeedsAttention],
        State::Captured => &[State::Fulfilled, State::Refunded, State::NeedsAttention],
        State::Fulfilled => &[State::Refunded],
        State::Cancelling => &[State::Failed, State::Cancelled, State::Confirmed, State::Captured],
        State::NeedsAttention => &[State::Confirmed, State::Captured, State::Cancelling],
        State::Failed | State::Cancelled | State::Refunded => &[],
    };
    before == after || next.contains(&after)
}

proptest! {
    #[test]
    fn whatever_is_answered_and_told_in_whatever_order_an_order_keeps_to_its_states_and_always_has_a_way_on(
        happenings in proptest::collection::vec((any::<bool>(), any::<u8>(), 0_i64..200), 0..60),
    ) {
        let (mut order, mut now_us, mut captures) = (example(&[(100, 2), (0, 1)], 50, 1_900, true), 0, 0);
        for (request, (told, number, later_us)) in happenings.into_iter().enumerate() {
            now_us += later_us;
            let before = order.clone();
            if told {
                if order.obey(&command_of(number, request), now_us).is_err() {
                    prop_assert_eq!(&order, &before);
                }
            } else if order.state != State::NeedsAttention && let Some(outcome) = outcome_of(&order, number) {
                order.take_in(outcome, now_us, LIMITS);
                captures += u32::from(order.state == State::Captured && before.state != State::Captured
                    && before.state != State::NeedsAttention);
            }
            prop_assert!(may_follow(before.state, order.state), "{:?} -> {:?}", before.state, order.state);
            prop_assert!(captures <= 1 && order.left() >= 0);
            let at_rest = matches!(order.state, State::Failed | State::Cancelled | State::Refunded);
            let must_move = !at_rest && !matches!(order.state, State::Captured | State::Fulfilled);
            prop_assert!(!at_rest || order.progress.step.is_none());
            prop_assert!(!must_move || order.progress.step.is_some(), "{:?} has no way on", order.state);
            let refunding = order.progress.step.as_ref().is_some_and(|step| step.kind == StepKind::Refund);
            let moves = matches!(order.state, State::Captured | State::Fulfilled);
            prop_assert!(!moves || refunding == order.pending_refund().is_some());
            // A cancel of what is paid ends in a whole refund, or where somebody looks.
            let cancelled = order.state == State::Captured && order.progress.cancel_requested;
            prop_assert!(!cancelled || refunding);
            prop_assert!(order.progress.transitions.len() <= TRANSITIONS_MAX);
            prop_assert!((order.state == State::Refunded) == order.is_given_back());
        }
    }
}

#[test]
fn what_is_only_tried_again_is_the_same_order_until_its_tries_are_up() {
    let mut order = example(&[(100, 1)], 0, 0, false);
    for outcome in [Outcome::Reserved, Outcome::Sold] {
        order.take_in(outcome, 1, LIMITS);
    }
    let later = || Outcome::Later { error: "UNAVAILABLE X".into(), wait_us: 10 };
    for attempts in 1..3 {
        assert_eq!(order.take_in(later(), 5, LIMITS), Change::None);
        let step = order.progress.step.clone().unwrap();
        assert_eq!((step.attempts, step.next_us, &*step.last_error), (attempts, Some(15), "UNAVAILABLE X"));
        assert!(order.due().step.is_none());
        order.take_up(15);
        assert_eq!(order.due().step, Some(StepKind::Capture));
    }
    assert_eq!(order.take_in(later(), 20, LIMITS), Change::Told(Tale::NeedsAttention));
    assert_eq!((order.state, order.wake_us()), (State::NeedsAttention, Some(0)));
    order.take_in_clearing(None, 20, LIMITS);
    assert_eq!(order.wake_us(), None);
}
