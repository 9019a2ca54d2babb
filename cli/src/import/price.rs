//! What a product costs, in which currency: a price, its column and its row have a say in that.

use std::collections::BTreeMap;

use contracts::google::r#type as pb;
use rpc::money::{Currency, Money};
use serde_json::Value;

use super::{
    cell,
    columns::Columns,
    currency,
    names::Field,
    number::{self, Amount, Written},
    records::Record,
    rejection::{Kind, Reason},
};

/// How the prices of a file are read.
#[derive(Clone, Debug)]
pub(super) struct Prices {
    columns: Vec<usize>,
    list_columns: Vec<usize>,
    currency_column: Option<usize>,
    style: Option<number::Style>,
    /// What the headers of the columns say.
    in_header: BTreeMap<usize, currency::Written>,
    fallback: Option<Currency>,
}

/// A price, and whether something below the coin was rounded away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Price {
    pub(super) money: Money,
    pub(super) rounded: bool,
}

impl Prices {
    pub(super) fn new(columns: &Columns, sample: &[Record], fallback: Option<Currency>) -> Self {
        let all = || columns.of(Field::Price).iter().chain(columns.of(Field::ListPrice)).copied();
        let cells = sample.iter().flat_map(|row| all().map(|column| row.get(column))).filter_map(cell::some);
        let in_header =
            all().filter_map(|column| Some((column, currency::Written::in_header(&columns.header[column])?)));
        Self {
            columns: columns.of(Field::Price).to_vec(),
            list_columns: columns.of(Field::ListPrice).to_vec(),
            currency_column: columns.of(Field::Currency).first().copied(),
            style: number::style(cells),
            in_header: in_header.collect(),
            fallback,
        }
    }

    /// What it costs now.
    pub(super) fn price(&self, row: &Record) -> Result<Price, Reason> {
        let mut wrong = None;
        let mut free = None;
        for column in &self.columns {
            let Some(text) = cell::some(row.get(*column)) else { continue };
            match self.read(text, *column, row) {
                // A sale price of nothing says that there is no sale.
                Ok(price) if price.money.minor() == 0 => free = free.or(Some(price)),
                Ok(price) => return Ok(price),
                Err(reason) => wrong = wrong.or(Some(reason)),
            }
        }
        match (free, wrong) {
            (_, Some(reason)) => Err(reason),
            (Some(price), None) => Ok(price),
            (None, None) => Err(Kind::NoPrice.because("its price is empty")),
        }
    }

    /// What it cost before, if that is more than `price`.
    pub(super) fn list_price(&self, row: &Record, price: Money) -> Option<Money> {
        let read = |column: &usize| self.read(cell::some(row.get(*column))?, *column, row).ok();
        let before = self.list_columns.iter().find_map(read)?.money;
        (before.currency() == price.currency() && before.minor() > price.minor()).then_some(before)
    }

    /// Whether the cell of a column holds a price at all.
    pub(super) fn has_any(&self, row: &Record) -> bool {
        self.columns.iter().any(|column| cell::some(row.get(*column)).is_some())
    }

    fn read(&self, text: &str, column: usize, row: &Record) -> Result<Price, Reason> {
        let (amount, inside) = match cell::value(text) {
            Some(Value::Object(object)) => {
                let names = ["amount", "value", "price", "current", "final", "sale", "raw"];
                let amount = cell::member(&object, &names).and_then(cell::scalar);
                let code = cell::member(&object, &["currency", "currencyCode", "currency_code", "priceCurrency"]);
                (amount.unwrap_or_default(), code.and_then(cell::scalar))
            }
            Some(_) | None => (text.to_owned(), None),
        };
        let written = Written::find(&amount).map_err(|error| Reason::of_price(error, text))?;
        let beside = currency::Written::find(&inside.unwrap_or_else(|| written.around.clone()));
        let currency = self.currency(beside, column, row)?;
        let Amount { minor, rounded } =
            written.amount(self.style, currency.exponent()).map_err(|error| Reason::of_price(error, text))?;
        Ok(Price { money: Money::new(currency, minor), rounded })
    }

