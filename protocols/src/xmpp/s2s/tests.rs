//! Two meshes of one node each, and what passes between their hubs.
#![expect(clippy::wildcard_enum_match_arm, reason = "each test looks for what it is about, whatever else is asked")]

use super::*;
use crate::abroad::{AbroadCommand, Told};
use crate::command::Target;
use crate::command::{Opened, RegisterView};
use crate::event::{Occupant, Person, RoomView};
use lavina_crdt::clock::Hlc;
use lavina_crdt::ids::{NodeId, OrderKey, Origin, SessionId};
use lavina_crdt::modes::UserModes;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::presence::{SessionRecord, Show};
use lavina_crdt::room::{Rank, RoomState};

const START: Now = Now { mono_us: 1_000_000, wall_ms: 1_700_000_000_000 };

/// A certificate for these domains.
#[derive(Debug)]
struct Paper(Vec<&'static str>);

impl Certificate for Paper {
    fn is_for(&self, domain: &str) -> bool {
        self.0.contains(&domain)
    }
}

fn federation(domain: &str) -> Federation {
    Federation {
        session: Arc::new(SessionConfig::new(domain)),
        secret: *blake3::hash(domain.as_bytes()).as_bytes(),
        servers: true,
        dialback: true,
        allow: Vec::new(),
        block: Vec::new(),
        components: BTreeMap::from([("echo.a.example".to_owned(), "secret".to_owned())]),
    }
}

fn record(account: &str, resource: Option<&str>) -> SessionRecord {
    SessionRecord {
        account: AccountName::any(account).ok(),
        nick: Nick::new(account.split('@').next().unwrap()).unwrap(),
        nick_since: Hlc(1),
        user: "u".to_owned(),
        host: "h".to_owned(),
        realname: String::new(),
        resource: resource.map(str::to_owned),
        priority: 0,
        available: true,
        show: Show::Available,
        status: String::new(),
        payloads: Vec::new(),
        rooms: BTreeMap::new(),
        secure: true,
        modes: UserModes::default(),
        signed_on: Hlc(1),
    }
}

fn person(account: &str, resource: &str, number: u64) -> Person {
    Person {
        session: SessionId { node: NodeId([1; 32]), number },
        record: Arc::new(record(account, Some(resource))),
        node: "n".into(),
        unreachable_since: None,
        notes: None,
    }
}

fn remote(account: &str, resource: Option<&str>) -> Remote {
    Remote { account: AccountName::any(account).unwrap(), resource: resource.map(str::to_owned) }
}

/// One side: a hub, and a core that gives the simplest answers.
struct Side {
    domain: &'static str,
    papers: Vec<&'static str>,
    hub: Hub,
    /// What the hub has asked of the core, but for what is always asked.
    asked: Vec<(SessionIndex, Command)>,
    ended: Vec<SessionIndex>,
    closed: Vec<&'static str>,
}

impl Side {
    fn new(federation: Federation, domain: &'static str, papers: &[&'static str]) -> Self {
        let hub = Hub::new(START, federation, 7);
        Self { domain, papers: papers.to_vec(), hub, asked: Vec::new(), ended: Vec::new(), closed: Vec::new() }
    }

    fn answer(&mut self, session: SessionIndex, id: CommandId, command: Command) {
        let answer = match &command {
            Command::Abroad(AbroadCommand::Forward(..)) => Err(Refusal::NoSuchNick),
            Command::Open(open) => Ok(Reply::Opened(Opened {
                session: SessionId { node: NodeId([1; 32]), number: 100 + session },
                nick: open.nick.clone(),
                account: None,
                is_always_on: false,
                resumed: Vec::new(),
            })),
            Command::Join { room, nick, .. } => Ok(Reply::Joined(Arc::new(view(room, nick.as_ref().unwrap())), true)),
            Command::History(_) => Ok(Reply::History(crate::event::HistoryPage::default())),
            _ => Ok(Reply::Done),
        };
        let is_usual =
            matches!(&command, Command::Abroad(AbroadCommand::Forward(..) | AbroadCommand::Open) | Command::LogIn(_));
        if !is_usual {
            self.asked.push((session, command));
        }
        self.hub.handle_answer(START, session, id, answer);
    }

    /// What somebody of another server has asked through the gateway.
    fn asked_by(&self, account: &str) -> Vec<&Command> {
        let by = |command: &'_ (SessionIndex, Command)| match &command.1 {
            Command::Abroad(AbroadCommand::Ask(remote, _)) => remote.account.as_str() == account,
            _ => false,
        };
        let asked = self.asked.iter().filter(|command| by(command));
        asked
            .map(|(_, command)| match command {
                Command::Abroad(AbroadCommand::Ask(_, inner)) => inner.as_ref(),
                other => other,
            })
            .collect()
    }
}

