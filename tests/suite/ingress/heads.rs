//! What a head says: host, target, path, method, names of fields, and how much of it there is.

use super::payload::{
    Expected::{self, As, AtMostOnce, Forwarded, Refused},
    Payload, public, with_token,
};

pub(super) fn payloads() -> Vec<Payload> {
    [hosts(), targets(), paths(), methods(), names(), connections(), sizes()].into_iter().flatten().collect()
}

fn get(target: &str, expected: Expected) -> Payload {
    Payload::new(format!("target {target:?}"), public(&format!("GET {target}"), "", ""), expected)
}

fn hosts() -> Vec<Payload> {
    let with = |fields: &str, expected| {
        let bytes = format!("GET /public/x?@ID HTTP/1.1\r\n{fields}\r\n");
        Payload::new(format!("host {fields:?}"), bytes, expected)
    };
    let bad = [
        "",
        "@HOST, evil",
        "evil @HOST",
        "me@@HOST",
        "@HOST/x",
        "@HOST?x",
        "@HOST#x",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:99999",
        "127.0.0.1:80:80",
        "[::1",
        "[x]",
        "a..b",
        ".a",
        "a\\b",
        "http://@HOST",
        "a%2eb",
        "127.0.0.1:-1",
        "\u{fc}",
        "*",
        "a b",
        "127.0.0.1:80 80",
        "\"@HOST\"",
        "a\tb",
        "a;b",
        "(a)",
        "a\u{7f}b",
    ];
    let refused = bad.map(|host| with(&format!("Host: {host}\r\n"), Refused(&[400])));
    let counted = [
        "",
        "Host: @HOST\r\nHost: @HOST\r\n",
        "Host: @HOST\r\nHost: evil\r\n",
        "Host: evil\r\nHost: @HOST\r\n",
        "Host : @HOST\r\n",
        "Host\r\n",
        "X-Host: @HOST\r\n",
        "Host: @HOST\r\nH_ost: evil\r\nHOST: evil\r\n",
    ]
    .map(|fields| with(fields, Refused(&[400])));
    let old = Payload::new("no host in HTTP/1.0", "GET /public/x?@ID HTTP/1.0\r\n\r\n", Refused(&[400]));
    refused.into_iter().chain(counted).chain([old, with("hOsT:\t@HOST \r\n", Forwarded)]).collect()
}

fn targets() -> Vec<Payload> {
    let bad = [
        "*",
        "x",
        "evil.example",
        "evil.example:80",
        "@HOST",
        "http://evil.example/public/x",
        "http://@HOST@evil.example/public/x",
        "http://me@@HOST/public/x",
        "https://evil.example:443/public/x",
        "ftp://@HOST/public/x",
        "http://127.0.0.1/public/x",
        "http:///public/x",
        "http:/public/x",
        "://@HOST/public/x",
        "?x",
        "",
        "/public/\u{e9}",
        "/public/\u{1f980}",
        "/public/x?\u{e9}",
        "/public/\u{1}",
        "/public/\u{7f}",
        "/public/x?a\u{0}b",
        "public/x",
    ];
    let refused = bad.map(|target| get(target, Refused(&[400])));
    let fine = [
        get("http://@HOST/public/x?@ID", As("/public/x?@ID".to_owned())),
        get("/public/x?@ID#y", As("/public/x?@ID".to_owned())),
        get("/public/x?@ID&a=%zz%00//../", Forwarded),
    ];
    refused.into_iter().chain(fine).collect()
}

