//! What RPL_ISUPPORT (005) says. Every token here is true: limits come from the constants that are enforced.
//!
//! modern.ircdocs.horse "RPL_ISUPPORT Parameters".

use super::channel::CHANNELS_MAX;
use super::history::MESSAGES_MAX;
use super::messaging::TARGETS_MAX;
use super::modes::{MODES_MAX, TOPIC_BYTES_MAX};
use super::people::AWAY_BYTES_MAX;
use super::registration::{REALNAME_BYTES_MAX, REASON_BYTES_MAX, USER_BYTES_MAX};
use lavina_crdt::names::{NICK_BYTES_MAX, ROOM_NAME_BYTES_MAX};
use lavina_crdt::room::MASKS_MAX;

/// Tokens in one line: with the client's nick before and the text after them they stay within 15 parameters.
pub(super) const TOKENS_MAX: usize = 12;

/// All tokens.
pub(super) fn tokens(network: &str) -> Vec<String> {
    let network: String = network.chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect();
    vec![
        "CASEMAPPING=ascii".to_owned(),
        "CHANTYPES=#".to_owned(),
        "PREFIX=(qaohv)~&@%+".to_owned(),
        "CHANMODES=beI,k,fl,CiMmnPRstu".to_owned(),
        format!("MODES={MODES_MAX}"),
        format!("MAXLIST=beI:{MASKS_MAX}"),
        "EXCEPTS=e".to_owned(),
        "INVEX=I".to_owned(),
        "EXTBAN=$,Uam".to_owned(),
        "ACCOUNTEXTBAN=a".to_owned(),
        format!("NETWORK={network}"),
        format!("NICKLEN={NICK_BYTES_MAX}"),
        format!("USERLEN={USER_BYTES_MAX}"),
        format!("NAMELEN={REALNAME_BYTES_MAX}"),
        format!("CHANNELLEN={}", ROOM_NAME_BYTES_MAX + 1),
        format!("TOPICLEN={TOPIC_BYTES_MAX}"),
        format!("AWAYLEN={AWAY_BYTES_MAX}"),
        format!("KICKLEN={REASON_BYTES_MAX}"),
        format!(
            "TARGMAX=JOIN:{CHANNELS_MAX},PART:{CHANNELS_MAX},NAMES:{CHANNELS_MAX},LIST:,PRIVMSG:{TARGETS_MAX},NOTICE:{TARGETS_MAX},\
             TAGMSG:{TARGETS_MAX},KICK:{TARGETS_MAX},WHOIS:1,USERHOST:{TARGETS_MAX}"
        ),
        "ELIST=CMNTU".to_owned(),
        "SAFELIST".to_owned(),
        "BOT=B".to_owned(),
        format!("MONITOR={}", super::monitor::TARGETS_MAX),
        "WHOX".to_owned(),
        "UTF8ONLY".to_owned(),
        format!("CHATHISTORY={MESSAGES_MAX}"),
        "MSGREFTYPES=msgid,timestamp".to_owned(),
    ]
}
