//! MODE both ways: mode strings to acts, and changes of a room's state to mode strings. RFC 2811 section 4, modern.ircdocs.horse
//! "Channel Modes".
//!
//! One of somebody's standings counts, the highest; those beneath it are marks, shown beside it, of which the next is what counts once that is taken.

use super::channel::room_of;
use super::names::{letter, shown, standings};
use super::numerics::*;
use super::said::channel_name;
use super::user_modes::user_mode;
use super::{Message, Now, Session};
use crate::command::{Command, Refusal, Reply};
use crate::event::{Occupant, Person, RoomView};
use lavina_crdt::content::Principal;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::room::{Act, Ban, Denied, Flag, Mask, Rank, RoomState};
use std::collections::{BTreeMap, BTreeSet};

/// Changes with a parameter in one MODE; advertised as MODES.
pub(super) const MODES_MAX: usize = 12;
/// Longest topic, in bytes; advertised as TOPICLEN. Leaves room for the longest source and channel in one line.
pub(super) const TOPIC_BYTES_MAX: usize = 332;
/// Longest key, in bytes (RFC 2812 section 2.3.1 has 23).
const KEY_BYTES_MAX: usize = 32;
/// Longest mask, in bytes: nick, user and host with room for wildcards.
const MASK_BYTES_MAX: usize = 160;

const FLAGS: &[(char, Flag)] = &[
    ('C', Flag::NoRequests),
    ('i', Flag::InviteOnly),
    ('m', Flag::Moderated),
    ('M', Flag::RegisteredSpeak),
    ('n', Flag::NoExternal),
    ('P', Flag::Persistent),
    ('R', Flag::RegisteredOnly),
    ('s', Flag::Secret),
    ('t', Flag::TopicLocked),
    ('u', Flag::Auditorium),
];

const RANKS: &[(char, Rank)] =
    &[('q', Rank::Founder), ('a', Rank::Admin), ('o', Rank::Operator), ('h', Rank::HalfOp), ('v', Rank::Voice)];

/// The lists of masks: letter, numeric of an item, of the end, its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Bans,
    Exceptions,
    Invited,
}

impl List {
    const ALL: [Self; 3] = [Self::Bans, Self::Exceptions, Self::Invited];

    const fn letter(self) -> char {
        match self {
            Self::Bans => 'b',
            Self::Exceptions => 'e',
            Self::Invited => 'I',
        }
    }

    const fn of(self, state: &RoomState) -> &BTreeMap<Mask, Ban> {
        match self {
            Self::Bans => &state.bans,
            Self::Exceptions => &state.exceptions,
            Self::Invited => &state.invite_exceptions,
        }
    }

    fn act(self, mask: Mask, on: bool) -> Act {
        match self {
            Self::Bans => Act::SetBan { mask, ban: on.then(String::new) },
            Self::Exceptions => Act::SetException { mask, on },
            Self::Invited => Act::SetInviteException { mask, on },
        }
    }

    const fn numerics(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Bans => (RPL_BANLIST, RPL_ENDOFBANLIST, "End of channel ban list"),
            Self::Exceptions => (RPL_EXCEPTLIST, RPL_ENDOFEXCEPTLIST, "End of channel exception list"),
            Self::Invited => (RPL_INVEXLIST, RPL_ENDOFINVEXLIST, "End of channel invite exception list"),
        }
    }
}

/// What a mode string asks for.
#[derive(Debug, Default)]
struct Wanted {
    /// Acts that need nothing more to be known.
    acts: Vec<Act>,
    /// Ranks by nick.
    ranks: Vec<(Rank, bool, String)>,
    /// Lists to be shown.
    shown: Vec<List>,
}

/// MODE.
pub(super) fn mode(session: &mut Session, _now: Now, message: &Message<'_>) {
    let name = message.param(0).unwrap_or_default();
    if !name.starts_with('#') {
        return user_mode(session, message);
    }
    let Some(modes) = message.param(1) else { return query(session, name) };
    let Some(room) = room_of(name) else { return session.no_such_channel(name) };
    let params = message.params().get(2..).unwrap_or_default();
    let wanted = parse(session, name, modes, params);
    if wanted.ranks.is_empty() && wanted.shown.is_empty() {
        act(session, room, wanted.acts);
        return;
    }
    // Whom a nick means, and what is on a list, is only known with the room at hand.
    session.answers.hold();
    session.ask(Command::RoomInfo(room.clone()), move |session, _, answer| match answer {
        Ok(Reply::Room(Some(view))) => with_room(session, &view, wanted),
        Ok(_) => session.no_such_channel(&channel_name(&room)),
        Err(refusal) => session.refuse_in("MODE", &channel_name(&room), &refusal),
    });
}

