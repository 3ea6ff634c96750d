//! One connection to an admitted node after its hello: three one-way streams in each direction (one a lane), datagrams, and
//! the measured round trip, in one task.
//!
//! Each lane is written and read by a future of its own, so a lane that the peer does not read stops no other; among what
//! is ready to leave, quinn sends the stream of the highest priority first.

use crate::close::{self, Code};
use crate::counters::{DATAGRAMS, Tally, count};
use crate::event::Event;
use crate::outbox::{Outbox, Queued};
use bytes::{Bytes, BytesMut};
use lavina_crdt::ids::NodeId;
use lavina_gossip::frame::{self, Frame, Lane};
use lavina_gossip::framing::{self, FramingError, PREFIX_BYTES, Taken};
use lavina_gossip::packed;
use lavina_gossip::plane::{CONNECTION_WINDOW_BYTES, READ_BYTES, ROUND_TRIP_PERIOD, is_new_round_trip};
use quinn::{Connection, ConnectionError, ReadError, SendStream, VarInt, WriteError};
use std::sync::OnceLock;
use tokio::sync::mpsc;

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: NodeId,
    /// Whether this node dialled it.
    pub(crate) dialled: bool,
    /// The peer's boot number.
    pub(crate) boot: u64,
    /// The version of frames that both speak.
    pub(crate) version: u16,
    pub(crate) outbox: Outbox,
    connection: Connection,
    /// Why this side has closed it.
    closed_here: OnceLock<String>,
}

/// What ends a lane.
struct Ended(Code, String);

impl From<FramingError> for Ended {
    fn from(error: FramingError) -> Self {
        Self(Code::Malformed, error.to_string())
    }
}

impl From<ConnectionError> for Ended {
    fn from(error: ConnectionError) -> Self {
        Self(Code::Hangup, close::reason(&error))
    }
}

impl From<ReadError> for Ended {
    fn from(error: ReadError) -> Self {
        Self(Code::Malformed, format!("a lane broke: {error}"))
    }
}

impl From<WriteError> for Ended {
    fn from(error: WriteError) -> Self {
        Self(Code::Malformed, format!("a lane broke: {error}"))
    }
}

impl Link {
    pub(crate) fn new(peer: NodeId, dialled: bool, boot: u64, version: u16, connection: Connection) -> Self {
        Self { peer, dialled, boot, version, outbox: Outbox::default(), connection, closed_here: OnceLock::new() }
    }

    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Closes it with a reason that the peer is told too. The first reason stands.
    pub(crate) fn close(&self, code: Code, reason: &str) {
        if self.closed_here.set(reason.to_owned()).is_ok() {
            self.connection.close(code.var_int(), reason.as_bytes());
        }
    }

    /// Closes it because the peer has made another.
    pub(crate) fn replace(&self) {
        self.close(Code::Replaced, "replaced by a newer connection");
    }

