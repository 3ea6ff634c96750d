//! The room document under partitions: what single situations come to, and the laws of the merge over generated histories.

use super::*;
use crate::content::Author;
use crate::ids::{OrderKey, Origin};
use crate::names::RoomName;
use crate::room::fold::Fold;
use crate::room::rights::View;
use crate::testing::author;
use proptest::prelude::*;

/// The entry of one change.
#[derive(Clone, Debug)]
struct Sent {
    at: OrderKey,
    author: Author,
    change: Vec<u8>,
}

/// A node with its replica of the room.
#[derive(Clone)]
struct Replica {
    origin: Origin,
    seq: u64,
    doc: RoomDoc,
}

impl Replica {
    fn new(number: u8) -> Self {
        let doc = RoomDoc::new(&RoomName::new("rust").unwrap());
        Self { origin: Origin([number; 16]), seq: 0, doc }
    }

    /// `who` acts here at that time, as far as the state here lets them or not.
    fn act(&mut self, hlc: u64, who: &str, acts: &[Act]) -> Sent {
        let at = OrderKey { hlc: Hlc(hlc), origin: self.origin, seq: self.seq };
        self.seq += 1;
        let sent = Sent { at, author: author(1, who), change: self.doc.mint(at, acts) };
        self.take(&sent);
        sent
    }

    fn take(&mut self, sent: &Sent) -> Applied {
        self.doc.apply(sent.at, &sent.author, &sent.change)
    }

    fn take_all<'a>(&mut self, sent: impl IntoIterator<Item = &'a Sent>) {
        for sent in sent {
            self.take(sent);
        }
    }

    fn rank(&self, who: &str) -> Rank {
        self.doc.state().rank(&author(1, who).principal())
    }
}

fn give(who: &str, rank: Rank) -> Act {
    Act::SetRank { who: author(1, who).principal(), rank }
}

fn ban(mask: &str) -> Act {
    Act::SetBan { mask: Mask::parse(mask).unwrap(), ban: Some("no".to_owned()) }
}

fn unban(mask: &str) -> Act {
    Act::SetBan { mask: Mask::parse(mask).unwrap(), ban: None }
}

fn topic(text: &str) -> Act {
    Act::SetTopic(text.to_owned())
}

/// Two nodes that know a room of founders ann and abe and operators bob and bea.
fn two() -> (Replica, Replica) {
    let (mut one, mut other) = (Replica::new(1), Replica::new(2));
    let acts = [Act::Create, give("abe", Rank::Founder), give("bob", Rank::Operator), give("bea", Rank::Operator)];
    let sent = one.act(1, "ann", &acts);
    assert_eq!(other.take(&sent), Applied::Changed(Default::default(), one.doc.shared_state()));
    (one, other)
}

fn texts(doc: &RoomDoc) -> &str {
    doc.state().topic.as_ref().map_or("", |topic| &topic.text)
}

#[test]
fn a_room_is_created_with_its_defaults() {
    let (one, _) = two();
    assert!(one.doc.state().has(Flag::NoExternal) && one.doc.state().has(Flag::TopicLocked));
    assert_eq!(one.rank("ann"), Rank::Founder);
    assert_eq!(one.doc.state().created, Some(Hlc(1)));
}

#[test]
fn both_halves_create_the_same_document_and_the_earlier_creator_is_founder() {
    let (mut one, mut other) = (Replica::new(1), Replica::new(2));
    assert_eq!(one.doc.heads(), other.doc.heads());
    let mut left = vec![one.act(20, "ann", &[Act::Create])];
    left.push(one.act(21, "ann", &[topic("ann's")]));
    let mut right = vec![other.act(10, "bob", &[Act::Create])];
    right.push(other.act(30, "bob", &[give("bea", Rank::Operator)]));
    one.take_all(&right);
    other.take_all(&left);
    assert_eq!(one.doc.state(), other.doc.state());
    assert_eq!((one.rank("bob"), one.rank("bea"), one.rank("ann")), (Rank::Founder, Rank::Operator, Rank::None));
    assert_eq!(texts(&one.doc), "");
    assert!(!one.doc.counts(&left[0].at) && !one.doc.counts(&left[1].at) && one.doc.counts(&right[1].at));
}