fn query(session: &mut Session, name: &str) {
    let Some(room) = room_of(name) else { return session.no_such_channel(name) };
    session.ask(Command::RoomInfo(room.clone()), move |session, _, answer| {
        let Ok(Reply::Room(Some(view))) = answer else { return session.no_such_channel(&channel_name(&room)) };
        let channel = channel_name(&view.name);
        let mut letters = "+".to_owned();
        let mut params = Vec::new();
        letters.extend(FLAGS.iter().filter(|(_, flag)| view.state.has(*flag)).map(|(letter, _)| letter));
        if let Some(key) = &view.state.key {
            letters.push('k');
            // The key is for those who have used it.
            params.push(if view.own_nick.is_some() { key.clone() } else { "*".to_owned() });
        }
        if let Some(limit) = view.state.limit {
            letters.push('l');
            params.push(limit.to_string());
        }
        if let Some(forward) = &view.state.forward {
            letters.push('f');
            params.push(channel_name(forward));
        }
        let mut words = vec![channel.as_str(), letters.as_str()];
        words.extend(params.iter().map(String::as_str));
        session.numeric_words(RPL_CHANNELMODEIS, &words);
        if let Some(created) = view.state.created {
            session.numeric_words(RPL_CREATIONTIME, &[&channel, &(created.ms() / 1000).to_string()]);
        }
    });
}

fn parse(session: &mut Session, channel: &str, modes: &str, params: &[&str]) -> Wanted {
    let mut wanted = Wanted::default();
    let mut params = params.iter().copied().take(MODES_MAX);
    let mut on = true;
    for c in modes.chars() {
        let list = List::ALL.into_iter().find(|list| list.letter() == c);
        let rank = RANKS.iter().find(|(letter, _)| *letter == c).map(|(_, rank)| *rank);
        let flag = FLAGS.iter().find(|(letter, _)| *letter == c).map(|(_, flag)| *flag);
        if let Some(list) = list {
            match params.next() {
                Some(text) => match mask(text) {
                    Some(mask) => wanted.acts.push(list.act(mask, on)),
                    None => session.bad_mode_param(channel, c, text, "That is not a mask"),
                },
                None if wanted.shown.contains(&list) => {}
                None => wanted.shown.push(list),
            }
        } else if let Some(rank) = rank {
            match params.next() {
                Some(nick) => wanted.ranks.push((rank, on, nick.to_owned())),
                None => session.bad_mode_param(channel, c, "*", "Whom do you mean?"),
            }
        } else if let Some(flag) = flag {
            wanted.acts.push(Act::SetFlag { flag, on });
        } else {
            match (c, on) {
                ('+', _) => on = true,
                ('-', _) => on = false,
                ('k', true) => match params.next() {
                    Some(key) if is_key(key) => wanted.acts.push(Act::SetKey(Some(key.to_owned()))),
                    // What was meant to be a secret is not repeated.
                    Some(_) => session.bad_mode_param(channel, c, "*", "That cannot be a key"),
                    None => session.bad_mode_param(channel, c, "*", "Which key?"),
                },
                ('k', false) => {
                    params.next();
                    wanted.acts.push(Act::SetKey(None));
                }
                ('l', true) => match params.next() {
                    Some(text) => match text.parse::<u32>() {
                        Ok(limit) if limit > 0 => wanted.acts.push(Act::SetLimit(Some(limit))),
                        Ok(_) | Err(_) => session.bad_mode_param(channel, c, text, "That is not a limit"),
                    },
                    None => session.bad_mode_param(channel, c, "*", "Which limit?"),
                },
                ('l', false) => wanted.acts.push(Act::SetLimit(None)),
                ('f', true) => match params.next() {
                    Some(text) => match room_of(text) {
                        Some(room) => wanted.acts.push(Act::SetForward(Some(room))),
                        None => session.bad_mode_param(channel, c, text, "That is not a channel"),
                    },
                    None => session.bad_mode_param(channel, c, "*", "Which channel?"),
                },
                ('f', false) => wanted.acts.push(Act::SetForward(None)),
                _ => session.numeric(ERR_UNKNOWNMODE, &[&c.to_string()], "is unknown mode char to me"),
            }
        }
    }
    wanted
}

