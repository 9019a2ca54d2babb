//! Streams: uploads and conversations over every way, their deadlines, their cancellation and their context.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, future::BoxFuture, stream};
use http::uri::PathAndQuery;
use mesh::{
    Body, Channel, Clients, Directory, ListenAddress, Process,
    client::ClientConfig,
    context,
    health::pb::{HealthCheckRequest as Text, HealthListRequest as Empty},
    server::InboundConfig,
};
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto};
use tokio::{sync::mpsc, time::timeout};
use tonic::{
    Code, Request, Response, Status, Streaming,
    client::Grpc as Caller,
    server::{ClientStreamingService, Grpc, NamedService, StreamingService},
};
use tonic_prost::ProstCodec;

use crate::fixture::{DropReport, Fixture, PROBE, Probe, WAYS, Way, process, question, serving};

const PATIENCE: Duration = Duration::from_secs(20);
const JOIN: PathAndQuery = PathAndQuery::from_static("/test.v1.Words/Join");
const ECHO: PathAndQuery = PathAndQuery::from_static("/test.v1.Words/Echo");

/// What a generated server and its descriptor set would say of an upload and of a conversation.
static DESCRIPTORS: LazyLock<&'static [u8]> = LazyLock::new(|| {
    let method = |name: &str, server_streaming| MethodDescriptorProto {
        name: Some(name.into()),
        input_type: Some(".google.protobuf.Empty".into()),
        output_type: Some(".google.protobuf.Empty".into()),
        client_streaming: Some(true),
        server_streaming: Some(server_streaming),
        ..Default::default()
    };
    let empty = FileDescriptorProto {
        name: Some("google/protobuf/empty.proto".into()),
        package: Some("google.protobuf".into()),
        message_type: vec![prost_types::DescriptorProto { name: Some("Empty".into()), ..Default::default() }],
        ..Default::default()
    };
    let words = FileDescriptorProto {
        name: Some("words.proto".into()),
        package: Some("test.v1".into()),
        dependency: vec!["google/protobuf/empty.proto".into()],
        service: vec![ServiceDescriptorProto {
            name: Some("Words".into()),
            method: vec![method("Join", false), method("Echo", true)],
            ..Default::default()
        }],
        ..Default::default()
    };
    FileDescriptorSet { file: vec![empty, words] }.encode_to_vec().leak()
});

/// `Join` answers all words of an upload in one; `Echo` answers each. A word taken and a call ended are reported.
#[derive(Clone)]
struct Words {
    taken: mpsc::UnboundedSender<()>,
    ended: mpsc::UnboundedSender<()>,
}

impl NamedService for Words {
    const NAME: &'static str = "test.v1.Words";
}

impl ClientStreamingService<Text> for Words {
    type Response = Text;
    type Future = BoxFuture<'static, Result<Response<Text>, Status>>;

    fn call(&mut self, request: Request<Streaming<Text>>) -> Self::Future {
        let (report, taken) = (DropReport(self.ended.clone()), self.taken.clone());
        Box::pin(async move {
            let _report = report;
            let (mut words, mut joined) = (request.into_inner(), String::new());
            while let Some(word) = words.message().await? {
                joined.push_str(&word.service);
                let _nobody_counts = taken.send(()).is_err();
            }
            Ok(Response::new(Text { service: joined }))
        })
    }
}

impl StreamingService<Text> for Words {
    type Response = Text;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Text, Status>> + Send>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Text>>) -> Self::Future {
        let report = DropReport(self.ended.clone());
        let echo = request.into_inner().inspect(move |_| {
            let _kept = &report;
        });
        Box::pin(async move { Ok(Response::new(Box::pin(echo) as Self::ResponseStream)) })
    }
}

impl tower::Service<http::Request<Body>> for Words {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (words, mut grpc) = (self.clone(), Grpc::new(ProstCodec::<Text, Text>::default()));
        Box::pin(async move {
            Ok(match request.uri().path() == JOIN.path() {
                true => grpc.client_streaming(words, request).await,
                false => grpc.streaming(words, request).await,
            })
        })
    }
}

struct Served {
    process: Process,
    directory: Directory,
    taken: mpsc::UnboundedReceiver<()>,
    ended: mpsc::UnboundedReceiver<()>,
    _folder: tempfile::TempDir,
}

