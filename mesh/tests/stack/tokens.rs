//! Who is let in: with a token and without, over each way in.

use std::time::Duration;

use mesh::{
    Builder, Directory, Principal, Process, context,
    health::pb::health_server::HealthServer,
    process::Options,
    server::{InboundConfig, Policy, Rule},
    token::{Grant, SigningKey, now_s},
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::fixture::{Client, METHOD, PROBE, Probe, WAYS, Way, client, question};

/// A service of one method, whom its handler is called by, and how it is reached.
struct Fixture {
    client: Client,
    _process: Process,
}

fn served(way: Way, keys: &[&SigningKey], rule: Option<Rule>) -> Fixture {
    let mut options = Options { cores: 1, log: "off".into(), ..Options::default() };
    keys.iter().for_each(|key| options.token_keys.add(key.public()));
    let process = Process::start("tokens", options, None).unwrap();
    // The answer says as whom it was called.
    let probe = Probe::unary(async |_| {
        let principal = context::current().unwrap().principal;
        Err(Status::already_exists(principal.as_str()))
    });
    let policy: Policy = rule.into_iter().map(|rule| (format!("/{METHOD}"), rule)).collect();
    let builder = Builder::new(PROBE.name()).without_health().policy(policy);
    let inbound = builder.add_service(HealthServer::new(probe)).build(&process, InboundConfig::default()).unwrap();
    let directory = Directory::default();
    if way == Way::InProcess {
        directory.in_process(inbound);
    } else {
        let listener = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        directory.remote(PROBE.name(), listener.address().dial());
        process.serve_grpc(listener, inbound);
    }
    Fixture { client: client(&process, &directory), _process: process }
}

impl Fixture {
    /// As whom the handler was called, or the code and the reason of the refusal.
    async fn call(&self, authorization: &[&str]) -> Result<String, (Code, String)> {
        let mut request: Request<_> = question();
        for value in authorization {
            request.metadata_mut().append("authorization", value.parse().unwrap());
        }
        let status = self.client.clone().check(request).await.unwrap_err();
        match status.get_details_error_info() {
            Some(info) => {
                assert_eq!(info.domain, "mesh");
                Err((status.code(), info.reason))
            }
            None if status.code() == Code::AlreadyExists => Ok(status.message().to_owned()),
            None => panic!("{status:?}"),
        }
    }
}

fn grant(role: &str) -> Grant {
    let (subject, role, audience) = ("ada".to_owned(), role.to_owned(), "souk".to_owned());
    Grant { subject, role, audience, lifetime: Duration::from_secs(60) }
}

fn bearer(key: &SigningKey, role: &str) -> String {
    format!("Bearer {}", key.sign(&grant(role)).unwrap())
}

fn operators() -> Option<Rule> {
    Some(Rule::Role(Principal::role("operator")))
}

fn refused(code: Code, reason: &str) -> Result<String, (Code, String)> {
    Err((code, reason.to_owned()))
}

#[tokio::test]
async fn what_needs_a_role_is_done_for_who_has_a_token_of_it_and_nobody_else() {
    let key = SigningKey::generate().unwrap();
    let (token, expired) = (bearer(&key, "operator"), key.sign_at(&grant("operator"), now_s() - 3_600).unwrap());
    let stranger = bearer(&SigningKey::generate().unwrap(), "operator");
    for way in WAYS {
        let service = served(way, &[&key], operators());
        for _ in 0..2 {
            assert_eq!(service.call(&[&token]).await, Ok("role:operator".to_owned()), "{way:?}");
        }
        assert_eq!(
            service.call(&[&token.replace("Bearer", "bearer")]).await,
            Ok("role:operator".to_owned()),
            "{way:?}"
        );
        let missing = refused(Code::Unauthenticated, "TOKEN_REQUIRED");
        assert_eq!(service.call(&[]).await, missing, "{way:?}: a service's own name is not enough");
        let late = format!("Bearer {expired}");
        assert_eq!(service.call(&[&late]).await, refused(Code::Unauthenticated, "TOKEN_EXPIRED"), "{way:?}");
        let invalid = refused(Code::Unauthenticated, "TOKEN_INVALID");
        let huge = format!("Bearer {}", "a".repeat(8_000));
        for wrong in [&[&*stranger][..], &["Bearer"], &["Basic YTpi"], &["token"], &[""], &[&huge], &[&token, &token]] {
            assert_eq!(service.call(wrong).await, invalid, "{way:?} {wrong:?}");
        }
        let other = bearer(&key, "courier");
        assert_eq!(service.call(&[&other]).await, refused(Code::PermissionDenied, "ROLE_REQUIRED"), "{way:?}");
    }
}

#[tokio::test]
async fn what_is_open_is_open_without_a_token_and_a_token_that_is_wrong_is_refused_all_the_same() {
    let key = SigningKey::generate().unwrap();
    for way in WAYS {
        for rule in [None, Some(Rule::Anybody)] {
            let service = served(way, &[&key], rule);
            assert!(service.call(&[]).await.is_ok(), "{way:?}");
            assert_eq!(service.call(&[&bearer(&key, "courier")]).await, Ok("role:courier".to_owned()), "{way:?}");
            let wrong = service.call(&["Bearer a.b.c"]).await;
            assert_eq!(wrong, refused(Code::Unauthenticated, "TOKEN_INVALID"), "{way:?}");
        }
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_refused_but_what_needs_a_token_and_the_variable_is_named() {
    let token = bearer(&SigningKey::generate().unwrap(), "operator");
    for way in WAYS {
        let missing = refused(Code::Unauthenticated, "TOKEN_KEYS_MISSING");
        assert_eq!(served(way, &[], operators()).call(&[&token]).await, missing, "{way:?}");
        let open = served(way, &[], None);
        assert_eq!(open.call(&[&token]).await, open.call(&[]).await, "{way:?}: a token says nothing here");
        let status = served(way, &[], operators()).client.check(question()).await.unwrap_err();
        assert!(status.message().contains("TOKEN_KEYS"), "{status:?}");
    }
}

#[tokio::test]
async fn what_is_nobodys_is_refused_to_everybody_and_both_keys_of_a_change_are_taken() {
    let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    for way in WAYS {
        let closed = served(way, &[&old], Some(Rule::Nobody));
        let denied = refused(Code::PermissionDenied, "ROLE_REQUIRED");
        assert_eq!((closed.call(&[]).await, closed.call(&[&bearer(&old, "operator")]).await), (denied.clone(), denied));
        let service = served(way, &[&old, &new], operators());
        for key in [&old, &new] {
            assert!(service.call(&[&bearer(key, "operator")]).await.is_ok(), "{way:?}");
        }
    }
}
