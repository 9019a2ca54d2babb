//! Search's copy of the catalog, of the stock and of what was sold, as its answers show it, beside all three.
//!
//! Search has an index and no database, so it is asked, through the edge: a query for nothing in particular finds every
//! product, with the revisions that were indexed. Their ids and revisions are held in memory, some 100 bytes a product.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use anyhow::Context as _;
use contracts::search::v1::{SearchHit, SearchProductsRequest, search_service_client::SearchServiceClient};
use mesh::{Address, Channel, Clients, Directory, Process, Target, client::ClientConfig};
use store::Range;
use tonic::{Request, Status};

use super::{
    databases::Databases,
    report::{Invariant, Report},
    sales::{self, Sold},
    settle::Settle,
};

const SEARCH: Target = Target::new("search");
const TARGETS: &[Target] = &[SEARCH];
/// How long one page may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Products in a page, and hits.
const PAGE: u32 = 1_000;

/// The revisions of a product and of its stock; 0 where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Revisions {
    product: u64,
    stock: u64,
}

/// What search has of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hit {
    revisions: Revisions,
    /// Units sold lately.
    popularity: u64,
}

/// What is different about a product.
#[derive(Clone, Copy, Debug)]
enum Suspect {
    /// Search does not find it as it was by then at least.
    Older { than: Revisions, found: Option<Revisions> },
    /// Search finds what the catalog does not have, or has discontinued.
    Extra,
    /// Search has another count of what was sold.
    Sold { lately: u64, found: u64 },
}

/// Compares every product, those that look different until they do not or the time is over.
pub(super) async fn check(
    databases: &mut Databases,
    search: &mut SearchServiceClient<Channel>,
    settle: Settle,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut found = match found(search).await {
        Ok(found) => found,
        Err(status) => {
            report.unchecked(format!("search does not answer at --edge: {:?} {}", status.code(), status.message()));
            return Ok(());
        }
    };
    report.looked_at("products that search finds", found.len() as u64);
    let mut suspects = differences(databases, &found).await?;
    let settling = settle.begin();
    while !suspects.is_empty() && settling.wait().await {
        found = match self::found(search).await {
            Ok(found) => found,
            Err(status) => {
                report.unchecked(format!("search does not answer any more: {:?} {}", status.code(), status.message()));
                return Ok(());
            }
        };
        let now = differences(databases, &found).await?;
        // What is newer than what was missed at first has moved on: it is on its way, and not stuck.
        suspects.retain(|id, was| match (was, now.get(id)) {
            (Suspect::Older { than, found: now_found }, Some(Suspect::Older { .. })) => {
                *now_found = found.get(id).map(|hit| hit.revisions);
                now_found.is_none_or(|now| now.product < than.product || now.stock < than.stock)
            }
            (Suspect::Extra, Some(Suspect::Extra)) => true,
            // Where more was sold meanwhile, the count is on its way.
            (Suspect::Sold { lately, found }, Some(Suspect::Sold { lately: now, found: now_found })) => {
                *found = *now_found;
                lately == now
            }
            _ => false,
        });
    }
    for (id, suspect) in suspects {
        let wrong = match suspect {
            Suspect::Sold { lately, found } => {
                format!("its orders of the last 30 days have {lately} units, and search has {found}")
            }
            Suspect::Extra => "search finds it, and the catalog does not sell it".to_owned(),
            Suspect::Older { found: None, .. } => "the catalog has it, and search does not find it".to_owned(),
            Suspect::Older { than, found: Some(found) } => format!(
                "its revision is {} and its stock's {}, and search has {} and {}",
                than.product, than.stock, found.product, found.stock
            ),
        };
        report.wrong(Invariant::Copies, format!("product {id}"), wrong);
    }
    Ok(())
}

/// A client of search; nothing is connected yet.
pub(super) fn client(edge: &Address, process: &Process) -> anyhow::Result<SearchServiceClient<Channel>> {
    let directory = Directory::default();
    directory.remote(SEARCH.name(), edge.clone());
    let descriptors = [contracts::FILE_DESCRIPTOR_SET];
    let clients = Clients::new(process, &directory, "souk", TARGETS, &descriptors, ClientConfig::default())?;
    Ok(SearchServiceClient::new(clients.channel(SEARCH)?))
}

/// Every product that search finds.
async fn found(search: &mut SearchServiceClient<Channel>) -> Result<HashMap<String, Hit>, Status> {
    let (mut found, mut page_token) = (HashMap::new(), String::new());
    loop {
        let page_size = i32::try_from(PAGE).unwrap_or(i32::MAX);
        let mut request = Request::new(SearchProductsRequest { page_size, page_token, ..Default::default() });
        request.set_timeout(CALL_TIMEOUT);
        let page = search.search_products(request).await?.into_inner();
        found.extend(page.hits.into_iter().map(|hit| {
            let SearchHit { product_id, product_revision, stock_revision, popularity, .. } = hit;
            let numbers = [product_revision, stock_revision, popularity];
            let [product, stock, popularity] = numbers.map(|number| number.try_into().unwrap_or(0));
            (product_id, Hit { revisions: Revisions { product, stock }, popularity })
        }));
        if page.next_page_token.is_empty() {
            return Ok(found);
        }
        page_token = page.next_page_token;
    }
}

/// Where what was found is not what the catalog, inventory and checkout have now.
async fn differences(
    databases: &mut Databases,
    found: &HashMap<String, Hit>,
) -> anyhow::Result<BTreeMap<String, Suspect>> {
    let mut extra: BTreeMap<String, Suspect> = found.keys().map(|id| (id.clone(), Suspect::Extra)).collect();
    let (mut different, mut after) = (BTreeMap::new(), String::new());
    let sold = sales::sold(databases).await?;
    loop {
        let page = Range::after(&after, PAGE);
        let products = catalog::audit::products(&mut databases.catalog, &page).await.context("read catalog")?;
        let Some(last) = products.last() else { break };
        let upto = Range::after(&after, u32::MAX).through(&last.product_id);
        let stock = inventory::audit::revisions(&mut databases.inventory, &upto).await.context("read inventory")?;
        after = last.product_id.clone();
        for product in products {
            extra.remove(&product.product_id);
            let stock = stock.get(&product.product_id).copied().unwrap_or(0);
            let than = Revisions { product: product.revision, stock };
            let (hit, id) = (found.get(&product.product_id), product.product_id);
            let revisions = hit.map(|hit| hit.revisions);
            match hit {
                _ if product.active && revisions != Some(than) => {
                    different.insert(id, Suspect::Older { than, found: revisions });
                }
                Some(_) if !product.active => {
                    different.insert(id, Suspect::Extra);
                }
                Some(Hit { popularity, .. }) => {
                    let counted = sold.get(&id).copied().unwrap_or(Sold::Units(0));
                    if let Sold::Units(lately) = counted
                        && lately != *popularity
                    {
                        different.insert(id, Suspect::Sold { lately, found: *popularity });
                    }
                }
                None => {}
            }
        }
    }
    different.append(&mut extra);
    Ok(different)
}
