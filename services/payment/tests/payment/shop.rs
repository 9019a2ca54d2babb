//! Starts payments beside an acquirer, and says what tests say often.

use std::time::Duration;

use contracts::acquirer::v1 as bank;
use contracts::acquirer::v1::acquirer_service_client::AcquirerServiceClient;
use contracts::google::r#type::Money;
use contracts::payment::v1 as pb;
use contracts::payment::v1::payment_service_client::PaymentServiceClient;
use mesh::client::ClientConfig;
use mesh::{Channel, Clients, Directory, Process, Target};
use store::{Config, Error, Statement, Store, Transaction, Unit};
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

pub(crate) type Client = PaymentServiceClient<Channel>;

const TARGETS: &[Target] = &[PAYMENT, ACQUIRER];
const PAYMENT: Target = Target::new("payment");
const ACQUIRER: Target = Target::new("acquirer");

/// How often something is looked for by itself: never, as far as a test is concerned.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) const OLD_KEY: &str = "2025:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
pub(crate) const NEW_KEY: &str = "2026:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const ACQUIRER_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// A card that is approved.
pub(crate) const GOOD: &str = "4242424242424242";
pub(crate) const CODE: &str = "739";

/// Empty databases, an acquirer, and payments that look for nothing by themselves.
pub(crate) struct Shop {
    pub(crate) client: Client,
    pub(crate) bank: AcquirerServiceClient<Channel>,
    pub(crate) process: Process,
    pub(crate) payment_url: String,
    pub(crate) acquirer_url: String,
    /// The test's own way into the payments' database.
    pub(crate) store: Store,
    pub(crate) folder: TempDir,
}

