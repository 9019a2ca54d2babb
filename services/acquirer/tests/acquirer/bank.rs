//! Starts acquirers, and says what tests say often.

use std::time::Duration;

use contracts::acquirer::v1 as pb;
use contracts::acquirer::v1::acquirer_service_client::AcquirerServiceClient;
use contracts::google::r#type::Money;
use mesh::client::ClientConfig;
use mesh::{Channel, Clients, Directory, Process, Target};
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

pub(crate) type Client = AcquirerServiceClient<Channel>;

const ACQUIRER: Target = Target::new("acquirer");
const KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

pub(crate) const GOOD: &str = "4242424242424242";

/// An empty ledger and an acquirer on it.
pub(crate) struct Bank {
    pub(crate) client: Client,
    url: String,
    process: Process,
    pub(crate) folder: Option<TempDir>,
}

impl Bank {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("acquirer.db").display());
        Self { folder: Some(folder), ..Self::on(url).await }
    }

    pub(crate) async fn on_postgres() -> Self {
        Self::on(test_postgres::Server::shared().unwrap().create_database().await.unwrap()).await
    }

    async fn on(url: String) -> Self {
        let options = mesh::process::Options { log: "off".into(), cores: 1, ..test_operator::options() };
        let process = Process::start("acquirer", options, None).unwrap();
        Self { client: client(&process, &url).await, url, process, folder: None }
    }

    /// One more acquirer on this ledger.
    pub(crate) async fn replica(&self) -> Client {
        client(&self.process, &self.url).await
    }

    pub(crate) async fn authorize(&self, id: &str, number: &str, minor: i64) -> Result<pb::Charge, Status> {
        authorize(&self.client, id, card(number), minor).await
    }

    pub(crate) async fn capture(&self, id: &str) -> Result<pb::Charge, Status> {
        let request = pb::CaptureChargeRequest { payment_id: id.into() };
        Ok(self.client.clone().capture_charge(request).await?.into_inner().charge.unwrap())
    }

    pub(crate) async fn void(&self, id: &str) -> Result<pb::Charge, Status> {
        let request = pb::VoidChargeRequest { payment_id: id.into() };
        Ok(self.client.clone().void_charge(request).await?.into_inner().charge.unwrap())
    }

    pub(crate) async fn refund(&self, id: &str, refund_id: &str, minor: i64) -> Result<pb::Charge, Status> {
        let (payment_id, refund_id) = (id.into(), refund_id.into());
        let request = pb::RefundChargeRequest { payment_id, refund_id, amount: Some(euros(minor)) };
        Ok(self.client.clone().refund_charge(request).await?.into_inner().charge.unwrap())
    }

    pub(crate) async fn get(&self, id: &str) -> Result<pb::Charge, Status> {
        let request = pb::GetChargeRequest { payment_id: id.into() };
        Ok(self.client.clone().get_charge(request).await?.into_inner().charge.unwrap())
    }

    /// A captured charge of so much.
    pub(crate) async fn captured(&self, minor: i64) -> String {
        let id = payment_id();
        self.authorize(&id, GOOD, minor).await.unwrap();
        self.capture(&id).await.unwrap();
        id
    }

    pub(crate) async fn say(&self, plan: pb::FaultPlan) -> Result<pb::FaultPlan, Status> {
        let request = pb::SetFaultsRequest { plan: Some(plan) };
        Ok(self.client.clone().set_faults(request).await?.into_inner().plan.unwrap())
    }

    /// These go wrong, always unless they say otherwise.
    pub(crate) async fn faults(&self, rules: Vec<pb::FaultRule>) {
        self.say(pb::FaultPlan { rules, seed: 7, ..pb::FaultPlan::default() }).await.unwrap();
    }

    pub(crate) async fn page(&self, page_size: i32, page_token: &str) -> pb::ListEntriesResponse {
        let request = pb::ListEntriesRequest { page_size, page_token: page_token.into() };
        self.client.clone().list_entries(request).await.unwrap().into_inner()
    }
}

async fn client(process: &Process, url: &str) -> Client {
    let directory = Directory::default();
    directory.in_process(acquirer::start(acquirer::Config::new(url, KEY), process).await.unwrap());
    let descriptors = [contracts::FILE_DESCRIPTOR_SET];
    let config = ClientConfig { default_timeout: Duration::from_secs(60), ..ClientConfig::default() };
    let clients = Clients::new(process, &directory, "tester", &[ACQUIRER], &descriptors, config).unwrap();
    Client::new(clients.channel(ACQUIRER).unwrap().with_token(test_operator::bearer()))
}

pub(crate) async fn authorize(client: &Client, id: &str, card: pb::Card, minor: i64) -> Result<pb::Charge, Status> {
    let request = pb::AuthorizeChargeRequest { payment_id: id.into(), card: Some(card), amount: Some(euros(minor)) };
    Ok(client.clone().authorize_charge(request).await?.into_inner().charge.unwrap())
}

pub(crate) fn card(number: &str) -> pb::Card {
    let (number, security_code) = (number.into(), "739".into());
    pb::Card { number, security_code, expiry_month: 12, expiry_year: 9999, holder_name: "A. Shopper".into() }
}

pub(crate) fn rule(operations: &[pb::Operation], kind: pb::FaultKind) -> pb::FaultRule {
    let operations = operations.iter().map(|operation| (*operation).into()).collect();
    pb::FaultRule { operations, probability: 1.0, kind: kind.into(), ..pb::FaultRule::default() }
}

pub(crate) fn euros(minor: i64) -> Money {
    let nanos = i32::try_from(minor % 100).unwrap() * 10_000_000;
    Money { currency_code: "EUR".into(), units: minor / 100, nanos }
}

pub(crate) fn cents(money: Option<&Money>) -> i64 {
    money.map(|money| money.units * 100 + i64::from(money.nanos) / 10_000_000).unwrap()
}

pub(crate) fn payment_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

pub(crate) fn refund_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The code and the reason of a refusal.
pub(crate) fn refusal(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "souk.acquirer.v1");
    (status.code(), info.reason.clone())
}

pub(crate) fn failed(reason: &str) -> (Code, String) {
    (Code::FailedPrecondition, reason.to_owned())
}

/// The fields that a refusal names.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    assert_eq!(refusal(status), (Code::InvalidArgument, "INVALID_REQUEST".into()), "{status:?}");
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}
