//! What is asked for, and what the servers are told: a data directory with the demo catalogue and products whose framed
//! answers have the measured sizes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use contracts::catalog::v1::GetProductRequest;
use prost::Message as _;
use tempfile::TempDir;

use super::{
    client::Client,
    progress,
    server::Server,
    shop::{self, ANY, Place, Shop, words},
};

/// A product that is asked for, named by the size of its framed answer.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) bytes: usize,
    pub(super) what: &'static str,
    pub(super) product_id: String,
    /// A file with the framed request.
    pub(super) request: PathBuf,
    /// A file with the encoded `GetProductResponse`.
    pub(super) answer: PathBuf,
}

/// The sizes of a framed answer: the one that this project's targets are for, and that of a product as shops export them.
const SIZES: [(usize, &str); 2] = [(310, "a short one"), (2048, "the median of a real export of 1,000 products")];

/// A data directory with what the measurements ask for.
#[derive(Debug)]
pub(super) struct Fixture {
    folder: TempDir,
    pub(super) products: Vec<Asked>,
}

impl Fixture {
    pub(super) fn prepare() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for the data")?;
        let mut fixture = Self { folder, products: Vec::new() };
        progress(format_args!("a first start, with the demo catalogue"));
        let shop = Server::start(&fixture.shop())?;
        let edge = shop.address("grpc")?;
        let client = Client::connect(edge, edge)?;
        for (bytes, what) in SIZES {
            let product_id = format!("bench-product-{bytes}");
            let answer = client.make_product(&product_id, bytes)?;
            let request = framed(&GetProductRequest { product_id: product_id.clone() }.encode_to_vec())?;
            let answer = fixture.file(&format!("answer-{bytes}.bin"), &answer)?;
            let request = fixture.file(&format!("request-{bytes}.bin"), &request)?;
            fixture.products.push(Asked { bytes, what, product_id, request, answer });
        }
        Ok(fixture)
    }

    /// A file with these bytes, beside the data.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The arguments of the whole shop in one process.
    pub(super) fn shop(&self) -> Vec<String> {
        shop::in_one(&self.data())
    }

    /// The same on a data directory of its own.
    pub(super) fn shop_on(data: &str) -> Vec<String> {
        shop::in_one(data)
    }

    /// The arguments of a catalog that is a process of its own.
    pub(super) fn catalog(&self) -> Vec<String> {
        Self::service("catalog", &format!("sqlite:{}/catalog.db", self.data()))
    }

    /// The arguments of a service that is a process of its own on this database.
    pub(super) fn service(name: &str, database: &str) -> Vec<String> {
        words(&["service", name, "--database-url", database, "--grpc", ANY, "--admin", ANY, "--output", "json"])
    }

    /// The arguments of a storefront in front of these catalogs.
    pub(super) fn storefront(catalogs: &str) -> Vec<String> {
        let to = ["service", "storefront", "--catalog-target", catalogs];
        words(&[&to[..], &["--http", ANY, "--grpc", ANY, "--admin", ANY, "--output", "json"]].concat())
    }

    /// The arguments of bare tonic that always gives `asked`'s answer.
    pub(super) fn stock(asked: &Asked) -> Vec<String> {
        words(&["bench", "stock", &asked.answer.to_string_lossy()])
    }

    /// A data directory with so many made-up products and stock of each, which is filled when it is first asked for.
    pub(super) fn goods(&self, count: u32) -> anyhow::Result<String> {
        let folder = self.folder.path().join(format!("goods-{count}"));
        let data = folder.to_string_lossy().into_owned();
        if !folder.exists() {
            progress(format_args!("{count} products"));
            fs::create_dir(&folder).with_context(|| format!("make {data}"))?;
            let shop = Shop::in_processes(&Place::pinned(&data))?;
            let (catalog, inventory) = (shop.process("catalog")?, shop.process("inventory")?);
            Client::connect(catalog.address("grpc")?, inventory.address("grpc")?)?.fill(count)?;
        }
        Ok(data)
    }

    /// The data directory with the demo catalogue.
    pub(super) fn data(&self) -> String {
        self.folder.path().join("data").to_string_lossy().into_owned()
    }
}

/// A message as gRPC sends it: not compressed, its length first.
pub(super) fn framed(message: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
    framed.extend_from_slice(message);
    Ok(framed)
}
