//! Times on the command line: `400ms`, `90s`, `15m`, `2h`, `7d`.

use std::time::Duration;

/// Reads a time.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no length of time: 400ms, 90s, 15m, 2h and 7d are");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(ms).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(parse("400ms"), Ok(Duration::from_millis(400)));
        assert_eq!(parse("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "5", "h", "1.5h", "99999999999999999999s", "9999999999999999d"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
