//! The reference model: what rooms must come to and who may lose a nick, worked out in the slowest and most obvious way, to compare with
//! what the nodes say (invariants L7, L8 and L9).
//!
//! Of rooms it takes from the product only what was signed: changes with their authors, stamps and causes. Rules and fold are written here anew, from
//! ARCHITECTURE.md, "How rights merge", without base states, indices by origin, or anything else that makes the real fold fast.

mod names;
mod past;
mod room;
mod rules;

pub(crate) use names::NamesModel;
pub(crate) use room::RoomModel;
