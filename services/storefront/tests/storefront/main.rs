//! Storefront against services that answer it over the mesh, by TCP and inside the process.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

mod contracts;
mod edge;
mod health;
mod raw;
mod requests;
mod web;
