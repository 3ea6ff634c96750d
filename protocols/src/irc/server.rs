//! Questions about the server, and PING. RFC 2812 section 3.4 and 3.7.

use super::numerics::*;
use super::{Answer, Line, Message, Now, Phase, Session, verbs};
use crate::command::{Command, Reply};

/// The version shown.
pub(super) const VERSION: &str = concat!("lavina-", env!("CARGO_PKG_VERSION"));

/// PING: the PONG waits until everything before it has been done.
pub(super) fn ping(session: &mut Session, _now: Now, message: &Message<'_>) {
    let Some(token) = message.param(0).map(str::to_owned) else {
        session.numeric(ERR_NEEDMOREPARAMS, &["PING"], "Not enough parameters");
        return;
    };
    if matches!(session.phase, Phase::Registered(_)) {
        session.ask(Command::Sync, move |session, _, _| pong_to(session, &token));
    } else {
        pong_to(session, &token);
    }
}

fn pong_to(session: &mut Session, token: &str) {
    let node = &session.config.node_name;
    let line = Line::with_text(node, "PONG", &[node], token);
    session.reply(line);
}

/// PONG and ERROR say nothing that needs an answer.
pub(super) fn pong(_session: &mut Session, _now: Now, _message: &Message<'_>) {}

/// MOTD.
pub(super) fn motd(session: &mut Session, _now: Now, _message: &Message<'_>) {
    write_motd(session);
}

/// The message of the day.
pub(super) fn write_motd(session: &mut Session) {
    let config = std::sync::Arc::clone(&session.config);
    if config.motd.is_empty() {
        session.numeric(ERR_NOMOTD, &[], "There is no message of the day");
        return;
    }
    session.numeric(RPL_MOTDSTART, &[], &format!("- {} Message of the day - ", config.node_name));
    for line in &config.motd {
        session.numeric(RPL_MOTD, &[], &format!("- {line}"));
    }
    session.numeric(RPL_ENDOFMOTD, &[], "End of /MOTD command.");
}

/// LUSERS.
pub(super) fn lusers(session: &mut Session, _now: Now, _message: &Message<'_>) {
    lusers_then(session, |_| {});
}

/// Asks for the numbers, writes them, goes on.
pub(super) fn lusers_then(session: &mut Session, then: fn(&mut Session)) {
    session.ask(Command::Counts, move |session, _, answer| {
        write_lusers(session, answer);
        then(session);
    });
}

fn write_lusers(session: &mut Session, answer: Answer) {
    let Ok(Reply::Counts(counts)) = answer else { return };
    // Connections that have not registered are counted here, but are not yet anybody.
    let (all, here) = (counts.sessions, counts.sessions_here.min(counts.sessions));
    session.numeric(
        RPL_LUSERCLIENT,
        &[],
        &format!(
            "There are {} users and {} invisible on {} servers",
            all.saturating_sub(counts.invisible),
            counts.invisible,
            counts.nodes
        ),
    );
    session.numeric(RPL_LUSEROP, &[&counts.operators.to_string()], "operator(s) online");
    session.numeric(RPL_LUSERUNKNOWN, &["0"], "unknown connection(s)");
    session.numeric(RPL_LUSERCHANNELS, &[&counts.rooms.to_string()], "channels formed");
    session.numeric(RPL_LUSERME, &[], &format!("I have {here} clients and {} servers", counts.nodes.saturating_sub(1)));
    let (here, all) = (here.to_string(), all.to_string());
    session.numeric(RPL_LOCALUSERS, &[&here, &here], &format!("Current local users {here}, max {here}"));
    session.numeric(RPL_GLOBALUSERS, &[&all, &all], &format!("Current global users {all}, max {all}"));
}

/// VERSION.
pub(super) fn version(session: &mut Session, _now: Now, _message: &Message<'_>) {
    let node = session.config.node_name.clone();
    session.numeric(RPL_VERSION, &[VERSION, &node], "A mesh of equal nodes");
}

/// TIME.
pub(super) fn time(session: &mut Session, now: Now, _message: &Message<'_>) {
    let node = session.config.node_name.clone();
    session.numeric(RPL_TIME, &[&node], &super::time::format(now.wall_ms));
}

/// INFO.
pub(super) fn info(session: &mut Session, _now: Now, _message: &Message<'_>) {
    let started = super::time::format(session.config.started_ms);
    for line in [
        format!("This is {VERSION}, a chat server that is a mesh."),
        "Every node is a full peer; IRC and XMPP clients share rooms, accounts and history.".to_owned(),
        format!("This node runs since {started}."),
    ] {
        session.numeric(RPL_INFO, &[], &line);
    }
    session.numeric(RPL_ENDOFINFO, &[], "End of INFO list");
}

/// ADMIN.
pub(super) fn admin(session: &mut Session, _now: Now, _message: &Message<'_>) {
    let config = std::sync::Arc::clone(&session.config);
    session.numeric(RPL_ADMINME, &[&config.node_name], "Administrative info");
    session.numeric(RPL_ADMINLOC1, &[], &format!("{} on the {} network", config.node_name, config.network));
    session.numeric(RPL_ADMINEMAIL, &[], &format!("admin@{}", config.domain));
}

/// HELP.
pub(super) fn help(session: &mut Session, _now: Now, message: &Message<'_>) {
    let subject = message.param(0).unwrap_or("*").to_owned();
    if subject != "*" && !verbs::all_names().any(|name| name.eq_ignore_ascii_case(&subject)) {
        session.numeric(ERR_HELPNOTFOUND, &[&subject], "No help available on this topic");
        return;
    }
    session.numeric(RPL_HELPSTART, &[&subject], "These commands are known here:");
    let names: Vec<&str> = verbs::all_names().collect();
    for names in names.chunks(10) {
        session.numeric(RPL_HELPTXT, &[&subject], &names.join(" "));
    }
    session.numeric(RPL_ENDOFHELP, &[&subject], "What they do is described at https://modern.ircdocs.horse");
}
