//! Dates and times (XEP-0082 section 3.2, the DateTime profile), without a calendar of anybody else's.

/// Days of 400 Gregorian years.
const DAYS_PER_ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: u64 = 719_468;
const MS_PER_DAY: u64 = 86_400_000;

/// `2026-01-31T12:00:00.000Z`.
pub(crate) fn format(ms: u64) -> String {
    let (year, month, day) = civil(ms / MS_PER_DAY);
    let in_day = ms % MS_PER_DAY;
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// Milliseconds since the Unix epoch; `None` for what is no date of the profile, or lies before 1970.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let (date, rest) = text.trim().split_once(['T', 't'])?;
    let mut date = date.split('-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    if date.next().is_some() || year > 9999 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at_checked(zone_at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.split(':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some() || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let days = days(year, month, day)?;
    let ms = days * MS_PER_DAY + hour * 3_600_000 + minute * 60_000 + second * 1000 + milliseconds(fraction)?;
    match zone.strip_prefix('-') {
        _ if zone.eq_ignore_ascii_case("z") => Some(ms),
        Some(west) => ms.checked_add(offset(west)?),
        None => ms.checked_sub(offset(zone.strip_prefix('+')?)?),
    }
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 4 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn milliseconds(fraction: &str) -> Option<u64> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    digits.parse().ok()
}

fn offset(zone: &str) -> Option<u64> {
    let (hours, minutes) = zone.split_once(':')?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 24 && minutes <= 59).then_some(hours * 3_600_000 + minutes * 60_000)
}

/// Year, month and day of a day since 1970-01-01. Years begin in March here, so that a leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_EPOCH;
    let (era, in_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * in_year + 2) / 153;
    let day = in_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let in_year = (153 * shifted + 2) / 5 + day - 1;
    let in_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + in_year;
    (era * DAYS_PER_ERA + in_era).checked_sub(DAYS_TO_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times_are_written_and_read() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_794_711_845_123, "2026-11-15T03:04:05.123Z"),
        ] {
            assert_eq!(format(ms), text);
            assert_eq!(parse(text), Some(ms));
        }
        assert_eq!(parse("1969-07-21T02:56:15Z"), None);
        assert_eq!(parse("2002-09-10T23:41:07-06:00"), parse("2002-09-11T05:41:07Z"));
        assert_eq!(parse("2002-09-10T23:08:25.5+02:30"), parse("2002-09-10T20:38:25.500Z"));
        for bad in ["", "2002-09-10", "2002-13-10T00:00:00Z", "2002-09-10T00:00:00", "2002-09-10T0:0Z", "T::Z"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(ms in 0..253_402_300_800_000u64) {
            prop_assert_eq!(parse(&format(ms)), Some(ms));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,30}") {
            let _ = parse(&text);
        }
    }
}
