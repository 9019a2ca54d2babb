//! What is to go wrong: rules, and the chance in them.

use serde::{Deserialize, Serialize};

use crate::charge::{Operation, Reason};

/// The most rules of a plan.
pub(crate) const RULES_MAX: usize = 20;
/// The longest delay, in milliseconds.
pub(crate) const DELAY_MS_MAX: u64 = 60_000;

/// What goes wrong with one call. Delays are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    None,
    Decline(Reason),
    Refuse,
    Slow(u64),
    LoseAnswer(u64),
    Down,
}

/// When a call goes wrong, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// Empty: all.
    pub(crate) operations: Vec<Operation>,
    /// Empty: any.
    pub(crate) last_four: String,
    /// A currency and minor units.
    pub(crate) amount: Option<(String, i64)>,
    pub(crate) probability: f64,
    pub(crate) fault: Fault,
}

/// Everything that is to go wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) rules: Vec<Rule>,
    pub(crate) seed: i64,
    pub(crate) down: bool,
    /// Until when it is down; microseconds since 1970.
    pub(crate) down_until_us: Option<i64>,
}

/// A call, as rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    /// Where a card is known.
    pub(crate) last_four: Option<&'a str>,
    /// Where an amount is known: a currency and minor units.
    pub(crate) amount: Option<(&'a str, i64)>,
}

impl Plan {
    /// Whether nothing is answered now.
    pub(crate) fn is_down(&self, now_us: i64) -> bool {
        self.down && self.down_until_us.is_none_or(|until_us| now_us < until_us)
    }

    /// What goes wrong with this call. `chance` gives numbers from 0 up to 1, and is asked where a rule leaves it to chance.
    pub(crate) fn decide(&self, call: Call<'_>, mut chance: impl FnMut() -> f64) -> Fault {
        let holds = self
            .rules
            .iter()
            .find(|rule| rule.is_about(call) && (rule.probability >= 1.0 || chance() < rule.probability));
        holds.map_or(Fault::None, |rule| rule.fault)
    }
}

impl Rule {
    fn is_about(&self, call: Call<'_>) -> bool {
        let amount = self.amount.as_ref().map(|(currency, minor)| (currency.as_str(), *minor));
        (self.operations.is_empty() || self.operations.contains(&call.operation))
            && (self.last_four.is_empty() || call.last_four == Some(self.last_four.as_str()))
            && (amount.is_none() || amount == call.amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call<'_> = Call { operation: Operation::Capture, last_four: Some("4242"), amount: Some(("EUR", 1250)) };

    fn rule(fault: Fault) -> Rule {
        Rule { operations: Vec::new(), last_four: String::new(), amount: None, probability: 1.0, fault }
    }

    fn decide(rules: &[Rule], chance: f64) -> Fault {
        Plan { rules: rules.to_vec(), ..Plan::default() }.decide(CALL, || chance)
    }

    #[test]
    fn the_first_rule_that_holds_for_a_call_decides() {
        let others = [
            Rule { operations: vec![Operation::Void], ..rule(Fault::Down) },
            Rule { last_four: "4243".into(), ..rule(Fault::Down) },
            Rule { amount: Some(("EUR".into(), 1251)), ..rule(Fault::Down) },
            Rule { amount: Some(("USD".into(), 1250)), ..rule(Fault::Down) },
        ];
        assert_eq!(decide(&others, 0.0), Fault::None);
        let own = Rule {
            operations: vec![Operation::Void, Operation::Capture],
            last_four: "4242".into(),
            amount: Some(("EUR".into(), 1250)),
            ..rule(Fault::Refuse)
        };
        assert_eq!(decide(&[&others[..], &[own, rule(Fault::Down)]].concat(), 0.0), Fault::Refuse);
    }

    #[test]
    fn a_rule_holds_in_its_share_of_the_calls() {
        let half = Rule { probability: 0.5, ..rule(Fault::Down) };
        assert_eq!(decide(std::slice::from_ref(&half), 0.49), Fault::Down);
        assert_eq!(decide(&[half], 0.5), Fault::None);
        assert_eq!(decide(&[Rule { probability: 0.0, ..rule(Fault::Down) }], 0.0), Fault::None);
    }

    #[test]
    fn it_is_down_until_told_or_until_its_time() {
        let down = Plan { down: true, ..Plan::default() };
        assert!(down.is_down(i64::MAX));
        let until = Plan { down_until_us: Some(20), ..down };
        assert!(until.is_down(19) && !until.is_down(20));
        assert!(!Plan { down: false, ..until }.is_down(19));
    }
}
