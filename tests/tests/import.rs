//! `souk import` into a running shop: everything once, whatever happens on the way.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;
use contracts::{
    catalog::v1::{ListProductsRequest, Product},
    inventory::v1::BatchGetStockRequest,
};
use serde_json::Value;
use system_tests::{Catalog, Running, Shop, Signal, catalog, eventually, inventory, repository};

/// Exit codes of the command.
const REJECTED: i32 = 3;
const INTERRUPTED: i32 = 130;

/// Rows of a file that takes several batches.
const ROWS: usize = 2_500;

async fn import(shop: &Shop, file: &Path, more: &[&str]) -> (i32, Value, String) {
    let arguments = ["import", file.to_str().unwrap(), "--to", &shop.grpc, "--output", "json"];
    let mut souk = Running::start(&[&arguments, more].concat(), &[("SOUK_TOKEN", &test_operator::token())]);
    let event = souk.event().await;
    let code = souk.ended().await.code().unwrap();
    (code, event, souk.output())
}

/// The products whose ids begin with `prefix`.
async fn products(catalog: &mut Catalog, prefix: &str) -> Vec<Product> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = ListProductsRequest { page_size: 1_000, page_token, ..ListProductsRequest::default() };
        let page = catalog.list_products(page).await.unwrap().into_inner();
        found.extend(page.products.into_iter().filter(|product| product.product_id.starts_with(prefix)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

fn rows(count: usize) -> String {
    let mut text = "product_id,product_name,description,price,currency\n".to_owned();
    for row in 0..count {
        writeln!(text, "row-{row},Product {row},\"First line\nsecond line\",{row}.99,EUR").unwrap();
    }
    text
}

/// More of them than is looked at before the first is sent.
fn long_rows() -> String {
    rows(ROWS).replace("second line", &"second line ".repeat(60))
}

fn shape(name: &str) -> PathBuf {
    repository().join("cli/tests/import").join(name)
}

#[tokio::test]
async fn every_row_with_a_name_and_a_price_comes_in_and_again_nothing_changes() {
    let shop = Shop::open(&[]).await;
    let (file, mut catalog) = (shape("fashion.csv"), catalog(&shop.grpc));
    let (code, report, output) = import(&shop, &file, &[]).await;
    assert_eq!(code, REJECTED, "{output}");
    assert_eq!((&report["created"], &report["rejected"]), (&"2".into(), &"2".into()), "{output}");
    assert_eq!((&report["stocked"], &report["unstocked"]), (&"2".into(), &"0".into()), "{output}");
    assert!(output.contains("line 5: no name") && output.contains("line 6: no price"), "{output}");
    let imported = products(&mut catalog, "9000").await;
    let [cushion, ring] = &imported[..] else { panic!("{imported:?}") };
    assert_eq!((cushion.name.as_str(), cushion.pictures.len(), cushion.revision), ("Velvet Cushion, 2 pcs", 2, 1));
    assert_eq!(cushion.categories[0].names, ["Home & Living", "Textiles", "Cushions"]);
    assert_eq!(ring.rating.map(|rating| rating.count), Some(12));

    let (_, again, output) = import(&shop, &file, &[]).await;
    assert_eq!((&again["created"], &again["updated"], &again["unchanged"]), (&"0".into(), &"0".into(), &"2".into()));
    assert_eq!(products(&mut catalog, "9000").await, imported, "{output}");
}

#[tokio::test]
async fn units_are_in_the_inventory_as_the_file_says_however_often_it_is_imported() {
    let shop = Shop::open(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stock.csv");
    fs::write(&file, "id,name,price,stock\npot,Pot,1 EUR,7\ncup,Cup,2 EUR,0\n").unwrap();
    for created in ["2", "0"] {
        let (code, report, output) = import(&shop, &file, &[]).await;
        assert_eq!((code, &report["created"]), (0, &created.into()), "{output}");
        assert_eq!((&report["stocked"], &report["unstocked"]), (&"2".into(), &"0".into()), "{output}");
        let asked = BatchGetStockRequest { product_ids: vec!["pot".into(), "cup".into()] };
        let stock = inventory(&shop.grpc).batch_get_stock(asked).await.unwrap().into_inner().stock;
        let levels: Vec<_> = stock.iter().map(|it| (it.product_id.as_str(), it.received, it.on_hand)).collect();
        assert_eq!(levels, [("pot", 7, 7), ("cup", 0, 0)]);
    }
    // Where the file says nothing about units, the command may.
    fs::write(&file, "id,name,price\njug,Jug,3 EUR\n").unwrap();
    let (code, report, output) = import(&shop, &file, &["--stock", "4"]).await;
    assert_eq!((code, &report["stocked"]), (0, &"1".into()), "{output}");
}

#[tokio::test]
async fn what_the_catalog_refuses_is_a_rejected_row_with_its_line() {
    let shop = Shop::open(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, rejects) = (folder.path().join("dear.csv"), folder.path().join("out.csv"));
    fs::write(&file, "id,name,price\nok,Pot,1 EUR\n\ndear,Palace,1000000000001 EUR\nok-2,Cup,2 EUR\n").unwrap();
    let (code, report, output) = import(&shop, &file, &["--rejects", rejects.to_str().unwrap()]).await;
    assert_eq!((code, &report["created"]), (REJECTED, &"2".into()), "{output}");
    assert!(output.contains("line 4: refused by the catalog: price.units"), "{output}");
    let written = fs::read_to_string(rejects).unwrap();
    assert!(written.lines().nth(1).unwrap().starts_with("4,refused by the catalog,"), "{written}");
}

/// A file that an import reads as far as the test lets it.
struct Pipe {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Pipe {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("products.csv");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        Self { _folder: folder, path }
    }
}

/// An import that has all but the end of its file, with some of it in the shop; and what keeps the file open.
async fn underway(shop: &Shop, text: &str) -> (Running, fs::File, Pipe) {
    let pipe = Pipe::new();
    let arguments = ["import", pipe.path.to_str().unwrap(), "--to", &shop.grpc, "--output", "json"];
    let souk = Running::start(&arguments, &[("SOUK_TOKEN", &test_operator::token())]);
    let (path, begin) = (pipe.path.clone(), text[..text.len() / 4 * 3].to_owned());
    // Opening and writing wait for the reader.
    let write = move || {
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all(begin.as_bytes()).unwrap();
        file
    };
    let file = tokio::task::spawn_blocking(write).await.unwrap();
    let catalog = catalog(&shop.grpc);
    eventually("some of it is in the shop", async || {
        ensure!(!products(&mut catalog.clone(), "row-").await.is_empty(), "nothing yet");
        Ok(())
    })
    .await;
    (souk, file, pipe)
}

#[tokio::test]
async fn after_a_kill_in_the_middle_the_same_command_brings_everything_once() {
    let shop = Shop::open(&[]).await;
    let padded = long_rows();
    let (mut souk, file, _pipe) = underway(&shop, &padded).await;
    souk.kill();
    drop(file);
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("products.csv");
    fs::write(&whole, &padded).unwrap();
    let (code, report, output) = import(&shop, &whole, &[]).await;
    assert_eq!(code, 0, "{output}");
    assert_eq!((&report["products"], &report["updated"]), (&ROWS.to_string().into(), &"0".into()), "{output}");
    assert_ne!(report["unchanged"], "0", "{output}");
    let imported = products(&mut catalog(&shop.grpc), "row-").await;
    assert_eq!(imported.len(), ROWS);
    assert!(imported.iter().all(|product| product.revision == 1));
}

#[tokio::test]
async fn ctrl_c_says_what_is_done_and_how_to_go_on() {
    let shop = Shop::open(&[]).await;
    let padded = long_rows();
    let (mut souk, _file, _pipe) = underway(&shop, &padded).await;
    souk.signal(Signal::INT);
    let code = souk.ended().await.code();
    assert_eq!(code, Some(INTERRUPTED), "{}", souk.output());
    assert!(souk.output().contains("the same command again goes on"), "{}", souk.output());
}
