//! Makes a product of a row, and of the rows that continue it.
//!
//! What the catalog takes less of is cut, not refused: whoever has a name and a price is imported.

use contracts::catalog::v1::{Attribute, CategoryPath, Picture, Product, Rating};
use prost::Message as _;
use rpc::money::Currency;

use super::{
    attribute::Attributes,
    category, cell,
    columns::Columns,
    html, identity,
    names::{self, Field},
    picture,
    price::{self, Price, Prices},
    rating::{self, Scale},
    records::Record,
    rejection::{Kind, Reason},
    stock::{self, Stock},
};

/// The catalog's limits, in characters, and of the whole in bytes.
const NAME_MAX: usize = 1_000;
const DESCRIPTION_MAX: usize = 10_000;
const BRAND_MAX: usize = 200;
const SKU_MAX: usize = 100;
const ENCODED_MAX: usize = 32 * 1024;

/// Units of a product of which a file says that there are some, unless the caller says how many.
pub(super) const SOME_UNITS: i64 = 10;
/// Values of an option that are kept.
const VALUES_MAX: usize = 100;
/// What a shop's program calls the option of a product without options.
const NO_OPTION: &str = "Default Title";
/// Bytes of the rows that continue a product which are kept, in case it is refused.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// What the caller said about all products.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given {
    pub(super) currency: Option<Currency>,
    pub(super) stock: Option<i64>,
}

/// How the rows of a file become products.
#[derive(Clone, Debug)]
pub(super) struct Mapper {
    pub(super) columns: Columns,
    pub(super) prices: Prices,
    given: Given,
    category: category::Style,
    scale: Scale,
    stock: Vec<(usize, bool)>,
}

/// A product that later rows may continue.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// The rows it is made of, the first one first.
    pub(super) rows: Vec<Record>,
    kept_bytes: usize,
    key: Option<String>,
    price: Result<Price, Reason>,
    pictures: Vec<String>,
    stock: Option<Stock>,
    /// The names of its options, with the values of all variants.
    options: Vec<(String, Vec<String>)>,
}

/// A product as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Made {
    pub(super) product: Product,
    /// How many units there are, where that is known.
    pub(super) units: Option<i64>,
    /// Whether something was too long.
    pub(super) shortened: bool,
    /// Whether its price had a fraction that its currency has not.
    pub(super) rounded: bool,
}

impl Mapper {
    pub(super) fn new(columns: Columns, sample: &[Record], given: Given) -> Self {
        let cells = |field: Field| {
            let column = columns.of(field).first().copied();
            sample.iter().filter_map(move |row| Some(row.get(column?)))
        };
        let header = columns.of(Field::Category).first().map(|column| names::normal(&columns.header[*column]));
        // 1 and 0 under a name that asks are an answer; beside any other number they are numbers too.
        let is_flag = |column: usize| {
            let mut values = sample.iter().filter_map(|row| cell::some(row.get(column)));
            stock::is_flag(&names::normal(&columns.header[column])) && values.all(|value| ["0", "1"].contains(&value))
        };
        let stock = columns.of(Field::Stock).iter().map(|column| (*column, is_flag(*column))).collect();
        Self {
            prices: Prices::new(&columns, sample, given.currency),
            category: category::Style::of(&header.unwrap_or_default(), &cells(Field::Category)),
            scale: Scale::of(cells(Field::Rating)),
            stock,
            given,
            columns,
        }
    }

    /// Begins a product with its first row.
    pub(super) fn begin(&self, row: Record) -> Draft {
        let key = self.text(Field::Id, &row).map(str::to_owned);
        let price = self.prices.price(&row);
        let mut draft = Draft {
            rows: Vec::new(),
            kept_bytes: 0,
            key,
            price,
            pictures: Vec::new(),
            stock: None,
            options: Vec::new(),
        };
        self.add_variant(&mut draft, &row);
        draft.rows.push(row);
        draft
    }

