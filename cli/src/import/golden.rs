//! Files of the shapes that shops export, and what is read from each, as files beside them.

use std::{fmt::Write as _, fs, io::Cursor, path::Path};

use rpc::money::Currency;

use super::{
    product::Given,
    source,
    table::{self, Batch, Table},
};

/// What is read from a file, for people.
fn read(bytes: &[u8], currency: Option<Currency>) -> String {
    let mut text = String::new();
    let source = source::identify(Box::new(Cursor::new(bytes.to_vec())), None).unwrap();
    let mut table = match Table::open(source, &[], Given { currency, stock: None }) {
        Ok(table) => table,
        Err(error) => return format!("error: {error}\n"),
    };
    writeln!(text, "{}", table.format()).unwrap();
    for [field, column, _example] in table::guess(&table) {
        writeln!(text, "  {field}: {column}").unwrap();
    }
    while let Some(batch) = table.batch().unwrap() {
        show(&batch, &mut text);
    }
    text
}

fn show(batch: &Batch, text: &mut String) {
    for row in &batch.products {
        let product = &row.product;
        let money = |money: &contracts::google::r#type::Money| {
            format!("{}.{:09} {}", money.units, money.nanos, money.currency_code)
        };
        let price = product.price.as_ref().map(money).unwrap();
        writeln!(text, "\nline {}: {} = {}", row.rows[0].line, product.product_id, product.name).unwrap();
        let before = product.list_price.as_ref().map(|it| format!(", before {}", money(it))).unwrap_or_default();
        writeln!(text, "  price {price}{before}; units {:?}", row.units).unwrap();
        for (name, value) in [("sku", &product.sku), ("brand", &product.brand), ("description", &product.description)] {
            if !value.is_empty() {
                writeln!(text, "  {name} {value:?}").unwrap();
            }
        }
        product.categories.iter().for_each(|it| writeln!(text, "  category {}", it.names.join(" > ")).unwrap());
        product.pictures.iter().for_each(|it| writeln!(text, "  picture {}", it.uri).unwrap());
        product.attributes.iter().for_each(|it| writeln!(text, "  {}: {}", it.name, it.value).unwrap());
        product.rating.iter().for_each(|it| writeln!(text, "  rating {} of {}", it.average, it.count).unwrap());
    }
    for rejected in &batch.rejected {
        writeln!(text, "\nline {}: rejected, {}", rejected.rows[0].line, rejected.reason).unwrap();
    }
}

#[test]
fn files_of_every_shape_are_read_as_they_should_be() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.extension().is_some_and(|extension| extension == "csv" || extension == "tsv") {
            continue;
        }
        count += 1;
        // `magento.USD.csv` does not say its currency.
        let currency = path.file_stem().and_then(|stem| stem.to_str()?.rsplit('.').next()).and_then(Currency::parse);
        let (found, golden) = (read(&fs::read(&path).unwrap(), currency), path.with_extension("golden"));
        if fs::read_to_string(&golden).ok().as_deref() != Some(&found) {
            let seen = std::env::temp_dir().join(golden.file_name().unwrap());
            fs::write(&seen, &found).unwrap();
            wrong.push(format!("{} differs from {}:\n{found}", golden.display(), seen.display()));
        }
    }
    assert!(count >= 8, "only {count} files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_is_read_the_same_in_every_encoding_and_with_every_line_end() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/german.csv");
    let text = fs::read_to_string(path).unwrap();
    let body = |bytes: &[u8]| read(bytes, None).split_once('\n').unwrap().1.to_owned();
    let expected = body(text.as_bytes());
    let wide =
        |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> { format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect() };
    let (windows, _, lossy) = encoding_rs::WINDOWS_1252.encode(&text);
    assert!(!lossy);
    let variants = [
        ("a mark", format!("\u{feff}{text}").into_bytes()),
        ("UTF-16LE", wide(u16::to_le_bytes)),
        ("UTF-16BE", wide(u16::to_be_bytes)),
        ("Windows-1252", windows.into_owned()),
        ("CRLF", text.replace('\n', "\r\n").into_bytes()),
        ("a lone CR", text.replace('\n', "\r").into_bytes()),
        ("tabs", text.replace(';', "\t").into_bytes()),
    ];
    for (what, bytes) in variants {
        assert_eq!(body(&bytes), expected, "with {what}");
    }
}
