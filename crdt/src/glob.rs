//! Glob patterns of IRC masks: `*` for any text, `?` for one character (RFC 2812 section 2.5, without its escapes).

/// Whether the whole of `text` matches. Time is at most the product of the lengths, whatever the pattern.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut seen) = (0, 0);
    // Where the last star stood, and up to where it has been made to reach.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(seen) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == c => {
                at += 1;
                seen += 1;
            }
            Some(_) | None => {
                let Some((star_at, reach)) = star else { return false };
                star = Some((star_at, reach + 1));
                at = star_at + 1;
                seen = reach + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_as_on_irc() {
        for (pattern, text) in [
            ("*", ""),
            ("*!*@*.example", "alice!a@host.example"),
            ("al?ce!*@*", "alice!x@y"),
            ("a*b*c", "axxbyyc"),
            ("a*b*c", "abbcbc"),
            ("**", "x"),
            ("zo?", "zoë"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "x"), ("?", ""), ("a*b", "a"), ("*.example", "example"), ("a*b*c", "axxbyy")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
    }
}
