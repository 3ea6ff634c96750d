//! Disks of simulated nodes: the model disk of level L0 and, at level L1, a faulty block of bytes under the real store.
//!
//! Everything random about a disk is drawn by the world and handed in by value, so that a disk itself is a function of what was done to it.

mod platter;
mod store;

pub(crate) use platter::Platter;
pub(crate) use store::SimStore;
