//! A connection that goes on with the session of an earlier one: it leaves the worker that took it in and goes to the one that has the
//! session, with its TLS state, what is still to be written and what has been read. Sessions never move, so that the core finds them where
//! they are.

use super::link::Moving;
use super::socket::{ReadHalf, Socket, WriteHalf};
use super::{Order, Shared, number, task};
use lavina_core::node::SessionNumber;
use std::rc::Rc;

/// The connection on its way.
#[derive(Debug)]
pub(crate) struct Takeover {
    socket: Socket,
    to: SessionNumber,
    moving: Moving,
}

/// Sends a connection to the worker that has the session.
pub(super) async fn send(shared: &Shared, to: SessionNumber, moving: Moving, (read, write): (ReadHalf, Rc<WriteHalf>)) {
    let Some(socket) = Rc::try_unwrap(write).ok().and_then(|write| read.reunite(write)) else {
        return tracing::warn!("a client's socket cannot be taken out of its worker");
    };
    let worker = shared.state.borrow().peer(number::worker(to));
    if let Some(worker) = worker {
        // A worker that is gone has no sessions left.
        let _ = worker.send(Order::TakeOver(Box::new(Takeover { socket, to, moving }))).await;
    }
}

/// Gives a connection to the session that it is for. One that has ended meanwhile leaves it without anybody: it is closed, and its client
/// learns with the next one that the session is gone.
pub(super) fn accept(shared: &Rc<Shared>, takeover: Takeover) {
    let (read, write) = match takeover.socket.split() {
        Ok(halves) => halves,
        Err(error) => return tracing::warn!(%error, "a client's socket cannot be watched"),
    };
    let write = Rc::new(write);
    let taken = shared.state.borrow_mut().take_over(takeover.to, takeover.moving, Rc::clone(&write));
    if let Some((connection, wake)) = taken {
        task::start(shared, connection, (read, write), wake);
    }
}
