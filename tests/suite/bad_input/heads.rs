//! Heads that chance damaged, the same ones in every run.

use super::{Case, Expected};

/// How many.
const HEADS: usize = 10_000;

/// A small generator (xorshift64*), so that every run is the same.
pub(super) struct Random(u64);

/// What parsers stumble over.
const BITS: [&str; 24] = [
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\0",
    "\t",
    " ",
    ":",
    "%",
    "%2e",
    "%00",
    "%c0%af",
    "/../",
    "//",
    "\\",
    ";",
    "?",
    "#",
    "@",
    "\u{ff}",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Host: evil\r\n",
    "HTTP/1.1",
];

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`; 0 if that is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from((self.next() >> 16) % end).unwrap_or(0)
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    /// Does a few things to `bytes` that networks and authors do.
    pub(super) fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let (from, to) = (self.below(bytes.len()), self.below(bytes.len()));
            let (from, to) = (from.min(to), from.max(to));
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[from] = self.byte(),
                1 => bytes.insert(from, self.byte()),
                2 => drop(bytes.drain(from..to.min(from + 8))),
                3 => {
                    let again = bytes[from..to.min(from + 40)].to_vec();
                    bytes.splice(to..to, again);
                }
                4 => {
                    let bit = BITS[self.below(BITS.len())];
                    bytes.splice(from..from, bit.bytes());
                }
                5 if self.below(4) == 0 => bytes.truncate(to),
                _ => {}
            }
        }
    }
}

pub(super) fn fuzzed(host: &str) -> Vec<Case> {
    let templates = [
        format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        format!("POST /public/x?a=b HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"),
        format!(
            "POST /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ),
        format!(
            "GET /api/x HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.AAAA\r\nConnection: close\r\n\r\n"
        ),
        format!(
            "GET /x HTTP/1.1\r\nHost: {host}\r\nCookie: candor=AAAA; candor-signin-a=b\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
        ),
        format!("GET /.candor/callback/pretend?code=a&state=b HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        format!("GET http://{host}/public/%2e%2e/x;a=b//c HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    ];
    damaged(&templates, HEADS)
}

/// For the forward-auth listener.
pub(super) fn fuzzed_originals(host: &str) -> Vec<Case> {
    let begin = format!("GET /.candor/verify HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    let templates = [
        format!("{begin}X-Forwarded-Uri: /api/x?y\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Host: {host}\r\n\r\n"),
        format!("{begin}X-Original-URI: /public/x\r\nX-Original-Method: POST\r\nCookie: candor=AAAA\r\n\r\n"),
    ];
    damaged(&templates, HEADS / 8)
}

fn damaged(templates: &[String], count: usize) -> Vec<Case> {
    let mut random = Random::new(2021);
    (0..count)
        .map(|number| {
            let bytes = if number % 16 == 0 {
                (0..random.below(200)).map(|_| random.byte()).collect()
            } else {
                let mut bytes = templates[random.below(templates.len())].clone().into_bytes();
                random.damage(&mut bytes);
                bytes
            };
            Case { name: format!("head {number}"), bytes, expected: Expected::AnsweredOrCut }
        })
        .collect()
}
