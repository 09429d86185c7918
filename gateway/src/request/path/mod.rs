//! One path, one reading.
//!
//! Legacy services are reached by paths that two readers may take for two things: `%2F`, `//`, `;jsessionid=`, `\`. A
//! [`CanonicalPath`] holds the bytes that were received and every other way to read them. Routing must come to the same
//! end by all of them, and then the bytes go on as they are: nothing here rewrites a path.
//!
//! What some reader may take for a step upwards, and what smuggles control characters, is refused at once.

mod dots;
mod readings;
mod windows;

use http::uri::PathAndQuery;

pub use windows::may_be_short_for;

use crate::fault::BadRequest;

/// A path that was received, and every other way to read it.
#[derive(Clone, Debug)]
pub struct CanonicalPath {
    received: PathAndQuery,
    others: Vec<Vec<u8>>,
}

impl CanonicalPath {
    /// Reads the path of a request target in every way that applies to it: percent-decoded once and twice, with `%2F`
    /// and without; tabs dropped; each segment cut at a `;`, a decoded `?` or `#`, a blank or a Windows stream;
    /// backslashes as slashes; dots and spaces at the end of a segment cut, as Windows does; slashes merged; and all
    /// combinations. That is at most 320, and 256 KiB of them; a path of plain characters has one, and takes the short
    /// way.
    ///
    /// # Errors
    /// [`BadRequest::PathBytes`] for raw control or non-ASCII bytes anywhere in the target, and in its path for a
    /// percent-escape that is none, or that hides NUL, CR, LF or an overlong form of an ASCII character;
    /// [`BadRequest::DotSegment`] for a segment that some reader could take for `.` or `..`;
    /// [`BadRequest::AmbiguousPath`] for a long one with more readings than that;
    /// [`BadRequest::Target`] for a path that does not begin with a slash.
    pub fn read(target: &PathAndQuery) -> Result<Self, BadRequest> {
        if !target.as_str().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadRequest::PathBytes);
        }
        let path = target.path().as_bytes();
        if path.first() != Some(&b'/') {
            return Err(BadRequest::Target);
        }
        let others = if readings::is_plain(path) { Vec::new() } else { readings::others(path)? };
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

    /// Every way in which a service on Windows reads it, if that sees something there which others do not: a colon that
    /// begins a stream, or a `~` as short names have one.
    pub fn on_windows(&self) -> Vec<Vec<u8>> {
        let is_special = |byte: &u8| matches!(byte, b':' | b'~');
        if !self.readings().any(|reading| reading.iter().any(is_special)) {
            return Vec::new();
        }
        windows::names(self.readings())
    }
}

/// How a service tells the names in paths apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameRules {
    /// In a way that we do not know: case might not matter.
    #[default]
    AnyCase,
    /// By case too.
    ByCase,
    /// As Windows does: case does not matter, `:` begins a stream, and long names have short ones.
    Windows,
}

/// Folds case as the least careful reader would: by Unicode's tables, so that the Kelvin sign is a `k`.
pub fn folded(text: &[u8]) -> Vec<u8> {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let text = String::from_utf8_lossy(text);
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect::<String>().into_bytes()
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
        for target in [
            "/",
            "/a",
            "/a/b.html",
            "/.candor/login?return_to=/a//b;c%3F",
            "/A-b_c~d/!$&'()*+,=:@",
            "/a/.b/..c",
            "/x:y/z:80:81",
        ] {
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
        check("/admin.php%3Fx.php", &["/admin.php?x.php", "/admin.php"]);
        check("/admin%253Fx/y", &["/admin/y"]);
        check("/admin%23x", &["/admin"]);
        check("/a;%23/admin%3Fx", &["/a/admin"]);
        check("/admin%09", &["/admin"]);
        check("/%09admin/x", &["/admin/x"]);
        check("/%20admin%20x", &["/admin"]);
        check("/ad%09min", &["/admin", "/ad"]);
        check("/%0badmin%0c/x", &["/admin/x"]);
        check("/admin%C2%A0/x", &["/admin/x"]);
        check("/%E3%80%80admin.%20", &["/admin"]);
        check("/admin::$DATA", &["/admin"]);
        check("/admin%3a%3a$INDEX_ALLOCATION/x", &["/admin/x"]);
        check("/admin:$i30:$INDEX_ALLOCATION/x", &["/admin/x"]);
        check("/a;x\\admin", &["/a/admin", "/a"]);
        check("/a;x\\b/c\\d", &["/a/c/d", "/a/b/c/d"]);
        check("/a;x%2Fb/c%2Fd", &["/a/c/d", "/a/b/c/d"]);
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
            "/a/..%3Fx/b",
            "/..%23",
            "/..%253F",
            "/..::$DATA/b",
            "/.:x/b",
            "/..%20x",
            "/%09..%09x/b",
            "/.%09./b",
            "/.%20./b",
            "/..%ef%bc%9b/b",
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
        for target in ["/%E4%F6%FC", "/%C3%A9", "/a?q=100%", "/a?x=%00", "/%7Euser", "/a%09b", "/...%20and%20more"] {
            assert!(read(target).is_ok(), "{target}");
        }
    }

    #[test]
    fn the_number_of_readings_is_bounded_and_so_are_their_bytes() {
        let worst = |times| format!("/{}", "%252Fa;b%2Fc%5Cd.//%2561;%253B\\x.%20/%09a%3Fb\\%20c%23/".repeat(times));
        let readings = read(&worst(20)).expect("it is not refused");
        assert!((80..=320).contains(&readings.len()), "{}", readings.len());
        assert!(readings.iter().all(|reading| reading.len() <= worst(20).len()));
        assert_eq!(read(&worst(150)), Err(BadRequest::AmbiguousPath));
        assert!(read(&format!("/{}", "a%20b%2Fc;d/".repeat(600))).is_ok(), "long, and strange in the usual ways");
    }

    #[test]
    fn a_service_on_windows_ends_a_name_at_its_colon() {
        let check = |target: &str, expected: &[&str]| {
            let target = PathAndQuery::from_static(Box::leak(target.to_owned().into_boxed_str()));
            let names = CanonicalPath::read(&target).expect("it is not refused").on_windows();
            let names: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            assert!(expected.iter().all(|name| names.contains(&(*name).to_owned())), "{target}: {names:?}");
            assert_eq!(names.is_empty(), expected.is_empty(), "{target}");
        };
        check("/admin/x", &[]);
        check("/%61dmin/x", &[]);
        check("/admin:x/y", &["/admin/y"]);
        check("/admin%3Ax/y", &["/admin/y"]);
        check("/%2561dmin.%253A/y", &["/admin/y"]);
        check("/ADMINI~1/y", &["/ADMINI~1/y"]);
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
