//! Questions about the server, and PING. RFC 2812 section 3.4 and 3.7.

use super::numerics::*;
use super::{Answer, Line, Message, Now, Phase, Session, isupport, verbs};
use crate::command::{Command, Reply};
use crate::operator::{OperatorCommand, OperatorReply};
use lavina_crdt::glob;
use lavina_crdt::names::Nick;

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
pub(super) fn motd(session: &mut Session, now: Now, message: &Message<'_>) {
    at(session, now, message.param(0), |session, _| write_motd(session));
}

/// Answers a question about a server, where there is one of that name: each node answers for all, and a nick stands for its node (RFC 2812 section 3.4).
fn at(session: &mut Session, now: Now, target: Option<&str>, answer: fn(&mut Session, Now)) {
    let Some(target) = target.map(str::to_owned) else { return answer(session, now) };
    let is_meant = |name: &str| glob::matches(&target.to_lowercase(), &name.to_lowercase());
    if is_meant(&session.config.node_name) {
        return answer(session, now);
    }
    session.answers.hold();
    session.ask(Command::Operator(OperatorCommand::Nodes), move |session, now, nodes| {
        let domain = session.config.domain.clone();
        let is_node = |name: &str| target == name || target == format!("{name}.{domain}");
        if let Ok(Reply::Operator(OperatorReply::Nodes(nodes))) = nodes
            && nodes.iter().any(|node| is_node(&node.name))
        {
            return answer(session, now);
        }
        let Ok(nick) = Nick::new(&target) else { return no_such_server(session, &target) };
        session.ask(Command::FindNick(nick), move |session, now, people| match people {
            Ok(Reply::People(people)) if !people.is_empty() => answer(session, now),
            Ok(_) | Err(_) => no_such_server(session, &target),
        });
    });
}

fn no_such_server(session: &mut Session, name: &str) {
    session.numeric(ERR_NOSUCHSERVER, &[name], "No such server");
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
    let (all, here) = (counts.sessions, counts.sessions_here);
    let seen = all.saturating_sub(counts.invisible);
    let text = format!("There are {seen} users and {} invisible on {} servers", counts.invisible, counts.nodes);
    session.numeric(RPL_LUSERCLIENT, &[], &text);
    session.numeric(RPL_LUSEROP, &[&counts.operators.to_string()], "operator(s) online");
    session.numeric(RPL_LUSERUNKNOWN, &[&counts.unknown.to_string()], "unknown connection(s)");
    session.numeric(RPL_LUSERCHANNELS, &[&counts.rooms.to_string()], "channels formed");
    session.numeric(RPL_LUSERME, &[], &format!("I have {here} clients and {} servers", counts.nodes.saturating_sub(1)));
    for (code, whose, now, most) in [
        (RPL_LOCALUSERS, "local", here, counts.sessions_here_max),
        (RPL_GLOBALUSERS, "global", all, counts.sessions_max),
    ] {
        let (now, most) = (now.to_string(), most.max(now).to_string());
        session.numeric(code, &[&now, &most], &format!("Current {whose} users {now}, max {most}"));
    }
}

/// VERSION.
pub(super) fn version(session: &mut Session, now: Now, message: &Message<'_>) {
    at(session, now, message.param(0), |session, now| {
        let node = session.config.node_name.clone();
        session.numeric(RPL_VERSION, &[VERSION, &node], "A mesh of equal nodes");
        isupport::write(session, now);
    });
}

/// TIME.
pub(super) fn time(session: &mut Session, now: Now, message: &Message<'_>) {
    at(session, now, message.param(0), |session, now| {
        let node = session.config.node_name.clone();
        session.numeric(RPL_TIME, &[&node], &super::time::format(now.wall_ms));
    });
}

/// INFO.
pub(super) fn info(session: &mut Session, now: Now, message: &Message<'_>) {
    at(session, now, message.param(0), |session, _| {
        let started = super::time::format(session.config.started_ms);
        for line in [
            format!("This is {VERSION}, a chat server that is a mesh."),
            "Every node is a full peer; IRC and XMPP clients share rooms, accounts and history.".to_owned(),
            format!("This node runs since {started}."),
        ] {
            session.numeric(RPL_INFO, &[], &line);
        }
        session.numeric(RPL_ENDOFINFO, &[], "End of INFO list");
    });
}

/// ADMIN.
pub(super) fn admin(session: &mut Session, now: Now, message: &Message<'_>) {
    at(session, now, message.param(0), |session, _| {
        let config = std::sync::Arc::clone(&session.config);
        session.numeric(RPL_ADMINME, &[&config.node_name], "Administrative info");
        session.numeric(RPL_ADMINLOC1, &[], &format!("{} on the {} network", config.node_name, config.network));
        session.numeric(RPL_ADMINLOC2, &[], &format!("running {VERSION}"));
        session.numeric(RPL_ADMINEMAIL, &[], &format!("admin@{}", config.domain));
    });
}

/// HELP.
pub(super) fn help(session: &mut Session, _now: Now, message: &Message<'_>) {
    let subject = message.param(0).unwrap_or("*").to_owned();
    if subject != "*" {
        let Some((name, params, does)) = verbs::usage(&subject) else {
            return session.numeric(ERR_HELPNOTFOUND, &[&subject], "No help available on this topic");
        };
        session.numeric(RPL_HELPSTART, &[&subject], format!("{name} {params}").trim_end());
        session.numeric(RPL_HELPTXT, &[&subject], "");
        return session.numeric(RPL_ENDOFHELP, &[&subject], does);
    }
    session.numeric(RPL_HELPSTART, &[&subject], "These commands are known here:");
    session.numeric(RPL_HELPTXT, &[&subject], "");
    let names: Vec<&str> = verbs::all_names().collect();
    for names in names.chunks(10) {
        session.numeric(RPL_HELPTXT, &[&subject], &names.join(" "));
    }
    session.numeric(RPL_ENDOFHELP, &[&subject], "HELP and one of them says what it takes and does.");
}
