//! What is to go wrong, read and written.

use contracts::acquirer::v1 as pb;
use mesh::Violations;
use prost_types::{Duration, Timestamp};
use rpc::money::{Currency, Money};
use rpc::timestamp;

use super::answer;
use crate::charge::{Operation, Reason};
use crate::fault::{DELAY_MS_MAX, Fault, Plan, RULES_MAX, Rule};

/// The most operations that a rule names.
const OPERATIONS_MAX: usize = 4;

pub(super) fn read(request: &pb::SetFaultsRequest) -> Result<Plan, Violations> {
    let plan = request.plan.as_ref().ok_or_else(|| Violations::one("plan", "must be set"))?;
    let mut violations = Violations::default();
    if plan.rules.len() > RULES_MAX {
        return Err(Violations::one("plan.rules", format!("must be at most {RULES_MAX}")));
    }
    let down_until_us = plan.down_until_time.as_ref().map(|time| {
        micros(time).unwrap_or_else(|| {
            violations.add("plan.down_until_time", "must be a time");
            0
        })
    });
    let mut rules = Vec::with_capacity(plan.rules.len());
    for (index, rule) in plan.rules.iter().enumerate() {
        rules.extend(read_rule(rule, &format!("plan.rules[{index}]"), &mut violations));
    }
    violations.check().map(|()| Plan { rules, seed: plan.seed, down: plan.down, down_until_us })
}

pub(super) fn written(plan: &Plan) -> pb::FaultPlan {
    pb::FaultPlan {
        rules: plan.rules.iter().map(written_rule).collect(),
        seed: plan.seed,
        down: plan.down,
        down_until_time: plan.down_until_us.map(timestamp),
    }
}

fn read_rule(rule: &pb::FaultRule, field: &str, violations: &mut Violations) -> Option<Rule> {
    let operations: Vec<_> = rule.operations.iter().map(|number| operation(*number)).collect();
    if operations.len() > OPERATIONS_MAX || operations.iter().any(Option::is_none) {
        violations.add(format!("{field}.operations"), format!("must be at most {OPERATIONS_MAX}, each a known one"));
    }
    let last_four = rule.card_last_four.as_str();
    if !last_four.is_empty() && (last_four.len() != 4 || !last_four.bytes().all(|byte| byte.is_ascii_digit())) {
        violations.add(format!("{field}.card_last_four"), "must be four digits, or empty");
    }
    let amount = rule.amount.as_ref();
    let amount = amount.and_then(|amount| Money::read_amount(Some(amount), &format!("{field}.amount"), violations));
    if !(0.0..=1.0).contains(&rule.probability) {
        violations.add(format!("{field}.probability"), "must be 0 to 1");
    }
    let fault = fault(rule, field, violations)?;
    Some(Rule {
        operations: operations.into_iter().flatten().collect(),
        last_four: last_four.to_owned(),
        amount: amount.map(|amount| (amount.currency().code().to_owned(), amount.minor())),
        probability: rule.probability,
        fault,
    })
}

fn fault(rule: &pb::FaultRule, field: &str, violations: &mut Violations) -> Option<Fault> {
    let mut delay_ms = || {
        let delay = rule.delay.unwrap_or_default();
        let ms = milliseconds(&delay).filter(|ms| *ms <= DELAY_MS_MAX);
        ms.unwrap_or_else(|| {
            violations.add(format!("{field}.delay"), "must be 0 to 60 seconds");
            0
        })
    };
    match rule.kind() {
        pb::FaultKind::Decline => match reason(rule.issuer_reason()) {
            Some(reason) => Some(Fault::Decline(reason)),
            None => {
                violations.add(format!("{field}.issuer_reason"), "must be a reason");
                None
            }
        },
        pb::FaultKind::Refuse => Some(Fault::Refuse),
        pb::FaultKind::Slow => Some(Fault::Slow(delay_ms())),
        pb::FaultKind::LoseAnswer => Some(Fault::LoseAnswer(delay_ms())),
        pb::FaultKind::Down => Some(Fault::Down),
        pb::FaultKind::Unspecified => {
            violations.add(format!("{field}.kind"), "must be a known one");
            None
        }
    }
}

fn written_rule(rule: &Rule) -> pb::FaultRule {
    let (kind, reason, delay_ms) = match rule.fault {
        Fault::None => (pb::FaultKind::Unspecified, None, None),
        Fault::Decline(reason) => (pb::FaultKind::Decline, Some(reason), None),
        Fault::Refuse => (pb::FaultKind::Refuse, None, None),
        Fault::Slow(ms) => (pb::FaultKind::Slow, None, Some(ms)),
        Fault::LoseAnswer(ms) => (pb::FaultKind::LoseAnswer, None, Some(ms)),
        Fault::Down => (pb::FaultKind::Down, None, None),
    };
    let amount = rule.amount.as_ref().and_then(|(code, minor)| Some(Money::new(Currency::parse(code)?, *minor)));
    pb::FaultRule {
        operations: rule.operations.iter().map(|operation| answer::operation(*operation).into()).collect(),
        card_last_four: rule.last_four.clone(),
        amount: amount.map(Into::into),
        probability: rule.probability,
        kind: kind.into(),
        issuer_reason: reason.map_or(pb::IssuerReason::Unspecified, answer::reason).into(),
        delay: delay_ms.map(duration),
    }
}

fn operation(number: i32) -> Option<Operation> {
    match pb::Operation::try_from(number).ok()? {
        pb::Operation::Authorize => Some(Operation::Authorize),
        pb::Operation::Capture => Some(Operation::Capture),
        pb::Operation::Void => Some(Operation::Void),
        pb::Operation::Refund => Some(Operation::Refund),
        pb::Operation::Unspecified => None,
    }
}

fn reason(reason: pb::IssuerReason) -> Option<Reason> {
    match reason {
        pb::IssuerReason::Generic => Some(Reason::Generic),
        pb::IssuerReason::InsufficientFunds => Some(Reason::InsufficientFunds),
        pb::IssuerReason::ExpiredCard => Some(Reason::ExpiredCard),
        pb::IssuerReason::IncorrectCode => Some(Reason::IncorrectCode),
        pb::IssuerReason::StolenCard => Some(Reason::StolenCard),
        pb::IssuerReason::NotAccepted => Some(Reason::NotAccepted),
        pb::IssuerReason::Unspecified => None,
    }
}

fn milliseconds(delay: &Duration) -> Option<u64> {
    let nanos = u64::try_from(delay.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    u64::try_from(delay.seconds).ok()?.checked_mul(1_000)?.checked_add(nanos / 1_000_000)
}

fn duration(ms: u64) -> Duration {
    let nanos = i32::try_from(ms % 1_000).unwrap_or_default() * 1_000_000;
    Duration { seconds: i64::try_from(ms / 1_000).unwrap_or(i64::MAX), nanos }
}

fn micros(time: &Timestamp) -> Option<i64> {
    let nanos = i64::from(time.nanos);
    let sensible = (0..1_000_000_000).contains(&nanos);
    time.seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000).filter(|_| sensible)
}
