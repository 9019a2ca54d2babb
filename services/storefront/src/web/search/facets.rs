//! What the filters could be set to, as links and as fields of the one form.

use contracts::search::v1::Facets;

use super::{
    super::{
        amount::Language,
        category::{self, Crumb},
        text::{grouped, shown},
    },
    wanted::{ORDERS, Wanted},
};

/// Values of a filter that are shown.
const VALUES_SHOWN: usize = 12;

/// The filters beside the results.
#[derive(Default)]
pub(super) struct Filters {
    /// What is set, and where the same is without it.
    pub(super) set: Vec<Crumb>,
    pub(super) categories: Vec<(Crumb, String)>,
    pub(super) brands: Vec<Choice>,
    pub(super) prices: Vec<(Crumb, String)>,
    pub(super) ratings: Vec<Choice>,
    pub(super) orders: Vec<Choice>,
    pub(super) in_stock_count: String,
    /// Of the prices that can be written.
    pub(super) currency: String,
    /// The categories that are set, for the form to keep.
    pub(super) paths: Vec<String>,
}

/// A value that can be chosen in the form.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    /// Empty where it is not counted.
    pub(super) count: String,
    pub(super) is_chosen: bool,
}

impl Filters {
    pub(super) fn of(wanted: &Wanted, facets: &Facets, language: &Language) -> Self {
        Self {
            set: set(wanted),
            categories: categories(wanted, facets),
            brands: brands(wanted, facets),
            prices: prices(wanted, facets, language),
            ratings: ratings(wanted, facets),
            orders: ORDERS.iter().map(|(word, label, _)| choice(word, label, "", wanted.order == *word)).collect(),
            in_stock_count: counted(facets.in_stock_count),
            currency: currency(wanted, facets),
            paths: wanted.categories.iter().map(|names| category::written(names)).collect(),
        }
    }
}

fn choice(value: &str, label: &str, count: &str, is_chosen: bool) -> Choice {
    Choice { value: value.into(), label: label.into(), count: count.into(), is_chosen }
}

/// A count; none where nothing was counted.
fn counted(count: i64) -> String {
    if count == 0 { String::new() } else { grouped(count) }
}

/// Every filter that is set, with the address of the same search without it.
fn set(wanted: &Wanted) -> Vec<Crumb> {
    let mut set = Vec::new();
    let mut add = |name: String, without: Wanted| set.push(Crumb { name, href: without.href() });
    for (index, names) in wanted.categories.iter().enumerate() {
        let name = names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(" › ");
        add(name, wanted.but(|wanted| drop(wanted.categories.remove(index))));
    }
    for (index, brand) in wanted.brands.iter().enumerate() {
        add(shown(brand), wanted.but(|wanted| drop(wanted.brands.remove(index))));
    }
    if wanted.has_price() {
        let name = match (&*wanted.price_min, &*wanted.price_max) {
            ("", max) => format!("up to {max} {}", wanted.currency),
            (min, "") => format!("from {min} {}", wanted.currency),
            (min, max) => format!("{min} to {max} {}", wanted.currency),
        };
        let without = wanted.but(|wanted| (wanted.price_min, wanted.price_max) = (String::new(), String::new()));
        add(shown(&name), without);
    }
    if wanted.rating > 0 {
        add(format!("{} stars or more", wanted.rating), wanted.but(|wanted| wanted.rating = 0));
    }
    if wanted.in_stock {
        add("in stock".into(), wanted.but(|wanted| wanted.in_stock = false));
    }
    set
}

fn categories(wanted: &Wanted, facets: &Facets) -> Vec<(Crumb, String)> {
    let below = facets.categories.iter().take(VALUES_SHOWN).filter_map(|facet| {
        let names = &facet.category.as_ref()?.names;
        let href = wanted.but(|wanted| wanted.categories = vec![names.clone()]).href();
        Some((Crumb { name: shown(names.last()?), href }, grouped(facet.count)))
    });
    below.collect()
}

/// Those that are chosen first, whether they are still counted or not.
fn brands(wanted: &Wanted, facets: &Facets) -> Vec<Choice> {
    let count_of =
        |brand: &String| facets.brands.iter().find(|facet| facet.brand == *brand).map_or(0, |facet| facet.count);
    let chosen = wanted.brands.iter().map(|brand| (brand, count_of(brand), true));
    let others = facets.brands.iter().filter(|facet| !facet.brand.is_empty() && !wanted.brands.contains(&facet.brand));
    let others = others.map(|facet| (&facet.brand, facet.count, false));
    let most = VALUES_SHOWN.max(wanted.brands.len());
    let all = chosen.chain(others).take(most);
    all.map(|(brand, count, is_chosen)| choice(brand, &shown(brand), &counted(count), is_chosen)).collect()
}

fn prices(wanted: &Wanted, facets: &Facets, language: &Language) -> Vec<(Crumb, String)> {
    let ranges = facets.prices.iter().filter_map(|facet| {
        let (min, max) = (facet.price_min.as_ref()?, facet.price_max.as_ref()?);
        let name = format!("{} – {}", language.read(min)?.text, language.read(max)?.text);
        let (plain_min, plain_max) = (plain(min)?, plain(max)?);
        let within = wanted.but(|wanted| {
            (wanted.price_min, wanted.price_max, wanted.currency) = (plain_min, plain_max, min.currency_code.clone());
        });
        Some((Crumb { name, href: within.href() }, grouped(facet.count)))
    });
    ranges.collect()
}

/// As a price is written into a field.
fn plain(money: &contracts::google::r#type::Money) -> Option<String> {
    let text = rpc::money::Money::try_from(money).ok()?.to_string();
    text.split(' ').next().map(str::to_owned)
}

fn ratings(wanted: &Wanted, facets: &Facets) -> Vec<Choice> {
    let any = choice("", "Any", "", wanted.rating == 0);
    let stars = (1..=4_u8).rev().map(|stars| {
        let facet = facets.ratings.iter().find(|facet| (facet.rating_min - f64::from(stars)).abs() < 0.01);
        let count = counted(facet.map_or(0, |facet| facet.count));
        let label = if stars == 1 { "1 star or more".to_owned() } else { format!("{stars} stars or more") };
        choice(&stars.to_string(), &label, &count, wanted.rating == stars)
    });
    std::iter::once(any).chain(stars).collect()
}

fn currency(wanted: &Wanted, facets: &Facets) -> String {
    if wanted.has_price() && !wanted.currency.is_empty() {
        return shown(&wanted.currency);
    }
    let first = facets.prices.first().and_then(|facet| facet.price_min.as_ref());
    first.map(|money| money.currency_code.clone()).unwrap_or_default()
}
