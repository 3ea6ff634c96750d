//! TLS of one client connection, without IO: ciphertext in, plaintext out, and the other way round through the socket given.

use super::outbox::Outbox;
use super::socket::WriteHalf;
use lavina_protocols::session::Tls;
use rustls::ServerConnection;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::io::{self, IoSlice, Read, Write};
use std::sync::{Arc, PoisonError, RwLock};

/// What the shell needs to take TLS connections on a listener.
#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    /// Certificate, key, protocols.
    pub(crate) config: Arc<rustls::ServerConfig>,
    /// The same, without a word about certificates of clients: a browser that is asked for one gives up WebSocket.
    pub(crate) for_browsers: Arc<rustls::ServerConfig>,
    /// `tls-server-end-point` of the certificate.
    pub(crate) server_end_point: Arc<[u8]>,
}

/// A certificate's fingerprint as accounts keep it.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A listener's settings, which may be replaced: connections that begin later have the new ones.
#[derive(Debug)]
pub(crate) struct TlsCell {
    settings: RwLock<TlsSettings>,
    alpn: &'static [&'static str],
}

impl TlsCell {
    /// With the settings of the start. `alpn`: what the listener speaks (RFC 7301), in its order of preference.
    pub(crate) fn new(settings: TlsSettings, alpn: &'static [&'static str]) -> Self {
        Self { settings: RwLock::new(settings), alpn }
    }

    /// What the listener speaks.
    pub(crate) fn alpn(&self) -> &'static [&'static str] {
        self.alpn
    }

    /// As they are.
    pub(crate) fn current(&self) -> TlsSettings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts others in their place.
    pub(crate) fn replace(&self, settings: TlsSettings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }
}

/// One connection's TLS.
#[derive(Debug)]
pub(super) struct TlsStream {
    connection: Box<ServerConnection>,
    server_end_point: Arc<[u8]>,
    handshaking: bool,
}

/// What came of bytes from the client.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// The handshake has just ended.
    pub(super) established: Option<Tls>,
    /// The client has said that it sends no more.
    pub(super) closed: bool,
}

impl TlsStream {
    pub(super) fn new(settings: &TlsSettings) -> Result<Self, rustls::Error> {
        let mut connection = ServerConnection::new(Arc::clone(&settings.config))?;
        // What may wait is bounded by the outbox; a limit here would only cut records short.
        connection.set_buffer_limit(None);
        Ok(Self {
            connection: Box::new(connection),
            server_end_point: Arc::clone(&settings.server_end_point),
            handshaking: true,
        })
    }

    /// Goes on with a connection whose handshake is done.
    pub(super) fn established(mut connection: Box<ServerConnection>, settings: &TlsSettings) -> Self {
        connection.set_buffer_limit(None);
        Self { connection, server_end_point: Arc::clone(&settings.server_end_point), handshaking: false }
    }

    /// Takes what has been unsealed and not read.
    pub(super) fn drain(&mut self, plain: &mut Vec<u8>) {
        // An error says that there is nothing (any more).
        let _ = self.connection.reader().read_to_end(plain);
    }

    /// Takes bytes from the client and appends what they hold to `plain`.
    pub(super) fn receive(&mut self, mut bytes: &[u8], plain: &mut Vec<u8>) -> Result<Received, rustls::Error> {
        let mut received = Received::default();
        while !bytes.is_empty() {
            // Nothing is taken when a handshake message is longer than any may be.
            if !self.connection.read_tls(&mut bytes).is_ok_and(|taken| taken > 0) {
                return Err(rustls::Error::General("a record that is too long".to_owned()));
            }
            let state = self.connection.process_new_packets()?;
            if state.plaintext_bytes_to_read() > 0 {
                let start = plain.len();
                plain.resize(start + state.plaintext_bytes_to_read(), 0);
                let filled =
                    plain.get_mut(start..).map_or(Ok(0), |free| self.connection.reader().read(free)).unwrap_or(0);
                plain.truncate(start + filled);
            }
            if state.peer_has_closed() {
                received.closed = true;
                break;
            }
        }
        if self.handshaking && !self.connection.is_handshaking() {
            self.handshaking = false;
            received.established = Some(self.binding());
        }
        Ok(received)
    }

    /// What channels can be bound to.
    pub(super) fn binding(&self) -> Tls {
        // RFC 9266 section 4.2: with TLS 1.2 the exporter binds only under an extended master secret, which is not known here.
        let tls13 = self.connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
        // An empty context and none are the same in TLS 1.3 (RFC 8446 section 7.5).
        let export = || self.connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).ok();
        Tls {
            exporter: tls13.then(export).flatten(),
            server_end_point: Some(self.server_end_point.to_vec()),
            fingerprint: self.connection.peer_certificates().and_then(|chain| chain.first()).map(fingerprint),
        }
    }

    /// Seals what waits and writes as much as the socket takes; an error of kind `WouldBlock` when it takes no more. Plaintext is sealed only
    /// when the socket has taken what was sealed before, so it stays shared while it waits.
    pub(super) fn write(&mut self, outbox: &mut Outbox, socket: &WriteHalf) -> (usize, u64, io::Result<()>) {
        let mut sink = Socket { socket, written: 0, calls: 0 };
        let result = loop {
            match self.flush(&mut sink) {
                Ok(()) if outbox.is_empty() || self.handshaking => break Ok(()),
                Ok(()) => {}
                Err(error) => break Err(error),
            }
            if let Err(error) = outbox.seal(|slices| self.connection.writer().write_vectored(slices)) {
                break Err(error);
            }
        };
        (sink.written, sink.calls, result)
    }

    fn flush(&mut self, sink: &mut Socket<'_>) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(sink)?;
        }
        Ok(())
    }

    /// Says goodbye (RFC 8446 section 6.1), as far as the socket takes it at once.
    pub(super) fn close(&mut self, socket: &WriteHalf) {
        self.connection.send_close_notify();
        let _ = self.flush(&mut Socket { socket, written: 0, calls: 0 });
    }
}

struct Socket<'a> {
    socket: &'a WriteHalf,
    written: usize,
    calls: u64,
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.calls += 1;
        let written = self.socket.try_write_vectored(slices)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