#[test]
fn a_concurrent_demotion_by_a_senior_voids_what_its_target_did() {
    let (mut one, mut other) = two();
    let demoted = one.act(20, "ann", &[give("bob", Rank::None)]);
    let late = [other.act(10, "bob", &[topic("bob's")]), other.act(11, "bob", &[give("eve", Rank::Operator)])];
    assert_eq!(texts(&other.doc), "bob's");
    one.take_all(&late);
    other.take(&demoted);
    assert_eq!(one.doc.state(), other.doc.state());
    assert_eq!((texts(&one.doc), one.rank("eve")), ("", Rank::None));
    let heads = late[1].clone();
    assert!(!one.doc.counts(&heads.at));
}

#[test]
fn a_concurrent_ban_by_a_senior_voids_what_its_target_did() {
    let (mut one, mut other) = two();
    let banned = one.act(20, "ann", &[ban("bob")]);
    let late = other.act(10, "bob", &[unban("mallory"), topic("bob's")]);
    one.take(&late);
    other.take(&banned);
    assert_eq!(one.doc.state(), other.doc.state());
    assert_eq!(texts(&one.doc), "");
}

#[test]
fn two_founders_demoting_each_other_leave_one() {
    let (mut one, mut other) = two();
    let first = one.act(10, "ann", &[give("abe", Rank::None)]);
    let second = other.act(11, "abe", &[give("ann", Rank::None)]);
    one.take(&second);
    other.take(&first);
    assert_eq!(one.doc.state(), other.doc.state());
    assert_eq!((one.rank("ann"), one.rank("abe")), (Rank::Founder, Rank::None));
}

#[test]
fn two_founders_stepping_down_at_once_leave_one() {
    let (mut one, mut other) = two();
    let first = one.act(10, "ann", &[give("ann", Rank::None)]);
    let second = other.act(11, "abe", &[give("abe", Rank::Admin)]);
    one.take(&second);
    other.take(&first);
    assert_eq!(one.doc.state(), other.doc.state());
    assert_eq!((one.rank("ann"), one.rank("abe")), (Rank::None, Rank::Founder));
    one.act(20, "abe", &[give("abe", Rank::None)]);
    assert_eq!(one.rank("abe"), Rank::Founder);
}

/// The same room, level.
fn two_level() -> (Replica, Replica) {
    let (mut one, mut other) = two();
    other.take(&one.act(2, "ann", &[level(true)]));
    (one, other)
}

fn level(on: bool) -> Act {
    Act::SetFlag { flag: Flag::Level, on }
}

fn persistent(on: bool) -> Act {
    Act::SetFlag { flag: Flag::Persistent, on }
}

#[test]
fn in_a_level_room_operators_are_as_good_as_founders() {
    let (mut one, _) = two_level();
    one.act(10, "bob", &[give("ann", Rank::None), give("abe", Rank::Voice), give("eve", Rank::Founder)]);
    assert_eq!((one.rank("ann"), one.rank("abe"), one.rank("eve")), (Rank::None, Rank::Voice, Rank::Founder));
    assert_eq!(one.doc.state().allows(&author(1, "bea"), &Right::Act(&give("cat", Rank::Founder))), Ok(()));
    one.act(20, "eve", &[give("eve", Rank::None), persistent(true)]);
    assert_eq!(one.rank("eve"), Rank::Founder);
}

