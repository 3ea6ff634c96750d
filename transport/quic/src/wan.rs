//! An emulated long way: a UDP socket whose packets to chosen addresses are late, pass no faster than a link's rate, or do not leave at all.
//!
//! What `lavina demo` and tests cut and slow down is this: real QUIC packets of real connections, one direction at a time. It knows
//! addresses, not nodes. Delay keeps the order of packets to one address. What leaves is counted as IP packets: UDP payload and headers.

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

/// Longest queue before a link of limited rate, as time to send it: what is sent into a longer one is lost, as before a router.
const QUEUE_MAX: Duration = Duration::from_millis(100);
/// Headers of one IPv4 packet: IP (RFC 791) and UDP (RFC 768).
const HEADER_BYTES: u64 = 20 + 8;

#[derive(Clone, Copy, Debug, Default)]
struct Way {
    delay: Duration,
    cut: bool,
    /// Bytes a second; without end when `None`.
    rate: Option<u64>,
    /// When the link has sent what it was given; only with a rate.
    free_at: Option<Instant>,
    traffic: Traffic,
}

/// What has left on a way since it was last set to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// IP packets.
    pub packets: u64,
    /// Their bytes, IPv4 and UDP headers too.
    pub bytes: u64,
    /// Packets lost before a full link.
    pub lost: u64,
}

impl Way {
    /// Counts what is to leave now; says when it arrives, `None` when it does not.
    fn pass(&mut self, now: Instant, transmit: &Transmit<'_>) -> Option<Instant> {
        if self.cut {
            return None;
        }
        let payload = transmit.contents.len();
        let packets = transmit.segment_size.map_or(1, |size| payload.div_ceil(size.max(1)));
        let packets = u64::try_from(packets).unwrap_or(u64::MAX);
        let bytes = u64::try_from(payload).unwrap_or(u64::MAX).saturating_add(packets.saturating_mul(HEADER_BYTES));
        let Some(rate) = self.rate else {
            self.traffic.packets += packets;
            self.traffic.bytes += bytes;
            return Some(now + self.delay);
        };
        let begin = self.free_at.map_or(now, |free| free.max(now));
        if begin.saturating_duration_since(now) > QUEUE_MAX {
            self.traffic.lost += packets;
            return None;
        }
        let takes = Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate.max(1));
        self.free_at = Some(begin + takes);
        self.traffic.packets += packets;
        self.traffic.bytes += bytes;
        Some(begin + takes + self.delay)
    }
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

    /// Sets how many bytes a second, headers too, pass to `remote`; `None`: without end. Before the link is a queue of 100 ms.
    pub fn set_rate(&self, remote: SocketAddr, bytes_per_second: Option<u64>) {
        let mut ways = self.ways();
        let way = ways.entry(canonical(remote)).or_default();
        (way.rate, way.free_at) = (bytes_per_second, None);
    }

    /// What has left to `remote`; begins to count anew.
    pub fn take_traffic(&self, remote: SocketAddr) -> Traffic {
        std::mem::take(&mut self.ways().entry(canonical(remote)).or_default().traffic)
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

    fn is_cut(&self, remote: SocketAddr) -> bool {
        self.ways().get(&canonical(remote)).is_some_and(|way| way.cut)
    }

    /// See [`Way::pass`].
    fn pass(&self, now: Instant, transmit: &Transmit<'_>) -> Option<Instant> {
        self.ways().entry(canonical(transmit.destination)).or_default().pass(now, transmit)
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

    fn add(&self, transmit: &Transmit<'_>, arrives: Instant) {
        {
            let mut packets = self.packets();
            if packets.bytes + transmit.contents.len() > UNDER_WAY_BYTES_MAX {
                return;
            }
            let key = (arrives, packets.next);
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
        if wan.is_cut(packet.destination) {
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
        let now = Instant::now();
        match self.wan.pass(now, transmit) {
            None => Ok(()),
            Some(arrives) if arrives <= now => self.socket.try_send(transmit),
            Some(arrives) => {
                self.under_way.add(transmit, arrives);
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
