//! Nodes that know one another.

use crate::node::{Node, acquainted, config, frame, start};
use bytes::Bytes;
use lavina_gossip::frame::{FRAME_BYTES_MAX, Frame, Lane};
use lavina_gossip::versions::Versions;
use lavina_quic::{EndpointConfig, Event};

async fn connected(a: u8, b: u8) -> (Node, Node) {
    let (mut a, mut b) = acquainted(start(config(a)), start(config(b)));
    a.dial(&b).await;
    a.expect_up(b.id).await;
    b.expect_up(a.id).await;
    (a, b)
}

#[tokio::test]
async fn frames_pass_both_ways_on_every_lane_in_order() {
    let (mut a, mut b) = connected(1, 2).await;
    for lane in [Lane::Control, Lane::Live, Lane::Bulk] {
        for number in 0..300 {
            a.say(&b, lane, &format!("{number} there"));
            b.say(&a, lane, &format!("{number} back"));
        }
        for number in 0..300 {
            assert_eq!(b.expect_frame(a.id).await, frame(&format!("{number} there")));
            assert_eq!(a.expect_frame(b.id).await, frame(&format!("{number} back")));
        }
    }
    assert_eq!(a.endpoint.counters().frames_received, 900);
    assert_eq!(a.endpoint.counters().frames_dropped, 0);
}

#[tokio::test]
async fn a_frame_of_the_largest_size_arrives() {
    let (a, mut b) = connected(1, 2).await;
    let large = Frame::Membership(Bytes::from(vec![7; FRAME_BYTES_MAX - 16]));
    a.endpoint.send(b.id, Lane::Bulk, &large);
    assert_eq!(b.expect_frame(a.id).await, large);
}

#[tokio::test]
async fn a_full_bulk_lane_drops_and_a_full_control_lane_disconnects() {
    // Nobody takes b's events, so the windows and then the queues fill.
    let (mut a, b) = connected(1, 2).await;
    let large = Frame::Membership(Bytes::from(vec![7; FRAME_BYTES_MAX - 16]));
    for _ in 0..64 {
        a.endpoint.send(b.id, Lane::Bulk, &large);
    }
    assert!(a.endpoint.counters().frames_dropped > 0);
    for _ in 0..64 {
        a.endpoint.send(b.id, Lane::Control, &large);
    }
    assert_eq!(a.expect_down(b.id).await, "the peer does not read fast enough");
}

#[tokio::test]
async fn datagrams_and_round_trips_arrive() {
    let (mut a, mut b) = connected(1, 2).await;
    let packet = Bytes::from(vec![5; lavina_quic::DATAGRAM_BYTES_MAX]);
    a.endpoint.datagram(b.id, packet.clone());
    match b.next().await {
        Event::Datagram(from, bytes) => assert_eq!((from, bytes), (a.id, packet)),
        other => panic!("instead of a datagram: {other:?}"),
    }
    a.converse(&mut b).await;
}

#[tokio::test]
async fn simultaneous_dials_make_one_connection() {
    for round in 0..8 {
        let (mut a, mut b) = acquainted(start(config(10 + round)), start(config(30 + round)));
        let (to_a, to_b) = (a.addresses(), b.addresses());
        let (one, other) = tokio::join!(a.endpoint.connect(b.id, &to_b), b.endpoint.connect(a.id, &to_a));
        one.unwrap();
        other.unwrap();
        a.expect_up(b.id).await;
        b.expect_up(a.id).await;
        a.converse(&mut b).await;
    }
}

#[tokio::test]
async fn when_the_smaller_nodes_dial_fails_the_others_connection_is_taken() {
    let (mut a, mut b) = acquainted(start(config(1)), start(config(2)));
    // A port where another node answers: a's dial cannot come to its end.
    let wrong = start(config(3));
    let (to_a, to_wrong) = (a.addresses(), wrong.addresses());
    let (_, other) = tokio::join!(a.endpoint.connect(b.id, &to_wrong), b.endpoint.connect(a.id, &to_a));
    other.unwrap();
    a.expect_up(b.id).await;
    b.expect_up(a.id).await;
    a.converse(&mut b).await;
}

#[tokio::test]
async fn a_restarted_peer_replaces_its_stale_connection_at_once() {
    for (stale_dialled_by_a, restarted) in [(true, 2), (false, 2), (true, 1), (false, 1)] {
        let (a, b) = (start(config(1)), start(config(2)));
        a.endpoint.set_admitted([b.id]);
        b.endpoint.set_admitted([a.id]);
        let (dialler, other) = if stale_dialled_by_a { (&a, &b) } else { (&b, &a) };
        dialler.dial(other).await;
        let (mut stays, mut goes) = if restarted == 2 { (a, b) } else { (b, a) };
        stays.expect_up(goes.id).await;
        goes.expect_up(stays.id).await;

        // The first run is still there and silent, as one that was killed is to its peer.
        let mut again = start(EndpointConfig { boot: 77, ..config(restarted) });
        again.endpoint.set_admitted([stays.id]);
        again.dial(&stays).await;
        assert_eq!(stays.expect_down(goes.id).await, "replaced by a newer connection");
        stays.expect_up(again.id).await;
        again.expect_up(stays.id).await;
        stays.converse(&mut again).await;
    }
}

#[tokio::test]
async fn hanging_up_tells_both_sides_the_reason() {
    let (mut a, mut b) = connected(1, 2).await;
    a.endpoint.hangup(b.id, "maintenance");
    assert_eq!(a.expect_down(b.id).await, "maintenance");
    assert_eq!(b.expect_down(a.id).await, "maintenance");
    b.dial(&a).await;
    a.expect_up(b.id).await;
    b.expect_up(a.id).await;
    a.converse(&mut b).await;
}

#[tokio::test]
async fn closing_is_heard_at_once() {
    let (a, mut b) = connected(1, 2).await;
    a.endpoint.close().await;
    assert_eq!(b.expect_down(a.id).await, "the node stops");
}

#[tokio::test]
async fn a_node_of_another_mesh_is_refused_with_a_reason() {
    let (a, b) = acquainted(start(config(1)), start(EndpointConfig { mesh_id: [8; 16], ..config(2) }));
    let error = a.endpoint.connect(b.id, &b.addresses()).await.unwrap_err();
    assert_eq!(error.to_string(), "refused: the nodes belong to different meshes");
}

#[tokio::test]
async fn with_a_node_that_is_held_to_the_version_before_that_one_is_spoken() {
    let held = Versions::SPOKEN.up_to(Versions::SPOKEN.oldest).unwrap();
    let (mut a, mut b) = acquainted(start(config(1)), start(EndpointConfig { versions: held, ..config(2) }));
    assert_eq!(a.endpoint.version(b.id), None);
    a.dial(&b).await;
    a.expect_up(b.id).await;
    b.expect_up(a.id).await;
    for (one, other) in [(&a, &b), (&b, &a)] {
        assert_eq!(one.endpoint.version(other.id), Some(Versions::SPOKEN.oldest));
    }
}

#[tokio::test]
async fn revoking_closes_the_connection_and_keeps_the_node_out() {
    let (mut a, mut b) = connected(1, 2).await;
    a.endpoint.set_admitted([]);
    assert_eq!(a.expect_down(b.id).await, "the node is not admitted any more");
    b.expect_down(a.id).await;
    b.endpoint.connect(a.id, &a.addresses()).await.unwrap_err();
    assert_eq!(a.endpoint.counters().strangers_refused, 1);
}
