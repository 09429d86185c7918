//! Where a message ends: lengths, codings, chunks, line ends, and what follows an answer that came early.

use super::payload::{
    Expected::{self, AtMost, AtMostOnce, Forwarded, Refused},
    Payload, SMUGGLED, public,
};

/// Bytes that some parser drops, trims or takes for the end of something.
const ODD: [u8; 16] = [0x00, 0x01, 0x04, 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x1f, 0x20, 0x22, 0x27, 0x2c, 0x7f, 0x85, 0xff];

pub(super) fn payloads() -> Vec<Payload> {
    [lengths(), codings(), disguised_codings(), chunks(), lines(), early_answers(), pipelines()]
        .into_iter()
        .flatten()
        .collect()
}

fn post(name: impl Into<String>, fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>, expected: Expected) -> Payload {
    Payload::new(name, public("POST /public/x?@ID", fields, body), expected)
}

fn lengths() -> Vec<Payload> {
    let bad = [
        "+5",
        "-5",
        "-0",
        "0x5",
        "5 5",
        "5,6",
        "5;",
        "5.0",
        "1e1",
        "5_0",
        "five",
        "\"5\"",
        "99999999999999999999999",
        "5\x0b",
        "\u{ff15}",
        "5,",
        ",5",
        "0,5",
    ];
    let body = format!("hello{SMUGGLED}");
    let one = bad.map(|length| {
        post(format!("length {length:?}"), format!("Content-Length: {length}\r\n"), &body, Refused(&[400]))
    });
    let two = [
        "5\r\nContent-Length: 6",
        "6\r\nContent-Length: 5",
        "0\r\nContent-Length: 5",
        "5\r\nContent_Length: 0",
        "5\r\nContent.Length: 0",
        "5\r\nContent-Length : 5",
        "5\r\n Content-Length: 0",
        "5\r\nContent-Length\t: 5",
    ]
    .map(|lengths| {
        post(format!("lengths {lengths:?}"), format!("Content-Length: {lengths}\r\n"), &body, Refused(&[400]))
    });
    let fine = [
        post("a length", "Content-Length: 5\r\n", "hello", Forwarded),
        post("no length", "", "", Forwarded),
        post("equal lengths", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello", AtMostOnce),
        post("equal lengths, spelt apart", "Content-Length: 5\r\nContent-Length: 05\r\n", "hello", AtMostOnce),
        post("a longer spelling", "Content-Length: 005\r\n", "hello", AtMostOnce),
        post("too little", "Content-Length: 50\r\n", "hello", AtMostOnce),
        Payload::new("GET with a body", public("GET /public/x?@ID", "Content-Length: 5\r\n", "hello"), Forwarded),
        Payload::new("HEAD with a body", public("HEAD /public/x?@ID", "Content-Length: 5\r\n", "hello"), AtMostOnce),
    ];
    one.into_iter().chain(two).chain(fine).collect()
}

fn codings() -> Vec<Payload> {
    let values = [
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "gzip, chunked",
        "cow, chunked",
        "identity, chunked",
        "chunked, identity",
        "identity",
        "gzip",
        "xchunked",
        "chunkedx",
        "chunk",
        "\"chunked\"",
        "chunked;q=1",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "identity\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer_Encoding: chunked",
        "x\r\nTransfer.Encoding: chunked",
    ];
    let refused = values.map(|value| {
        post(
            format!("coding {value:?}"),
            format!("Transfer-Encoding: {value}\r\n"),
            format!("0\r\n\r\n{SMUGGLED}"),
            Refused(&[400]),
        )
    });
    let whole = format!("0\r\n\r\n{SMUGGLED}");
    // A length beside a coding: the coding wins and the connection ends, so what follows is nobody's request.
    let both = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: @LENGTH\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "transfer-encoding:chunked\r\nContent-Length: 5\r\n",
        "TRANSFER-ENCODING: CHUNKED\r\nContent-Length: 5\r\n",
    ]
    .map(|fields| post(format!("both {fields:?}"), fields, &whole, AtMostOnce));
    let old = [
        Payload::new(
            "a coding in HTTP/1.0",
            format!("POST /public/x?@ID HTTP/1.0\r\nHost: @HOST\r\nTransfer-Encoding: chunked\r\n\r\n{whole}"),
            AtMostOnce,
        ),
        Payload::new(
            "both in HTTP/1.0",
            format!(
                "POST /public/x?@ID HTTP/1.0\r\nHost: @HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{whole}"
            ),
            AtMostOnce,
        ),
        Payload::new(
            "both, kept alive, in HTTP/1.0",
            format!(
                "POST /public/x?@ID HTTP/1.0\r\nHost: @HOST\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{whole}"
            ),
            AtMostOnce,
        ),
    ];
    refused.into_iter().chain(both).chain(old).collect()
}

