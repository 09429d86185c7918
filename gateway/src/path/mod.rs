//! One path, one reading.
//!
//! Legacy services are reached by paths that two readers may take for two things: `%2F`, `//`, `;jsessionid=`, `\`. A
//! [`CanonicalPath`] holds the bytes that were received and every other way to read them. Routing must come to the same
//! end by all of them, and then the bytes go on as they are: nothing here rewrites a path.
//!
//! What no reader may take for a step upwards, and what smuggles control characters, is refused at once.

use http::uri::PathAndQuery;

use crate::fault::BadRequest;

/// A path that was received, and every other way to read it.
#[derive(Clone, Debug)]
pub struct CanonicalPath {
    received: PathAndQuery,
    others: Vec<Vec<u8>>,
}

/// How far percent-escapes are undone. A reader that keeps `%2F` splits segments elsewhere than one that does not.
#[derive(Clone, Copy)]
enum Slashes {
    Decoded,
    Kept,
}

/// One way in which readers differ, applied to the whole path.
type Reading = fn(&[u8]) -> Option<Vec<u8>>;

/// In the order in which a reader would apply them. Each answers `None` where it would change nothing.
const READINGS: [Reading; 4] = [without_parameters, with_plain_slashes, without_trailing_dots, with_merged_slashes];

/// Characters that Windows and some frameworks map to the ASCII ones that matter in a path.
const LOOKALIKES: [(char, &str); 9] = [
    ('\u{2024}', "."),
    ('\u{2025}', ".."),
    ('\u{2026}', "..."),
    ('\u{2044}', "/"),
    ('\u{2215}', "/"),
    ('\u{fe52}', "."),
    ('\u{ff0e}', "."),
    ('\u{ff0f}', "/"),
    ('\u{ff3c}', "\\"),
];

impl CanonicalPath {
    /// Reads the path of a request target in every way that applies to it: percent-decoded once and twice, with `%2F`
    /// and without; each segment cut at `;`; backslashes as slashes; dots and spaces at the end of a segment cut, as
    /// Windows does; slashes merged; and all combinations. That is at most 80, each linear in the path; a path of
    /// plain characters has one, and takes the short way.
    ///
    /// # Errors
    /// [`BadRequest::PathBytes`] for raw control or non-ASCII bytes anywhere in the target, and in its path for a
    /// percent-escape that is none, or that hides NUL, CR, LF or an overlong form of an ASCII character;
    /// [`BadRequest::DotSegment`] for a segment that some reader could take for `.` or `..`;
    /// [`BadRequest::Target`] for a path that does not begin with a slash.
    pub fn read(target: &PathAndQuery) -> Result<Self, BadRequest> {
        if !target.as_str().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadRequest::PathBytes);
        }
        let path = target.path().as_bytes();
        if path.first() != Some(&b'/') {
            return Err(BadRequest::Target);
        }
        let others = if is_plain(path) { Vec::new() } else { other_readings(path)? };
        Ok(Self { received: target.clone(), others })
    }

    /// The path as it was received, without its query: what goes on.
    pub fn as_str(&self) -> &str {
        self.received.path()
    }

    /// Path and query as they were received.
    pub fn received(&self) -> &PathAndQuery {
        &self.received
    }

    /// Every way to read it; the first is the bytes received.
    pub fn readings(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.as_str().as_bytes()).chain(self.others.iter().map(Vec::as_slice))
    }
}

/// Folds case as the least careful reader would: by Unicode's tables, so that the Kelvin sign is a `k`.
pub fn folded(text: &[u8]) -> Vec<u8> {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let text = String::from_utf8_lossy(text);
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect::<String>().into_bytes()
}

/// Whether `path` has one reading, apart from case: no escape, no parameter, no backslash, no empty segment, and no
/// segment that ends with a dot.
fn is_plain(path: &[u8]) -> bool {
    let mut before = 0;
    for &byte in path {
        match (before, byte) {
            (_, b'%' | b';' | b'\\') | (b'/' | b'.', b'/') => return false,
            _ => before = byte,
        }
    }
    before != b'.'
}

