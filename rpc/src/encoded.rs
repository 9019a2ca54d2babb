//! Answers that are bytes already, for services that keep them encoded.

use std::marker::PhantomData;

use bytes::{BufMut as _, Bytes};
use prost::Message;
use tonic::{
    Status,
    codec::{Codec, EncodeBuf, Encoder},
};
use tonic_prost::ProstDecoder;

/// Decodes a request of type `M` and writes an answer's bytes as they are.
#[derive(Debug)]
pub struct EncodedCodec<M>(PhantomData<M>);

impl<M> Default for EncodedCodec<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M: Message + Default + 'static> Codec for EncodedCodec<M> {
    type Encode = Bytes;
    type Decode = M;
    type Encoder = WriteBytes;
    type Decoder = ProstDecoder<M>;

    fn encoder(&mut self) -> WriteBytes {
        WriteBytes
    }

    fn decoder(&mut self) -> ProstDecoder<M> {
        ProstDecoder::default()
    }
}

/// Writes a message that is encoded.
#[derive(Clone, Copy, Debug)]
pub struct WriteBytes;

impl Encoder for WriteBytes {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}
