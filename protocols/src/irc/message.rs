//! One IRC line: parsing without copying, and encoding. Knows the grammar, nothing of what lines mean.
//!
//! RFC 1459 section 2.3.1 as clarified by modern.ircdocs.horse "Message Format"; tags by IRCv3 `message-tags`.

use bytes::BufMut;
use std::borrow::Cow;

/// Longest line without its tags, CR LF among it (RFC 1459 section 2.3).
pub(super) const LINE_BYTES_MAX: usize = 512;
/// Longest tag section a client may send, `@` and the space after it among it (IRCv3 `message-tags`, "Size limit").
pub(super) const CLIENT_TAG_BYTES_MAX: usize = 4096;
/// Most parameters of one line (RFC 1459 section 2.3); the last one takes what is left.
pub(super) const PARAMS_MAX: usize = 15;

/// Why a text is no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParseError {
    /// Nothing in it.
    Empty,
    /// A NUL or a CR inside.
    Character,
    /// No command where one must be.
    Command,
}

/// A parsed line, borrowing from the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// Undecoded tags, without `@`.
    tags: &'a str,
    /// Without the colon. Servers ignore what clients say here.
    pub(super) source: Option<&'a str>,
    /// As written.
    pub(super) command: &'a str,
    params: [&'a str; PARAMS_MAX],
    count: usize,
}

impl<'a> Message<'a> {
    /// Parses a line without its line end.
    pub(super) fn parse(line: &'a str) -> Result<Self, ParseError> {
        if line.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            return Err(ParseError::Character);
        }
        let (tags, rest) = prefixed(line.trim_start_matches(' '), '@');
        let (source, rest) = prefixed(rest, ':');
        let (command, mut rest) = word(rest);
        if command.is_empty() {
            let blank = tags.is_none() && source.is_none();
            return Err(if blank { ParseError::Empty } else { ParseError::Command });
        }
        if !command.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(ParseError::Command);
        }
        let mut params = [""; PARAMS_MAX];
        let mut count = 0;
        for slot in &mut params {
            if rest.is_empty() {
                break;
            }
            count += 1;
            if let Some(trailing) = rest.strip_prefix(':') {
                (*slot, rest) = (trailing, "");
            } else if count == PARAMS_MAX {
                (*slot, rest) = (rest, "");
            } else {
                (*slot, rest) = word(rest);
            }
        }
        Ok(Self { tags: tags.unwrap_or_default(), source, command, params, count })
    }

    /// The parameters.
    pub(super) fn params(&self) -> &[&'a str] {
        self.params.get(..self.count).unwrap_or_default()
    }

    /// One parameter, where it is given and not empty.
    pub(super) fn param(&self, index: usize) -> Option<&'a str> {
        self.params().get(index).copied().filter(|param| !param.is_empty())
    }

    /// The tags, keys as written, values unescaped; a later one of the same key counts instead of an earlier one (that is up to the caller).
    pub(super) fn tags(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> + use<'a> {
        self.tags.split(';').filter(|tag| !tag.is_empty()).filter_map(|tag| {
            let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
            (!key.is_empty()).then(|| (key, unescape(value)))
        })
    }

    /// The value of one tag.
    pub(super) fn tag(&self, name: &str) -> Option<Cow<'a, str>> {
        self.tags().filter(|(key, _)| *key == name).last().map(|(_, value)| value)
    }
}

/// Takes a word marked by `mark` off the front, and the spaces after it.
fn prefixed(text: &str, mark: char) -> (Option<&str>, &str) {
    match text.strip_prefix(mark) {
        Some(marked) => {
            let (first, rest) = word(marked);
            (Some(first), rest)
        }
        None => (None, text),
    }
}

fn word(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    (first, rest.trim_start_matches(' '))
}

fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some(':') => plain.push(';'),
            Some('s') => plain.push(' '),
            Some('r') => plain.push('\r'),
            Some('n') => plain.push('\n'),
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Cow::Owned(plain)
}

fn escape(into: &mut String, value: &str) {
    let escaped = |c: char| match c {
        ';' => Some("\\:"),
        ' ' => Some("\\s"),
        '\\' => Some("\\\\"),
        '\r' => Some("\\r"),
        '\n' => Some("\\n"),
        '\0' => Some(""),
        _ => None,
    };
    replace(into, value, escaped);
}

