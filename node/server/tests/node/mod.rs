//! A node in a process of its own, on free ports, that goes away with its value.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
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
        let made =
            run(&["init", "chat.example", "--region", "eu", "--zone", "a", "--dir", directory.to_str().unwrap()], "");
        stdout(&made);
        Self::of(directory)
    }

    /// A node that `init` or `join` made, moved to free ports and started.
    pub(crate) fn of(directory: &Path) -> Self {
        let config = directory.join("lavina.toml");
        let (irc, irc_tls, admin) = (tcp(), tcp(), tcp());
        let text: String = std::fs::read_to_string(&config)
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with("irc") && !line.starts_with("xmpp") && !line.starts_with("mesh"))
            .filter(|line| !line.starts_with("admin"))
            .map(|line| format!("{line}\n"))
            .collect();
        let mesh = udp();
        let listen = format!("irc = \"{irc}\"\nirc-tls = \"{irc_tls}\"\nmesh = \"{mesh}\"\nadmin = \"{admin}\"\n");
        std::fs::write(&config, text + &listen).unwrap();
        let mut node = Self { config, irc, irc_tls, admin, child: None };
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
