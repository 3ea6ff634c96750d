//! A node in a process of its own, on free ports, that goes away with its value; and clients for it.
#![allow(dead_code, reason = "each test binary uses its part")]

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for anything that is to come.
const WAIT: Duration = Duration::from_secs(20);

pub(crate) fn lavina() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lavina"))
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str], input: &str) -> Output {
    let mut child =
        lavina().args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn tcp() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn udp() -> SocketAddr {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

pub(crate) struct Node {
    pub(crate) config: PathBuf,
    pub(crate) irc: SocketAddr,
    pub(crate) irc_tls: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) admin: SocketAddr,
    child: Option<Child>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Node {
    /// The first node of a mesh, running.
    pub(crate) fn first(directory: &Path) -> Self {
        Self::with(directory, "")
    }

    /// As [`Node::first`], with more in its configuration, which may name the ports as `{irc}` and the like and take the place of the usual lines.
    pub(crate) fn with(directory: &Path, more: &str) -> Self {
        let made =
            run(&["init", "chat.example", "--region", "eu", "--zone", "a", "--dir", directory.to_str().unwrap()], "");
        stdout(&made);
        Self::configured(directory, more)
    }

    /// A node that `init` or `join` made, moved to free ports and started.
    pub(crate) fn of(directory: &Path) -> Self {
        Self::configured(directory, "")
    }

    /// As [`Node::of`], with more in its configuration.
    pub(crate) fn changed(directory: &Path, more: &str) -> Self {
        Self::configured(directory, more)
    }

    fn configured(directory: &Path, more: &str) -> Self {
        let config = directory.join("lavina.toml");
        let (irc, irc_tls, http, https, admin) = (tcp(), tcp(), tcp(), tcp(), tcp());
        let more = more.replace("{irc}", &irc.to_string()).replace("{irc-tls}", &irc_tls.to_string());
        let key = |line: &str| line.split(" =").next().unwrap_or_default().to_owned();
        let own: Vec<String> = more.lines().map(key).collect();
        let ports = ["irc", "irc-tls", "xmpp", "xmpp-tls", "http", "https", "mesh", "mesh-advertise", "admin"];
        let made = std::fs::read_to_string(&config).unwrap();
        let kept = made.lines().filter(|line| !ports.contains(&key(line).as_str())).map(str::to_owned);
        let listen = [
            format!("irc = \"{irc}\""),
            format!("irc-tls = \"{irc_tls}\""),
            format!("http = \"{http}\""),
            format!("https = \"{https}\""),
            format!("mesh = \"{}\"", udp()),
            format!("admin = \"{admin}\""),
        ];
        let usual = kept.chain(listen).filter(|line| line.starts_with('#') || !own.contains(&key(line)));
        let text: String = usual.map(|line| format!("{line}\n")).collect();
        std::fs::write(&config, text + &more).unwrap();
        let mut node = Self { config, irc, irc_tls, http, https, admin, child: None };
        node.start();
        node
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(&mut self) {
        let mut child = lavina()
            .args(["serve", "--json", "--no-flood-limit", "--config"])
            .arg(&self.config)
            .env("LAVINA_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("listening"), "{line}");
        self.child = Some(child);
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM; whether it ended well.
    pub(crate) fn stop(&mut self) -> bool {
        let mut child = self.child.take().unwrap();
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        child.wait().unwrap().success()
    }

    /// Runs a command that talks to it.
    pub(crate) fn command(&self, arguments: &[&str], input: &str) -> Output {
        let config = self.config.to_str().unwrap();
        run(&[arguments, &["--config", config]].concat(), input)
    }

    /// An answer of its admin address, whole.
    pub(crate) fn http(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// An IRC client over any stream.
pub(crate) struct Client<S: Read + Write>(BufReader<S>);

impl Client<TcpStream> {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(socket(address))
    }
}

pub(crate) fn socket(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    /// What comes after a line; empty when that is the end.
    pub(crate) fn after(mut self, line: &str) -> String {
        self.send(line);
        let mut said = String::new();
        // Whoever hangs up with something unread resets the connection.
        let _ = self.0.read_line(&mut said);
        said
    }

    /// The next line; empty at the end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next line that contains the text.
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the connection ended before {text}");
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Registers and enters #lobby.
    pub(crate) fn enter(mut self, nick: &str) -> Self {
        self.send(&format!("NICK {nick}\r\nUSER {nick} 0 * :{nick}\r\nJOIN #lobby"));
        self.until(" 366 ");
        self
    }
}

/// TLS to an address of a node, whose certificate lies in its directory.
pub(crate) fn tls(address: SocketAddr, directory: &Path, alpn: &[&str]) -> StreamOwned<ClientConnection, TcpStream> {
    tls_over(socket(address), directory, alpn)
}

/// TLS over a connection that is there.
pub(crate) fn tls_over(stream: TcpStream, directory: &Path, alpn: &[&str]) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(directory.join("data/client-cert.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let tls = ClientConnection::new(Arc::new(config), ServerName::try_from("chat.example").unwrap()).unwrap();
    StreamOwned::new(tls, stream)
}

/// A client over WebSocket.
pub(crate) struct Web<S: Read + Write>(tungstenite::protocol::WebSocketContext, S, bool);

impl<S: Read + Write> Web<S> {
    /// Does the opening handshake; the answer is the error when it is refused.
    pub(crate) fn connect(mut stream: S, path: &str, protocols: &[&str], headers: &str) -> Result<Self, String> {
        let offer = match protocols {
            [] => String::new(),
            offered => format!("Sec-WebSocket-Protocol: {}\r\n", offered.join(", ")),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.extend_from_slice(&byte);
        }
        let answer = String::from_utf8(answer).unwrap();
        if !answer.starts_with("HTTP/1.1 101 ") {
            return Err(answer);
        }
        let lower = answer.to_lowercase();
        assert!(lower.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
        assert_eq!(protocols.is_empty(), !lower.contains("sec-websocket-protocol"), "{answer}");
        let context = tungstenite::protocol::WebSocketContext::new(tungstenite::protocol::Role::Client, None);
        Ok(Self(context, stream, protocols.contains(&"binary.ircv3.net")))
    }

    pub(crate) fn send(&mut self, message: &str) {
        let message = if self.2 { message.as_bytes().to_vec().into() } else { message.into() };
        self.0.write(&mut self.1, message).unwrap();
        self.0.flush(&mut self.1).unwrap();
    }

    /// The next message; empty at the end.
    pub(crate) fn line(&mut self) -> String {
        loop {
            let message = self.0.read(&mut self.1).unwrap();
            if message.is_close() {
                return String::new();
            }
            if message.is_text() || message.is_binary() {
                assert_eq!(message.is_binary(), self.2);
                return message.into_text().unwrap().to_string();
            }
        }
    }

    /// The next message that contains the text.
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the connection ended before {text}");
            if line.contains(text) {
                return line;
            }
        }
    }
}
