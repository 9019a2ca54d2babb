//! The cart service's copy of the catalog, beside the catalog.

use std::collections::BTreeMap;

use anyhow::Context as _;
use cart::audit::copied_name;
use catalog::audit::Product;
use store::{Range, audit};

use super::{
    databases::Databases,
    report::{Invariant, Report},
    settle::Settle,
};

/// Products in a page.
const PAGE: u32 = 1_000;
/// Products that look different and are looked at again.
const SUSPECTS_MAX: usize = 10_000;
/// The feed's name in the copy's inbox.
const SOURCE: &str = "catalog";

/// A product, its copy, and the revision that the copy was made of.
#[derive(Debug, Default)]
struct Pair {
    source: Option<Product>,
    copy: Option<cart::audit::Product>,
    applied: Option<u64>,
}

/// Compares every product, those that look different until they do not or the time is over.
pub(super) async fn check(databases: &mut Databases, settle: Settle, report: &mut Report) -> anyhow::Result<()> {
    let head = audit::head(&mut databases.catalog).await.context("read catalog")?;
    let mut suspects = suspects(databases, report).await?;
    let settling = settle.begin();
    loop {
        let mut left = Vec::new();
        for id in suspects {
            let (pairs, _) = pairs(databases, &Range::only(&id, 1)).await?;
            if let Some(wrong) = pairs.get(&id).and_then(different) {
                left.push((id, wrong));
            }
        }
        let behind = behind(databases, head).await?;
        if (left.is_empty() && behind.is_none()) || !settling.wait().await {
            for (id, wrong) in left {
                report.wrong(Invariant::Copies, format!("product {id}"), wrong);
            }
            if let Some(behind) = behind {
                report.wrong(Invariant::Copies, "cart's copy of the catalog".to_owned(), behind);
            }
            break;
        }
        suspects = left.into_iter().map(|(id, _)| id).collect();
    }
    let dead = audit::dead_letters(&mut databases.cart, SOURCE, super::report::SHOWN_MAX + 1).await;
    for letter in dead.context("read cart")? {
        // A later event may have brought what this one should have: then it is only not put away yet.
        let (pairs, _) = pairs(databases, &Range::only(&letter.key, 1)).await?;
        if pairs.get(&letter.key).and_then(different).is_none() {
            continue;
        }
        let wrong = format!("cart could not apply the catalog's event {}: {}", letter.position, letter.reason);
        report.wrong(Invariant::Copies, format!("product {}", letter.key), wrong);
    }
    Ok(())
}

/// What is missing up to where the catalog's feed was when the check began.
async fn behind(databases: &mut Databases, head: u64) -> anyhow::Result<Option<String>> {
    Ok(match audit::applied(&mut databases.cart, SOURCE).await.context("read cart")? {
        None => Some("it was never complete".to_owned()),
        Some(applied) if applied < head => Some(format!("it ends at event {applied}, and the catalog has {head}")),
        Some(_) => None,
    })
}

/// The products that look different at first sight.
async fn suspects(databases: &mut Databases, report: &mut Report) -> anyhow::Result<Vec<String>> {
    let (mut suspects, mut after, mut seen) = (Vec::new(), String::new(), 0);
    loop {
        let (pairs, through) = pairs(databases, &Range::after(&after, PAGE)).await?;
        seen += pairs.values().filter(|pair| pair.source.is_some()).count() as u64;
        suspects.extend(pairs.iter().filter(|(_, pair)| different(pair).is_some()).map(|(id, _)| id.clone()));
        if suspects.len() > SUSPECTS_MAX {
            report.unchecked(format!("products from {after} on, since {SUSPECTS_MAX} before it look different"));
            suspects.truncate(SUSPECTS_MAX);
            break;
        }
        match through {
            Some(through) => after = through,
            None => break,
        }
    }
    report.looked_at("products of the catalog", seen);
    Ok(suspects)
}

async fn pairs(databases: &mut Databases, range: &Range) -> anyhow::Result<(BTreeMap<String, Pair>, Option<String>)> {
    let sources = catalog::audit::products(&mut databases.catalog, range).await.context("read catalog")?;
    let copies = cart::audit::products(&mut databases.cart, range).await.context("read cart")?;
    let page = range.most() as usize;
    let through = [
        sources.last().filter(|_| sources.len() >= page).map(|last| last.product_id.clone()),
        copies.last().filter(|_| copies.len() >= page).map(|last| last.product_id.clone()),
    ];
    let through = through.into_iter().flatten().min();
    let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
    for source in sources {
        let pair = pairs.entry(source.product_id.clone()).or_default();
        pair.source = Some(source);
    }
    for copy in copies {
        let pair = pairs.entry(copy.product_id.clone()).or_default();
        pair.copy = Some(copy);
    }
    if let Some(through) = &through {
        pairs.retain(|id, _| id <= through);
    }
    let ids: Vec<&str> = pairs.keys().map(String::as_str).collect();
    let applied = audit::revisions(&mut databases.cart, SOURCE, &ids).await.context("read cart")?;
    for (id, revision) in applied {
        if let Some(pair) = pairs.get_mut(&id) {
            pair.applied = Some(revision);
        }
    }
    Ok((pairs, through))
}

fn different(pair: &Pair) -> Option<String> {
    let copy = pair.copy.as_ref().filter(|copy| copy.active.is_some());
    match (&pair.source, copy) {
        (None, None) => None,
        (None, Some(_)) => Some("the catalog has none such, and cart sells it".to_owned()),
        (Some(_), None) => Some("the catalog has it, and cart does not".to_owned()),
        (Some(source), Some(_)) if pair.applied != Some(source.revision) => {
            Some(format!("the catalog's revision is {}, and cart's {:?}", source.revision, pair.applied.unwrap_or(0)))
        }
        (Some(source), Some(copy)) => {
            let wanted = (copied_name(&source.name), source.price, source.picture_uri.as_str(), Some(source.active));
            let found = (copy.name.clone(), copy.price, copy.picture_uri.as_str(), copy.active);
            (wanted != found).then(|| format!("the catalog has {wanted:?}, and cart {found:?}"))
        }
    }
}
