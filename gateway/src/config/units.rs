//! Lengths of time and sizes, as the file writes them.

use std::time::Duration;

const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// `"250ms"`, `"30s"`, `"15m"`, `"1h30m"`, `"7d"`: numbers with units, the larger unit first, each at most once.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut millis, mut last) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (_, unit) = TIMES.iter().find(|(word, _)| *word == &after[..end])?;
        if *unit >= last {
            return None;
        }
        (rest, last) = (&after[end..], *unit);
        millis = millis.checked_add(number.checked_mul(*unit)?)?;
    }
    (!text.is_empty()).then_some(Duration::from_millis(millis))
}

/// `"512B"`, `"8KiB"`, `"10MiB"`, `"1GiB"`: one number with its unit.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text)?;
    number.checked_mul(SIZES.iter().find(|(word, _)| *word == unit)?.1)
}

/// A length of time as the file would write it.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let whole = TIMES.iter().rev().find(|(_, unit)| millis.is_multiple_of(*unit) && millis >= *unit);
    whole.map_or_else(|| format!("{millis}ms"), |(word, unit)| format!("{}{word}", millis / unit))
}

/// A size as the file would write it.
pub(super) fn show_size(bytes: u64) -> String {
    let whole = SIZES.iter().find(|(_, unit)| bytes.is_multiple_of(*unit) && bytes >= *unit);
    whole.map_or_else(|| format!("{bytes}B"), |(word, unit)| format!("{}{word}", bytes / unit))
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_units() {
        let check =
            |text, expected: Option<u64>| assert_eq!(duration(text), expected.map(Duration::from_millis), "{text}");
        check("250ms", Some(250));
        check("0s", Some(0));
        check("10s", Some(10_000));
        check("15m", Some(900_000));
        check("1h30m", Some(5_400_000));
        check("7d", Some(604_800_000));
        check("1d2h3m4s5ms", Some(93_784_005));
        for wrong in [
            "",
            "15",
            "m",
            "-5s",
            "+5s",
            "5 s",
            "1.5h",
            "5S",
            "30m1h",
            "1s1s",
            "5sec",
            "99999999999999999999s",
            "9999999999999999999d",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn sizes_have_units() {
        let check = |text, expected| assert_eq!(size(text), expected, "{text}");
        check("0B", Some(0));
        check("512B", Some(512));
        check("8KiB", Some(8192));
        check("1GiB", Some(1 << 30));
        for wrong in ["", "8", "8K", "8kb", "8KB", "-1B", "1.5MiB", "8 KiB", "99999999999999GiB"] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for text in ["250ms", "1s", "90s", "15m", "12h", "7d", "1ms"] {
            assert_eq!(show_duration(duration(text).expect("it reads")), text);
        }
        for text in ["1B", "1000B", "8KiB", "3MiB", "1GiB"] {
            assert_eq!(show_size(size(text).expect("it reads")), text);
        }
    }
}
