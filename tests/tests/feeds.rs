//! A consumer of the catalog's feed in a process of its own: killed, frozen, drained away from, and its copy equal at last.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use contracts::catalog::v1::{
    CreateProductRequest, DeleteProductRequest, ListProductsRequest, Product, UpdateProductRequest,
    WatchProductsRequest, watch_products_response::Kind,
};
use contracts::google::r#type::Money;
use store::{Config, Store, inbox::LetterId};
use system_tests::{Catalog, LIMIT, Running, SCHEMA, Signal, catalog, copied, eventually};
use tempfile::TempDir;
use tonic::{Code, Status};

/// A catalog in a process of its own, which can be started again where it was, and a database for a copy of it.
struct World {
    catalog: Running,
    at: String,
    database: String,
    copy: String,
    _data: Option<TempDir>,
}

impl World {
    async fn on_sqlite() -> Self {
        let data = tempfile::tempdir().unwrap();
        let url = |name: &str| format!("sqlite:{}", data.path().join(name).display());
        let (database, copy) = (url("catalog.db"), url("copy.db"));
        Self { _data: Some(data), ..Self::on(database, copy).await }
    }

    async fn on_postgres() -> Self {
        let server = test_postgres::Server::shared().unwrap();
        Self::on(server.create_database().await.unwrap(), server.create_database().await.unwrap()).await
    }

    async fn on(database: String, copy: String) -> Self {
        let (catalog, at) = start(&database, "127.0.0.1:0").await;
        Self { catalog, at, database, copy, _data: None }
    }

    async fn start_again(&mut self) {
        self.catalog = start(&self.database, &self.at).await.0;
    }

    fn client(&self) -> Catalog {
        catalog(&self.at)
    }

    fn follower(&self) -> Running {
        let program = Path::new(env!("CARGO_BIN_EXE_follow-products"));
        Running::start_as(program, &[&self.at, &self.copy, "1500"], &[])
    }

    async fn own(&self) -> Store {
        let runtime = tokio::runtime::Handle::current();
        Store::open(Config::parse(&self.copy).unwrap(), SCHEMA, runtime).await.unwrap()
    }

    /// Waits until the copy equals the catalog, and nothing was put aside.
    async fn copy_is_equal(&self) {
        let own = self.own().await;
        eventually("the copy equals the catalog", async || {
            let (source, copy) = (all(&self.client()).await?, copied(&own).await?);
            ensure!(source == copy, "{} of {} products, or others", copy.len(), source.len());
            Ok(())
        })
        .await;
        assert_eq!(own.list_dead_letters("catalog", LetterId::default(), 10).await.unwrap(), []);
        own.close().await;
    }
}

async fn start(database: &str, grpc: &str) -> (Running, String) {
    let arguments = ["service", "catalog", "--output", "json", "--grpc", grpc, "--admin", "127.0.0.1:0"];
    let mut catalog =
        Running::start(&arguments, &[("DATABASE_URL", database), ("TOKEN_KEYS", &test_operator::keys().to_string())]);
    let address = catalog.listening().await["grpc"].as_str().unwrap().to_owned();
    (catalog, address)
}

