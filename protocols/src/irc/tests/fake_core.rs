//! A core of one room, `#r`, in which `bob` is founder, and a few accounts. It answers what a session asks and keeps no more than that takes.

use crate::account::{AccountCommand, AccountInfo, AccountReply};
use crate::command::{
    Command, ConversationName, Counts, Gone, HistoryQuery, MessageRef, Opened, Refusal, Relate, Related, Reply,
    RoomSummary, Standing, Target,
};
use crate::event::{Conversation, Happened, Happening, HistoryPage, Occupant, Person, RoomView, Said};
use crate::operator::{NodeSummary, Operator, OperatorCommand, OperatorReply};
use crate::sasl::derive_credentials_with;
use lavina_crdt::account::Credentials;
use lavina_crdt::barred::{Bar, Barred};
use lavina_crdt::clock::Hlc;
use lavina_crdt::content::{Author, Content, Principal};
use lavina_crdt::ids::{MsgId, NodeId, OrderKey, Origin, SessionId};
use lavina_crdt::modes::{UserMode, UserModes};
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::notes::Notes;
use lavina_crdt::presence::{SessionRecord, Show};
use lavina_crdt::relation::{Redact, Relation};
use lavina_crdt::room::{Act, Ban, Denied, Flag, Mask, Rank, RoomState, Topic};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn session(number: u64) -> SessionId {
    SessionId { node: NodeId([1; 32]), number }
}

pub(super) fn nick(name: &str) -> Nick {
    Nick::new(name).unwrap()
}

pub(super) fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

pub(super) fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

pub(super) fn id(ms: u64) -> MsgId {
    OrderKey { hlc: Hlc::from_ms(ms), origin: Origin([2; 16]), seq: 1 }.msg_id()
}

pub(super) fn record(name: &str) -> SessionRecord {
    SessionRecord {
        account: (name == "bob").then(|| account("bob")),
        nick: nick(name),
        nick_since: Hlc(0),
        user: format!("u{name}"),
        host: "far".to_owned(),
        realname: format!("Real {name}"),
        resource: None,
        priority: 0,
        available: true,
        show: if name == "sleepy" { Show::Away } else { Show::Available },
        status: if name == "sleepy" { "zzz".to_owned() } else { String::new() },
        payloads: Vec::new(),
        rooms: BTreeMap::new(),
        secure: true,
        modes: UserModes::default(),
        signed_on: Hlc::from_ms(1_700_000_000_000),
    }
}

pub(super) fn person(name: &str) -> Person {
    let (record, node) = (Arc::new(record(name)), "node".into());
    let notes = (name == "bob").then(|| Arc::new(Notes::from([("url".to_owned(), "http://bob".to_owned())])));
    Person { session: session(7), record, node, unreachable_since: None, notes }
}

pub(super) fn occupant(name: &str, rank: Rank) -> Occupant {
    Occupant { nick: nick(name), rank, beneath: Vec::new(), in_lasting_room: true, people: vec![person(name)] }
}

pub(super) fn author(name: &str) -> Author {
    Author {
        session: session(7),
        account: (name == "bob").then(|| account("bob")),
        nick: nick(name),
        user: format!("u{name}"),
        host: "far".to_owned(),
    }
}

pub(super) fn said(by: &str, conversation: Conversation, content: Content) -> Said {
    Said {
        id: id(super::WALL_MS),
        conversation,
        author: author(by).into(),
        content: content.into(),
        late: false,
        by_bot: false,
        redacted: None,
    }
}

pub(super) fn in_room(by: &str, text: &str) -> Said {
    said(by, Conversation::Room(room("r")), Content::text(text))
}

fn node_summary(name: &str, in_reach: bool, round_trip_us: Option<u64>) -> NodeSummary {
    let place = ("eu".to_owned(), "a".to_owned());
    NodeSummary { name: name.into(), place, in_reach, sessions: 2, operators: 1, round_trip_us }
}

