//! Transcripts: what a client sends, what the core is asked, what the client gets. The core is played by the test, so that each answer comes when the
//! test says so.

mod bad_input;
mod bookmarks;
mod direct;
mod invitations;
mod login;
mod looks;
mod offline;
mod pep;
mod push;
mod relations;
mod resumption;
mod room_admin;
mod room_extras;
mod rooms;
mod sasl2;
mod whole;

use super::Session;
use crate::account::AccountReply;
use crate::command::{Command, CommandId, Opened, Refusal, Reply};
use crate::event::{Conversation, Event, Occupant, Person, RoomView, Said};
use crate::render::Renders;
use crate::sasl::derive_credentials_with;
use crate::session::{Connection, Flood, Output, SessionConfig, Tls};
use lavina_crdt::account::Credentials;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::content::{Author, Content};
use lavina_crdt::ids::{MsgId, NodeId, OrderKey, Origin, SessionId};
use lavina_crdt::modes::UserModes;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::presence::{SessionRecord, Show};
use lavina_crdt::room::{Rank, RoomState, Topic};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// 2026-01-01T00:00:00Z.
const EPOCH_MS: u64 = 1_767_225_600_000;

/// A session and what came out of it.
struct Chat {
    session: Session,
    now: Now,
    asked: VecDeque<(CommandId, Command)>,
    log: String,
}

impl Chat {
    fn new() -> Self {
        Self::with(Connection {
            host: "host.example".into(),
            tls: None,
            starttls: false,
            framed: false,
            gateway: false,
            seed: 7,
        })
    }

    fn with(connection: Connection) -> Self {
        let config = SessionConfig {
            network: "Lavina".into(),
            registration: true,
            plain_without_tls: true,
            started_ms: EPOCH_MS,
            flood: Flood::NONE,
            ..SessionConfig::new("a.example")
        };
        Self::configured(config, connection)
    }

    fn configured(config: SessionConfig, connection: Connection) -> Self {
        let now = Now { mono_us: 0, wall_ms: EPOCH_MS };
        let session = Session::new(now, Arc::new(config), connection);
        Self { session, now, asked: VecDeque::new(), log: String::new() }
    }

    /// A session of alice's that is bound and has sent initial presence.
    fn bound() -> Self {
        let mut chat = Self::new();
        chat.log_in();
        chat
    }

    /// Logs in as alice, binds, and becomes available.
    fn log_in(&mut self) {
        let chat = self;
        chat.send(HEADER);
        chat.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>");
        chat.answer(Ok(Reply::Credentials(Some(credentials()))));
        chat.answer(Ok(Reply::Done));
        chat.send(HEADER);
        chat.send(
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r1</resource></bind></iq>",
        );
        chat.answer(Ok(Reply::Opened(opened())));
        chat.send("<presence/>");
        chat.answer(Ok(Reply::Done));
        chat.answer(Ok(Reply::LookedAt(None)));
        chat.answer(Ok(Reply::Account(AccountReply::Waiting(None))));
        chat.log.clear();
    }

    fn send(&mut self, text: &str) {
        self.session.handle_bytes(self.now, text.as_bytes());
        self.drain();
    }

    fn answer(&mut self, answer: Result<Reply, Refusal>) {
        let (id, _) = self.asked.pop_front().expect("nothing was asked");
        self.session.handle_answer(self.now, id, answer);
        self.drain();
    }

    fn event(&mut self, event: Event) {
        self.session.handle_event(self.now, &Arc::new(event), &mut Renders::default());
        self.drain();
    }

    fn tls(&mut self, tls: Tls) {
        self.session.handle_tls(self.now, tls);
        self.drain();
    }

