//! ChanServ: registration of channels and standing in them. A registered channel is a room that stays when it is empty; the standing of accounts
//! in it is its access list.

use super::{Row, Service, account_named, code};
use crate::command::{Command, Refusal, Reply, Target};
use crate::event::RoomView;
use crate::irc::Session;
use crate::irc::channel::room_of;
use crate::irc::said::channel_name;
use crate::operator::{OperatorCommand, OperatorReply};
use lavina_crdt::barred::{Bar, Barred};
use lavina_crdt::content::Principal;
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::room::{Act, Flag, Rank};
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    ("REGISTER", 1, "<#channel>", "keeps the channel for you", register),
    ("DROP", 1, "<#channel> [code]", "ends the registration", unregister),
    ("UNREGISTER", 1, "<#channel> [code]", "the same", unregister),
    ("INFO", 1, "<#channel>", "shows whose it is", info),
    ("AMODE", 1, "<#channel> [+q|+a|+o|+h|+v|-<letter> <account>]", "shows or changes the standing of accounts", amode),
    ("ACCESS", 1, "<#channel>", "shows the standing of accounts", amode),
    ("TRANSFER", 2, "<#channel> <account> [code]", "gives the channel away", transfer),
    ("OP", 1, "<#channel> [nick]", "makes an operator", op),
    ("DEOP", 1, "<#channel> [nick]", "takes an operator's standing", deop),
    ("INVITE", 2, "<#channel> <nick>", "lets somebody in", invite),
    ("PURGE", 1, "ADD|DEL|LIST [#channel] [reason]", "closes a channel (network operators)", purge),
];

const LETTERS: [(char, Rank); 5] =
    [('q', Rank::Founder), ('a', Rank::Admin), ('o', Rank::Operator), ('h', Rank::HalfOp), ('v', Rank::Voice)];

fn say(session: &mut Session, text: &str) {
    session.service(Service::Chan, text);
}

fn refuse(session: &mut Session, refusal: &Refusal) {
    session.service_refuses(Service::Chan, refusal);
}

/// The room of that name, where there is one that the asker may see.
fn with_room(
    session: &mut Session,
    name: &str,
    then: impl FnOnce(&mut Session, Arc<RoomView>) + Send + Sync + 'static,
) {
    let Some(room) = room_of(name) else { return say(session, "That is not a channel's name.") };
    session.ask(Command::RoomInfo(room), move |session, _, answer| match answer {
        Ok(Reply::Room(Some(view))) => then(session, view),
        Ok(_) => say(session, "There is no such channel."),
        Err(refusal) => refuse(session, &refusal),
    });
}

fn act(session: &mut Session, room: RoomName, acts: Vec<Act>, done: String) {
    session.ask(Command::Act(room, acts), move |session, _, answer| match answer {
        Ok(_) => say(session, &done),
        Err(refusal) => refuse(session, &refusal),
    });
}

/// The asker's account, when it is a founder.
fn founder(session: &mut Session, view: &RoomView) -> Option<Principal> {
    let account = session.me.account.clone().map(Principal::Account);
    let founder = account.filter(|account| view.state.rank(account) == Rank::Founder);
    if founder.is_none() {
        say(session, "Only the channel's founder may do that, logged in.");
    }
    founder
}

fn register(session: &mut Session, params: &[&str]) {
    let Some(account) = session.me.account.clone().map(Principal::Account) else {
        return say(session, "You must be logged in to register a channel.");
    };
    with_room(session, params.first().copied().unwrap_or_default(), move |session, view| {
        let channel = channel_name(&view.name);
        if view.state.has(Flag::Persistent) {
            return say(session, &format!("Channel {channel} is registered already."));
        }
        if view.state.rank(&account) < Rank::Operator {
            return say(session, "You must be an operator of the channel to register it.");
        }
        let acts = vec![Act::SetFlag { flag: Flag::Persistent, on: true }];
        act(session, view.name.clone(), acts, format!("Channel {channel} successfully registered."));
    });
}

