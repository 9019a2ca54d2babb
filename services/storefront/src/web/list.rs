//! Asks the catalog, and keeps what it gives for when it is away.

use contracts::catalog::v1::{ListProductsRequest, ListProductsResponse};

use super::{Shop, refusal::Refusal};

impl Shop {
    /// A page of products.
    pub(super) async fn list(&self, request: ListProductsRequest) -> Result<ListProductsResponse, Refusal> {
        let answer = self.catalog.clone().list_products(request).await.map_err(Refusal::from);
        if let Err(refusal) = &answer {
            tracing::debug!(?refusal, "catalog does not list its products");
        }
        Ok(answer?.into_inner())
    }
}
