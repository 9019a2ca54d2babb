//! Bytes that are no message: the caller's mistake, said as one.

use bytes::{Buf as _, BufMut as _, Bytes};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};

use crate::shop::{Shop, refusal};

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

/// A read, and two writes.
const METHODS: [&str; 3] = ["GetStock", "AdjustStock", "ReserveStock"];

async fn refused(channel: &mesh::Channel, method: &str, message: Bytes) -> Status {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(format!("/souk.inventory.v1.InventoryService/{method}")).unwrap();
    let call = client.unary(Request::new(message), path, Raw);
    call.await.expect_err("it is no message")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_is_refused_as_the_callers_mistake() {
    let shop = Shop::on_sqlite().await;
    // Text that is no UTF-8, and a length that goes beyond the message.
    for message in [&b"\x0a\x02\xff\xfe"[..], b"\x0a\x7fshort"] {
        for method in METHODS {
            let status = refused(&shop.channel, method, Bytes::from_static(message)).await;
            assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_REQUEST".into()), "{method}");
        }
    }
    for method in METHODS {
        let status = refused(&shop.channel, method, vec![0; 4 * 1024 * 1024 + 1].into()).await;
        assert_eq!(refusal(&status), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".into()), "{method}");
        assert!(status.message().contains("4194304"), "{}", status.message());
    }
}
