//! The reference model: what rooms must come to, worked out in the slowest and most obvious way, to compare with what the nodes say
//! (invariants L7 and L8).
//!
//! It takes from the product only what was signed: changes with their authors, stamps and causes. Rules and fold are written here anew, from
//! ARCHITECTURE.md, "How rights merge", without base states, indices by origin, or anything else that makes the real fold fast.

mod past;
mod room;
mod rules;

pub(crate) use room::RoomModel;
