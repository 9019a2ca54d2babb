//! `grpc.health.v1` for the whole fleet.
//!
//! A service behind the edge is asked itself, over the channel that its calls take. The names of this process are
//! answered from its own table, the whole server (`""`) among them: that another service is away is no reason to take
//! storefront out of rotation. From the first moment of a drain everything is NOT_SERVING, since whoever asks here is
//! about to lose the way to it.

use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt as _, future::join_all};
use mesh::{
    Channel, Clients, Drain, Health, Process,
    directory::UndeclaredTarget,
    drain::Phase,
    health::pb::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
        health_check_response::ServingStatus, health_client::HealthClient, health_server,
    },
};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use rpc::access::Access;

/// The first and the longest wait before a broken watch of another service is tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The health of the fleet, as the edge tells it. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Fleet {
    own: Health,
    drain: Drain,
    upstreams: Arc<BTreeMap<String, HealthClient<Channel>>>,
    timeout: Duration,
}

impl Fleet {
    /// The fleet of `process` and the services that `clients` declares. One that does not answer within `timeout` is
    /// NOT_SERVING.
    ///
    /// # Errors
    /// Never for the targets of `clients` themselves.
    pub fn new(
        clients: &Clients,
        access: &Access,
        process: &Process,
        timeout: Duration,
    ) -> Result<Self, UndeclaredTarget> {
        let upstreams = access
            .services_of(clients.calls())
            .map(|(service, target)| Ok((service.to_owned(), HealthClient::new(clients.channel(target)?))));
        Ok(Self {
            own: process.health().clone(),
            drain: process.drain().clone(),
            upstreams: Arc::new(upstreams.collect::<Result<_, _>>()?),
            timeout,
        })
    }

    /// The server of `grpc.health.v1.Health`.
    #[must_use]
    pub fn server(&self) -> health_server::HealthServer<Self> {
        health_server::HealthServer::new(self.clone())
    }

    /// The health of every service behind the edge, asked at once.
    pub async fn services(&self) -> BTreeMap<String, ServingStatus> {
        let asked = self.upstreams.iter().map(|(service, client)| async {
            let status = self.ask(service, client).await;
            (service.clone(), status)
        });
        join_all(asked).await.into_iter().collect()
    }

    /// The health of one service behind the edge. One that is not there is UNKNOWN.
    pub async fn status(&self, service: &str) -> ServingStatus {
        match self.upstreams.get(service) {
            Some(client) => self.ask(service, client).await,
            None => ServingStatus::Unknown,
        }
    }

    async fn ask(&self, service: &str, client: &HealthClient<Channel>) -> ServingStatus {
        if self.is_draining() {
            return ServingStatus::NotServing;
        }
        let mut request = Request::new(HealthCheckRequest { service: service.to_owned() });
        request.set_timeout(self.timeout);
        match client.clone().check(request).await {
            Ok(answer) => answer.get_ref().status(),
            Err(error) => {
                tracing::debug!(service, %error, "a service does not tell its health");
                ServingStatus::NotServing
            }
        }
    }

    fn is_draining(&self) -> bool {
        self.drain.phase() != Phase::Running
    }
}

/// Tells what the service says of itself until nobody listens or the process drains. While it cannot be asked, it is
/// NOT_SERVING.
async fn follow(
    service: String,
    mut client: HealthClient<Channel>,
    drain: Drain,
    seen: watch::Sender<Option<ServingStatus>>,
) {
    let set = |status| seen.send_if_modified(|seen| seen.replace(status) != Some(status));
    let mut wait = BACKOFF.0;
    let watching = async {
        loop {
            if let Ok(answer) = client.watch(HealthCheckRequest { service: service.clone() }).await {
                let mut statuses = answer.into_inner();
                while let Ok(Some(status)) = statuses.message().await {
                    wait = BACKOFF.0;
                    set(status.status());
                }
            }
            set(ServingStatus::NotServing);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(BACKOFF.1);
        }
    };
    tokio::select! {
        () = watching => {}
        () = drain.reached(Phase::Leaving) => {
            set(ServingStatus::NotServing);
            seen.closed().await;
        }
        () = seen.closed() => {}
    }
}

#[tonic::async_trait]
impl health_server::Health for Fleet {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        let Some(client) = self.upstreams.get(service) else {
            return health_server::Health::check(&self.own, request).await;
        };
        let status = self.ask(service, client).await;
        Ok(Response::new(response(status)))
    }

    async fn list(&self, request: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let mut list = health_server::Health::list(&self.own, request).await?.into_inner();
        let asked = self.services().await;
        list.statuses.extend(asked.into_iter().map(|(service, status)| (service, response(status))));
        Ok(Response::new(list))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let service = &request.get_ref().service;
        let Some(client) = self.upstreams.get(service) else {
            return health_server::Health::watch(&self.own, request).await;
        };
        let (seen, statuses) = watch::channel(None);
        // It ends by itself once the stream below is dropped.
        mesh::spawn(follow(service.clone(), client.clone(), self.drain.clone(), seen));
        let statuses = WatchStream::new(statuses)
            .filter_map(|status| std::future::ready(status.map(|status| Ok(response(status)))));
        Ok(Response::new(Box::pin(statuses)))
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
