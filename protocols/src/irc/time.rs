//! Times as IRCv3 `server-time` writes them: `2019-01-04T14:33:26.123Z`. Civil dates after Hinnant, "chrono-compatible low-level date
//! algorithms".

const DAY_MS: u64 = 86_400_000;
const ERA_DAYS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;
/// Stamps hold 48 bits of milliseconds: nothing later is a time of ours.
const MS_MAX: u64 = 1 << 48;

/// Unix milliseconds as text.
pub(super) fn format(ms: u64) -> String {
    let ms = ms.min(MS_MAX);
    let days = ms / DAY_MS + EPOCH_DAYS;
    let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (ms / 3_600_000 % 24, ms / 60_000 % 60);
    let (second, milli) = (ms / 1000 % 60, ms % 1000);
    let mut text = String::with_capacity(24);
    for (number, width, end) in [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (hour, 2, ':'),
        (minute, 2, ':'),
        (second, 2, '.'),
        (milli, 3, 'Z'),
    ] {
        push_digits(&mut text, number, width);
        text.push(end);
    }
    text
}

/// A number with leading zeros: of `width` digits, or as many as it has.
fn push_digits(text: &mut String, number: u64, width: u32) {
    if width > 1 || number > 9 {
        push_digits(text, number / 10, width.saturating_sub(1).max(1));
    }
    text.extend(char::from_digit(u32::try_from(number % 10).unwrap_or(0), 10));
}

/// Unix milliseconds from text; the fraction may be missing.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| number(part, 4));
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(|part| number(part, 2));
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range {
        return None;
    }
    number(fraction, 9)?;
    let milli = format!("{fraction:0<3}").get(..3)?.parse::<u64>().ok()?;
    let year = if month <= 2 { year - 1 } else { year };
    let month = if month > 2 { month - 3 } else { month + 9 };
    let (era, year) = (year / 400, year % 400);
    let days = era * ERA_DAYS + year * 365 + year / 4 - year / 100 + (153 * month + 2) / 5 + day - 1 - EPOCH_DAYS;
    Some(days * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1000 + milli)
}

fn number(text: &str, digits_max: usize) -> Option<u64> {
    let plain = !text.is_empty() && text.len() <= digits_max && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_546_612_406_123, "2019-01-04T14:33:26.123Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(format(ms), text);
            assert_eq!(parse(text), Some(ms));
        }
        assert_eq!(parse("2019-01-04T14:33:26Z"), Some(1_546_612_406_000));
        assert_eq!(parse("2019-01-04T14:33:26.5Z"), Some(1_546_612_406_500));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "2019-01-04",
            "2019-13-04T14:33:26.123Z",
            "2019-01-04T24:33:26Z",
            "99999-01-01T00:00:00Z",
            "2019-01-04T14:33:26.Z",
            "+019-01-04T14:33:26Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_undoes_formatting(ms in 0..250_000_000_000_000u64) {
            prop_assert_eq!(parse(&format(ms)), Some(ms));
        }
    }
}
