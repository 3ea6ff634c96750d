//! Links to other servers and to components: one thread, whose machine is [`Hub`].
//!
//! To the core it is one more worker: it has sessions of its own, for people of other servers, and gets rounds as workers do. Each connection is a task
//! ([`link`]); how a server is found is [`resolve`], and what makes a certificate trusted is [`trust`].
//!
//! **Invariant:** the machine never waits. When the core has too much to do, nothing is taken from links.

mod dns;
mod link;
mod resolve;
mod trust;

pub(crate) use trust::ALPN;

use crate::config::Servers;
use crate::shell::clock::Clock;
use crate::shell::inbox::{Inbound, Inbox};
use crate::shell::limits::Place;
use crate::shell::metrics::Metrics;
use crate::web::Raw;
use crate::worker::{FromCore, Order, TlsCell, number};
use anyhow::{Context, Result};
use lavina_core::node::{Input, SessionMeta, SessionNumber};
use lavina_protocols::render::Renders;
use lavina_protocols::xmpp::s2s::{Caller, ConnectionId, Federation, Hub, Output, SessionIndex};
use link::{Order as LinkOrder, Said};
use resolve::Finder;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use trust::Trust;

/// What links have said and the machine has not heard; who says more waits.
const SAID_MAX: usize = 256;
/// Connections that have come and are not served yet.
const CALLS_MAX: usize = 64;
/// How long the last words of links may take at the end.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// How often it is looked whether they have ended.
const STOP_LOOK: Duration = Duration::from_millis(20);
/// What the worker's number in a session's is counted by.
const WORKERS: u64 = number::WORKERS_MAX as u64;

/// A connection that has come.
#[derive(Debug)]
pub(crate) struct Call {
    /// The socket.
    pub(crate) stream: Raw,
    /// Who connects.
    pub(crate) caller: Caller,
    /// The certificate of a port where TLS comes first.
    pub(crate) direct: Option<Arc<TlsCell>>,
    /// Its place among the connections of its address.
    pub(crate) place: Place,
}

/// Which servers are welcome, as the configuration says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    /// Only these and what is below them; empty for all.
    pub(crate) allow: Vec<String>,
    /// None of these and of what is below them.
    pub(crate) block: Vec<String>,
}

impl Lists {
    /// Of a configuration.
    pub(crate) fn of(servers: &Servers) -> Self {
        Self { allow: servers.allow.clone(), block: servers.block.clone() }
    }
}

/// What the thread is made of.
pub(crate) struct Thread {
    /// Its number among the workers.
    pub(crate) index: usize,
    /// The time.
    pub(crate) clock: Clock,
    /// The way to the core.
    pub(crate) inbox: Arc<Inbox>,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// What the machine needs to know.
    pub(crate) federation: Federation,
    /// What is configured.
    pub(crate) servers: Servers,
    /// Who is welcome, when that has changed.
    pub(crate) lists: watch::Receiver<Lists>,
    /// Certificate and key of this node.
    pub(crate) certificate: (PathBuf, PathBuf),
    /// The same for connections that come.
    pub(crate) tls: Arc<TlsCell>,
}

/// The way to the thread for connections that come.
pub(crate) fn calls() -> (mpsc::Sender<Call>, mpsc::Receiver<Call>) {
    mpsc::channel(CALLS_MAX)
}

impl Thread {
    /// Serves until told to stop.
    ///
    /// # Errors
    /// When no certificate of an authority can be read, or the runtime cannot be made.
    pub(crate) fn run(self, orders: mpsc::Receiver<Order>, calls: mpsc::Receiver<Call>) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.serve(orders, calls))
    }

    async fn serve(self, mut orders: mpsc::Receiver<Order>, mut calls: mpsc::Receiver<Call>) -> Result<()> {
        let trust = Arc::new(Trust::load(self.servers.authority.as_deref()).context("links to other servers")?);
        let finder = Arc::new(Finder::new(&self.servers.hosts));
        let (say, mut said) = mpsc::channel(SAID_MAX);
        let mut state = State {
            hub: Hub::new(self.clock.now(), self.federation.clone(), crate::identity::random_u64()),
            links: BTreeMap::new(),
            inputs: Vec::new(),
            // A restarted node does not use the same numbers again.
            first: crate::identity::random_u64() >> 8,
            held: false,
            say,
            trust,
            finder,
            thread: self,
        };
        let inbox = Arc::clone(&state.thread.inbox);
        let mut lists = state.thread.lists.clone();
        loop {
            state.pump();
            let (wake, held) = (state.wake(), state.held);
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::FromCore(said)) => state.on_core(said),
                    Some(Order::Accept(_) | Order::TakeOver(_)) => {}
                    Some(Order::Stop) => {
                        state.stop().await;
                        return Ok(());
                    }
                    Some(Order::Kill) | None => return Ok(()),
                },
                Ok(()) = lists.changed() => {
                    let Lists { allow, block } = lists.borrow_and_update().clone();
                    state.hub.handle_lists(state.thread.clock.now(), allow, block);
                }
                () = inbox.room(), if held => state.held = false,
                () = sleep_until(wake), if wake.is_some() => state.hub.handle_timeout(state.thread.clock.now()),
                Some(said) = said.recv(), if !held => state.on_said(said),
                Some(call) = calls.recv(), if !held => state.on_call(call),
            }
        }
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

/// The machine and what it drives.
struct State {
    thread: Thread,
    hub: Hub,
    links: BTreeMap<ConnectionId, mpsc::UnboundedSender<LinkOrder>>,
    inputs: Vec<Input>,
    first: u64,
    held: bool,
    say: mpsc::Sender<Said>,
    trust: Arc<Trust>,
    finder: Arc<Finder>,
}

