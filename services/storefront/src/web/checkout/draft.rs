//! What a visitor has written of an order so far: it comes from a form, is kept in a cookie, and goes into the order.
//!
//! Whatever a cookie says is read as warily as a form: it is the visitor's, and so anybody's.

use contracts::checkout::v1::{Address, Destination};
use form_urlencoded::Serializer;
use http::{HeaderMap, HeaderValue};

use super::{
    super::{
        cookie::{DRAFT, VALUE_MAX},
        country,
        form::Form,
        query::Parameters,
        text::shown,
    },
    field::{COUNT, FIELDS},
};

/// The most characters of a shipping option's id (checkout's contract).
const OPTION_MAX: usize = 32;
const OPTION: &str = "option";

/// An address and a way to deliver, right or wrong.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Draft {
    /// As [`FIELDS`] has them.
    pub(super) values: [String; COUNT],
    /// The id of a shipping option; empty where none is chosen.
    pub(super) option: String,
}

/// What is wrong, by field.
pub(super) type Faults = [Option<String>; COUNT];

impl Draft {
    /// What was written into the fields of a form. The space around it is left out.
    pub(super) fn of_form(form: &Form) -> Self {
        Self::read(|name| form.text(name))
    }

    /// What the visitor's cookie keeps; nothing where there is none.
    pub(super) fn of_cookie(headers: &HeaderMap) -> Self {
        let kept = DRAFT.values(headers).next().unwrap_or_default();
        let kept = Parameters::parse(kept.as_bytes());
        Self::read(|name| kept.first(name))
    }

    fn read<'a>(text: impl Fn(&'static str) -> &'a str) -> Self {
        let option = text(OPTION);
        let is_id = option.len() <= OPTION_MAX
            && option.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        Self {
            values: FIELDS.map(|field| text(field.name).trim().to_owned()),
            option: if is_id { option.to_owned() } else { String::new() },
        }
    }

    /// The header that keeps it.
    pub(super) fn cookie(&self, is_secure: bool) -> HeaderValue {
        let encoded = self.encoded();
        // What is too long for a cookie was refused where it was written.
        DRAFT.keep(if encoded.len() <= VALUE_MAX { &encoded } else { "" }, is_secure)
    }

    fn encoded(&self) -> String {
        let mut text = Serializer::new(String::new());
        text.extend_pairs(self.pairs().filter(|(_, value)| !value.is_empty()));
        text.finish()
    }

    /// All of it as the fields of a form.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let values = FIELDS.iter().zip(&self.values).map(|(field, value)| (field.name, value.as_str()));
        values.chain([(OPTION, self.option.as_str())])
    }

    /// What is wrong with it, if anything is.
    pub(super) fn faults(&self) -> Result<(), Box<Faults>> {
        let mut faults = Box::<Faults>::default();
        for (fault, (field, value)) in faults.iter_mut().zip(FIELDS.iter().zip(&self.values)) {
            *fault = field.fault(value);
        }
        let is_wrong = faults.iter().any(Option::is_some);
        if !is_wrong && self.encoded().len() > VALUE_MAX {
            let longest = (0..COUNT).max_by_key(|index| self.values[*index].len()).unwrap_or_default();
            faults[longest] = Some("All this together is too long for an address: shorten it.".into());
            return Err(faults);
        }
        if is_wrong { Err(faults) } else { Ok(()) }
    }

    pub(super) fn value(&self, name: &str) -> &str {
        let index = FIELDS.iter().position(|field| field.name == name);
        index.map_or("", |index| &self.values[index])
    }

    pub(super) fn option(&self) -> &str {
        &self.option
    }

    pub(super) fn destination(&self) -> Destination {
        let text = |name| self.value(name).to_owned();
        Destination { country_code: text("country"), region: text("region"), postal_code: text("postal_code") }
    }

    pub(super) fn address(&self) -> Address {
        let text = |name| self.value(name).to_owned();
        let lines = [text("line1"), text("line2")].into_iter().filter(|line| !line.is_empty());
        Address {
            recipient: text("recipient"),
            lines: lines.collect(),
            locality: text("locality"),
            destination: Some(self.destination()),
            phone: text("phone"),
        }
    }

    /// The address as it is written on a parcel.
    pub(super) fn label(&self) -> Vec<String> {
        label(&self.address())
    }
}

/// An address as it is written on a parcel.
pub(in super::super) fn label(address: &Address) -> Vec<String> {
    let place = address.destination.clone().unwrap_or_default();
    let town = [&place.postal_code, &address.locality, &place.region].map(String::as_str);
    let town = town.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let country = country::name_of(&place.country_code).unwrap_or(&place.country_code);
    let above = [&address.recipient].into_iter().chain(&address.lines).map(String::as_str);
    let lines = above.chain([&*town, country, &*address.phone]).filter(|line| !line.is_empty());
    lines.map(shown).collect()
}

#[cfg(test)]
mod tests {
    use http::header;
    use proptest::prelude::*;

    use super::*;

    fn kept(draft: &Draft) -> Draft {
        let set = draft.cookie(false);
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        Draft::of_cookie(&HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(pair).unwrap())]))
    }

    proptest! {
        #[test]
        fn a_cookie_keeps_what_was_written(values in prop::array::uniform9("\\PC{0,30}"), option in "[a-z0-9-]{0,32}") {
            let draft = Draft { values: values.map(|value| value.trim().to_owned()), option };
            prop_assert_eq!(kept(&draft).values, draft.values);
        }

        #[test]
        fn no_cookie_panics(value in "[!-~&&[^;]]{0,200}") {
            let header = HeaderValue::try_from(format!("souk_checkout={value}")).unwrap();
            Draft::of_cookie(&HeaderMap::from_iter([(header::COOKIE, header)]));
        }
    }

    #[test]
    fn an_address_that_no_cookie_holds_is_refused_before_it_is_kept() {
        let mut draft = Draft { values: Default::default(), option: String::new() };
        for (name, value) in [("email", "a@b"), ("country", "JP"), ("locality", "東京")] {
            draft.values[FIELDS.iter().position(|field| field.name == name).unwrap()] = value.into();
        }
        for name in ["recipient", "line1", "line2"] {
            draft.values[FIELDS.iter().position(|field| field.name == name).unwrap()] = "京".repeat(200);
        }
        let faults = draft.faults().unwrap_err();
        assert_eq!(faults.iter().flatten().count(), 1);
        assert!(kept(&draft) == Draft::default());
    }

    #[test]
    fn an_option_that_is_no_id_is_none() {
        for (option, expected) in [("express", "express"), ("Express", ""), ("a b", ""), (&"x".repeat(33), "")] {
            let read = Draft::read(|name| if name == OPTION { option } else { "" });
            assert_eq!(read.option, expected, "{option}");
        }
    }
}
