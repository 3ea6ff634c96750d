//! placeholder

use crate::command::{CommandId, Refusal, Reply};
use crate::event::Event;
use crate::render::Renders;
use crate::session::{Connection, Output, SessionConfig, Tls};
use lavina_crdt::clock::Now;
use std::sync::Arc;

/// One connection.
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// A new connection.
    #[must_use]
    pub fn new(_now: Now, _config: Arc<SessionConfig>, _connection: Connection) -> Self {
        unimplemented!()
    }
    /// See [`crate::session::Session::handle_bytes`].
    pub fn handle_bytes(&mut self, _now: Now, _bytes: &[u8]) {}
    /// See [`crate::session::Session::handle_eof`].
    pub fn handle_eof(&mut self, _now: Now, _reason: &str) {}
    /// See [`crate::session::Session::handle_event`].
    pub fn handle_event(&mut self, _now: Now, _event: &Arc<Event>, _renders: &mut Renders) {}
    /// See [`crate::session::Session::handle_answer`].
    pub fn handle_answer(&mut self, _now: Now, _id: CommandId, _answer: Result<Reply, Refusal>) {}
    /// See [`crate::session::Session::handle_tls`].
    pub fn handle_tls(&mut self, _now: Now, _tls: Tls) {}
    /// See [`crate::session::Session::handle_timeout`].
    pub fn handle_timeout(&mut self, _now: Now) {}
    /// See [`crate::session::Session::next_timeout`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<u64> {
        None
    }
    /// See [`crate::session::Session::poll_output`].
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }
    /// See [`crate::session::Session::wants_pause`].
    #[must_use]
    pub fn wants_pause(&self) -> bool {
        false
    }
}