fn other_readings(path: &[u8]) -> Result<Vec<Vec<u8>>, BadRequest> {
    if !escapes_are_whole(path) {
        return Err(BadRequest::PathBytes);
    }
    let once = decoded(path, Slashes::Decoded);
    let twice = decoded(&once, Slashes::Decoded);
    for reading in [&once, &twice] {
        refuse_hidden_bytes(reading)?;
        refuse_dot_segments(reading)?;
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

/// Refuses a segment that is nothing but dots for somebody: between slashes of either kind, before a `;`, with blanks
/// around it, or in characters that only look like dots.
fn refuse_dot_segments(reading: &[u8]) -> Result<(), BadRequest> {
    let mapped;
    let reading = if reading.is_ascii() {
        reading
    } else {
        mapped = without_lookalikes(reading);
        &mapped
    };
    let is_dots = |segment: &[u8]| {
        let end = segment.iter().position(|byte| *byte == b';').unwrap_or(segment.len());
        let name = segment[..end].trim_ascii();
        !name.is_empty() && name.iter().all(|byte| matches!(byte, b'.' | b' '))
    };
    if reading.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dots) { Err(BadRequest::DotSegment) } else { Ok(()) }
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

fn without_parameters(path: &[u8]) -> Option<Vec<u8>> {
    by_segment(path, |segment| &segment[..segment.iter().position(|byte| *byte == b';').unwrap_or(segment.len())])
}

fn with_plain_slashes(path: &[u8]) -> Option<Vec<u8>> {
    path.contains(&b'\\').then(|| path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect())
}

fn without_trailing_dots(path: &[u8]) -> Option<Vec<u8>> {
    by_segment(path, |segment| {
        let end = segment.iter().rposition(|byte| !matches!(byte, b'.' | b' ')).map_or(0, |last| last + 1);
        &segment[..end]
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str) -> Result<Vec<String>, BadRequest> {
        let target = PathAndQuery::try_from(target.to_owned()).expect("the target parses");
        let path = CanonicalPath::read(&target)?;
        Ok(path.readings().map(|reading| String::from_utf8_lossy(reading).into_owned()).collect())
    }

    #[test]
    fn a_path_of_plain_characters_has_one_reading() {
        for target in ["/", "/a", "/a/b.html", "/.candor/login?return_to=/a//b;c", "/A-b_c~d/!$&'()*+,=:@", "/a/.b/..c"]
        {
            let path = target.split('?').next().expect("a path");
            assert_eq!(read(target), Ok(vec![path.to_owned()]), "{target}");
        }
    }

    #[test]
    fn a_path_is_read_in_every_way_that_applies() {
        let check = |target: &str, expected: &[&str]| {
            let readings = read(target).expect("it is not refused");
            for reading in expected {
                assert!(readings.iter().any(|found| found == reading), "{target}: {reading} not in {readings:?}");
            }
        };
        check("/%61dmin", &["/%61dmin", "/admin"]);
        check("/%2561dmin", &["/%61dmin", "/admin"]);
        check("/a%2Fb/%63", &["/a/b/c", "/a%2Fb/c"]);
        check("/a%252Fb", &["/a%2Fb", "/a/b"]);
        check("/admin;x=1/y;z", &["/admin/y", "/admin;x=1/y;z"]);
        check("/admin%3Bx/y", &["/admin/y", "/admin;x/y"]);
        check("/admin;x%2Fy/z", &["/admin/z", "/admin/y/z", "/admin;x/y/z"]);
        check("/%2561dmin;x%252Fy/z", &["/admin/z", "/admin/y/z"]);
        check("/a\\b", &["/a/b"]);
        check("/a%5Cb", &["/a\\b", "/a/b"]);
        check("//a///b", &["/a/b"]);
        check("/a;/;/b", &["/a//b", "/a/b"]);
        check("/admin./x", &["/admin/x"]);
        check("/admin%20/x", &["/admin/x"]);
        check("/100%25", &["/100%"]);
    }

    #[test]
    fn what_could_be_a_step_upwards_is_refused() {
        for target in [
            "/..",
            "/.",
            "/a/..",
            "/a/./b",
            "/a/../b",
            "/%2e%2e/b",
            "/.%2e/b",
            "/%2E/b",
            "/%252e%252e/b",
            "/..;/b",
            "/..;x=1/b",
            "/.;/b",
            "/a\\..\\b",
            "/a\\..",
            "/..\\b",
            "/a%5c..%5cb",
            "/a/..%2fb",
            "/a%2f..",
            "/a%2f../b",
            "/a%252f..%252fb",
            "/..%20/b",
            "/%20../b",
            "/.%09/b",
            "/.../b",
            "/..%3b/b",
            "/..%253b/b",
            "/..%5c",
            "/a/..?x",
            "/%e2%80%a5/b",
            "/%ef%bc%8e%ef%bc%8e/b",
            "/a%ef%bc%8f..%ef%bc%8fb",
            "/a%ef%bc%bc..",
        ] {
            assert_eq!(read(target), Err(BadRequest::DotSegment), "{target}");
        }
    }

    #[test]
    fn what_hides_bytes_is_refused() {
        for target in [
            "/%",
            "/%z",
            "/%zz",
            "/%2",
            "/a%",
            "/%u002e",
            "/%00",
            "/a%00.html",
            "/a%0d%0ab",
            "/%0a",
            "/%2500",
            "/%250d",
            "/%c0%af",
            "/%c0%ae%c0%ae/",
            "/%c1%9c",
            "/%e0%80%af",
            "/%f0%80%80%af",
            "/%25c0%25af",
            "/é",
            "/a?q=é",
            "/🦀",
        ] {
            assert_eq!(read(target), Err(BadRequest::PathBytes), "{target}");
        }
        for target in ["/%E4%F6%FC", "/%C3%A9", "/a?q=100%", "/a?x=%00", "/%7Euser", "/a%09b"] {
            assert!(read(target).is_ok(), "{target}");
        }
    }

    #[test]
    fn the_number_of_readings_is_bounded_and_their_work_linear() {
        let worst = format!("/{}", "%252Fa;b%2Fc%5Cd.//%2561;%253B\\x.%20/".repeat(200));
        let readings = read(&worst).expect("it is not refused");
        assert!(readings.len() <= 80, "{}", readings.len());
        assert!(readings.iter().all(|reading| reading.len() <= worst.len()));
    }

    #[test]
    fn case_is_folded_as_the_least_careful_reader_would() {
        let check = |text: &str, expected: &str| assert_eq!(folded(text.as_bytes()), expected.as_bytes());
        check("/Admin", "/admin");
        check("/\u{212a}ey", "/key");
        check("/\u{17f}ecret", "/secret");
        check("/ÄÖ", "/äö");
    }
}