#[test]
fn the_last_operator_of_a_level_room_may_step_down_and_who_finds_it_so_begins_it_anew() {
    let (mut one, mut other) = two_level();
    let mut sent: Vec<Sent> = ["abe", "bob", "bea", "ann"]
        .into_iter()
        .zip(10..)
        .map(|(who, hlc)| one.act(hlc, who, &[give(who, Rank::None)]))
        .collect();
    assert!(one.doc.state().is_headless());
    // A standing given up a moment before does not make a room headless.
    other.act(12, "eve", &[give("eve", Rank::None), give("eve", Rank::Founder)]);
    assert_eq!(other.rank("eve"), Rank::None);
    sent.push(one.act(20, "eve", &[give("eve", Rank::Founder), persistent(true)]));
    assert_eq!(one.rank("eve"), Rank::Founder);
    assert!(!one.doc.state().is_level());
    one.act(21, "eve", &[give("eve", Rank::None)]);
    assert_eq!(one.rank("eve"), Rank::Founder);
}

#[test]
fn two_operators_of_a_level_room_stepping_down_at_once_leave_one() {
    let (mut one, mut other) = two_level();
    other.take(&one.act(3, "ann", &[give("abe", Rank::None), give("bea", Rank::None)]));
    let first = one.act(10, "ann", &[give("ann", Rank::None)]);
    let second = other.act(11, "bob", &[give("bob", Rank::None)]);
    one.take(&second);
    other.take(&first);
    assert_eq!(one.doc.state(), other.doc.state());
    assert_eq!((one.rank("ann"), one.rank("bob")), (Rank::None, Rank::Operator));
}

#[test]
fn a_level_room_is_kept_only_with_a_founder_whatever_is_merged() {
    let (mut one, mut other) = two_level();
    other.take(&one.act(3, "bob", &[give("ann", Rank::None), give("abe", Rank::None)]));
    assert_eq!(one.doc.state().allows_all(&author(1, "bob"), &[persistent(true)]), Err(Denied::LastFounder));
    let kept = one.act(10, "bob", &[give("bob", Rank::Founder), persistent(true)]);
    let thrown = other.act(11, "bea", &[give("bob", Rank::None)]);
    one.take(&thrown);
    other.take(&kept);
    assert_eq!(one.doc.state(), other.doc.state());
    assert_eq!(one.rank("bob"), Rank::Founder);
    assert!(one.doc.state().has(Flag::Persistent));
}

#[test]
fn a_ban_beats_its_concurrent_lifting_by_an_equal_and_yields_to_a_senior() {
    let (mut one, mut other) = two();
    let old = one.act(10, "bob", &[ban("eve")]);
    other.take(&old);
    let again = one.act(20, "bob", &[ban("eve")]);
    let lifted = other.act(30, "bea", &[unban("eve")]);
    one.take(&lifted);
    other.take(&again);
    assert_eq!(one.doc.state(), other.doc.state());
    assert_eq!(one.doc.state().bans.len(), 1);
    let lifted = one.act(40, "ann", &[unban("eve")]);
    let again = other.act(50, "bob", &[ban("eve")]);
    one.take(&again);
    other.take(&lifted);
    assert_eq!(one.doc.state(), other.doc.state());
    assert_eq!(one.doc.state().bans.len(), 0);
}

#[test]
fn a_right_is_judged_at_the_causal_past_for_ever() {
    let (mut one, _) = two();
    let before = one.doc.heads();
    one.act(10, "ann", &[give("bob", Rank::None)]);
    one.act(20, "bob", &[topic("not allowed")]);
    assert_eq!(texts(&one.doc), "");
    let bob = author(1, "bob").principal();
    assert_eq!(one.doc.state_at(&before).map(|state| state.rank(&bob)), Some(Rank::Operator));
    assert_eq!(one.doc.state_at(&one.doc.heads()).map(|state| state.rank(&bob)), Some(Rank::None));
    assert_eq!(one.doc.state_at(&[[9; 32]]), None);
}

