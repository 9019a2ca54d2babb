//! Operators: what a shop lets them do, by the token in its data directory and by others.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use contracts::{
    catalog::v1::{DeleteProductRequest, catalog_service_client::CatalogServiceClient},
    payment::v1::{GetPaymentRequest, payment_service_client::PaymentServiceClient},
};
use mesh::{Channel, client::Bearer};
use system_tests::{Fleet, Running, Shop, channel, eventually};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

fn refusal(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

/// What becomes of an operator's call that finds nothing to do.
async fn operate(channel: Channel) -> (Code, String) {
    let request = DeleteProductRequest { product_id: "none".into(), etag: String::new(), request_id: uuid() };
    refusal(&CatalogServiceClient::new(channel).delete_product(request).await.unwrap_err())
}

/// What becomes of a call that services make among themselves.
async fn ask_inside(channel: Channel) -> (Code, String) {
    let request = GetPaymentRequest { payment_id: "0".repeat(32) };
    refusal(&PaymentServiceClient::new(channel).get_payment(request).await.unwrap_err())
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn with(token: &str, at: &str) -> Channel {
    channel(at).with_token(Bearer::of(token).unwrap())
}

fn printed(arguments: &[&str]) -> String {
    let ended = Command::new(system_tests::souk()).args(arguments).env_clear().output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap().trim().to_owned()
}

fn kept(data: &Path) -> String {
    for file in ["operator.key", "operator.token"] {
        assert_eq!(fs::metadata(data.join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    fs::read_to_string(data.join("operator.token")).unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_token_of_the_data_directory_is_an_operators_and_so_is_one_that_its_key_signs() {
    let data = tempfile::tempdir().unwrap();
    let mut shop = Shop::open_on(data.path(), &[]).await;
    let token = kept(data.path());
    let signed = printed(&["token", "--data", data.path().to_str().unwrap(), "--lifetime", "5m", "--subject", "ada"]);
    for token in [&token, &signed, &test_operator::token()] {
        assert_eq!(operate(with(token, &shop.grpc)).await, (Code::NotFound, "PRODUCT_NOT_FOUND".into()));
        assert_eq!(ask_inside(with(token, &shop.grpc)).await, (Code::NotFound, "PAYMENT_NOT_FOUND".into()));
    }
    assert_eq!(operate(channel(&shop.grpc)).await, (Code::Unauthenticated, "TOKEN_REQUIRED".into()));
    assert_eq!(ask_inside(channel(&shop.grpc)).await, (Code::PermissionDenied, "RPC_INTERNAL".into()));
    let courier = test_operator::token_of("courier");
    assert_eq!(operate(with(&courier, &shop.grpc)).await, (Code::PermissionDenied, "ROLE_REQUIRED".into()));
    // The tools read it by themselves.
    let data = data.path().to_str().unwrap();
    let mut load = Running::start(&["demo", "load", "--to", &shop.grpc, "--data", data, "--output", "json"], &[]);
    assert!(load.ended().await.success(), "{}", load.output());
    assert!(!shop.output().contains(&token) && !shop.output().contains(&signed), "a token is in the log");
    shop.kill();
}

#[tokio::test]
async fn in_a_fleet_each_service_verifies_by_itself_and_the_edge_adds_nothing() {
    let fleet = Fleet::start().await;
    let token = test_operator::token();
    for at in [&fleet.edge, &fleet.catalog_at] {
        assert_eq!(operate(with(&token, at)).await, (Code::NotFound, "PRODUCT_NOT_FOUND".into()));
        assert_eq!(operate(channel(at)).await, (Code::Unauthenticated, "TOKEN_REQUIRED".into()));
        assert_eq!(operate(with("a.b.c", at)).await, (Code::Unauthenticated, "TOKEN_INVALID".into()));
    }
}

#[tokio::test]
async fn a_key_is_made_its_public_half_given_to_the_services_and_changed_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (old, new) = (file("old.pem"), file("new.pem"));
    let public = [&old, &new].map(|key| printed(&["token", "--key", key, "--create", "--public"]));
    assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Command::new(system_tests::souk()).args(["token", "--key", &old, "--create"]).output().unwrap();
    assert!(!again.status.success() && again.stdout.is_empty());
    let tokens = [&old, &new].map(|key| printed(&["token", "--key", key]));
    let out = file("operator.token");
    assert_eq!(printed(&["token", "--key", &new, "--out", &out]), "");
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);

    let url = format!("sqlite:{}", file("catalog.db"));
    let free = "127.0.0.1:0";
    let arguments = ["service", "catalog", "--output", "json", "--grpc", free, "--admin", free];
    for (keys, taken) in [(public.join(","), [true, true]), (public[1].clone(), [false, true])] {
        let mut catalog = Running::start(&arguments, &[("DATABASE_URL", &url), ("TOKEN_KEYS", &keys)]);
        let at = catalog.listening().await["grpc"].as_str().unwrap().to_owned();
        for (token, taken) in tokens.iter().zip(taken) {
            let (code, _) = operate(with(token, &at)).await;
            assert_eq!(code, if taken { Code::NotFound } else { Code::Unauthenticated });
        }
        catalog.kill();
    }
    let mut refused = Running::start(&arguments, &[("DATABASE_URL", &url), ("TOKEN_KEYS", "operator")]);
    assert!(!eventually("it refuses to start", async || Ok(refused.ended().await)).await.success());
    assert!(refused.output().contains("TOKEN_KEYS") && refused.output().contains("43 characters"));
}
