//! Rooms that this node does not hold: whoever names one waits until it has been fetched from where it is, or nobody could be reached who has it.
//! What is said over an account's pace waits in the same place for its turn ([`crate::paces`]).
//!
//! The command is carried out then upon what is here, as ever; commands that the session gives meanwhile wait behind it, so that answers keep their order.
//! Nothing else waits; of the gateway to other servers only what is of the same person there.

use super::{Node, SessionNumber};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::ids::{NodeId, Scope};
use lavina_crdt::names::RoomName;
use lavina_crdt::presence::PresenceChange;
use lavina_crdt::room::Act;
use lavina_gossip::machine;
use lavina_protocols::abroad::{AbroadCommand, Remote};
use lavina_protocols::command::{Command, CommandId, HistoryOf, HistoryQuery, Target};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How long a room that was fetched is taken for up to date where nobody is in it, milliseconds: pages of history are asked for one after the other.
const FRESH_MS: u64 = 2_000;

/// Whose commands keep their order among themselves: a session's, or of the gateway's those of one person.
pub(super) type Queue = (SessionNumber, Option<Remote>);

fn queue_of(number: SessionNumber, command: &Command) -> Queue {
    let by = if let Command::Abroad(AbroadCommand::Ask(remote, _)) = command { Some(remote.clone()) } else { None };
    (number, by)
}

/// The commands of one queue that wait.
#[derive(Debug, Default)]
struct Parked {
    commands: VecDeque<(CommandId, Command)>,
    /// What the first of them waits for.
    rooms: BTreeSet<RoomName>,
    /// Until when the first of them waits for its turn, monotonic microseconds; none once that was there.
    until: Option<u64>,
    /// Whether the first of them has had its turn, or has been given one.
    has_turn: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct RoomsHeld {
    parked: BTreeMap<Queue, Parked>,
    /// Rooms whose fetching has ended and that nobody has been told of, and whether all that a holder has is here.
    ended: Vec<(RoomName, bool)>,
    /// When what was fetched is out of date.
    fresh_until: BTreeMap<RoomName, u64>,
}

impl RoomsHeld {
    /// The session is gone.
    pub(super) fn forget(&mut self, number: SessionNumber) {
        self.parked.retain(|(of, _), _| *of != number);
    }

    /// When somebody's turn comes.
    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.parked.values().filter_map(|parked| parked.until).min()
    }

    /// The fetching of a room has ended; what waits for it goes on once all of this input is done.
    pub(super) fn end(&mut self, now: Now, room: RoomName, complete: bool) {
        self.fresh_until.retain(|_, until| *until > now.mono_us);
        self.fresh_until.insert(room.clone(), now.deadline_ms(FRESH_MS));
        self.ended.push((room, complete));
    }
}

/// Whether a command shows to others, so that it counts to the pace of who gives it.
const fn is_paced(command: &Command) -> bool {
    matches!(
        command,
        Command::Say(..)
            | Command::Whisper(..)
            | Command::Relate(_)
            | Command::Act(..)
            | Command::Kick { .. }
            | Command::Invite { .. }
            | Command::Knock(..)
            | Command::RenameRoom { .. }
    )
}

/// Whether a command brings its session into the rooms that it names.
const fn comes_in(command: &Command) -> bool {
    if let Command::Abroad(AbroadCommand::Ask(_, asked)) = command {
        return comes_in(asked);
    }
    matches!(command, Command::Join { .. } | Command::Open(_))
}

impl<S: Store> Node<S> {
    /// Whether a command is put behind those that wait, or has to wait itself. Gives it back when not.
    pub(super) fn park(
        &mut self,
        now: Now,
        number: SessionNumber,
        id: CommandId,
        command: Command,
    ) -> Option<(CommandId, Command)> {
        let queue = queue_of(number, &command);
        if let Some(parked) = self.held.parked.get_mut(&queue) {
            parked.commands.push_back((id, command));
            return None;
        }
        let rooms = self.rooms_missing(now, number, &command);
        let is_ready = rooms.is_empty() && !self.awaits_rooms_told(now, &queue, &command);
        let until = if is_ready { self.turn_of(now, number, &command) } else { None };
        if is_ready && until.is_none() {
            return Some((id, command));
        }
        self.count(if is_ready { "commands_that_waited_for_their_turn" } else { "commands_that_waited_for_rooms" });
        let comes_in = comes_in(&command);
        let commands = VecDeque::from([(id, command)]);
        self.held.parked.insert(queue, Parked { commands, rooms: rooms.clone(), until, has_turn: until.is_some() });
        self.fetch(now, rooms, comes_in);
        None
    }

    /// Gets rooms from where they are; who comes in gets what the first lacks while being there.
    fn fetch(&mut self, now: Now, rooms: BTreeSet<RoomName>, comes_in: bool) {
        let input = if comes_in { machine::Input::Fetch } else { machine::Input::FetchAll };
        for room in rooms {
            self.gossip(now, input(room));
        }
    }