#[test]
fn a_change_waits_for_what_it_depends_on() {
    let (mut one, mut other) = two();
    let first = one.act(10, "ann", &[topic("a")]);
    let second = one.act(11, "ann", &[topic("b")]);
    let old = other.doc.shared_state();
    assert_eq!(other.take(&second), Applied::Pending);
    assert_eq!(other.take(&second), Applied::Known);
    assert_eq!(other.take(&first), Applied::Changed(old, one.doc.shared_state()));
    assert_eq!(other.take(&first), Applied::Known);
    assert_eq!(other.doc.pending(), 0);
}

#[test]
fn a_change_of_a_later_version_has_no_effect_and_carries_those_after_it() {
    let (mut one, mut other) = two();
    let at = OrderKey { hlc: Hlc(10), origin: one.origin, seq: 90 };
    let put = change::Put { key: "slow-mode".to_owned(), value: change::Value::Number(3) };
    let recipe = change::Recipe { deps: one.doc.heads(), puts: vec![put] };
    let newer = Sent { at, author: author(1, "ann"), change: recipe.encode() };
    one.seq = 91;
    assert_eq!(one.take(&newer), Applied::Malformed);
    let after = one.act(20, "ann", &[topic("after")]);
    assert_eq!(other.take(&after), Applied::Pending);
    assert!(matches!(other.take(&newer), Applied::Changed(..)));
    assert_eq!(texts(&other.doc), "after");
    assert_eq!(other.doc.heads(), one.doc.heads());
    assert_eq!(RoomDoc::load(&one.doc.save(), Vocabulary::Full).map(|doc| doc.heads()), Some(one.doc.heads()));
}

#[test]
fn what_an_older_version_settled_is_settled_anew_by_one_that_understands_more() {
    let (mut one, mut older) = (Replica::new(1), Replica::new(2));
    older.doc = RoomDoc::with(older.doc.name(), Vocabulary::Earlier, false);
    let mut sent = vec![one.act(1, "ann", &[Act::Create])];
    sent.push(one.act(10, "ann", &[Act::SetTitle("Title".to_owned())]));
    sent.push(one.act(11, "ann", &[topic("after")]));
    older.take_all(&sent);
    assert_eq!(older.doc.heads(), one.doc.heads());
    assert_eq!((older.doc.state().title.as_deref(), texts(&older.doc)), (None, "after"));
    let saved = older.doc.save();
    assert_eq!(RoomDoc::load(&saved, Vocabulary::Earlier).as_ref().map(RoomDoc::state), Some(older.doc.state()));
    assert!(RoomDoc::load(&saved, Vocabulary::Full).is_none());
    assert!(RoomDoc::load(&one.doc.save(), Vocabulary::Earlier).is_none());
}

#[test]
fn what_breaks_the_rules_of_the_graph_is_refused() {
    let (mut one, other) = two();
    let early = one.clone().act(1, "ann", &[topic("as early as its cause")]);
    assert_eq!(one.take(&early), Applied::Malformed);
    one.act(10, "ann", &[topic("a")]);
    // Made at another's heads, without the origin's own previous change in its past.
    let at = OrderKey { hlc: Hlc(20), origin: one.origin, seq: 50 };
    let forked = Sent { at, author: author(1, "ann"), change: other.doc.mint(at, &[topic("forked")]) };
    assert_eq!(one.take(&forked), Applied::Malformed);
    assert_eq!(texts(&one.doc), "a");
    for junk in [&b""[..], b"\0", &[255; 64]] {
        assert_eq!(one.take(&Sent { change: junk.to_vec(), ..forked.clone() }), Applied::Malformed);
    }
}

