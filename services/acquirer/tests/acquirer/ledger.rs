//! The ledger, and what of a card is in it.

use contracts::acquirer::v1::Operation::{Authorize, Capture, Refund, Void};

use crate::bank::{Bank, GOOD, cents, payment_id, refund_id};

crate::on_both_databases!(the_ledger_is_listed_once_in_its_order_page_by_page);

async fn the_ledger_is_listed_once_in_its_order_page_by_page(bank: Bank) {
    let (paid, voided, refund) = (bank.captured(1000).await, payment_id(), refund_id());
    bank.authorize(&voided, GOOD, 300).await.unwrap();
    bank.void(&voided).await.unwrap();
    bank.refund(&paid, &refund, 400).await.unwrap();
    let (mut listed, mut token) = (Vec::new(), String::new());
    loop {
        let page = bank.page(2, &token).await;
        assert!(page.entries.len() <= 2);
        listed.extend(page.entries);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let lines: Vec<_> = listed
        .iter()
        .map(|entry| (&*entry.payment_id, entry.operation(), cents(entry.amount.as_ref()), &*entry.refund_id))
        .collect();
    let (paid, voided) = (paid.as_str(), voided.as_str());
    assert_eq!(
        lines,
        [
            (paid, Authorize, 1000, ""),
            (paid, Capture, 1000, ""),
            (voided, Authorize, 300, ""),
            (voided, Void, 300, ""),
            (paid, Refund, 400, &*refund),
        ]
    );
    assert!(listed.is_sorted_by_key(|entry| entry.number));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_card_is_in_its_database_but_the_last_four_digits() {
    const NUMBER: &str = "4929718356240879";
    let bank = Bank::on_sqlite().await;
    bank.authorize(&payment_id(), NUMBER, 100).await.unwrap();
    bank.authorize(&payment_id(), &NUMBER[..15], 100).await.unwrap();
    let mut seen = false;
    for entry in std::fs::read_dir(bank.folder.as_ref().unwrap().path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!has(&NUMBER[..12]) && !has("A. Shopper"));
        seen |= has("0879");
    }
    assert!(seen, "the last four digits are there to be read");
}