    /// A room is needed here though nobody waits for it.
    pub(super) fn want_room(&mut self, now: Now, room: &RoomName) {
        if self.is_missing(now, room) {
            self.fetch(now, BTreeSet::from([room.clone()]), true);
        }
    }

    /// Lets commands go on whose rooms have come.
    pub(super) fn resume_parked(&mut self, now: Now) {
        while let Some((room, complete)) = self.held.ended.pop() {
            if complete {
                self.show_whole(now, &room);
            }
            let mut ready = Vec::new();
            for (queue, parked) in &mut self.held.parked {
                if parked.rooms.remove(&room) && parked.rooms.is_empty() {
                    ready.push(queue.clone());
                }
            }
            ready.into_iter().for_each(|queue| self.resume(now, &queue));
        }
    }

    /// All that a holder has of a room is here. What old parts of it come after, and nobody gave, is not waited for, unless somebody here would see the order in which
    /// that comes.
    fn show_whole(&mut self, now: Now, room: &RoomName) {
        if self.people.local(room).is_empty() {
            let effects = self.replicas.wait_no_longer(now, &Scope::Room(room.clone()));
            self.on_effects(now, effects);
        }
    }

    /// Lets commands go on whose turn has come.
    pub(super) fn resume_paced(&mut self, now: Now) {
        let due = self.held.parked.iter_mut().filter(|(_, parked)| parked.until.is_some_and(|at| at <= now.mono_us));
        let due: Vec<Queue> = due
            .map(|(queue, parked)| {
                parked.until = None;
                queue.clone()
            })
            .collect();
        due.into_iter().for_each(|queue| self.resume(now, &queue));
    }

    /// Takes a turn for what is said or changed; when it is, where that is later.
    fn turn_of(&mut self, now: Now, number: SessionNumber, command: &Command) -> Option<u64> {
        let payer = self.sessions.payer(number).filter(|_| is_paced(command))?;
        self.paces.turn(now, payer)
    }

    fn awaits_rooms_told(&mut self, now: Now, queue: &Queue, command: &Command) -> bool {
        let asked = if let Command::Abroad(AbroadCommand::Ask(_, asked)) = command { asked } else { command };
        matches!(asked, Command::ListRooms) && self.awaits_list(now, queue)
    }

    /// Carries out what waits of a queue, as far as it goes.
    pub(super) fn resume(&mut self, now: Now, queue: &Queue) {
        let number = queue.0;
        while let Some(mut parked) = self.held.parked.remove(queue) {
            let Some((id, command)) = parked.commands.pop_front() else { return };
            let rooms = self.rooms_missing(now, number, &command);
            let is_ready = rooms.is_empty() && !self.awaits_rooms_told(now, queue, &command);
            if is_ready && !std::mem::replace(&mut parked.has_turn, is_ready) {
                parked.until = self.turn_of(now, number, &command);
            }
            if is_ready && parked.until.is_none() {
                parked.has_turn = false;
                self.run_command(now, number, id, command);
                if self.sessions.get(number).is_some() {
                    self.held.parked.insert(queue.clone(), parked);
                }
                continue;
            }
            let comes_in = comes_in(&command);
            parked.commands.push_front((id, command));
            parked.rooms.clone_from(&rooms);
            self.held.parked.insert(queue.clone(), parked);
            self.fetch(now, rooms, comes_in);
            return;
        }
    }

    /// Whether a room would have to be fetched before anything is known of it.
    fn is_missing(&self, now: Now, room: &RoomName) -> bool {
        let is_fresh = self.held.fresh_until.get(room).is_some_and(|until| *until > now.mono_us);
        !is_fresh && !self.has_room(room)
    }

    /// Whether what is here of a room is what is known of it.
    pub(super) fn has_room(&self, room: &RoomName) -> bool {
        self.gossip.has(room, &self.replicas)
    }

    /// The rooms that a command is about and that are not here.
    fn rooms_missing(&mut self, now: Now, number: SessionNumber, command: &Command) -> BTreeSet<RoomName> {
        if self.config.limits.replicas.is_none() {
            return BTreeSet::new();
        }
        let mut rooms = self.rooms_named(number, command);
        if let Command::History(HistoryQuery { of: HistoryOf::Room(room), .. }) = command {
            rooms.extend(self.former_names(room));
        }
        rooms.retain(|room| self.is_missing(now, room));
        rooms
    }

