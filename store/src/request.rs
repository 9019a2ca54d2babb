//! Retries are safe: the first answer to a request is remembered, in the commit of its effect.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::now;
use crate::row::Row;
use crate::statement::{Dialect, Statement};
use crate::together::Lookup;

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

    /// What [`Transaction::remembered`](crate::Transaction::remembered) looks up, for [`Unit::lookups`](crate::Unit::lookups).
    #[must_use]
    pub fn lookup(&self) -> Lookup {
        Lookup::new(FIND, vec![self.scope.as_str(), self.rpc, self.request_id.as_str()])
    }

    /// The answer in what was looked up.
    pub(crate) fn answer(&self, found: Vec<Row>) -> Result<Option<Vec<u8>>, Error> {
        let Some(row) = found.into_iter().next() else { return Ok(None) };
        let fingerprint: Vec<u8> = row.get("fingerprint")?;
        if fingerprint != self.fingerprint.0 {
            return Err(Error::RequestReused { rpc: self.rpc });
        }
        row.get("answer").map(Some)
    }
}

const FIND: Statement = Statement::dialect(
    "SELECT store_request",
    Dialect {
        sqlite: concat!(
            "SELECT wanted.key AS wanted, fingerprint, answer FROM json_each($1) AS wanted CROSS JOIN store_request \
             ON scope = wanted.value ->> 0 AND rpc = wanted.value ->> 1 AND request_id = wanted.value ->> 2 \
             WHERE expire_us IS NULL OR expire_us > ",
            now!(sqlite)
        ),
        postgres: concat!(
            "SELECT wanted.number - 1 AS wanted, fingerprint, answer \
             FROM json_array_elements($1::json) WITH ORDINALITY AS wanted(value, number) JOIN store_request \
             ON scope = wanted.value ->> 0 AND rpc = wanted.value ->> 1 AND request_id = wanted.value ->> 2 \
             WHERE expire_us IS NULL OR expire_us > ",
            now!(postgres)
        ),
    },
);

macro_rules! replace {
    () => {
        "ON CONFLICT (scope, rpc, request_id) DO UPDATE SET fingerprint = excluded.fingerprint, \
         answer = excluded.answer, expire_us = excluded.expire_us WHERE store_request.expire_us <= "
    };
}

/// Touches no row of a request that has an answer already. An expired one that housekeeping has not found yet is replaced.
pub(crate) const REMEMBER: Statement = Statement::dialect(
    "INSERT store_request",
    Dialect {
        sqlite: concat!(
            "INSERT INTO store_request (scope, rpc, request_id, fingerprint, answer, expire_us) \
             SELECT value ->> 'scope', value ->> 'rpc', value ->> 'request_id', unhex(value ->> 'fingerprint'), \
             unhex(value ->> 'answer'), value ->> 'expire_us' FROM jsonb_each($1) WHERE true ",
            replace!(),
            now!(sqlite)
        ),
        postgres: concat!(
            "INSERT INTO store_request (scope, rpc, request_id, fingerprint, answer, expire_us) SELECT listed.scope, \
             listed.rpc, listed.request_id, decode(listed.fingerprint, 'hex'), decode(listed.answer, 'hex'), listed.expire_us \
             FROM json_to_recordset($1::json) AS listed(expire_us bigint, scope text, rpc text, request_id text, fingerprint \
             text, answer text) ",
            replace!(),
            now!(postgres)
        ),
    },
);

/// A row of [`REMEMBER`]. Bytes are hexadecimal digits.
#[derive(Debug, Serialize)]
pub(crate) struct Remembered<'a> {
    scope: &'a str,
    rpc: &'static str,
    request_id: &'a str,
    fingerprint: String,
    answer: String,
    expire_us: Option<i64>,
}

impl<'a> Remembered<'a> {
    pub(crate) fn new(request: &'a Request, answer: &[u8], expire_us: Option<i64>) -> Self {
        Self {
            scope: &request.scope,
            rpc: request.rpc,
            request_id: &request.request_id,
            fingerprint: hex::encode(request.fingerprint.0),
            answer: hex::encode(answer),
            expire_us,
        }
    }
}
