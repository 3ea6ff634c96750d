//! WebSocket (RFC 6455) of one client connection, without IO: bytes in, messages out, and the other way round.
//!
//! The subprotocol says what a message is: a line of IRC (IRCv3 `websocket`), or an element of XMPP (RFC 7395). The opening handshake has been
//! done by who took the connection.

use super::link::Protocol;
use bytes::Bytes;
use std::io::{self, Read, Write};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message, Utf8Bytes};

/// Longest message of IRC, in bytes: above any line, tags included, so that a line that is too long gets IRC's own answer.
const IRC_BYTES_MAX: usize = 16 * 1024;
/// Longest message of XMPP before a resource is bound: above the stanzas of that time, so that XMPP's own limit answers.
const XMPP_BYTES_MAX_BEFORE_LOGIN: usize = 16 * 1024;
/// And after it.
const XMPP_BYTES_MAX: usize = 128 * 1024;
/// Bytes read into the frame decoder at once; an idle connection keeps as many.
const READ_BYTES: usize = 4 * 1024;

/// What a client and this node have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subprotocol {
    /// `text.ircv3.net`: lines in text messages.
    IrcText,
    /// `binary.ircv3.net`: lines in binary messages.
    IrcBinary,
    /// `xmpp`: elements in text messages.
    Xmpp,
}

impl Subprotocol {
    /// By its registered name.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        [Self::IrcText, Self::IrcBinary, Self::Xmpp].into_iter().find(|known| known.name() == name)
    }

    /// Which machine speaks it.
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::IrcText | Self::IrcBinary => Protocol::Irc,
            Self::Xmpp => Protocol::Xmpp,
        }
    }

    /// Its registered name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::IrcText => "text.ircv3.net",
            Self::IrcBinary => "binary.ircv3.net",
            Self::Xmpp => "xmpp",
        }
    }
}

/// One connection's.
#[derive(Debug)]
pub(super) struct WebSocket {
    context: WebSocketContext,
    pipe: Pipe,
    subprotocol: Subprotocol,
}

/// What came of bytes from the client.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Whole messages.
    pub(super) messages: Vec<Bytes>,
    /// The connection is over: the client has closed it, or what came is no WebSocket. Where an answer is due, it is queued.
    pub(super) over: bool,
}

impl WebSocket {
    pub(super) fn new(subprotocol: Subprotocol) -> Self {
        let bytes_max = match subprotocol {
            Subprotocol::IrcText | Subprotocol::IrcBinary => IRC_BYTES_MAX,
            Subprotocol::Xmpp => XMPP_BYTES_MAX_BEFORE_LOGIN,
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(bytes_max))
            .max_frame_size(Some(bytes_max));
        Self { context: WebSocketContext::new(Role::Server, Some(config)), pipe: Pipe::default(), subprotocol }
    }

    /// The client has logged in: longer messages are taken.
    pub(super) fn widen(&mut self) {
        if self.subprotocol == Subprotocol::Xmpp {
            self.context.set_config(|config| {
                config.max_message_size = Some(XMPP_BYTES_MAX);
                config.max_frame_size = Some(XMPP_BYTES_MAX);
            });
        }
    }

    /// Takes bytes from the client.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Heard {
        self.pipe.incoming.extend_from_slice(bytes);
        let mut heard = Heard::default();
        loop {
            match self.context.read(&mut self.pipe) {
                Ok(message) => match self.payload(message) {
                    Ok(payload) => heard.messages.extend(payload),
                    Err(code) => {
                        self.close(code);
                        heard.over = true;
                        break;
                    }
                },
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.close(code_for(&error));
                    heard.over = true;
                    break;
                }
            }
        }
        heard
    }

    /// What a message holds for the session; nothing for those of WebSocket itself.
    fn payload(&self, message: Message) -> Result<Option<Bytes>, CloseCode> {
        match message {
            Message::Text(text) => Ok(Some(text.into())),
            // RFC 7395 section 3.2.
            Message::Binary(_) if self.subprotocol == Subprotocol::Xmpp => Err(CloseCode::Unsupported),
            Message::Binary(bytes) => Ok(Some(bytes)),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => Ok(None),
        }
    }

    /// Queues what a session says.
    pub(super) fn send(&mut self, bytes: &Bytes) {
        match self.subprotocol {
            Subprotocol::Xmpp => self.send_message(bytes.clone(), true),
            Subprotocol::IrcText | Subprotocol::IrcBinary => {
                let text = self.subprotocol == Subprotocol::IrcText;
                for line in bytes.split(|byte| *byte == b'\n') {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    if !line.is_empty() {
                        self.send_message(bytes.slice_ref(line), text);
                    }
                }
            }
        }
    }

    fn send_message(&mut self, payload: Bytes, text: bool) {
        let message = if text {
            match Utf8Bytes::try_from(payload) {
                Ok(text) => Message::Text(text),
                // Sessions speak UTF-8 only.
                Err(_) => return,
            }
        } else {
            Message::Binary(payload)
        };
        // After the closing handshake has begun nothing more is said.
        let _ = self.context.write(&mut self.pipe, message);
    }

    /// Asks for a sign of life, which also keeps intermediaries from taking the connection for idle.
    pub(super) fn ping(&mut self) {
        let _ = self.context.write(&mut self.pipe, Message::Ping(Bytes::new()));
    }

    /// Begins the closing handshake in peace.
    pub(super) fn end(&mut self) {
        self.close(CloseCode::Normal);
    }

    fn close(&mut self, code: CloseCode) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static("") };
        let _ = self.context.close(&mut self.pipe, Some(frame));
    }

    /// What is to be sent.
    pub(super) fn take_outgoing(&mut self) -> Bytes {
        let _ = self.context.flush(&mut self.pipe);
        Bytes::from(std::mem::take(&mut self.pipe.outgoing))
    }
}