#[test]
fn who_wrote_on_a_void_change_goes_on_without_it() {
    let (mut one, _) = two();
    let begin = Replica::new(1).act(1, "ann", &[Act::Create]);
    one.doc = cut([&begin]);
    one.seq = 1;
    let mut liar = Replica::new(3);
    liar.take(&begin);
    let void = liar.act(10, "eve", &[topic("void")]);
    let mut unaware = one.clone();
    unaware.take(&void);
    let on_void = unaware.act(20, "ann", &[topic("on a void change")]);
    one.seq = unaware.seq;
    one.take(&on_void);
    assert_eq!(texts(&one.doc), "");
    let after = one.act(30, "ann", &[topic("after")]);
    assert_eq!(texts(&one.doc), "after");
    let all = [&begin, &on_void, &after];
    assert_eq!(cut(all).heads(), one.doc.heads());
    assert_eq!(texts(&delivered(all)), "", "while nothing is void it waits for what is on its way");
    // Whoever still counts the void change counts what was written on it, and not what was written without it.
    one.take(&void);
    assert_eq!(texts(&one.doc), "on a void change");
    assert_eq!(one.doc.heads(), cut([&begin, &void, &on_void, &after]).heads());
}

#[test]
fn the_document_holds_what_automerge_shows() {
    use automerge::ReadDoc;
    let (mut one, _) = two();
    one.act(10, "ann", &[topic("a")]);
    one.act(11, "ann", &[topic("b")]);
    let shown = one.doc.document.get_all(automerge::ROOT, "topic").unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].0.as_str(), Some("b"));
    let heads: Vec<_> = one.doc.document.get_heads().iter().map(|head| head.0).collect();
    assert_eq!(heads, one.doc.heads());
}

#[test]
fn damaged_snapshots_are_no_documents() {
    let (one, _) = two();
    let saved = one.doc.save();
    for at in (0..saved.len()).step_by(17) {
        let mut damaged = saved.clone();
        damaged[at] ^= 1;
        assert!(RoomDoc::load(&damaged, Vocabulary::Full).is_none());
    }
    assert!(RoomDoc::load(&[], Vocabulary::Full).is_none());
}

#[test]
fn a_mark_is_shown_beneath_a_standing_and_gives_none() {
    let (mut one, mut other) = two();
    let mark = |who, rank, on| Act::SetMark { who: author(1, who).principal(), rank, on };
    let beneath = |replica: &Replica, who| replica.doc.state().beneath(&author(1, who).principal());
    let mut sent = vec![one.act(10, "ann", &[give("bob", Rank::Operator), give("cat", Rank::HalfOp)])];
    sent.push(one.act(11, "bob", &[mark("bob", Rank::Voice, true), mark("bob", Rank::HalfOp, true)]));
    assert_eq!(beneath(&one, "bob"), [Rank::HalfOp, Rank::Voice]);
    sent.push(one.act(12, "cat", &[mark("eve", Rank::Voice, true)]));
    assert_eq!((one.rank("eve"), beneath(&one, "eve")), (Rank::None, Vec::new()), "it is beneath nothing");
    sent.push(one.act(13, "cat", &[mark("eve", Rank::HalfOp, true)]));
    sent.push(one.act(14, "bob", &[mark("eve", Rank::Admin, true)]));
    sent.push(one.act(15, "eve", &[mark("bob", Rank::Voice, false)]));
    sent.push(one.act(16, "ann", &[give("eve", Rank::Operator)]));
    assert_eq!(beneath(&one, "eve"), [Rank::Voice], "nobody marks with more than they have");
    sent.push(one.act(17, "bob", &[mark("bob", Rank::HalfOp, false)]));
    sent.push(one.act(18, "ann", &[give("bob", Rank::Voice)]));
    assert_eq!((one.rank("bob"), beneath(&one, "bob")), (Rank::Voice, Vec::new()));
    other.take_all(&sent);
    assert_eq!(one.doc.state(), other.doc.state());
}

/// One step of a history: a replica, its author, what to do, and whether the replica first hears from another.
type Step = (u8, u8, u8, u8, u8, Option<u8>);

const PEOPLE: [&str; 6] = ["ann", "abe", "bob", "bea", "cat", "eve"];
/// The kind of step that makes a room level, and one that does nothing to anybody's standing.
const LEVEL: u8 = 10;
const TOPIC: u8 = 7;
const RANKS: [Rank; 5] = [Rank::None, Rank::Voice, Rank::HalfOp, Rank::Operator, Rank::Founder];