/// `Transfer-Encoding: chunked` with an odd byte in every place, beside a length that covers what is smuggled.
fn disguised_codings() -> Vec<Payload> {
    let body = format!("0\r\n\r\n{SMUGGLED}");
    let disguised = |name: &str, before: &[u8], odd: u8, after: &[u8]| {
        let fields = [b"Content-Length: @LENGTH\r\n", before, &[odd], after, b"\r\n"].concat();
        post(format!("coding with {odd:#04x} {name}"), fields, &body, AtMostOnce)
    };
    ODD.into_iter()
        .flat_map(|odd| {
            [
                disguised("before the name", b"", odd, b"Transfer-Encoding: chunked"),
                disguised("in the name", b"Transfer", odd, b"Encoding: chunked"),
                disguised("after the name", b"Transfer-Encoding", odd, b": chunked"),
                disguised("before the value", b"Transfer-Encoding:", odd, b"chunked"),
                disguised("after the value", b"Transfer-Encoding: chunked", odd, b""),
                disguised("in another value", b"X: x", odd, b"Transfer-Encoding: chunked"),
            ]
        })
        .collect()
}

fn chunks() -> Vec<Payload> {
    let coded = |name: &str, body: &str, expected| {
        post(format!("chunks: {name}"), "Transfer-Encoding: chunked\r\n", body, expected)
    };
    let mut payloads = vec![
        coded("whole", "5\r\nhello\r\n0\r\n\r\n", Forwarded),
        coded("with an extension", "5;a=b\r\nhello\r\n0\r\n\r\n", AtMostOnce),
        coded("with zeros before", "0005\r\nhello\r\n0\r\n\r\n", AtMostOnce),
        coded("with an extension that holds NUL", "5;\0\r\nhello\r\n0\r\n\r\n", AtMostOnce),
        coded("never ended", "5\r\nhello\r\n", AtMostOnce),
    ];
    for size in [
        "+5",
        "-5",
        "0x5",
        "g",
        "",
        "5 5",
        "FFFFFFFFFFFFFFFFF",
        "10000000000000005",
        "5\n",
        "\r5",
        "5;a=\"\n\"",
        "\u{ff15}",
        "5_0",
        " 5",
        "5\t\x0b",
    ] {
        payloads.push(coded(&format!("size {size:?}"), &format!("{size}\r\nhello\r\n0\r\n\r\n{SMUGGLED}"), AtMostOnce));
    }
    for body in [
        "5\r\nhelloX0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhello\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "0\r\n",
        "0\n\n",
        "5\rhello\r0\r\r",
    ] {
        payloads.push(coded(&format!("{body:?}"), &format!("{body}{SMUGGLED}"), AtMostOnce));
    }
    for trailer in [
        "X-Gateway-Identity: evil",
        "X-Auth-Request-User: evil",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Host: evil",
        "Authorization: Bearer evil",
        "Cookie: evil=evil",
        "Connection: X-Gateway-Identity",
        "X_Gateway_Identity: evil",
        "X-Forwarded-For: evil",
        "\0: evil",
        "no colon evil",
    ] {
        payloads.push(coded(
            &format!("trailer {trailer:?}"),
            &format!("5\r\nhello\r\n0\r\n{trailer}\r\n\r\n"),
            AtMostOnce,
        ));
    }
    payloads
}

