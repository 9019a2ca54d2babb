//! Money: checked integer minor units in an ISO 4217 currency, never a float.
//!
//! On the wire money is whole units and nanos (`google.type.Money`); here it is minor units, so that what a currency cannot
//! pay cannot be said. It knows nothing of products, and every operation that can overflow says so.

mod amount;
mod currency;

use std::fmt;

use contracts::google::r#type as google;

pub use currency::Currency;

/// Nanos in a unit.
const NANOS: i64 = 1_000_000_000;

/// An amount in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    currency: Currency,
    minor: i64,
}

/// Why something is no money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// No active ISO 4217 code.
    #[error("is no active ISO 4217 currency code in upper case")]
    UnknownCurrency,
    /// Nanos are less than one unit.
    #[error("must be between -999,999,999 and 999,999,999")]
    NanosOutOfRange,
    /// Units and nanos must not pull in different directions.
    #[error("must have the sign of the units")]
    SignsDiffer,
    /// The currency has no coin that small.
    #[error("has a fraction below the currency's minor unit of {exponent} digits")]
    FractionOfMinorUnit {
        /// Digits after the point that the currency has.
        exponent: u32,
    },
    /// It does not fit.
    #[error("is too large")]
    Overflow,
    /// Amounts of two currencies.
    #[error("must be in the same currency")]
    CurrenciesDiffer,
}

impl Money {
    /// An amount in minor units: cents, fils, or whole yen.
    #[must_use]
    pub const fn new(currency: Currency, minor: i64) -> Self {
        Self { currency, minor }
    }

    /// Reads the wire's form: whole units and nanos of the same sign.
    ///
    /// # Errors
    /// If the nanos are out of range or of another sign, are no whole number of minor units, or the sum does not fit.
    pub fn from_units(currency: Currency, units: i64, nanos: i32) -> Result<Self, MoneyError> {
        let nanos = i64::from(nanos);
        if nanos.abs() >= NANOS {
            return Err(MoneyError::NanosOutOfRange);
        }
        if units.signum() * nanos.signum() < 0 {
            return Err(MoneyError::SignsDiffer);
        }
        let minor_nanos = NANOS / currency.minor_per_unit();
        if nanos % minor_nanos != 0 {
            return Err(MoneyError::FractionOfMinorUnit { exponent: currency.exponent() });
        }
        let whole = units.checked_mul(currency.minor_per_unit()).ok_or(MoneyError::Overflow)?;
        let minor = whole.checked_add(nanos / minor_nanos).ok_or(MoneyError::Overflow)?;
        Ok(Self { currency, minor })
    }

    /// The wire's form: whole units and nanos.
    #[must_use]
    pub fn to_units(self) -> (i64, i32) {
        let per_unit = self.currency.minor_per_unit();
        let nanos = self.minor % per_unit * (NANOS / per_unit);
        // Below one unit, hence below 10^9.
        (self.minor / per_unit, i32::try_from(nanos).unwrap_or_default())
    }

    /// Its currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The amount in minor units.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The sum.
    ///
    /// # Errors
    /// If the currencies differ or it does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrenciesDiffer);
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// So many times the amount.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn checked_mul(self, quantity: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(quantity).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
}

impl MoneyError {
    /// The field of `google.type.Money` that is at fault.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::UnknownCurrency | Self::CurrenciesDiffer => "currency_code",
            Self::NanosOutOfRange | Self::SignsDiffer | Self::FractionOfMinorUnit { .. } => "nanos",
            Self::Overflow => "units",
        }
    }
}

impl TryFrom<&google::Money> for Money {
    type Error = MoneyError;

    /// As [`Money::from_units`], with the currency checked first.
    fn try_from(money: &google::Money) -> Result<Self, MoneyError> {
        let currency = Currency::parse(&money.currency_code).ok_or(MoneyError::UnknownCurrency)?;
        Self::from_units(currency, money.units, money.nanos)
    }
}

impl From<Money> for google::Money {
    fn from(money: Money) -> Self {
        let (units, nanos) = money.to_units();
        Self { currency_code: money.currency().code().to_owned(), units, nanos }
    }
}

