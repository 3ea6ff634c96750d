//! Looking for nodes by libp2p, as it is configured.

use super::error::ConfigError;
use super::file::Check;
use crate::shell::discovery::IS_BUILT_IN;
use toml::Spanned;

/// Whether and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Discovery {
    /// Whether it is done at all.
    pub(crate) is_on: bool,
    /// Whether nodes behind routers may find one another through this one.
    pub(crate) relay: bool,
}

/// What looks for nodes needs a build that can, and who lets others meet must take part.
pub(super) fn check(
    check: &Check<'_>,
    is_on: Option<&Spanned<bool>>,
    relay: Option<&Spanned<bool>>,
) -> Result<Discovery, ConfigError> {
    let says = |key: Option<&Spanned<bool>>| key.is_some_and(|value| *value.get_ref());
    let discovery = Discovery { is_on: says(is_on), relay: says(relay) };
    if let Some(key) = is_on.filter(|_| discovery.is_on && !IS_BUILT_IN) {
        let right = "false is expected, or a build with the feature `libp2p`";
        return Err(check.refuse_hidden("mesh-discovery", key, "this build looks for no nodes", right));
    }
    if let Some(key) = relay.filter(|_| discovery.relay && !discovery.is_on) {
        let what = "nodes meet only where one takes part in discovery";
        return Err(check.refuse_hidden("mesh-relay", key, what, "`mesh-discovery = true` is expected beside it"));
    }
    Ok(discovery)
}