/// See the module's head.
pub(super) struct FakeCore {
    accounts: BTreeMap<AccountName, Credentials>,
    nick: Nick,
    account: Option<AccountName>,
    inside: bool,
    messages: u64,
    modes: UserModes,
    certificates: Vec<String>,
    pub(super) queries: Vec<HistoryQuery>,
    pub(super) refusal: Option<Refusal>,
    pub(super) always_on: bool,
    choice: Option<bool>,
}

impl Default for FakeCore {
    fn default() -> Self {
        let credentials = derive_credentials_with("secret", [3; 16], 4).unwrap();
        Self {
            accounts: [(account("alice"), credentials)].into(),
            nick: nick("x"),
            account: None,
            inside: false,
            messages: 0,
            modes: UserModes::default(),
            certificates: Vec::new(),
            queries: Vec::new(),
            refusal: None,
            always_on: false,
            choice: None,
        }
    }
}

impl FakeCore {
    /// The answer to a command; `None` for one that has none.
    pub(super) fn answer(&mut self, command: Command) -> Option<Result<Reply, Refusal>> {
        if matches!(command, Command::Quit(_)) {
            return None;
        }
        if !matches!(command, Command::Sync)
            && let Some(refusal) = self.refusal.take()
        {
            return Some(Err(refusal));
        }
        Some(self.carry_out(command))
    }