    /// What is beside the price counts most, then the row's own column, then the header, then the caller.
    fn currency(&self, beside: Option<currency::Written>, column: usize, row: &Record) -> Result<Currency, Reason> {
        let of_row = match self.currency_column.and_then(|column| cell::some(row.get(column))) {
            Some(text) => {
                let unknown =
                    || Kind::BadCurrency.because(format!("{:?} is no ISO 4217 currency", cell::cut(text, 20)));
                let written = currency::Written::find(text).ok_or_else(unknown)?;
                Some(written.resolve(self.fallback).ok_or_else(unknown)?)
            }
            None => None,
        };
        let of_header = || self.in_header.get(&column).and_then(|written| written.resolve(self.fallback));
        let otherwise = of_row.or_else(of_header).or(self.fallback);
        let found = beside.and_then(|written| written.resolve(otherwise)).or(otherwise);
        found.ok_or_else(|| Kind::NoCurrency.because("nothing says what currency its price is in"))
    }
}

/// The contract's form of an amount.
pub(super) fn on_the_wire(money: Money) -> pb::Money {
    let (units, nanos) = money.to_units();
    pb::Money { currency_code: money.currency().code().to_owned(), units, nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &[&str], row: &[&str], fallback: Option<&str>) -> Result<String, Kind> {
        let (header, row) = (Record::of(1, header.iter().copied()), Record::of(2, row.iter().copied()));
        let sample = [row.clone()];
        let columns = Columns::find(&header, &sample, &[]).unwrap();
        let prices = Prices::new(&columns, &sample, fallback.and_then(Currency::parse));
        let price = prices.price(&row).map_err(|reason| reason.kind)?.money;
        let before = prices.list_price(&row, price).map(|before| format!(", before {before}"));
        Ok(format!("{price}{}", before.unwrap_or_default()))
    }

    #[test]
    fn the_currency_is_beside_the_price_in_its_row_in_the_header_or_the_callers() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(read(&["name", "price"], &["Pot", "1.234,56 €"], Some("USD")), ok("1234.56 EUR"));
        assert_eq!(read(&["name", "price", "currency"], &["Pot", "1200", "JPY"], None), ok("1200 JPY"));
        assert_eq!(read(&["name", "price", "currency"], &["Pot", "$12", "CAD"], None), ok("12.00 CAD"));
        assert_eq!(read(&["name", "Price (KWD)"], &["Pot", "1.234"], None), ok("1.234 KWD"));
        assert_eq!(read(&["name", "price"], &["Pot", "12.5"], Some("CHF")), ok("12.50 CHF"));
        assert_eq!(read(&["name", "price"], &["Pot", "{'value': 12.99, 'currency': 'GBP'}"], None), ok("12.99 GBP"));
        assert_eq!(read(&["name", "price"], &["Pot", "12.5"], None), Err(Kind::NoCurrency));
        assert_eq!(read(&["name", "price", "currency"], &["Pot", "1", "usd"], None), ok("1.00 USD"));
        let row = Record::of(2, ["Pot", "1", "QQQ"]);
        let columns = Columns::find(&Record::of(1, ["name", "price", "currency"]), &[], &[]).unwrap();
        assert_eq!(Prices::new(&columns, &[], None).price(&row).unwrap_err().kind, Kind::BadCurrency);
    }

    #[test]
    fn a_sale_price_counts_where_there_is_one_and_the_regular_price_is_what_it_was() {
        let header = ["name", "Regular price", "Sale price"];
        assert_eq!(read(&header, &["Pot", "20 €", "15 €"], None).unwrap(), "15.00 EUR, before 20.00 EUR");
        assert_eq!(read(&header, &["Pot", "20 €", ""], None).unwrap(), "20.00 EUR");
        assert_eq!(read(&header, &["Pot", "20 €", "0"], Some("EUR")).unwrap(), "20.00 EUR");
        assert_eq!(read(&header, &["Pot", "10 €", "15 €"], None).unwrap(), "15.00 EUR");
    }
}
