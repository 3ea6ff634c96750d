//! A QUIC connection as libp2p opens and accepts streams on it.

use crate::stream::Stream;
use futures::future::BoxFuture;
use futures::{FutureExt, ready};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Streams that an end may have open at a time; as stock libp2p does.
const STREAMS_MAX: u32 = 256;

type Opening = BoxFuture<'static, Result<(SendStream, RecvStream), ConnectionError>>;

/// One connection.
pub(crate) struct Muxer {
    connection: Connection,
    inbound: Option<Opening>,
    outbound: Option<Opening>,
}

impl Muxer {
    /// Over a connection whose handshake is done.
    pub(crate) fn new(connection: Connection) -> Self {
        // What accepted it did not know yet what it is for.
        connection.set_max_concurrent_bi_streams(VarInt::from_u32(STREAMS_MAX));
        Self { connection, inbound: None, outbound: None }
    }
}

impl StreamMuxer for Muxer {
    type Substream = Stream;
    type Error = ConnectionError;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Stream, ConnectionError>> {
        let connection = self.connection.clone();
        let opening = self.inbound.get_or_insert_with(|| async move { connection.accept_bi().await }.boxed());
        let opened = ready!(opening.poll_unpin(cx));
        self.inbound = None;
        Poll::Ready(opened.map(|(send, recv)| Stream { send, recv }))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Stream, ConnectionError>> {
        let connection = self.connection.clone();
        let opening = self.outbound.get_or_insert_with(|| async move { connection.open_bi().await }.boxed());
        let opened = ready!(opening.poll_unpin(cx));
        self.outbound = None;
        Poll::Ready(opened.map(|(send, recv)| Stream { send, recv }))
    }

    /// Closing is told in one packet, for which nobody waits.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.connection.close(VarInt::from_u32(0), b"");
        Poll::Ready(Ok(()))
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, ConnectionError>> {
        Poll::Pending
    }
}