/// Appends a text with some characters replaced; what lies between them, mostly all, is copied as a whole. Only ASCII is asked about.
pub(super) fn replace(into: &mut String, text: &str, replaced: impl Fn(char) -> Option<&'static str>) {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii()) {
        if let Some(other) = replaced(char::from(byte)) {
            into.push_str(text.get(plain..at).unwrap_or_default());
            into.push_str(other);
            plain = at + 1;
        }
    }
    into.push_str(text.get(plain..).unwrap_or_default());
}

/// A line to send, without line end; its tags apart, since a label or a batch may come before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    tags: String,
    text: String,
}

impl Line {
    /// A line with parameters as they are; the last one is marked with a colon only where it must be.
    pub(super) fn new(source: &str, command: &str, params: &[&str]) -> Self {
        let (middle, last) = params.split_at(params.len().saturating_sub(1));
        let mut line = Self::start(source, command, middle);
        for last in last {
            let marked = last.is_empty() || last.starts_with(':') || last.contains(' ');
            line.finish(if marked { " :" } else { " " }, last);
        }
        line.fit()
    }

    /// A line whose last parameter is text for people.
    pub(super) fn with_text(source: &str, command: &str, middle: &[&str], text: &str) -> Self {
        let mut line = Self::start(source, command, middle);
        line.finish(" :", text);
        line.fit()
    }

    fn start(source: &str, command: &str, middle: &[&str]) -> Self {
        let mut text = String::with_capacity(96);
        if !source.is_empty() {
            text.push(':');
            replace(&mut text, source, no_break);
            text.push(' ');
        }
        text.push_str(command);
        for param in middle {
            text.push(' ');
            // An empty or spaced parameter in the middle would shift all others.
            if param.is_empty() || param.starts_with(':') {
                text.push('*');
            }
            replace(&mut text, param, no_break);
        }
        Self { tags: String::new(), text }
    }

    fn finish(&mut self, mark: &str, last: &str) {
        self.text.push_str(mark);
        replace(&mut self.text, last, |c| matches!(c, '\r' | '\n' | '\0').then_some(" "));
    }

    /// Cuts what does not fit into a line, between characters.
    fn fit(mut self) -> Self {
        let end = floor_boundary(&self.text, LINE_BYTES_MAX - 2);
        self.text.truncate(end);
        self
    }

    /// The same with one more tag at the end.
    pub(super) fn tag(mut self, key: &str, value: &str) -> Self {
        push_tag(&mut self.tags, key, value);
        self
    }

    /// The command's and parameters' bytes, for measuring.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether the line belongs to a batch or, as the start of one, holds others together.
    pub(super) fn batch_start(&self) -> Option<&str> {
        self.batch_reference('+')
    }

    /// The batch that this line ends.
    pub(super) fn batch_end(&self) -> Option<&str> {
        self.batch_reference('-')
    }

    fn batch_reference(&self, sign: char) -> Option<&str> {
        let mut words = self.text.split(' ').skip_while(|word| word.starts_with(':'));
        (words.next()? == "BATCH").then(|| words.next()?.strip_prefix(sign)).flatten()
    }

    /// Whether it is tagged as part of a batch.
    pub(super) fn in_batch(&self) -> bool {
        self.tags.starts_with("batch=")
    }

    /// Appends the line with its end; `first` is a tag to put before its own.
    pub(super) fn write(&self, out: &mut impl BufMut, first: Option<(&str, &str)>) {
        let mut tags = String::new();
        if let Some((key, value)) = first {
            push_tag(&mut tags, key, value);
        }
        let parts: [&str; 6] = match (tags.is_empty(), self.tags.is_empty()) {
            (true, true) => ["", "", "", "", &self.text, "\r\n"],
            (false, true) => ["@", &tags, "", " ", &self.text, "\r\n"],
            (true, false) => ["@", "", &self.tags, " ", &self.text, "\r\n"],
            (false, false) => {
                tags.push(';');
                ["@", &tags, &self.tags, " ", &self.text, "\r\n"]
            }
        };
        for part in parts {
            out.put_slice(part.as_bytes());
        }
    }
}

fn no_break(c: char) -> Option<&'static str> {
    matches!(c, ' ' | '\r' | '\n' | '\0').then_some("_")
}

fn push_tag(tags: &mut String, key: &str, value: &str) {
    // Most lines have a time, an id and an account.
    tags.reserve(if tags.is_empty() { 128 } else { 1 });
    if !tags.is_empty() {
        tags.push(';');
    }
    tags.push_str(key);
    if !value.is_empty() {
        tags.push('=');
        escape(tags, value);
    }
}

