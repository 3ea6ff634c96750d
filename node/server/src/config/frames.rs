//! Which versions of frames the node speaks with other nodes.

use super::ConfigError;
use super::file::Check;
use lavina_gossip::versions::Versions;
use toml::Spanned;

/// All that this build speaks, or those up to the one that the node is held to.
pub(super) fn check(check: &Check<'_>, newest: Option<&Spanned<u16>>) -> Result<Versions, ConfigError> {
    let all = Versions::SPOKEN;
    let Some(newest) = newest else { return Ok(all) };
    all.up_to(*newest.get_ref()).ok_or_else(|| {
        let what = format!("this version of Lavina does not speak frames of version {}", newest.get_ref());
        let right = format!("{} or {} is expected; leave the key out for the newest", all.oldest, all.newest);
        check.refuse_hidden("mesh-frames", newest, &what, &right)
    })
}
