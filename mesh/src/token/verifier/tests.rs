//! Tokens that are valid, and every way in which they are not.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::{
    super::{Grant, LEEWAY, SigningKey},
    *,
};

const NOW: u64 = 1_800_000_000;
const HOUR: u64 = 3_600;

fn grant() -> Grant {
    let (subject, role, audience) = ("ada".to_owned(), "operator".to_owned(), "souk".to_owned());
    Grant { subject, role, audience, lifetime: Duration::from_secs(HOUR) }
}

fn verifier(keys: &[&SigningKey]) -> Verifier {
    Verifier::new(&keys.iter().map(|key| key.public()).collect::<Vec<_>>(), "souk")
}

/// A token of these claims, whoever would sign such a thing.
fn signed(key: &SigningKey, header: &Header, claims: &Value) -> String {
    let pem = key.to_pem();
    let pkcs8 = base64::engine::general_purpose::STANDARD.decode(pem.lines().nth(1).unwrap()).unwrap();
    jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_der(&pkcs8)).unwrap()
}

fn header(key: &SigningKey) -> Header {
    Header { kid: Some(key.public().id()), ..Header::new(Algorithm::EdDSA) }
}

fn claims() -> Value {
    json!({"sub": "ada", "role": "operator", "aud": "souk", "iat": NOW, "exp": NOW + HOUR})
}

fn is_invalid(answer: &Result<Caller, Refusal>) -> bool {
    matches!(answer, Err(Refusal::Invalid(_)))
}

#[test]
fn a_token_says_who_calls_as_what_until_it_expires() {
    let key = SigningKey::generate().unwrap();
    let (verifier, token) = (verifier(&[&key]), key.sign_at(&grant(), NOW).unwrap());
    // The first time it is verified, and then remembered.
    for _ in 0..2 {
        let caller = verifier.verify(&token, NOW).unwrap();
        assert_eq!((&*caller.subject, caller.principal.as_str()), ("ada", "role:operator"));
    }
    let last = NOW + HOUR + LEEWAY.as_secs() - 1;
    assert!(verifier.verify(&token, last).is_ok());
    for _ in 0..2 {
        assert_eq!(verifier.verify(&token, last + 1), Err(Refusal::Expired));
    }
    assert_eq!(super::super::Verifier::new(&[key.public()], "souk").verify(&token, last + 1), Err(Refusal::Expired));
}

#[test]
fn a_token_that_was_changed_or_signed_by_somebody_else_is_refused() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let verifier = verifier(&[&key]);
    let token = key.sign_at(&grant(), NOW).unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let more = URL_SAFE_NO_PAD.encode(claims().to_string().replace("ada", "eve"));
    assert!(is_invalid(&verifier.verify(&format!("{}.{more}.{}", parts[0], parts[2]), NOW)));
    // Under the name of the key that is known.
    assert!(is_invalid(&verifier.verify(&signed(&other, &header(&key), &claims()), NOW)));
    assert!(is_invalid(&verifier.verify(&other.sign_at(&grant(), NOW).unwrap(), NOW)), "an unknown key");
    let nameless = Header { kid: None, ..header(&key) };
    assert!(is_invalid(&verifier.verify(&signed(&key, &nameless, &claims()), NOW)), "no key is named");
}

#[test]
fn no_other_algorithm_is_taken_whatever_a_token_says_of_itself() {
    let key = SigningKey::generate().unwrap();
    let verifier = verifier(&[&key]);
    let body = URL_SAFE_NO_PAD.encode(claims().to_string());
    for alg in ["none", "None", "nOnE"] {
        let head = URL_SAFE_NO_PAD.encode(json!({"alg": alg, "typ": "JWT", "kid": key.public().id()}).to_string());
        for signature in ["", "AAAA"] {
            assert!(is_invalid(&verifier.verify(&format!("{head}.{body}.{signature}"), NOW)), "{alg}");
        }
    }
    // The public key, which everybody may know, as the secret of an HMAC.
    let public = key.public().to_string();
    let hmac = Header { alg: Algorithm::HS256, ..header(&key) };
    for secret in [public.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(&public).unwrap()] {
        let token = jsonwebtoken::encode(&hmac, &claims(), &EncodingKey::from_secret(&secret)).unwrap();
        assert!(is_invalid(&verifier.verify(&token, NOW)));
    }
}

#[test]
fn what_a_token_says_has_to_fit() {
    let key = SigningKey::generate().unwrap();
    let verifier = verifier(&[&key]);
    let with = |change: Value| {
        let mut all = claims();
        all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        verifier.verify(&signed(&key, &header(&key), &all), NOW)
    };
    assert!(with(json!({"nbf": NOW + LEEWAY.as_secs(), "more": [1, 2]})).is_ok());
    assert!(with(json!({"aud": ["other", "souk"]})).is_ok());
    for change in [
        json!({"aud": "other"}),
        json!({"aud": []}),
        json!({"aud": null}),
        json!({"nbf": NOW + LEEWAY.as_secs() + 1}),
        json!({"iat": NOW + LEEWAY.as_secs() + 1}),
        json!({"iat": NOW - 24 * HOUR}),
        json!({"exp": NOW + 25 * HOUR}),
        json!({"exp": u64::MAX}),
        json!({"exp": null}),
        json!({"exp": "tomorrow"}),
        json!({"sub": ""}),
        json!({"role": ""}),
        json!({"role": "a\nb"}),
        json!({"sub": "a".repeat(129)}),
    ] {
        assert!(is_invalid(&with(change.clone())), "{change}");
    }
    assert_eq!(with(json!({"iat": NOW - 2 * HOUR, "exp": NOW - HOUR})), Err(Refusal::Expired));
    let critical = Header { crit: Some(vec!["exp".into()]), ..header(&key) };
    assert!(is_invalid(&verifier.verify(&signed(&key, &critical, &claims()), NOW)));
}

#[test]
fn what_is_no_token_is_refused_however_long_it_is() {
    let key = SigningKey::generate().unwrap();
    let verifier = verifier(&[&key]);
    let mut long = claims();
    long["more"] = "x".repeat(BYTES_MAX).into();
    let long = signed(&key, &header(&key), &long);
    for text in ["", ".", "..", "a.b.c", "\u{fffd}.\u{fffd}.\u{fffd}", &"a".repeat(1 << 20), &long] {
        assert!(is_invalid(&verifier.verify(text, NOW)));
    }
    assert!(verifier.remembered.is_empty(), "only what is valid is remembered");
}

#[test]
fn while_keys_are_changed_both_are_taken() {
    let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let both = verifier(&[&new, &old]);
    let tokens = [&old, &new].map(|key| key.sign_at(&grant(), NOW).unwrap());
    assert!(tokens.iter().all(|token| both.verify(token, NOW).is_ok()));
    let after = verifier(&[&new]);
    assert_eq!(tokens.map(|token| after.verify(&token, NOW).is_ok()), [false, true]);
}

#[test]
fn no_more_tokens_are_remembered_than_the_limit() {
    let key = SigningKey::generate().unwrap();
    let verifier = verifier(&[&key]);
    for second in 0..REMEMBERED_MAX as u64 + 100 {
        verifier.verify(&key.sign_at(&grant(), NOW - second).unwrap(), NOW).unwrap();
    }
    assert!(verifier.remembered.len() <= REMEMBERED_MAX);
}
