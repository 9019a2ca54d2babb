//! What buyers think: an average in stars, out of 5, 10 or 100, and how many they were.

use serde_json::Value;

use super::{cell, number::Written};

/// The most ratings that the catalog takes.
const COUNT_MAX: i64 = 1_000_000_000;

/// What the best rating of a column is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale(f64);

impl Scale {
    /// The scale that holds the sample: five stars unless some rating is above five.
    pub(super) fn of<'a>(cells: impl Iterator<Item = &'a str>) -> Self {
        let highest = cells.filter_map(average).fold(0.0, f64::max);
        Self(if highest <= 5.0 {
            5.0
        } else if highest <= 10.0 {
            10.0
        } else {
            100.0
        })
    }

    /// Stars out of five; `None` for what is not rated, or is above the scale.
    pub(super) fn stars(self, text: &str) -> Option<f64> {
        let stars = average(text)? * 5.0 / self.0;
        // Nothing is rated 0: it says that nobody has.
        (stars > 0.0 && stars <= 5.0).then_some(stars.max(1.0))
    }
}

/// The first number of a cell, or the average in an object.
pub(super) fn average(text: &str) -> Option<f64> {
    let text = cell::some(text)?;
    let inside = object(text, &["average", "rate", "rating", "value", "ratingValue", "stars", "score"]);
    let text = inside.as_deref().unwrap_or(text);
    let hundredths = Written::find(text).ok()?.amount(Some(super::number::Style::Point), 2).ok()?.minor;
    let hundredths = u32::try_from(hundredths).ok().filter(|hundredths| *hundredths <= 10_000)?;
    Some(f64::from(hundredths) / 100.0)
}

/// How many there are.
pub(super) fn count(text: &str) -> Option<i32> {
    let text = cell::some(text)?;
    let inside = object(text, &["count", "ratingCount", "reviewCount", "total"]);
    let text = inside.as_deref().unwrap_or(text);
    let written = Written::find(text.trim_start_matches('(')).ok()?;
    let thousands = written.around.trim().eq_ignore_ascii_case("k");
    let exponent = if thousands { 3 } else { 0 };
    let count = written.amount(thousands.then_some(super::number::Style::Point), exponent).ok()?.minor;
    i32::try_from(count.min(COUNT_MAX)).ok()
}

fn object(text: &str, names: &[&str]) -> Option<String> {
    match cell::value(text)? {
        Value::Object(object) => cell::scalar(cell::member(&object, names)?),
        Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rating_is_read_on_the_scale_of_its_column() {
        let five = Scale::of(["4.5", "0", "3"].into_iter());
        for (text, stars) in [
            ("4.5", Some(4.5)),
            ("4,5", Some(4.5)),
            ("4.5 out of 5 stars", Some(4.5)),
            ("0", None),
            ("", None),
            ("N/A", None),
            ("7", None),
        ] {
            assert_eq!(five.stars(text), stars, "{text}");
        }
        assert_eq!(Scale::of(["9.0", "4"].into_iter()).stars("9.0"), Some(4.5));
        assert_eq!(Scale::of(["90%", "40%"].into_iter()).stars("90%"), Some(4.5));
        assert_eq!(five.stars("{'rate': 3.9, 'count': 120}"), Some(3.9));
        assert_eq!(
            (count("{'rate': 3.9, 'count': 120}"), count("24,269"), count("1.2k"), count("(57)")),
            (Some(120), Some(24_269), Some(1_200), Some(57))
        );
    }
}
