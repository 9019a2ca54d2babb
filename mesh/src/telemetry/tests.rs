//! Traces of real calls, as an exporter sees them, and what stands in the log lines beside them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::stream;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};
use tokio::{sync::mpsc, time::Instant};
use tracing::Instrument as _;

use super::{log::tests::Lines, *};
use crate::{
    Process,
    fixture::{Fixture, METHOD, Probe, WAYS, Way, eventually, question, serving},
    process::Options,
    threads::Threads,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// An exporter whose spans a test reads.
#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Exported {
    fn provider(&self) -> SdkTracerProvider {
        SdkTracerProvider::builder().with_simple_exporter(self.clone()).build()
    }

    fn spans(&self) -> Vec<SpanData> {
        self.0.lock().unwrap().clone()
    }

    /// The one span of this name and kind.
    fn span(&self, name: &str, kind: &SpanKind) -> SpanData {
        let spans = self.spans();
        let mut found = spans.iter().filter(|span| span.name == name && span.span_kind == *kind);
        let span = found.next().unwrap_or_else(|| panic!("no {kind:?} {name} in {spans:?}")).clone();
        assert!(found.next().is_none(), "two {kind:?} {name}");
        span
    }
}

/// A process whose spans go to `exported`.
fn process(exported: &Exported) -> Process {
    let options = Options { cores: 1, ..Default::default() };
    Process::start_with("test", options, None, |_, metrics, _| Ok(Telemetry::over(Some(exported.provider()), metrics)))
        .unwrap()
}

fn config(filter: &str) -> Config {
    Config { service_name: "test".into(), service_attribute: None, filter: filter.into(), format: Format::Json }
}

