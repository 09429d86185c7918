//! Segments that some reader could take for `.` or `..`: none of them is ever let through.

use crate::fault::BadRequest;

/// Characters that Windows and some frameworks map to the ASCII ones that matter in a path.
const LOOKALIKES: [(char, &str); 13] = [
    ('\u{2024}', "."),
    ('\u{2025}', ".."),
    ('\u{2026}', "..."),
    ('\u{2044}', "/"),
    ('\u{2215}', "/"),
    ('\u{fe52}', "."),
    ('\u{ff03}', "#"),
    ('\u{ff0e}', "."),
    ('\u{ff0f}', "/"),
    ('\u{ff1a}', ":"),
    ('\u{ff1b}', ";"),
    ('\u{ff1f}', "?"),
    ('\u{ff3c}', "\\"),
];

/// Refuses a segment that is nothing but dots for somebody: between slashes of either kind, before what ends a name, with
/// blanks around it or within, or in characters that only look like dots.
pub(super) fn refuse(reading: &[u8]) -> Result<(), BadRequest> {
    let mapped;
    let reading = if reading.is_ascii() {
        reading
    } else {
        mapped = without_lookalikes(reading);
        &mapped
    };
    if reading.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dots) { Err(BadRequest::DotSegment) } else { Ok(()) }
}

fn is_dots(segment: &[u8]) -> bool {
    let end = segment.iter().position(|byte| matches!(byte, b';' | b'?' | b'#' | b':')).unwrap_or(segment.len());
    let name = &segment[..end];
    let mut words = name.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
    let first = words.next();
    // A title may begin with an ellipsis; what is a step for whoever ends a path at a blank is exactly that.
    matches!(first, Some(b"." | b"..")) || (first.is_some() && name.iter().all(|byte| *byte == b'.' || is_blank(*byte)))
}

/// Whether some reader takes `byte` for a blank, and drops it at an end.
pub(super) fn is_blank(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

fn without_lookalikes(reading: &[u8]) -> Vec<u8> {
    let mut out = String::with_capacity(reading.len());
    for found in String::from_utf8_lossy(reading).chars() {
        match LOOKALIKES.iter().find(|(lookalike, _)| *lookalike == found) {
            Some((_, plain)) => out.push_str(plain),
            None => out.push(found),
        }
    }
    out.into_bytes()
}
