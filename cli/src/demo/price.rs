//! A price as people write it, read exactly: no float comes between the digits and the money.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de::Error as _};

/// Digits after the point that `google.type.Money` can hold.
const NANO_DIGITS: usize = 9;

/// An amount in whole units and billionths of one, not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Price {
    pub(super) units: i64,
    pub(super) nanos: i32,
}

impl FromStr for Price {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("{text:?} is no price: write digits, and up to {NANO_DIGITS} more after a point");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > NANO_DIGITS {
            return Err(invalid());
        }
        let units = whole.parse().map_err(|_| invalid())?;
        let nanos = format!("{fraction:0<NANO_DIGITS$}").parse().map_err(|_| invalid())?;
        Ok(Self { units, nanos })
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As text: a JSON number would already have been a float.
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_digit_counts_and_none_is_made_up() {
        assert_eq!("112.00".parse(), Ok(Price { units: 112, nanos: 0 }));
        assert_eq!("0.1".parse(), Ok(Price { units: 0, nanos: 100_000_000 }));
        assert_eq!("7".parse(), Ok(Price { units: 7, nanos: 0 }));
        assert_eq!("0.000000001".parse(), Ok(Price { units: 0, nanos: 1 }));
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "1.0000000001", "99999999999999999999", "1.5 "] {
            assert!(text.parse::<Price>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_price_is_read_back_as_it_was_written(units in 0_i64.., nanos in 0_i32..1_000_000_000) {
            prop_assert_eq!(format!("{units}.{nanos:09}").parse(), Ok(Price { units, nanos }));
        }
    }
}
