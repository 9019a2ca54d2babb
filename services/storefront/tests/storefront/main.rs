//! Storefront against services that answer it over the mesh, by TCP and inside the process.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

mod away;
mod browse;
mod browser;
mod calls;
mod carts;
mod checkout;
mod contracts;
mod edge;
mod finding;
mod forms;
mod health;
mod orders;
mod raw;
mod requests;
mod shop;
mod web;
