//! Numbers with units as people write them, exact: no float is involved, so every machine reads the same.

/// A decimal number times `scale`; `None` when it is no number, too large or finer than the scale.
pub(super) fn decimal(text: &str, scale: u64) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || text.ends_with('.') {
        return None;
    }
    let below: u64 = 10u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let part: u64 = if part.is_empty() { 0 } else { part.parse().ok()? };
    let part = part.checked_mul(scale)?;
    if part % below != 0 {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(part / below)
}

/// A number with one of the units: (unit, how much one is).
pub(super) fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c != '.' && !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim())?;
    decimal(number, *scale)
}

/// Times, in microseconds.
pub(super) const TIMES: &[(&str, u64)] = &[
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];
/// Shares, per million.
pub(super) const SHARES: &[(&str, u64)] = &[("%", 10_000)];
/// Rates, in kilobits a second.
pub(super) const RATES: &[(&str, u64)] = &[("kbit", 1), ("mbit", 1_000), ("gbit", 1_000_000)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_or_refused() {
        assert_eq!(with_unit("80ms", TIMES), Some(80_000));
        assert_eq!(with_unit("1.5 s", TIMES), Some(1_500_000));
        assert_eq!(with_unit("0.05%", SHARES), Some(500));
        assert_eq!(with_unit("1.5mbit", RATES), Some(1_500));
        for wrong in
            ["80 parsecs", "", "s", "80", "-1s", "1.s", ".5s", "1.2.3s", "0.0000001us", "99999999999999999999s"]
        {
            assert_eq!(with_unit(wrong, TIMES), None, "{wrong}");
        }
    }
}
