//! Simulated clients: they speak real IRC and XMPP bytes, keep what they saw, and know nothing of the nodes' insides.

mod catchup;
pub(crate) mod deeds;
mod irc;
mod xmpp;

pub(crate) use catchup::{Caught, ToRead};

use crate::plan::{Action, ClientPlan, Plan, RoomPlan, Speaks};
use lavina_crdt::names::AccountName;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What a node that cannot serve says, in either protocol.
const UNSERVED: &[&str] = &["cannot store anything", "<resource-constraint"];

/// The password of every simulated account.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// The mesh's domain.
pub(crate) const DOMAIN: &str = "lavina.test";
/// Most others whom a client looks at in the end: among many, each is looked at by this many.
const LOOKED_AT_MAX: usize = 24;
/// The domain of its rooms.
pub(crate) const ROOMS: &str = "rooms.lavina.test";

/// Bytes as text, what is none of it replaced.
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Which line a text is: whose, by index, and the how manieth of that client.
pub(crate) fn line_of(text: &str) -> Option<(usize, u64)> {
    let (client, number) = text.strip_prefix('c')?.split_once('-')?;
    Some((client.parse().ok()?, number.parse().ok()?))
}

/// What a client understood of what it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is registered under this nick.
    Ready(String),
    /// It is logged in to its account.
    LoggedIn,
    /// It goes by another nick.
    Renamed(String),
    /// It is in a room.
    Entered(String),
    /// It is no longer in a room.
    Left(String),
    /// Somebody has thrown it out of a room.
    Kicked(String),
    /// A line was said: in a room, or (`None`) to the client alone.
    Said {
        /// Where.
        room: Option<String>,
        /// Its id.
        id: String,
        /// The text.
        text: String,
        /// Whether it came with the word that it is from before.
        delayed: bool,
    },
    /// A ban was set in a room.
    Banned {
        /// Where.
        room: String,
        /// What, as the wire shows it.
        mask: String,
    },
    /// It has taken an operator's standing away.
    Deopped {
        /// Where.
        room: String,
        /// Whose.
        nick: String,
    },
    /// Something it asked for was refused: the text of the refusal.
    Refused(String),
    /// Some other error came.
    Faulted,
    /// A line of history: in a room, or (`None`) of a conversation.
    Past {
        /// Where.
        room: Option<String>,
        /// Its id.
        id: String,
        /// The text.
        text: String,
    },
    /// A page of history is whole; whether it said to be the last.
    PageEnd {
        /// Whose history.
        room: Option<String>,
        /// No more follow.
        last: bool,
    },
    /// A page of history was refused.
    PageRefused,
    /// A room in the list of rooms.
    Listed(String),
    /// Rooms that somebody is shown to be in.
    Whereabouts(Vec<String>),
}

/// One protocol's side of a client: bytes to understanding and back.
pub(crate) trait Wire: std::fmt::Debug {
    /// The first bytes on a new connection.
    fn connect(&mut self, nick: &str, account: Option<&str>) -> String;
    /// Takes bytes from the node in; gives what to send at once and what was understood.
    fn receive(&mut self, bytes: &[u8]) -> (String, Vec<Heard>);
    /// The bytes for entering a room.
    fn join(&mut self, room: &str) -> String;
    /// The bytes for keeping a room that it has made.
    fn keep(&mut self, room: &str) -> String;
    /// The bytes for saying a line.
    fn say(&mut self, room: &str, text: &str) -> String;
    /// The bytes for telling somebody something.
    fn tell(&mut self, account: &str, text: &str) -> String;
    /// The bytes for saying a line in answer to another.
    fn reply(&mut self, room: &str, text: &str, id: &str) -> String;
    /// The bytes for asking for a page of a room's history: after an id, or before one, or from an end.
    fn page(&mut self, room: &str, edge: Option<&str>, newest: bool) -> String;
    /// The bytes for asking what rooms there are, and where somebody is.
    fn look_around(&mut self, others: &[String]) -> String;
    /// A stanza id that was not used before.
    fn fresh_id(&mut self) -> String;
    /// The bytes of any other action: (room name, other client's nick, text or mask).
    fn act(&mut self, action: &Action, room: &str, other: &str, text: &str) -> String;
    /// The text of a ban as [`Heard::Banned`] shows it.
    fn mask(&self, name: &str) -> String;
}

