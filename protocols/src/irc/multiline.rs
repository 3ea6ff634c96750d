//! Messages of several lines (IRCv3 `draft/multiline`): a client's batch becomes one message, cut where its client had cut it.

use super::message::clip;
use super::messaging::{client_tags, say_lines};
use super::{Caps, Message, Now, Session};
use lavina_crdt::content::MessageKind;

/// Bytes of a message at most; advertised as max-bytes. What an entry holds is far longer; a screen is not.
pub(super) const BYTES_MAX: usize = 16 * 1024;
/// Lines of a message at most; advertised as max-lines.
pub(super) const LINES_MAX: usize = 100;
/// Longest reference of a batch, bytes.
const REFERENCE_BYTES_MAX: usize = 64;

/// A batch that is not ended yet.
#[derive(Debug)]
pub(super) struct Open {
    reference: String,
    target: String,
    label: Option<String>,
    tags: Vec<(String, String)>,
    kind: Option<MessageKind>,
    text: String,
    joints: Vec<u32>,
    lines: usize,
    /// The code and context of what is wrong with it; told at its end.
    fault: Option<(&'static str, Vec<String>)>,
}

/// BATCH, as a client sends it.
pub(super) fn batch(session: &mut Session, now: Now, message: &Message<'_>) {
    let reference = message.param(0).unwrap_or_default();
    if let Some(reference) = reference.strip_prefix('+') {
        begin(session, reference, message);
    } else if let Some(reference) = reference.strip_prefix('-') {
        end(session, now, reference);
    } else {
        invalid(session);
    }
}

fn invalid(session: &mut Session) {
    session.own().multiline = None;
    session.fail("BATCH", "MULTILINE_INVALID", &[], "Invalid multiline batch");
}

fn begin(session: &mut Session, reference: &str, message: &Message<'_>) {
    let is_multiline = message.param(1) == Some("draft/multiline") && session.caps.has(Caps::MULTILINE);
    let target = message.param(2).unwrap_or_default();
    let named = !reference.is_empty() && reference.len() <= REFERENCE_BYTES_MAX;
    if !is_multiline || !named || target.is_empty() || session.own().multiline.is_some() {
        return invalid(session);
    }
    // The response to the batch is the response to its end.
    let label = session.answers.take_label();
    session.own().multiline = Some(Open {
        reference: reference.to_owned(),
        target: target.to_owned(),
        label,
        tags: client_tags(message),
        kind: None,
        text: String::new(),
        joints: Vec::new(),
        lines: 0,
        fault: None,
    });
}

/// Takes a PRIVMSG or NOTICE that belongs to a batch; whether it does.
pub(super) fn take(session: &mut Session, message: &Message<'_>, kind: MessageKind) -> bool {
    let Some(reference) = message.tag("batch").filter(|_| session.caps.has(Caps::MULTILINE)) else { return false };
    let concat = message.tag("draft/multiline-concat").is_some();
    let (target, text) = (message.param(0).unwrap_or_default(), message.params().get(1).copied().unwrap_or_default());
    let Some(open) = session.own().multiline.as_mut().filter(|open| open.reference == reference) else {
        invalid(session);
        return true;
    };
    open.add(target, text, concat, kind);
    true
}

impl Open {
    fn add(&mut self, target: &str, text: &str, concat: bool, kind: MessageKind) {
        self.lines += 1;
        let bytes = self.text.len() + text.len() + usize::from(!concat && self.lines > 1);
        let fault = if !target.eq_ignore_ascii_case(&self.target) {
            let shown = [self.target.as_str(), clip(target, REFERENCE_BYTES_MAX)].map(str::to_owned);
            Some(("MULTILINE_INVALID_TARGET", shown.to_vec()))
        } else if self.lines > LINES_MAX {
            Some(("MULTILINE_MAX_LINES", vec![LINES_MAX.to_string()]))
        } else if bytes > BYTES_MAX {
            Some(("MULTILINE_MAX_BYTES", vec![BYTES_MAX.to_string()]))
        } else if self.kind.is_some_and(|known| known != kind) || (concat && (text.is_empty() || self.lines == 1)) {
            Some(("MULTILINE_INVALID", Vec::new()))
        } else {
            None
        };
        self.kind = Some(kind);
        if self.fault.is_some() || fault.is_some() {
            self.fault = self.fault.take().or(fault);
            return;
        }
        if concat {
            self.joints.extend(u32::try_from(self.text.len()));
        } else if self.lines > 1 {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }
}

fn end(session: &mut Session, now: Now, reference: &str) {
    let Some(open) = session.own().multiline.take().filter(|open| open.reference == reference) else {
        return invalid(session);
    };
    session.answers.put_label(open.label);
    if let Some((code, context)) = open.fault {
        let context: Vec<&str> = context.iter().map(String::as_str).collect();
        return session.fail("BATCH", code, &context, "Invalid multiline batch");
    }
    match open.kind {
        Some(kind) if !open.text.trim_matches('\n').is_empty() => {
            say_lines(session, now, kind, &open.target, open.tags, open.text, open.joints);
        }
        Some(_) | None => invalid(session),
    }
}