impl Session {
    fn bad_mode_param(&mut self, channel: &str, mode: char, param: &str, text: &str) {
        self.numeric(ERR_INVALIDMODEPARAM, &[channel, &mode.to_string(), param], text);
    }
}

fn is_key(key: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.contains([',', ' ', ':']) && !key.contains(char::is_control)
}

/// A mask as typed: an extban (`$a:name`, `$U`, `$m:mask`; `~` stands for `$` too), or whatever of `nick!user@host` was given.
fn mask(text: &str) -> Option<Mask> {
    let is_plain = !text.starts_with(['$', '~', ':']);
    let mask = Mask::parse(text).filter(|_| text.len() <= MASK_BYTES_MAX)?;
    // What looks like an extban and is none of these is not a nick.
    (is_plain || !matches!(mask, Mask::Glob(_))).then_some(mask)
}

fn with_room(session: &mut Session, view: &RoomView, wanted: Wanted) {
    let channel = channel_name(&view.name);
    for list in wanted.shown {
        let (item, end, words) = list.numerics();
        for (mask, ban) in list.of(&view.state) {
            let at = (ban.at.ms() / 1000).to_string();
            session.numeric_words(item, &[&channel, &mask.to_string(), ban.by.as_str(), &at]);
        }
        session.numeric(end, &[&channel], words);
    }
    let mut acts = wanted.acts;
    let mut becoming: BTreeMap<Principal, Standings> = BTreeMap::new();
    for (rank, on, nick) in wanted.ranks {
        let Some(who) = principal_of(view, &nick) else {
            absent(session, nick, channel.clone());
            continue;
        };
        let standings = becoming.entry(who.clone()).or_insert_with(|| Standings::of(&view.state, &who));
        acts.extend(standings.change(&who, rank, on, view.state.has(Flag::Persistent)));
    }
    act(session, view.name.clone(), acts);
}

/// Somebody's standing, and those beneath it.
struct Standings {
    rank: Rank,
    beneath: BTreeSet<Rank>,
}

impl Standings {
    fn of(state: &RoomState, who: &Principal) -> Self {
        Self { rank: state.rank(who), beneath: state.beneath(who).into_iter().collect() }
    }

    /// Gives or takes one of them; the acts that do it, in an order in which nothing shows for a moment that does not last.
    fn change(&mut self, who: &Principal, rank: Rank, on: bool, in_lasting_room: bool) -> Vec<Act> {
        let mark = |rank, on| Act::SetMark { who: who.clone(), rank, on };
        let shown = shown(self.rank, in_lasting_room);
        if on && self.rank < rank {
            let old = std::mem::replace(&mut self.rank, rank);
            self.beneath.remove(&rank);
            let is_kept = old >= Rank::Voice && self.beneath.insert(old);
            let kept = is_kept.then(|| mark(old, true));
            return kept.into_iter().chain([Act::SetRank { who: who.clone(), rank }]).collect();
        }
        if on {
            let is_new = rank < shown && self.beneath.insert(rank);
            return is_new.then(|| mark(rank, true)).into_iter().collect();
        }
        if self.rank != rank && shown != rank {
            return self.beneath.remove(&rank).then(|| mark(rank, false)).into_iter().collect();
        }
        let next = self.beneath.pop_last();
        self.rank = next.unwrap_or_default();
        let counts = Act::SetRank { who: who.clone(), rank: self.rank };
        std::iter::once(counts).chain(next.map(|next| mark(next, false))).collect()
    }
}

/// Says of somebody who is not in the channel whether they are on the network at all.
fn absent(session: &mut Session, nick: String, channel: String) {
    let Ok(wanted) = Nick::new(&nick) else { return session.no_such_nick(&nick) };
    session.ask(Command::FindNick(wanted), move |session, _, answer| match answer {
        Ok(Reply::People(people)) if !people.is_empty() => session.not_in_channel(&nick, &channel),
        Ok(_) | Err(_) => session.no_such_nick(&nick),
    });
}

