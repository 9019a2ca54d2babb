//! Whether a sample of a column's values is what the column's name promises.

use std::collections::HashSet;

use super::{cell, currency, names::Field, number::Written, picture, rating, stock};

/// Values of a column that are looked at.
const VALUES_MAX: usize = 200;

/// Whether most of `values`, none of which is empty, can be of the field.
pub(super) fn is(field: Field, values: &[&str]) -> bool {
    let values = &values[..values.len().min(VALUES_MAX)];
    if field == Field::Id {
        let different: HashSet<&&str> = values.iter().collect();
        // One that occurs again is a mistake in the file; many are another column's ids.
        let again = values.len() - different.len();
        return (again <= 1 || again * 10 <= values.len()) && most(values, |value| value.len() <= 200);
    }
    most(values, |value| can_be(field, value))
}

fn can_be(field: Field, value: &str) -> bool {
    let has_letter = value.chars().any(char::is_alphabetic);
    match field {
        Field::Name => has_letter && !is_url(value) && cell::value(value).is_none(),
        Field::Description => has_letter && !is_url(value),
        Field::Brand => has_letter && !is_url(value) && value.chars().count() <= 200,
        Field::Category => {
            has_letter && !is_url(value) && !["simple", "variable", "variation", "configurable"].contains(&value)
        }
        Field::Price | Field::ListPrice => is_price(value),
        Field::Currency => currency::Written::find(value).is_some() && value.chars().count() <= 20,
        Field::Stock => stock::read(value, false).is_some(),
        Field::Picture => picture::looks_like(value),
        Field::Rating => rating::average(value).is_some(),
        Field::Reviews => rating::count(value).is_some(),
        Field::Attributes => has_letter && !is_url(value),
        Field::Id | Field::Sku => value.chars().count() <= 100 && !is_url(value),
    }
}

/// Whether the values of a column without a known name look like those of an attribute: short, and for people.
pub(super) fn is_attribute<'a>(values: impl Iterator<Item = &'a str>) -> bool {
    const CHARACTERS_MAX: usize = 100;
    let values: Vec<&str> = values.take(VALUES_MAX).collect();
    let fits = |value: &&str| {
        let list = cell::value(value);
        let flat =
            list.as_ref().and_then(|list| list.as_array()).is_some_and(|list| list.iter().all(|it| it.is_string()));
        let opaque = value.len() >= 16 && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        (list.is_none() || flat)
            && value.chars().count() <= CHARACTERS_MAX
            && !is_url(value)
            && !opaque
            && !value.contains('<')
    };
    !values.is_empty() && values.iter().all(fits)
}

fn is_price(value: &str) -> bool {
    const CHARACTERS_MAX: usize = 60;
    let object = cell::value(value).is_some_and(|value| value.is_object());
    // Not a date, and not a sentence with a number.
    let plain = value.chars().count() <= CHARACTERS_MAX
        && Written::find(value).is_ok()
        && value.matches(['-', '/', ':']).count() < 2;
    !is_url(value) && (object || plain)
}

fn is_url(value: &str) -> bool {
    value.starts_with("http://") || value.starts_with("https://") || value.starts_with("www.")
}

fn most(values: &[&str], test: impl Fn(&str) -> bool) -> bool {
    values.iter().filter(|value| test(value)).count() * 2 > values.len()
}
