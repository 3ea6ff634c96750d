//! How many home replicas a room has.

use super::ConfigError;
use super::file::Check;
use serde::Deserialize;
use std::num::NonZeroUsize;
use toml::Spanned;

/// Most that can be asked for: more copies than this protect from nothing that fewer do not.
const REPLICAS_MAX: u64 = 100;
/// How many there are unless the configuration says otherwise: one may be lost and another be away, and what was said is still there.
pub(crate) const REPLICAS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);
/// The word for a mesh in which every node holds every room.
const ALL: &str = "all";

/// A number, or the word for all.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Replicas {
    Count(u64),
    Word(String),
}

/// The number of homes; `None`: every node holds every room.
pub(super) fn check(check: &Check<'_>, value: Option<&Spanned<Replicas>>) -> Result<Option<NonZeroUsize>, ConfigError> {
    let Some(value) = value else { return Ok(Some(REPLICAS)) };
    let count = match value.get_ref() {
        Replicas::Word(word) if word == ALL => return Ok(None),
        Replicas::Count(count @ 1..=REPLICAS_MAX) => usize::try_from(*count).ok().and_then(NonZeroUsize::new),
        Replicas::Count(_) | Replicas::Word(_) => None,
    };
    let right = "a number from 1 to 100 is expected, the same on all nodes, or \"all\"";
    count.map(Some).ok_or_else(|| check.refuse_hidden("mesh-replicas", value, "rooms cannot have so many homes", right))
}