    /// Runs it to its end: `Up`, then whatever comes, then `Down`.
    pub(crate) async fn run(&self, events: &mpsc::Sender<Event>, tally: &Tally) {
        self.connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES));
        let up = Event::Up { peer: self.peer, remote: self.connection.remote_address() };
        if events.send(up).await.is_err() {
            self.close(Code::Stopping, "the node stops");
            return;
        }
        let Ended(code, reason) = self.until_ended(events, tally).await;
        if code == Code::Malformed && self.connection.close_reason().is_none() {
            count(&tally.malformed);
        }
        let reason = match self.connection.close_reason() {
            Some(error) if self.closed_here.get().is_none() => close::reason(&error),
            _here => reason,
        };
        self.close(code, &reason);
        let reason = self.closed_here.get().cloned().unwrap_or(reason);
        tracing::info!(peer = ?self.peer, %reason, "connection down");
        // A receiver that is gone needs no telling.
        let _ = events.send(Event::Down { peer: self.peer, reason }).await;
    }

    async fn until_ended(&self, events: &mpsc::Sender<Event>, tally: &Tally) -> Ended {
        tokio::select! {
            biased;
            error = self.connection.closed() => error.into(),
            ended = self.write_lane(Lane::Control, tally) => ended,
            ended = self.read_lane(events, tally) => ended,
            ended = self.read_lane(events, tally) => ended,
            ended = self.read_lane(events, tally) => ended,
            ended = self.write_lane(Lane::Live, tally) => ended,
            ended = self.write_lane(Lane::Bulk, tally) => ended,
            ended = self.read_datagrams(events, tally) => ended,
            ended = self.tell_round_trips(events) => ended,
        }
    }

    async fn write_lane(&self, lane: Lane, tally: &Tally) -> Ended {
        match self.try_write_lane(lane, tally).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn try_write_lane(&self, lane: Lane, tally: &Tally) -> Result<std::convert::Infallible, Ended> {
        let mut stream = self.connection.open_uni().await?;
        // Fails only for a stream that is finished, which the next write reports.
        let _ = stream.set_priority(lane.priority());
        loop {
            let mut encoded = Vec::new();
            for queued in self.outbox.take(lane).await {
                match queued {
                    Queued::Encoded(bytes) => encoded.push(bytes),
                    Queued::Packable(frame, _) => {
                        // What is ready need not wait for what is made ready.
                        write(&mut stream, std::mem::take(&mut encoded)).await?;
                        encoded.extend(pack(frame, tally).await);
                    }
                }
            }
            write(&mut stream, encoded).await?;
        }
    }

    async fn read_lane(&self, events: &mpsc::Sender<Event>, tally: &Tally) -> Ended {
        match self.try_read_lane(events, tally).await {
            Ok(()) => Ended(Code::Malformed, "the peer has ended a lane".to_owned()),
            Err(ended) => ended,
        }
    }

    async fn try_read_lane(&self, events: &mpsc::Sender<Event>, tally: &Tally) -> Result<(), Ended> {
        let mut stream = self.connection.accept_uni().await?;
        let mut buffer = BytesMut::new();
        while let Some(chunk) = stream.read_chunk(READ_BYTES, true).await? {
            buffer.extend_from_slice(&chunk.bytes);
            loop {
                let waiting = buffer.len();
                let Some(taken) = framing::take_frame(&mut buffer)? else { break };
                match taken {
                    Taken::Frame(frame) => {
                        count(&tally.frames_received);
                        tally.received.add(frame.kind(), waiting - buffer.len());
                        self.tell(events, Event::Frame(self.peer, frame)).await?;
                    }
                    Taken::Unknown => count(&tally.frames_unknown),
                }
            }
        }
        Ok(())
    }

    async fn read_datagrams(&self, events: &mpsc::Sender<Event>, tally: &Tally) -> Ended {
        loop {
            match self.connection.read_datagram().await {
                Ok(bytes) => {
                    tally.received.add(DATAGRAMS, bytes.len());
                    if events.try_send(Event::Datagram(self.peer, bytes)).is_err() {
                        count(&tally.datagrams_dropped);
                    }
                }
                Err(error) => return error.into(),
            }
        }
    }

    async fn tell_round_trips(&self, events: &mpsc::Sender<Event>) -> Ended {
        let mut ticks = tokio::time::interval(ROUND_TRIP_PERIOD);
        let mut told_us = None;
        loop {
            ticks.tick().await;
            let round_trip_us = u64::try_from(self.connection.rtt().as_micros()).unwrap_or(u64::MAX);
            if !is_new_round_trip(told_us, round_trip_us) {
                continue;
            }
            match events.try_send(Event::RoundTrip(self.peer, round_trip_us)) {
                Ok(()) => told_us = Some(round_trip_us),
                Err(mpsc::error::TrySendError::Full(_)) => {}
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    return Ended(Code::Stopping, "the node stops".to_owned());
                }
            }
        }
    }

    async fn tell(&self, events: &mpsc::Sender<Event>, event: Event) -> Result<(), Ended> {
        events.send(event).await.map_err(|_| Ended(Code::Stopping, "the node stops".to_owned()))
    }
}

async fn write(stream: &mut SendStream, frames: Vec<Bytes>) -> Result<(), WriteError> {
    stream.write_all_chunks(&mut framing::join_frames(frames)).await
}

/// The bytes of a frame that is to be packed, made where nobody waits for the thread.
async fn pack(frame: Frame, tally: &Tally) -> Option<Bytes> {
    let kind = frame.kind();
    let encode = move || packed::pack(&frame).map_or_else(|| frame::encode(&frame), Ok);
    match tokio::task::spawn_blocking(encode).await {
        Ok(Ok(bytes)) => {
            tally.sent.add(kind, bytes.len() + PREFIX_BYTES);
            Some(bytes)
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "a frame of this node's own cannot be sent");
            count(&tally.frames_dropped);
            None
        }
        // The runtime ends.
        Err(_) => None,
    }
}
