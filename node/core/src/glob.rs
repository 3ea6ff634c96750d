//! Globs over names: `*` for any text, `?` for one character (RFC 2812 section 2.5), letter case ignored.

/// Whether `text` matches `pattern`. Linear in practice: only the last `*` is tried again, so no pattern makes it exponential.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while let Some(have) = text.get(from) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(want) if *want == '?' || want == have => {
                at += 1;
                from += 1;
            }
            Some(_) | None => {
                let Some((star_at, star_from)) = star else { return false };
                star = Some((star_at, star_from + 1));
                at = star_at + 1;
                from = star_from + 1;
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|mark| *mark == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_marks_match_as_in_irc() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a?c", "abbc", false),
            ("*!*@Host.example", "nick!user@host.example", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b", "ac", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} {text}");
        }
    }
}