fn step_act(kind: u8, who: u8, rank: u8) -> Act {
    let who = PEOPLE[usize::from(who)];
    match kind {
        0..=3 => give(who, RANKS[usize::from(rank)]),
        4 | 5 => ban(who),
        6 => unban(who),
        TOPIC => topic(who),
        8 => Act::SetFlag { flag: Flag::TopicLocked, on: rank > 2 },
        9 => Act::Create,
        LEVEL => Act::SetFlag { flag: Flag::Level, on: rank > 1 },
        11 => Act::SetFlag { flag: Flag::Persistent, on: rank > 2 },
        12 => Act::SetMark { who: author(1, who).principal(), rank: Rank::Voice, on: rank > 1 },
        _ => Act::SetException { mask: Mask::parse(who).unwrap(), on: rank > 2 },
    }
}

fn histories() -> impl Strategy<Value = Vec<Step>> {
    let step = (0u8..4, 0u8..6, 0u8..14, 0u8..6, 0u8..5, proptest::option::of(0u8..4));
    proptest::collection::vec(step, 1..24)
}

/// A history in which nobody is raised by who stands below: see the fold on cuts.
fn ranked_from_above(history: &[Step]) -> Vec<Step> {
    let step = |(node, who, kind, target, rank, hears): &Step| {
        let kind = if *kind == LEVEL { TOPIC } else { *kind };
        (*node, *who, kind, *target, *rank, *hears)
    };
    history.iter().map(step).collect()
}

/// Runs a history on four nodes that hear of each other only where it says so. Returns them and all that was sent.
fn run(history: &[Step], is_created: bool) -> (Vec<Replica>, Vec<Sent>) {
    let mut nodes: Vec<Replica> = (1..5).map(Replica::new).collect();
    let mut sent = Vec::new();
    if is_created {
        let acts = [Act::Create, give("abe", Rank::Founder), give("bob", Rank::Operator), give("bea", Rank::Operator)];
        sent.push(nodes[0].act(1, "ann", &acts));
        nodes.iter_mut().for_each(|node| node.take_all(&sent));
    }
    let mut known: Vec<usize> = vec![sent.len(); 4];
    for (now, (node, who, kind, target, rank, hears)) in (2..).zip(history) {
        let node = usize::from(*node);
        if hears.is_some() {
            // Everything sent so far up to some point: a causally closed prefix.
            let upto = known[node].max(sent.len() - sent.len() % (usize::from(hears.unwrap_or(0)) + 1));
            nodes[node].take_all(&sent[..upto.min(sent.len())]);
            known[node] = upto;
        }
        let act = step_act(*kind, *target, *rank);
        sent.push(nodes[node].act(now, PEOPLE[usize::from(*who)], &[act]));
    }
    (nodes, sent)
}

fn delivered<'a>(sent: impl IntoIterator<Item = &'a Sent>) -> RoomDoc {
    let mut node = Replica::new(9);
    node.take_all(sent);
    node.doc
}

/// The document of a room some of whose entries are void.
fn cut<'a>(sent: impl IntoIterator<Item = &'a Sent>) -> RoomDoc {
    let mut node = Replica::new(9);
    node.doc = RoomDoc::with(node.doc.name(), Vocabulary::Full, true);
    node.take_all(sent);
    node.doc
}

