//! Sessions fed with lines and a stand-in for the core, read as transcripts: what the client sent is marked `>`, what the core was asked `?`.

mod always_on;
mod edges;
mod events;
mod fake_core;
mod history;
mod login;
mod metadata;
mod multiline;
mod operators;
mod personal;
mod relations;
mod robustness;
mod rooms;
mod services;
mod talking;
mod webpush;

use super::Session;
use crate::command::CommandId;
use crate::event::Event;
use crate::render::Renders;
use crate::session::{Connection, Flood, Output, SessionConfig, Tls};
use fake_core::FakeCore;
use lavina_crdt::clock::Now;
use std::collections::VecDeque;
use std::sync::Arc;

/// 2026-01-02T03:04:05.678Z.
const WALL_MS: u64 = 1_767_323_045_678;

fn config() -> SessionConfig {
    SessionConfig {
        node_name: "node".to_owned(),
        network: "Net".to_owned(),
        registration: true,
        flood: Flood::NONE,
        salt_secret: [5; 32],
        ..SessionConfig::new("example.org")
    }
}

/// One connection and what answers it.
struct Client {
    session: Session,
    core: FakeCore,
    now: Now,
    /// Commands not answered yet.
    asked: VecDeque<(CommandId, crate::command::Command)>,
    /// Whether answers wait for [`Client::answer`].
    slow: bool,
    /// Whether the core's questions are part of the transcript.
    shows_commands: bool,
    text: Vec<u8>,
}

impl Client {
    fn connect() -> Self {
        Self::with(config())
    }

    fn with(config: SessionConfig) -> Self {
        Self::over(config, Some(Tls::default()), false)
    }

    /// With TLS or without, and from a gateway or not.
    fn over(config: SessionConfig, tls: Option<Tls>, gateway: bool) -> Self {
        let now = Now { mono_us: 1_000_000, wall_ms: WALL_MS };
        let connection = Connection { host: "host".to_owned(), tls, starttls: false, framed: false, gateway, seed: 1 };
        Self {
            session: Session::new(now, Arc::new(config), connection),
            core: FakeCore::default(),
            now,
            asked: VecDeque::new(),
            slow: false,
            shows_commands: false,
            text: Vec::new(),
        }
    }

    /// A registered client with these capabilities, whose welcome has been read.
    fn registered(caps: &str) -> Self {
        let mut client = Self::connect();
        client.send(&format!("CAP REQ :{caps}\nNICK alice\nUSER al 0 * :Alice A\nCAP END"));
        client.take();
        client
    }

    /// The same in the room `#r`, with `bob` there.
    fn in_room(caps: &str) -> Self {
        let mut client = Self::registered(caps);
        client.send("JOIN #r");
        client.take();
        client
    }

    fn send(&mut self, lines: &str) {
        for line in lines.lines() {
            self.bytes(format!("{line}\r\n").as_bytes());
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.session.handle_bytes(self.now, bytes);
        self.pump();
    }

    fn pump(&mut self) {
        loop {
            while let Some(output) = self.session.poll_output() {
                match output {
                    Output::Send(bytes) => self.text.extend_from_slice(&bytes),
                    Output::Command(id, command) => {
                        if self.shows_commands {
                            self.text.extend_from_slice(format!("? {command:?}\r\n").as_bytes());
                        }
                        self.asked.push_back((id, command));
                    }
                    Output::StartTls => self.text.extend_from_slice(b"<starttls>\r\n"),
                    Output::Relayed { address, secure } => {
                        self.text.extend_from_slice(format!("<relayed {address} {secure}>\r\n").as_bytes());
                    }
                    Output::Close => self.text.extend_from_slice(b"<close>\r\n"),
                    Output::Keep(_) | Output::Forget(..) | Output::Resume(_) => unreachable!("IRC has no resumption"),
                }
            }
            if self.slow || !self.answer_one() {
                return;
            }
        }
    }

    fn answer_one(&mut self) -> bool {
        while let Some((id, command)) = self.asked.pop_front() {
            if let Some(answer) = self.core.answer(command) {
                self.session.handle_answer(self.now, id, answer);
                return true;
            }
        }
        false
    }

    /// Lets the core answer one command.
    fn answer(&mut self) {
        self.answer_one();
        self.pump();
    }

    fn event(&mut self, event: Event) {
        self.session.handle_event(self.now, &Arc::new(event), &mut Renders::default());
        self.pump();
    }

    fn wait(&mut self, ms: u64) {
        self.now.mono_us += ms * 1000;
        self.session.handle_timeout(self.now);
        self.pump();
    }

    /// What has come since the last time.
    fn take(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.text)).unwrap().replace("\r\n", "\n").replace('\u{1}', "^A")
    }

    /// What comes for some lines.
    fn said_to(&mut self, lines: &str) -> String {
        self.send(lines);
        self.take()
    }
}
