//! Payments, the newest first.

use std::collections::HashMap;

use ::store::{Connection, Dialect, Statement};

use super::payment::{columns, refund_columns};
use super::row;
use crate::error::Error;
use crate::page_token::Place;
use crate::payment::{Payment, State};

macro_rules! page {
    ($states:expr) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM payments LEFT JOIN cards ON cards.card_token = payments.card_token \
             WHERE (payments.create_us, payments.payment_id) < ($1, $2) AND ($3 = 0 OR payments.state IN (",
            $states,
            ")) ORDER BY payments.create_us DESC, payments.payment_id DESC LIMIT $5"
        )
    };
}

const PAGE: Statement = Statement::dialect(
    "SELECT payments page",
    Dialect {
        sqlite: page!("SELECT value FROM json_each($4)"),
        postgres: page!("SELECT value::bigint FROM json_array_elements_text($4::json)"),
    },
);

/// Of many payments at once.
const REFUNDS: Statement = Statement::dialect(
    "SELECT refunds page",
    Dialect {
        sqlite: concat!(
            "SELECT payment_id, ",
            refund_columns!(),
            " FROM refunds WHERE payment_id IN (SELECT value FROM json_each($1)) ORDER BY payment_id, number"
        ),
        postgres: concat!(
            "SELECT payment_id, ",
            refund_columns!(),
            " FROM refunds WHERE payment_id IN (SELECT json_array_elements_text($1::json)) ORDER BY payment_id, number"
        ),
    },
);

pub(super) async fn read(
    mut connection: Connection,
    states: Vec<State>,
    before: Option<Place>,
    limit: u32,
) -> Result<Vec<Payment>, Error> {
    let (create_us, id) = match &before {
        Some(place) => (place.create_us, place.payment.as_str()),
        None => (i64::MAX, ""),
    };
    let numbers: Vec<_> = states.into_iter().map(row::state_number).collect();
    let filtered = !numbers.is_empty();
    let states = serde_json::Value::from(numbers).to_string();
    let values = [create_us.into(), id.into(), filtered.into(), states.into(), limit.into()];
    let mut payments = Vec::new();
    for found in connection.fetch_all(&PAGE, values).await? {
        payments.push(row::payment(&found)?);
    }
    let ids: Vec<_> = payments.iter().map(|payment: &Payment| payment.id.as_str()).collect();
    let ids = serde_json::Value::from(ids).to_string();
    let found = connection.fetch_all(&REFUNDS, [ids.into()]).await?;
    let mut places = HashMap::with_capacity(payments.len());
    places.extend(payments.iter().enumerate().map(|(place, payment)| (payment.id.as_str().to_owned(), place)));
    for refund in &found {
        let id: String = refund.get("payment_id")?;
        let Some(payment) = places.get(&id).and_then(|place| payments.get_mut(*place)) else { continue };
        let Some(content) = &payment.content else { continue };
        let refund = row::refund(refund, content.amount.currency())?;
        payment.refunds.extend(refund);
    }
    Ok(payments)
}
