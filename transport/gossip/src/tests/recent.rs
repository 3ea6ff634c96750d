//! What goes out first to a peer that lacks much.

use super::net::{Net, room};
use crate::frame::Frame;
use lavina_crdt::clock::Hlc;
use lavina_crdt::ids::Scope;

const ROOMS: usize = 20;

/// The newest first.
fn by_age() -> Vec<Scope> {
    (0..ROOMS).map(|n| room((n * 7) % ROOMS)).collect()
}

fn preload(net: &mut Net, node: usize) {
    for (age, scope) in by_age().iter().enumerate() {
        let newest = 1_000_000 - u64::try_from(age).unwrap() * 1_000;
        net.preload_at(node, 0, scope, (newest - 500..newest).map(Hlc::from_ms));
    }
}

/// The scopes that came to a node by sync, in order.
fn came_to(net: &Net, node: usize) -> Vec<Scope> {
    let mut came: Vec<Scope> = Vec::new();
    for (_, _, to, frame) in &net.log {
        if let Frame::Delta { runs, .. } = frame
            && *to == node
        {
            came.extend(runs.iter().map(|run| run.scope.clone()));
        }
    }
    came.dedup();
    came
}

#[test]
fn a_node_that_was_just_started_gives_the_newest_conversations_first() {
    let mut net = Net::new(&[0, 0], 1);
    preload(&mut net, 0);
    net.start();
    net.run_ms(5_000);
    assert!(net.converged());
    assert_eq!(came_to(&net, 1), by_age());
}

#[test]
fn who_caught_up_newest_first_goes_on_newest_first() {
    let mut net = Net::new(&[0, 0, 0], 2);
    preload(&mut net, 0);
    net.kill(2);
    net.start();
    net.run_ms(5_000);
    net.kill(0);
    net.restart(2);
    net.run_ms(10_000);
    assert_eq!(net.nodes[2].durable, net.nodes[1].durable);
    assert_eq!(came_to(&net, 2), by_age());
}