/// RFC 6455 section 7.4.1.
fn code_for(error: &Error) -> CloseCode {
    // The library has many kinds of error; three have a code of their own.
    if matches!(error, Error::Utf8(_)) {
        CloseCode::Invalid
    } else if matches!(error, Error::Capacity(_)) {
        CloseCode::Size
    } else {
        CloseCode::Protocol
    }
}

/// Both directions in memory.
#[derive(Debug, Default)]
struct Pipe {
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            self.incoming = Vec::new();
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = buffer.len().min(self.incoming.len());
        if let (Some(room), Some(bytes)) = (buffer.get_mut(..length), self.incoming.get(..length)) {
            room.copy_from_slice(bytes);
        }
        self.incoming.drain(..length);
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of a client (RFC 6455 section 5.2): masked, whole unless `last` is false.
    fn frame(opcode: u8, last: bool, payload: &[u8]) -> Vec<u8> {
        const MASK: [u8; 4] = [1, 2, 3, 4];
        let mut bytes = vec![opcode | if last { 0x80 } else { 0 }];
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => bytes.push(0x80 | length),
            _ => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        bytes.extend_from_slice(&MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    const TEXT: u8 = 1;
    const BINARY: u8 = 2;

    #[test]
    fn lines_are_messages_however_they_are_gathered() {
        let mut socket = WebSocket::new(Subprotocol::IrcText);
        socket.send(&Bytes::from_static(b"PING :a\r\nPONG b\r\n"));
        assert_eq!(&socket.take_outgoing()[..], b"\x81\x07PING :a\x81\x06PONG b");
        let mut socket = WebSocket::new(Subprotocol::IrcBinary);
        socket.send(&Bytes::from_static(b"PING :a\r\n"));
        assert_eq!(&socket.take_outgoing()[..], b"\x82\x07PING :a");
    }

    #[test]
    fn frames_may_come_in_any_pieces() {
        let bytes = [frame(TEXT, false, b"NICK "), frame(0, true, b"a"), frame(BINARY, true, b"QUIT")].concat();
        for step in 1..bytes.len() {
            let mut socket = WebSocket::new(Subprotocol::IrcText);
            let messages: Vec<Bytes> = bytes.chunks(step).flat_map(|chunk| socket.receive(chunk).messages).collect();
            assert_eq!(messages, [&b"NICK a"[..], b"QUIT"]);
        }
    }

    #[test]
    fn a_ping_is_answered_and_a_close_is_returned() {
        let mut socket = WebSocket::new(Subprotocol::Xmpp);
        assert!(!socket.receive(&frame(9, true, b"x")).over);
        assert_eq!(&socket.take_outgoing()[..], b"\x8a\x01x");
        assert!(socket.receive(&frame(8, true, &1000u16.to_be_bytes())).over);
        assert_eq!(&socket.take_outgoing()[..], b"\x88\x02\x03\xe8");
    }

    #[test]
    fn what_breaks_a_rule_is_told_which() {
        let long = vec![b'x'; XMPP_BYTES_MAX_BEFORE_LOGIN + 1];
        let cases = [
            (frame(TEXT, true, b"\xff"), 1007u16),
            (frame(BINARY, true, b"<a/>"), 1003),
            (frame(TEXT, true, &long), 1009),
            (b"\x81\x01x".to_vec(), 1002),
            (b"GET / HTTP/1.1\r\n".to_vec(), 1002),
        ];
        for (bytes, code) in cases {
            let mut socket = WebSocket::new(Subprotocol::Xmpp);
            let heard = socket.receive(&bytes);
            assert!(heard.over && heard.messages.is_empty());
            assert_eq!(socket.take_outgoing()[..], [&[0x88, 2][..], &code.to_be_bytes()].concat()[..]);
        }
        let mut socket = WebSocket::new(Subprotocol::Xmpp);
        socket.widen();
        assert_eq!(socket.receive(&frame(TEXT, true, &long)).messages.len(), 1);
    }
}
