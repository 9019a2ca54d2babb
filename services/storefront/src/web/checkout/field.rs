//! The fields of an address, each with what is asked of it: checkout's own rules, said in the words of a shop.

use super::super::country;

/// The most characters of a name, a line of an address and a town (checkout's contract).
const NAME_MAX: usize = 200;

/// A field of the form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: &'static str,
    pub(super) autocomplete: &'static str,
    pub(super) inputmode: &'static str,
    /// Characters at most.
    pub(super) length: usize,
    /// What is said where it is empty; such a field may be empty where this is.
    missing: &'static str,
    pub(super) hint: &'static str,
    /// Its name in the contract, or how that begins.
    contract: &'static str,
}

/// A field without anything that is special about it.
const TEXT: Field = Field {
    name: "",
    label: "",
    kind: "text",
    autocomplete: "",
    inputmode: "text",
    length: NAME_MAX,
    missing: "",
    hint: "",
    contract: "",
};

/// All of them, in the order of the form.
pub(super) const FIELDS: [Field; COUNT] = [
    Field {
        name: "email",
        label: "E-mail",
        kind: "email",
        autocomplete: "email",
        inputmode: "email",
        length: 254,
        missing: "Write an e-mail address, so that we can tell you how your order goes.",
        hint: "For news of this order alone.",
        contract: "contact_email",
    },
    Field {
        name: "recipient",
        label: "Full name",
        autocomplete: "shipping name",
        missing: "Write who receives it.",
        contract: "shipping_address.recipient",
        ..TEXT
    },
    Field {
        name: "country",
        label: "Country",
        kind: "country",
        autocomplete: "shipping country",
        length: 2,
        missing: "Choose a country.",
        contract: "shipping_address.destination.country_code",
        ..TEXT
    },
    Field {
        name: "line1",
        label: "Street and number",
        autocomplete: "shipping address-line1",
        missing: "Write a street and a number.",
        contract: "shipping_address.lines[0]",
        ..TEXT
    },
    Field {
        name: "line2",
        label: "Flat, floor or company",
        autocomplete: "shipping address-line2",
        contract: "shipping_address.lines[1]",
        ..TEXT
    },
    Field {
        name: "postal_code",
        label: "Postal code",
        autocomplete: "shipping postal-code",
        length: 20,
        contract: "shipping_address.destination.postal_code",
        ..TEXT
    },
    Field {
        name: "locality",
        label: "Town or city",
        autocomplete: "shipping address-level2",
        missing: "Write a town or a city.",
        contract: "shipping_address.locality",
        ..TEXT
    },
    Field {
        name: "region",
        label: "State or province",
        autocomplete: "shipping address-level1",
        length: 100,
        hint: "As on an address label, such as CA.",
        contract: "shipping_address.destination.region",
        ..TEXT
    },
    Field {
        name: "phone",
        label: "Telephone",
        kind: "tel",
        autocomplete: "shipping tel",
        inputmode: "tel",
        length: 30,
        hint: "For the carrier alone.",
        contract: "shipping_address.phone",
        ..TEXT
    },
];
pub(super) const COUNT: usize = 9;

impl Field {
    pub(super) fn is_required(&self) -> bool {
        !self.missing.is_empty()
    }

    /// What is wrong with a value, if anything is.
    pub(super) fn fault(&self, value: &str) -> Option<String> {
        if value.is_empty() {
            return self.is_required().then(|| self.missing.to_owned());
        }
        if value.chars().any(char::is_control) {
            return Some("There is a character in this that cannot be written on a parcel.".into());
        }
        let length = if self.name == "email" { value.len() } else { value.chars().count() };
        let told = |text: &str| Some(text.to_owned());
        match self.name {
            _ if length > self.length => Some(format!("This is too long: it may have {} characters.", self.length)),
            "email" if !is_email(value) => told("This is no e-mail address: one looks like ada@example.org."),
            "country" if country::name_of(value).is_none() => told("Choose a country of the list."),
            "phone" if !value.chars().all(|c| c.is_ascii_digit() || " +-()".contains(c)) => {
                told("A number has digits, spaces and + - ( ) alone.")
            }
            _ => None,
        }
    }
}

/// Which field of the form a field of the contract is.
pub(super) fn of_contract(field: &str) -> Option<usize> {
    FIELDS.iter().position(|known| field == known.contract).or_else(|| {
        // Checkout speaks of a destination alone where nothing but that was sent.
        let whole = format!("shipping_address.{field}");
        FIELDS.iter().position(|known| whole == known.contract)
    })
}

fn is_email(value: &str) -> bool {
    let sides = value.split_once('@');
    let whole = sides.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'));
    whole && !value.chars().any(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(name: &str, value: &str) -> Option<String> {
        FIELDS.iter().find(|field| field.name == name).unwrap().fault(value)
    }

    #[test]
    fn each_field_says_what_is_wrong_with_it_and_takes_what_checkout_takes() {
        for (name, value) in [
            ("email", "ada@example"),
            ("recipient", "Ada Lovelace-Þórðardóttir"),
            ("country", "DE"),
            ("line2", ""),
            ("phone", "+49 (30) 123-45"),
            ("phone", ""),
            ("locality", "東京"),
        ] {
            assert_eq!(fault(name, value), None, "{name}: {value}");
        }
        for (name, value) in [
            ("email", ""),
            ("email", "ada"),
            ("email", "ada@"),
            ("email", "a@b@c"),
            ("email", "a da@example.org"),
            ("recipient", ""),
            ("recipient", "A\u{7}da"),
            ("country", ""),
            ("country", "XX"),
            ("country", "de"),
            ("locality", ""),
            ("phone", "call me"),
            ("line1", &"x".repeat(201)),
            ("email", &format!("{}@example.org", "ä".repeat(125))),
        ] {
            assert!(fault(name, value).is_some(), "{name}: {value}");
        }
    }

    #[test]
    fn the_contracts_names_are_found_with_and_without_the_address_around_them() {
        let name = |field: &str| of_contract(field).map(|index| FIELDS[index].name);
        assert_eq!(name("shipping_address.lines[1]"), Some("line2"));
        assert_eq!(name("destination.country_code"), Some("country"));
        assert_eq!(name("contact_email"), Some("email"));
        assert_eq!((name("card_token"), name("shipping_address")), (None, None));
    }
}