fn unregister(session: &mut Session, params: &[&str]) {
    let given = params.get(1).map(|code| (*code).to_owned());
    with_room(session, params.first().copied().unwrap_or_default(), move |session, view| {
        let channel = channel_name(&view.name);
        if founder(session, &view).is_none() {
            return;
        }
        if !view.state.has(Flag::Persistent) {
            return say(session, &format!("Channel {channel} is not registered."));
        }
        let wanted = code(session, &format!("drop {channel}"));
        if given.as_deref() != Some(wanted.as_str()) {
            return say(session, &format!("To confirm, say: DROP {channel} {wanted}"));
        }
        let acts = vec![Act::SetFlag { flag: Flag::Persistent, on: false }];
        act(session, view.name.clone(), acts, format!("Channel {channel} is not registered any more."));
    });
}

fn info(session: &mut Session, params: &[&str]) {
    with_room(session, params.first().copied().unwrap_or_default(), |session, view| {
        let state = &view.state;
        say(session, &format!("Channel: {}", channel_name(&view.name)));
        say(session, if state.has(Flag::Persistent) { "It is registered." } else { "It is not registered." });
        if let Some(created) = state.created {
            say(session, &format!("Created at: {}", crate::irc::time::format(created.ms())));
        }
        let founders = state.ranks.iter().filter(|(_, rank)| **rank == Rank::Founder);
        let founders: Vec<&str> = founders
            .filter_map(|(who, _)| match who {
                Principal::Account(account) => Some(account.as_str()),
                Principal::Guest(_) => None,
            })
            .collect();
        let names = if founders.is_empty() { "nobody who is logged in".to_owned() } else { founders.join(", ") };
        say(session, &format!("Founder: {names}"));
    });
}

fn amode(session: &mut Session, params: &[&str]) {
    let change = params.get(1).map(|change| (*change).to_owned());
    let who = params.get(2).map(|who| (*who).to_owned());
    with_room(session, params.first().copied().unwrap_or_default(), move |session, view| match (change, who) {
        (None, _) => access(session, &view),
        (Some(change), Some(who)) => set_standing(session, &view, &change, &who),
        (Some(_), None) => say(session, "Whose standing do you mean?"),
    });
}

fn access(session: &mut Session, view: &RoomView) {
    say(session, &format!("Accounts with a standing in {}:", channel_name(&view.name)));
    for (letter, level) in LETTERS {
        for (who, rank) in &view.state.ranks {
            if let (Principal::Account(account), true) = (who, *rank == level) {
                say(session, &format!("{account} +{letter}"));
            }
        }
    }
    say(session, "End of the list.");
}

fn set_standing(session: &mut Session, view: &RoomView, change: &str, who: &str) {
    let (on, letters) = match (change.strip_prefix('+'), change.strip_prefix('-')) {
        (Some(letters), _) => (true, letters),
        (None, Some(letters)) => (false, letters),
        (None, None) => (true, change),
    };
    let rank = LETTERS.iter().find(|(letter, _)| letters == letter.to_string()).map(|(_, rank)| *rank);
    let Some(rank) = rank else { return say(session, "One of q, a, o, h and v is expected.") };
    let Some(account) = account_named(session, Service::Chan, who) else { return };
    let rank = if on { rank } else { Rank::None };
    let acts = vec![Act::SetRank { who: Principal::Account(account.clone()), rank }];
    act(session, view.name.clone(), acts, format!("{account} has {change} in {}.", channel_name(&view.name)));
}

