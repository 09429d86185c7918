//! Numbers as people read them: three significant digits, and the unit that keeps them short.

use std::time::Duration;

/// Three significant digits at most: `0.123`, `12.3`, `123`, `1,230`.
pub fn significant(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 99.95 => count(value.round()),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A whole number with a comma before each third digit: `12,345`.
pub fn count(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 && digits != "0" { format!("-{text}") } else { text }
}

/// In the largest unit that leaves at least one whole: `870 ns`, `14.2 µs`, `1.08 ms`, `31.0 s`.
pub fn duration(value: Duration) -> String {
    let seconds = value.as_secs_f64();
    let (scale, unit) = match seconds {
        s if s >= 1.0 => (1.0, "s"),
        s if s >= 1e-3 => (1e3, "ms"),
        s if s >= 1e-6 => (1e6, "µs"),
        _ => (1e9, "ns"),
    };
    format!("{} {unit}", significant(seconds * scale))
}

/// In KiB, MiB or GiB.
pub fn bytes(value: f64) -> String {
    let (scale, unit) = match value.abs() {
        size if size >= 1_073_741_824.0 => (1_073_741_824.0, "GiB"),
        size if size >= 1_048_576.0 => (1_048_576.0, "MiB"),
        _ => (1024.0, "KiB"),
    };
    format!("{} {unit}", significant(value / scale))
}
