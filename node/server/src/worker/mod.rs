//! Serves client connections: one thread and one single-threaded runtime a worker, any number of connections each.
//!
//! A connection is a protocol session, perhaps TLS, and a queue of buffers. Its task sleeps until bytes can be read; deliveries do not wake
//! it. What the core hands out in one round is given to all sessions first, then each session that got something writes once. Commands
//! gather in the same way and go to the core once a turn.
//!
//! **Invariant:** a worker never waits for the core. When the core has too much to do, the worker stops reading from clients.

mod link;
pub(crate) mod number;
mod outbox;
mod resumptions;
mod socket;
mod state;
mod takeover;
mod task;
mod tls;
mod websocket;

pub(crate) use link::{Accepted, Arrival, Begun, Listener, Protocol};
pub(crate) use resumptions::Resumptions;
pub(crate) use socket::Socket;
pub(crate) use tls::{TlsCell, TlsSettings};
pub(crate) use websocket::Subprotocol;

use crate::shell::clock::Clock;
use crate::shell::inbox::Inbox;
use crate::shell::metrics::Metrics;
use lavina_core::node::SessionNumber;
use lavina_protocols::command::{CommandId, Refusal, Reply};
use lavina_protocols::event::{CloseReason, Event};
use state::State;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;

/// Orders waiting for one worker: rounds of the core and new connections. The core waits above it, which makes it take more at once.
pub(crate) const ORDERS_MAX: usize = 64;

/// Orders handled before their outputs are written, so that a busy worker still writes often.
const ORDERS_PER_TURN_MAX: usize = 8;

/// Longest that a stopping worker waits for its clients to take what is queued for them.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// What the core says to a session.
#[derive(Debug)]
pub(crate) enum FromCore {
    /// Give the event to these sessions.
    Deliver(Vec<SessionNumber>, Arc<Event>),
    /// The answer to a command.
    Answer(SessionNumber, CommandId, Result<Reply, Refusal>),
    /// End a session that has been told already.
    Disconnect(SessionNumber, CloseReason),
}

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Serve this connection.
    Accept(Accepted),
    /// One round of the core.
    FromCore(Vec<FromCore>),
    /// Go on with a session over this connection.
    TakeOver(Box<takeover::Takeover>),
    /// Write what is queued, close all connections and end.
    Stop,
    /// End where you stand.
    Kill,
}

/// What a worker is made of.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Its number.
    pub(crate) index: usize,
    /// The time.
    pub(crate) clock: Clock,
    /// The way to the core.
    pub(crate) inbox: Arc<Inbox>,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// Sessions that may be gone on with.
    pub(crate) resumptions: Arc<Resumptions>,
    /// All workers, by number; weak, so that they end when nobody else has orders for them.
    pub(crate) peers: Vec<mpsc::WeakSender<Order>>,
}

/// What the worker's own loop and the tasks of its connections share.
struct Shared {
    state: RefCell<State>,
    /// Something is to be handed to the core or written.
    turn: Notify,
}

impl Worker {
    /// Serves until told to stop or until nobody can say so any more.
    ///
    /// # Errors
    /// When the runtime cannot be made.
    pub(crate) fn run(self, orders: mpsc::Receiver<Order>) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, self.serve(orders));
        Ok(())
    }

    async fn serve(self, mut orders: mpsc::Receiver<Order>) {
        let inbox = Arc::clone(&self.inbox);
        let clock = self.clock;
        let shared = Rc::new(Shared { state: RefCell::new(State::new(self)), turn: Notify::new() });
        let mut taken = Vec::new();
        loop {
            let (wakeup, held) = {
                let state = shared.state.borrow();
                (state.next_timeout().map(|at| clock.instant(at).into()), state.is_held())
            };
            tokio::select! {
                biased;
                count = orders.recv_many(&mut taken, ORDERS_PER_TURN_MAX) => {
                    if count == 0 {
                        return;
                    }
                }
                () = shared.turn.notified() => {}
                () = inbox.room(), if held => shared.state.borrow_mut().unhold(),
                () = sleep_until(wakeup), if wakeup.is_some() => {}
            }
            let was_order = !taken.is_empty();
            for order in taken.drain(..) {
                match order {
                    Order::Accept(accepted) => task::accept(&shared, accepted),
                    Order::TakeOver(takeover) => takeover::accept(&shared, *takeover),
                    Order::FromCore(said) => shared.state.borrow_mut().on_core(said),
                    Order::Stop => {
                        shared.state.borrow_mut().close_all();
                        let _ = tokio::time::timeout(STOP_WAIT, emptied(&shared)).await;
                        return;
                    }
                    Order::Kill => return,
                }
            }
            shared.state.borrow_mut().end_turn();
            if was_order {
                // The connections' own tasks have their say between two rounds of the core.
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

/// Waits until the last connection is gone.
async fn emptied(shared: &Shared) {
    loop {
        {
            let mut state = shared.state.borrow_mut();
            state.end_turn();
            if state.is_empty() {
                return;
            }
        }
        shared.turn.notified().await;
    }
}