/// Line ends, blanks and versions.
fn lines() -> Vec<Payload> {
    let raw = |bytes: &str, expected| Payload::new(format!("lines {bytes:?}"), bytes, expected);
    vec![
        raw("GET /public/x?@ID HTTP/1.1\nHost: @HOST\n\n", AtMostOnce),
        raw("\r\n\r\nGET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\n\r\n", AtMostOnce),
        raw("GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\n X-Auth-Request-User: evil\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\nA: b\r\n\tX-Gateway-Identity: evil\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID HTTP/1.1\r\n Host: @HOST\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\nA: b\rX-Gateway-Identity: evil\r\n\r\n", AtMostOnce),
        raw("GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\nA: b\nX-Gateway-Identity: evil\r\n\r\n", AtMostOnce),
        raw("GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\nno colon\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\n: no name\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\nA b: c\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\nA: \0\r\n\r\n", Refused(&[400])),
        raw("GET  /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID  HTTP/1.1\r\nHost: @HOST\r\n\r\n", Refused(&[400])),
        raw("GET\t/public/x?@ID\tHTTP/1.1\r\nHost: @HOST\r\n\r\n", Refused(&[400])),
        raw(" GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID HTTP/0.9\r\nHost: @HOST\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID HTTP/1.2\r\nHost: @HOST\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID HTTP/2.0\r\nHost: @HOST\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID HTTP/1.10\r\nHost: @HOST\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID http/1.1\r\nHost: @HOST\r\n\r\n", Refused(&[400])),
        raw("GET /public/x?@ID HTTP/1.1 x\r\nHost: @HOST\r\n\r\n", Refused(&[400])),
        raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", AtMost(0)),
        raw(
            "GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            AtMostOnce,
        ),
        raw("\x16\x03\x01\x02\x00\x01\x00\x01", Refused(&[400])),
    ]
}

/// An answer that needs no body comes before the body is read: what is in the body is nobody's request.
fn early_answers() -> Vec<Payload> {
    let body = format!("12345{SMUGGLED}{SMUGGLED}");
    let refused = |line: &str, statuses| {
        let bytes = public(line, "Content-Length: @LENGTH\r\n", &body);
        Payload::new(format!("unread body: {line}"), bytes, Refused(statuses))
    };
    vec![
        refused("POST /x?@ID", &[401]),
        refused("POST /api/x?@ID", &[401]),
        refused("POST /display/x?@ID", &[401]),
        refused("POST /.candor/me?@ID", &[405]),
        refused("POST /.candor/nothing?@ID", &[404]),
        refused("TRACE /public/x?@ID", &[405]),
        refused("POST /public/../x?@ID", &[400]),
        post("a body awaited", "Expect: 100-continue\r\nContent-Length: 5\r\n", "hello", Forwarded),
        post(
            "a body awaited, chunked",
            "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
            Forwarded,
        ),
        post("another expectation", "Expect: 200-ok\r\nContent-Length: @LENGTH\r\n", &body, Refused(&[417])),
        post("an empty expectation", "Expect: \r\nContent-Length: @LENGTH\r\n", &body, Refused(&[417])),
        post(
            "two expectations",
            "Expect: 100-continue\r\nExpect: x\r\nContent-Length: @LENGTH\r\n",
            &body,
            Refused(&[417]),
        ),
        post(
            "an expectation with more",
            "Expect: 100-continue, 100-continue\r\nContent-Length: @LENGTH\r\n",
            &body,
            Refused(&[417]),
        ),
    ]
}

/// Well-formed requests, one after the other.
fn pipelines() -> Vec<Payload> {
    let get = "GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\n\r\n";
    let posted = "POST /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\nContent-Length: 5\r\n\r\nhello";
    vec![
        Payload::new("two requests", format!("{get}{get}"), AtMost(2)),
        Payload::new("two requests with bodies", format!("{posted}{posted}"), AtMost(2)),
        Payload::new(
            "a request after one that closes",
            format!("GET /public/x?@ID HTTP/1.1\r\nHost: @HOST\r\nConnection: close\r\n\r\n{get}"),
            AtMostOnce,
        ),
        Payload::new(
            "a request after a refused one",
            format!("GET /public/../x?@ID HTTP/1.1\r\nHost: @HOST\r\n\r\n{get}"),
            AtMostOnce,
        ),
        Payload::new("five requests", get.repeat(5), AtMost(5)),
    ]
}
