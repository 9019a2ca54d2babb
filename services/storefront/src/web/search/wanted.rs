//! What somebody is looking for, as an address has it, and how it becomes a request and an address again.

use contracts::{
    google::r#type as google,
    search::v1::{SearchFilter, SearchOrder, SearchProductsRequest},
};
use rpc::money::{Currency, Money};

use super::super::{
    category,
    query::{Link, Parameters},
};

/// The contract's limits.
const QUERY_CHARS_MAX: usize = 500;
const CATEGORIES_MAX: usize = 20;
const BRANDS_MAX: usize = 50;
const BRAND_CHARS_MAX: usize = 200;
/// Products on a page.
const PAGE_SIZE: i32 = 24;

/// The orders that can be chosen, by the word in the address; the first is the one without a word.
pub(super) const ORDERS: [(&str, &str, SearchOrder); 5] = [
    ("", "Best match", SearchOrder::Relevance),
    ("price", "Price, lowest first", SearchOrder::PriceAscending),
    ("-price", "Price, highest first", SearchOrder::PriceDescending),
    ("rating", "Best rated", SearchOrder::Rating),
    ("popular", "Most ordered", SearchOrder::Popularity),
];

/// A search as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) query: String,
    pub(super) categories: Vec<Vec<String>>,
    pub(super) brands: Vec<String>,
    /// Prices as they were written, in the currency of this code.
    pub(super) price_min: String,
    pub(super) price_max: String,
    pub(super) currency: String,
    /// Stars at least; 0: any.
    pub(super) rating: u8,
    pub(super) in_stock: bool,
    /// A word of [`ORDERS`].
    pub(super) order: &'static str,
    /// Exactly these words, whatever was probably meant.
    pub(super) is_exact: bool,
    pub(super) page: String,
}

/// What cannot be looked for, by the field that says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) query: Option<&'static str>,
    pub(super) price: Option<String>,
}

impl Wanted {
    /// What an address asks for; parameters that make no sense are left out.
    pub(super) fn read(parameters: &Parameters) -> Self {
        let paths = parameters.all("category").filter_map(category::parse);
        let is_brand = |brand: &&str| !brand.is_empty() && brand.chars().count() <= BRAND_CHARS_MAX;
        let brands = parameters.all("brand").filter(is_brand);
        let order = ORDERS.iter().find(|(word, ..)| *word == parameters.first("order"));
        Self {
            query: parameters.first("q").trim().to_owned(),
            categories: paths.take(CATEGORIES_MAX).collect(),
            brands: brands.take(BRANDS_MAX).map(str::to_owned).collect(),
            price_min: parameters.first("price_min").trim().to_owned(),
            price_max: parameters.first("price_max").trim().to_owned(),
            currency: parameters.first("currency").to_owned(),
            rating: parameters.first("rating").parse().ok().filter(|stars| *stars <= 4).unwrap_or(0),
            in_stock: parameters.first("in_stock") == "1",
            order: order.map_or("", |(word, ..)| word),
            is_exact: parameters.first("exact") == "1",
            page: parameters.first("page").to_owned(),
        }
    }

    /// The address that asks for this.
    pub(super) fn href(&self) -> String {
        let mut link = Link::to("/search").with("q", &self.query);
        for names in &self.categories {
            link = link.with("category", &category::written(names));
        }
        for brand in &self.brands {
            link = link.with("brand", brand);
        }
        let currency = if self.has_price() { &*self.currency } else { "" };
        let rating = if self.rating == 0 { String::new() } else { self.rating.to_string() };
        link.with("price_min", &self.price_min)
            .with("price_max", &self.price_max)
            .with("currency", currency)
            .with("rating", &rating)
            .with("in_stock", if self.in_stock { "1" } else { "" })
            .with("order", self.order)
            .with("exact", if self.is_exact { "1" } else { "" })
            .with("page", &self.page)
            .finish()
    }

    /// The same from its first page on, changed.
    pub(super) fn but(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = Self { page: String::new(), ..self.clone() };
        change(&mut changed);
        changed
    }

    /// The same of what was probably meant.
    pub(super) fn meaning(&self, query: &str) -> Self {
        self.but(|wanted| (wanted.query, wanted.is_exact) = (query.to_owned(), false))
    }

    pub(super) fn has_price(&self) -> bool {
        !self.price_min.is_empty() || !self.price_max.is_empty()
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.has_price() || !self.categories.is_empty() || !self.brands.is_empty() || self.rating > 0 || self.in_stock
    }

