//! The task of one connection: waits for bytes, and for room in the socket when it was full.

use super::link::{Accepted, ConnectionNumber};
use super::socket::{ReadHalf, WriteHalf};
use super::state::Next;
use super::{Shared, takeover};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;

/// Bytes read at once; shared by all connections of a worker, since reading and handling are one step.
const SCRATCH_BYTES: usize = 16 * 1024;

/// How long a closed connection's input is still read and dropped: closing with unread input would make the peer lose the last words
/// (RFC 1122 section 4.2.2.13).
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// Takes a connection in and starts its task.
pub(super) fn accept(shared: &Rc<Shared>, accepted: Accepted) {
    let (read, write) = match accepted.socket.split() {
        Ok(halves) => halves,
        Err(error) => return tracing::warn!(%error, "a client's socket cannot be watched"),
    };
    let write = Rc::new(write);
    let inserted = shared.state.borrow_mut().insert(accepted.arrival, Rc::clone(&write));
    if let Some((number, wake)) = inserted {
        start(shared, number, (read, write), wake);
    }
}

/// Starts the task of a connection.
pub(super) fn start(
    shared: &Rc<Shared>,
    number: ConnectionNumber,
    (read, write): (ReadHalf, Rc<WriteHalf>),
    wake: Rc<Notify>,
) {
    tokio::task::spawn_local(drive(Rc::clone(shared), number, read, write, wake));
}

async fn drive(
    shared: Rc<Shared>,
    number: ConnectionNumber,
    mut read: ReadHalf,
    write: Rc<WriteHalf>,
    wake: Rc<Notify>,
) {
    loop {
        let next = shared.state.borrow_mut().next(number);
        let wants = match next {
            Next::Wait(wants) => wants,
            Next::Move(to, moving) => {
                takeover::send(&shared, to, *moving, (read, write)).await;
                return;
            }
            Next::End => break,
        };
        tokio::select! {
            biased;
            () = wake.notified() => {}
            ready = write.writable(), if wants.write => match ready {
                Ok(()) => shared.state.borrow_mut().on_writable(number),
                Err(error) => shared.state.borrow_mut().on_eof(number, &error.to_string()),
            },
            taken = take(&shared, number, &mut read), if wants.read => match taken {
                Ok(0) => shared.state.borrow_mut().on_eof(number, "Connection closed"),
                Ok(_) => {}
                Err(error) => shared.state.borrow_mut().on_eof(number, &error.to_string()),
            },
        }
        shared.turn.notify_one();
    }
    // Dropping the write half sends FIN.
    drop(write);
    shared.turn.notify_one();
    let _ = tokio::time::timeout(LINGER, drain(&mut read)).await;
}

/// Reads once and handles what came, in one step. Gives the number of bytes.
async fn take(shared: &Shared, number: ConnectionNumber, read: &mut ReadHalf) -> io::Result<usize> {
    poll_fn(|context| {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *read).poll_read(context, &mut buffer))?;
            let bytes = buffer.filled();
            if !bytes.is_empty() {
                shared.state.borrow_mut().on_bytes(number, bytes);
            }
            Poll::Ready(Ok(bytes.len()))
        })
    })
    .await
}

/// Reads and drops until the peer closes as well.
async fn drain(read: &mut ReadHalf) {
    let drained = poll_fn(|context| {
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let mut buffer = ReadBuf::new(scratch);
                match ready!(Pin::new(&mut *read).poll_read(context, &mut buffer)) {
                    Ok(()) if !buffer.filled().is_empty() => {}
                    Ok(()) | Err(_) => return Poll::Ready(()),
                }
            }
        })
    });
    drained.await;
}
