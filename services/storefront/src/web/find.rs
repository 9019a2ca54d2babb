//! Asks search, and remembers whether it answered, so that every page can say so beside the search box; and whether orders
//! can be placed.
//!
//! A page that asks search anyway finds out by that; the others ask for its health, at most once a second for all of
//! them together.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use contracts::{
    checkout::v1::checkout_service_server::SERVICE_NAME as CHECKOUT,
    payment::v1::payment_service_server::SERVICE_NAME as PAYMENT,
    search::v1::{
        SearchProductsRequest, SearchProductsResponse, SuggestQueriesRequest, Suggestion,
        search_service_server::SERVICE_NAME,
    },
};
use mesh::health::pb::health_check_response::ServingStatus;
use tokio::time::Instant;

use super::{Shop, refusal::Refusal};

/// How long one answer holds for all pages.
const FRESH: Duration = Duration::from_secs(1);

/// Whether a service answered when it was last asked. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    last: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Heard {
    fn note(&self, answered: bool) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), answered));
    }

    /// Whether search did not answer a moment ago.
    pub(super) fn is_away(&self) -> bool {
        self.fresh() == Some(false)
    }

    fn fresh(&self) -> Option<bool> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(when, _)| when.elapsed() < FRESH).map(|(_, answered)| answered)
    }
}

impl Shop {
    /// Whether search is away, as far as one knows.
    pub(super) async fn is_search_away(&self) -> bool {
        if let Some(answered) = self.search_heard.fresh() {
            return !answered;
        }
        let answered = self.fleet.status(SERVICE_NAME).await == ServingStatus::Serving;
        self.search_heard.note(answered);
        !answered
    }

    /// Whether no order can be placed now, as far as one knows: checkout is away, or payment.
    pub(super) async fn are_orders_away(&self) -> bool {
        if let Some(answered) = self.orders_heard.fresh() {
            return !answered;
        }
        let asked = tokio::join!(self.fleet.status(CHECKOUT), self.fleet.status(PAYMENT));
        let answered = asked == (ServingStatus::Serving, ServingStatus::Serving);
        self.orders_heard.note(answered);
        !answered
    }

    /// Finds products.
    pub(super) async fn find(&self, request: SearchProductsRequest) -> Result<SearchProductsResponse, Refusal> {
        let answer = self.search.clone().search_products(request).await;
        self.heard(answer.map(tonic::Response::into_inner))
    }

    /// Completes what somebody is typing.
    pub(super) async fn suggest(&self, request: SuggestQueriesRequest) -> Result<Vec<Suggestion>, Refusal> {
        let answer = self.search.clone().suggest_queries(request).await;
        self.heard(answer.map(|answer| answer.into_inner().suggestions))
    }

    fn heard<T>(&self, answer: Result<T, tonic::Status>) -> Result<T, Refusal> {
        let answer = answer.map_err(Refusal::from);
        let is_away = answer.as_ref().is_err_and(Refusal::is_away);
        if let Err(refusal) = &answer {
            tracing::debug!(?refusal, "search does not find anything");
        }
        self.search_heard.note(!is_away);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_of_search_holds_for_a_second() {
        let heard = Heard::default();
        assert_eq!(heard.fresh(), None);
        heard.note(false);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(heard.fresh(), Some(false));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(heard.fresh(), None);
    }
}
