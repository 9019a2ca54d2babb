//! Search: what was found, what it could be narrowed to, and what was probably meant.

mod facets;
mod wanted;

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use contracts::search::v1::{SearchProductsRequest, SearchProductsResponse};
use http::{StatusCode, Uri};

use super::{
    Shop, answer,
    card::{Card, any_foreign},
    category::Crumb,
    failure,
    frame::{Badge, Frame},
    query::Parameters,
    refusal::Refusal,
    text::{grouped, shown},
    visitor::Visitor,
};
use facets::Filters;
use wanted::{Faults, Wanted};

/// Characters of a query in the title.
const TITLE_CHARS_MAX: usize = 80;

#[derive(Template)]
#[template(path = "search.html")]
struct Page {
    frame: Frame,
    wanted: Wanted,
    faults: Faults,
    filters: Filters,
    correction: Option<Correction>,
    outcome: Outcome,
    /// The same search without any filter.
    unfiltered: String,
}

enum Outcome {
    Found {
        cards: Vec<Card>,
        total: String,
        is_one: bool,
        is_stale: bool,
        first: Option<String>,
        next: Option<String>,
    },
    Nothing {
        is_stale: bool,
    },
    /// It was not looked for.
    Refused,
    Away,
}

/// What was probably meant.
enum Correction {
    /// Nothing was found of what was written, and this is of what was probably meant.
    Shown { meant: String, instead: Crumb },
    /// There is something of what was written, too.
    Offered(Crumb),
}

/// What search said, and of what.
struct Answered {
    found: SearchProductsResponse,
    /// The query that these are the hits of, where it is not the one that was written.
    corrected: Option<String>,
}

/// Answers with the page.
pub(super) async fn show(State(shop): State<Arc<Shop>>, visitor: Visitor, uri: Uri) -> Response {
    let wanted = Wanted::read(&Parameters::of(&uri));
    let request = match wanted.request() {
        Ok(request) => request,
        Err(faults) => {
            let frame = Frame::ask(&shop, &visitor).await;
            return page(StatusCode::BAD_REQUEST, frame, wanted, faults, Outcome::Refused);
        }
    };
    let (answered, badge) = tokio::join!(ask(&shop, &wanted, request), Badge::ask(&shop, &visitor));
    let is_away = answered.as_ref().is_err_and(Refusal::is_away);
    let frame = Frame::of(&visitor, badge, is_away);
    match answered {
        Ok(answered) => found(frame, wanted, &answered, &visitor),
        Err(_) if is_away => page(StatusCode::SERVICE_UNAVAILABLE, frame, wanted, Faults::default(), Outcome::Away),
        Err(refusal) if refusal.is("QUERY_WITHOUT_WORDS") => {
            let query = Some("There is no word in this to look for: write at least one, without a minus before it.");
            page(StatusCode::BAD_REQUEST, frame, wanted, Faults { query, price: None }, Outcome::Refused)
        }
        Err(_token) => {
            let back = Crumb { name: "To the first page of the results".into(), href: wanted.but(|_| ()).href() };
            let text = "The address of this page of the results was changed or cut on its way here.";
            failure::refused(StatusCode::BAD_REQUEST, "There is no such page", text, back)
        }
    }
}

/// Asks for what was written; where there is none of that, for what was probably meant.
async fn ask(shop: &Shop, wanted: &Wanted, request: SearchProductsRequest) -> Result<Answered, Refusal> {
    let found = shop.find(request.clone()).await?;
    let is_to_be_corrected = found.total_count == 0 && !found.corrected_query.is_empty() && !wanted.is_exact;
    if !is_to_be_corrected {
        return Ok(Answered { found, corrected: None });
    }
    let meant = found.corrected_query.clone();
    let found = shop.find(SearchProductsRequest { query: meant.clone(), ..request }).await?;
    Ok(Answered { found, corrected: Some(meant) })
}

fn found(mut frame: Frame, wanted: Wanted, answered: &Answered, visitor: &Visitor) -> Response {
    let Answered { found, corrected } = answered;
    let correction = match corrected {
        Some(meant) => Some(Correction::Shown {
            meant: shown(meant),
            instead: Crumb { name: shown(&wanted.query), href: wanted.but(|wanted| wanted.is_exact = true).href() },
        }),
        None if !found.corrected_query.is_empty() => {
            let meant = &found.corrected_query;
            Some(Correction::Offered(Crumb { name: shown(meant), href: wanted.meaning(meant).href() }))
        }
        None => None,
    };
    // From its second page on, and for its filters, a corrected search is one of its own.
    let shown_for = match corrected {
        Some(meant) => wanted.meaning(meant),
        None => wanted.clone(),
    };
    let filters = Filters::of(&shown_for, &found.facets.clone().unwrap_or_default(), visitor.language);
    let cards: Vec<_> = found.hits.iter().map(|hit| Card::found(hit, visitor.language)).collect();
    frame.has_foreign_pictures = any_foreign(&cards);
    let next = Some(&found.next_page_token).filter(|token| !token.is_empty());
    let next = next.map(|token| Wanted { page: token.clone(), ..shown_for.clone() }.href());
    let is_later = !wanted.page.is_empty();
    let outcome = if cards.is_empty() && !is_later {
        Outcome::Nothing { is_stale: found.stale }
    } else {
        Outcome::Found {
            cards,
            total: grouped(found.total_count),
            is_one: found.total_count == 1,
            is_stale: found.stale,
            first: is_later.then(|| wanted.but(|_| ()).href()),
            next,
        }
    };
    let page = Page { filters, correction, ..Page::plain(frame, wanted, Faults::default(), outcome) };
    answer::page(StatusCode::OK, &page.frame, &page)
}

fn page(status: StatusCode, frame: Frame, wanted: Wanted, faults: Faults, outcome: Outcome) -> Response {
    let page = Page::plain(frame, wanted, faults, outcome);
    answer::page(status, &page.frame, &page)
}

impl Page {
    /// A page without anything to narrow it to.
    fn plain(mut frame: Frame, wanted: Wanted, faults: Faults, outcome: Outcome) -> Self {
        frame.query.clone_from(&wanted.query);
        let unfiltered = Wanted { query: wanted.query.clone(), order: wanted.order, ..Wanted::default() }.href();
        let filters = Filters::of(&wanted, &Default::default(), super::amount::english());
        Self { frame, wanted, faults, filters, correction: None, outcome, unfiltered }
    }

    fn title(&self) -> String {
        match (&*self.wanted.query, &self.correction) {
            (_, Some(Correction::Shown { meant, .. })) => format!("“{meant}”"),
            ("", _) => "All products".into(),
            (query, _) => format!("“{}”", shown(&query.chars().take(TITLE_CHARS_MAX).collect::<String>())),
        }
    }
}