    fn rooms_named(&self, number: SessionNumber, command: &Command) -> BTreeSet<RoomName> {
        let of_target = |target: &Target| match target {
            Target::Room(room) | Target::Occupant(room, _) => BTreeSet::from([room.clone()]),
            Target::Nick(_) | Target::Account(..) => BTreeSet::new(),
        };
        match command {
            Command::Join { room, .. }
            | Command::Kick { room, .. }
            | Command::Invite { room, .. }
            | Command::Knock(room, _)
            | Command::RoomInfo(room) => BTreeSet::from([room.clone()]),
            Command::RenameRoom { room, to, .. } => BTreeSet::from([room.clone(), to.clone()]),
            Command::Act(room, acts) => {
                let forward = |act: &Act| if let Act::SetForward(to) = act { to.clone() } else { None };
                let others = acts.iter().filter_map(forward);
                others.chain([room.clone()]).collect()
            }
            Command::Say(target, _) | Command::Whisper(target, _) => of_target(target),
            Command::Relate(related) => of_target(&related.target),
            Command::History(query) => match &query.of {
                HistoryOf::Room(room) => BTreeSet::from([room.clone()]),
                HistoryOf::With(target) => of_target(target),
                HistoryOf::Account => BTreeSet::new(),
            },
            Command::Open(open) if open.resource.is_none() => {
                let account = self.sessions.get(number).and_then(|session| session.account.as_ref());
                let places = account.and_then(|account| self.always_on_places(account));
                places.into_iter().flat_map(|(_, rooms)| rooms.into_keys()).collect()
            }
            Command::Abroad(AbroadCommand::Ask(_, command)) => self.rooms_named(number, command),
            Command::Abroad(
                AbroadCommand::Open
                | AbroadCommand::Forward(..)
                | AbroadCommand::Probe(..)
                | AbroadCommand::Latest(..)
                | AbroadCommand::Shows(..)
                | AbroadCommand::HasTold(..),
            )
            | Command::Open(_)
            | Command::LookupCredentials(_)
            | Command::LogIn(_)
            | Command::RegisterAccount(..)
            | Command::SetCredentials(_)
            | Command::ClaimNick(_)
            | Command::SetPresence(_)
            | Command::SetRealname(_)
            | Command::SetNote(..)
            | Command::SetModes(_)
            | Command::Account(_)
            | Command::Operator(_)
            | Command::Sync
            | Command::Quit(_)
            | Command::Part { .. }
            | Command::SetRoomNick { .. }
            | Command::RosterGet
            | Command::RosterSet(..)
            | Command::Subscription(..)
            | Command::ListInvitations
            | Command::ListRooms
            | Command::FindNick(_)
            | Command::LookUpNick(_)
            | Command::FindGone(..)
            | Command::FindMask { .. }
            | Command::HistoryTargets { .. }
            | Command::Counts
            | Command::Mark(..)
            | Command::Watch(_)
            | Command::RegisterGet(_)
            | Command::RegisterSet(..)
            | Command::Blocked
            | Command::Block(..)
            | Command::LookAt(..)
            | Command::Latest(_)
            | Command::Unwakeable(..) => BTreeSet::new(),
        }
    }

    /// Presence has changed, and with it perhaps who is to hold what.
    pub(super) fn note_interest(&mut self, now: Now, changes: &[PresenceChange]) {
        if self.config.limits.replicas.is_none() {
            return;
        }
        let changed = self.interest.apply(changes);
        if !changed.is_empty() {
            self.gossip(now, machine::Input::Interest(changed));
        }
    }

    /// Others hold a room that nobody here has wanted for a while.
    pub(super) fn let_go(&mut self, now: Now, room: RoomName) {
        // What is on its way comes upon what is here.
        if !self.people.local(&room).is_empty() || self.gossip.is_fetching(&room) || !self.replicas.let_go(&room) {
            return;
        }
        self.states.remove(&room);
        self.held.fresh_until.remove(&room);
        let scope = Scope::Room(room.clone());
        let vector = machine::Replica::vector(&self.replicas, &scope);
        self.gossip(now, machine::Input::Partial(vec![room]));
        self.gossip(now, machine::Input::Durable(vec![(scope, vector)]));
    }

    /// What has come of rooms that this node does not hold or is not to: for whoever watches a mesh.
    #[must_use]
    pub fn placing_counts(&self) -> [(&'static str, u64); 4] {
        let (gossip, replicas) = (self.gossip.counters(), self.replicas.counters());
        [
            ("room-fetched", gossip.rooms_fetched),
            ("room-out-of-reach", gossip.fetches_failed),
            ("room-handed-over", gossip.rooms_handed_over),
            ("room-let-go", replicas.rooms_let_go),
        ]
    }

    /// How many rooms this node has still to hand over, once it knows that it is being emptied: for whoever watches a mesh.
    #[must_use]
    pub fn left_to_hand_over(&self) -> Option<usize> {
        self.replicas.mesh().is_draining(self.me()).then(|| self.gossip.to_hand_over())
    }

    /// Whether a node is to hold a scope, as this one has it: for whoever watches a mesh.
    #[must_use]
    pub fn is_holder(&self, node: NodeId, scope: &Scope) -> bool {
        self.gossip.is_holder(node, scope)
    }

    /// How often it has changed what this node is to hold: a moment in its life, for whoever watches a mesh.
    #[must_use]
    pub const fn holding_changes(&self) -> u64 {
        self.gossip.holding_changes()
    }
}
