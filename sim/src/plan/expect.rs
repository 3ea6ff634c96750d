//! What whoever wrote a plan expects of it beyond the invariants: bounds on what is measured, checked by `check/expect.rs`.

use serde::{Deserialize, Serialize};

/// Bounds on the measures of a run; what is absent is not checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// All nodes are equal so long after healing, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converge_within_ms: Option<u64>,
    /// Least share of lines, said by clients in a room of a live node with a healthy disk, that were acknowledged in time, per million.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_ppm: Option<u64>,
    /// Least share of all lines the scripts wanted to say that were acknowledged at all, per million.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_ppm: Option<u64>,
    /// Most lines shown to one client twice on one connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<u64>,
    /// Most acknowledged lines that some client in the room all the time was never shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Whether each sender's lines are shown in its order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<bool>,
    /// Most copies of an entry that enter a remote region, on average, in thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies_per_region_milli: Option<u64>,
    /// 99 of 100 acknowledgements come within this, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledge_p99_us: Option<u64>,
    /// 99 of 100 lines are shown to clients of other regions within this, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliver_far_p99_us: Option<u64>,
}

impl Expect {
    /// Whether nothing is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
