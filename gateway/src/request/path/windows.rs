//! What Windows sees in a name: streams of a file, and short names.

use super::dots::is_blank;

/// Where a stream begins that Windows itself names: at the colon of `:$I30:$INDEX_ALLOCATION`, at the first of
/// `::$DATA`. `file::$DATA` is the file.
pub(super) fn stream(segment: &[u8]) -> Option<usize> {
    segment.iter().enumerate().position(|(at, byte)| {
        let after = segment[at..].iter().find(|byte| **byte != b':');
        *byte == b':' && after == Some(&b'$')
    })
}

/// What a service on Windows makes of `readings`: every segment ends at its colon, and without dots and blanks.
pub(super) fn names<'a>(readings: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    for reading in readings {
        let name = |segment: &'a [u8]| {
            let end = segment.iter().position(|byte| *byte == b':').unwrap_or(segment.len());
            up_to_its_dots(&segment[..end])
        };
        let cut: Vec<&[u8]> = reading.split(|byte| *byte == b'/').map(name).collect();
        let cut = cut.join(&b'/');
        if !seen.contains(&cut) {
            seen.push(cut);
        }
    }
    seen
}

/// A segment without the dots and blanks at its end, which Windows drops.
pub(super) fn up_to_its_dots(segment: &[u8]) -> &[u8] {
    let end = segment.iter().rposition(|byte| *byte != b'.' && !is_blank(*byte)).map_or(0, |last| last + 1);
    &segment[..end]
}

/// Whether `segment` could be the short name of `long` (8.3, such as `PROGRA~1` of `Program Files`).
///
/// What Windows makes of a long name depends on what else is in the folder, so that this asks for the form, and for the
/// first letter, which always stays.
pub fn may_be_short_for(segment: &[u8], long: &[u8]) -> bool {
    let stem = segment.split(|byte| *byte == b'.').next().unwrap_or_default();
    let Some(tilde) = stem.iter().rposition(|byte| *byte == b'~') else { return false };
    let (base, number) = (&stem[..tilde], &stem[tilde + 1..]);
    let has_form = stem.len() <= 8 && !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    let replaced = |byte: &u8| if b"+,;=[]".contains(byte) { b'_' } else { byte.to_ascii_uppercase() };
    let first = long.iter().find(|byte| !matches!(byte, b'.' | b' ')).map(replaced);
    has_form && base.first().map(u8::to_ascii_uppercase) == first && first.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_begins_where_windows_names_it() {
        let check = |segment: &str, expected| assert_eq!(stream(segment.as_bytes()), expected, "{segment}");
        check("admin::$DATA", Some(5));
        check("admin:$I30:$INDEX_ALLOCATION", Some(5));
        check("admin:::$DATA", Some(5));
        check("a:b::$DATA", Some(3));
        check("a:b", None);
        check("a::b", None);
        check("a$b:", None);
        check("", None);
    }

    #[test]
    fn a_short_name_has_a_form_and_the_first_letter() {
        let check = |segment: &str, long: &str, expected| {
            assert_eq!(may_be_short_for(segment.as_bytes(), long.as_bytes()), expected, "{segment} {long}");
        };
        check("PROGRA~1", "program-files", true);
        check("progra~2.htm", "Programme.html", true);
        check("A3F1~1", "administration", true);
        check("CONFIG~1", ".configuration", true);
        check("_A~1", "+a", true);
        check("~ada", "adams", false);
        check("~1", "adams", false);
        check("A~x", "adams", false);
        check("B~1", "adams", false);
        check("ADMINISTR~1", "administration", false);
        check("A~1", "", false);
    }
}
