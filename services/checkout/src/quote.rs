//! What a cart costs, delivered to a place: sums that are exact, or a refusal.

use rpc::money::{Currency, Money};

use crate::order::{Amounts, Destination, Line, ShippingOption};
use crate::shipping::Shipping;
use crate::tax::Taxes;
use rpc::Capability;

/// The highest amount in units of a currency.
pub(crate) const UNITS_MAX: i64 = 1_000_000_000_000;
/// How long a quote is good for. Microseconds.
pub(crate) const LIFE_US: i64 = 15 * 60 * 1_000_000;
/// The most characters of a product's name that are kept.
const NAME_MAX: usize = 200;

/// A cart as far as it is quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cart {
    pub(crate) etag: String,
    /// `None`: it is empty.
    pub(crate) currency: Option<Currency>,
    /// Product and quantity.
    pub(crate) items: Vec<(String, u32)>,
}

/// A product as far as it is quoted. One that is no longer sold is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) picture_uri: String,
    pub(crate) price: Money,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) cart: Capability,
    pub(crate) destination: Destination,
    /// `None`: the cheapest.
    pub(crate) shipping: Option<String>,
}

/// What a cart would cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quote {
    pub(crate) cart: Capability,
    pub(crate) cart_etag: String,
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<Line>,
    pub(crate) amounts: Amounts,
    pub(crate) shipping: ShippingOption,
    pub(crate) options: Vec<ShippingOption>,
    pub(crate) destination: Destination,
    /// Microseconds since 1970.
    pub(crate) expire_us: i64,
}

impl Quote {
    /// What is to be paid.
    pub(crate) fn total(&self) -> Money {
        Money::new(self.currency, self.amounts.total)
    }
}

/// Why there is no quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unquotable {
    CartEmpty,
    /// These products cannot be ordered, and why.
    Unavailable(Vec<(String, &'static str)>),
    NotServed,
    NoSuchOption,
    NothingToPay,
    TooLarge,
}

/// The rates of a shop.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    pub(crate) taxes: Taxes,
    pub(crate) shipping: Shipping,
}

impl Rates {
    /// Quotes a cart whose products are these, in any order.
    ///
    /// # Errors
    /// Why there is no quote.
    pub(crate) fn quote(
        &self,
        wish: &Wish,
        cart: &Cart,
        products: &[Product],
        now_us: i64,
    ) -> Result<Quote, Unquotable> {
        let currency = cart.currency.filter(|_| !cart.items.is_empty()).ok_or(Unquotable::CartEmpty)?;
        let lines = lines(cart, currency, products)?;
        let options = self.shipping.options(&wish.destination.country, currency);
        let cheapest = options.first().ok_or(Unquotable::NotServed)?;
        let shipping = match &wish.shipping {
            None => cheapest,
            Some(id) => options.iter().find(|option| option.id == *id).ok_or(Unquotable::NoSuchOption)?,
        };
        let shipping = shipping.clone();
        let amounts = self.amounts(&wish.destination, currency, &lines, shipping.price)?;
        Ok(Quote {
            cart: wish.cart.clone(),
            cart_etag: cart.etag.clone(),
            currency,
            lines,
            amounts,
            shipping,
            options,
            destination: wish.destination.clone(),
            expire_us: now_us.saturating_add(LIFE_US),
        })
    }

    fn amounts(
        &self,
        place: &Destination,
        currency: Currency,
        lines: &[Line],
        shipping: i64,
    ) -> Result<Amounts, Unquotable> {
        let sum = |one: i64, other: i64| one.checked_add(other).ok_or(Unquotable::TooLarge);
        let subtotal = lines.iter().try_fold(0, |all, line| sum(all, line.total))?;
        let base = sum(subtotal, shipping)?;
        let rate = self.taxes.rate(place);
        let tax = rate.of(base).ok_or(Unquotable::TooLarge)?;
        let total = if rate.included { base } else { sum(base, tax)? };
        let most = Money::from_units(currency, UNITS_MAX, 0).map_or(i64::MAX, Money::minor);
        match total {
            0 => Err(Unquotable::NothingToPay),
            total if total > most => Err(Unquotable::TooLarge),
            total => Ok(Amounts { subtotal, shipping, tax, tax_included: rate.included, total }),
        }
    }
}