fn paths() -> Vec<Payload> {
    let upwards = [
        "..",
        ".",
        "%2e%2e",
        "%2E",
        ".%2e",
        "%252e%252e",
        "..;",
        "..;x=y",
        ".;",
        "..%20",
        "..%09",
        "...",
        "%20..",
        "..%3b",
        "..%253b",
        "..%5c",
        "..\\",
        "\\..",
        "%5c..",
        "..%2f",
        "%2f..",
        "..%252f",
        "%ef%bc%8e%ef%bc%8e",
        "%e2%80%a5",
    ];
    let steps = upwards.map(|step| get(&format!("/public/{step}/api/x?@ID"), Refused(&[400])));
    let hidden = [
        "%",
        "%z",
        "%zz",
        "%2",
        "%u002e",
        "%00",
        "x%00.css",
        "%0a",
        "%0d%0aX-Gateway-Identity:%20evil",
        "%2500",
        "%c0%af",
        "%c0%ae%c0%ae",
        "%e0%80%af",
        "%f0%80%80%af",
        "%25c0%25af",
    ];
    let bytes = hidden.map(|hidden| get(&format!("/public/{hidden}?@ID"), Refused(&[400])));
    // Each of these is on two routes at once: one reader's public page is another's protected one.
    let two = [
        "/%61pi/x",
        "/%2561pi/x",
        "//api/x",
        "/api%2fx",
        "/api;x/y",
        "/api%3bx/y",
        "/api\\x",
        "/api%5cx",
        "/API/x",
        "/Api/x",
        "/api./x",
        "/api%20/x",
        "/;/api/x",
        "/;x/api/x",
        "/%2fapi/x",
        "/%41PI/x",
        "/public%2fx",
        "/PUBLIC/x",
        "//public/x",
        "/public;a/x",
        "/publi%63/x",
        "/%70ublic/x",
        "/\\public/x",
        "/engineers%2f",
        "/ENGINEERS/x",
        "/engineers;/x",
        "/.candor%2fme",
        "/%2ecandor/me",
        "/.CANDOR/me",
        "//.candor/me",
        "/.candor;/me",
        "/.candor\\me",
    ];
    let ambiguous = two.into_iter().map(|path| get(&format!("{path}?@ID"), Refused(&[400])));
    let kept = [
        "/public/a%2Fb",
        "/public//a",
        "/public/a;b=c",
        "/public/a\\b",
        "/public/%7Euser",
        "/public/%C3%A9",
        "/public/%E4",
        "/public/A/B",
        "/public/a.b/",
        "/public/%2561",
        "/public",
        "/public/a%20b",
        "/public/a;x//b%2Fc\\d",
        "/public/a%3Fb",
        "/public/a%23b",
        "/public/a+b",
        "/public/!$&'()*,=:@-._~",
    ];
    let same = kept.map(|path| get(&format!("{path}?@ID"), As(format!("{path}?@ID"))));
    steps.into_iter().chain(bytes).chain(ambiguous).chain(same).collect()
}

fn methods() -> Vec<Payload> {
    let asked = |method: &str, expected| {
        Payload::new(format!("method {method:?}"), public(&format!("{method} /public/x?@ID"), "", ""), expected)
    };
    let mut payloads: Vec<_> = ["TRACE", "TRACK", "trace", "get", "Get", "pOST", "CONNECT"]
        .map(|method| asked(method, Refused(&[400, 405])))
        .into();
    payloads.extend(["PROPFIND", "M-SEARCH", "QUERY", "OPTIONS", "DELETE"].map(|method| asked(method, Forwarded)));
    payloads
        .extend(["G ET", "GET\0", "(GET)", "G\u{e9}T", "", "GET,POST"].map(|method| asked(method, Refused(&[400]))));
    payloads.push(Payload::new(
        "CONNECT to elsewhere",
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
        Refused(&[400, 405]),
    ));
    payloads
}

