//! Products in requests, parsed field by field.

use std::collections::HashSet;

use contracts::catalog::v1 as pb;
use contracts::google::r#type as google;
use mesh::Violations;

use crate::mask::{Field, Fields};
use crate::product::{
    Attribute, BRAND_MAX, CategoryPath, Change, Content, Draft, PRICE_UNITS_MAX, Picture, Rating, State, text,
};
use rpc::money::{Currency, Money, MoneyError};

const NAME_MAX: usize = 1_000;
const DESCRIPTION_MAX: usize = 10_000;
const CATEGORIES_MAX: usize = 8;
const PICTURES_MAX: usize = 32;
const ALT_TEXT_MAX: usize = 500;
const ATTRIBUTES_MAX: usize = 100;
const ATTRIBUTE_NAME_MAX: usize = 100;
const ATTRIBUTE_VALUE_MAX: usize = 1_000;
const SKU_MAX: usize = 100;

/// Reads the fields of one product; what is wrong goes to `violations`, with `prefix` before the field.
pub(super) struct Parser<'a> {
    product: &'a pb::Product,
    prefix: &'static str,
    violations: &'a mut Violations,
}

impl<'a> Parser<'a> {
    pub(super) fn new(product: &'a pb::Product, prefix: &'static str, violations: &'a mut Violations) -> Self {
        Self { product, prefix, violations }
    }

    /// All fields; `None` if one that is required is not there. Whether others are wrong, the violations say.
    pub(super) fn draft(mut self) -> Option<Draft> {
        let (name, description, brand) = (self.name(), self.description(), self.brand());
        let (categories, price, list_price) = (self.categories(), self.price(), self.list_price());
        let (pictures, attributes, rating) = (self.pictures(), self.attributes(), self.rating());
        let (sku, state) = (self.sku(), self.state());
        let price = price?;
        let content = Content {
            name,
            description,
            brand,
            categories,
            price,
            list_price,
            pictures,
            attributes,
            rating,
            sku,
            state: State::default(),
        };
        if let Err(found) = content.check() {
            found.as_slice().iter().for_each(|found| self.wrong(&found.field, &found.description));
        }
        Some(Draft { content, state })
    }

    /// The fields that an update sets.
    pub(super) fn change(mut self, fields: Fields) -> Change {
        Change {
            name: fields.contains(Field::Name).then(|| self.name()),
            description: fields.contains(Field::Description).then(|| self.description()),
            brand: fields.contains(Field::Brand).then(|| self.brand()),
            categories: fields.contains(Field::Categories).then(|| self.categories()),
            price: fields.contains(Field::Price).then(|| self.price()).flatten(),
            list_price: fields.contains(Field::ListPrice).then(|| self.list_price()),
            pictures: fields.contains(Field::Pictures).then(|| self.pictures()),
            attributes: fields.contains(Field::Attributes).then(|| self.attributes()),
            rating: fields.contains(Field::Rating).then(|| self.rating()),
            sku: fields.contains(Field::Sku).then(|| self.sku()),
            state: fields.contains(Field::State).then(|| self.state()).flatten(),
        }
    }

    fn name(&mut self) -> String {
        self.checked("name", &self.product.name, text::required_line(&self.product.name, NAME_MAX))
    }

    fn description(&mut self) -> String {
        let description = &self.product.description;
        self.checked("description", description, text::paragraphs(description, DESCRIPTION_MAX))
    }

    fn brand(&mut self) -> String {
        self.checked("brand", &self.product.brand, text::line(&self.product.brand, BRAND_MAX))
    }

    fn sku(&mut self) -> String {
        self.checked("sku", &self.product.sku, text::line(&self.product.sku, SKU_MAX))
    }

    fn categories(&mut self) -> Vec<CategoryPath> {
        let categories = &self.product.categories;
        self.at_most("categories", categories.len(), CATEGORIES_MAX);
        let (mut paths, mut seen) = (Vec::new(), HashSet::new());
        for (index, category) in categories.iter().enumerate().take(CATEGORIES_MAX) {
            let field = format!("{}categories[{index}]", self.prefix);
            if !seen.insert(&category.names) {
                self.violations.add(&field, "must differ from the paths before it");
            }
            paths.extend(path(category, &field, self.violations));
        }
        paths
    }

    fn price(&mut self) -> Option<Money> {
        match &self.product.price {
            Some(price) => self.money("price", price),
            None => {
                self.wrong("price", "must be set");
                None
            }
        }
    }

    fn list_price(&mut self) -> Option<Money> {
        self.product.list_price.as_ref().and_then(|price| self.money("list_price", price))
    }

    fn money(&mut self, field: &str, money: &google::Money) -> Option<Money> {
        let currency = Currency::parse(&money.currency_code);
        if currency.is_none() {
            self.wrong(&format!("{field}.currency_code"), &MoneyError::UnknownCurrency.to_string());
        }
        let above = money.units == PRICE_UNITS_MAX && money.nanos > 0;
        if above || !(0..=PRICE_UNITS_MAX).contains(&money.units) {
            self.wrong(&format!("{field}.units"), &format!("must be between 0 and {PRICE_UNITS_MAX}"));
            return None;
        }
        match Money::from_units(currency?, money.units, money.nanos) {
            Ok(amount) if amount.minor() >= 0 => Some(amount),
            Ok(_negative) => {
                self.wrong(&format!("{field}.nanos"), "must not be negative");
                None
            }
            Err(error) => {
                self.wrong(&format!("{field}.{}", error.field()), &error.to_string());
                None
            }
        }
    }

