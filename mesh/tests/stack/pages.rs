//! Plain HTTP beside the calls: pages of a target, by way of its client.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use mesh::{
    Body, Builder, Clients, Directory, ListenAddress, Process,
    client::{ClientConfig, Pages},
    context::{self, CallContext},
    server::InboundConfig,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status};

use crate::fixture::{DropReport, PROBE, WAYS, Way, process};

const BELOW: &str = "/pages/";

/// Pages that `answer` makes, behind one of the ways.
struct Site {
    process: Process,
    directory: Directory,
    _folder: tempfile::TempDir,
}

impl Site {
    fn new<F, A>(way: Way, answer: F) -> Self
    where
        F: Fn(Request<Body>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let (process, directory, folder) = (process(), Directory::default(), tempfile::tempdir().unwrap());
        let pages = tower::service_fn(move |request| {
            let answer = answer(request);
            async { Ok(answer.await) }
        });
        let inbound = Builder::new(PROBE.name()).pages(BELOW, pages).build(&process, InboundConfig::default()).unwrap();
        let listen = match way {
            Way::InProcess => {
                directory.in_process(inbound);
                return Self { process, directory, _folder: folder };
            }
            Way::Tcp => "127.0.0.1:0".parse().unwrap(),
            Way::Unix => ListenAddress::Unix(folder.path().join("probe.sock")),
        };
        let listener = process.bind(&listen).unwrap();
        directory.remote(PROBE.name(), listener.address().dial());
        process.serve_grpc(listener, inbound);
        Self { process, directory, _folder: folder }
    }

    fn pages(&self) -> Pages {
        pages(&self.process, &self.directory)
    }
}

fn pages(process: &Process, directory: &Directory) -> Pages {
    let clients = Clients::new(process, directory, "caller", &[PROBE], &[], ClientConfig::default()).unwrap();
    clients.pages(PROBE, BELOW).unwrap()
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn full(text: impl Into<Bytes>) -> Body {
    Body::new(Full::new(text.into()))
}

/// Runs `future` as what is served until `left` from now.
async fn within<F: Future>(left: Duration, future: F) -> F::Output {
    let principal = mesh::Principal::anonymous();
    let deadline = Some(Instant::now() + left);
    context::scope(CallContext { deadline, trace: Default::default(), principal }, future).await
}

#[tokio::test]
async fn a_page_is_what_its_target_answers_whatever_its_status_and_headers() {
    for way in WAYS {
        let site = Site::new(way, async |request: Request<Body>| {
            let said = format!("{} {} {:?}", request.method(), request.uri().path(), request.uri().query());
            let asked = request.headers()["x-asked"].clone();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Response::builder()
                .status(StatusCode::UNPROCESSABLE_ENTITY)
                .header(header::CONTENT_TYPE, "text/html")
                .header(header::SET_COOKIE, "a=1")
                .header(header::SET_COOKIE, "b=2")
                .header("x-asked", asked)
                .body(full(format!("{said} {}", body.escape_ascii())))
                .unwrap()
        });
        let request = Request::post("/pages/a?b=c").header("x-asked", "yes").body(full(&b"\xff\x00"[..])).unwrap();
        let answer = site.pages().send(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{way:?}");
        assert_eq!(answer.headers()["x-asked"], "yes");
        assert_eq!(answer.headers().get_all(header::SET_COOKIE).iter().count(), 2);
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, "POST /pages/a Some(\"b=c\") \\xff\\x00", "{way:?}");
        let broken = site.pages().send(get("/pages/a")).await.unwrap();
        assert_eq!(
            broken.status(),
            StatusCode::INTERNAL_SERVER_ERROR,
            "a handler that panics ends its own request alone"
        );
    }
}

#[tokio::test]
async fn bodies_pass_as_they_come_in_both_directions() {
    for way in WAYS {
        // What comes in goes out again, frame by frame.
        let site = Site::new(way, async |request: Request<Body>| Response::new(request.into_body()));
        let (send, sent) = mpsc::unbounded_channel::<Result<Frame<Bytes>, Status>>();
        let body = Body::new(StreamBody::new(UnboundedReceiverStream::new(sent)));
        let request = Request::builder().method(Method::POST).uri("/pages/echo").body(body).unwrap();
        let mut answer = site.pages().send(request).await.unwrap().into_body();
        for part in ["one", "two"] {
            send.send(Ok(Frame::data(part.into()))).unwrap();
            assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), part, "{way:?}");
        }
        drop(send);
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "", "{way:?}");
    }
}

#[tokio::test]
async fn the_deadline_of_what_is_served_ends_a_page_that_never_answers_and_one_that_never_ends() {
    for way in WAYS {
        let (dropped, mut gone) = mpsc::unbounded_channel();
        let site = Site::new(way, move |request: Request<Body>| {
            let report = DropReport(dropped.clone());
            async move {
                if request.uri().path() == "/pages/silent" {
                    let _report = report;
                    std::future::pending::<()>().await;
                }
                let frames = futures_util::stream::once(async { Ok::<_, Status>(Frame::data("begun".into())) });
                Response::new(Body::new(StreamBody::new(frames.chain(futures_util::stream::pending()))))
            }
        });
        let left = Duration::from_millis(200);
        let silent = within(left, site.pages().send(get("/pages/silent"))).await.unwrap_err();
        assert_eq!(silent.code(), Code::DeadlineExceeded, "{way:?}");
        gone.recv().await.unwrap();
        let answer = within(left, site.pages().send(get("/pages/endless"))).await.unwrap();
        let broken = answer.into_body().collect().await.unwrap_err();
        assert_eq!(broken.code(), Code::DeadlineExceeded, "{way:?}");
    }
}

#[tokio::test]
async fn a_target_that_is_away_is_unavailable_and_a_path_outside_of_its_pages_is_not_sent() {
    let (process, directory) = (process(), Directory::default());
    let nowhere = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    directory.remote(PROBE.name(), nowhere.address().dial());
    drop(nowhere);
    let away = pages(&process, &directory).send(get("/pages/a")).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
    for way in WAYS {
        let site = Site::new(way, async |_| Response::new(Body::empty()));
        for path in ["/", "/page/a", "/grpc.health.v1.Health/Check"] {
            let refused = site.pages().send(get(path)).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{path}");
        }
    }
}

#[tokio::test]
async fn the_trace_of_what_is_served_goes_along_and_no_metric_counts_a_page_as_a_call() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for way in WAYS {
        let site = Site::new(way, async |request: Request<Body>| {
            let trace = request.headers().get("traceparent").cloned();
            let mut answer = Response::new(Body::empty());
            answer.headers_mut().extend(trace.map(|trace| (header::ETAG, trace)));
            answer
        });
        let headers =
            http::HeaderMap::from_iter([(header::HeaderName::from_static("traceparent"), PARENT.parse().unwrap())]);
        let trace = mesh::telemetry::extract(&headers);
        let call = CallContext { deadline: None, trace, principal: mesh::Principal::anonymous() };
        let answer = context::scope(call, site.pages().send(get("/pages/a"))).await.unwrap();
        assert_eq!(answer.headers()[header::ETAG], PARENT, "{way:?}");
        let metrics = site.process.metrics().encode();
        assert!(!metrics.lines().any(|line| line.starts_with("grpc_client_call_duration_seconds_count")), "{metrics}");
    }
}
