//! WEBPUSH (IRCv3 `draft/webpush`): a device subscribes to what is said to its account. The subscriptions are registers of the account, so that whichever
//! node takes what is said knows them; which of it is sent is the core's matter: direct messages and mentions.

use super::history::shown_target;
use super::message::Line;
use super::said::{self, Look};
use super::{Caps, Message, Now, Session};
use crate::command::{Command, Refusal};
use crate::event::Said;
use crate::push::Subscription;
use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

/// Longest payload, bytes: with what encryption adds, the 4,096 that every push service takes (RFC 8030 section 7.2).
const PAYLOAD_BYTES_MAX: usize = 3_800;

/// WEBPUSH.
pub(super) fn webpush(session: &mut Session, _now: Now, message: &Message<'_>) {
    let subcommand = message.param(0).unwrap_or_default().to_ascii_uppercase();
    let Some(key) = session.config.vapid.clone() else {
        return session.fail("WEBPUSH", "FORBIDDEN", &[&subcommand], "This node sends no push messages");
    };
    let endpoint = message.param(1).unwrap_or_default().to_owned();
    match subcommand.as_str() {
        "VAPIDPUBKEY" => {
            let line = Line::new(&session.config.node_name, "WEBPUSH", &["VAPIDPUBKEY", &key]);
            session.reply(line);
        }
        "REGISTER" | "UNREGISTER" if session.me.account.is_none() => {
            session.fail("WEBPUSH", "ACCOUNT_REQUIRED", &[&subcommand], "Only accounts can subscribe");
        }
        "REGISTER" => {
            let caps = session.caps.bits();
            match subscription(&endpoint, message.param(2).unwrap_or_default(), caps) {
                Some(subscription) => set(session, "REGISTER", endpoint, subscription.encode()),
                None => session.fail("WEBPUSH", "INVALID_PARAMS", &["REGISTER"], "That is no endpoint with its keys"),
            }
        }
        "UNREGISTER" if endpoint.is_empty() => {
            session.fail("WEBPUSH", "INVALID_PARAMS", &["UNREGISTER"], "Which endpoint?");
        }
        "UNREGISTER" => set(session, "UNREGISTER", endpoint, Vec::new()),
        _ => session.fail("WEBPUSH", "INVALID_PARAMS", &[&subcommand], "Unknown subcommand"),
    }
}

/// From an endpoint and keys in the form of message tags.
fn subscription(endpoint: &str, keys: &str, caps: u64) -> Option<Subscription> {
    let key = |name: &str| {
        let value = keys.split(';').find_map(|pair| pair.split_once('=').filter(|(known, _)| *known == name))?.1;
        URL_SAFE_NO_PAD.decode(value).or_else(|_| URL_SAFE.decode(value)).ok()
    };
    Subscription::irc(endpoint, key("p256dh")?, key("auth")?, caps)
}

fn set(session: &mut Session, subcommand: &'static str, endpoint: String, value: Vec<u8>) {
    let command = Command::RegisterSet(Subscription::key(&endpoint), value);
    session.ask(command, move |session, _, answer| match answer {
        Ok(_) => {
            let line = Line::new(&session.config.node_name, "WEBPUSH", &[subcommand, &endpoint]);
            session.reply(line);
        }
        Err(Refusal::TooMany(_)) => {
            session.fail("WEBPUSH", "MAX_REGISTRATIONS", &[subcommand, &endpoint], "Your account has too many already");
        }
        Err(refusal) => session.fail("WEBPUSH", "INTERNAL_ERROR", &[subcommand, &endpoint], &refusal.to_string()),
    });
}

/// What is sent of something said to who has such capabilities: its first line, without tags when they are too long.
pub(crate) fn push_line(caps: u64, said: &Said, node: &str) -> Option<String> {
    let target = shown_target(said);
    let written = |caps: Caps| {
        let look = Look { caps, node, wall_ms: said.id.hlc().ms() };
        let line = said::lines(&look, said, &target, None).into_iter().next()?;
        let mut bytes = Vec::new();
        line.write(&mut bytes, None);
        let text = String::from_utf8(bytes).ok()?;
        Some(text.trim_end().to_owned()).filter(|text| text.len() <= PAYLOAD_BYTES_MAX)
    };
    written(Caps::from_bits(caps)).or_else(|| written(Caps::default()))
}
