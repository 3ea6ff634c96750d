//! Looking for ways to other nodes beside those that are configured: libp2p where the build has it, nothing elsewhere.

#[cfg(feature = "libp2p")]
#[path = "swarm.rs"]
mod finder;
#[cfg(not(feature = "libp2p"))]
#[path = "none.rs"]
mod finder;

pub(crate) use finder::Finder;

use lavina_crdt::ids::NodeId;

/// Whether this build can do it.
pub(crate) const IS_BUILT_IN: bool = cfg!(feature = "libp2p");

/// Addresses that a node may be dialled at.
#[derive(Debug)]
pub(crate) struct Found {
    /// Who.
    pub(crate) node: NodeId,
    /// Where, `host:port`.
    pub(crate) addresses: Vec<String>,
}
