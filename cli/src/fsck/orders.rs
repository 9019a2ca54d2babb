//! Orders beside what is reserved, paid and in the acquirer's ledger for them.
//!
//! All four are read in the order of the orders' ids, a page of each at a time, so memory stays the same however many there
//! are. Ids are random: an order that is placed meanwhile may show up anywhere.

use std::collections::BTreeMap;

use acquirer::audit::Entry;
use anyhow::Context as _;
use checkout::audit::Audited;
use inventory::audit::Reservation;
use payment::audit::Payment;
use store::Range;

use super::{databases::Databases, judge, report::Report, settle::Settle};

/// Orders, reservations and payments in a page.
const PAGE: u32 = 1_000;
/// Lines of the ledger in a page: more than a payment can have.
const ENTRIES_PAGE: u32 = 5_000;
/// Orders that look wrong and are looked at again.
const SUSPECTS_MAX: usize = 10_000;

/// All that there is of one order.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) order: Option<Audited>,
    pub(super) reservation: Option<Reservation>,
    pub(super) payment: Option<Payment>,
    pub(super) entries: Vec<Entry>,
}

/// Judges every order, those that look wrong until they do not or the time is over.
pub(super) async fn check(databases: &mut Databases, settle: Settle, report: &mut Report) -> anyhow::Result<()> {
    let mut suspects = suspects(databases, report).await?;
    let settling = settle.begin();
    loop {
        let mut left = Vec::new();
        for id in suspects {
            let (sheet, _) = sheets(databases, Pick::Only(&id)).await?;
            let wrong = sheet.get(&id).map(judge::order).unwrap_or_default();
            if !wrong.is_empty() {
                left.push((id, wrong));
            }
        }
        if left.is_empty() || !settling.wait().await {
            for (id, wrong) in left {
                wrong.into_iter().for_each(|(invariant, wrong)| report.wrong(invariant, report.order(&id), wrong));
            }
            return Ok(());
        }
        suspects = left.into_iter().map(|(id, _)| id).collect();
    }
}

/// The orders that look wrong at first sight.
async fn suspects(databases: &mut Databases, report: &mut Report) -> anyhow::Result<Vec<String>> {
    let (mut suspects, mut after) = (Vec::new(), String::new());
    let mut seen = [0_u64; 4];
    loop {
        let (sheets, through) = sheets(databases, Pick::After(&after)).await?;
        for (id, sheet) in &sheets {
            seen[0] += u64::from(sheet.order.is_some());
            seen[1] += u64::from(sheet.reservation.is_some());
            seen[2] += u64::from(sheet.payment.is_some());
            seen[3] += sheet.entries.len() as u64;
            if !judge::order(sheet).is_empty() {
                suspects.push(id.clone());
            }
        }
        if suspects.len() > SUSPECTS_MAX {
            let from = report.order(&after);
            report.unchecked(format!("what comes after {from}, since {SUSPECTS_MAX} before it look wrong"));
            suspects.truncate(SUSPECTS_MAX);
            break;
        }
        match through {
            Some(through) => after = through,
            None => break,
        }
    }
    let names = ["orders", "reservations", "payments", "lines of the acquirer's ledger"];
    names.into_iter().zip(seen).for_each(|(what, many)| report.looked_at(what, many));
    Ok(suspects)
}

/// Which orders are read.
#[derive(Clone, Copy)]
enum Pick<'a> {
    After(&'a str),
    Only(&'a str),
}

impl Pick<'_> {
    fn range(self, most: u32) -> Range {
        match self {
            Self::After(id) => Range::after(id, most),
            Self::Only(id) => Range::only(id, most),
        }
    }
}

/// What there is of these orders, and up to which one it is whole; nothing where there are no more.
///
/// The orders are read first, and what happened for them after that: in between only more can have happened.
async fn sheets(
    databases: &mut Databases,
    pick: Pick<'_>,
) -> anyhow::Result<(BTreeMap<String, Sheet>, Option<String>)> {
    let (page, entries_page) = (pick.range(PAGE), pick.range(ENTRIES_PAGE));
    let orders = checkout::audit::orders(&mut databases.checkout, &page).await.context("read checkout")?;
    let reservations =
        inventory::audit::reservations(&mut databases.inventory, &page).await.context("read inventory")?;
    let payments = payment::audit::payments(&mut databases.payment, &page).await.context("read payment")?;
    let mut entries =
        acquirer::audit::entries(&mut databases.acquirer, &entries_page).await.context("read acquirer")?;

    let mut through = [
        full(&orders, PAGE).map(|last| last.order_id.clone()),
        full(&reservations, PAGE).map(|last| last.order_id.clone()),
        full(&payments, PAGE).map(|last| last.payment_id.clone()),
        None,
    ];
    if let (Pick::After(_), Some(last)) = (pick, full(&entries, ENTRIES_PAGE).map(|last| last.payment_id.clone())) {
        // The last payment may have more lines than the page.
        entries.retain(|entry| entry.payment_id != last);
        through[3] = entries.last().map(|entry| entry.payment_id.clone());
    }
    let through = through.into_iter().flatten().min();

    let mut sheets: BTreeMap<String, Sheet> = BTreeMap::new();
    for order in orders {
        let sheet = sheets.entry(order.order_id.clone()).or_default();
        sheet.order = Some(order);
    }
    for reservation in reservations {
        let sheet = sheets.entry(reservation.order_id.clone()).or_default();
        sheet.reservation = Some(reservation);
    }
    for payment in payments {
        let sheet = sheets.entry(payment.payment_id.clone()).or_default();
        sheet.payment = Some(payment);
    }
    for entry in entries {
        sheets.entry(entry.payment_id.clone()).or_default().entries.push(entry);
    }
    if let Some(through) = &through {
        sheets.retain(|id, _| id <= through);
    }
    Ok((sheets, through))
}

/// The last row of a page that may not be the last.
fn full<T>(rows: &[T], most: u32) -> Option<&T> {
    rows.last().filter(|_| rows.len() >= most as usize)
}