impl Shop {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
        let urls = (url("payment.db"), url("acquirer.db"));
        Self::on(urls, folder).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let server = test_postgres::Server::shared().unwrap();
        let urls = (server.create_database().await.unwrap(), server.create_database().await.unwrap());
        Self::on(urls, tempfile::tempdir().unwrap()).await
    }

    /// On databases that are there.
    pub(crate) async fn on((payment_url, acquirer_url): (String, String), folder: TempDir) -> Self {
        crate::secrets::listen();
        let options = mesh::process::Options { log: "off".into(), cores: 1, ..test_operator::options() };
        let process = Process::start("payment", options, None).unwrap();
        let directory = Directory::default();
        directory
            .in_process(acquirer::start(acquirer::Config::new(&acquirer_url, ACQUIRER_KEY), &process).await.unwrap());
        let config = config(&payment_url, NEW_KEY);
        directory.in_process(payment::start(config, &process, &directory).await.unwrap());
        let clients = clients(&process, &directory);
        let store = Store::open(Config::parse(&payment_url).unwrap(), &[], process.background().clone()).await.unwrap();
        Self {
            client: Client::new(clients.channel(PAYMENT).unwrap().with_token(test_operator::bearer())),
            bank: AcquirerServiceClient::new(clients.channel(ACQUIRER).unwrap().with_token(test_operator::bearer())),
            process,
            payment_url,
            acquirer_url,
            store,
            folder,
        }
    }

    /// One more payment service on these databases.
    pub(crate) async fn replica(&self, config: payment::Config) -> Client {
        let directory = Directory::default();
        let bank = acquirer::Config::new(&self.acquirer_url, ACQUIRER_KEY);
        directory.in_process(acquirer::start(bank, &self.process).await.unwrap());
        directory.in_process(payment::start(config, &self.process, &directory).await.unwrap());
        Client::new(clients(&self.process, &directory).channel(PAYMENT).unwrap().with_token(test_operator::bearer()))
    }

    /// One more that ends what is in doubt, soon.
    pub(crate) async fn reconciler(&self) -> Client {
        self.reconciled().await;
        let config =
            payment::Config { reconcile_interval: Duration::from_millis(5), ..config(&self.payment_url, NEW_KEY) };
        self.replica(config).await
    }

    /// Whatever is in doubt is so for long enough to be looked into.
    pub(crate) async fn reconciled(&self) {
        self.store.write(Do(&DUE)).await.unwrap();
    }

    /// The 15 minutes of every card are over.
    pub(crate) async fn time_passes(&self) {
        self.store.write(Do(&OVER)).await.unwrap();
    }

    /// One more that erases what is over, soon.
    pub(crate) async fn sweeper(&self) {
        let config = config(&self.payment_url, NEW_KEY);
        self.replica(payment::Config { expire_interval: Duration::from_millis(5), ..config }).await;
    }

    /// Every call to the acquirer takes longer than anybody waits.
    pub(crate) async fn lose_everything(&self) {
        let minute = prost_types::Duration { seconds: 60, nanos: 0 };
        let slow = bank::FaultRule { delay: Some(minute), ..rule(&[], bank::FaultKind::Slow) };
        self.faults(vec![slow]).await;
    }

    /// An authorization that was written, and whose caller gave up before the acquirer did anything.
    pub(crate) async fn unreached(&self, id: &str, token: &str, minor: i64) {
        self.lose_everything().await;
        tokio::select! {
            _ = self.authorize(id, token, minor) => panic!("its answer comes in a minute"),
            () = eventually(async || self.get(id).await.is_ok()) => {}
        }
        self.faults(vec![]).await;
    }

    /// How many doubts were looked into, in this process.
    pub(crate) fn doubts_reconciled(&self) -> u64 {
        let metrics = self.process.metrics().encode();
        let counts = metrics.lines().filter_map(|line| line.strip_prefix("payment_doubts_reconciled_total "));
        counts.map(|count| count.parse::<u64>().unwrap()).sum()
    }

    /// How many cards have a code left, and how many cards there are.
    pub(crate) async fn codes_and_cards(&self) -> (i64, i64) {
        let read = self.store.read("Cards", |mut connection| async move {
            let row = connection.fetch_one(&CARDS, []).await?;
            Ok::<_, Error>((row.get("codes")?, row.get("cards")?))
        });
        read.await.unwrap()
    }

    /// What is to go wrong at the acquirer.
    pub(crate) async fn faults(&self, rules: Vec<bank::FaultRule>) {
        self.plan(bank::FaultPlan { rules, seed: 7, ..bank::FaultPlan::default() }).await;
    }

    /// The acquirer is down, or up again.
    pub(crate) async fn down(&self, down: bool) {
        self.plan(bank::FaultPlan { down, ..bank::FaultPlan::default() }).await;
    }

    pub(crate) async fn plan(&self, plan: bank::FaultPlan) {
        self.bank.clone().set_faults(bank::SetFaultsRequest { plan: Some(plan) }).await.unwrap();
    }

    /// A charge as the acquirer has it.
    pub(crate) async fn charge(&self, payment_id: &str) -> Option<bank::Charge> {
        let request = bank::GetChargeRequest { payment_id: payment_id.into() };
        match self.bank.clone().get_charge(request).await {
            Ok(answer) => answer.into_inner().charge,
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => panic!("{status:?}"),
        }
    }

    /// The whole ledger: payment, operation, minor units of euros.
    pub(crate) async fn ledger(&self) -> Vec<(String, bank::Operation, i64)> {
        let (mut entries, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = bank::ListEntriesRequest { page_size: 100, page_token };
            let page = self.bank.clone().list_entries(request).await.unwrap().into_inner();
            entries.extend(page.entries.into_iter().map(|entry| {
                let operation = entry.operation();
                (entry.payment_id, operation, cents(entry.amount.as_ref().unwrap()))
            }));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return entries;
            }
        }
    }

    /// How often the ledger has this operation of a payment.
    pub(crate) async fn entries(&self, payment_id: &str, operation: bank::Operation) -> usize {
        self.ledger().await.iter().filter(|(id, found, _)| id == payment_id && *found == operation).count()
    }

    pub(crate) async fn token(&self, number: &str) -> String {
        tokenize(&self.client, card(number), &request_id()).await.unwrap().card_token
    }

    pub(crate) async fn authorize(&self, id: &str, token: &str, minor: i64) -> Result<pb::Payment, Status> {
        authorize(&self.client, id, token, minor).await
    }

    /// An authorized payment of so much.
    pub(crate) async fn authorized(&self, minor: i64) -> String {
        let (id, token) = (payment_id(), self.token(GOOD).await);
        assert_eq!(self.authorize(&id, &token, minor).await.unwrap().state(), pb::PaymentState::Authorized);
        id
    }

    /// A captured payment of so much.
    pub(crate) async fn captured(&self, minor: i64) -> String {
        let id = self.authorized(minor).await;
        assert_eq!(self.capture(&id).await.unwrap().state(), pb::PaymentState::Captured);
        id
    }

    pub(crate) async fn capture(&self, id: &str) -> Result<pb::Payment, Status> {
        let request = pb::CapturePaymentRequest { payment_id: id.into() };
        Ok(self.client.clone().capture_payment(request).await?.into_inner().payment.unwrap())
    }

    pub(crate) async fn void(&self, id: &str) -> Result<pb::Payment, Status> {
        let request = pb::VoidPaymentRequest { payment_id: id.into() };
        Ok(self.client.clone().void_payment(request).await?.into_inner().payment.unwrap())
    }

    pub(crate) async fn refund(&self, id: &str, refund_id: &str, minor: i64) -> Result<pb::Payment, Status> {
        let (payment_id, refund_id) = (id.into(), refund_id.into());
        let request = pb::RefundPaymentRequest { payment_id, refund_id, amount: Some(euros(minor)) };
        Ok(self.client.clone().refund_payment(request).await?.into_inner().payment.unwrap())
    }

    pub(crate) async fn get(&self, id: &str) -> Result<pb::Payment, Status> {
        let request = pb::GetPaymentRequest { payment_id: id.into() };
        Ok(self.client.clone().get_payment(request).await?.into_inner().payment.unwrap())
    }

    pub(crate) async fn state(&self, id: &str) -> pb::PaymentState {
        self.get(id).await.unwrap().state()
    }
}

