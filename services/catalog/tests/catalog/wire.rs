//! Bytes that are no message: the caller's mistake, said as one.

use bytes::{Buf as _, BufMut as _, Bytes};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};

use crate::shop::{self, code_and_reason};

/// Sends and receives bytes as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// Every kind of call: answered from memory, by the generated server, and with a stream of messages.
const METHODS: [&str; 3] = ["GetProduct", "CreateProduct", "ImportProducts"];

async fn refused(channel: &mesh::Channel, method: &str, message: Bytes) -> Status {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(format!("/souk.catalog.v1.CatalogService/{method}")).unwrap();
    let call = client.client_streaming(Request::new(tokio_stream::once(message)), path, Raw);
    call.await.expect_err("it is no message")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_is_refused_as_the_callers_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("catalog.db").display());
    let channel = shop::channel(catalog::Config::new(url)).await;
    // Text that is no UTF-8, and a length that goes beyond the message.
    for message in [&b"\x0a\x02\xff\xfe"[..], b"\x0a\x7fshort"] {
        for method in METHODS {
            let status = refused(&channel, method, Bytes::from_static(message)).await;
            assert_eq!(code_and_reason(&status), (Code::InvalidArgument, "INVALID_REQUEST".into()), "{method}");
        }
    }
    for method in METHODS {
        let status = refused(&channel, method, vec![0; 4 * 1024 * 1024 + 1].into()).await;
        assert_eq!(code_and_reason(&status), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".into()), "{method}");
        assert!(status.message().contains("4194304"), "{}", status.message());
    }
}