impl fmt::Display for Money {
    /// `12.50 EUR`, `1200 JPY`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (per_unit, digits) = (self.currency.minor_per_unit().unsigned_abs(), self.currency.exponent() as usize);
        let (sign, minor) = (if self.minor < 0 { "-" } else { "" }, self.minor.unsigned_abs());
        write!(f, "{sign}{}", minor / per_unit)?;
        if digits > 0 {
            write!(f, ".{:0digits$}", minor % per_unit)?;
        }
        write!(f, " {}", self.currency)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    #[test]
    fn a_currency_without_cents_takes_no_fraction_and_one_with_mils_takes_three_digits() {
        assert_eq!(Money::from_units(currency("JPY"), 1200, 0).unwrap().minor(), 1200);
        let half_yen = Money::from_units(currency("JPY"), 1, 500_000_000);
        assert_eq!(half_yen, Err(MoneyError::FractionOfMinorUnit { exponent: 0 }));
        assert_eq!(Money::from_units(currency("KWD"), 1, 5_000_000).unwrap().minor(), 1_005);
        let below_a_fils = Money::from_units(currency("KWD"), 1, 500_000);
        assert_eq!(below_a_fils, Err(MoneyError::FractionOfMinorUnit { exponent: 3 }));
        assert_eq!(currency("IDR").exponent(), 2);
    }

    #[test]
    fn an_amount_that_does_not_fit_is_refused_and_never_wraps() {
        let euro = currency("EUR");
        assert_eq!(Money::from_units(euro, i64::MAX, 0), Err(MoneyError::Overflow));
        assert_eq!(Money::from_units(euro, i64::MIN, 0), Err(MoneyError::Overflow));
        assert_eq!(Money::from_units(euro, i64::MAX / 100, 990_000_000), Err(MoneyError::Overflow));
        assert_eq!(Money::new(euro, i64::MAX).checked_add(Money::new(euro, 1)), Err(MoneyError::Overflow));
        assert_eq!(Money::new(euro, i64::MAX).checked_mul(2), Err(MoneyError::Overflow));
    }

    #[test]
    fn units_and_nanos_of_different_signs_are_refused() {
        let euro = currency("EUR");
        assert_eq!(Money::from_units(euro, 1, -10_000_000), Err(MoneyError::SignsDiffer));
        assert_eq!(Money::from_units(euro, -1, 10_000_000), Err(MoneyError::SignsDiffer));
        assert_eq!(Money::from_units(euro, 0, -10_000_000).unwrap().minor(), -1);
        assert_eq!(Money::from_units(euro, 0, 1_000_000_000), Err(MoneyError::NanosOutOfRange));
        assert_eq!(Money::from_units(euro, 0, i32::MIN), Err(MoneyError::NanosOutOfRange));
    }

    #[test]
    fn amounts_of_two_currencies_are_not_added() {
        let sum = Money::new(currency("EUR"), 1).checked_add(Money::new(currency("USD"), 1));
        assert_eq!(sum, Err(MoneyError::CurrenciesDiffer));
    }

    #[test]
    fn money_is_written_with_the_digits_of_its_currency() {
        assert_eq!(Money::new(currency("EUR"), 1_205).to_string(), "12.05 EUR");
        assert_eq!(Money::new(currency("JPY"), 1_205).to_string(), "1205 JPY");
        assert_eq!(Money::new(currency("KWD"), -5).to_string(), "-0.005 KWD");
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_is_received(index in 0..Currency::ALL.len(), minor: i64) {
            let money = Money::new(Currency::ALL[index], minor);
            let (units, nanos) = money.to_units();
            prop_assert_eq!(Money::from_units(money.currency(), units, nanos), Ok(money));
        }

        #[test]
        fn no_input_panics_and_what_is_accepted_comes_back(index in 0..Currency::ALL.len(), units: i64, nanos: i32) {
            if let Ok(money) = Money::from_units(Currency::ALL[index], units, nanos) {
                prop_assert_eq!(money.to_units(), (units, nanos));
            }
        }

        #[test]
        fn a_product_is_a_repeated_sum(minor in -1_000_000_i64..1_000_000, quantity in 0_i64..100) {
            let price = Money::new(currency("EUR"), minor);
            let mut sum = Money::new(currency("EUR"), 0);
            for _ in 0..quantity {
                sum = sum.checked_add(price).unwrap();
            }
            prop_assert_eq!(price.checked_mul(quantity), Ok(sum));
        }
    }
}