/// A line a client said.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Index of the room; `None` when told to somebody.
    pub(crate) room: Option<usize>,
    /// Index of the client it was told to; `None` when said in a room.
    pub(crate) to: Option<usize>,
    /// When, microseconds.
    pub(crate) at_us: u64,
    /// On which of its connections.
    pub(crate) connection: u64,
    /// The id it was acknowledged with, and when.
    pub(crate) acked: Option<(String, u64)>,
    /// Whether an answer in time could be expected (node and disk healthy, client in the room).
    pub(crate) expected: bool,
    /// When it stopped being expected: refused, connection lost, node or disk in trouble.
    pub(crate) given_up_us: Option<u64>,
}

/// When a client saw its own act, and where it was at home.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    /// Microseconds.
    pub(crate) at_us: u64,
    /// Index of the node.
    pub(crate) home: usize,
}

/// A line a client was shown.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Name of the room; `None`: told.
    pub(crate) room: Option<String>,
    /// Its id.
    pub(crate) id: String,
    /// The text.
    pub(crate) text: String,
    /// Whether the client was in the room, or it was told.
    pub(crate) inside: bool,
    /// Whether it came with the word that it is from before: clients show it where it belongs.
    pub(crate) delayed: bool,
    /// On which connection.
    pub(crate) connection: u64,
    /// When, microseconds.
    pub(crate) at_us: u64,
}

/// A page of history that a client was shown.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Name of the room; `None`: of a conversation.
    pub(crate) room: Option<String>,
    /// Ids and texts.
    pub(crate) lines: Vec<(String, String)>,
}

/// An error or an end that a client is owed for what it did.
#[derive(Clone, Debug)]
pub(crate) struct Debt {
    /// The deed.
    pub(crate) deed: &'static str,
    /// On which connection.
    pub(crate) connection: u64,
    /// It came.
    pub(crate) paid: bool,
}

/// One client and all it remembers.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) plan: ClientPlan,
    pub(crate) wire: Box<dyn Wire>,
    /// Index of the node it connects to next.
    pub(crate) node: usize,
    /// Index of the node that its current, or else its last, connection is to.
    pub(crate) home: usize,
    /// Its current connection; 0 when there is none.
    pub(crate) connection: u64,
    /// Whether it is registered.
    pub(crate) ready: bool,
    /// Since when without a break, microseconds.
    pub(crate) ready_us: u64,
    /// Since when it is logged in on this connection, microseconds.
    pub(crate) logged_in_us: Option<u64>,
    /// The nick it has.
    pub(crate) nick: String,
    /// The nick it asked for last.
    pub(crate) nick_asked: String,
    /// Rooms it is in, by name, and since when without a break (microseconds).
    pub(crate) inside: BTreeMap<String, u64>,
    /// Lines by text.
    pub(crate) sent: BTreeMap<String, Sent>,
    /// What it saw, in order.
    pub(crate) seen: Vec<Seen>,
    /// Permanent bans it set and saw set, by (room, mask name).
    pub(crate) bans: BTreeMap<(usize, String), When>,
    /// Whom it saw itself deop: (room name, nick, when).
    pub(crate) deops: Vec<(String, String, When)>,
    /// Bans asked for and not yet seen: wire form -> (room, mask name).
    pub(crate) bans_asked: BTreeMap<(String, String), (usize, String)>,
    /// Connections that it ended itself.
    pub(crate) left: BTreeSet<u64>,
    /// Connections that ended although the node lived and the client had not asked for it.
    pub(crate) thrown_out: Vec<u64>,
    /// How often it met what not every run has, by name.
    pub(crate) met: BTreeMap<&'static str, u64>,
    /// Pages of history it was shown.
    pub(crate) pages: Vec<Page>,
    /// Lines of the page that is coming in.
    page: Vec<(String, String)>,
    /// Whether it ever sent a flood: then its lines may wait behind that.
    pub(crate) flooded: bool,
    /// What it is owed.
    pub(crate) debts: Vec<Debt>,
    /// What it learns in the end, when everybody reads everything.
    pub(crate) caught: Option<Caught>,
    counter: u64,
}

