//! Commands: which area carries each out. Every command but `Quit` gets exactly one answer, in order.

use super::{Node, SessionNumber};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::ids::SessionId;
use lavina_crdt::presence::SessionRecord;
use lavina_protocols::command::{Command, CommandId, Refusal, Reply};
use std::sync::Arc;

/// The session a command comes from, visible and with its record.
pub(super) struct Asker {
    pub(super) number: SessionNumber,
    pub(super) session: SessionId,
    pub(super) record: Arc<SessionRecord>,
    /// Whether it is somebody of another server without a session, and this one is the gateway's.
    pub(super) is_abroad: bool,
}

impl<S: Store> Node<S> {
    pub(super) fn on_command(&mut self, now: Now, number: SessionNumber, id: CommandId, command: Command) {
        if self.sessions.get(number).is_none() {
            return;
        }
        if let Some((id, command)) = self.park(now, number, id, command) {
            self.run_command(now, number, id, command);
        }
    }

    /// Carries a command out.
    pub(super) fn run_command(&mut self, now: Now, number: SessionNumber, id: CommandId, command: Command) {
        if let Command::Quit(reason) = command {
            self.end_session(now, number, &reason);
            return;
        }
        self.acting = Some((number, id));
        let answer = self.carry_out(now, number, command);
        self.acting = None;
        self.sessions.answer(number, id, answer, &mut self.out);
    }

    fn carry_out(&mut self, now: Now, number: SessionNumber, command: Command) -> Result<Reply, Refusal> {
        let asker = self.asker(number);
        self.carry_out_as(now, number, asker, command)
    }

    /// Carries out a command of the session, for who asks.
    pub(super) fn carry_out_as(
        &mut self,
        now: Now,
        number: SessionNumber,
        asker: Result<Asker, Refusal>,
        command: Command,
    ) -> Result<Reply, Refusal> {
        match command {
            Command::LookupCredentials(account) => Ok(Reply::Credentials(self.credentials(&account))),
            Command::LogIn(account) => self.log_in(now, number, account),
            Command::RegisterAccount(account, credentials, invitation) => {
                self.register_account(now, number, account, credentials, invitation)
            }
            Command::SetCredentials(credentials) => self.set_credentials(now, number, credentials),
            Command::Open(open) => self.open_session(now, number, open),
            Command::Abroad(command) => self.abroad_command(now, number, command),
            Command::Sync | Command::Quit(_) => Ok(Reply::Done),
            Command::Counts => Ok(Reply::Counts(self.counts())),
            Command::Mark(of, at_ms) => self.mark(now, number, &of, at_ms),
            Command::Watch(nicks) => self.watch(&asker?, nicks),
            Command::RegisterGet(key) => self.register_get(number, &key),
            Command::RegisterSet(key, value) => self.register_set(now, number, key, value),
            Command::Blocked => self.blocked(number),
            Command::Block(whom, on) => self.block(now, &asker?, &whom, on),
            Command::LookAt(account, prefix) => self.look_at(number, &account, &prefix),
            Command::Unwakeable(account, key) => self.unwakeable(now, &asker?, account, &key),
            Command::Latest(prefixes) => self.latest(number, &prefixes),
            // From here on for visible sessions only.
            Command::ClaimNick(nick) => self.claim_nick(now, &asker?, &nick),
            Command::SetPresence(change) => self.set_presence(now, &asker?, change),
            Command::SetRealname(realname) => self.set_realname(now, &asker?, realname),
            Command::SetNote(key, value) => self.set_note(now, &asker?, key, value),
            Command::SetModes(changes) => {
                let (old, new) = self.set_modes(now, &asker?, &changes)?;
                Ok(Reply::Modes(old, new))
            }
            Command::Account(command) => self.account_command(now, number, command),
            Command::Operator(command) => self.operator_command(now, &asker?, command),
            Command::Join { room, nick, key } => self.join(now, &asker?, room, nick, key.as_deref()),
            Command::Part { room, reason } => self.part(now, &asker?, &room, reason),
            Command::SetRoomNick { room, nick } => self.set_room_nick(now, &asker?, &room, &nick),
            Command::Say(target, content) => self.say(now, &asker?, target, content),
            Command::Relate(related) => self.relate(now, &asker?, *related),
            Command::Act(room, acts) => self.act(now, &asker?, &room, &acts),
            Command::RenameRoom { room, to, reason, venue } => {
                self.rename_room(now, &asker?, &room, &to, reason, venue)
            }
            Command::Kick { room, nick, reason } => self.kick(now, &asker?, &room, &nick, reason),
            Command::Invite { room, whom, reason } => self.invite(now, &asker?, room, whom, reason),
            Command::RosterGet => self.roster_get(&asker?),
            Command::RosterSet(contact, edit) => self.roster_set(now, &asker?, contact, edit),
            Command::Subscription(contact, step, request) => self.subscription(now, &asker?, contact, step, &request),
            Command::Whisper(target, stanza) => self.whisper(now, &asker?, &target, stanza),
            Command::RoomInfo(room) => Ok(Reply::Room(self.room_info(&asker?, &room))),
            Command::ListInvitations => Ok(Reply::Invitations(self.invitations(&asker?))),
            Command::ListRooms => Ok(Reply::Rooms(self.list_rooms(&asker?))),
            Command::FindNick(nick) => Ok(Reply::People(self.find_nick(&asker?, &nick))),
            Command::LookUpNick(nick) => {
                let (people, standings, idle_ms) = self.look_up(now, &asker?, &nick);
                Ok(Reply::LookedUp(people, standings, idle_ms))
            }
            Command::FindGone(nick, limit) => Ok(Reply::Gone(self.find_gone(&nick, limit))),
            Command::Knock(room, text) => self.knock(now, &asker?, &room, text),
            Command::FindMask { mask, limit } => Ok(Reply::People(self.find_mask(&asker?, &mask, limit))),
            Command::History(query) => self.history(&asker?, &query),
            Command::HistoryTargets { from_ms, to_ms, limit, newest } => {
                self.history_targets(&asker?, from_ms..to_ms, limit, newest)
            }
        }
    }

    pub(super) fn asker(&self, number: SessionNumber) -> Result<Asker, Refusal> {
        let session = self.sessions.id(number);
        let record = self.people.get(session).ok_or(Refusal::NotOpen)?;
        Ok(Asker { number, session, record: Arc::clone(record), is_abroad: false })
    }
}
