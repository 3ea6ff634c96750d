//! An emulated long way: a UDP socket whose packets to chosen addresses are late or do not leave at all.
//!
//! What `lavina demo` and tests cut and slow down is this: real QUIC packets of real connections, one direction at a time. It knows
//! addresses, not nodes. Delay keeps the order of packets to one address.

use bytes::Bytes;
use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// Packets under way at once, in bytes: 400 ms at 1 Gbit/s. A longer queue would be a router's that drops, so this one does.
const UNDER_WAY_BYTES_MAX: usize = 50 * 1024 * 1024;

/// The ways from one socket. Clones share the settings, which may be changed at any time.
#[derive(Clone, Debug, Default)]
pub struct Wan(Arc<Mutex<BTreeMap<SocketAddr, Way>>>);

#[derive(Clone, Copy, Debug, Default)]
struct Way {
    delay: Duration,
    cut: bool,
}

impl Wan {
    /// All ways short and open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long packets to `remote` take.
    pub fn set_delay(&self, remote: SocketAddr, delay: Duration) {
        self.ways().entry(canonical(remote)).or_default().delay = delay;
    }

    /// Lets no packet to `remote` arrive, those under way neither.
    pub fn cut(&self, remote: SocketAddr) {
        self.ways().entry(canonical(remote)).or_default().cut = true;
    }

    /// Undoes [`Wan::cut`].
    pub fn heal(&self, remote: SocketAddr) {
        self.ways().entry(canonical(remote)).or_default().cut = false;
    }

    fn ways(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Way>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn way(&self, remote: SocketAddr) -> Way {
        self.ways().get(&canonical(remote)).copied().unwrap_or_default()
    }

    /// Puts the ways behind a socket. Call it within a tokio runtime.
    pub(crate) fn wrap(&self, socket: Arc<dyn AsyncUdpSocket>) -> Arc<dyn AsyncUdpSocket> {
        let under_way = Arc::new(UnderWay::default());
        let courier = tokio::spawn(deliver(Arc::clone(&socket), self.clone(), Arc::clone(&under_way)));
        Arc::new(WanSocket { socket, wan: self.clone(), under_way, courier: courier.abort_handle() })
    }
}

/// A dual-stack socket sees IPv4 addresses mapped into IPv6 (RFC 4291 section 2.5.5.2).
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A packet that is late.
#[derive(Debug)]
struct Packet {
    destination: SocketAddr,
    ecn: Option<EcnCodepoint>,
    contents: Bytes,
    segment_size: Option<usize>,
    src_ip: Option<IpAddr>,
}

#[derive(Debug, Default)]
struct UnderWay {
    packets: Mutex<Packets>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Packets {
    /// By when they arrive, then by a number that keeps their order.
    queue: BTreeMap<(Instant, u64), Packet>,
    next: u64,
    bytes: usize,
}

impl UnderWay {
    fn packets(&self) -> MutexGuard<'_, Packets> {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, transmit: &Transmit<'_>, delay: Duration) {
        {
            let mut packets = self.packets();
            if packets.bytes + transmit.contents.len() > UNDER_WAY_BYTES_MAX {
                return;
            }
            let key = (Instant::now() + delay, packets.next);
            packets.next += 1;
            packets.bytes += transmit.contents.len();
            let packet = Packet {
                destination: transmit.destination,
                ecn: transmit.ecn,
                contents: Bytes::copy_from_slice(transmit.contents),
                segment_size: transmit.segment_size,
                src_ip: transmit.src_ip,
            };
            packets.queue.insert(key, packet);
        }
        self.added.notify_one();
    }

    /// The next packet once its time has come.
    async fn next(&self) -> Packet {
        loop {
            let due = self.packets().queue.keys().next().map(|(due, _)| *due);
            match due {
                None => self.added.notified().await,
                Some(due) if due <= Instant::now() => {
                    let mut packets = self.packets();
                    if let Some((_, packet)) = packets.queue.pop_first() {
                        packets.bytes -= packet.contents.len();
                        return packet;
                    }
                }
                Some(due) => {
                    tokio::select! {
                        biased;
                        () = self.added.notified() => {}
                        () = sleep_until(due) => {}
                    }
                }
            }
        }
    }
}

async fn deliver(socket: Arc<dyn AsyncUdpSocket>, wan: Wan, under_way: Arc<UnderWay>) {
    let mut poller = Arc::clone(&socket).create_io_poller();
    loop {
        let packet = under_way.next().await;
        if wan.way(packet.destination).cut {
            continue;
        }
        let transmit = Transmit {
            destination: packet.destination,
            ecn: packet.ecn,
            contents: &packet.contents,
            segment_size: packet.segment_size,
            src_ip: packet.src_ip,
        };
        // Any other outcome than a full socket is a packet sent or lost, as on any way.
        while socket.try_send(&transmit).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            if poll_fn(|context| poller.as_mut().poll_writable(context)).await.is_err() {
                break;
            }
        }
    }
}

/// The socket that quinn sees.
#[derive(Debug)]
struct WanSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    wan: Wan,
    under_way: Arc<UnderWay>,
    courier: AbortHandle,
}

impl Drop for WanSocket {
    fn drop(&mut self) {
        self.courier.abort();
    }
}

impl AsyncUdpSocket for WanSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.wan.way(transmit.destination) {
            Way { cut: true, .. } => Ok(()),
            Way { delay: Duration::ZERO, .. } => self.socket.try_send(transmit),
            Way { delay, .. } => {
                self.under_way.add(transmit, delay);
                Ok(())
            }
        }
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [io::IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_recv(context, buffers, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}