fn serve(way: Way) -> Served {
    let (process, directory, folder) = (process(), Directory::default(), tempfile::tempdir().unwrap());
    let ((took, taken), (end, ended)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let inbound = mesh::Builder::new(PROBE.name())
        .descriptors(*DESCRIPTORS)
        .add_service(Words { taken: took, ended: end })
        .build(&process, InboundConfig::default())
        .unwrap();
    let listen = match way {
        Way::InProcess => None,
        Way::Tcp => Some("127.0.0.1:0".parse().unwrap()),
        Way::Unix => Some(ListenAddress::Unix(folder.path().join("words.sock"))),
    };
    match listen {
        None => directory.in_process(inbound),
        Some(listen) => {
            let listener = process.bind(&listen).unwrap();
            directory.remote(PROBE.name(), listener.address().dial());
            process.serve_grpc(listener, inbound);
        }
    }
    Served { process, directory, taken, ended, _folder: folder }
}

impl Served {
    fn caller(&self) -> Caller<Channel> {
        let config = ClientConfig::default();
        let clients = Clients::new(&self.process, &self.directory, "caller", &[PROBE], &[*DESCRIPTORS], config);
        Caller::new(clients.unwrap().channel(PROBE).unwrap())
    }
}

fn word(text: &str) -> Text {
    Text { service: text.into() }
}

fn codec() -> ProstCodec<Text, Text> {
    ProstCodec::default()
}

#[tokio::test]
async fn an_upload_is_answered_once_and_has_no_deadline_of_its_own() {
    for way in WAYS {
        let served = serve(way);
        let words = Request::new(stream::iter(["a", "b", "c"].map(word)));
        let joined = served.caller().client_streaming(words, JOIN, codec()).await.unwrap().into_inner();
        assert_eq!(joined, word("abc"), "{way:?}");
    }
}

#[tokio::test]
async fn a_conversation_goes_back_and_forth_on_one_call() {
    for way in WAYS {
        let served = serve(way);
        let (say, said) = mpsc::unbounded_channel();
        let said = tokio_stream::wrappers::UnboundedReceiverStream::new(said);
        let mut heard = served.caller().streaming(Request::new(said), ECHO, codec()).await.unwrap().into_inner();
        for text in ["a", "b", "c"] {
            say.send(word(text)).unwrap();
            assert_eq!(heard.message().await.unwrap(), Some(word(text)), "{way:?}");
        }
        drop(say);
        assert_eq!(heard.message().await.unwrap(), None, "{way:?}");
    }
}

#[tokio::test]
async fn an_upload_whose_caller_gives_up_ends_its_handler() {
    for way in WAYS {
        let mut served = serve(way);
        let words = stream::iter([word("a")]).chain(stream::pending());
        let mut caller = served.caller();
        let call = tokio::spawn(async move { caller.client_streaming(Request::new(words), JOIN, codec()).await });
        served.taken.recv().await.unwrap();
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        timeout(PATIENCE, served.ended.recv()).await.unwrap_or_else(|_| panic!("{way:?}: the handler still runs"));
    }
}

#[tokio::test]
async fn a_conversation_whose_answers_are_dropped_ends_on_both_sides_although_it_could_go_on() {
    for way in WAYS {
        let mut served = serve(way);
        let words = stream::iter([word("a")]).chain(stream::pending());
        let mut heard = served.caller().streaming(Request::new(words), ECHO, codec()).await.unwrap().into_inner();
        assert_eq!(heard.message().await.unwrap(), Some(word("a")));
        drop(heard);
        timeout(PATIENCE, served.ended.recv()).await.unwrap_or_else(|_| panic!("{way:?}: the handler still runs"));
        let labels = r#"service="probe",grpc_method="test.v1.Words/Echo",grpc_status="CANCELLED""#;
        let line = format!("grpc_server_call_duration_seconds_count{{{labels}}} 1");
        let recorded = || served.process.metrics().encode().lines().any(|found| found.starts_with(&line));
        crate::fixture::eventually(&line, recorded).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_always_ready_ends_at_its_deadline() {
    for way in WAYS {
        let fixture = Fixture::new(way, Probe::streaming(|_| Ok(Box::pin(stream::repeat_with(|| Ok(serving()))))));
        let mut client = fixture.client();
        client.check(question()).await.unwrap();
        let mut request = question();
        request.set_timeout(Duration::from_millis(500));
        let mut answers = client.watch(request).await.unwrap().into_inner();
        let read = async {
            loop {
                match answers.message().await {
                    Ok(_) => tokio::task::yield_now().await,
                    Err(status) => return status.code(),
                }
            }
        };
        assert_eq!(timeout(PATIENCE, read).await.expect("it ends"), Code::DeadlineExceeded, "{way:?}");
    }
}

#[tokio::test]
async fn what_a_caller_streams_is_made_in_its_own_context_and_not_in_its_callees() {
    for way in WAYS {
        let served = serve(way);
        let seen = || stream::once(async { word(if context::current().is_none() { "outside" } else { "inside" }) });
        let mut caller = served.caller();
        let joined = caller.client_streaming(Request::new(seen()), JOIN, codec()).await.unwrap().into_inner();
        assert_eq!(joined, word("outside"), "{way:?}");
        if way == Way::InProcess {
            let principal = mesh::Principal::service("souk", "souk", "front");
            let inside = context::CallContext { deadline: None, trace: Default::default(), principal };
            let whose = stream::once(async { word(context::current().unwrap().principal.as_str()) });
            let call = caller.client_streaming(Request::new(whose), JOIN, codec());
            let joined = context::scope(inside, call).await.unwrap().into_inner();
            assert_eq!(joined, word("spiffe://souk/ns/souk/sa/front"));
        }
    }
}

#[tokio::test]
async fn a_message_that_is_none_is_an_error_of_its_call_alone() {
    for way in WAYS {
        let served = serve(way);
        let mut caller = served.caller();
        // The number of the field is that of a string there, and this one is none.
        let broken = ProstCodec::<Bytes, Text>::default();
        let call = caller.unary(Request::new(Bytes { service: vec![0xff, 0xfe] }), JOIN, broken).await;
        assert_eq!(call.unwrap_err().code(), Code::Internal, "{way:?}");
        let words = Request::new(stream::iter([word("a")]));
        assert_eq!(caller.client_streaming(words, JOIN, codec()).await.unwrap().into_inner(), word("a"));
        let empty = ProstCodec::<Empty, Text>::default();
        assert_eq!(caller.unary(Request::new(Empty {}), JOIN, empty).await.unwrap().into_inner(), word(""));
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Bytes {
    #[prost(bytes = "vec", tag = "1")]
    service: Vec<u8>,
}
