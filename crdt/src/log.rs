//! The replica of one scope as a value: what is known, what is applied, what waits for its causal past.
//!
//! Holds no message bodies: those are in the store. Tracks the version vector, the frontier that the next local entry refers to,
//! chain heads per origin, and entries that came before what they depend on.
