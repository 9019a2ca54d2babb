//! The way to the orders of a shop that runs, as an operator.

use std::process::ExitCode;

use contracts::checkout::v1::{
    GetOrderRequest, ListOrdersRequest, ListOrdersResponse, Order, OrderSummary,
    checkout_service_client::CheckoutServiceClient,
};
use mesh::{Address, Channel, Clients, Directory, Process, Target, client::ClientConfig, process};

use super::{options::OrderId, refusal::Refusal};
use crate::operator;

const CHECKOUT: Target = Target::new("checkout");

/// Where the shop is, and who says that this is an operator.
#[derive(Debug, clap::Args)]
pub(super) struct Access {
    /// Where the shop takes gRPC: HOST:PORT, dns:HOST:PORT or unix:PATH
    #[arg(long, value_name = "TARGET", default_value = "127.0.0.1:50051")]
    to: Address,
    #[command(flatten)]
    operator: operator::Options,
    /// Which log lines are written: a level, or targets with levels
    #[arg(long, env = "LOG", default_value = "error", value_name = "FILTER")]
    log: String,
}

impl Access {
    /// Does something with the shop.
    pub(super) fn run(&self, work: impl AsyncFnOnce(Shop) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
        let operator = self.operator.bearer(&self.to)?;
        let options = process::Options { log: self.log.clone(), cores: 1, ..process::Options::default() };
        let process = Process::start("souk-orders", options, None)?;
        let directory = Directory::default();
        directory.remote(CHECKOUT.name(), self.to.clone());
        let descriptors = [contracts::FILE_DESCRIPTOR_SET];
        let clients = Clients::new(&process, &directory, "souk", &[CHECKOUT], &descriptors, ClientConfig::default())?;
        let checkout = CheckoutServiceClient::new(clients.channel(CHECKOUT)?.with_token(operator));
        process.block_on(work(Shop { checkout }))
    }
}

/// A client of a shop's orders.
pub(super) struct Shop {
    checkout: CheckoutServiceClient<Channel>,
}

impl Shop {
    pub(super) fn checkout(&self) -> CheckoutServiceClient<Channel> {
        self.checkout.clone()
    }

    pub(super) async fn order(&self, id: &OrderId) -> Result<Order, Refusal> {
        let answer = self.checkout().get_order(GetOrderRequest { order_id: id.to_string() }).await;
        let answer = answer.map_err(|status| Refusal::of("read", id, status))?;
        Ok(answer.into_inner().order.unwrap_or_default())
    }

    pub(super) async fn page(&self, request: ListOrdersRequest) -> Result<ListOrdersResponse, Refusal> {
        let answer = self.checkout().list_orders(request).await;
        answer.map(tonic::Response::into_inner).map_err(Refusal::of_list)
    }

    /// Every page of a list.
    pub(super) async fn all(&self, mut request: ListOrdersRequest) -> Result<Vec<OrderSummary>, Refusal> {
        let mut orders = Vec::new();
        loop {
            let page = self.page(request.clone()).await?;
            orders.extend(page.orders);
            if page.next_page_token.is_empty() {
                return Ok(orders);
            }
            request.page_token = page.next_page_token;
        }
    }
}