/// The cart's items with what the catalog says of them now.
fn lines(cart: &Cart, currency: Currency, products: &[Product]) -> Result<Vec<Line>, Unquotable> {
    let (mut lines, mut unavailable) = (Vec::with_capacity(cart.items.len()), Vec::new());
    for (id, quantity) in &cart.items {
        match products.iter().find(|product| product.id == *id) {
            None => unavailable.push((id.clone(), "it is no longer sold")),
            Some(product) if product.price.currency() != currency => {
                unavailable.push((id.clone(), "it is priced in another currency than the cart"));
            }
            Some(product) => {
                let unit_price = product.price.minor();
                let total = unit_price.checked_mul((*quantity).into()).ok_or(Unquotable::TooLarge)?;
                lines.push(Line {
                    product: id.clone(),
                    name: product.name.chars().take(NAME_MAX).collect(),
                    picture_uri: product.picture_uri.clone(),
                    quantity: *quantity,
                    unit_price,
                    total,
                });
            }
        }
    }
    if unavailable.is_empty() { Ok(lines) } else { Err(Unquotable::Unavailable(unavailable)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rates(taxes: &str) -> Rates {
        Rates { taxes: taxes.parse().unwrap(), shipping: "* post 1-2 *=300 Post".parse().unwrap() }
    }

    fn euro() -> Currency {
        Currency::parse("EUR").unwrap()
    }

    fn quoted(rates: &Rates, prices: &[(i64, u32)]) -> Result<Quote, Unquotable> {
        let destination = Destination { country: "DE".into(), region: String::new(), postal_code: String::new() };
        let cart = Capability::parse(&"0".repeat(32)).unwrap();
        let wish = Wish { cart, destination, shipping: None };
        let item = |(index, (_, quantity)): (usize, &(i64, u32))| (format!("p{index}"), *quantity);
        let items = prices.iter().enumerate().map(item).collect();
        let product = |(index, (price, _)): (usize, &(i64, u32))| Product {
            id: format!("p{index}"),
            name: "ü".repeat(300),
            picture_uri: String::new(),
            price: Money::new(euro(), *price),
        };
        let products: Vec<_> = prices.iter().enumerate().map(product).collect();
        rates.quote(&wish, &Cart { etag: "1".into(), currency: Some(euro()), items }, &products, 0)
    }

    #[test]
    fn a_total_that_is_too_large_or_nothing_at_all_is_refused() {
        let free = Rates { shipping: "* post 1-2 *=0 Post".parse().unwrap(), ..rates("") };
        assert_eq!(quoted(&free, &[(0, 3)]), Err(Unquotable::NothingToPay));
        let most = UNITS_MAX * 100;
        assert_eq!(quoted(&free, &[(most, 1)]).unwrap().amounts.total, most);
        assert_eq!(quoted(&free, &[(most, 1), (1, 1)]), Err(Unquotable::TooLarge));
        assert_eq!(quoted(&free, &[(i64::MAX, 10_000)]), Err(Unquotable::TooLarge));
        assert_eq!(quoted(&rates("DE 10000"), &[(i64::MAX - 300, 1)]), Err(Unquotable::TooLarge));
    }

    proptest! {
        #[test]
        fn a_quote_adds_up_or_is_refused_whatever_things_cost(
            prices in proptest::collection::vec((0..=i64::MAX, 1_u32..=10_000), 1..100),
            small in proptest::collection::vec((0_i64..1_000_000, 1_u32..=10_000), 1..100),
            basis_points in 0..=10_000_i64,
            included: bool,
        ) {
            let rates = rates(&format!("DE {basis_points}{}", if included { " included" } else { "" }));
            for prices in [prices, small] {
                let Ok(quote) = quoted(&rates, &prices) else { continue };
                let amounts = quote.amounts;
                prop_assert_eq!(amounts.subtotal, quote.lines.iter().map(|line| line.total).sum::<i64>());
                prop_assert!(quote.lines.iter().all(|line| line.total == line.unit_price * i64::from(line.quantity)));
                let on_top = if included { 0 } else { amounts.tax };
                prop_assert_eq!(amounts.total, amounts.subtotal + amounts.shipping + on_top);
                prop_assert!(amounts.tax >= 0 && amounts.total <= UNITS_MAX * 100);
                prop_assert!(quote.lines.iter().all(|line| line.name.chars().count() == NAME_MAX));
            }
        }
    }
}
