//! Spans by OpenTelemetry's database conventions: names of statements, never values.
//!
//! A read or unit is one span, made in its caller's context, and each of its statements is a child. Where nobody listens
//! a span costs one load of its callsite's interest.

use tracing::{Span, field::Empty, info_span};

use crate::raw::DriverError;

/// One statement, as the client of the database.
pub(crate) fn statement(system: &'static str, name: &'static str) -> Span {
    let (operation, collection) = name.split_once(' ').unwrap_or((name, ""));
    info_span!(
        "statement",
        otel.name = name,
        otel.kind = "client",
        otel.status_code = Empty,
        error.type = Empty,
        db.system.name = system,
        db.operation.name = operation,
        db.collection.name = collection,
        db.query.summary = name,
    )
}

/// A read as the caller named it.
pub(crate) fn read(name: &'static str) -> Span {
    info_span!("read", otel.name = name, otel.kind = "internal")
}

/// A unit, from the moment it is queued until it is answered; `db.operation.batch.size` is how many shared its commit.
pub(crate) fn unit(name: &'static str) -> Span {
    info_span!("unit", otel.name = name, otel.kind = "internal", db.operation.batch.size = Empty)
}

/// Marks a statement as failed with the driver's kind of error.
pub(crate) fn failed(span: &Span, error: &DriverError) {
    if span.is_disabled() {
        return;
    }
    span.record("otel.status_code", "ERROR");
    match error.code() {
        Some(code) => span.record("error.type", code),
        None => span.record("error.type", "connection"),
    };
}
