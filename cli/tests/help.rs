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
    let commands = ["serve", "service", "demo"];
    let options =
        ["SOUK_DATA", "souk-data", "HTTP_ADDR", "127.0.0.1:8080", "GRPC_ADDR", "127.0.0.1:50051", "ADMIN_ADDR"];
    for expected in commands.iter().chain(&options).chain(&["127.0.0.1:9901", "DRAIN_DELAY", "LOG_FORMAT", "--output"])
    {
        assert!(help.contains(expected), "{expected} is missing in {help}");
    }
}

#[test]
fn each_service_has_the_options_of_its_own_binary() {
    let (succeeded, help) = souk(&["service", "--help"]);
    assert!(succeeded && help.contains("catalog") && help.contains("storefront"), "{help}");
    assert!(souk(&["service", "catalog", "--help"]).1.contains("DATABASE_URL"));
    assert!(souk(&["service", "storefront", "--help"]).1.contains("CATALOG_TARGET"));
}

#[test]
fn a_service_that_is_none_is_answered_with_those_that_are() {
    let (succeeded, output) = souk(&["service", "catalogue"]);
    assert!(!succeeded);
    assert_eq!(output, "souk: there is no service \"catalogue\"; the services are catalog, storefront\n");
    assert!(!souk(&["service"]).0);
}