    /// Whether a row says more about the product before it: it has the same id, and no name.
    pub(super) fn continues(&self, draft: &Draft, row: &Record) -> bool {
        let key = self.text(Field::Id, row);
        key.is_some() && key == draft.key.as_deref() && self.text(Field::Name, row).is_none()
    }

    /// Adds such a row.
    pub(super) fn add(&self, draft: &mut Draft, row: Record) {
        if draft.price.is_err() && self.prices.has_any(&row) {
            draft.price = self.prices.price(&row);
        }
        self.add_variant(draft, &row);
        draft.kept_bytes += row.bytes();
        if draft.kept_bytes <= KEPT_BYTES_MAX {
            draft.rows.push(row);
        }
    }

    /// The product, once all its rows are there.
    pub(super) fn finish(&self, draft: &Draft) -> Result<Made, Reason> {
        let row = &draft.rows[0];
        self.check_width(row)?;
        let name = self.text(Field::Name, row).map(|name| cell::line(&html::text(name))).unwrap_or_default();
        if name.is_empty() {
            return Err(Kind::NoName.because("its name is empty"));
        }
        let price = draft.price.clone()?;
        let before = self.prices.list_price(row, price.money);
        let line = |field, max: usize| {
            let text = self.text(field, row).map(|text| cell::line(&html::text(&named(text)))).unwrap_or_default();
            cell::cut(&text, max).to_owned()
        };
        let (brand, sku) = (line(Field::Brand, BRAND_MAX), line(Field::Sku, SKU_MAX));
        let descriptions = self.columns.of(Field::Description).iter();
        let description = descriptions.filter_map(|column| cell::some(row.get(*column))).map(described);
        let description = description.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let attributes = self.attributes(draft, row);
        let picture = |uri: &String| Picture { uri: uri.clone(), alt_text: String::new() };
        let attribute = |(name, value): (String, String)| Attribute { name, value };
        let mut product = Product {
            product_id: self.id(draft, &name, &brand, &sku, &attributes),
            name: cell::cut(&name, NAME_MAX).to_owned(),
            description: cell::cut(&description, DESCRIPTION_MAX).to_owned(),
            brand,
            categories: self.categories(row),
            price: Some(price::on_the_wire(price.money)),
            list_price: before.map(price::on_the_wire),
            pictures: draft.pictures.iter().map(picture).collect(),
            attributes: attributes.0.into_iter().map(attribute).collect(),
            rating: self.rating(row),
            sku,
            ..Product::default()
        };
        let shortened = product.name.len() < name.len() || product.description.len() < description.len();
        let shortened = fit(&mut product) || shortened;
        Ok(Made { product, units: self.units(draft), shortened, rounded: price.rounded })
    }