    /// What to ask search for, or what is wrong.
    pub(super) fn request(&self) -> Result<SearchProductsRequest, Faults> {
        let mut faults = Faults::default();
        if self.query.chars().count() > QUERY_CHARS_MAX {
            faults.query = Some("This is too long to look for: write at most 500 characters.");
        }
        let limits = self.prices().unwrap_or_else(|fault| {
            faults.price = Some(fault);
            (None, None)
        });
        if faults != Faults::default() {
            return Err(faults);
        }
        let order = ORDERS.iter().find(|(word, ..)| *word == self.order);
        Ok(SearchProductsRequest {
            query: self.query.clone(),
            filter: Some(SearchFilter {
                categories: self.categories.iter().map(|names| category::path(names)).collect(),
                brands: self.brands.clone(),
                price_min: limits.0.map(google::Money::from),
                price_max: limits.1.map(google::Money::from),
                rating_min: self.rating.into(),
                in_stock: self.in_stock,
            }),
            order: order.map_or(SearchOrder::Relevance, |(.., order)| *order).into(),
            page_size: PAGE_SIZE,
            page_token: self.page.clone(),
            include_facets: true,
            include_highlights: true,
        })
    }

    fn prices(&self) -> Result<(Option<Money>, Option<Money>), String> {
        if !self.has_price() {
            return Ok((None, None));
        }
        let currency = Currency::parse(&self.currency).ok_or("It is not known in which currency these prices are.")?;
        let limit = |text: &str| match text {
            "" => Ok(None),
            text => price(currency, text).map(Some),
        };
        let (min, max) = (limit(&self.price_min)?, limit(&self.price_max)?);
        match (min, max) {
            (Some(min), Some(max)) if max.minor() < min.minor() => {
                Err("The highest price must not be below the lowest.".to_owned())
            }
            limits => Ok(limits),
        }
    }
}

/// A price as somebody wrote it, with a point or a comma before its fraction: `12.50`, `12,5`, `1200`.
fn price(currency: Currency, text: &str) -> Result<Money, String> {
    let exponent = currency.exponent() as usize;
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return Err(format!("Write a price in {currency} as a number, such as {}.", example(currency)));
    }
    if fraction.len() > exponent {
        return Err(format!("{currency} has {exponent} digits after the point: write it as in {}.", example(currency)));
    }
    let minor = format!("{whole}{fraction:0<exponent$}").parse().map_err(|_| "This price is too high.".to_owned())?;
    Ok(Money::new(currency, minor))
}

fn example(currency: Currency) -> String {
    Money::new(currency, 25 * 10_i64.pow(currency.exponent())).to_string().replace(&format!(" {currency}"), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str) -> Wanted {
        Wanted::read(&Parameters::of(&address.parse().unwrap()))
    }

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let all = "/search?q=tea&category=Home%2FKitchen&category=Bath&brand=A%26B&price_min=1.50&price_max=20\
                   &currency=EUR&rating=3&in_stock=1&order=-price&exact=1&page=t";
        let wanted = read(all);
        assert_eq!(wanted.categories, [vec!["Home".to_owned(), "Kitchen".to_owned()], vec!["Bath".to_owned()]]);
        assert_eq!((read(&wanted.href()), wanted.href().as_str()), (wanted, all));
        assert_eq!(read("/search").href(), "/search");
        assert_eq!(
            read("/search?q=tea&page=t").but(|wanted| wanted.in_stock = true).href(),
            "/search?q=tea&in_stock=1"
        );
    }

    #[test]
    fn what_makes_no_sense_in_an_address_is_left_out() {
        let wanted = read("/search?category=a%2F%2Fb&rating=9&in_stock=maybe&order=sideways&utm_source=x&brand=");
        assert_eq!(wanted, Wanted::default());
        assert!(!wanted.is_filtered());
        assert_eq!(read(&format!("/search?{}", "brand=a&".repeat(190))).brands.len(), BRANDS_MAX);
    }

    #[test]
    fn prices_are_read_in_their_currency() {
        let euro = Currency::parse("EUR").unwrap();
        for (text, minor) in [("12", 1_200), ("12.5", 1_250), ("12,50", 1_250), ("0", 0), ("007", 700)] {
            assert_eq!(price(euro, text).map(Money::minor), Ok(minor), "{text}");
        }
        for text in ["x", "-1", "1.234", "1.2.3", "1,000.00", ".5", "1e3", &"9".repeat(30)] {
            assert!(price(euro, text).is_err(), "{text}");
        }
        assert_eq!(price(Currency::parse("JPY").unwrap(), "1500").map(Money::minor), Ok(1_500));
        assert!(price(Currency::parse("JPY").unwrap(), "1.5").is_err());
    }

    #[test]
    fn what_cannot_be_looked_for_is_said_by_its_field() {
        let faults = |address: &str| read(address).request().unwrap_err();
        assert!(faults(&format!("/search?q={}", "x".repeat(501))).query.is_some());
        assert!(faults("/search?price_min=1").price.unwrap().contains("currency"));
        assert!(faults("/search?price_min=5&price_max=4&currency=EUR").price.unwrap().contains("below"));
        assert_eq!(read(&format!("/search?q={}", "é".repeat(500))).request().unwrap().query.chars().count(), 500);
    }
}
