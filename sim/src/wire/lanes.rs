//! The lanes of a connection that has been taken: a queue and a one-way stream each, as the real data plane lays them.
//!
//! A full Live or Bulk queue drops what comes (sync repairs it), a full Control queue ends the connection.

use bytes::{Bytes, BytesMut};
use lavina_gossip::frame::Lane;
use lavina_gossip::framing::{self, FramingError, Taken};
use lavina_gossip::plane::{BATCH_FRAMES_MAX, READ_BYTES};
use quinn_proto::{Connection, Dir, StreamId, WriteError};
use std::collections::{BTreeMap, VecDeque};

/// What waits for one lane's stream.
#[derive(Debug, Default)]
struct Outgoing {
    stream: Option<StreamId>,
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// The batch being written.
    chunks: VecDeque<Bytes>,
}

/// All lanes of one connection, both ways.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    outgoing: BTreeMap<Lane, Outgoing>,
    incoming: BTreeMap<StreamId, BytesMut>,
}

/// A queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Why a connection is of no more use.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

impl From<FramingError> for Broken {
    fn from(error: FramingError) -> Self {
        Self(error.to_string())
    }
}

impl Lanes {
    /// Queues an encoded frame.
    pub(super) fn push(&mut self, lane: Lane, frame: Bytes) -> Result<(), Full> {
        let outgoing = self.outgoing.entry(lane).or_default();
        if outgoing.bytes + frame.len() > lane.waiting_bytes_max() {
            return Err(Full);
        }
        outgoing.bytes += frame.len();
        outgoing.frames.push_back(frame);
        Ok(())
    }

    /// Writes what the connection takes.
    pub(super) fn write(&mut self, connection: &mut Connection) -> Result<(), Broken> {
        for (lane, outgoing) in &mut self.outgoing {
            outgoing.write(*lane, connection)?;
        }
        Ok(())
    }

    /// Reads all that is there, each lane's frames in order.
    pub(super) fn read(&mut self, connection: &mut Connection) -> Result<Vec<Taken>, Broken> {
        while let Some(stream) = connection.streams().accept(Dir::Uni) {
            self.incoming.insert(stream, BytesMut::new());
        }
        let mut frames = Vec::new();
        for (stream, buffer) in &mut self.incoming {
            read_stream(connection, *stream, buffer)?;
            while let Some(taken) = framing::take_frame(buffer)? {
                frames.push(taken);
            }
        }
        Ok(frames)
    }
}

impl Outgoing {
    fn write(&mut self, lane: Lane, connection: &mut Connection) -> Result<(), Broken> {
        let stream = match self.stream {
            Some(stream) => stream,
            None => {
                let Some(stream) = connection.streams().open(Dir::Uni) else { return Ok(()) };
                // Fails only for a stream that is finished.
                let _ = connection.send_stream(stream).set_priority(lane.priority());
                *self.stream.insert(stream)
            }
        };
        loop {
            if self.chunks.is_empty() {
                let count = self.frames.len().min(BATCH_FRAMES_MAX);
                if count == 0 {
                    return Ok(());
                }
                let batch: Vec<Bytes> = self.frames.drain(..count).collect();
                self.bytes -= batch.iter().map(Bytes::len).sum::<usize>();
                self.chunks = framing::join_frames(batch).into();
            }
            match connection.send_stream(stream).write_chunks(self.chunks.make_contiguous()) {
                Ok(written) => {
                    self.chunks.drain(..written.chunks);
                }
                Err(WriteError::Blocked) => return Ok(()),
                Err(error) => return Err(Broken(format!("a lane broke: {error}"))),
            }
        }
    }
}

/// Appends what a stream has to `buffer`.
pub(super) fn read_stream(connection: &mut Connection, stream: StreamId, buffer: &mut BytesMut) -> Result<(), Broken> {
    let broken = |error: &dyn std::fmt::Display| Broken(format!("a lane broke: {error}"));
    let mut recv = connection.recv_stream(stream);
    let mut chunks = recv.read(true).map_err(|error| broken(&error))?;
    let ended = loop {
        match chunks.next(READ_BYTES) {
            Ok(Some(chunk)) => buffer.extend_from_slice(&chunk.bytes),
            Ok(None) => break Err(Broken("the peer has ended a lane".to_owned())),
            Err(quinn_proto::ReadError::Blocked) => break Ok(()),
            Err(error) => break Err(broken(&error)),
        }
    };
    // Whether that makes something due to be sent is found out by asking for packets.
    let _ = chunks.finalize();
    ended
}
