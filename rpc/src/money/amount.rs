//! An amount that somebody pays, as a request has it.

use contracts::google::r#type as google;
use mesh::Violations;

use super::Money;

/// The most whole units of an amount.
const UNITS_MAX: i64 = 1_000_000_000_000;

impl Money {
    /// Reads the positive amount in `field`, at most 1,000,000,000,000 units, or notes what is wrong with it.
    pub fn read_amount(amount: Option<&google::Money>, field: &str, violations: &mut Violations) -> Option<Self> {
        let Some(amount) = amount else {
            violations.add(field, "must be set");
            return None;
        };
        match Self::try_from(amount) {
            Err(error) => violations.add(format!("{field}.{}", error.field()), error.to_string()),
            Ok(money) if money.minor() <= 0 => violations.add(format!("{field}.units"), "must be more than nothing"),
            Ok(_) if amount.units >= UNITS_MAX && (amount.units, amount.nanos) != (UNITS_MAX, 0) => {
                violations.add(format!("{field}.units"), format!("must be at most {UNITS_MAX}"));
            }
            Ok(money) => return Some(money),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(currency: &str, units: i64, nanos: i32) -> Result<Option<i64>, String> {
        let amount = google::Money { currency_code: currency.into(), units, nanos };
        let mut violations = Violations::default();
        let read = Money::read_amount(Some(&amount), "amount", &mut violations);
        match violations.first() {
            None => Ok(read.map(Money::minor)),
            Some(violation) => Err(violation.field.clone()),
        }
    }

    #[test]
    fn an_amount_is_positive_and_bounded_and_each_fault_is_in_its_field() {
        assert_eq!(read("EUR", 12, 500_000_000), Ok(Some(1250)));
        assert_eq!(read("EUR", 0, 10_000_000), Ok(Some(1)));
        assert_eq!(read("JPY", UNITS_MAX, 0), Ok(Some(UNITS_MAX)));
        for (currency, units, nanos, field) in [
            ("EUR", 0, 0, "amount.units"),
            ("EUR", -1, 0, "amount.units"),
            ("EUR", UNITS_MAX, 10_000_000, "amount.units"),
            ("EUR", UNITS_MAX + 1, 0, "amount.units"),
            ("EUR", i64::MAX, 0, "amount.units"),
            ("JPY", 1, 1, "amount.nanos"),
            ("eur", 1, 0, "amount.currency_code"),
        ] {
            assert_eq!(read(currency, units, nanos), Err(field.into()), "{currency} {units} {nanos}");
        }
        let mut violations = Violations::default();
        assert_eq!(Money::read_amount(None, "amount", &mut violations), None);
        assert_eq!(violations.first().unwrap().field, "amount");
    }
}
