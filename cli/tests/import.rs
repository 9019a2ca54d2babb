//! `souk import` on files that are none, and what it says and exits with; without a shop.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Exit status, standard output, standard error.
fn import(arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_souk"));
    command.arg("import").args(arguments).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut souk = command.spawn().unwrap();
    // One that was refused by its first bytes is not read to the end.
    let _closed = souk.stdin.take().unwrap().write_all(input).is_err();
    let ended = souk.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ended.status.code().unwrap(), text(ended.stdout), text(ended.stderr))
}

fn dry(input: &[u8]) -> (i32, String) {
    let (code, _, said) = import(&["-", "--dry-run"], input);
    (code, said)
}

/// Whether the guess says that `field` is read from `column`.
fn row(said: &str, field: &str, column: &str) -> bool {
    said.lines().any(|line| line.split_whitespace().take(2).eq([field, column]))
}

fn shape(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name)
}

#[test]
fn what_is_no_csv_is_refused_by_what_it_is() {
    let wide = [b"name,price\n".to_vec(), b"x,".repeat(1_000_000)].concat();
    let endless = [b"name,price\n".to_vec(), b"x".repeat(3 << 20)].concat();
    let cases: [(&[u8], &str); 9] = [
        (b"PK\x03\x04....", "a zip archive or an Excel workbook"),
        (b"\x1f\x8b....", "compressed with gzip"),
        (b"%PDF-1.7", "a PDF document"),
        (b"", "it is empty"),
        (b"<html><body>", "HTML"),
        (b"[{\"name\":\"x\"}]", "JSON"),
        (b"no table at all\nin these lines\n", "no separator"),
        (&wide, "line 2 has more than 4096 columns"),
        (&endless, "line 2 is longer than 1024 KiB"),
    ];
    for (input, expected) in cases {
        let (code, said) = dry(input);
        assert_eq!(code, 1, "{expected}: {said}");
        assert!(said.contains(expected) && !said.contains("panicked"), "{expected}: {said}");
    }
    let (code, _, said) = import(&[env!("CARGO_MANIFEST_DIR"), "--dry-run"], b"");
    assert!(code == 1 && said.contains("it is a directory"), "{said}");
    let (code, _, said) = import(&["/nowhere/products.csv", "--dry-run"], b"");
    assert!(code == 1 && said.contains("/nowhere/products.csv") && said.contains("No such file"), "{said}");
}

#[test]
fn every_rejected_row_is_said_with_its_line_and_written_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (file, rejects) = (shape("ragged.csv"), folder.path().join("out.csv"));
    let (code, printed, said) =
        import(&[file.to_str().unwrap(), "--dry-run", "--output", "json", "--rejects", rejects.to_str().unwrap()], b"");
    assert_eq!(code, 3, "{said}");
    assert!(printed.contains(r#""rejected":"4""#) && printed.contains(r#""products":"6""#), "{printed}");
    for line in
        ["line 4: more cells", "line 9: quote never closed", "line 11: unknown currency", "line 12: price cannot"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
    let written = fs::read_to_string(rejects).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 5, "{written}");
    assert_eq!(lines[0], "rejected_line,rejected_reason,rejected_message,id,name,price,currency,stock");
    assert!(lines[1].starts_with("4,more cells than columns,") && lines[1].ends_with("3,Too long a row,5,00,EUR,1"));
    let (code, _, said) = import(&[file.to_str().unwrap(), "--dry-run", "--rejects", file.to_str().unwrap()], b"");
    assert!(code == 1 && said.contains("is the file that is imported"), "{said}");
}

#[test]
fn the_guess_is_printed_and_a_map_overrides_it() {
    let rows = b"title,label,price\nOne,Two,5 EUR\n";
    let (code, said) = dry(rows);
    assert!(code == 0 && row(&said, "name", "title"), "{said}");
    let (code, _, said) = import(&["-", "--dry-run", "--map", "name=label"], rows);
    assert!(code == 0 && row(&said, "name", "label"), "{said}");
    let (code, _, said) = import(&["-", "--dry-run", "--map", "name=nothing"], rows);
    assert!(code == 1 && said.contains(r#""title", "label", "price""#), "{said}");
    let (code, _, said) = import(&["-", "--dry-run", "--map", "nothing=label"], rows);
    assert!(code == 2 && said.contains("list_price"), "{said}");
}

#[test]
fn a_currency_that_nothing_says_has_to_be_given() {
    let rows = b"name,price\nPot,1.234\n";
    let (code, said) = dry(rows);
    assert!(code == 1 && said.contains("--currency"), "{said}");
    let (code, _, said) = import(&["-", "--dry-run", "--currency", "kwd"], rows);
    assert!(code == 0 && said.contains("1.234 KWD"), "{said}");
    let (code, _, said) = import(&["-", "--dry-run", "--currency", "QQQ"], rows);
    assert!(code == 2 && said.contains("is no active ISO 4217 currency"), "{said}");
}

#[test]
fn a_shop_that_is_not_there_is_named() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let file = |name: &str| data.path().join(name).to_str().unwrap().to_owned();
    let mut token = Command::new(env!("CARGO_BIN_EXE_souk"));
    let token = token.args(["token", "--create", "--key", &file("operator.key"), "--out", &file("operator.token")]);
    assert!(token.status().unwrap().success());
    let data = data.path().to_str().unwrap();
    let (code, _, said) = import(&["-", "--to", &nobody, "--data", data], b"name,price\nPot,1 EUR\n");
    assert!(code == 1 && said.contains(&nobody), "{said}");
}
