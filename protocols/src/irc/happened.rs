//! What was done in a channel, from history, as the lines that told of it then (IRCv3 `draft/event-playback`). Who came and went is presence, which
//! nobody stores, so of those only who was removed.

use super::Caps;
use super::message::Line;
use super::modes;
use super::said::{Look, author_source, channel_name};
use crate::event::{Happened, Happening};
use lavina_crdt::room::Act;

/// The lines of something done.
pub(super) fn lines(look: &Look<'_>, happened: &Happened, batch: Option<&str>) -> Vec<Line> {
    let (channel, source) = (channel_name(&happened.room), author_source(&happened.author));
    let mut lines = Vec::new();
    match &happened.what {
        Happening::Kicked { nick, reason } => {
            lines.push(Line::with_text(&source, "KICK", &[&channel, nick], reason));
        }
        Happening::Acts(acts) => {
            for words in modes::of_acts(acts) {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                lines.push(Line::new(&source, "MODE", &[&[channel.as_str()], words.as_slice()].concat()));
            }
            for act in acts {
                if let Act::SetTopic(text) = act {
                    lines.push(Line::with_text(&source, "TOPIC", &[&channel], text));
                }
            }
        }
    }
    let named = |(index, line): (usize, Line)| {
        let line = batch.into_iter().fold(line, |line, batch| line.tag("batch", batch));
        let line = look.stamp(line, happened.id.hlc().ms(), happened.author.account.as_ref());
        // One id names one line.
        let is_named = index == 0 && look.caps.has(Caps::MESSAGE_TAGS);
        if is_named { line.tag("msgid", &happened.id.to_string()) } else { line }
    };
    lines.into_iter().enumerate().map(named).collect()
}