impl Client {
    pub(crate) fn new(plan: &ClientPlan) -> Self {
        let wire: Box<dyn Wire> = match plan.speaks {
            Speaks::Irc => Box::new(irc::IrcWire::default()),
            Speaks::Xmpp => Box::new(xmpp::XmppWire::default()),
        };
        Self {
            node: plan.node,
            home: plan.node,
            plan: plan.clone(),
            wire,
            connection: 0,
            ready: false,
            ready_us: 0,
            logged_in_us: None,
            nick: plan.nick.clone(),
            nick_asked: plan.nick.clone(),
            inside: BTreeMap::new(),
            sent: BTreeMap::new(),
            seen: Vec::new(),
            bans: BTreeMap::new(),
            deops: Vec::new(),
            bans_asked: BTreeMap::new(),
            left: BTreeSet::new(),
            thrown_out: Vec::new(),
            met: BTreeMap::new(),
            pages: Vec::new(),
            page: Vec::new(),
            flooded: false,
            debts: Vec::new(),
            caught: None,
            counter: 0,
        }
    }

    /// The account it logs in to.
    pub(crate) fn account(&self) -> Option<AccountName> {
        let logs_in = self.plan.account || self.plan.speaks == Speaks::Xmpp;
        logs_in.then(|| AccountName::new(&self.plan.nick).ok()).flatten()
    }

    /// A text that nobody else says; [`line_of`] reads it.
    pub(crate) fn fresh_text(&mut self, index: usize) -> String {
        self.counter += 1;
        format!("c{index}-{:05}", self.counter)
    }

    /// The first bytes on a new connection.
    pub(crate) fn connect(&mut self, connection: u64) -> String {
        self.connection = connection;
        self.home = self.node;
        self.ready = false;
        self.logged_in_us = None;
        self.inside.clear();
        self.bans_asked.clear();
        self.page.clear();
        let account = self.account();
        self.wire.connect(&self.plan.nick, account.as_ref().map(AccountName::as_str))
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self, now_us: u64) {
        self.connection = 0;
        self.ready = false;
        self.logged_in_us = None;
        self.inside.clear();
        // Answers come on the connection on which one asks.
        self.caught.take_if(|caught| !caught.is_done());
        for debt in self.debts.iter_mut().filter(|debt| debt.connection != 0) {
            // Its end is an answer to a bad deed, and after it none can come.
            debt.paid = true;
        }
        self.give_up(now_us);
    }

    /// Nothing under way is expected in time from here on.
    pub(crate) fn give_up(&mut self, now_us: u64) {
        for sent in self.sent.values_mut().filter(|sent| sent.acked.is_none() && sent.given_up_us.is_none()) {
            sent.given_up_us = Some(now_us);
        }
    }

    /// Takes bytes in; gives what to send at once.
    pub(crate) fn receive(&mut self, now_us: u64, bytes: &[u8], plan: &Plan) -> String {
        let (mut reply, heard) = self.wire.receive(bytes);
        for heard in heard {
            reply.push_str(&self.on_heard(now_us, heard, plan));
        }
        reply
    }

