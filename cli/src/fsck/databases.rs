//! The databases of a shop, opened for reading.

use anyhow::Context as _;
use store::Reader;

use super::Options;
use crate::shop;

/// A connection to each of them.
#[derive(Debug)]
pub(super) struct Databases {
    pub(super) catalog: Reader,
    pub(super) inventory: Reader,
    pub(super) cart: Reader,
    pub(super) checkout: Reader,
    pub(super) payment: Reader,
    pub(super) acquirer: Reader,
}

impl Databases {
    pub(super) async fn open(options: &Options) -> anyhow::Result<Self> {
        Ok(Self {
            catalog: open(options, "catalog").await?,
            inventory: open(options, "inventory").await?,
            cart: open(options, "cart").await?,
            checkout: open(options, "checkout").await?,
            payment: open(options, "payment").await?,
            acquirer: open(options, "acquirer").await?,
        })
    }
}

async fn open(options: &Options, service: &str) -> anyhow::Result<Reader> {
    let url = match &options.database {
        None => shop::sqlite(&options.data, service)?,
        Some(server) => server.database_of(service)?,
    };
    let config = store::Config::parse(&url).with_context(|| format!("the database of {service}"))?;
    Reader::open(config).await.with_context(|| format!("the database of {service}"))
}
