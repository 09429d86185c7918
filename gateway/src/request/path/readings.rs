//! Every way to read one path.
//!
//! A route is a prefix of whole segments in plain characters. So a reading that only ends a path earlier finds nothing
//! that a longer one does not; what matters is the name that each segment has, and where segments begin. That is why a
//! decoded `?` ends its segment here, and not the path: the name before it is what some reader sees.

use super::{
    dots::is_blank,
    windows::{self, up_to_its_dots},
};
use crate::fault::BadRequest;

/// How far percent-escapes are undone. A reader that keeps `%2F` splits segments elsewhere than one that does not.
#[derive(Clone, Copy)]
enum Slashes {
    Decoded,
    Kept,
}

/// One way in which readers differ, applied to the whole path.
type Reading = fn(&[u8]) -> Option<Vec<u8>>;

/// In the order in which a reader would apply them. Each answers `None` where it would change nothing. Names come twice:
/// some readers look for them before a backslash is a slash, and some after.
const READINGS: [Reading; 6] =
    [without_tabs, with_bare_names, with_plain_slashes, with_bare_names, without_trailing_dots, with_merged_slashes];

/// So many bytes of readings are compared. A path of a few hundred never has as many; one of thousands that is strange in
/// every way at once is nobody's.
const MOST: usize = 256 << 10;

/// Whether `path` has one reading, apart from case: no escape, no parameter, no backslash, no empty segment, no dot at
/// the end of a segment or before a colon, and no colon before another or before `$`.
pub(super) fn is_plain(path: &[u8]) -> bool {
    let mut before = 0;
    for &byte in path {
        match (before, byte) {
            (_, b'%' | b';' | b'\\') | (b'/' | b'.', b'/') | (b'.', b':') | (b':', b':' | b'$') => return false,
            _ => before = byte,
        }
    }
    before != b'.'
}

/// Every way to read `path` but that of its bytes.
pub(super) fn others(path: &[u8]) -> Result<Vec<Vec<u8>>, BadRequest> {
    if !escapes_are_whole(path) {
        return Err(BadRequest::PathBytes);
    }
    let once = decoded(path, Slashes::Decoded);
    let twice = decoded(&once, Slashes::Decoded);
    for reading in [&once, &twice] {
        refuse_hidden_bytes(reading)?;
        super::dots::refuse(reading)?;
    }
    let once_kept = decoded(path, Slashes::Kept);
    let twice_kept = decoded(&once_kept, Slashes::Kept);
    let mut readings = vec![path.to_vec()];
    for reading in [once, once_kept, twice, twice_kept] {
        add(&mut readings, reading);
    }
    for read in READINGS {
        for index in 0..readings.len() {
            if let Some(reading) = read(&readings[index]) {
                add(&mut readings, reading);
            }
        }
        if readings.iter().map(Vec::len).sum::<usize>() > MOST {
            return Err(BadRequest::AmbiguousPath);
        }
    }
    readings.remove(0);
    Ok(readings)
}

fn add(readings: &mut Vec<Vec<u8>>, reading: Vec<u8>) {
    if !readings.contains(&reading) {
        readings.push(reading);
    }
}

fn escapes_are_whole(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        if escape(&rest[at..]).is_none() {
            return false;
        }
        rest = &rest[at + 3..];
    }
    true
}

/// The byte that an escape at the start of `text` stands for.
fn escape(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: u8| (byte as char).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

/// Undoes escapes once. What is no escape stays, as lenient readers leave it.
fn decoded(path: &[u8], slashes: Slashes) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        match (escape(rest), slashes) {
            (Some(b'/' | b'\\'), Slashes::Kept) | (None, _) => {
                out.push(first);
                rest = tail;
            }
            (Some(byte), _) => {
                out.push(byte);
                rest = &rest[3..];
            }
        }
    }
    out
}

/// NUL, CR and LF end a path, or a header line, for somebody. An overlong form (RFC 3629 §3) hides a slash or a dot.
fn refuse_hidden_bytes(reading: &[u8]) -> Result<(), BadRequest> {
    let ends_a_line = reading.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
    let overlong = reading.windows(2).any(|pair| matches!(pair, [0xc0 | 0xc1, 0x80..=0xbf]))
        || reading.windows(3).any(|three| matches!(three, [0xe0, 0x80 | 0x81, 0x80..=0xbf]))
        || reading.windows(4).any(|four| matches!(four, [0xf0, 0x80, 0x80 | 0x81, 0x80..=0xbf]));
    if ends_a_line || overlong { Err(BadRequest::PathBytes) } else { Ok(()) }
}

/// Whoever reads an address as browsers do (WHATWG URL) drops tabs wherever they are.
fn without_tabs(path: &[u8]) -> Option<Vec<u8>> {
    path.contains(&b'\t').then(|| path.iter().copied().filter(|byte| *byte != b'\t').collect())
}

fn with_bare_names(path: &[u8]) -> Option<Vec<u8>> {
    by_segment(path, bare_name)
}

/// A segment's name for whoever stops first: without blanks around it, and without what follows a `;` (parameters), a
/// decoded `?` or `#` (a query, a fragment), a blank (the end of a request line that was decoded and written anew), or
/// the start of a Windows stream (`::$DATA`).
fn bare_name(segment: &[u8]) -> &[u8] {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("decoded-question-mark-is-a-name") {
        return &segment[..segment.iter().position(|byte| *byte == b';').unwrap_or(segment.len())];
    }
    let segment = trimmed(segment);
    let ends = |byte: &u8| matches!(byte, b';' | b'?' | b'#') || is_blank(*byte);
    let name = &segment[..segment.iter().position(ends).unwrap_or(segment.len())];
    &name[..windows::stream(name).unwrap_or(name.len())]
}

/// Without the blanks of any alphabet around it.
fn trimmed(segment: &[u8]) -> &[u8] {
    let start = segment.iter().position(|byte| !is_blank(*byte)).unwrap_or(segment.len());
    let end = segment.iter().rposition(|byte| !is_blank(*byte)).map_or(start, |last| last + 1);
    match std::str::from_utf8(&segment[start..end]) {
        Ok(text) if !text.is_ascii() => {
            let is_blank = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
            text.trim_matches(is_blank).as_bytes()
        }
        _ => &segment[start..end],
    }
}

/// Backslashes as slashes, and those slashes that a reader had kept as escapes until now.
fn with_plain_slashes(path: &[u8]) -> Option<Vec<u8>> {
    if !path.iter().any(|byte| matches!(byte, b'\\' | b'%')) {
        return None;
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, length) = match (first, escape(rest)) {
            (b'\\', _) => (b'/', 1),
            (_, Some(b'/' | b'\\')) => (b'/', 3),
            _ => (first, 1),
        };
        out.push(byte);
        rest = if length == 1 { tail } else { &rest[length..] };
    }
    (out != path).then_some(out)
}

fn without_trailing_dots(path: &[u8]) -> Option<Vec<u8>> {
    by_segment(path, up_to_its_dots)
}

fn with_merged_slashes(path: &[u8]) -> Option<Vec<u8>> {
    if !path.windows(2).any(|pair| pair == b"//") {
        return None;
    }
    let mut merged = path.to_vec();
    merged.dedup_by(|a, b| *a == b'/' && *b == b'/');
    Some(merged)
}

/// Cuts each segment; `None` if that changes nothing.
fn by_segment(path: &[u8], cut: impl Fn(&[u8]) -> &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    for (index, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        out.extend_from_slice(cut(segment));
    }
    (out.len() != path.len()).then_some(out)
}