/// Payments that look for nothing by themselves.
pub(crate) fn config(url: &str, keys: &str) -> payment::Config {
    payment::Config { reconcile_interval: NEVER, expire_interval: NEVER, ..payment::Config::new(url, keys) }
}

fn clients(process: &Process, directory: &Directory) -> Clients {
    // A machine that is busy with all tests at once is no reason to give up.
    let config = ClientConfig { default_timeout: Duration::from_secs(60), ..ClientConfig::default() };
    Clients::new(process, directory, "tester", TARGETS, &[contracts::FILE_DESCRIPTOR_SET], config).unwrap()
}

const DUE: Statement = Statement::new("UPDATE payments", "UPDATE payments SET due_us = 1 WHERE due_us IS NOT NULL");
const OVER: Statement = Statement::new("UPDATE cards", "UPDATE cards SET expire_us = 1");
const CARDS: Statement =
    Statement::new("SELECT cards", "SELECT COUNT(code_sealed) AS codes, COUNT(*) AS cards FROM cards");

/// One statement.
struct Do(&'static Statement);

impl Unit for Do {
    const NAME: &'static str = "Do";
    type Output = ();
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        Vec::new()
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Error> {
        tx.execute(self.0, []).await.map(drop)
    }
}

/// Waits until something is so, however busy the machine is.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let so = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), so).await.expect("it never came true");
}

/// What goes wrong with these operations, always.
pub(crate) fn rule(operations: &[bank::Operation], kind: bank::FaultKind) -> bank::FaultRule {
    let operations = operations.iter().map(|operation| (*operation).into()).collect();
    bank::FaultRule { operations, probability: 1.0, kind: kind.into(), ..bank::FaultRule::default() }
}

pub(crate) fn card(number: &str) -> pb::CardDetails {
    pb::CardDetails {
        number: number.into(),
        security_code: CODE.into(),
        expiry_month: 12,
        expiry_year: i32::try_from(rpc::year_and_month(rpc::now_us()).0).unwrap() + 3,
        holder_name: "A. Shopper".into(),
    }
}

pub(crate) async fn tokenize(
    client: &Client,
    card: pb::CardDetails,
    request_id: &str,
) -> Result<pb::TokenizeCardResponse, Status> {
    let request = pb::TokenizeCardRequest { card: Some(card), request_id: request_id.into() };
    Ok(client.clone().tokenize_card(request).await?.into_inner())
}

pub(crate) async fn authorize(client: &Client, id: &str, token: &str, minor: i64) -> Result<pb::Payment, Status> {
    let (payment_id, card_token) = (id.into(), token.into());
    let request = pb::AuthorizePaymentRequest { payment_id, card_token, amount: Some(euros(minor)) };
    Ok(client.clone().authorize_payment(request).await?.into_inner().payment.unwrap())
}

pub(crate) fn euros(minor: i64) -> Money {
    let nanos = i32::try_from(minor % 100).unwrap() * 10_000_000;
    Money { currency_code: "EUR".into(), units: minor / 100, nanos }
}

pub(crate) fn cents(money: &Money) -> i64 {
    money.units * 100 + i64::from(money.nanos) / 10_000_000
}

pub(crate) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub(crate) fn payment_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The code and the reason of a refusal.
pub(crate) fn refusal(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "souk.payment.v1");
    (status.code(), info.reason.clone())
}

pub(crate) fn failed(reason: &str) -> (Code, String) {
    (Code::FailedPrecondition, reason.to_owned())
}

pub(crate) fn unavailable(reason: &str) -> (Code, String) {
    (Code::Unavailable, reason.to_owned())
}

/// The fields that a refusal names.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    assert_eq!(refusal(status), (Code::InvalidArgument, "INVALID_REQUEST".into()), "{status:?}");
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}