    fn on_heard(&mut self, now_us: u64, heard: Heard, plan: &Plan) -> String {
        match heard {
            Heard::Ready(nick) => {
                self.ready = true;
                self.ready_us = now_us;
                if self.plan.speaks == Speaks::Xmpp {
                    self.logged_in_us = Some(now_us);
                }
                self.nick_asked.clone_from(&nick);
                self.nick = nick;
                let rooms = self.plan.rooms.clone();
                return rooms.iter().map(|room| self.wire.join(&plan.rooms[*room].name)).collect();
            }
            Heard::LoggedIn => self.logged_in_us = Some(now_us),
            Heard::Renamed(nick) => {
                if nick != self.nick_asked {
                    self.meet("nick-lost");
                }
                self.nick = nick;
            }
            Heard::Kicked(room) => {
                self.meet("kicked");
                self.inside.remove(&room);
            }
            Heard::Entered(room) => {
                let founds = |of: &RoomPlan| {
                    of.name == room && of.founder.is_some_and(|by| plan.clients[by].nick == self.plan.nick)
                };
                let keeps = plan.rooms.iter().any(founds);
                let kept = if keeps { self.wire.keep(&room) } else { String::new() };
                self.inside.entry(room).or_insert(now_us);
                return kept;
            }
            Heard::Left(room) => {
                self.inside.remove(&room);
            }
            Heard::Said { room, id, text, delayed } => self.on_said(now_us, room, id, text, delayed),
            Heard::Banned { room, mask } => {
                // Of a guest it may not outlast the room's meeting with its founder.
                let asked = self.bans_asked.remove(&(room, mask));
                if let Some(ban) = asked.filter(|_| self.logged_in_us.is_some()) {
                    self.bans.insert(ban, When { at_us: now_us, home: self.home });
                }
            }
            Heard::Deopped { room, nick } => self.deops.push((room, nick, When { at_us: now_us, home: self.home })),
            Heard::Refused(text) => {
                self.meet("refused");
                if UNSERVED.iter().any(|words| text.contains(words)) {
                    self.meet("unserved");
                }
                if text.contains(" 404 ") {
                    self.meet("banned-speech-refused");
                }
                self.pay();
                self.give_up(now_us);
            }
            Heard::Faulted => {
                self.meet("faulted");
                self.pay();
            }
            Heard::Past { id, text, .. } => self.page.push((id, text)),
            Heard::PageEnd { room, last } => {
                self.meet("page");
                let lines = std::mem::take(&mut self.page);
                let next = self.caught.as_mut().and_then(|caught| caught.on_page(&lines, last));
                self.pages.push(Page { room, lines });
                return self.ask_page(next);
            }
            Heard::PageRefused => {
                self.pay();
                self.page.clear();
                let next = self.caught.as_mut().and_then(Caught::on_refusal);
                return self.ask_page(next);
            }
            Heard::Listed(room) => {
                if let Some(caught) = &mut self.caught {
                    caught.listed.insert(room);
                }
            }
            Heard::Whereabouts(rooms) => {
                if let Some(caught) = &mut self.caught {
                    caught.listed.extend(rooms);
                }
            }
        }
        String::new()
    }

    fn on_said(&mut self, now_us: u64, room: Option<String>, id: String, text: String, delayed: bool) {
        let own = self.sent.get_mut(&text).filter(|sent| sent.acked.is_none() && sent.connection == self.connection);
        if let Some(sent) = own {
            sent.acked = Some((id.clone(), now_us));
            let name = match self.plan.speaks {
                Speaks::Irc => "acknowledged-irc",
                Speaks::Xmpp => "acknowledged-xmpp",
            };
            self.meet(name);
        }
        let inside = room.as_ref().is_none_or(|room| self.inside.contains_key(room));
        self.seen.push(Seen { room, id, text, inside, delayed, connection: self.connection, at_us: now_us });
    }

    /// The line seen last in a room on the connection it has.
    pub(crate) fn last_seen(&self, room: &str) -> Option<&Seen> {
        let here = |seen: &&Seen| seen.connection == self.connection && seen.room.as_deref() == Some(room);
        self.seen.iter().rev().find(here)
    }

    /// An error has come: everything owed so far is paid, since errors come in order.
    fn pay(&mut self) {
        self.debts.iter_mut().for_each(|debt| debt.paid = true);
    }

    /// Begins to read rooms from one end, as whoever was away would.
    pub(crate) fn catch_up(&mut self, plan: &Plan, rooms: Vec<ToRead>, newest: bool) -> String {
        let own = plan.clients.iter().position(|client| client.nick == self.plan.nick).unwrap_or(0);
        let others = plan.clients.iter().cycle().skip(own).take(plan.clients.len().min(LOOKED_AT_MAX));
        let others: Vec<String> = others.map(|client| client.nick.clone()).collect();
        self.page.clear();
        let mut caught = Caught::new(rooms, newest);
        let first = caught.begin();
        self.caught = Some(caught);
        let look = self.wire.look_around(&others);
        look + &self.ask_page(first)
    }

    fn ask_page(&mut self, next: Option<catchup::Ask>) -> String {
        next.map(|ask| self.wire.page(&ask.room, ask.edge.as_deref(), ask.newest)).unwrap_or_default()
    }

    fn meet(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }
}
