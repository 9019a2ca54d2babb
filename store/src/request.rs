//! Retries are safe: the first answer to a request is remembered, in the commit of its effect.

use sha2::{Digest, Sha256};

use crate::statement::Statement;
use crate::value::Value;

/// One request as a client repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The cart or order that the request names, else the caller's principal: ids of different scopes never meet.
    pub scope: String,
    /// The RPC, such as `souk.catalog.v1.CatalogService/CreateProduct`.
    pub rpc: &'static str,
    /// The client's `request_id`.
    pub request_id: String,
    /// What the request asks, so that an id used again with other content is noticed.
    pub fingerprint: Fingerprint,
    /// How long the answer is remembered.
    pub keep: Keep,
}

/// A digest of a request's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// How long an answer is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// For [`request_retention`](crate::Limits::request_retention), 7 days.
    Week,
    /// For ever, as an order's.
    Forever,
}

impl Fingerprint {
    /// The SHA-256 of the request's canonical bytes, without fields that differ between tries.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }
}

impl Request {
    /// A key for [`Unit::keys`](crate::Unit::keys): two tries at the same time then wait for each other in order.
    #[must_use]
    pub fn key(&self) -> String {
        format!("request/{}/{}/{}", self.scope, self.rpc, self.request_id)
    }

    /// The primary key, as the statements below take it.
    pub(crate) fn names(&self) -> [Value; 3] {
        [self.scope.as_str().into(), self.rpc.into(), self.request_id.as_str().into()]
    }
}

pub(crate) const FIND: Statement = Statement::new(
    "SELECT store_request",
    "SELECT fingerprint, answer FROM store_request \
     WHERE scope = $1 AND rpc = $2 AND request_id = $3 AND (expire_us IS NULL OR expire_us > $4)",
);

/// Touches no row when the request has an answer already. An expired one that housekeeping has not found yet is replaced.
pub(crate) const REMEMBER: Statement = Statement::new(
    "INSERT store_request",
    "INSERT INTO store_request (scope, rpc, request_id, fingerprint, answer, expire_us) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (scope, rpc, request_id) DO UPDATE \
     SET fingerprint = excluded.fingerprint, answer = excluded.answer, expire_us = excluded.expire_us \
     WHERE store_request.expire_us <= $7",
);
