//! The reader and the mapping of rows against bytes of any kind: whatever a file holds, it ends with rows or an error.

use std::io::Cursor;

use super::{
    product::Given,
    source,
    table::{Counts, Table},
};

/// Reads `data` as a file.
pub(super) fn import(data: &[u8]) {
    let Ok(source) = source::identify(Box::new(Cursor::new(data.to_vec())), None) else { return };
    let given = Given { currency: rpc::money::Currency::parse("EUR"), stock: Some(1) };
    let Ok(mut table) = Table::open(source, &[], given) else { return };
    let (mut counts, mut products, mut rejected, mut line) = (Counts::default(), 0, 0, 0);
    while let Ok(Some(batch)) = table.batch() {
        counts.add(batch.counts);
        products += batch.products.len();
        rejected += batch.rejected.len();
        assert!(batch.line >= line, "lines go back");
        line = batch.line;
        for row in &batch.products {
            assert!(!row.product.name.is_empty() && row.product.price.is_some(), "{:?}", row.product);
        }
    }
    let accounted = (products + rejected) as u64 + counts.continued + counts.blank;
    assert_eq!(counts.rows, accounted, "every row is a product, rejected, a continuation or blank");
}

#[test]
fn every_file_is_read_or_refused() {
    test_fuzz::Target { crate_folder: env!("CARGO_MANIFEST_DIR"), name: "import", function: import }
        .run_on_examples_too("tests/import");
}
