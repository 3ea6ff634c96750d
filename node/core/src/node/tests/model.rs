//! What clients are told must add up: each keeps its own list of who is where from events alone, and in the end the lists are those of the nodes.

use super::world::{Client, Heard, World, nick, open, room};
use lavina_crdt::names::RoomName;
use lavina_protocols::command::{Command, Reply};
use lavina_protocols::event::Event;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const ROOMS: [&str; 2] = ["one", "two"];
const NICKS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

#[derive(Clone, Debug)]
enum Step {
    Join(usize, usize),
    Part(usize, usize),
    Nick(usize, usize),
    Kick(usize, usize, usize),
    /// The connection is gone, and another takes its seat under a nick.
    Again(usize, usize),
    Cut,
    Heal,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (who, which, name) = (0..5usize, 0..ROOMS.len(), 0..NICKS.len());
    prop_oneof![
        6 => (who.clone(), which.clone()).prop_map(|(who, which)| Step::Join(who, which)),
        2 => (who.clone(), which.clone()).prop_map(|(who, which)| Step::Part(who, which)),
        3 => (who.clone(), name.clone()).prop_map(|(who, name)| Step::Nick(who, name)),
        2 => (who.clone(), which, name.clone()).prop_map(|(who, which, name)| Step::Kick(who, which, name)),
        1 => (who, name).prop_map(|(who, name)| Step::Again(who, name)),
        1 => Just(Step::Cut),
        1 => Just(Step::Heal),
        3 => (1..400u64).prop_map(Step::Wait),
        1 => Just(Step::Wait(70_000)),
    ]
}

/// What one client makes of what it is told.
#[derive(Debug, Default)]
struct Eyes {
    rooms: BTreeMap<RoomName, BTreeSet<String>>,
    parting: BTreeMap<u64, RoomName>,
}

impl Eyes {
    fn hear(&mut self, heard: &Heard) {
        match heard {
            Heard::Answer(_, Ok(Reply::Joined(view, true))) => {
                let nicks = view.occupants.iter().map(|one| one.nick.to_string()).collect();
                self.rooms.insert(view.name.clone(), nicks);
            }
            Heard::Answer(id, Ok(Reply::Done)) => {
                if let Some(room) = self.parting.remove(id) {
                    self.rooms.remove(&room);
                }
            }
            Heard::Event(event) => self.see(event),
            Heard::Answer(..) | Heard::Disconnected(_) => {}
        }
    }

    fn see(&mut self, event: &Event) {
        match event {
            Event::Joined { room, occupant } => self.come(room, occupant.nick.as_str()),
            Event::Left { room, own: true, .. } => {
                self.rooms.remove(room);
            }
            Event::Left { room, occupant, .. } => self.go(room, occupant.nick.as_str()),
            Event::Quit { places, .. } => places.iter().for_each(|(room, nick)| self.go(room, nick.as_str())),
            Event::NickChanged { old, new, rooms, .. } => {
                for (room, _) in rooms {
                    self.go(room, old.as_str());
                    self.come(room, new.as_str());
                }
            }
            Event::Netsplit { gone, .. } => {
                gone.iter().flat_map(|(_, places)| places).for_each(|(room, nick)| self.go(room, nick.as_str()));
            }
            Event::Netjoin { back, .. } => {
                back.iter().for_each(|(room, occupant)| self.come(room, occupant.nick.as_str()));
            }
            Event::Renamed { old, view, .. } => {
                self.rooms.remove(old);
                let nicks = view.occupants.iter().map(|occupant| occupant.nick.to_string()).collect();
                self.rooms.insert(view.name.clone(), nicks);
            }
            Event::Said(_)
            | Event::PersonChanged { .. }
            | Event::RoomChanged { .. }
            | Event::Invited { .. }
            | Event::Knocked { .. }
            | Event::WatchedChanged { .. }
            | Event::Noted { .. }
            | Event::Unreachable { .. }
            | Event::Reachable { .. }
            | Event::Caught { .. }
            | Event::RosterPush { .. }
            | Event::Shown { .. }
            | Event::Blocked { .. }
            | Event::Subscription(..)
            | Event::ContactPresence { .. }
            | Event::Abroad(..)
            | Event::Ended(_)
            | Event::Forwarded(_)
            | Event::Whisper { .. }
            | Event::Closed { .. }
            | Event::Abandoned { .. }
            | Event::Waiting(_)
            | Event::Wallops { .. }
            | Event::Watched { .. }
            | Event::Marked { .. }
            | Event::Entered(_)
            | Event::Notice(_) => {}
        }
    }