fn view(room: &RoomName, nick: &Nick) -> RoomView {
    let mut record = record("juliet@b.example", Some("balcony"));
    record.available = false;
    let person = Person { record: Arc::new(record), ..person("juliet@b.example", "balcony", 101) };
    let occupant = Occupant {
        nick: nick.clone(),
        rank: Rank::None,
        beneath: Vec::new(),
        in_lasting_room: true,
        people: vec![person],
    };
    RoomView {
        name: room.clone(),
        state: Arc::new(RoomState::default()),
        occupants: vec![occupant],
        own_nick: Some(nick.clone()),
        created: false,
    }
}

/// Both sides and the connections between them.
struct World {
    sides: [Side; 2],
    /// Connection of the first side -> of the second.
    wires: Vec<(ConnectionId, ConnectionId)>,
    shaking: Vec<(usize, ConnectionId)>,
    wire: String,
    reachable: bool,
}

impl World {
    fn new(papers: [&[&'static str]; 2], change: impl Fn(&mut Federation)) -> Self {
        let side = |domain: &'static str, papers: &[&'static str]| {
            let mut federation = federation(domain);
            change(&mut federation);
            Side::new(federation, domain, papers)
        };
        let sides = [side("a.example", papers[0]), side("b.example", papers[1])];
        Self { sides, wires: Vec::new(), shaking: Vec::new(), wire: String::new(), reachable: true }
    }

    fn other(&self, side: usize, id: ConnectionId) -> Option<ConnectionId> {
        let found = self.wires.iter().find(|wire| if side == 0 { wire.0 == id } else { wire.1 == id })?;
        Some(if side == 0 { found.1 } else { found.0 })
    }

    fn tls(&self, of: usize) -> PeerTls {
        PeerTls { certificate: Some(Arc::new(Paper(self.sides[of].papers.clone()))) }
    }

    fn connect(&mut self, side: usize, id: ConnectionId, domain: &str) {
        let there = self.sides[1 - side].domain;
        if !self.reachable || !(domain == there || domain.ends_with(&format!(".{there}"))) {
            return self.sides[side].hub.handle_unreachable(START, id, Unreachable::NotFound);
        }
        let taken = self.sides[1 - side].hub.handle_accepted(START, Caller::Server, None);
        self.wires.push(if side == 0 { (id, taken) } else { (taken, id) });
        self.sides[side].hub.handle_connected(START, id, None);
    }

    fn start_tls(&mut self, side: usize, id: ConnectionId) {
        let Some(other) = self.other(side, id) else { return };
        self.shaking.push((side, id));
        if self.shaking.contains(&(1 - side, other)) {
            let (ours, theirs) = (self.tls(side), self.tls(1 - side));
            // Who connects speaks first after the handshake, so who takes is told first.
            self.sides[1 - side].hub.handle_tls(START, other, ours);
            self.sides[side].hub.handle_tls(START, id, theirs);
        }
    }

    /// Passes everything on until nothing moves any more.
    fn run(&mut self) {
        loop {
            let mut moved = false;
            for side in 0..2 {
                while let Some(output) = self.sides[side].hub.poll_output() {
                    moved = true;
                    match output {
                        Output::Connect(id, domain) => self.connect(side, id, &domain),
                        Output::Send(id, bytes) => {
                            self.wire.push_str(std::str::from_utf8(&bytes).unwrap());
                            if let Some(other) = self.other(side, id) {
                                self.sides[1 - side].hub.handle_bytes(START, other, &bytes);
                            }
                        }
                        Output::StartTls(id, _) => self.start_tls(side, id),
                        Output::Close(id, reason) => {
                            self.sides[side].closed.push(reason);
                            if let Some(other) = self.other(side, id) {
                                self.sides[1 - side].hub.handle_closed(START, other);
                            }
                        }
                        Output::Opened(..) => {}
                        Output::Command(session, id, command) => self.sides[side].answer(session, id, command),
                        Output::Closed(session, _) => self.sides[side].ended.push(session),
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// The core of a side tells somebody of the other server something.
    fn tell(&mut self, side: usize, to: Remote, told: Told) {
        let event = Arc::new(Event::Abroad(to, told));
        let gateway = self.sides[side].hub.gateway;
        self.sides[side].hub.handle_event(START, &[gateway], &event, &mut Renders::default());
        self.run();
    }

    fn whisper(&mut self, side: usize, from: Person, to: Remote, stanza: &'static str) {
        self.tell(side, to, Told::Whisper { from, stanza: stanza.into() });
    }
}

const CHAT: &str = "<message xmlns='jabber:client' type='chat' id='1'><body>hi</body></message>";
const PING: &str = "<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>";

fn said(commands: &[&Command]) -> Vec<(String, String)> {
    let texts = commands.iter().filter_map(|command| match command {
        Command::Say(Target::Account(account, _), content) => Some((account.to_string(), content.text.clone())),
        _ => None,
    });
    texts.collect()
}

#[test]
fn servers_with_certificates_know_one_another_by_them() {
    let mut world = World::new([&["a.example"], &["b.example"]], |federation| federation.dialback = false);
    world.whisper(0, person("romeo", "orchard", 1), remote("juliet@b.example", None), CHAT);
    assert!(
        world.wire.contains("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>"),
        "{}",
        world.wire
    );
    assert!(!world.wire.contains("<db:"), "{}", world.wire);
    let asked = world.sides[1].asked_by("romeo@a.example");
    assert_eq!(said(&asked), [("juliet".to_owned(), "hi".to_owned())]);
    // Both ways over one connection (XEP-0288).
    world.whisper(1, person("juliet", "balcony", 1), remote("romeo@a.example", Some("orchard")), CHAT);
    assert_eq!(said(&world.sides[0].asked_by("juliet@b.example")).len(), 1);
    assert_eq!(world.wires.len(), 1);
}

#[test]
fn servers_without_certificates_prove_by_dialback_who_they_are() {
    let mut world = World::new([&[], &[]], |_| {});
    world.whisper(0, person("romeo", "orchard", 1), remote("juliet@b.example", None), CHAT);
    assert!(world.wire.contains("<db:verify ") && world.wire.contains("type='valid'"), "{}", world.wire);
    assert_eq!(said(&world.sides[1].asked_by("romeo@a.example")).len(), 1);
    world.whisper(1, person("juliet", "balcony", 1), remote("romeo@a.example", Some("orchard")), CHAT);
    assert_eq!(said(&world.sides[0].asked_by("juliet@b.example")).len(), 1);
}

/// What the core was asked to hand to somebody here as an error of somebody there.
fn errors(side: &Side, from: &str) -> Vec<String> {
    let asked = side.asked_by(from).into_iter().filter_map(|command| match command {
        Command::Whisper(Target::Account(_, Some(_)), stanza) => Some(String::from_utf8(stanza.to_vec()).unwrap()),
        _ => None,
    });
    asked.collect()
}

#[test]
fn who_proves_nothing_is_not_believed() {
    let mut world = World::new([&["a.example"], &[]], |federation| federation.dialback = false);
    world.whisper(0, person("romeo", "orchard", 1), remote("juliet@b.example", None), CHAT);
    let errors = errors(&world.sides[0], "juliet@b.example");
    assert!(errors.len() == 1 && errors[0].contains("<remote-server-timeout "), "{errors:?}");
    assert!(world.sides[1].asked.is_empty());
    assert!(world.sides[0].closed.contains(&"the other server has no certificate that is trusted"));
}

#[test]
fn who_cannot_be_reached_is_told_so_and_only_questions_come_back() {
    let mut world = World::new([&["a.example"], &["b.example"]], |_| {});
    world.reachable = false;
    let romeo = || person("romeo", "orchard", 1);
    world.whisper(0, romeo(), remote("juliet@b.example", Some("balcony")), PING);
    world.whisper(0, romeo(), remote("juliet@b.example", None), CHAT);
    world.whisper(0, romeo(), remote("juliet@b.example", None), "<message xmlns='jabber:client' type='error'/>");
    world.whisper(0, romeo(), remote("juliet@b.example", None), "<iq xmlns='jabber:client' type='result' id='x'/>");
    let bounced = |side: &Side| [errors(side, "juliet@b.example")].concat();
    let all = bounced(&world.sides[0]);
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all.iter().all(|error| error.contains("<remote-server-not-found ")), "{all:?}");
}

#[test]
fn who_is_not_welcome_is_kept_out_both_ways() {
    let mut world = World::new([&["a.example"], &["b.example"]], |federation| {
        if federation.session.domain == "a.example" {
            federation.block = vec!["b.example".to_owned()];
        }
    });
    world.whisper(0, person("romeo", "orchard", 1), remote("juliet@b.example", None), CHAT);
    assert!(world.wires.is_empty() && errors(&world.sides[0], "juliet@b.example").len() == 1);
    world.whisper(1, person("juliet", "balcony", 1), remote("romeo@a.example", None), CHAT);
    assert!(world.wire.contains("<policy-violation ") && said(&world.sides[0].asked_by("juliet@b.example")).is_empty());
}

#[test]
fn who_is_not_welcome_any_more_is_put_out_and_their_links_end() {
    let mut world = World::new([&["a.example", "rooms.a.example"], &["b.example"]], |_| {});
    let join = "<presence xmlns='jabber:client'><x xmlns='http://jabber.org/protocol/muc'/></presence>";
    world.whisper(1, person("juliet", "balcony", 1), remote("lobby@rooms.a.example", Some("Juliet")), join);
    assert!(world.sides[0].ended.is_empty());
    let block = |domain: &str| vec![domain.to_owned()];
    world.sides[0].hub.handle_lists(START, Vec::new(), block("c.example"));
    world.run();
    assert!(world.sides[0].ended.is_empty(), "others are blocked");
    world.sides[0].hub.handle_lists(START, Vec::new(), block("b.example"));
    world.wire.clear();
    world.run();
    assert_eq!(world.sides[0].ended.len(), 1);
    assert!(world.wire.contains("type='unavailable'") && world.wire.contains("code='332'"), "{}", world.wire);
    assert!(world.wire.contains("<policy-violation "), "{}", world.wire);
}

#[test]
fn somebody_of_another_server_comes_into_a_room_and_leaves_it() {
    let mut world = World::new([&["a.example", "rooms.a.example"], &["b.example"]], |_| {});
    let join = "<presence xmlns='jabber:client'><x xmlns='http://jabber.org/protocol/muc'/></presence>";
    let room = || remote("lobby@rooms.a.example", Some("Juliet"));
    world.whisper(1, person("juliet", "balcony", 1), room(), join);
    let (session, open) = world.sides[0]
        .asked
        .iter()
        .find_map(|(session, command)| match command {
            Command::Open(open) => Some((*session, open.clone())),
            _ => None,
        })
        .unwrap();
    assert_eq!((open.nick.as_str(), open.resource.as_deref()), ("juliet", Some("balcony")));
    assert!(world.sides[0].asked.iter().any(|(by, command)| *by == session && matches!(command, Command::Join { .. })));
    // Her server gets the room's presence, and its subject.
    let shown: Vec<&Command> = world.sides[1].asked_by("lobby@rooms.a.example");
    let is_presence = |command: &&&Command| {
        matches!(command, Command::Whisper(Target::Account(to, Some(resource)), stanza)
            if to.as_str() == "juliet" && resource == "balcony" && stanza.starts_with(b"<presence"))
    };
    assert!(shown.iter().filter(is_presence).count() == 1, "{shown:?}");
    let leave = "<presence xmlns='jabber:client' type='unavailable'/>";
    world.whisper(1, person("juliet", "balcony", 1), room(), leave);
    assert_eq!(world.sides[0].ended, [session], "with the last place the session ends");
}

#[test]
fn who_is_gone_is_no_occupant() {
    let mut world = World::new([&["a.example", "rooms.a.example"], &["b.example"]], |_| {});
    let join = "<presence xmlns='jabber:client'><x xmlns='http://jabber.org/protocol/muc'/></presence>";
    let room = || remote("lobby@rooms.a.example", Some("Juliet"));
    world.whisper(1, person("juliet", "balcony", 1), room(), join);
    let gone = "<message xmlns='jabber:client' type='error'><error type='cancel'>\
                <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
    world.whisper(1, person("juliet", "balcony", 1), room(), gone);
    assert_eq!(world.sides[0].ended.len(), 1);
}

/// A connection of nobody in particular: what it says, and what it is told.
struct Stranger {
    hub: Hub,
    id: ConnectionId,
}

impl Stranger {
    fn new(caller: Caller) -> Self {
        let mut hub = Hub::new(START, federation("a.example"), 7);
        let id = hub.handle_accepted(START, caller, None);
        Self { hub, id }
    }

    fn say(&mut self, text: &str) -> String {
        self.hub.handle_bytes(START, self.id, text.as_bytes());
        self.heard()
    }

    fn heard(&mut self) -> String {
        let mut heard = String::new();
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Send(_, bytes) => heard.push_str(std::str::from_utf8(&bytes).unwrap()),
                Output::StartTls(..) => heard.push_str("[tls]"),
                Output::Close(..) => heard.push_str("[closed]"),
                Output::Command(_, _, Command::Abroad(AbroadCommand::Ask(by, _))) => {
                    heard.push_str(&format!("[{} asks]", by.account));
                }
                Output::Opened(..) | Output::Command(..) | Output::Closed(..) | Output::Connect(..) => {}
            }
        }
        heard
    }

    fn header(from: &str, to: &str) -> String {
        format!(
            "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
             xmlns:db='jabber:server:dialback' from='{from}' to='{to}' version='1.0'>"
        )
    }

    /// With TLS, and a certificate for b.example.
    fn certified() -> Self {
        let mut stranger = Self::new(Caller::Server);
        stranger.say(&Self::header("b.example", "a.example"));
        assert!(stranger.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").contains("[tls]"));
        let paper: Arc<dyn Certificate> = Arc::new(Paper(vec!["b.example"]));
        stranger.hub.handle_tls(START, stranger.id, PeerTls { certificate: Some(paper) });
        let features = stranger.say(&Self::header("b.example", "a.example"));
        assert!(features.contains("<mechanism>EXTERNAL</mechanism>"), "{features}");
        let done = stranger.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
        assert!(done.contains("<success "), "{done}");
        stranger.say(&Self::header("b.example", "a.example"));
        stranger
    }
}

#[test]
fn nothing_but_the_negotiation_goes_in_clear() {
    let mut stranger = Stranger::new(Caller::Server);
    let features = stranger.say(&Stranger::header("b.example", "a.example"));
    assert!(features.contains("<required/>") && !features.contains("EXTERNAL"), "{features}");
    let refused = stranger.say("<db:result from='b.example' to='a.example'>key</db:result>");
    assert!(refused.contains("<policy-violation ") && refused.ends_with("[closed]"), "{refused}");
}

#[test]
fn a_header_for_somebody_else_is_refused() {
    for (header, condition) in [
        (Stranger::header("b.example", "c.example"), "host-unknown"),
        (Stranger::header("b.example", "a.example").replace("jabber:server'", "jabber:client'"), "invalid-namespace"),
        (Stranger::header("b.example", "a.example").replace("version='1.0'", ""), "unsupported-version"),
    ] {
        let refused = Stranger::new(Caller::Server).say(&header);
        assert!(refused.contains(&format!("<{condition} ")), "{header}: {refused}");
    }
}

#[test]
fn a_proven_server_speaks_for_its_own_domain_alone() {
    let chat = |from: &str, to: &str| format!("<message from='{from}' to='{to}' type='chat'><body>x</body></message>");
    let heard = Stranger::certified().say(&chat("juliet@b.example", "romeo@a.example"));
    assert_eq!(heard, "[juliet@b.example asks]");
    for (stanza, condition) in [
        (chat("juliet@c.example", "romeo@a.example"), "invalid-from"),
        (chat("romeo@a.example", "romeo@a.example"), "invalid-from"),
        (chat("juliet@b.example", "romeo@c.example"), "improper-addressing"),
        (chat("juliet@b.example", "romeo@rooms.a.example"), "improper-addressing"),
        ("<message from='juliet@b.example'/>".to_owned(), "improper-addressing"),
        ("<nonsense/>".to_owned(), "unsupported-stanza-type"),
    ] {
        let refused = Stranger::certified().say(&stanza);
        assert!(refused.contains(&format!("<{condition} ")), "{stanza}: {refused}");
    }
    let refused = Stranger::new(Caller::Server).say(&Stranger::header("a.example", "a.example"));
    assert!(!refused.contains("EXTERNAL"), "{refused}");
}

#[test]
fn a_certificate_for_another_domain_proves_nothing() {
    let mut stranger = Stranger::new(Caller::Server);
    stranger.say(&Stranger::header("c.example", "a.example"));
    stranger.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    let paper: Arc<dyn Certificate> = Arc::new(Paper(vec!["b.example"]));
    stranger.hub.handle_tls(START, stranger.id, PeerTls { certificate: Some(paper) });
    let features = stranger.say(&Stranger::header("c.example", "a.example"));
    assert!(!features.contains("EXTERNAL") && features.contains("urn:xmpp:features:dialback"), "{features}");
    let refused = stranger.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
    assert!(refused.contains("<not-authorized/>"), "{refused}");
}

#[test]
fn a_key_that_is_not_ours_is_not_confirmed() {
    let mut stranger = Stranger::certified();
    let refused = stranger.say("<db:verify from='b.example' to='a.example' id='i'>0123</db:verify>");
    assert!(refused.contains("type='invalid'"), "{refused}");
    let key = federation("a.example").dialback_key("b.example", "a.example", "i");
    let confirmed = stranger.say(&format!("<db:verify from='b.example' to='a.example' id='i'>{key}</db:verify>"));
    assert!(confirmed.contains("type='valid'"), "{confirmed}");
}

#[test]
fn a_component_speaks_for_its_domain_once_it_knows_the_secret() {
    let header = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='echo.a.example'>";
    let open = || {
        let mut component = Stranger::new(Caller::Component);
        let answer = component.say(header);
        let id = answer.split(" id='").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        (component, id)
    };
    let (mut component, _) = open();
    assert!(component.say("<handshake>00</handshake>").contains("<not-authorized "));
    let (mut component, id) = open();
    use sha1::{Digest, Sha1};
    let digest = Sha1::new().chain_update(id + "secret").finalize();
    let digest = digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert_eq!(component.say(&format!("<handshake>{digest}</handshake>")), "<handshake/>");
    let chat = "<message from='bot@echo.a.example' to='romeo@a.example' type='chat'><body>x</body></message>";
    assert_eq!(component.say(chat), "[bot@echo.a.example asks]");
    let told = Told::Whisper { from: person("romeo", "orchard", 1), stanza: CHAT.into() };
    let event = Arc::new(Event::Abroad(remote("bot@echo.a.example", None), told));
    let gateway = component.hub.gateway;
    component.hub.handle_event(START, &[gateway], &event, &mut Renders::default());
    let heard = component.heard();
    assert!(heard.contains("from='romeo@a.example/orchard' to='bot@echo.a.example'"), "{heard}");
    assert!(component.say(&chat.replace("bot@echo", "bot@other")).contains("<invalid-from "));
}

#[test]
fn what_waits_for_a_server_is_bounded() {
    let mut hub = Hub::new(START, federation("a.example"), 7);
    while hub.poll_output().is_some() {}
    let gateway = hub.gateway;
    for _ in 0..600 {
        let told = Told::Whisper { from: person("romeo", "orchard", 1), stanza: CHAT.into() };
        let event = Arc::new(Event::Abroad(remote("juliet@b.example", None), told));
        hub.handle_event(START, &[gateway], &event, &mut Renders::default());
    }
    let mut bounced = 0;
    while let Some(output) = hub.poll_output() {
        if let Output::Command(_, _, Command::Abroad(AbroadCommand::Ask(_, command))) = output
            && let Command::Whisper(_, stanza) = *command
        {
            assert!(String::from_utf8_lossy(&stanza).contains("<resource-constraint "));
            bounced += 1;
        }
    }
    assert!((1..600).contains(&bounced), "{bounced}");
}

#[test]
fn a_room_of_another_server_is_told_of_a_session_that_ends_without_a_word() {
    let mut world = World::new([&["a.example"], &["b.example"]], |_| {});
    let room = || remote("stage@b.example", Some("romeo"));
    let presence = "<presence xmlns='jabber:client'/>";
    world.whisper(0, person("romeo", "orchard", 1), room(), presence);
    world.whisper(0, person("romeo", "hall", 2), room(), presence);
    world.wire.clear();
    let gateway = world.sides[0].hub.gateway;
    let event = Arc::new(Event::Ended(person("romeo", "orchard", 1)));
    world.sides[0].hub.handle_event(START, &[gateway], &event, &mut Renders::default());
    world.run();
    let gone = "<presence from='romeo@a.example/orchard' to='stage@b.example/romeo' type='unavailable'/>";
    assert_eq!(world.wire, gone);
}

/// A node of somebody's who publishes for contacts, and what is in it.
fn published(node: &str, id: &str) -> (RegisterView, Option<Vec<u8>>) {
    let value = format!("<item xmlns='http://jabber.org/protocol/pubsub' id='{id}'><tune xmlns='{node}'/></item>");
    let at = OrderKey { hlc: Hlc::default(), origin: Origin([1; 16]), seq: 1 };
    let register = RegisterView { key: "shown/pep/x/only".to_owned(), value: value.into_bytes(), at };
    (register, Some(format!("<node xmlns='urn:lavina:pep' name='{node}'/>").into_bytes()))
}

#[test]
fn clients_of_another_server_are_told_of_what_they_want_to_be_told_of() {
    let mut world = World::new([&["a.example"], &["b.example"]], |_| {});
    let (romeo, balcony) = (|| remote("romeo@a.example", None), || person("juliet", "balcony", 1));
    let shows = |caps: &str| -> Told {
        let caps = format!("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='c' ver='{caps}'/>");
        let stanza = format!("<presence xmlns='jabber:client'>{caps}</presence>").into();
        Told::Whisper { from: balcony(), stanza }
    };
    world.tell(1, romeo(), shows("1"));
    let asked = world.wire.rsplit("id='caps-").next().and_then(|rest| rest.split('\'').next()).unwrap().to_owned();
    assert!(world.wire.contains("from='romeo@a.example'") && world.wire.contains("node='c#1'"), "{}", world.wire);
    let features = "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='tune+notify'/></query>";
    let answer = format!("<iq xmlns='jabber:client' type='result' id='caps-{asked}'>{features}</iq>").into();
    world.tell(1, romeo(), Told::Whisper { from: balcony(), stanza: answer });
    let asks_latest = |side: &Side| {
        side.asked
            .iter()
            .filter(|(_, command)| {
                matches!(command, Command::Abroad(AbroadCommand::Latest(who, of, prefixes))
                    if who.account.as_str() == "juliet@b.example" && of.as_str() == "romeo" && prefixes.len() == 1)
            })
            .count()
    };
    assert_eq!(asks_latest(&world.sides[0]), 1);
    world.tell(1, romeo(), shows("1"));
    assert_eq!(asks_latest(&world.sides[0]), 1, "the same capabilities are not asked for again");
    world.tell(0, remote("juliet@b.example", None), Told::Sees(AccountName::new("romeo").unwrap()));
    assert_eq!(asks_latest(&world.sides[0]), 2, "she sees him only now");
    let juliet = || remote("juliet@b.example", None);
    let shown = |node: &str, id: &str| {
        let (register, parent) = published(node, id);
        Told::Shown { account: AccountName::new("romeo").unwrap(), register, parent }
    };
    world.wire.clear();
    world.tell(0, juliet(), shown("mood", "1"));
    world.tell(0, remote("nurse@b.example", None), shown("tune", "1"));
    assert!(world.wire.is_empty(), "{}", world.wire);
    world.tell(0, juliet(), shown("tune", "2"));
    assert!(
        world.wire.contains("to='juliet@b.example/balcony'") && world.wire.contains("<item id='2'>"),
        "{}",
        world.wire
    );
    world.wire.clear();
    world.whisper(1, balcony(), romeo(), "<presence xmlns='jabber:client' type='unavailable'/>");
    world.wire.clear();
    world.tell(0, juliet(), shown("tune", "3"));
    assert!(world.wire.is_empty(), "who is gone is told nothing: {}", world.wire);
}

#[test]
fn who_shows_themselves_at_another_node_is_told_there() {
    let mut world = World::new([&["a.example"], &["b.example"]], |_| {});
    let (romeo, balcony) = (|| remote("romeo@a.example", None), || person("juliet", "balcony", 1));
    let caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='c' ver='1'/>";
    let shows = || Told::Whisper {
        from: balcony(),
        stanza: format!("<presence xmlns='jabber:client'>{caps}</presence>").into(),
    };
    world.tell(1, romeo(), shows());
    let showing = |side: &Side| {
        side.asked.iter().rev().find_map(|(_, command)| match command {
            Command::Abroad(AbroadCommand::Shows(_, showing)) => Some(showing.clone()),
            _ => None,
        })
    };
    let here = showing(&world.sides[0]).unwrap();
    assert_eq!((here.to.as_str(), here.caps.as_str()), ("romeo", "c#1"));
    let answer = |world: &mut World| {
        let asked = world.wire.rsplit("id='caps-").next().and_then(|rest| rest.split('\'').next()).unwrap().to_owned();
        let features = "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='tune+notify'/></query>";
        let answer = format!("<iq xmlns='jabber:client' type='result' id='caps-{asked}'>{features}</iq>").into();
        world.tell(1, romeo(), Told::Whisper { from: balcony(), stanza: answer });
    };
    let count = |side: &Side, of: fn(&AbroadCommand) -> bool| {
        side.asked.iter().filter(|(_, command)| matches!(command, Command::Abroad(asked) if of(asked))).count()
    };
    let latest = |asked: &AbroadCommand| matches!(asked, AbroadCommand::Latest(..));
    answer(&mut world);
    assert_eq!(count(&world.sides[0], latest), 1);

    let client = || remote("juliet@b.example", Some("balcony"));
    let tell = |world: &mut World, at_ms, wins| {
        let showing = crate::abroad::Showing { at_ms, ..here.clone() };
        world.tell(0, client(), Told::ShowsElsewhere { showing, wins });
    };
    let publish = |world: &mut World| {
        world.wire.clear();
        let (register, parent) = published("tune", "2");
        let told = Told::Shown { account: AccountName::new("romeo").unwrap(), register, parent };
        world.tell(0, remote("juliet@b.example", None), told);
        world.wire.contains("<item id='2'>")
    };
    tell(&mut world, here.at_ms - 1, true);
    tell(&mut world, here.at_ms, false);
    assert!(publish(&mut world), "what is older counts for nothing");
    tell(&mut world, here.at_ms, true);
    assert!(!publish(&mut world));
    assert_eq!(count(&world.sides[0], |asked| matches!(asked, AbroadCommand::HasTold(..))), 1);

    world.tell(1, romeo(), shows());
    world.tell(0, client(), Told::HasBeenTold(AccountName::new("romeo").unwrap()));
    answer(&mut world);
    assert_eq!(count(&world.sides[0], latest), 1, "another node has told");
    assert!(publish(&mut world));
}

#[test]
fn nobody_floods_a_room_from_another_server() {
    let mut world = World::new([&["a.example", "rooms.a.example"], &["b.example"]], |_| {});
    let join = "<presence xmlns='jabber:client'><x xmlns='http://jabber.org/protocol/muc'/></presence>";
    world.whisper(1, person("juliet", "balcony", 1), remote("lobby@rooms.a.example", Some("Juliet")), join);
    let flood = "<message xmlns='jabber:client' type='groupchat'><body>x</body></message>";
    for _ in 0..80 {
        world.whisper(1, person("juliet", "balcony", 1), remote("lobby@rooms.a.example", None), flood);
    }
    let said =
        |world: &World| world.sides[0].asked.iter().filter(|(_, asked)| matches!(asked, Command::Say(..))).count();
    assert!((50..80).contains(&said(&world)), "{}", said(&world));
    let later = Now { mono_us: START.mono_us + 10_000_000, ..START };
    assert!(world.sides[0].hub.next_timeout().is_some_and(|at| at < later.mono_us));
    world.sides[0].hub.handle_timeout(later);
    world.run();
    assert_eq!(said(&world), 80, "what waits is said in time");
}
