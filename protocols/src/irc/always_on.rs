//! A session of an account that is always on: it begins in the account's rooms, and a client that cannot ask for history is shown what its
//! device has missed.
//!
//! A device is what comes after `@` in the user name (`alice@phone`). Until when it has seen what was said is kept when the session ends and now and
//! then before, as the time at which the client was heard last: after a crash some lines may come twice. What comes from behind a cut with an
//! earlier stamp is not shown again by itself; history has it.

use super::history::shown_target;
use super::said::{self, Look};
use super::{Answer, Caps, Now, Session, channel};
use crate::account::{AccountCommand, AccountInfo, AccountReply};
use crate::command::{Bound, Command, HistoryOf, HistoryQuery, Opened, Reply};
use crate::event::{Event, RoomView, Said};
use crate::render::Renders;
use crate::session::Output;
use lavina_crdt::names::RoomName;
use std::sync::Arc;

/// The device of who names none.
pub(super) const DEVICE: &str = "default";
/// Longest name of a device, bytes.
const DEVICE_BYTES_MAX: usize = 32;
/// How often it is kept what the client has seen, milliseconds.
const KEEP_EVERY_MS: u64 = 60_000;
/// Most lines of one conversation that are shown again: a screen or two.
const MISSED_MAX: usize = 200;

/// Most events kept until the client has been told where it is: more than happen within the answers to a welcome.
const UNENTERED_MAX: usize = 1_024;

/// What the session keeps of it.
#[derive(Debug)]
pub(super) struct Kept {
    /// What the client calls the device it is on.
    device: String,
    /// Whether the account stays in its rooms when this session ends.
    is_always_on: bool,
    /// When the client was heard last, milliseconds of the wall clock.
    heard_ms: u64,
    /// When that was told to the core.
    told_ms: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Self { device: DEVICE.to_owned(), is_always_on: false, heard_ms: 0, told_ms: 0 }
    }
}

impl Session {
    fn kept(&mut self) -> &mut Kept {
        self.kept.get_or_insert_default()
    }

    /// The account is always on from now on, or not any more.
    pub(super) fn set_always_on(&mut self, now: Now, on: bool) {
        let kept = self.kept();
        kept.is_always_on = on;
        (kept.heard_ms, kept.told_ms) = (now.wall_ms, now.wall_ms);
    }

    /// Asks whether the account is always on, notes it, and goes on.
    pub(super) fn learn_always_on(
        &mut self,
        now: Now,
        then: impl FnOnce(&mut Self, &AccountInfo) + Send + Sync + 'static,
    ) {
        let Some(account) = self.me.account.clone() else { return };
        self.ask(Command::Account(AccountCommand::Info(account)), move |session, _, answer| {
            if let Ok(Reply::Account(AccountReply::Info(Some(info)))) = answer {
                session.set_always_on(now, info.is_always_on);
                then(session, &info);
            }
        });
    }

    /// The client was heard.
    pub(super) fn hear(&mut self, now: Now) {
        if let Some(kept) = &mut self.kept {
            kept.heard_ms = now.wall_ms;
        }
    }

    /// The user name without the device, which is noted.
    pub(super) fn take_device<'a>(&mut self, user: &'a str) -> &'a str {
        let Some((name, device)) = user.split_once('@') else { return user };
        let is_word = device.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if is_word && (1..=DEVICE_BYTES_MAX).contains(&device.len()) {
            device.clone_into(&mut self.kept().device);
        }
        name
    }

    /// The session is visible: brings it to where its account, or its person's other sessions, are, behind the welcome.
    pub(super) fn resume(&mut self, opened: Opened) {
        if !opened.is_always_on && opened.resumed.is_empty() {
            return;
        }
        self.own().unentered = Some(Vec::new());
        self.ask(Command::Sync, move |session, now, _| {
            if opened.is_always_on {
                session.set_always_on(now, true);
            }
            let rooms: Vec<RoomName> = opened.resumed.iter().map(|view| view.name.clone()).collect();
            for view in &opened.resumed {
                channel::on_joined(session, now, view, true);
            }
            let waited = session.own().unentered.take();
            if opened.is_always_on && !session.caps.has(Caps::CHATHISTORY) {
                let seen = Command::Account(AccountCommand::Seen(session.kept().device.clone()));
                session.ask(seen, move |session, _, answer| session.show_missed(rooms, &answer));
            }
            // Behind the rooms, which are a part of this answer.
            session.answers.settle(&mut session.out, &session.config.node_name);
            let mut renders = Renders::default();
            for event in waited.into_iter().flatten() {
                session.on_event(now, &event, &mut renders);
            }
        });
    }

    /// Keeps an event that comes before the client is told where it is; says whether it did.
    pub(super) fn keeps_for_later(&mut self, event: &Arc<Event>) -> bool {
        if matches!(**event, Event::Closed { .. }) {
            return false;
        }
        let kept = self.own.as_mut().and_then(|own| own.unentered.as_mut());
        let kept = kept.filter(|kept| kept.len() < UNENTERED_MAX);
        kept.is_some_and(|kept| {
            kept.push(Arc::clone(event));
            true
        })
    }

    fn show_missed(&mut self, rooms: Vec<RoomName>, answer: &Answer) {
        let Ok(Reply::Account(AccountReply::Seen(Some(seen_ms)))) = answer else { return };
        for of in rooms.into_iter().map(HistoryOf::Room).chain([HistoryOf::Account]) {
            let query = HistoryQuery {
                of,
                after: Some(Bound::Time(*seen_ms)),
                before: None,
                ids: Vec::new(),
                texts: true,
                events: false,
                limit: MISSED_MAX,
                newest: true,
            };
            self.ask(Command::History(query), |session, now, answer| {
                if let Ok(Reply::History(page)) = answer {
                    page.messages.iter().for_each(|said| session.write_missed(now, said));
                }
            });
        }
    }

    fn write_missed(&mut self, now: Now, said: &Said) {
        let config = Arc::clone(&self.config);
        let look = Look { caps: self.caps, node: &config.node_name, wall_ms: now.wall_ms };
        for line in said::lines(&look, said, &shown_target(said), None) {
            self.reply(line);
        }
    }

    /// Another session of the account went to a room.
    pub(super) fn on_entered(&mut self, now: Now, view: &Arc<RoomView>) {
        self.answers.begin(None);
        channel::on_joined(self, now, view, true);
        self.answers.settle(&mut self.out, &self.config.node_name);
    }

    /// Keeps what has been seen, now and then.
    pub(super) fn keep_seen(&mut self, now: Now) {
        let Some(kept) = &mut self.kept else { return };
        if now.wall_ms.saturating_sub(kept.told_ms) >= KEEP_EVERY_MS {
            kept.told_ms = now.wall_ms;
            self.say_seen();
        }
    }

    /// Tells the core what has been seen. Nothing waits for that.
    pub(super) fn say_seen(&mut self) {
        let Some(kept) = self.kept.as_ref().filter(|kept| kept.is_always_on) else { return };
        let seen = Command::Account(AccountCommand::SetSeen(kept.device.clone(), kept.heard_ms));
        if self.session_id().is_some() {
            let id = self.answers.unanswered();
            self.out.push(Output::Command(id, seen));
        }
    }
}