/// Every name that says who somebody is or which way they came, in every spelling.
fn names() -> Vec<Payload> {
    let names = [
        "x-gateway-identity",
        "x-auth-request-user",
        "x-auth-request-email",
        "x-auth-request-groups",
        "x-forwarded-user",
        "x-forwarded-email",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "forwarded",
        "remote-user",
        "x-request-id",
        "x-original-url",
        "x-rewrite-url",
        "true-client-ip",
        "x-gateway-answer",
        "client-cert",
        "x-remote-user",
        "x-forwarded-preferred-username",
    ];
    let mut payloads = Vec::new();
    for name in names {
        let spellings = [
            name.to_owned(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.replace('-', "."),
            name.replacen('-', "_", 1),
            name.replacen('-', ".", 1).to_uppercase(),
        ];
        for spelling in spellings {
            let bytes = public("GET /public/x?@ID", format!("{spelling}: evil\r\n"), "");
            payloads.push(Payload::new(format!("name {spelling}"), bytes, AtMostOnce));
        }
        let bytes = with_token(&format!("{name}: evil\r\n{name}: evil\r\n"));
        payloads.push(Payload::new(format!("name {name}, twice, beside a token"), bytes, Forwarded));
    }
    for name in ["x_legacy", "X_Evil", "x-evil_x", "_", "__host"] {
        payloads.push(Payload::new(
            format!("name {name}"),
            public("GET /public/x?@ID", format!("{name}: evil\r\n"), ""),
            Forwarded,
        ));
    }
    let two = public("GET /api/x?@ID", "Authorization: Bearer @TOKEN\r\nAuthorization: Bearer evil\r\n", "");
    payloads.push(Payload::new("two authorizations", two, Refused(&[400])));
    payloads.push(Payload::new(
        "a tab in a token",
        public("GET /api/x?@ID", "Authorization: Bearer\t@TOKEN\r\n", ""),
        Refused(&[401]),
    ));
    payloads.push(Payload::new(
        "bytes above ASCII in a token",
        public("GET /api/x?@ID", "Authorization: Bearer \u{fc}\r\n", ""),
        Refused(&[400]),
    ));
    payloads
}

/// `Connection` names what the next hop removes: never what we say, or what is said to us.
fn connections() -> Vec<Payload> {
    let reserved = [
        "X-Gateway-Identity",
        "X-Auth-Request-User",
        "x_auth_request_user",
        "X-Forwarded-For",
        "X-Real-IP",
        "Forwarded",
        "Authorization",
        "Cookie",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "close, X-Gateway-Identity",
        "X-Gateway-Identity,close",
        "keep-alive,\tx-gateway-identity",
        "close\r\nConnection: X-Gateway-Identity",
        "X-Request-Id",
        "Via",
        "\u{fc}",
    ];
    let refused = reserved.map(|named| {
        Payload::new(format!("connection {named:?}"), with_token(&format!("Connection: {named}\r\n")), Refused(&[400]))
    });
    let fine = ["close", "X-Private", "keep-alive, X-Private", "TE", "Upgrade", "", ",,", "not a name"].map(|named| {
        Payload::new(
            format!("connection {named:?}"),
            with_token(&format!("Connection: {named}\r\nX-Private: mine\r\n")),
            AtMostOnce,
        )
    });
    let hops = [
        "Keep-Alive: evil",
        "Proxy-Connection: evil",
        "Proxy-Authorization: evil",
        "TE: evil",
        "Upgrade: evil",
        "HTTP2-Settings: evil",
        "Trailer: evil",
        "Proxy: evil",
    ]
    .map(|field| Payload::new(format!("hop {field}"), with_token(&format!("{field}\r\n")), Forwarded));
    // What follows an upgrade that we do not make is the next request: it is judged like any other.
    let tunnel = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    let next = public("GET /api/y?@ID", "X-Gateway-Identity: evil\r\n", "");
    let tunnel = Payload::new("bytes after an upgrade", public("GET /public/x?@ID", tunnel, next), AtMostOnce);
    refused.into_iter().chain(fine).chain(hops).chain([tunnel]).collect()
}

fn sizes() -> Vec<Payload> {
    let fields = |count: usize| (0..count).map(|index| format!("X-{index}: 1\r\n")).collect::<String>();
    let sized =
        |name: &str, fields: String, expected| Payload::new(name, public("GET /public/x?@ID", fields, ""), expected);
    vec![
        sized("fields that fit", fields(90), Forwarded),
        sized("a field too many", fields(100), Refused(&[431])),
        sized("many fields too many", fields(1000), Refused(&[431])),
        sized("a large field", format!("X-Large: {}\r\n", "a".repeat(17 << 10)), Refused(&[431])),
        sized("a huge field", format!("X-Large: {}\r\n", "a".repeat(300 << 10)), Refused(&[431])),
        sized("a large name", format!("X-{}: 1\r\n", "a".repeat(17 << 10)), Refused(&[400, 431])),
        get(&format!("/public/{}?@ID", "a".repeat(8 << 10)), Refused(&[414])),
        get(&format!("/public/{}?@ID", "a".repeat(60 << 10)), Refused(&[414, 431])),
        get(&format!("/public/{}?@ID", "%2561;x\\/".repeat(800)), AtMostOnce),
    ]
}
