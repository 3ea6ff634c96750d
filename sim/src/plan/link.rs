//! What links between particular regions are like, where they differ from the plan's common ones: an operator's topology.

use serde::{Deserialize, Serialize};

/// The links between all nodes of two regions, or within one when it is named twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionLink {
    /// Which two regions.
    pub between: [String; 2],
    /// One-way delay, microseconds.
    pub delay_us: u64,
    /// Up to this share of the delay is added at random, in percent.
    #[serde(default)]
    pub jitter_percent: u64,
    /// Chance that a packet is lost, per million.
    #[serde(default)]
    pub loss_ppm: u64,
    /// How much passes each way between two nodes, kilobits a second; `None`: as much as is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_kbit: Option<u64>,
}

impl RegionLink {
    /// Whether it is the link of nodes in these two regions, in either order.
    #[must_use]
    pub fn joins(&self, one: &str, other: &str) -> bool {
        let [first, second] = &self.between;
        (first == one && second == other) || (first == other && second == one)
    }
}
