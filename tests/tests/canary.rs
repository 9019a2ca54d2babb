//! A canary's card through the edge of a fleet that says all it can: its number and code are nowhere. And what is done after a
//! click was answered is linked to it.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{fs, path::Path};

use anyhow::ensure;
use contracts::{
    catalog::v1::{CreateProductRequest, Product},
    checkout::v1::{CancelOrderRequest, Order, OrderState, PlaceOrderRequest},
    google::r#type::Money,
    payment::v1::{CardDetails, TokenizeCardRequest},
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use system_tests::{CardOfShopper, Collector, Kept, Shopper, Signal, Span, catalog, eventually, souk, uuid};
use test_postgres::Server;
use tonic::Request;

/// Digits that occur nowhere else, of a card whose code has four.
const CANARY: CardOfShopper = CardOfShopper { number: "3749 297183 56247", code: "8047" };
const NUMBER: &str = "374929718356247";
const LAST_FOUR: &str = "6247";

/// Of the click that orders, and of the one that puts a product into the catalog.
const ORDERING: &str = "0af7651916cd43dd8448eb211c80319c";
const OFFERING: &str = "1bf7651916cd43dd8448eb211c80319d";

const SERVICES: [&str; 6] = ["acquirer", "cart", "catalog", "checkout", "inventory", "payment"];

/// Where the canary is in some bytes: its number in any of its forms, or its code where it is written as one. Four digits alone
/// are in every log.
fn found(bytes: &[u8]) -> Option<String> {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let dashed = CANARY.number.replace(' ', "-");
    let numbers = [NUMBER.to_owned(), CANARY.number.to_owned(), dashed, hex(NUMBER), hex(CANARY.number)];
    let code = CANARY.code;
    // As a field of a log line, of JSON, of debugging, of a form, and as a message has it: field 2, four bytes.
    let codes = [
        format!("code={code}"),
        format!("code: {code}"),
        format!("\"{code}\""),
        format!("\\\"{code}\\\""),
        format!("\x12\x04{code}"),
        format!("1204{}", hex(code)),
    ];
    numbers.iter().chain(&codes).find_map(|text| {
        let at = bytes.windows(text.len()).position(|window| window == text.as_bytes())?;
        let around = &bytes[at.saturating_sub(80)..(at + text.len() + 40).min(bytes.len())];
        Some(String::from_utf8_lossy(around).into_owned())
    })
}

fn within<T>(trace: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", format!("00-{trace}-b7ad6b7169203331-01").parse().unwrap());
    request
}

/// Starts a fleet that logs and traces everything.
async fn talkative(collector: &Collector, database: Option<&str>) -> Kept {
    let mut environment = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100000"),
        ("LOG", "trace"),
    ];
    environment.extend(database.map(|url| ("SOUK_DATABASE", url)));
    Kept::open_as(souk(), &[], &environment).await
}

/// The canary orders, and cancels once it has paid; and makes the mistakes that people make.
async fn shops(fleet: &Kept) -> Order {
    let mut shopper = Shopper::at(&fleet.edge);
    shopper.sell("mug-of-the-test", 5).await;
    let wrong = CardDetails {
        number: CANARY.number.into(),
        security_code: CANARY.code.into(),
        expiry_month: 1,
        expiry_year: 2020,
        holder_name: NUMBER.into(),
    };
    let wrong = TokenizeCardRequest { card: Some(wrong), request_id: uuid() };
    let refused = shopper.payments.tokenize_card(wrong).await.unwrap_err();
    assert_eq!(found(format!("{refused:?} {:?}", String::from_utf8_lossy(refused.details())).as_bytes()), None);
    let request = shopper.wishes("mug-of-the-test", 2, CANARY).await;
    let mistaken = PlaceOrderRequest { card_token: NUMBER.into(), request_id: uuid(), ..request.clone() };
    let refused = shopper.orders.place_order(mistaken).await.unwrap_err();
    assert_eq!(found(format!("{refused:?}").as_bytes()), None);
    let order = shopper.orders.place_order(within(ORDERING, request)).await.unwrap().into_inner().order.unwrap();
    let order = shopper.reaches(&order, OrderState::Captured).await;
    let (order_id, etag, request_id) = (order.order_id.clone(), String::new(), uuid());
    shopper.orders.cancel_order(CancelOrderRequest { order_id, etag, request_id }).await.unwrap();
    shopper.reaches(&order, OrderState::Refunded).await
}

/// Ends the fleet, and looks for the canary in everything that it said.
async fn said_nothing(mut fleet: Kept, collector: &Collector) {
    eventually("the last call to the acquirer is traced", async || {
        ensure!(collector.has("souk.acquirer.v1.AcquirerService/RefundCharge"));
        Ok(())
    })
    .await;
    fleet.signal(Signal::TERM);
    assert!(fleet.ended().await.success());
    let log = fleet.output();
    for service in SERVICES {
        let own = |line: &str| line.starts_with(&format!("{service}.1")) && line.contains("TRACE");
        assert!(log.lines().any(own), "{service} says too little");
    }
    assert_eq!(found(log.as_bytes()), None, "in the log");
    assert_eq!(collector.finds(found), None, "in a span");
}

