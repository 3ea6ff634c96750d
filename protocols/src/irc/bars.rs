//! KLINE, DLINE and their undoing: who is kept out of the whole mesh, and for how long.
//!
//! No RFC has them; the order of parameters is the customary one: `KLINE [DURATION] MASK [REASON]`, where the duration is a number of minutes or
//! a text such as `1d12h`. A mask is a nick, `user@host`, `nick!user@host`, or an account as `$a:NAME`; DLINE takes an address or a network.

use super::message::clip;
use super::numerics::*;
use super::registration::REASON_BYTES_MAX;
use super::{Message, Now, Session};
use crate::command::{Command, Refusal, Reply};
use crate::operator::{OperatorCommand, OperatorReply};
use lavina_crdt::barred::{Bar, Barred};

/// What the reason is when none is given.
const NO_REASON: &str = "No reason given";

/// KLINE.
pub(super) fn kline(session: &mut Session, now: Now, message: &Message<'_>) {
    bar(session, now, message, "KLINE", Barred::parse);
}

/// DLINE.
pub(super) fn dline(session: &mut Session, now: Now, message: &Message<'_>) {
    bar(session, now, message, "DLINE", Barred::network);
}

/// UNKLINE.
pub(super) fn unkline(session: &mut Session, _now: Now, message: &Message<'_>) {
    lift(session, message, "UNKLINE", Barred::parse);
}

/// UNDLINE.
pub(super) fn undline(session: &mut Session, _now: Now, message: &Message<'_>) {
    lift(session, message, "UNDLINE", Barred::network);
}

fn bar(session: &mut Session, now: Now, message: &Message<'_>, verb: &'static str, parse: fn(&str) -> Option<Barred>) {
    let params = message.params();
    let duration = params.first().filter(|_| params.len() > 1).and_then(|text| duration_ms(text));
    let rest = params.get(usize::from(duration.is_some())..).unwrap_or_default();
    if rest.is_empty() {
        return list(session, verb);
    }
    let Some(target) = rest.first().and_then(|text| parse(text)) else {
        return session.fail(verb, "INVALID_MASK", &[rest.first().unwrap_or(&"*")], "That is not a mask or a network");
    };
    let reason = rest.get(1..).filter(|words| !words.is_empty()).map_or(NO_REASON.to_owned(), |words| words.join(" "));
    let bar = Bar {
        reason: clip(&reason, REASON_BYTES_MAX).to_owned(),
        // The core puts the operator's name here.
        by: String::new(),
        until_ms: duration.filter(|ms| *ms > 0).map(|ms| now.wall_ms.saturating_add(ms)),
    };
    let how_long =
        bar.until_ms.map_or("until it is lifted".to_owned(), |ms| format!("until {}", super::time::format(ms)));
    let shown = target.to_string();
    session.ask(Command::Operator(OperatorCommand::Bar(target, Some(bar))), move |session, _, answer| match answer {
        Ok(_) => session.server_notice(&format!("{verb}: {shown} is kept out {how_long}")),
        Err(refusal) => refuse(session, verb, &shown, &refusal),
    });
}

fn lift(session: &mut Session, message: &Message<'_>, verb: &'static str, parse: fn(&str) -> Option<Barred>) {
    let text = message.param(0).unwrap_or_default().to_owned();
    let Some(target) = parse(&text) else {
        return session.fail(verb, "INVALID_MASK", &[&text], "That is not a mask or a network");
    };
    session.ask(Command::Operator(OperatorCommand::Bar(target, None)), move |session, _, answer| match answer {
        Ok(Reply::Operator(OperatorReply::NotThere)) => {
            session.fail(verb, "NO_SUCH_ENTRY", &[&text], "There is no such entry");
        }
        Ok(_) => session.server_notice(&format!("{verb}: {text} is let in again")),
        Err(refusal) => refuse(session, verb, &text, &refusal),
    });
}

fn refuse(session: &mut Session, verb: &str, target: &str, refusal: &Refusal) {
    if *refusal == Refusal::NotOperator {
        session.no_privileges();
    } else if let Refusal::Barred(why) = refusal {
        session.fail(verb, "TOO_WIDE", &[target], why);
    } else {
        session.refuse_unknown(verb, refusal);
    }
}

fn list(session: &mut Session, verb: &'static str) {
    session.ask_operator(verb, OperatorCommand::Bars, move |session, _, reply| {
        if let OperatorReply::Bars(bars) = reply {
            for (target, bar, since_ms) in bars {
                session.server_notice(&format!("{verb}: {}", describe(&target, &bar, since_ms)));
            }
        }
        session.server_notice(&format!("{verb}: end of list"));
    });
}

/// One entry in words.
pub(super) fn describe(target: &Barred, bar: &Bar, since_ms: u64) -> String {
    let until = bar.until_ms.map_or("for good".to_owned(), |ms| format!("until {}", super::time::format(ms)));
    format!("{target} by {} since {} {until}: {}", bar.by, super::time::format(since_ms), bar.reason)
}

impl Session {
    /// A NOTICE from the node as part of a response.
    pub(super) fn server_notice(&mut self, text: &str) {
        let line = super::Line::with_text(&self.config.node_name, "NOTICE", &[&self.me.nick], text);
        self.reply(line);
    }

    /// The session is not let in (or no more): says so and ends.
    pub(super) fn barred(&mut self, words: &str) {
        self.numeric(ERR_YOUREBANNEDCREEP, &[], &format!("You are banned from this server: {words}"));
        self.answers.settle(&mut self.out, &self.config.node_name);
        self.end(&format!("Banned: {words}"), Some(&format!("Closing link: banned ({words})")));
    }
}

/// A duration: minutes as a plain number, or numbers with `s`, `m`, `h`, `d`, `w`, `y` after each. `0` is for good.
pub(super) fn duration_ms(text: &str) -> Option<u64> {
    if let Ok(minutes) = text.parse::<u64>() {
        return minutes.checked_mul(60_000);
    }
    let mut total: u64 = 0;
    let mut number: Option<u64> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit))?);
            continue;
        }
        let seconds = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            'y' => 31_536_000,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(seconds)?.checked_mul(1_000)?)?;
    }
    (number.is_none() && !text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_minutes_or_have_units() {
        assert_eq!(duration_ms("60"), Some(3_600_000));
        assert_eq!(duration_ms("1d12h"), Some(129_600_000));
        assert_eq!(duration_ms("30S"), Some(30_000));
        for wrong in ["", "d", "1d2", "eve", "1x", "99999999999999999999y", "18446744073709551615"] {
            assert_eq!(duration_ms(wrong), None, "{wrong}");
        }
    }
}
