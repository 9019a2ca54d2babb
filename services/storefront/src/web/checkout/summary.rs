//! What an order costs, line by line, as checkout and the page of an order show it.

use contracts::{
    cart::v1::Cart,
    checkout::v1::{OrderAmounts, OrderLine, ShippingOption},
};

use super::super::{
    amount::{Amount, Language},
    card::href,
    cart::{cost_of, sold, subtotal_of},
    picture::Picture,
    text::{grouped, shown},
};

/// Products and sums.
#[derive(Clone, Debug)]
pub(in super::super) struct Summary {
    pub(in super::super) lines: Vec<Line>,
    pub(in super::super) subtotal: Option<Amount>,
    pub(in super::super) shipping: Option<Amount>,
    pub(in super::super) tax: Option<Amount>,
    /// The tax is in the prices already.
    pub(in super::super) is_tax_included: bool,
    pub(in super::super) total: Option<Amount>,
}

#[derive(Clone, Debug)]
pub(in super::super) struct Line {
    pub(in super::super) href: String,
    pub(in super::super) name: String,
    pub(in super::super) picture: Option<Picture>,
    pub(in super::super) quantity: String,
    pub(in super::super) total: Option<Amount>,
    /// For how many of them money was given back.
    pub(in super::super) refunded: Option<String>,
}

impl Summary {
    pub(in super::super) fn of(lines: &[OrderLine], amounts: &OrderAmounts, language: &Language) -> Self {
        let write = |money: &Option<_>| money.as_ref().and_then(|money| language.read(money));
        let has_tax = amounts.tax.as_ref().is_some_and(|tax| tax.units != 0 || tax.nanos != 0);
        Self {
            lines: lines.iter().map(|line| Line::of(line, language)).collect(),
            subtotal: write(&amounts.subtotal),
            shipping: write(&amounts.shipping),
            tax: write(&amounts.tax).filter(|_| has_tax),
            is_tax_included: amounts.tax_included,
            total: write(&amounts.total),
        }
    }

    /// What is in a cart, before anything is known of its delivery.
    pub(super) fn of_cart(cart: &Cart, language: &Language) -> Self {
        let lines = sold(cart).map(|item| Line {
            href: href(&item.product_id),
            name: shown(&item.name),
            picture: Picture::at(&item.picture_uri, ""),
            quantity: grouped(item.quantity),
            total: cost_of(item).map(|cost| language.write(cost)),
            refunded: None,
        });
        Self {
            lines: lines.collect(),
            subtotal: subtotal_of(cart).map(|sum| language.write(sum)),
            shipping: None,
            tax: None,
            is_tax_included: false,
            total: None,
        }
    }

    pub(in super::super) fn has_foreign_pictures(&self) -> bool {
        self.lines.iter().any(|line| line.picture.as_ref().is_some_and(|picture| picture.is_foreign))
    }

    /// The names of these products.
    pub(in super::super) fn names(&self, products: &[String]) -> String {
        let wanted: Vec<_> = products.iter().map(|id| href(id)).collect();
        let names = self.lines.iter().filter(|line| wanted.contains(&line.href)).map(|line| line.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }
}

impl Line {
    fn of(line: &OrderLine, language: &Language) -> Self {
        Self {
            href: href(&line.product_id),
            name: shown(&line.name),
            // The name stands beside it.
            picture: Picture::at(&line.picture_uri, ""),
            quantity: grouped(line.quantity),
            total: line.total.as_ref().and_then(|total| language.read(total)),
            refunded: (line.refunded_quantity > 0).then(|| grouped(line.refunded_quantity)),
        }
    }
}

/// How long a delivery takes.
pub(in super::super) fn days(option: &ShippingOption) -> String {
    match (option.days_min, option.days_max) {
        (1, 1) => "1 working day".into(),
        (min, max) if min == max => format!("{min} working days"),
        (min, max) => format!("{min} to {max} working days"),
    }
}