fn folded_without_cuts(doc: &RoomDoc) -> RoomState {
    let everything = doc.graph.past_of(&doc.graph.heads());
    let mut all: Vec<_> = doc.graph.latest_first(&everything).collect();
    all.reverse();
    Fold::new(&doc.graph, &RoomState::default(), &all).state()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_order_of_delivery_ends_in_one_state(
        history in histories(), created in any::<bool>(), seed in prop::collection::vec(any::<u32>(), 26)
    ) {
        let (mut nodes, sent) = run(&history, created);
        let in_order = delivered(&sent);
        let mut shuffled: Vec<(u32, &Sent)> = seed.iter().copied().zip(&sent).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let shuffled = delivered(shuffled.into_iter().map(|(_, sent)| sent));
        prop_assert_eq!(shuffled.pending(), 0);
        prop_assert_eq!(shuffled.state(), in_order.state());
        prop_assert_eq!(shuffled.heads(), in_order.heads());
        for node in &mut nodes {
            node.take_all(&sent);
            prop_assert_eq!(node.doc.state(), in_order.state());
            prop_assert_eq!(node.doc.heads(), in_order.heads());
            prop_assert!(sent.iter().all(|sent| node.doc.counts(&sent.at) == in_order.counts(&sent.at)));
            let again = sent.iter().map(|sent| node.take(sent)).all(|applied| applied == Applied::Known);
            prop_assert!(again);
        }
    }

    #[test]
    fn every_order_of_delivery_ends_in_one_state_with_void_changes(
        history in histories(), after in histories(), void in 0usize..4, seed in prop::collection::vec(any::<u32>(), 52)
    ) {
        let (mut nodes, mut sent) = run(&history, true);
        let liar = nodes.remove(3);
        let is_void = |sent: &Sent| sent.at.origin == liar.origin && sent.at.seq >= void as u64;
        let first_after = sent.len();
        let mut known: Vec<Vec<Sent>> = nodes.iter().map(|node| {
            sent.iter().filter(|sent| node.doc.graph.of_entry(sent.at.dot()).is_some() && !is_void(sent)).cloned().collect()
        }).collect();
        for (node, known) in nodes.iter_mut().zip(&known) {
            node.doc = cut(known);
        }
        for (now, (node, who, kind, target, rank, hears)) in (100..).zip(&after) {
            let node = usize::from(*node) % 3;
            if hears.is_some() {
                known[node] = sent.iter().filter(|sent| !is_void(sent)).cloned().collect();
                nodes[node].take_all(&known[node]);
            }
            let act = step_act(*kind, *target, *rank);
            sent.push(nodes[node].act(now, PEOPLE[usize::from(*who)], &[act]));
        }
        for all in [sent.clone(), sent.iter().filter(|sent| !is_void(sent)).cloned().collect()] {
            let in_order = cut(&all);
            let mut shuffled: Vec<(u32, &Sent)> = seed.iter().copied().zip(&all).collect();
            shuffled.sort_by_key(|(key, _)| *key);
            let shuffled = cut(shuffled.into_iter().map(|(_, sent)| sent));
            prop_assert_eq!(shuffled.state(), in_order.state());
            prop_assert_eq!(shuffled.heads(), in_order.heads());
            prop_assert!(all.iter().all(|sent| shuffled.counts(&sent.at) == in_order.counts(&sent.at)));
        }
        let without = cut(sent.iter().filter(|sent| !is_void(sent)));
        let is_in = |sent: &Sent| without.graph.of_entry(sent.at.dot()).is_some();
        prop_assert!(sent[first_after..].iter().all(is_in), "nobody who knows what is void is muted by it");
    }

    #[test]
    fn the_short_ways_end_where_the_whole_fold_does(history in histories(), created in any::<bool>()) {
        let (nodes, sent) = run(&ranked_from_above(&history), created);
        let void = |sent: &&Sent| sent.at.origin != nodes[3].origin;
        let docs = [delivered(&sent), cut(sent.iter().filter(void))];
        for doc in nodes.iter().map(|node| node.doc.clone()).chain(docs) {
            prop_assert_eq!(doc.state(), &folded_without_cuts(&doc));
        }
    }

    #[test]
    fn what_is_asked_of_the_heads_is_the_state(history in histories(), created in any::<bool>()) {
        let (nodes, sent) = run(&history, created);
        for doc in nodes.into_iter().map(|node| node.doc).chain([delivered(&sent)]) {
            let mut asked = doc.clone();
            let heads = doc.heads();
            let at_heads = asked.state_at(&heads);
            prop_assert_eq!(at_heads.as_deref(), Some(doc.state()));
            let mut hashes: Vec<_> = doc.document.get_heads().iter().map(|head| head.0).collect();
            hashes.sort_unstable();
            prop_assert_eq!(hashes, heads);
        }
    }

    #[test]
    fn a_state_in_the_past_never_changes(history in histories()) {
        let (mut nodes, sent) = run(&history, true);
        let then: Vec<_> = nodes.iter().map(|node| (node.doc.heads(), node.doc.shared_state())).collect();
        for node in &mut nodes {
            node.take_all(&sent);
            for (heads, state) in &then {
                let asked = node.doc.state_at(heads);
                prop_assert_eq!(asked.as_ref(), Some(state));
            }
        }
    }

    #[test]
    fn a_room_with_a_founder_keeps_one_unless_it_is_level(history in histories()) {
        let (_, sent) = run(&history, true);
        let mut node = Replica::new(9);
        for sent in &sent {
            node.take(sent);
            let state = node.doc.state();
            prop_assert!(state.is_level() || state.ranks.values().any(|rank| *rank == Rank::Founder));
        }
    }

    #[test]
    fn a_ban_that_counts_is_lifted_only_by_who_saw_it_or_a_senior(history in histories()) {
        let (_, sent) = run(&history, true);
        let mut doc = delivered(&sent);
        let heads = doc.graph.heads();
        let past = doc.graph.past_of(&heads);
        let all: Vec<_> = doc.graph.latest_first(&past).collect();
        let mut standing = |index| {
            let node = doc.graph.node(index).clone();
            let past = doc.state_of(&node.deps);
            View::standing(&*past, &node.author.principal())
        };
        let ranks: Vec<Rank> = all.iter().map(|index| standing(*index)).collect();
        for (index, rank) in all.iter().zip(&ranks) {
            let node = doc.graph.node(*index);
            let [Act::SetBan { mask, ban: Some(_) }] = node.acts.as_slice() else { continue };
            if !node.counts || doc.state().bans.contains_key(mask) {
                continue;
            }
            let is_lifted = all.iter().zip(&ranks).any(|(other, by)| {
                let lift = doc.graph.node(*other);
                let lifts = lift.acts == [Act::SetBan { mask: mask.clone(), ban: None }];
                let is_later = doc.graph.is_before(*index, *other);
                lifts && lift.counts && (is_later || (!doc.graph.is_before(*other, *index) && by > rank))
            });
            prop_assert!(is_lifted);
        }
    }

    #[test]
    fn a_saved_document_goes_on_as_it_was(history in histories(), cut in any::<prop::sample::Index>()) {
        let (_, sent) = run(&history, true);
        let (before, after) = sent.split_at(cut.index(sent.len()));
        let doc = delivered(before);
        let mut loaded = RoomDoc::load(&doc.save(), Vocabulary::Full).unwrap();
        prop_assert_eq!(loaded.state(), doc.state());
        prop_assert_eq!(loaded.heads(), doc.heads());
        for sent in after {
            loaded.apply(sent.at, &sent.author, &sent.change);
        }
        let whole = delivered(&sent);
        prop_assert_eq!(loaded.state(), whole.state());
        prop_assert!(sent.iter().all(|sent| loaded.counts(&sent.at) == whole.counts(&sent.at)));
    }

    #[test]
    fn junk_is_never_a_change(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut one, _) = two();
        let heads = one.doc.heads();
        let at = OrderKey { hlc: Hlc(50), origin: one.origin, seq: 50 };
        prop_assert_eq!(one.doc.apply(at, &author(1, "ann"), &bytes), Applied::Malformed);
        prop_assert_eq!(one.doc.heads(), heads);
    }
}
