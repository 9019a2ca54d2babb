//! Asks every port once, over the sockets that everybody else will use.

use std::{io, time::Duration};

use anyhow::{Context as _, bail, ensure};
use contracts::catalog::v1::{ListProductsRequest, catalog_service_client::CatalogServiceClient};
use mesh::{
    Address, Clients, Directory, ListenAddress, Process, Target,
    client::ClientConfig,
    health::{
        OVERALL,
        pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::Addresses;

/// How long one port may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read: its status line is at the front.
const ANSWER_MAX: u64 = 4096;

const EDGE: Target = Target::new("edge");

/// Returns once the page, the gRPC port and the admin port have each answered well.
pub(crate) async fn everything_answers(process: &Process, at: &Addresses) -> anyhow::Result<()> {
    let web = async { page(&at.http, "/").await.with_context(|| format!("ask for the web page at {}", at.http)) };
    let admin = ready(&at.admin);
    let grpc = async { calls(process, &at.grpc).await.with_context(|| format!("call the gRPC port {}", at.grpc)) };
    tokio::try_join!(web, admin, grpc).map(|_answered| ())
}

/// Returns once an admin port has said that its process is ready.
pub(crate) async fn ready(admin: &ListenAddress) -> anyhow::Result<()> {
    page(admin, "/readyz").await.with_context(|| format!("ask the admin port {admin}"))
}

/// Health, and a call that goes through to a service.
async fn calls(process: &Process, address: &ListenAddress) -> anyhow::Result<()> {
    let directory = Directory::default();
    directory.remote(EDGE.name(), address.dial());
    let config = ClientConfig { default_timeout: LIMIT, connections_per_loop: 1, ..ClientConfig::default() };
    let clients = Clients::new(process, &directory, "souk", &[EDGE], &[contracts::FILE_DESCRIPTOR_SET], config)?;
    let channel = clients.channel(EDGE)?;
    let health = HealthCheckRequest { service: OVERALL.to_owned() };
    let health = HealthClient::new(channel.clone()).check(health).await?.into_inner().status();
    ensure!(health == ServingStatus::Serving, "health says {}", health.as_str_name());
    let list = ListProductsRequest { page_size: 1, ..ListProductsRequest::default() };
    CatalogServiceClient::new(channel).list_products(list).await?;
    Ok(())
}

async fn page(address: &ListenAddress, path: &str) -> anyhow::Result<()> {
    timeout(LIMIT, status_of(&address.dial(), path)).await.context("no answer in time")??;
    Ok(())
}

/// One HTTP/1.1 request by hand: a client library would be there for this alone.
async fn status_of(address: &Address, path: &str) -> anyhow::Result<()> {
    let answer = match address {
        Address::Static(endpoints) => ask(TcpStream::connect(endpoints.as_slice()).await?, path).await?,
        Address::Unix(socket) => ask(UnixStream::connect(socket).await?, path).await?,
        Address::Dns { .. } => bail!("{address} is where it listens, so it cannot be a name"),
    };
    let line = String::from_utf8_lossy(&answer);
    let line = line.lines().next().unwrap_or_default();
    ensure!(line.split(' ').nth(1) == Some("200"), "the answer was {line:?}");
    Ok(())
}

async fn ask(mut io: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> io::Result<Vec<u8>> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    io.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    io.take(ANSWER_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}
