//! The two stacks together, over every way a call can go: in process, TCP and a Unix socket.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod bounds;
mod calls;
mod connections;
mod deadlines;
mod drains;
mod fixture;
mod pages;
mod peers;
mod refusals;
mod replicas;
mod streams;
mod tokens;
mod waiting;