    fn later(&mut self, ms: u64) {
        self.now = Now { mono_us: self.now.deadline_ms(ms), wall_ms: self.now.wall_ms + ms };
        self.session.handle_timeout(self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(bytes) => {
                    let text = std::str::from_utf8(&bytes).expect("output is UTF-8");
                    if text.starts_with('<') {
                        self.line("");
                    }
                    self.log.push_str(text);
                }
                Output::Command(id, command) => {
                    self.line(&format!("    {command:?}"));
                    if !matches!(command, Command::Quit(_)) {
                        self.asked.push_back((id, command));
                    }
                }
                Output::StartTls => self.line("    (handshake)"),
                Output::Relayed { .. } => self.line("    (relayed)"),
                Output::Close => self.line("    (closed)"),
                Output::Keep(key) => self.line(&format!("    (kept as {})", key.id)),
                Output::Forget(key, handled) => self.line(&format!("    (forget {} at {handled})", key.id)),
                Output::Resume(key) => self.line(&format!("    (resume {})", key.id)),
            }
        }
    }

    fn line(&mut self, text: &str) {
        if !self.log.is_empty() {
            self.log.push('\n');
        }
        self.log.push_str(text);
    }

    /// What has come out since the last call.
    fn take(&mut self) -> String {
        format!("{}\n", std::mem::take(&mut self.log))
    }
}

const HEADER: &str = "<?xml version='1.0'?><stream:stream to='a.example' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

fn credentials() -> Credentials {
    derive_credentials_with("secret", [3; 16], 1).unwrap()
}

fn opened() -> Opened {
    Opened {
        session: session_id(1),
        nick: nick("alice"),
        account: Some(account("alice")),
        is_always_on: false,
        resumed: Vec::new(),
    }
}

fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

fn nick(name: &str) -> Nick {
    Nick::new(name).unwrap()
}

fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

fn session_id(number: u64) -> SessionId {
    SessionId { node: NodeId([9; 32]), number }
}

fn msg_id(second: u64) -> MsgId {
    OrderKey { hlc: Hlc::from_ms(EPOCH_MS + second * 1000), origin: Origin([5; 16]), seq: second }.msg_id()
}

/// Somebody: with an account and a resource, or a guest on IRC.
fn person(number: u64, name: &str, resource: Option<&str>) -> Person {
    let record = SessionRecord {
        account: resource.map(|_| account(name)),
        nick: nick(name),
        nick_since: Hlc::from_ms(EPOCH_MS),
        user: name.to_owned(),
        host: "h.example".to_owned(),
        realname: name.to_owned(),
        resource: resource.filter(|resource| !resource.is_empty()).map(str::to_owned),
        priority: 0,
        available: true,
        show: Show::Available,
        status: String::new(),
        payloads: Vec::new(),
        rooms: BTreeMap::new(),
        secure: true,
        modes: UserModes::default(),
        signed_on: Hlc::from_ms(EPOCH_MS),
    };
    Person {
        session: session_id(number),
        record: Arc::new(record),
        node: "n1".into(),
        unreachable_since: None,
        notes: None,
    }
}

fn occupant(number: u64, name: &str, resource: Option<&str>, rank: Rank) -> Occupant {
    Occupant {
        nick: nick(name),
        rank,
        beneath: Vec::new(),
        in_lasting_room: true,
        people: vec![person(number, name, resource)],
    }
}

fn author(number: u64, name: &str, registered: bool) -> Author {
    Author {
        session: session_id(number),
        account: registered.then(|| account(name)),
        nick: nick(name),
        user: name.to_owned(),
        host: "h.example".to_owned(),
    }
}

fn said_in(room_name: &str, second: u64, author: Author, content: Content) -> Arc<Said> {
    let conversation = Conversation::Room(room(room_name));
    Arc::new(Said {
        id: msg_id(second),
        conversation,
        author: author.into(),
        content: content.into(),
        late: false,
        by_bot: false,
        redacted: None,
    })
}

/// A room with bob, an operator, and carol, a guest; alice is in it as well.
fn view(created: bool) -> RoomView {
    let topic = Topic { text: "Rust".into(), by: nick("bob"), at: Hlc::from_ms(EPOCH_MS) };
    let state = RoomState { created: Some(Hlc::from_ms(EPOCH_MS)), topic: Some(topic), ..RoomState::default() };
    RoomView {
        name: room("rust"),
        state: Arc::new(state),
        occupants: vec![
            occupant(1, "alice", Some("r1"), Rank::None),
            occupant(2, "bob", Some("phone"), Rank::Operator),
            occupant(3, "carol", None, Rank::None),
        ],
        own_nick: Some(nick("alice")),
        created,
    }
}

/// The same room, in which alice has a standing.
fn view_with(rank: Rank) -> RoomView {
    let mut view = view(false);
    let alice = author(1, "alice", true).principal();
    Arc::make_mut(&mut view.state).ranks.insert(alice, rank);
    view.occupants[0].rank = rank;
    view
}