/// The last place at or before `at` where `text` may be cut.
pub(super) fn floor_boundary(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    (0..=at).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

/// A text cut to at most `bytes_max` bytes, between characters.
pub(super) fn clip(text: &str, bytes_max: usize) -> &str {
    text.get(..floor_boundary(text, bytes_max)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn check(line: &str, expected: Expect) {
        let shown = match Message::parse(line) {
            Ok(message) => {
                let tags: Vec<_> = message.tags().collect();
                format!("{tags:?} {:?} {} {:?}", message.source, message.command, message.params())
            }
            Err(error) => format!("{error:?}"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn lines_are_taken_apart() {
        check("PING", expect![[r#"[] None PING []"#]]);
        check("PRIVMSG #a :hi there", expect![[r##"[] None PRIVMSG ["#a", "hi there"]"##]]);
        check("  :x!y@z  privmsg   #a    hi ", expect![[r##"[] Some("x!y@z") privmsg ["#a", "hi"]"##]]);
        check("TOPIC #a :", expect![[r##"[] None TOPIC ["#a", ""]"##]]);
        check("PRIVMSG #a ::)", expect![[r##"[] None PRIVMSG ["#a", ":)"]"##]]);
        check(
            "@label=1;+draft/reply=a\\sb\\:c\\\\;empty;x=y\\ TAGMSG #a",
            expect![[
                r##"[("label", "1"), ("+draft/reply", "a b;c\\"), ("empty", ""), ("x", "y")] None TAGMSG ["#a"]"##
            ]],
        );
        check(
            "X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            expect![[
                r#"[] None X ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15 16"]"#
            ]],
        );
    }

    #[test]
    fn what_is_no_line_is_refused() {
        check("", expect!["Empty"]);
        check("   ", expect!["Empty"]);
        check("@a=b", expect!["Command"]);
        check(":only", expect!["Command"]);
        check("PRIV\0MSG", expect!["Character"]);
        check("PING a\rQUIT", expect!["Character"]);
        check("#a hi", expect!["Command"]);
    }

    #[test]
    fn what_would_break_a_line_is_defused_when_encoding() {
        let mut out = Vec::new();
        Line::with_text("a b", "KICK", &["#c", "x y", ""], "one\r\ntwo")
            .tag("t", "a;b c")
            .write(&mut out, Some(("label", "z")));
        assert_eq!(String::from_utf8(out).unwrap(), "@label=z;t=a\\:b\\sc :a_b KICK #c x_y * :one  two\r\n");
        let long = Line::with_text("n", "PRIVMSG", &["#c"], &"ä".repeat(400));
        assert!(long.len() <= 510);
    }

    prop_compose! {
        fn parameters()(middle in prop::collection::vec("[^ :\r\n\0][^ \r\n\0]{0,8}", 0..5), last in prop::option::of("[^\r\n\0]{0,20}")) -> Vec<String> {
            middle.into_iter().chain(last).collect()
        }
    }

    proptest! {
        #[test]
        fn parsing_undoes_encoding(
            tags in prop::collection::btree_map("[+a-z][a-z/.-]{0,8}", "[^\0]{0,12}", 0..4),
            source in prop::option::of("[a-z][a-z!@.]{0,12}"),
            command in "[A-Z]{1,8}|[0-9]{3}",
            params in parameters(),
        ) {
            let borrowed: Vec<&str> = params.iter().map(String::as_str).collect();
            let line = Line::new(source.as_deref().unwrap_or_default(), &command, &borrowed);
            let line = tags.iter().fold(line, |line, (key, value)| line.tag(key, value));
            let mut bytes = Vec::new();
            line.write(&mut bytes, None);
            let text = String::from_utf8(bytes).unwrap();
            let message = Message::parse(text.strip_suffix("\r\n").unwrap()).unwrap();
            prop_assert_eq!(message.source, source.as_deref());
            prop_assert_eq!(message.command, &command);
            prop_assert_eq!(message.params(), &borrowed[..]);
            let seen: Vec<(String, String)> = message.tags().map(|(key, value)| (key.to_owned(), value.into_owned())).collect();
            prop_assert_eq!(seen, tags.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn any_text_parses_or_is_refused(line in "\\PC{0,80}") {
            if let Ok(message) = Message::parse(&line) {
                prop_assert!(message.params().len() <= PARAMS_MAX);
                let _ = message.tags().count();
            }
        }
    }
}