    fn carry_out(&mut self, command: Command) -> Result<Reply, Refusal> {
        Ok(match command {
            Command::LookupCredentials(account) => Reply::Credentials(self.accounts.get(&account).cloned()),
            Command::LogIn(account) => {
                self.account = Some(account);
                Reply::Done
            }
            Command::RegisterAccount(account, credentials, _) => {
                if self.accounts.contains_key(&account) {
                    return Err(Refusal::AccountExists);
                }
                self.accounts.insert(account, credentials);
                Reply::Done
            }
            Command::Open(open) => {
                self.claim(open.nick)?;
                self.inside |= self.always_on;
                let resumed = if self.always_on { vec![Arc::new(self.view(room("r")))] } else { Vec::new() };
                Reply::Opened(Opened {
                    session: session(1),
                    nick: self.nick.clone(),
                    account: self.account.clone(),
                    is_always_on: self.always_on,
                    resumed,
                })
            }
            Command::ClaimNick(nick) => {
                self.claim(nick)?;
                Reply::Done
            }
            Command::Join { room, key, .. } => match room.as_str() {
                "banned" => return Err(Refusal::Denied(Denied::Banned)),
                "locked" if key.as_deref() != Some("key") => return Err(Refusal::Denied(Denied::BadKey)),
                _ => {
                    let fresh = !std::mem::replace(&mut self.inside, true);
                    Reply::Joined(Arc::new(self.view(room)), fresh)
                }
            },
            Command::Say(Target::Nick(to), _) if to.as_str() == "nobody" => return Err(Refusal::NoSuchNick),
            Command::Say(Target::Room(to), _) if to.as_str() == "mute" => {
                return Err(Refusal::Denied(Denied::Moderated));
            }
            Command::Relate(related) => {
                let Related { target, of, how, mut content } = *related;
                match (of, how) {
                    (MessageRef::Id(of), Relate::Redact(_)) if of != id(super::WALL_MS) => {
                        return Err(Refusal::NoSuchMessage);
                    }
                    (MessageRef::Id(of), Relate::Redact(reason)) => {
                        content.relation = Some(Box::new(Relation::Redact(Redact { of, reason, moderated: false })));
                    }
                    _ => {}
                }
                Reply::Said(Arc::new(self.say(target, content)))
            }
            Command::Say(target, content) => Reply::Said(Arc::new(self.say(target, content))),
            Command::RoomInfo(room) if room.as_str() == "nowhere" => Reply::Room(None),
            Command::RoomInfo(room) => Reply::Room(Some(Arc::new(self.view(room)))),
            Command::Part { room, .. } if room.as_str() != "r" => return Err(Refusal::Denied(Denied::NotPresent)),
            Command::Kick { nick, .. } if nick.as_str() == "nobody" => return Err(Refusal::NoSuchOccupant),
            Command::ListRooms => Reply::Rooms(vec![
                RoomSummary {
                    name: room("r"),
                    occupants: 2,
                    topic: "On things".to_owned(),
                    title: String::new(),
                    created_ms: Some(super::WALL_MS - 600_000),
                    topic_ms: Some(super::WALL_MS - 60_000),
                },
                RoomSummary {
                    name: room("other"),
                    occupants: 9,
                    topic: String::new(),
                    title: String::new(),
                    created_ms: Some(super::WALL_MS),
                    topic_ms: None,
                },
            ]),
            Command::FindNick(nick) if nick.as_str() == "nobody" => Reply::People(Vec::new()),
            Command::FindNick(nick) => {
                let own = nick == self.nick;
                let person = person(nick.as_str());
                Reply::People(vec![Person { session: if own { session(1) } else { person.session }, ..person }])
            }
            Command::LookUpNick(nick) if nick.as_str() == "nobody" => Reply::LookedUp(Vec::new(), Vec::new(), 0),
            Command::LookUpNick(nick) => {
                let standing = Standing { room: room("r"), rank: Rank::Founder, in_lasting_room: false };
                let standings = if nick.as_str() == "bob" { vec![standing] } else { Vec::new() };
                Reply::LookedUp(vec![person(nick.as_str())], standings, 61_500)
            }
            // Somebody with two sessions is found with both.
            Command::FindMask { .. } => Reply::People(vec![person("bob"), person("bob"), person("sleepy")]),
            Command::History(query) => {
                let page = Self::page(&query);
                self.queries.push(query);
                Reply::History(page)
            }
            Command::HistoryTargets { .. } => Reply::Targets(vec![
                (ConversationName::Room(room("r")), 1_000),
                (ConversationName::Account(account("bob")), 2_000),
            ]),
            Command::ListInvitations => Reply::Invitations(vec![room("other")]),
            Command::Mark(_, Some(at_ms)) => Reply::Mark(Some(at_ms.max(1_000))),
            Command::Mark(_, None) => Reply::Mark(None),
            Command::Watch(nicks) => Reply::People(
                nicks.iter().filter(|nick| nick.as_str() != "nobody").map(|nick| person(nick.as_str())).collect(),
            ),
            Command::Counts => {
                let (sessions, sessions_max, sessions_here, sessions_here_max) = (5, 7, 2, 2);
                let (unknown, invisible, operators, rooms, nodes) = (0, 1, 1, 3, 3);
                Reply::Counts(Counts {
                    sessions,
                    sessions_max,
                    sessions_here,
                    sessions_here_max,
                    unknown,
                    invisible,
                    operators,
                    rooms,
                    nodes,
                })
            }
            Command::SetModes(changes) => {
                let old = self.modes;
                self.modes = changes.iter().fold(old, |modes, (mode, on)| modes.set(*mode, *on));
                Reply::Modes(old, self.modes)
            }
            Command::Account(command) => Reply::Account(self.account_command(command)?),
            Command::Operator(command) => Reply::Operator(self.operator(command)?),
            Command::FindGone(nick, _) if nick.as_str() == "nobody" => Reply::Gone(Vec::new()),
            Command::FindGone(nick, limit) => {
                let gone = |at_ms| Gone { record: Arc::new(record(nick.as_str())), node: "far".into(), at_ms };
                Reply::Gone([gone(60_000), gone(0)].into_iter().take(limit).collect())
            }
            Command::Knock(room, _) if room.as_str() == "r" => return Err(Refusal::AlreadyPresent),
            Command::Knock(room, _) if room.as_str() == "open" => return Err(Refusal::NeedsNoInvitation),
            Command::Knock(room, _) if room.as_str() == "again" => return Err(Refusal::TooMany("knocks")),
            Command::RenameRoom { to, .. } if to.as_str() == "other" => return Err(Refusal::RoomExists),
            Command::Knock(..)
            | Command::RenameRoom { .. }
            | Command::SetNote(..)
            | Command::SetCredentials(_)
            | Command::SetPresence(_)
            | Command::SetRealname(_)
            | Command::Sync
            | Command::Quit(_)
            | Command::Part { .. }
            | Command::SetRoomNick { .. }
            | Command::Act(..)
            | Command::Kick { .. }
            | Command::Invite { .. }
            | Command::RosterGet
            | Command::RosterSet(..)
            | Command::Subscription(..)
            | Command::Whisper(..)
            | Command::Abroad(_)
            | Command::Blocked
            | Command::Block(..)
            | Command::LookAt(..)
            | Command::Latest(_)
            | Command::Unwakeable(..)
            | Command::RegisterGet(_)
            | Command::RegisterSet(..) => Reply::Done,
        })
    }