    fn come(&mut self, room: &RoomName, nick: &str) {
        if let Some(nicks) = self.rooms.get_mut(room) {
            assert!(nicks.insert(nick.to_owned()), "{nick} came into {room} twice");
        }
    }

    fn go(&mut self, room: &RoomName, nick: &str) {
        if let Some(nicks) = self.rooms.get_mut(room) {
            assert!(nicks.remove(nick), "{nick} left {room} without having been there");
        }
    }
}

struct Play {
    world: World,
    seats: Vec<(Client, Eyes)>,
}

impl Play {
    fn new() -> Self {
        let mut world = World::new(2);
        world.register(0, "zoe");
        world.run_ms(300);
        let mut clients = vec![world.guest(0, "alice"), world.guest(0, "bob"), world.guest(1, "carol")];
        clients.extend([world.member(0, "zoe", "phone"), world.member(1, "zoe", "desk")]);
        Self { world, seats: clients.into_iter().map(|client| (client, Eyes::default())).collect() }
    }

    fn tell(&mut self, seat: usize, command: Command) -> u64 {
        self.world.tell(self.seats[seat].0, command)
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Join(seat, which) => {
                self.tell(*seat, Command::Join { room: room(ROOMS[*which]), nick: None, key: None });
            }
            Step::Part(seat, which) => {
                let id = self.tell(*seat, Command::Part { room: room(ROOMS[*which]), reason: String::new() });
                self.seats[*seat].1.parting.insert(id, room(ROOMS[*which]));
            }
            Step::Nick(seat, name) => {
                self.tell(*seat, Command::ClaimNick(nick(NICKS[*name])));
            }
            Step::Kick(seat, which, name) => {
                let (room, nick) = (room(ROOMS[*which]), nick(NICKS[*name]));
                self.tell(*seat, Command::Kick { room, nick, reason: String::new() });
            }
            Step::Again(seat, name) => {
                let old = self.seats[*seat].0;
                self.world.tell(old, Command::Quit(String::new()));
                self.world.heard(old);
                let client = self.world.connect(old.0);
                self.seats[*seat] = (client, Eyes::default());
                self.tell(*seat, open(NICKS[*name], None));
            }
            Step::Cut => self.world.cut(&[1]),
            Step::Heal => self.world.heal(),
            Step::Wait(ms) => self.world.run_ms(*ms),
        }
        self.listen();
    }

    fn listen(&mut self) {
        for (client, eyes) in &mut self.seats {
            for heard in self.world.heard(*client) {
                eyes.hear(&heard);
            }
        }
    }

    fn settle(&mut self) {
        self.world.heal();
        self.world.run_ms(20_000);
        self.listen();
    }

    /// Who is in a room as a client's node says.
    fn view(&mut self, client: Client, name: &RoomName) -> BTreeSet<String> {
        match self.world.ask(client, Command::RoomInfo(name.clone())) {
            Ok(Reply::Room(Some(view))) => view.occupants.iter().map(|one| one.nick.to_string()).collect(),
            other => panic!("no room: {other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_clients_are_told_adds_up_to_who_is_there(steps in prop::collection::vec(step(), 1..40)) {
        let mut play = Play::new();
        for step in &steps {
            play.take(step);
        }
        play.settle();
        let mut everywhere: BTreeMap<RoomName, BTreeSet<String>> = BTreeMap::new();
        for seat in 0..play.seats.len() {
            let client = play.seats[seat].0;
            let rooms: Vec<RoomName> = play.seats[seat].1.rooms.keys().cloned().collect();
            for name in rooms {
                let view = play.view(client, &name);
                prop_assert_eq!(&play.seats[seat].1.rooms[&name], &view, "client {:?} in {}", client, name);
                let first = everywhere.entry(name).or_insert_with(|| view.clone());
                prop_assert_eq!(&*first, &view);
            }
        }
        prop_assert!(play.world.converged());
    }
}
