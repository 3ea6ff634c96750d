//! What a peer that says nothing takes in memory.
//!
//! All nodes are in this process: of what it takes, one part grows with their number and another with the number of links between them. Three meshes of
//! different sizes tell the two apart, whatever a node takes by itself.

use super::field::Field;
use super::idle::resident;
use anyhow::Result;
use std::time::Duration;

/// Nodes of the meshes: two steps of the same size.
const NODES: [usize; 3] = [2, 6, 10];

/// Bytes of memory for each peer of a node.
pub(super) fn measure() -> Result<f64> {
    let mut fields = Vec::new();
    let mut taken = [0; NODES.len()];
    for (nodes, taken) in NODES.into_iter().zip(&mut taken) {
        let before = resident()?;
        // All stay to the end: what one gave back would be taken by the next.
        fields.push(Field::start(1, nodes, Duration::ZERO)?);
        *taken = i64::try_from(resident()?.saturating_sub(before))?;
    }
    let ends = |nodes: usize| nodes * (nodes - 1);
    let [few, some, many] = NODES.map(ends);
    // The second difference: what grows with the number of nodes is in both steps alike.
    let bytes = taken[2] - 2 * taken[1] + taken[0];
    Ok(super::ratio(u64::try_from(bytes).unwrap_or(0), u64::try_from(many + few - 2 * some)?))
}