impl State {
    fn wake(&self) -> Option<tokio::time::Instant> {
        self.hub.next_timeout().map(|at| self.thread.clock.instant(at).into())
    }

    /// The number by which the core knows a session: the machine's own, and that it is this thread's.
    fn number(&self, session: SessionIndex) -> SessionNumber {
        let index = u64::try_from(self.thread.index).unwrap_or(0);
        self.first.wrapping_add(session).wrapping_mul(WORKERS) | index
    }

    fn session(&self, number: SessionNumber) -> SessionIndex {
        // The multiplication loses the highest bits, which the first number does not have.
        (number / WORKERS).wrapping_sub(self.first)
    }

    fn on_core(&mut self, said: Vec<FromCore>) {
        let now = self.thread.clock.now();
        let mut renders = Renders::default();
        for said in said {
            match said {
                FromCore::Deliver(sessions, event) => {
                    let sessions: Vec<SessionIndex> = sessions.into_iter().map(|number| self.session(number)).collect();
                    self.hub.handle_event(now, &sessions, &event, &mut renders);
                }
                FromCore::Answer(session, id, answer) => {
                    self.hub.handle_answer(now, self.session(session), id, answer);
                }
                FromCore::Disconnect(session, _) => self.hub.handle_ended(now, self.session(session)),
            }
        }
    }

    fn on_said(&mut self, said: Said) {
        let now = self.thread.clock.now();
        match said {
            Said::Bytes(id, bytes) => {
                self.thread.metrics.bytes_in.add_len(bytes.len());
                self.hub.handle_bytes(now, id, &bytes);
            }
            Said::Tls(id, tls) => self.hub.handle_tls(now, id, tls),
            Said::Connected(id, stream) => {
                let tls = stream.tls(&self.trust);
                self.start(id, *stream, None);
                self.hub.handle_connected(now, id, tls);
            }
            Said::Accepted(caller, stream, place) => {
                let tls = stream.tls(&self.trust);
                let id = self.hub.handle_accepted(now, caller, tls);
                self.start(id, *stream, Some(place));
            }
            Said::Unreachable(id, why) => self.hub.handle_unreachable(now, id, why),
            Said::Closed(id) => {
                self.links.remove(&id);
                self.hub.handle_closed(now, id);
            }
        }
    }

    /// Takes a connection in, after the handshake where TLS comes first.
    fn on_call(&mut self, call: Call) {
        let Call { stream, caller, direct, place } = call;
        let say = self.say.clone();
        match direct {
            None => self.on_said(Said::Accepted(caller, Box::new(link::Stream::Plain(stream)), place)),
            Some(cell) => {
                tokio::spawn(async move {
                    if let Ok(stream) = link::accept_tls(stream, &cell).await {
                        let _ = say.send(Said::Accepted(caller, Box::new(stream), place)).await;
                    }
                });
            }
        }
    }

    /// Starts the task of a connection.
    fn start(&mut self, id: ConnectionId, stream: link::Stream, place: Option<Place>) {
        let (orders, taken) = mpsc::unbounded_channel();
        self.links.insert(id, orders);
        self.thread.metrics.connections_accepted.add(1);
        let link = link::Link {
            id,
            say: self.say.clone(),
            trust: Arc::clone(&self.trust),
            tls: Arc::clone(&self.thread.tls),
            certificate: self.thread.certificate.clone(),
            place,
        };
        tokio::spawn(link.run(stream, taken));
    }

    /// Looks for a server and connects to it.
    fn connect(&self, id: ConnectionId, domain: String) {
        let (finder, say) = (Arc::clone(&self.finder), self.say.clone());
        let certificate = self.thread.certificate.clone();
        tokio::spawn(async move {
            let said = match finder.connect(&domain, &certificate).await {
                Ok(stream) => Said::Connected(id, Box::new(stream)),
                Err(why) => Said::Unreachable(id, why),
            };
            let _ = say.send(said).await;
        });
    }

    /// Does what the machine wants.
    fn pump(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Connect(id, domain) => self.connect(id, domain),
                Output::Send(id, bytes) => {
                    self.thread.metrics.bytes_out.add_len(bytes.len());
                    self.order(id, LinkOrder::Send(bytes));
                }
                Output::StartTls(id, domain) => self.order(id, LinkOrder::StartTls(domain)),
                Output::Close(id, reason) => {
                    tracing::debug!(id, reason, "a link ends");
                    // Without orders the task writes what it has and ends.
                    self.links.remove(&id);
                }
                Output::Opened(session, host) => {
                    let meta = SessionMeta { host, address: None, secure: true };
                    self.inputs.push(Input::SessionOpened(self.number(session), meta));
                }
                Output::Command(session, id, command) => {
                    self.inputs.push(Input::Command(self.number(session), id, command));
                }
                Output::Closed(session, reason) => {
                    self.inputs.push(Input::SessionClosed(self.number(session), reason));
                }
            }
        }
        if !self.inputs.is_empty() {
            self.held |= !self.thread.inbox.push(Inbound::Inputs(std::mem::take(&mut self.inputs)));
        }
    }

    fn order(&self, id: ConnectionId, order: LinkOrder) {
        if let Some(link) = self.links.get(&id) {
            // A link that has ended says so itself.
            let _ = link.send(order);
        }
    }

    /// Says the last words, and gives links the time to pass them on.
    async fn stop(&mut self) {
        self.hub.handle_stop(self.thread.clock.now());
        self.pump();
        // Each link ends when it has written everything; what they say meanwhile nobody hears.
        let all_ended = async {
            while self.say.strong_count() > 1 {
                tokio::time::sleep(STOP_LOOK).await;
            }
        };
        let _ = tokio::time::timeout(STOP_WAIT, all_ended).await;
    }
}
