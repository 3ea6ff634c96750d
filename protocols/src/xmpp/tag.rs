//! The inside of one XML tag, and character data: names, attributes, references (XML 1.0 sections 2.3, 3.1, 4.1, 4.6).

use super::element::is_xml_char;

/// Longest reference between `&` and `;`: `#x10ffff`, with room for leading zeros.
const REFERENCE_BYTES_MAX: usize = 16;

/// A tag taken apart; names as written, values unescaped.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) attrs: Vec<(String, String)>,
    /// `<a/>`.
    pub(crate) empty: bool,
}

/// The tag whose inside (without angle brackets) this is; `None` when it is not well-formed.
pub(crate) fn parse_tag(inner: &str) -> Option<Tag> {
    let (inner, empty) = match inner.strip_suffix('/') {
        Some(inner) => (inner, true),
        None => (inner, false),
    };
    let end = inner.find(is_space).unwrap_or(inner.len());
    let (name, mut rest) = inner.split_at_checked(end)?;
    if !is_qualified_name(name) {
        return None;
    }
    let mut attrs = Vec::new();
    loop {
        let trimmed = rest.trim_start_matches(is_space);
        if trimmed.is_empty() {
            return Some(Tag { name: name.to_owned(), attrs, empty });
        }
        if trimmed.len() == rest.len() {
            // Attributes are parted by whitespace.
            return None;
        }
        let (attr, after) = parse_attribute(trimmed)?;
        attrs.push(attr);
        rest = after;
    }
}

fn parse_attribute(text: &str) -> Option<((String, String), &str)> {
    let (name, after) = text.split_once('=')?;
    let name = name.trim_end_matches(is_space);
    if !is_qualified_name(name) {
        return None;
    }
    let after = after.trim_start_matches(is_space);
    let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (value, after) = after.get(1..)?.split_once(quote)?;
    if value.contains('<') {
        return None;
    }
    // Section 3.3.3: whitespace in a value is a space.
    let value = if value.contains(['\t', '\n']) { value.replace(['\t', '\n'], " ") } else { value.to_owned() };
    Some(((name.to_owned(), decode(&value)?), after))
}

/// Text with its references replaced; `None` for an entity other than the five (RFC 6120 section 11.1) or a character XML cannot hold.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (reference, after) = after.split_once(';')?;
        out.push(dereference(reference)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

fn dereference(reference: &str) -> Option<char> {
    if reference.len() > REFERENCE_BYTES_MAX {
        return None;
    }
    let number = match reference {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        other => other.strip_prefix('#')?,
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).filter(|c| is_xml_char(*c))
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Namespaces in XML 1.0, production `QName`.
fn is_qualified_name(name: &str) -> bool {
    match name.split_once(':') {
        Some((prefix, local)) => is_name(prefix) && is_name(local),
        None => is_name(name),
    }
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_part)
}

/// XML 1.0 fifth edition, production `NameStartChar` without the colon.
const fn is_name_start(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

const fn is_name_part(c: char) -> bool {
    is_name_start(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}
