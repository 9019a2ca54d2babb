//! What `souk` says of itself.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::process::Command;

fn souk(arguments: &[&str]) -> (bool, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_souk")).args(arguments).env_clear().output().unwrap();
    (ended.status.success(), String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap())
}

#[test]
fn help_names_the_commands_and_every_option_with_its_variable_and_default() {
    let (succeeded, help) = souk(&["--help"]);
    assert!(succeeded);
    let commands = ["serve", "service", "demo", "import", "token"];
    let options =
        ["SOUK_DATA", "souk-data", "HTTP_ADDR", "127.0.0.1:8080", "GRPC_ADDR", "127.0.0.1:50051", "ADMIN_ADDR"];
    for expected in commands.iter().chain(&options).chain(&[
        "127.0.0.1:9901",
        "DRAIN_DELAY",
        "LOG_FORMAT",
        "--output",
        "TOKEN_KEYS",
    ]) {
        assert!(help.contains(expected), "{expected} is missing in {help}");
    }
}

#[test]
fn each_service_has_the_options_of_its_own_binary() {
    let (succeeded, help) = souk(&["service", "--help"]);
    assert!(succeeded && help.contains("catalog") && help.contains("storefront"), "{help}");
    assert!(souk(&["service", "cart", "--help"]).1.contains("CATALOG_TARGET"));
    assert!(souk(&["service", "catalog", "--help"]).1.contains("DATABASE_URL"));
    let checkout = souk(&["service", "checkout", "--help"]).1;
    assert!(checkout.contains("TAXES") && checkout.contains("PAYMENT_TARGET"), "{checkout}");
    assert!(souk(&["service", "inventory", "--help"]).1.contains("EXPIRE_INTERVAL"));
    assert!(souk(&["service", "acquirer", "--help"]).1.contains("ACQUIRER_KEY"));
    let payment = souk(&["service", "payment", "--help"]).1;
    assert!(payment.contains("PAYMENT_KEYS") && payment.contains("ACQUIRER_TARGET"), "{payment}");
    assert!(souk(&["service", "search", "--help"]).1.contains("INDEX_DIR"));
    assert!(souk(&["service", "storefront", "--help"]).1.contains("CATALOG_TARGET"));
}

#[test]
fn the_commands_for_orders_say_how_they_end_and_what_moves_money_says_so() {
    let (succeeded, orders) = souk(&["orders", "--help"]);
    assert!(succeeded, "{orders}");
    for command in ["list", "show", "stuck", "cancel", "refund", "retry", "fulfill"] {
        assert!(orders.contains(command), "{command} is missing in {orders}");
    }
    let stuck = souk(&["orders", "stuck", "--help"]).1;
    assert!(
        stuck.contains("0 none, 1 some, 2 the shop could not be asked") && stuck.contains("[default: 5m]"),
        "{stuck}"
    );
    let refund = souk(&["orders", "refund", "--help"]).1;
    assert!(["--line", "--return-units", "--yes", "--request-id"].iter().all(|it| refund.contains(it)), "{refund}");
    assert!(souk(&["dead-letters", "replay", "--help"]).1.contains("SOUK_DATABASE"));
}

#[test]
fn a_service_that_is_none_is_answered_with_those_that_are() {
    let (succeeded, output) = souk(&["service", "catalogue"]);
    assert!(!succeeded);
    assert_eq!(
        output,
        "souk: there is no service \"catalogue\"; the services are acquirer, cart, catalog, checkout, inventory, payment, search, storefront\n"
    );
    assert!(!souk(&["service"]).0);
}
