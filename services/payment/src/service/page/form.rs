//! The form: what is asked for, what was typed, and what is wrong with it.

use std::borrow::Cow;

use askama::Template;
use contracts::payment::v1 as pb;
use mesh::Violations;
use zeroize::{Zeroize as _, Zeroizing};

use super::way::Way;

/// A page, with or without a form.
#[derive(Template)]
#[template(path = "card.html")]
pub(super) struct Page {
    style: &'static str,
    action: String,
    /// Where it leads without a card.
    back: String,
    request_id: String,
    trouble: Option<&'static str>,
    shows_form: bool,
    has_errors: bool,
    fields: [Field; 4],
}

/// What is asked for. What was typed into it is not in here: it is never shown again.
#[derive(Clone, Debug)]
struct Field {
    name: &'static str,
    label: &'static str,
    autocomplete: &'static str,
    inputmode: &'static str,
    placeholder: &'static str,
    length: u32,
    required: bool,
    /// The names in the contract, of which something can be wrong.
    contract: &'static [&'static str],
    error: Option<String>,
}

const FIELDS: [Field; 4] = [
    Field {
        name: "number",
        label: "Card number",
        autocomplete: "cc-number",
        inputmode: "numeric",
        placeholder: "",
        length: 40,
        required: true,
        contract: &["card.number"],
        error: None,
    },
    Field {
        name: "expiry",
        label: "Expires",
        autocomplete: "cc-exp",
        inputmode: "numeric",
        placeholder: "MM/YY",
        length: 9,
        required: true,
        contract: &["card.expiry_month", "card.expiry_year"],
        error: None,
    },
    Field {
        name: "code",
        label: "Security code",
        autocomplete: "cc-csc",
        inputmode: "numeric",
        placeholder: "",
        length: 4,
        required: true,
        contract: &["card.security_code"],
        error: None,
    },
    Field {
        name: "name",
        label: "Name on the card",
        autocomplete: "cc-name",
        inputmode: "text",
        placeholder: "",
        length: 100,
        required: false,
        contract: &["card.holder_name"],
        error: None,
    },
];

impl Page {
    /// A form that nothing was typed into.
    pub(super) fn empty(way: &Way, request_id: String) -> Self {
        Self {
            style: super::STYLE,
            action: way.page(),
            back: way.path().to_owned(),
            request_id,
            trouble: None,
            shows_form: true,
            has_errors: false,
            fields: FIELDS,
        }
    }

    /// A form that says what was wrong, each beside its field.
    pub(super) fn wrong(way: &Way, request_id: String, violations: &Violations) -> Self {
        let mut page = Self { has_errors: true, ..Self::empty(way, request_id) };
        for violation in violations.as_slice() {
            let field = page.fields.iter_mut().find(|field| field.contract.contains(&violation.field.as_str()));
            match field {
                Some(field) => drop(field.error.get_or_insert_with(|| sentence(field.name, &violation.description))),
                // The hidden field, which nobody typed.
                None => page.request_id = self::request_id(),
            }
        }
        page
    }

    /// A form that could not be taken.
    pub(super) fn trouble(way: &Way, request_id: String, text: &'static str) -> Self {
        Self { trouble: Some(text), ..Self::empty(way, request_id) }
    }

    /// No form, but a word on why.
    pub(super) fn told(text: &'static str) -> Self {
        Self {
            style: super::STYLE,
            action: String::new(),
            back: String::new(),
            request_id: String::new(),
            trouble: Some(text),
            shows_form: false,
            has_errors: false,
            fields: FIELDS,
        }
    }
}

/// What was typed. It cannot be printed, and is wiped when it is dropped.
#[derive(Default)]
pub(super) struct Form {
    number: Zeroizing<String>,
    expiry: Zeroizing<String>,
    code: Zeroizing<String>,
    name: Zeroizing<String>,
    request_id: String,
}

impl Form {
    /// Reads a form as browsers send it. Fields that it does not know are left out, and of two the last one counts.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            let field = match &*name {
                "number" => &mut form.number,
                "expiry" => &mut form.expiry,
                "code" => &mut form.code,
                "name" => &mut form.name,
                "request_id" => {
                    form.request_id = value.into_owned();
                    continue;
                }
                _ => {
                    wiped(value);
                    continue;
                }
            };
            *field = Zeroizing::new(value.into_owned());
        }
        form
    }

    /// The form's own id, by which sending it twice gives one token.
    pub(super) fn request_id(&self) -> String {
        self.request_id.clone()
    }

    /// The same in the contract's terms.
    pub(super) fn into_request(mut self) -> pb::TokenizeCardRequest {
        let (expiry_month, expiry_year) = expiry(&self.expiry);
        let card = pb::CardDetails {
            number: std::mem::take(&mut *self.number),
            security_code: std::mem::take(&mut *self.code),
            expiry_month,
            expiry_year,
            holder_name: std::mem::take(&mut *self.name),
        };
        pb::TokenizeCardRequest { card: Some(card), request_id: self.request_id }
    }
}

/// A form's id.
pub(super) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Month and year of `07/29`, `7 / 2029` or `0729`; zeros where it is none of them.
fn expiry(typed: &str) -> (i32, i32) {
    let typed = typed.trim();
    let parts = match typed.split_once(['/', '-', ' ']) {
        Some((month, year)) => Some((month, year)),
        None if typed.len() == 4 || typed.len() == 6 => typed.split_at_checked(2),
        None => None,
    };
    let Some((month, year)) = parts else { return (0, 0) };
    let digits = |text: &str| {
        let text = text.trim_matches([' ', '/', '-']);
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i32>().ok()).flatten()
    };
    match (digits(month), digits(year)) {
        (Some(month), Some(year)) if year < 100 => (month, year + 2000),
        (Some(month), Some(year)) => (month, year),
        _ => (0, 0),
    }
}

/// A rule as people read it. It never has what was typed in it.
fn sentence(field: &str, rule: &str) -> String {
    match field {
        "expiry" => "This must be a month that is not over, such as 07/29.".to_owned(),
        _ => format!("This {rule}."),
    }
}

fn wiped(value: Cow<'_, str>) {
    if let Cow::Owned(mut value) = value {
        value.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_read_as_people_type_it() {
        for typed in ["07/29", "7/29", "07 / 29", "07/2029", "07-29", "0729", "072029", " 07 29 "] {
            assert_eq!(expiry(typed), (7, 2029), "{typed}");
        }
        for typed in ["", "7", "July 29", "07/ab", "ab/29", "07+29", "٠٧/٢٩"] {
            assert_eq!(expiry(typed), (0, 0), "{typed}");
        }
    }

    #[test]
    fn a_form_is_read_as_browsers_send_it() {
        let form = Form::read(b"number=4242+4242&expiry=07%2F29&code=123&name=A.+Sh%C3%B6pper&request_id=r&x=y");
        assert_eq!(form.request_id(), "r");
        let card = form.into_request().card.unwrap();
        assert_eq!((&*card.number, &*card.security_code, &*card.holder_name), ("4242 4242", "123", "A. Shöpper"));
        assert_eq!((card.expiry_month, card.expiry_year), (7, 2029));
        assert_eq!(Form::read(b"%ff=%ff&&&=").into_request().card, Some(pb::CardDetails::default()));
    }
}