    fn account_command(&mut self, command: AccountCommand) -> Result<AccountReply, Refusal> {
        Ok(match command {
            AccountCommand::Info(account) => {
                let known = self.accounts.contains_key(&account);
                let info = AccountInfo {
                    name: account,
                    registered_ms: 1_600_000_000_000,
                    sessions: 1,
                    is_always_on: self.always_on,
                    always_on_choice: self.choice,
                };
                AccountReply::Info(known.then_some(info))
            }
            AccountCommand::ByCertificate(fingerprint) => {
                AccountReply::Named(self.certificates.contains(&fingerprint).then(|| account("alice")))
            }
            _ if self.account.is_none() => return Err(Refusal::NeedsAccount),
            AccountCommand::LogOut => {
                self.account = None;
                AccountReply::Done
            }
            AccountCommand::Secret(..) => AccountReply::Secret(None),
            AccountCommand::TakeWaiting => AccountReply::Waiting(None),
            AccountCommand::WaitsFrom(_)
            | AccountCommand::WaitsOnlyFrom(_)
            | AccountCommand::Wake
            | AccountCommand::StartOver(_) => AccountReply::Done,
            AccountCommand::Inviting | AccountCommand::Invite(..) | AccountCommand::Meet(..) => {
                return Err(Refusal::NotOperator);
            }
            AccountCommand::Invitation(_) => AccountReply::Invitation(None),
            AccountCommand::LastActive(_) => AccountReply::LastActive(None),
            AccountCommand::Sessions => AccountReply::Sessions(vec![person("alice"), person("bob")]),
            AccountCommand::End(_) => AccountReply::Ended(1),
            AccountCommand::Seen(device) => AccountReply::Seen((device == "phone").then_some(2_000)),
            AccountCommand::SetAlwaysOn(choice) => {
                (self.choice, self.always_on) = (choice, choice == Some(true));
                AccountReply::Done
            }
            AccountCommand::SetSeen(..) => AccountReply::Done,
            AccountCommand::Certificates => AccountReply::Certificates(self.certificates.clone()),
            AccountCommand::SetCertificates(certificates) => {
                self.certificates = certificates;
                AccountReply::Done
            }
        })
    }

    fn operator(&mut self, command: OperatorCommand) -> Result<OperatorReply, Refusal> {
        let root = || Operator {
            name: "root".to_owned(),
            password: Some(derive_credentials_with("hunter2", [4; 16], 4).unwrap().sha256),
            account: None,
            title: String::new(),
        };
        Ok(match command {
            OperatorCommand::LookUp(name) => OperatorReply::Operator((name == "root").then(root)),
            OperatorCommand::Become(_) => {
                self.modes = self.modes.set(UserMode::Operator, true);
                OperatorReply::Done
            }
            OperatorCommand::Report { .. } => OperatorReply::Done,
            OperatorCommand::Nodes => OperatorReply::Nodes(vec![
                node_summary("node", true, None),
                node_summary("far", true, Some(80_250)),
                node_summary("gone", false, None),
            ]),
            _ if !self.modes.has(UserMode::Operator) => return Err(Refusal::NotOperator),
            OperatorCommand::Kill { nick, .. } if nick.as_str() == "nobody" => return Err(Refusal::NoSuchNick),
            OperatorCommand::Bar(_, None) => OperatorReply::NotThere,
            OperatorCommand::Bars => {
                let bar = Bar { reason: "spam".to_owned(), by: "root".to_owned(), until_ms: Some(super::WALL_MS) };
                let targets = ["evil", "*@192.0.2.0/24"].map(|text| Barred::parse(text).unwrap());
                OperatorReply::Bars(targets.map(|target| (target, bar.clone(), 1_600_000_000_000)).into())
            }
            OperatorCommand::Operators => OperatorReply::Operators(vec![root()]),
            OperatorCommand::Resign
            | OperatorCommand::Kill { .. }
            | OperatorCommand::Wallops(_)
            | OperatorCommand::Bar(..)
            | OperatorCommand::Reload => OperatorReply::Done,
        })
    }

