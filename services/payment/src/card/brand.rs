//! Whose card it is, by the first digits of its number (issuer identification numbers, as the schemes publish them).

/// The scheme that a card belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brand {
    Other,
    Visa,
    Mastercard,
    AmericanExpress,
    Discover,
    Jcb,
    DinersClub,
    UnionPay,
    Maestro,
}

/// Ranges of the first six digits, and the lengths that such numbers have. The first that fits decides: Discover's
/// co-branded range lies within UnionPay's.
const RANGES: [(u32, u32, std::ops::RangeInclusive<usize>, Brand); 19] = [
    (400_000, 499_999, 13..=19, Brand::Visa),
    (510_000, 559_999, 16..=16, Brand::Mastercard),
    (222_100, 272_099, 16..=16, Brand::Mastercard),
    (340_000, 349_999, 15..=15, Brand::AmericanExpress),
    (370_000, 379_999, 15..=15, Brand::AmericanExpress),
    (352_800, 358_999, 16..=19, Brand::Jcb),
    (300_000, 305_999, 14..=19, Brand::DinersClub),
    (309_500, 309_599, 14..=19, Brand::DinersClub),
    (360_000, 369_999, 14..=19, Brand::DinersClub),
    (380_000, 399_999, 14..=19, Brand::DinersClub),
    (601_100, 601_199, 16..=19, Brand::Discover),
    (644_000, 659_999, 16..=19, Brand::Discover),
    (622_126, 622_925, 16..=19, Brand::Discover),
    (620_000, 629_999, 16..=19, Brand::UnionPay),
    (810_000, 817_199, 16..=19, Brand::UnionPay),
    (500_000, 509_999, 12..=19, Brand::Maestro),
    (560_000, 589_999, 12..=19, Brand::Maestro),
    (639_000, 639_099, 12..=19, Brand::Maestro),
    (670_000, 679_999, 12..=19, Brand::Maestro),
];

impl Brand {
    /// The brand of a number of at least six digits.
    pub(crate) fn of(digits: &str) -> Self {
        let first: u32 = digits.get(..6).and_then(|first| first.parse().ok()).unwrap_or_default();
        let fits = |(from, to, lengths, _): &&(u32, u32, std::ops::RangeInclusive<usize>, Self)| {
            (*from..=*to).contains(&first) && lengths.contains(&digits.len())
        };
        RANGES.iter().find(fits).map_or(Self::Other, |(.., brand)| *brand)
    }

    /// How many digits its security codes have.
    pub(crate) fn code_digits(self) -> usize {
        if self == Self::AmericanExpress { 4 } else { 3 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_digits_and_the_length_say_the_brand() {
        for (number, brand) in [
            ("4242424242424242", Brand::Visa),
            ("4222222222222", Brand::Visa),
            ("42222222222", Brand::Other),
            ("5555555555554444", Brand::Mastercard),
            ("2223003122003222", Brand::Mastercard),
            ("2720999999999999", Brand::Mastercard),
            ("2721000000000000", Brand::Other),
            ("378282246310005", Brand::AmericanExpress),
            ("6011111111111117", Brand::Discover),
            ("6221260000000000", Brand::Discover),
            ("6221250000000000", Brand::UnionPay),
            ("3530111333300000", Brand::Jcb),
            ("3056930009020004", Brand::DinersClub),
            ("36227206271667", Brand::DinersClub),
            ("6200000000000005", Brand::UnionPay),
            ("6759649826438453", Brand::Maestro),
            ("1234567890123456", Brand::Other),
        ] {
            assert_eq!(Brand::of(number), brand, "{number}");
        }
        assert_eq!((Brand::AmericanExpress.code_digits(), Brand::Visa.code_digits()), (4, 3));
    }
}