/// In two steps, so that the channel is never without a founder.
fn transfer(session: &mut Session, params: &[&str]) {
    let [name, to, ..] = params else { return };
    let Some(to) = account_named(session, Service::Chan, to) else { return };
    let given = params.get(2).map(|code| (*code).to_owned());
    with_room(session, name, move |session, view| {
        let channel = channel_name(&view.name);
        let Some(old) = founder(session, &view) else { return };
        let new = Principal::Account(to.clone());
        if new == old {
            return say(session, "It is yours already.");
        }
        let wanted = code(session, &format!("transfer {channel} {to}"));
        if given.as_deref() != Some(wanted.as_str()) {
            return say(session, &format!("To confirm, say: TRANSFER {channel} {to} {wanted}"));
        }
        let room = view.name.clone();
        let give = Command::Act(room.clone(), vec![Act::SetRank { who: new, rank: Rank::Founder }]);
        session.ask(give, move |session, _, answer| match answer {
            Ok(_) => {
                let acts = vec![Act::SetRank { who: old, rank: Rank::Admin }];
                act(session, room, acts, format!("Channel {channel} is {to}'s."));
            }
            Err(refusal) => refuse(session, &refusal),
        });
    });
}

fn op(session: &mut Session, params: &[&str]) {
    set_operator(session, params, Rank::Operator);
}

fn deop(session: &mut Session, params: &[&str]) {
    set_operator(session, params, Rank::None);
}

fn set_operator(session: &mut Session, params: &[&str], rank: Rank) {
    let nick = params.get(1).map_or(session.me.nick.clone(), |nick| (*nick).to_owned());
    with_room(session, params.first().copied().unwrap_or_default(), move |session, view| {
        let key = Nick::new(&nick).map(|nick| nick.key()).ok();
        let occupant = view.occupants.iter().find(|occupant| Some(occupant.nick.key()) == key);
        let Some(who) = occupant.and_then(|occupant| occupant.people.first()).map(crate::event::Person::principal)
        else {
            return say(session, &format!("{nick} is not in the channel."));
        };
        if rank == Rank::Operator && view.state.rank(&who) >= Rank::Operator {
            return say(session, &format!("{nick} has that standing already."));
        }
        let acts = vec![Act::SetRank { who, rank }];
        act(session, view.name.clone(), acts, format!("The standing of {nick} is changed."));
    });
}

fn invite(session: &mut Session, params: &[&str]) {
    let [name, nick, ..] = params else { return };
    let (Some(room), Ok(nick)) = (room_of(name), Nick::new(nick)) else {
        return say(session, "A channel and a nick are expected.");
    };
    let command = Command::Invite { room, whom: Target::Nick(nick.clone()), reason: String::new() };
    session.ask(command, move |session, _, answer| match answer {
        Ok(_) => say(session, &format!("{nick} is invited.")),
        Err(refusal) => refuse(session, &refusal),
    });
}

fn purge(session: &mut Session, params: &[&str]) {
    let verb = params.first().map(|verb| verb.to_ascii_uppercase()).unwrap_or_default();
    let room = params.get(1).and_then(|name| room_of(name));
    let reason = params.get(2..).filter(|words| !words.is_empty()).map_or("closed".to_owned(), |words| words.join(" "));
    let command = match (verb.as_str(), room) {
        ("ADD", Some(room)) => {
            OperatorCommand::Bar(Barred::Room(room), Some(Bar { reason, by: String::new(), until_ms: None }))
        }
        ("DEL", Some(room)) => OperatorCommand::Bar(Barred::Room(room), None),
        ("LIST", _) => OperatorCommand::Bars,
        _ => return say(session, "PURGE ADD or DEL with a channel, or PURGE LIST."),
    };
    session.ask(Command::Operator(command), |session, _, answer| match answer {
        Ok(Reply::Operator(OperatorReply::Bars(bars))) => {
            for (target, bar, _) in bars {
                if let Barred::Room(room) = target {
                    say(session, &format!("{} by {}: {}", channel_name(&room), bar.by, bar.reason));
                }
            }
            say(session, "End of the list.");
        }
        Ok(Reply::Operator(OperatorReply::NotThere)) => say(session, "That channel is not closed."),
        Ok(_) => say(session, "It is done."),
        Err(refusal) => refuse(session, &refusal),
    });
}