/// Whom a nick means: an occupant, or somebody absent with a standing in the room.
fn principal_of(view: &RoomView, nick: &str) -> Option<Principal> {
    let key = Nick::new(nick).ok()?.key();
    let occupant = view.occupants.iter().find(|occupant| occupant.nick.key() == key);
    if let Some(person) = occupant.and_then(|occupant| occupant.people.first()) {
        return Some(person.principal());
    }
    let absent = Principal::Account(AccountName::new(nick).ok()?);
    view.state.ranks.contains_key(&absent).then_some(absent)
}

fn act(session: &mut Session, room: RoomName, acts: Vec<Act>) {
    if acts.is_empty() {
        return;
    }
    let channel = channel_name(&room);
    let forward = acts.iter().find_map(|act| if let Act::SetForward(to) = act { to.clone() } else { None });
    let forward = forward.filter(|_| session.rooms.contains(&room));
    session.ask(Command::Act(room, acts), move |session, _, answer| match (answer, forward) {
        (Ok(_), _) => {}
        // The room itself is there, since the session is in it.
        (Err(Refusal::Denied(Denied::NoRoom)), Some(to)) => {
            session.bad_mode_param(&channel, 'f', &channel_name(&to), "There is no such channel");
        }
        (Err(Refusal::TooMany("masks")), _) => {
            session.numeric(ERR_BANLISTFULL, &[&channel, "b"], "Channel ban list is full");
        }
        (Err(refusal), _) => session.refuse_in("MODE", &channel, &refusal),
    });
}

/// One change of a mode.
type Change = (bool, char, Option<String>);

/// What changed of a room, as the parameters of MODE messages after the channel: letters, then their parameters.
pub(super) fn changes(old: &RoomState, new: &RoomState, ranks: &[Occupant]) -> Vec<Vec<String>> {
    let mut changes: Vec<Change> = Vec::new();
    for (letter, flag) in FLAGS {
        if old.has(*flag) != new.has(*flag) {
            changes.push((new.has(*flag), *letter, None));
        }
    }
    if old.key != new.key {
        changes.push((new.key.is_some(), 'k', Some(new.key.clone().unwrap_or_else(|| "*".to_owned()))));
    }
    if old.limit != new.limit {
        changes.push((new.limit.is_some(), 'l', new.limit.map(|limit| limit.to_string())));
    }
    if old.forward != new.forward {
        changes.push((new.forward.is_some(), 'f', new.forward.as_ref().map(channel_name)));
    }
    for list in List::ALL {
        let (before, after) = (list.of(old), list.of(new));
        let gone = before.keys().filter(|mask| !after.contains_key(*mask)).map(|mask| (false, mask));
        let come = after.keys().filter(|mask| !before.contains_key(*mask)).map(|mask| (true, mask));
        changes.extend(gone.chain(come).map(|(on, mask)| (on, list.letter(), Some(mask.to_string()))));
    }
    for occupant in ranks {
        let Some(who) = occupant.people.first().map(Person::principal) else { continue };
        let before: Vec<Rank> = standings(old.rank(&who), &old.beneath(&who), old.has(Flag::Persistent)).collect();
        let after: Vec<Rank> = standings(occupant.rank, &occupant.beneath, occupant.in_lasting_room).collect();
        let nick = || Some(occupant.nick.to_string());
        let gone = before.iter().filter(|rank| !after.contains(rank)).map(|rank| (false, rank));
        let come = after.iter().filter(|rank| !before.contains(rank)).map(|rank| (true, rank));
        changes.extend(gone.chain(come).filter_map(|(on, rank)| Some((on, letter(*rank)?, nick()))));
    }
    changes.chunks(MODES_MAX).map(words).collect()
}

/// What acts ask for, as the parameters of MODE messages after the channel. Of standings those of accounts: which nick somebody without one had is not
/// known any more.
pub(super) fn of_acts(acts: &[Act]) -> Vec<Vec<String>> {
    let changes: Vec<Change> = acts.iter().filter_map(change).collect();
    changes.chunks(MODES_MAX).map(words).collect()
}

