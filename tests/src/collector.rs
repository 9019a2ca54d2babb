//! A collector of traces: takes what OpenTelemetry exporters send by gRPC, and keeps it as it came and as spans.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};

/// Takes traces from everybody, on a free port.
#[derive(Debug)]
pub struct Collector {
    /// Where, as `OTEL_EXPORTER_OTLP_ENDPOINT` has it.
    pub endpoint: String,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

/// A span that was exported; of its fields in OpenTelemetry's `trace.proto` those that tests look at.
#[derive(Clone, PartialEq, Message)]
pub struct Span {
    /// 16 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub trace_id: Bytes,
    /// 8 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub span_id: Bytes,
    /// Empty: it is the first of its trace.
    #[prost(bytes = "bytes", tag = "4")]
    pub parent_span_id: Bytes,
    /// What was done.
    #[prost(string, tag = "5")]
    pub name: String,
    /// On whose behalf.
    #[prost(message, repeated, tag = "13")]
    pub links: Vec<Link>,
}

/// A span of another trace.
#[derive(Clone, PartialEq, Message)]
pub struct Link {
    /// 16 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub trace_id: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<OfResource>,
}

#[derive(Clone, PartialEq, Message)]
struct OfResource {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<OfScope>,
}

#[derive(Clone, PartialEq, Message)]
struct OfScope {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

impl Collector {
    /// Starts one.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
        let taken = Arc::default();
        let kept = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept)));
            }
        });
        Self { endpoint, taken }
    }

    /// Whether this text is anywhere in what was sent: a name, an attribute's key or value, an event.
    #[must_use]
    pub fn has(&self, text: &str) -> bool {
        self.finds(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    }

    /// What `search` says of everything that was sent.
    #[must_use]
    pub fn finds<T>(&self, search: impl FnOnce(&[u8]) -> T) -> T {
        search(&self.taken.lock().unwrap_or_else(PoisonError::into_inner).bytes)
    }

    /// All spans so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).spans.clone()
    }
}

async fn serve(stream: TcpStream, taken: Arc<Mutex<Taken>>) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(call) = connection.accept().await {
        let (request, mut answer) = call?;
        let taken = Arc::clone(&taken);
        tokio::spawn(async move {
            let (mut body, mut call) = (request.into_body(), Vec::new());
            while let Some(Ok(bytes)) = body.data().await {
                call.extend_from_slice(&bytes);
                let _ended = body.flow_control().release_capacity(bytes.len()).is_err();
            }
            keep(&taken, &call);
            let head = Response::builder().header("content-type", "application/grpc").body(()).expect("a head");
            let Ok(mut send) = answer.send_response(head, false) else { return };
            // An empty message, and OK.
            let trailers =
                HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"))]);
            let _gone =
                send.send_data(Bytes::from_static(&[0; 5]), false).and_then(|()| send.send_trailers(trailers)).is_err();
        });
    }
    Ok(())
}

fn keep(taken: &Mutex<Taken>, call: &[u8]) {
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    taken.bytes.extend_from_slice(call);
    // Behind whether it is compressed, which nobody asks for, and its length.
    let export = call.get(5..).and_then(|message| Export::decode(message).ok()).unwrap_or_default();
    taken.spans.extend(export.resources.into_iter().flat_map(|of| of.scopes).flat_map(|of| of.spans));
}