async fn all(catalog: &Catalog) -> Result<BTreeMap<String, Product>, Status> {
    let (mut products, mut page_token) = (BTreeMap::new(), String::new());
    loop {
        let request = ListProductsRequest {
            page_size: 1_000,
            page_token,
            include_discontinued: true,
            ..ListProductsRequest::default()
        };
        let page = catalog.clone().list_products(request).await?.into_inner();
        products.extend(page.products.into_iter().map(|product| (product.product_id.clone(), product)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(products);
        }
    }
}

/// Makes, changes or deletes one of some products, through restarts of the catalog.
async fn change(catalog: &Catalog, number: usize) {
    let (product_id, request_id) = (format!("p{}", number * 7 % 23), uuid::Uuid::new_v4().to_string());
    let price = Some(Money { currency_code: "EUR".into(), units: number as i64, nanos: 0 });
    let product =
        Product { product_id: product_id.clone(), name: format!("Number {number}"), price, ..Product::default() };
    let made = async {
        let mut tries = tokio::time::interval(Duration::from_millis(20));
        loop {
            tries.tick().await;
            let (mut catalog, request_id, product) = (catalog.clone(), request_id.clone(), Some(product.clone()));
            let changed = if number % 5 == 4 {
                let delete = DeleteProductRequest { product_id: product_id.clone(), request_id, ..Default::default() };
                catalog.delete_product(delete).await.map(drop)
            } else if number % 5 < 2 {
                catalog.create_product(CreateProductRequest { product, request_id }).await.map(drop)
            } else {
                let update = UpdateProductRequest { product, request_id, ..Default::default() };
                catalog.update_product(update).await.map(drop)
            };
            match changed.map_err(|status| status.code()) {
                Ok(()) | Err(Code::AlreadyExists | Code::NotFound) => return,
                Err(_) => {}
            }
        }
    };
    tokio::time::timeout(LIMIT, made).await.expect("the change is made");
}

async fn consumers_and_catalogs_that_are_killed_lose_no_event(mut world: World) {
    const CHANGES: usize = 600;
    for number in 0..30 {
        change(&world.client(), number).await;
    }
    let client = world.client();
    let writing = tokio::spawn(async move {
        for number in 30..CHANGES {
            change(&client, number).await;
        }
    });
    let mut kills = 0;
    while !writing.is_finished() || kills < 5 {
        let mut follower = world.follower();
        // Somewhere after it has applied something of its own.
        let wanted = 1 + kills % 4 * 5;
        let applied = tokio::time::timeout(Duration::from_secs(3), async {
            while follower.event().await["applied"].as_u64().unwrap() < wanted {}
        });
        drop(applied.await);
        follower.kill();
        kills += 1;
        if kills == 2 {
            world.catalog.kill();
            world.start_again().await;
        }
        if kills == 3 {
            world.catalog.signal(Signal::INT);
            assert!(world.catalog.ended().await.success());
            world.start_again().await;
        }
    }
    writing.await.unwrap();
    let mut last = world.follower();
    world.copy_is_equal().await;
    // It stops when it is told to, and its copy is of use to the next at once.
    last.signal(Signal::TERM);
    assert!(last.ended().await.success());
    change(&world.client(), CHANGES).await;
    let _next = world.follower();
    world.copy_is_equal().await;
}

async fn of_two_consumers_one_works_and_a_frozen_one_does_no_harm_when_it_wakes(world: World) {
    let (mut first, mut second) = (world.follower(), world.follower());
    change(&world.client(), 0).await;
    world.copy_is_equal().await;
    let works = async |follower: &mut Running| -> bool {
        // What it said last.
        let mut role = String::new();
        while let Ok(event) = tokio::time::timeout(Duration::from_millis(100), follower.event()).await {
            role = event["role"].as_str().unwrap().to_owned();
        }
        role == "Following"
    };
    let (first_works, second_works) = (works(&mut first).await, works(&mut second).await);
    assert!(first_works != second_works, "first {first_works}, second {second_works}");
    let (holder, standby) = if first_works { (&mut first, &mut second) } else { (&mut second, &mut first) };
    holder.signal(Signal::STOP);
    change(&world.client(), 1).await;
    change(&world.client(), 5).await;
    world.copy_is_equal().await;
    eventually("the other one works", async || {
        let event = standby.event().await;
        ensure!(event["role"] == "Following", "{event}");
        Ok(())
    })
    .await;
    // It wakes up in the middle of what it thinks is its feed.
    holder.signal(Signal::CONT);
    for number in 6..30 {
        change(&world.client(), number).await;
    }
    world.copy_is_equal().await;
    holder.kill();
    standby.kill();
}

async fn a_drain_ends_the_feed_and_it_goes_on_from_its_cursor(mut world: World) {
    change(&world.client(), 0).await;
    let watch = async |client: &mut Catalog, cursor: &str| {
        client.watch_products(WatchProductsRequest { cursor: cursor.to_owned() }).await.map(tonic::Response::into_inner)
    };
    let mut stream = watch(&mut world.client(), "").await.unwrap();
    let cursor = loop {
        let message = stream.message().await.unwrap().context("a message").unwrap();
        if matches!(message.kind, Some(Kind::Bookmark(_))) {
            break message.cursor;
        }
    };
    world.catalog.signal(Signal::INT);
    let ended = loop {
        match stream.message().await {
            Ok(message) => assert!(message.is_some(), "it ended as if there were no more to come"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable, "{ended}");
    assert!(world.catalog.ended().await.success());
    world.start_again().await;
    change(&world.client(), 1).await;
    let mut stream = watch(&mut world.client(), &cursor).await.unwrap();
    let message = stream.message().await.unwrap().unwrap();
    let Some(Kind::Event(event)) = message.kind else { panic!("{message:?}") };
    assert_eq!(event.key, "p7");
}

macro_rules! on_both_databases {
    ($($journey:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $journey() {
                super::$journey(super::World::on_sqlite().await).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $journey() {
                super::$journey(super::World::on_postgres().await).await;
            })*
        }
    };
}

on_both_databases!(
    consumers_and_catalogs_that_are_killed_lose_no_event,
    of_two_consumers_one_works_and_a_frozen_one_does_no_harm_when_it_wakes,
    a_drain_ends_the_feed_and_it_goes_on_from_its_cursor,
);
