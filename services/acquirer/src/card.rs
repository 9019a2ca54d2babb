//! A card while it is asked about: what of it decides, and the little that is kept.

use rpc::Secret;
use zeroize::Zeroizing;

use crate::charge::Reason;
use crate::fault::Fault;

/// How long the slow card takes.
const SLOW_MS: u64 = 2_000;

/// A card as it came. It cannot be printed, and is wiped when it is dropped.
pub(crate) struct Card {
    number: Zeroizing<String>,
    code: Zeroizing<String>,
    expiry_month: u32,
    expiry_year: u32,
}

/// What is kept of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// The last four digits.
    pub(crate) last_four: String,
    /// Known again by whoever has the key, and by nobody else.
    pub(crate) fingerprint: [u8; 32],
}

impl Card {
    /// A card whose parts are within their limits, which is for the caller to check.
    pub(crate) fn new(number: Zeroizing<String>, code: Zeroizing<String>, month: u32, year: u32) -> Self {
        Self { number, code, expiry_month: month, expiry_year: year }
    }

    /// What is kept of it.
    pub(crate) fn trace(&self, key: &Secret) -> Trace {
        let (month, year) = (self.expiry_month.to_be_bytes(), self.expiry_year.to_be_bytes());
        let fingerprint = key.digest(&[self.number.as_bytes(), self.code.as_bytes(), &month, &year]);
        let last_four = self.number[self.number.len().saturating_sub(4)..].to_owned();
        Trace { last_four, fingerprint }
    }

    /// What becomes of an authorization of this card, where nothing else is said, in this month.
    pub(crate) fn fate(&self, (year, month): (u32, u32)) -> Fault {
        if (self.expiry_year, self.expiry_month) < (year, month) {
            return Fault::Decline(Reason::ExpiredCard);
        }
        match self.number.as_str() {
            "4000000000000002" => Fault::Decline(Reason::Generic),
            "4000000000009995" => Fault::Decline(Reason::InsufficientFunds),
            "4000000000000069" => Fault::Decline(Reason::ExpiredCard),
            "4000000000000127" => Fault::Decline(Reason::IncorrectCode),
            "4000000000009979" => Fault::Decline(Reason::StolenCard),
            "4000000000000028" => Fault::Decline(Reason::NotAccepted),
            "4000000000000077" => Fault::Slow(SLOW_MS),
            "4000000000000259" => Fault::LoseAnswer(0),
            _ => Fault::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(number: &str, code: &str) -> Card {
        Card::new(number.to_owned().into(), code.to_owned().into(), 6, 2030)
    }

    #[test]
    fn a_card_is_known_again_by_its_key_and_nothing_else_of_it_is_kept() {
        let key = |letter: &str| Secret::parse(&format!("{}A=", letter.repeat(42))).unwrap();
        let (key, other) = (key("A"), key("B"));
        let trace = card("4242424242424242", "123").trace(&key);
        assert_eq!(trace, card("4242424242424242", "123").trace(&key));
        assert_eq!(trace.last_four, "4242");
        assert_ne!(trace, card("4242424242424242", "124").trace(&key));
        assert_ne!(trace.fingerprint, card("4242424242424242", "123").trace(&other).fingerprint);
    }

    #[test]
    fn a_card_is_good_to_the_end_of_its_month() {
        let card = card("4242424242424242", "123");
        assert_eq!(card.fate((2030, 6)), Fault::None);
        assert_eq!(card.fate((2030, 7)), Fault::Decline(Reason::ExpiredCard));
        assert_eq!(card.fate((2031, 1)), Fault::Decline(Reason::ExpiredCard));
    }
}