/// How many files below a folder are a database's, all without the canary.
fn files(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += self::files(&path);
        } else if path.is_file() {
            // What search has merged into another file is gone by now.
            let Ok(bytes) = fs::read(&path) else { continue };
            assert_eq!(found(&bytes), None, "{}", path.display());
            files += 1;
        }
    }
    files
}

#[test]
fn the_search_finds_a_canary_in_all_its_forms() {
    let details = CardDetails { number: NUMBER.into(), security_code: CANARY.code.into(), ..CardDetails::default() };
    let message = prost::Message::encode_to_vec(&details);
    assert!(found(&message).is_some() && found(&message[2 + NUMBER.len()..]).is_some());
    for text in ["n=374929718356247", "3749-297183-56247", "333734393239373138333536323437", "code=8047", "{\"8047\"}"]
    {
        assert!(found(text.as_bytes()).is_some(), "{text}");
    }
    assert_eq!(found(b"port 8047 of 37492971835624"), None);
}

#[tokio::test]
async fn a_canary_is_in_no_log_no_span_and_no_file_of_a_fleet() {
    let collector = Collector::start().await;
    let fleet = talkative(&collector, None).await;
    shops(&fleet).await;
    // While it runs: most of it is in the WALs yet.
    assert!(files(fleet.data()) >= 2 * SERVICES.len());
    let payment = ["payment.db", "payment.db-wal"].map(|name| fs::read(fleet.data().join(name)).unwrap()).concat();
    let shown = payment.windows(LAST_FOUR.len()).any(|window| window == LAST_FOUR.as_bytes());
    assert!(shown, "what may be shown of the card is not there, so the card was not looked for where it is kept");
    said_nothing(fleet, &collector).await;
}

#[tokio::test]
async fn a_canary_is_in_no_log_no_span_and_no_row_of_a_fleet_on_postgresql() {
    let server = Server::start().unwrap();
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    for service in SERVICES {
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE souk_{service}"))).await.unwrap();
    }
    let (collector, url) = (Collector::start().await, server.url(""));
    let fleet = talkative(&collector, Some(&url)).await;
    shops(&fleet).await;
    for service in SERVICES {
        let rows = rows(&server.url(&format!("souk_{service}"))).await;
        assert!(!rows.is_empty(), "{service} has no rows");
        assert_eq!(found(rows.as_bytes()), None, "in the database of {service}");
        if service == "payment" {
            assert!(rows.contains(LAST_FOUR), "what may be shown of the card is not there: {rows}");
        }
    }
    // Beside them there is what search keeps.
    assert!(files(fleet.data()) > 0);
    said_nothing(fleet, &collector).await;
}

/// Every row of every table of a database, as text.
async fn rows(url: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let tables = "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables \
                  WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    let mut all = String::new();
    for table in connection.fetch_all(tables).await.unwrap() {
        let table: String = table.get(0);
        let rows = AssertSqlSafe(format!("SELECT one::text FROM {table} AS one"));
        for row in connection.fetch_all(rows).await.unwrap() {
            all.push_str(row.get(0));
            all.push('\n');
        }
    }
    all
}

fn of_trace<'a>(spans: &'a [Span], trace: &[u8], name: &str) -> Option<&'a Span> {
    spans.iter().find(|span| span.trace_id == trace && span.name == name)
}

#[tokio::test]
async fn what_is_done_after_a_click_was_answered_is_linked_to_it() {
    let collector = Collector::start().await;
    let fleet = talkative(&collector, None).await;
    let product = Product {
        product_id: "lamp-of-the-test".into(),
        name: "A lamp".into(),
        price: Some(Money { currency_code: "EUR".into(), units: 5, nanos: 0 }),
        ..Product::default()
    };
    let offer = CreateProductRequest { product: Some(product), request_id: uuid() };
    // Once there was an order everybody follows; what comes in a snapshot is nobody's doing.
    shops(&fleet).await;
    catalog(&fleet.edge).create_product(within(OFFERING, offer)).await.unwrap();
    let bytes = |trace: &str| u128::from_str_radix(trace, 16).unwrap().to_be_bytes();
    let linked = |span: &Span, trace: &[u8]| span.links.iter().any(|link| link.trace_id == trace);
    eventually("what was done later is linked to the clicks", async || {
        let spans = collector.spans();
        // What carries the order on from the click is of its trace, with the capture and the emptying of the cart.
        let order = spans.iter().find(|span| span.name == "order" && span.trace_id == bytes(ORDERING)[..]);
        let order = order.ok_or_else(|| anyhow::anyhow!("no order is in the click's trace"))?;
        for method in ["souk.cart.v1.CartService/ClearCart", "souk.payment.v1.PaymentService/CapturePayment"] {
            ensure!(of_trace(&spans, &order.trace_id, method).is_some(), "{method} is not in the order's trace");
        }
        // Who follows a feed links to the call that made the change: carts and search to the product, search to the stock.
        let follows = |name: &str, trace: &[u8]| {
            spans
                .iter()
                .filter(|span| span.name == name && span.parent_span_id.is_empty() && linked(span, trace))
                .count()
        };
        ensure!(follows("process catalog", &bytes(OFFERING)) == 2, "carts and search do not both link to the product");
        ensure!(follows("process inventory", &order.trace_id) >= 1, "search does not link to the reservation");
        ensure!(follows("process checkout", &bytes(ORDERING)) >= 1, "what is popular does not link to the click");
        Ok(())
    })
    .await;
}