fn change(act: &Act) -> Option<Change> {
    Some(match act {
        Act::SetRank { who: Principal::Account(account), rank } => {
            // Which letter was taken is not said by what took it: that of an operator stands for it.
            let letter = letter(*rank).unwrap_or('o');
            (*rank > Rank::Member, letter, Some(account.to_string()))
        }
        Act::SetBan { mask, ban } => (ban.is_some(), 'b', Some(mask.to_string())),
        Act::SetException { mask, on } => (*on, 'e', Some(mask.to_string())),
        Act::SetInviteException { mask, on } => (*on, 'I', Some(mask.to_string())),
        Act::SetFlag { flag, on } => (*on, FLAGS.iter().find(|(_, known)| known == flag)?.0, None),
        // A key is for those who have used it.
        Act::SetKey(key) => (key.is_some(), 'k', Some("*".to_owned())),
        Act::SetLimit(limit) => (limit.is_some(), 'l', limit.map(|limit| limit.to_string())),
        Act::SetForward(room) => (room.is_some(), 'f', room.as_ref().map(channel_name)),
        Act::SetRank { who: Principal::Guest(_), .. }
        | Act::Create
        | Act::SetTopic(_)
        | Act::SetTitle(_)
        | Act::SetDescription(_)
        | Act::SetNote { .. }
        // What is taken or given beneath a standing does not say whether it showed.
        | Act::SetMark { .. }
        | Act::SetMoved(_)
        | Act::SetFormer(_)
        | Act::SetClosed(_) => return None,
    })
}

fn words(changes: &[Change]) -> Vec<String> {
    let mut letters = String::new();
    let mut sign = None;
    for (on, letter, _) in changes {
        if sign != Some(*on) {
            letters.push(if *on { '+' } else { '-' });
            sign = Some(*on);
        }
        letters.push(*letter);
    }
    std::iter::once(letters).chain(changes.iter().filter_map(|(_, _, param)| param.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_completed() {
        let glob = |text| match mask(text) {
            Some(Mask::Glob(glob)) => glob,
            other => format!("{other:?}"),
        };
        assert_eq!(glob("Bad"), "bad!*@*");
        assert_eq!(glob("*@Host"), "*!*@host");
        assert_eq!(glob("a!b"), "a!b@*");
        assert_eq!(glob("a!b@c"), "a!b@c");
        assert_eq!(mask("$a:Alice"), Some(Mask::Account(AccountName::new("alice").unwrap())));
        assert_eq!(mask("~a:Alice"), mask("$a:Alice"));
        assert_eq!(mask("~m:bad").map(|mask| mask.to_string()).as_deref(), Some("$m:bad!*@*"));
        assert_eq!(mask("$x:alice"), None);
    }

    #[test]
    fn what_is_beneath_a_standing_is_what_is_left_of_it() {
        let who = Principal::Account(AccountName::new("alice").unwrap());
        let mark = |rank, on| Act::SetMark { who: who.clone(), rank, on };
        let counts = |rank| Act::SetRank { who: who.clone(), rank };
        let mut alice = Standings { rank: Rank::None, beneath: BTreeSet::new() };
        let mut change = |rank, on| alice.change(&who, rank, on, true);
        assert_eq!(change(Rank::Operator, true), [counts(Rank::Operator)]);
        assert_eq!(change(Rank::Voice, true), [mark(Rank::Voice, true)]);
        assert_eq!(change(Rank::Voice, true), []);
        assert_eq!(change(Rank::Admin, true), [mark(Rank::Operator, true), counts(Rank::Admin)]);
        assert_eq!(change(Rank::HalfOp, false), []);
        assert_eq!(change(Rank::Voice, false), [mark(Rank::Voice, false)]);
        assert_eq!(change(Rank::Admin, false), [counts(Rank::Operator), mark(Rank::Operator, false)]);
        assert_eq!(change(Rank::Operator, false), [counts(Rank::None)]);
        let mut made = Standings { rank: Rank::Founder, beneath: BTreeSet::new() };
        assert_eq!(made.change(&who, Rank::Operator, true, false), [], "it is shown as one");
        assert_eq!(made.change(&who, Rank::Voice, true, false), [mark(Rank::Voice, true)]);
        assert_eq!(made.change(&who, Rank::Operator, false, false), [counts(Rank::Voice), mark(Rank::Voice, false)]);
    }

    #[test]
    fn a_change_of_state_is_a_mode_string() {
        let old = RoomState { key: Some("k".to_owned()), flags: [Flag::Secret].into(), ..RoomState::default() };
        let new =
            RoomState { limit: Some(5), flags: [Flag::Moderated, Flag::InviteOnly].into(), ..RoomState::default() };
        assert_eq!(changes(&old, &new, &[]), [["+im-sk+l", "*", "5"]]);
        assert!(changes(&old, &old, &[]).is_empty());
    }
}
