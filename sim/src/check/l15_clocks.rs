//! L15, clocks: however wrong some wall clocks are, no node takes a time that is further from the true one than the drift, and no entry is
//! stamped later than that.

use super::Rest;
use crate::world::World;
use crate::world::node::true_ms;
use lavina_core::node::Limits;
use lavina_core::store::Store;
use lavina_crdt::entry::SealedEntry;
use lavina_crdt::ids::OrderKey;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    let (now_us, drift_ms) = (world.now_us, Limits::default().drift_ms_max);
    // Nothing can tell which clocks are right when most are wrong.
    let right = world.nodes.iter().filter(|node| node.offset_ms(now_us).unsigned_abs() <= drift_ms / 2).count();
    if right * 2 <= world.nodes.len() {
        return wrong;
    }
    let latest_ms = true_ms(now_us) + drift_ms;
    for index in world.judged() {
        let node = &world.nodes[index];
        if let Some(core) = &node.core {
            let taken_ms = core.time(node.now(now_us)).wall_ms;
            if taken_ms.abs_diff(true_ms(now_us)) > drift_ms {
                let off_ms = node.offset_ms(now_us);
                wrong.push(format!("node {index}, whose clock is {off_ms} ms off, takes the time to be {taken_ms}"));
            }
        }
        for scope in world.vectors(index).keys() {
            let visit = &mut |key: OrderKey, _: &SealedEntry| {
                if key.hlc.ms() > latest_ms {
                    let ahead_ms = key.hlc.ms() - true_ms(now_us);
                    wrong.push(format!("node {index} took {key:?} in {scope:?}, which is {ahead_ms} ms ahead"));
                }
                true
            };
            if node.store.scan(scope, None, None, false, visit).is_err() {
                wrong.push(format!("node {index} cannot read {scope:?}"));
            }
        }
    }
    wrong
}
