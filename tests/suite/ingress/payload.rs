//! A raw payload, and what must become of it.

/// Where a payload is sent, and what must become of it.
pub(super) struct Payload {
    /// What it tries.
    pub(super) name: String,
    bytes: Vec<u8>,
    /// What must become of it.
    pub(super) expected: Expected,
}

/// What must become of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Nothing reaches the monolith; the first answer has one of these statuses.
    Refused(&'static [u16]),
    /// One request reaches the monolith.
    Forwarded,
    /// One request reaches the monolith, with this target.
    As(String),
    /// One request or none.
    AtMostOnce,
    /// That many requests and no more: the bytes are that many, well formed.
    AtMost(usize),
}

/// The request that a payload would like to get past the gateway unseen.
pub(super) const SMUGGLED: &str = "GET /public/smuggled?@ID HTTP/1.1\r\nHost: @HOST\r\nX-Evil: evil\r\n\r\n";

/// What stands in the bytes for the number of a payload, for the gateway's host and port, and for a good token.
/// `@LENGTH` is that of everything after the first empty line.
const PLACES: [&[u8]; 3] = [b"@ID", b"@HOST", b"@TOKEN"];

impl Payload {
    pub(super) fn new(name: impl Into<String>, bytes: impl AsRef<[u8]>, expected: Expected) -> Self {
        Self { name: name.into(), bytes: bytes.as_ref().to_vec(), expected }
    }

    /// The bytes to send.
    pub(super) fn bytes(&self, id: &str, host: &str, token: &str) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for (place, value) in PLACES.into_iter().zip([id, host, token]) {
            bytes = replaced(&bytes, place, value.as_bytes());
        }
        let body = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |end| bytes.len() - end - 4);
        replaced(&bytes, b"@LENGTH", body.to_string().as_bytes())
    }
}

/// A request to a route that is open to anyone, with `fields` (each ended by CRLF) and `body`.
pub(super) fn public(line: &str, fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    let start = format!("{line} HTTP/1.1\r\nHost: @HOST\r\n");
    [start.as_bytes(), fields.as_ref(), b"\r\n", body.as_ref()].concat()
}

/// A request to a route for programs, with a good token.
pub(super) fn with_token(fields: &str) -> Vec<u8> {
    public("GET /api/x?@ID", format!("Authorization: Bearer @TOKEN\r\n{fields}"), "")
}

fn replaced(bytes: &[u8], place: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(place.len()).position(|window| window == place) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(value);
        rest = &rest[at + place.len()..];
    }
    out.extend_from_slice(rest);
    out
}