    /// What the field's first column says.
    fn text<'a>(&self, field: Field, row: &'a Record) -> Option<&'a str> {
        cell::some(row.get(*self.columns.of(field).first()?))
    }

    fn check_width(&self, row: &Record) -> Result<(), Reason> {
        let (cells, columns) = (row.len(), self.columns.header.len());
        let more = (columns..cells).any(|index| !row.get(index).trim().is_empty());
        match more {
            true => Err(Kind::TooManyCells.because(format!("it has {cells} cells, the header {columns}"))),
            false => Ok(()),
        }
    }

    /// What each variant adds: pictures, units, values of options.
    fn add_variant(&self, draft: &mut Draft, row: &Record) {
        for column in self.columns.of(Field::Picture) {
            picture::add(row.get(*column), &mut draft.pictures);
        }
        let units = self.stock.iter().find_map(|(column, is_flag)| stock::read(row.get(*column), *is_flag));
        draft.stock = match (draft.stock, units) {
            (Some(known), Some(more)) => Some(known.and(more)),
            (known, more) => known.or(more),
        };
        for (place, (name, value)) in self.columns.pairs.iter().enumerate() {
            if draft.options.len() <= place {
                draft.options.push((row.get(*name).trim().to_owned(), Vec::new()));
            }
            let Some(value) = cell::some(row.get(*value)).filter(|value| *value != NO_OPTION) else { continue };
            let values = &mut draft.options[place].1;
            if values.len() < VALUES_MAX && !values.iter().any(|known| known == value) {
                values.push(value.to_owned());
            }
        }
    }

    fn id(&self, draft: &Draft, name: &str, brand: &str, sku: &str, attributes: &Attributes) -> String {
        let own = draft.key.as_deref().or(Some(sku).filter(|sku| !sku.is_empty()));
        own.map_or_else(
            || {
                // Not of what changes from one export to the next: price, stock, ratings.
                let pairs = attributes.0.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
                identity::derive(name, &[name, brand].into_iter().chain(pairs).collect::<Vec<_>>())
            },
            identity::of,
        )
    }

    fn categories(&self, row: &Record) -> Vec<CategoryPath> {
        let path = |names: Vec<String>| CategoryPath { names };
        if !self.columns.levels.is_empty() {
            return category::levels(self.columns.levels.iter().map(|column| row.get(*column)))
                .into_iter()
                .map(path)
                .collect();
        }
        let text = self.text(Field::Category, row).unwrap_or_default();
        self.category.paths(text).into_iter().map(path).collect()
    }

    fn attributes(&self, draft: &Draft, row: &Record) -> Attributes {
        let mut attributes = Attributes::default();
        for (name, values) in &draft.options {
            attributes.add(name, &values.join(", "));
        }
        for column in self.columns.of(Field::Attributes) {
            attributes.add_cell(&self.columns.header[*column], row.get(*column));
        }
        for column in &self.columns.leftovers {
            let name = title(&self.columns.header[*column]);
            if !attributes.has(&name) {
                attributes.add_column(&name, row.get(*column));
            }
        }
        attributes
    }

    fn rating(&self, row: &Record) -> Option<Rating> {
        let text = self.text(Field::Rating, row)?;
        let average = self.scale.stars(text)?;
        // An object of ratings has both in one cell.
        let both = || cell::value(text).and_then(|_| rating::count(text));
        let count = self.text(Field::Reviews, row).and_then(rating::count).or_else(both).unwrap_or_default();
        Some(Rating { average, count })
    }

    fn units(&self, draft: &Draft) -> Option<i64> {
        let units = draft.stock.map(|stock| stock.units(self.given.stock.unwrap_or(SOME_UNITS)));
        units.or(self.given.stock)
    }
}

/// A description may be a list of sentences.
fn described(text: &str) -> String {
    let list = cell::value(text);
    let sentences = list.as_ref().and_then(|value| value.as_array()).map(|list| list.iter().filter_map(cell::scalar));
    sentences.map_or_else(|| html::text(text), |list| list.map(|it| html::text(&it)).collect::<Vec<_>>().join("\n"))
}

/// A brand may be an object with a name.
fn named(text: &str) -> String {
    let object = cell::value(text);
    let name = object.as_ref().and_then(|value| value.as_object()).and_then(|it| cell::member(it, &["name", "title"]));
    name.and_then(cell::scalar).unwrap_or_else(|| text.to_owned())
}

/// The header of an attribute as people read it: `main_colour` is `Main colour`.
fn title(header: &str) -> String {
    let words = header.replace('_', " ");
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Cuts a product to the bytes that the catalog takes. Says whether that was necessary.
fn fit(product: &mut Product) -> bool {
    let whole = product.encoded_len() <= ENCODED_MAX;
    while product.encoded_len() > ENCODED_MAX {
        // What people miss least goes first.
        if product.attributes.pop().is_some() {
        } else if product.pictures.len() > 1 {
            product.pictures.pop();
        } else if !product.description.is_empty() {
            let half = product.description.chars().count() / 2;
            product.description = cell::cut(&product.description, half).to_owned();
        } else if product.categories.pop().is_none() {
            break;
        }
    }
    !whole
}