#[tokio::test]
async fn two_hops_are_one_trace_and_each_span_is_the_child_of_the_one_before() {
    for way in WAYS {
        let exported = Exported::default();
        let behind = Fixture::on(process(&exported), way, Probe::unary(async |_| Ok(())));
        let next = behind.client();
        let probe = Probe::streaming(move |_| {
            let mut next = next.clone();
            Ok(Box::pin(stream::once(async move { next.check(question()).await.map(tonic::Response::into_inner) })))
        });
        let front = Fixture::on(process(&exported), way, probe);
        let mut answers = front.client().watch(question()).await.unwrap().into_inner();
        assert_eq!(answers.message().await.unwrap(), Some(serving()));
        assert_eq!(answers.message().await.unwrap(), None);
        eventually("four spans", || exported.spans().len() == 4).await;
        const WATCH: &str = "grpc.health.v1.Health/Watch";
        let chain = [(WATCH, SpanKind::Client), (WATCH, SpanKind::Server), (METHOD, SpanKind::Client)];
        let mut spans: Vec<_> = chain.iter().map(|(name, kind)| exported.span(name, kind)).collect();
        spans.push(exported.span(METHOD, &SpanKind::Server));
        assert_eq!(spans[0].parent_span_id, SpanId::INVALID, "{way:?}");
        for pair in spans.windows(2) {
            assert_eq!(pair[1].parent_span_id, pair[0].span_context.span_id(), "{way:?}");
            assert_eq!(pair[1].span_context.trace_id(), pair[0].span_context.trace_id(), "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_trace_that_its_caller_does_not_sample_records_nothing_and_goes_on_unsampled() {
    for way in WAYS {
        let exported = Exported::default();
        let (sender, mut seen) = mpsc::unbounded_channel();
        let probe = Probe::unary(move |request| {
            sender.send(request.metadata().get("traceparent").unwrap().to_str().unwrap().to_owned()).unwrap();
            async { Ok(()) }
        });
        let fixture = Fixture::on(process(&exported), way, probe);
        let parent = format!("00-{TRACE}-b7ad6b7169203331-00");
        let headers =
            http::HeaderMap::from_iter([(http::HeaderName::from_static("traceparent"), parent.parse().unwrap())]);
        let attached = extract(&headers);
        let call = crate::context::scope(
            crate::context::CallContext { deadline: None, trace: attached, principal: crate::Principal::anonymous() },
            async { fixture.client().check(question()).await },
        );
        call.await.unwrap();
        let passed_on = seen.recv().await.unwrap();
        assert!(passed_on.starts_with(&format!("00-{TRACE}-")) && passed_on.ends_with("-00"), "{passed_on}");
        fixture.metric("grpc_server_call_duration_seconds_count").await;
        assert!(exported.spans().is_empty(), "{way:?}");
    }
}

#[tokio::test]
async fn an_applications_spans_are_children_of_the_servers_whatever_log_says_and_a_librarys_are_not_traced() {
    let (exported, lines) = (Exported::default(), Lines::default());
    let tracer = exported.provider().tracer("mesh");
    let subscriber = log::subscriber(&config("error"), Some(tracer), lines.clone(), false).unwrap();
    let _here = tracing::subscriber::set_default(subscriber);
    let probe = Probe::unary(async |_| {
        async {
            tokio::task::yield_now().await;
            drop(tracing::debug_span!("too fine").entered());
            drop(tracing::info_span!(target: "h2::proto", "of a library").entered());
            tracing::info!("left out");
        }
        .instrument(tracing::info_span!("work"))
        .await;
        Ok(())
    });
    let fixture = Fixture::on(process(&exported), Way::InProcess, probe);
    fixture.client().check(question()).await.unwrap();
    let (server, work) = (exported.span(METHOD, &SpanKind::Server), exported.span("work", &SpanKind::Internal));
    assert_eq!(work.parent_span_id, server.span_context.span_id());
    assert_eq!(work.span_context.trace_id(), server.span_context.trace_id());
    assert_eq!(exported.spans().len(), 3, "{:?}", exported.spans());
    assert!(lines.objects().is_empty());
}

#[test]
fn what_is_done_on_behalf_of_a_call_links_to_it_and_to_nothing_else() {
    let exported = Exported::default();
    let tracer = exported.provider().tracer("mesh");
    let subscriber = log::subscriber(&config("error"), Some(tracer), Lines::default(), false).unwrap();
    let _here = tracing::subscriber::set_default(subscriber);
    let span = tracing::info_span!("order");
    for traceparent in ["", "of nobody", &format!("00-{TRACE}-b7ad6b7169203331-01")] {
        link(&span, traceparent);
    }
    drop(span);
    let order = exported.span("order", &SpanKind::Internal);
    assert_ne!(order.span_context.trace_id(), TraceId::from_hex(TRACE).unwrap());
    let linked: Vec<_> = order.links.iter().map(|link| link.span_context.trace_id().to_string()).collect();
    assert_eq!(linked, [TRACE]);
}

#[test]
fn what_a_call_hands_over_is_of_its_trace() {
    let exported = Exported::default();
    let tracer = exported.provider().tracer("mesh");
    let subscriber = log::subscriber(&config("error"), Some(tracer), Lines::default(), false).unwrap();
    let _here = tracing::subscriber::set_default(subscriber);
    let span = tracing::info_span!("order");
    for traceparent in [&format!("00-{TRACE}-b7ad6b7169203331-01"), "", "of nobody"] {
        adopt(&span, traceparent);
    }
    drop(span);
    let order = exported.span("order", &SpanKind::Internal);
    assert_eq!(order.span_context.trace_id(), TraceId::from_hex(TRACE).unwrap());
    assert_eq!(order.parent_span_id.to_string(), "b7ad6b7169203331");
}

#[tokio::test]
async fn a_line_after_an_await_and_one_in_the_body_of_a_stream_have_the_calls_trace_id() {
    let (exported, lines) = (Exported::default(), Lines::default());
    let subscriber = log::subscriber(&config("info"), None, lines.clone(), false).unwrap();
    let _here = tracing::subscriber::set_default(subscriber);
    let probe = Probe::streaming(|_| {
        let answers = stream::once(async {
            tokio::task::yield_now().await;
            tracing::info!("in the body");
            Ok(serving())
        });
        Ok(Box::pin(answers))
    });
    let probe = probe.with_unary(async |_| {
        tokio::task::yield_now().await;
        tracing::info!("after the await");
        Ok(())
    });
    let fixture = Fixture::on(process(&exported), Way::InProcess, probe);
    fixture.client().check(question()).await.unwrap();
    let mut answers = fixture.client().watch(question()).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    let lines = lines.objects();
    for (message, method) in [("after the await", METHOD), ("in the body", "grpc.health.v1.Health/Watch")] {
        let line = lines.iter().find(|line| line["message"] == message).unwrap();
        let span = exported.span(method, &SpanKind::Server).span_context;
        assert_eq!(line["trace_id"], span.trace_id().to_string());
        assert_eq!(line["span_id"], span.span_id().to_string());
        assert_ne!(span.trace_id(), TraceId::INVALID);
    }
}

/// A collector that refuses.
#[derive(Debug)]
struct Refusing;

impl SpanExporter for Refusing {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        Err(OTelSdkError::InternalFailure("refused".into()))
    }
}

#[test]
fn spans_that_are_lost_at_the_very_end_are_said_to_be() {
    let (metrics, lines) = (Metrics::default(), Lines::default());
    let processor = export::counted_batches(Refusing, &metrics, 16);
    let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
    let telemetry = Telemetry::over(Some(provider), &metrics);
    drop(telemetry.tracer().start(SpanKind::Server, "a.B/C", None, &TraceContext::new()));
    let subscriber = log::subscriber(&config("warn"), None, lines.clone(), false).unwrap();
    tracing::subscriber::with_default(subscriber, || drop(telemetry));
    let said = lines.objects();
    let line = said.iter().find(|line| line["message"] == "the last spans could not be sent").unwrap();
    assert_eq!(line["lost"], 1);
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_an_end_up_for_two_seconds_at_most() {
    // It takes connections and says nothing, which is worse than being away.
    let collector = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let (threads, metrics) = (Threads::start(1).unwrap(), Metrics::default());
    let telemetry = {
        use opentelemetry_otlp::WithExportConfig as _;
        let _inside = threads.background().enter();
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint);
        let processor = export::counted_batches(exporter.build().unwrap(), &metrics, 16);
        Telemetry::over(Some(SdkTracerProvider::builder().with_span_processor(processor).build()), &metrics)
    };
    drop(telemetry.tracer().start(SpanKind::Server, "a.B/C", None, &TraceContext::new()));
    let begun = Instant::now();
    drop(telemetry);
    // The SDK alone would wait for the export's own limit, which is ten seconds.
    assert!(begun.elapsed() < FLUSH_TIMEOUT + Duration::from_secs(3), "{:?}", begun.elapsed());
}
