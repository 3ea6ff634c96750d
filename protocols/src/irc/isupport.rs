//! What RPL_ISUPPORT (005) says. Every token here is true: limits come from the constants that are enforced.
//!
//! modern.ircdocs.horse "RPL_ISUPPORT Parameters".

use super::channel::CHANNELS_MAX;
use super::history::{MESSAGES_MAX, close_batch, open_batch};
use super::message::Line;
use super::messaging::TARGETS_MAX;
use super::modes::{MODES_MAX, TOPIC_BYTES_MAX};
use super::names::STATUS_MARKS;
use super::numerics::{ERR_NOTREGISTERED, RPL_ISUPPORT};
use super::people::AWAY_BYTES_MAX;
use super::registration::{REALNAME_BYTES_MAX, REASON_BYTES_MAX, USER_BYTES_MAX};
use super::{Caps, Message, Now, Session};
use crate::session::ROOMS_MAX;
use crate::slot::{PASS_SECONDS, Pass};
use lavina_crdt::names::{NICK_BYTES_MAX, ROOM_NAME_BYTES_MAX};
use lavina_crdt::room::MASKS_MAX;

/// Tokens in one line: with the client's nick before and the text after them they stay within 15 parameters.
pub(super) const TOKENS_MAX: usize = 12;

/// ISUPPORT, also before the welcome (IRCv3 `draft/extended-isupport`).
pub(super) fn isupport(session: &mut Session, now: Now, _message: &Message<'_>) {
    if session.session_id().is_none() && !session.caps.has(Caps::EXTENDED_ISUPPORT) {
        session.numeric(ERR_NOTREGISTERED, &[], "You have not registered");
    } else {
        write(session, now);
    }
}

/// All lines of RPL_ISUPPORT, in a batch where the client wants one.
pub(super) fn write(session: &mut Session, now: Now) {
    let batched = session.caps.has(Caps::EXTENDED_ISUPPORT);
    let batch = if batched { open_batch(session, &["draft/isupport"]) } else { None };
    let mut tokens = tokens(&session.config.network);
    tokens.extend(filehost(session, now));
    tokens.extend(session.config.vapid.as_ref().map(|key| format!("VAPID={key}")));
    for tokens in tokens.chunks(TOKENS_MAX) {
        let nick = session.me.nick.clone();
        let words: Vec<&str> = std::iter::once(nick.as_str()).chain(tokens.iter().map(String::as_str)).collect();
        let line = Line::with_text(&session.config.node_name, RPL_ISUPPORT, &words, "are supported by this server");
        session.reply(batch.iter().fold(line, |line, batch| line.tag("batch", batch)));
    }
    close_batch(session, batch);
}

/// Where the account may put files (IRCv3 `draft/FILEHOST`). The URL is the account's own and stands for its password, so it is only told where
/// nobody reads along.
fn filehost(session: &Session, now: Now) -> Option<String> {
    let upload = session.config.upload.as_ref().filter(|_| session.may_send_password())?;
    let pass = Pass { account: session.me.account.clone()?, until_s: now.wall_ms / 1000 + PASS_SECONDS };
    Some(format!("draft/FILEHOST={}", pass.url(upload)))
}

/// All tokens that are the same for everybody.
pub(super) fn tokens(network: &str) -> Vec<String> {
    let network: String = network.chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect();
    vec![
        "CASEMAPPING=ascii".to_owned(),
        "CHANTYPES=#".to_owned(),
        format!("CHANLIMIT=#:{ROOMS_MAX}"),
        "PREFIX=(qaohv)~&@%+".to_owned(),
        format!("STATUSMSG={STATUS_MARKS}"),
        "KNOCK".to_owned(),
        "CHANMODES=beI,k,fl,CiMmnPRstu".to_owned(),
        format!("MODES={MODES_MAX}"),
        format!("MAXLIST=beI:{MASKS_MAX}"),
        "EXCEPTS".to_owned(),
        "INVEX".to_owned(),
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
