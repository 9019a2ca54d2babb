//! A canary's number and code are found nowhere: no log line, no span, no row of any database.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, Once};

use contracts::acquirer::v1::{FaultKind, Operation};
use contracts::payment::v1 as pb;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use crate::shop::{self, Shop, payment_id, refusal, request_id, rule, tokenize, unavailable};

/// Digits that occur nowhere else, of a card whose code has four.
const NUMBER: &str = "374929718356247";
const CODE: &str = "8047";

/// Where the canary was heard, and whether anything was.
#[derive(Default)]
struct Heard {
    canary: Vec<String>,
    cards_kept: bool,
}

static HEARD: Mutex<Heard> = Mutex::new(Heard { canary: Vec::new(), cards_kept: false });

/// Hears everything that is ever said in this process, whatever its level: names, fields and values of all spans and lines.
struct Listener;

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Words {
    fn heard(self) {
        let mut heard = HEARD.lock().unwrap();
        heard.cards_kept |= self.0.contains("INSERT cards");
        if found(self.0.as_bytes()).is_some() {
            heard.canary.push(self.0);
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Listener {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut words = Words(span.metadata().name().to_owned());
        span.record(&mut words);
        words.heard();
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut words = Words(String::new());
        values.record(&mut words);
        words.heard();
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        words.heard();
    }
}

/// Listens from now on. The first subscriber of a process stays, so this comes before any process of a test is started.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Listener)).unwrap());
}

/// Where the canary is in some bytes: its number, with the separators that people type, or its code as a word of its own.
fn found(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| {
        let outside = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
        outside(at.checked_sub(1).and_then(|before| bytes.get(before))) && outside(bytes.get(at + CODE.len()))
    };
    let spaced = format!("{} {} {}", &NUMBER[..4], &NUMBER[4..10], &NUMBER[10..]);
    let number = [NUMBER, &spaced].into_iter().find_map(|number| place(bytes, number.as_bytes()));
    let code = || (0..bytes.len()).find(|at| bytes[*at..].starts_with(CODE.as_bytes()) && word(*at));
    let at = number.or_else(code)?;
    let around = &bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())];
    Some(String::from_utf8_lossy(around).into_owned())
}

fn place(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn canary() -> pb::CardDetails {
    let number = format!("{} {} {}", &NUMBER[..4], &NUMBER[4..10], &NUMBER[10..]);
    pb::CardDetails { security_code: CODE.into(), ..shop::card(&number) }
}

/// Every way that a card can go: kept, refused, charged, declined, lost, in doubt, again.
async fn flows(shop: &Shop) {
    let request = request_id();
    let token = tokenize(&shop.client, canary(), &request).await.unwrap().card_token;
    tokenize(&shop.client, canary(), &request).await.unwrap();
    let wrong = pb::CardDetails { expiry_month: 99, holder_name: NUMBER.repeat(10), ..canary() };
    tokenize(&shop.client, wrong, &request_id()).await.unwrap_err();
    tokenize(&shop.client, pb::CardDetails { expiry_month: 1, ..canary() }, &request).await.unwrap_err();
    let id = payment_id();
    shop.authorize(&id, &token, 100).await.unwrap();
    shop.capture(&id).await.unwrap();
    shop.refund(&id, &request_id(), 40).await.unwrap();
    for kind in [FaultKind::LoseAnswer, FaultKind::Decline, FaultKind::Down] {
        let token = tokenize(&shop.client, canary(), &request_id()).await.unwrap().card_token;
        let reason = contracts::acquirer::v1::IssuerReason::StolenCard.into();
        let fault = contracts::acquirer::v1::FaultRule { issuer_reason: reason, ..rule(&[Operation::Authorize], kind) };
        shop.faults(vec![fault]).await;
        let ended = shop.authorize(&payment_id(), &token, 100).await;
        assert_eq!(ended.is_err(), kind == FaultKind::Down);
        if let Err(refused) = ended {
            assert_eq!(refusal(&refused), unavailable("PROCESSOR_UNAVAILABLE"));
            assert_eq!(found(format!("{refused:?}").as_bytes()), None);
        }
    }
    shop.faults(vec![]).await;
    // Its code is still sealed there, and the acquirer has yet to hear of it.
    let token = tokenize(&shop.client, canary(), &request_id()).await.unwrap().card_token;
    shop.unreached(&payment_id(), &token, 100).await;
}

#[test]
fn the_search_finds_a_canary_and_nothing_else() {
    let spaced = format!("number={} {} {}", &NUMBER[..4], &NUMBER[4..10], &NUMBER[10..]);
    for text in [NUMBER, &spaced, "code=8047", "8047"] {
        assert!(found(format!("before {text} after").as_bytes()).is_some(), "{text}");
    }
    assert_eq!(found(b"18047 a8047 80471 8047f"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_is_in_no_log_line_no_span_and_no_file_of_a_database() {
    let shop = Shop::on_sqlite().await;
    flows(&shop).await;
    let heard = HEARD.lock().unwrap();
    assert!(heard.cards_kept, "the statements' spans are heard");
    assert_eq!(heard.canary, Vec::<String>::new());
    drop(heard);
    let mut files = 0;
    for entry in std::fs::read_dir(shop.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        files += usize::from(bytes.len() > 4096);
        assert_eq!(found(&bytes), None, "{}", path.display());
        // What is not sealed is there to be read, so the search would find it.
        if path.ends_with("payment.db-wal") {
            assert!(place(&bytes, &NUMBER.as_bytes()[NUMBER.len() - 4..]).is_some());
        }
    }
    assert!(files >= 2, "the databases have {files} files");
}
