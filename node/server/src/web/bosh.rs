//! XMPP in requests of HTTP (BOSH): each session is one task between its client's requests and a pair of sockets, at whose other end a worker serves it
//! as it does any connection.
//!
//! A session's name is its only key, so it is made of random bytes and told to nobody but its client.

use super::{Guest, Web};
use crate::identity::random_u64;
use crate::shell::clock::Clock;
use crate::worker::{Begun, Socket};
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use lavina_protocols::xmpp::bosh::{self, Bosh, Output};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

/// Where requests go.
pub(super) const PATH: &str = "/http-bind";
/// Requests that one session takes up at a time: more than it lets wait.
const REQUESTS_MAX: usize = 8;
/// Bytes read at once from the worker's end.
const READ_BYTES: usize = 16 * 1024;

/// One request and the way of its answer.
#[derive(Debug)]
struct Asked {
    request: Bytes,
    answer: oneshot::Sender<String>,
}

/// The sessions of one port, by name.
#[derive(Clone, Debug)]
pub(crate) struct BoshSessions {
    clock: Clock,
    table: Arc<Mutex<BTreeMap<String, mpsc::Sender<Asked>>>>,
}

impl BoshSessions {
    /// None yet.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, table: Arc::default() }
    }

    fn find(&self, name: &str) -> Option<mpsc::Sender<Asked>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn set(&self, name: &str, session: Option<mpsc::Sender<Asked>>) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match session {
            Some(session) => table.insert(name.to_owned(), session),
            None => table.remove(name),
        };
    }
}

/// What scripts ask before they make a request of another site (Fetch section 3.2.2).
pub(super) async fn options(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    shared(&web, &headers, StatusCode::NO_CONTENT.into_response())
}

/// [`PATH`].
pub(super) async fn post(State(web): State<Arc<Web>>, guest: Extension<Arc<Guest>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if !web.is_welcome(head.headers.get(header::ORIGIN)) {
        return (StatusCode::FORBIDDEN, "pages of this origin may not connect here\n").into_response();
    }
    let answered = match read(body).await {
        Ok(request) => answer(&web, &guest, &head.headers, request).await,
        Err(refusal) => Err(refusal),
    };
    match answered {
        Ok(text) => {
            shared(&web, &head.headers, ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], text).into_response())
        }
        Err(refusal) => shared(&web, &head.headers, refusal.into_response()),
    }
}

async fn read(body: Body) -> Result<Bytes, StatusCode> {
    to_bytes(body, bosh::BODY_BYTES_MAX).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)
}

/// Lets scripts of pages that may connect read the answer.
fn shared(web: &Web, headers: &HeaderMap, mut answer: Response) -> Response {
    let Some(readers) = super::readers(&web.origins, headers.get(header::ORIGIN)) else { return answer };
    let rows = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, readers),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, OPTIONS")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600")),
        (header::VARY, HeaderValue::from_static("Origin")),
    ];
    answer.headers_mut().extend(rows);
    answer
}

/// The answer to a request, once there is one.
async fn answer(web: &Arc<Web>, guest: &Guest, headers: &HeaderMap, request: Bytes) -> Result<String, StatusCode> {
    let session = match bosh::session_of(&request) {
        Ok(Some(name)) => match web.bosh.find(&name) {
            Some(session) => session,
            None => return Ok(bosh::unknown_session()),
        },
        Ok(None) => return open(web, guest, headers, &request).await,
        Err(refusal) => return Ok(refusal),
    };
    let (answer, answered) = oneshot::channel();
    if session.send(Asked { request, answer }).await.is_err() {
        return Ok(bosh::unknown_session());
    }
    Ok(answered.await.unwrap_or_else(|_| bosh::unknown_session()))
}

/// A session that a request opens.
async fn open(web: &Arc<Web>, guest: &Guest, headers: &HeaderMap, request: &[u8]) -> Result<String, StatusCode> {
    let name = format!("{:016x}{:016x}", random_u64(), random_u64());
    let machine = match Bosh::open(web.bosh.clock.now(), request, name.clone(), 0) {
        Ok(machine) => machine,
        Err(refusal) => return Ok(refusal),
    };
    let visit = guest.visit(web, headers);
    let Some(place) = guest.door.addresses.enter(visit.address) else {
        guest.door.metrics.connections_refused.add(1);
        return Err(StatusCode::TOO_MANY_REQUESTS);
    };
    let (ours, theirs) = pair().map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let begun = Begun { secure: visit.secure || web.tls.is_some(), carried: true, ..Begun::default() };
    let arrival = guest.door.arrival(&web.xmpp, visit.address, place, begun);
    guest.door.hand(Socket::Unix(theirs), arrival).await;
    let (asked, requests) = mpsc::channel(REQUESTS_MAX);
    web.bosh.set(&name, Some(asked));
    let (answer, answered) = oneshot::channel();
    let sessions = web.bosh.clone();
    let mut task = Task { machine, clock: sessions.clock, answers: BTreeMap::from([(0, answer)]), tickets: 0 };
    tokio::spawn(async move {
        if let Err(error) = task.run(ours, requests).await {
            tracing::debug!(%error, "a session over HTTP ends");
        }
        sessions.set(&name, None);
    });
    Ok(answered.await.unwrap_or_else(|_| bosh::unknown_session()))
}

/// Two sockets, of which each reads what the other writes; the second is for a worker.
fn pair() -> io::Result<(UnixStream, std::os::unix::net::UnixStream)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs))
}

/// One session's.
struct Task {
    machine: Bosh,
    clock: Clock,
    answers: BTreeMap<u64, oneshot::Sender<String>>,
    tickets: u64,
}

impl Task {
    async fn run(&mut self, mut stream: UnixStream, mut requests: mpsc::Receiver<Asked>) -> io::Result<()> {
        let mut buffer = vec![0; READ_BYTES];
        let mut readable = true;
        while self.pump(&mut stream).await? {
            let timeout = self.machine.next_timeout().map(|at| self.clock.instant(at).into());
            tokio::select! {
                asked = requests.recv() => {
                    let Some(Asked { request, answer }) = asked else { return Ok(()) };
                    self.tickets += 1;
                    self.answers.insert(self.tickets, answer);
                    self.machine.handle_request(self.clock.now(), &request, self.tickets);
                }
                count = stream.read(&mut buffer), if readable => match count.unwrap_or(0) {
                    0 => {
                        readable = false;
                        self.machine.handle_stream_end(self.clock.now());
                    }
                    count => self.machine.handle_stream(self.clock.now(), buffer.get(..count).unwrap_or_default()),
                },
                () = sleep_until(timeout), if timeout.is_some() => self.machine.handle_timeout(self.clock.now()),
            }
        }
        Ok(())
    }

    /// Does what the machine wants; whether the session goes on.
    async fn pump(&mut self, stream: &mut UnixStream) -> io::Result<bool> {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(bytes) => {
                    // A stream that takes no more has ended, which reading tells.
                    let _ = stream.write_all(&bytes).await;
                }
                Output::Answer(ticket, text) => {
                    // A client that has gone away asks again.
                    let _ = self.answers.remove(&ticket).map(|answer| answer.send(text));
                }
                Output::Close => return stream.shutdown().await.map(|()| false),
            }
        }
        Ok(true)
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}