    fn claim(&mut self, nick: Nick) -> Result<(), Refusal> {
        if nick.as_str() == "taken" {
            return Err(Refusal::NickInUse);
        }
        self.nick = nick;
        Ok(())
    }

    fn me(&self) -> Author {
        Author {
            session: session(1),
            account: self.account.clone(),
            nick: self.nick.clone(),
            user: "al".to_owned(),
            host: "host".to_owned(),
        }
    }

    fn say(&mut self, target: Target, content: Content) -> Said {
        self.messages += 1;
        let conversation = match target.clone() {
            Target::Room(room) => Conversation::Room(room),
            Target::Nick(nick) => Conversation::Direct {
                from: self.me().principal(),
                to: Principal::Account(account("bob")),
                to_nick: nick,
            },
            Target::Account(..) | Target::Occupant(..) => panic!("{target:?}"),
        };
        Said {
            id: id(super::WALL_MS + self.messages),
            conversation,
            author: self.me().into(),
            content: content.into(),
            late: false,
            by_bot: false,
            redacted: None,
        }
    }

    fn page(query: &HistoryQuery) -> HistoryPage {
        let said = |ms: u64, text: &str| Arc::new(Said { id: id(ms), late: true, ..in_room("bob", text) });
        let messages = match (query.after, query.before, query.ids.is_empty()) {
            (None, Some(_), _) => vec![said(1_000, "before")],
            (_, _, false) => vec![said(2_000, "itself")],
            (Some(_), None, _) => vec![said(3_000, "after\nsecond line")],
            (_, _, true) => vec![said(1_000, "before"), said(3_000, "after")],
        };
        let happened =
            |ms: u64, what| Arc::new(Happened { id: id(ms), room: room("r"), author: author("bob").into(), what });
        let kicked = Happening::Kicked { nick: "sleepy".to_owned(), reason: "no".to_owned() };
        let acts = vec![Act::SetTopic("new".to_owned()), Act::SetFlag { flag: Flag::Moderated, on: true }];
        let events = if query.events {
            vec![happened(1_500, Happening::Acts(acts)), happened(2_500, kicked)]
        } else {
            Vec::new()
        };
        HistoryPage { messages, events, complete: true }
    }

    fn view(&self, name: RoomName) -> RoomView {
        let at = Hlc::from_ms(1_600_000_000_000);
        let ban = Ban { reason: String::new(), by: nick("bob"), at };
        let mut own = occupant("alice", Rank::None);
        own.nick = self.nick.clone();
        own.people[0].session = session(1);
        RoomView {
            name,
            state: Arc::new(RoomState {
                created: Some(at),
                ranks: [(Principal::Account(account("bob")), Rank::Founder)].into(),
                bans: [(Mask::Glob("evil!*@*".to_owned()), ban)].into(),
                flags: [Flag::NoExternal, Flag::TopicLocked].into(),
                key: Some("key".to_owned()),
                topic: Some(Topic { text: "On things".to_owned(), by: nick("bob"), at }),
                ..RoomState::default()
            }),
            occupants: vec![own, occupant("bob", Rank::Founder), occupant("sleepy", Rank::Voice)],
            own_nick: self.inside.then(|| self.nick.clone()),
            created: false,
        }
    }
}
