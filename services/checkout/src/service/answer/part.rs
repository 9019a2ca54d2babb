//! The parts of orders and quotes in the contract's terms.

use contracts::checkout::v1 as pb;
use contracts::google::r#type::Money as Price;
use rpc::money::{Currency, Money};

use crate::order::{Address, Amounts, Destination, Line, ShippingOption, Tracking, Units};

pub(super) fn line(currency: Currency, line: &Line, refunded: u32) -> pb::OrderLine {
    pb::OrderLine {
        product_id: line.product.clone(),
        name: line.name.clone(),
        picture_uri: line.picture_uri.clone(),
        quantity: number(line.quantity),
        unit_price: price(currency, line.unit_price),
        total: price(currency, line.total),
        refunded_quantity: number(refunded),
    }
}

pub(super) fn amounts(currency: Currency, amounts: &Amounts) -> pb::OrderAmounts {
    pb::OrderAmounts {
        subtotal: price(currency, amounts.subtotal),
        shipping: price(currency, amounts.shipping),
        tax: price(currency, amounts.tax),
        tax_included: amounts.tax_included,
        total: price(currency, amounts.total),
    }
}

pub(super) fn option(currency: Currency, option: &ShippingOption) -> pb::ShippingOption {
    pb::ShippingOption {
        option_id: option.id.clone(),
        display_name: option.name.clone(),
        price: price(currency, option.price),
        days_min: option.days_min.into(),
        days_max: option.days_max.into(),
    }
}

pub(super) fn address(address: &Address) -> pb::Address {
    pb::Address {
        recipient: address.recipient.clone(),
        lines: address.lines.clone(),
        locality: address.locality.clone(),
        destination: Some(destination(&address.destination)),
        phone: address.phone.clone(),
    }
}

pub(super) fn destination(place: &Destination) -> pb::Destination {
    pb::Destination {
        country_code: place.country.clone(),
        region: place.region.clone(),
        postal_code: place.postal_code.clone(),
    }
}

pub(super) fn tracking(tracking: &Tracking) -> pb::Tracking {
    pb::Tracking {
        carrier: tracking.carrier.clone(),
        tracking_number: tracking.number.clone(),
        uri: tracking.uri.clone(),
    }
}

pub(super) fn refund_line(units: &Units) -> pb::RefundLine {
    pb::RefundLine { product_id: units.product.clone(), quantity: number(units.quantity) }
}

pub(super) fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn price(currency: Currency, minor: i64) -> Option<Price> {
    Some(Money::new(currency, minor).into())
}
