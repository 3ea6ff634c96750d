//! Long, cut and healed ways between nodes.

use crate::node::{Node, acquainted, config, frame, start, start_with_wan};
use lavina_gossip::frame::Lane;
use lavina_quic::wan::Wan;
use lavina_quic::{Endpoint, EndpointConfig};
use std::time::Duration;
use tokio::time::Instant;

struct Pair {
    a: Node,
    b: Node,
    from_a: Wan,
    from_b: Wan,
}

async fn connected() -> Pair {
    let (a, from_a) = start_with_wan(1);
    let (b, from_b) = start_with_wan(2);
    let smaller_first = a.id < b.id;
    let (mut a, mut b) = acquainted(a, b);
    let (from_a, from_b) = if smaller_first { (from_a, from_b) } else { (from_b, from_a) };
    a.dial(&b).await;
    a.expect_up(b.id).await;
    b.expect_up(a.id).await;
    Pair { a, b, from_a, from_b }
}

impl Pair {
    fn cut(&self) {
        self.from_a.cut(self.b.address);
        self.from_b.cut(self.a.address);
    }

    fn heal(&self) {
        self.from_a.heal(self.b.address);
        self.from_b.heal(self.a.address);
    }
}

#[tokio::test]
async fn a_cut_is_noticed_by_both_and_healed_by_dialling() {
    let mut pair = connected().await;
    pair.cut();
    assert_eq!(pair.a.expect_down(pair.b.id).await, "silent for too long");
    assert_eq!(pair.b.expect_down(pair.a.id).await, "silent for too long");
    pair.heal();
    pair.b.dial(&pair.a).await;
    pair.a.expect_up(pair.b.id).await;
    pair.b.expect_up(pair.a.id).await;
    pair.a.converse(&mut pair.b).await;
}

#[tokio::test]
async fn what_is_said_into_a_short_cut_arrives_after_it_once() {
    let mut pair = connected().await;
    pair.cut();
    pair.a.say(&pair.b, Lane::Live, "into the cut");
    pair.heal();
    assert_eq!(pair.b.expect_frame(pair.a.id).await, frame("into the cut"));
    pair.a.converse(&mut pair.b).await;
}

#[tokio::test]
async fn a_one_way_cut_is_noticed_by_both() {
    let mut pair = connected().await;
    pair.from_a.cut(pair.b.address);
    pair.b.expect_down(pair.a.id).await;
    pair.a.expect_down(pair.b.id).await;
}

#[tokio::test]
async fn a_node_that_was_killed_and_is_back_resets_connections_it_does_not_know() {
    let wan = Wan::new();
    let (a, b) = (start(EndpointConfig { wan: Some(wan.clone()), ..config(1) }), start(config(2)));
    a.endpoint.set_admitted([b.id]);
    b.endpoint.set_admitted([a.id]);
    a.dial(&b).await;
    let (mut a, mut b) = (a, b);
    a.expect_up(b.id).await;
    b.expect_up(a.id).await;
    // Its last words are not heard, as those of a killed process are not said.
    wan.cut(b.address);
    a.endpoint.close().await;
    let (address, peer) = (a.address, a.id);
    drop(a);
    let _again = loop {
        match Endpoint::bind(EndpointConfig { listen: address, boot: 2, ..config(1) }) {
            Ok(again) => break again,
            // The socket goes with the first run's last task.
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(b.expect_down(peer).await, "the peer has lost the connection's state");
}

#[tokio::test]
async fn a_long_way_takes_its_time_and_keeps_everything() {
    let mut pair = connected().await;
    let delay = Duration::from_millis(60);
    pair.from_a.set_delay(pair.b.address, delay);
    pair.from_b.set_delay(pair.a.address, delay);
    let start = Instant::now();
    pair.a.converse(&mut pair.b).await;
    assert!(start.elapsed() >= delay * 2, "{:?}", start.elapsed());
    for number in 0..500 {
        pair.a.say(&pair.b, Lane::Live, &number.to_string());
    }
    for number in 0..500 {
        assert_eq!(pair.b.expect_frame(pair.a.id).await, frame(&number.to_string()));
    }
}