    fn pictures(&mut self) -> Vec<Picture> {
        let pictures = &self.product.pictures;
        self.at_most("pictures", pictures.len(), PICTURES_MAX);
        let mut parsed = Vec::with_capacity(pictures.len().min(PICTURES_MAX));
        for (index, picture) in pictures.iter().enumerate().take(PICTURES_MAX) {
            self.listed("pictures", index, "uri", text::picture_uri(&picture.uri));
            self.listed("pictures", index, "alt_text", text::line(&picture.alt_text, ALT_TEXT_MAX));
            parsed.push(Picture { uri: picture.uri.clone(), alt_text: picture.alt_text.clone() });
        }
        parsed
    }

    fn attributes(&mut self) -> Vec<Attribute> {
        let attributes = &self.product.attributes;
        self.at_most("attributes", attributes.len(), ATTRIBUTES_MAX);
        let mut parsed = Vec::with_capacity(attributes.len().min(ATTRIBUTES_MAX));
        for (index, attribute) in attributes.iter().enumerate().take(ATTRIBUTES_MAX) {
            let (name, value) = (&attribute.name, &attribute.value);
            self.listed("attributes", index, "name", text::required_line(name, ATTRIBUTE_NAME_MAX));
            self.listed("attributes", index, "value", text::required_line(value, ATTRIBUTE_VALUE_MAX));
            parsed.push(Attribute { name: name.clone(), value: value.clone() });
        }
        parsed
    }

    fn rating(&mut self) -> Option<Rating> {
        let rating = self.product.rating.as_ref()?;
        let average_hundredths = Rating::hundredths(rating.average);
        if average_hundredths.is_none() {
            self.wrong("rating.average", "must be between 1 and 5");
        }
        let count = u32::try_from(rating.count).ok().filter(|count| *count <= Rating::COUNT_MAX);
        if count.is_none() {
            self.wrong("rating.count", &format!("must be between 0 and {}", Rating::COUNT_MAX));
        }
        Some(Rating { average_hundredths: average_hundredths?, count: count? })
    }

    fn state(&mut self) -> Option<State> {
        match pb::ProductState::try_from(self.product.state) {
            Ok(pb::ProductState::Unspecified) => None,
            Ok(pb::ProductState::Active) => Some(State::Active),
            Ok(pb::ProductState::Discontinued) => Some(State::Discontinued),
            Err(_) => {
                self.wrong("state", "is not a state of this version");
                None
            }
        }
    }

    fn checked(&mut self, field: &str, value: &str, rule: Result<(), String>) -> String {
        if let Err(rule) = rule {
            self.wrong(field, &rule);
        }
        value.to_owned()
    }

    fn at_most(&mut self, field: &str, number: usize, max: usize) {
        if number > max {
            self.wrong(field, &format!("must be at most {max}"));
        }
    }

    fn listed(&mut self, list: &str, index: usize, field: &str, rule: Result<(), String>) {
        if let Err(rule) = rule {
            self.wrong(&format!("{list}[{index}].{field}"), &rule);
        }
    }

    fn wrong(&mut self, field: &str, rule: &str) {
        self.violations.add(format!("{}{field}", self.prefix), rule);
    }
}

/// A category's path; `None` if it is wrong.
pub(super) fn path(path: &pb::CategoryPath, field: &str, violations: &mut Violations) -> Option<CategoryPath> {
    if path.names.is_empty() || path.names.len() > CategoryPath::NAMES_MAX {
        violations.add(format!("{field}.names"), format!("must be 1 to {} names", CategoryPath::NAMES_MAX));
        return None;
    }
    let mut valid = true;
    for (index, name) in path.names.iter().enumerate() {
        if let Err(rule) = text::required_line(name, CategoryPath::NAME_MAX) {
            violations.add(format!("{field}.names[{index}]"), rule);
            valid = false;
        }
    }
    valid.then(|| CategoryPath::new(path.names.clone()))
}

/// The fields that an update without a mask sets: those that are not empty.
pub(super) fn populated(product: &pb::Product) -> Fields {
    let set = |field: &Field| match field {
        Field::Name => !product.name.is_empty(),
        Field::Description => !product.description.is_empty(),
        Field::Brand => !product.brand.is_empty(),
        Field::Categories => !product.categories.is_empty(),
        Field::Price => product.price.is_some(),
        Field::ListPrice => product.list_price.is_some(),
        Field::Pictures => !product.pictures.is_empty(),
        Field::Attributes => !product.attributes.is_empty(),
        Field::Rating => product.rating.is_some(),
        Field::Sku => !product.sku.is_empty(),
        Field::State => product.state != 0,
    };
    Field::ALL.into_iter().filter(set).collect()
}
