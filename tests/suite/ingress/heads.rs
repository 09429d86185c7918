//! What a head says: host, target, path, method, names of fields, and how much of it there is.

use super::payload::{
    Expected::{self, As, AtMostOnce, Forwarded, Refused},
    Payload, public, with_token,
};

/// A host, an address, and a method that not everybody may use, on a path that is open to all others.
pub(super) const GUARDED: &str = r#"
[[routes]]
path = "/public/"
host = "guarded.test"
upstream = "monolith"
allow = ["service"]

[[routes]]
path = "/public/"
host = "192.0.2.7"
upstream = "monolith"
allow = ["service"]

[[routes]]
path = "/public/orders/"
upstream = "monolith"
allow = ["anyone"]

[[routes]]
path = "/public/orders/"
methods = ["DELETE"]
upstream = "monolith"
allow = ["service"]
"#;

/// What stands between the words of a field's name (RFC 9110 §5.6.2).
const SEPARATORS: [char; 15] = ['!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'];

pub(super) fn payloads() -> Vec<Payload> {
    [hosts(), guarded_hosts(), targets(), paths(), names_that_end_early(), methods(), overrides()]
        .into_iter()
        .chain([names(), separators(), connections(), sizes()])
        .flatten()
        .collect()
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

/// A guarded host in the spellings that some server folds into it, and another one in them.
fn guarded_hosts() -> Vec<Payload> {
    let with = |host: &str, expected| {
        let bytes = format!("GET /public/x?@ID HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Payload::new(format!("guarded host {host:?}"), bytes, expected)
    };
    let guarded = ["", ".", ":80", ":443", ".:80", ".:0080"].map(|end| format!("guarded.test{end}"));
    let cased = ["Guarded.TEST", "GUARDED.TEST.", "192.0.2.7", "192.0.2.7.", "192.0.2.7.:80"].map(str::to_owned);
    let refused = guarded.into_iter().chain(cased).map(|host| with(&host, Refused(&[401])));
    let none = [
        "guarded.test..",
        "guarded.test.:",
        "guarded%2etest",
        "guarded.test%2e",
        "xn--guarded-.test",
        "192.0.519",
        "192.519",
        "3221225991",
        "0xc0000207",
        "0300.0.2.7",
        "192.0.2.07",
        "192.0.2.0x7",
        "[::ffff:192.0.2.7]",
        "[::ffff:c000:207]",
        "[fe80::1%25eth0]",
        "open.test:0",
        "open.test:",
    ];
    let others = ["open.test", "open.test.", "OPEN.test.:0443", "guarded.test.open.test", "[0:0::1]:80", "my_host"];
    let absolute = ["http://guarded.test./public/x?@ID", "http://GUARDED.test/public/x?@ID"].map(|target| {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: guarded.test\r\n\r\n");
        Payload::new(format!("guarded host in {target}"), bytes, Refused(&[401]))
    });
    let none = none.into_iter().map(|host| with(host, Refused(&[400])));
    let others = others.into_iter().map(|host| with(host, Forwarded));
    refused.chain(none).chain(others).chain(absolute).collect()
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

/// A name that ends for whoever decodes first: at a query, a fragment, a blank or a stream of Windows.
fn names_that_end_early() -> Vec<Payload> {
    let two = [
        "/api%3Fx.css",
        "/api%253Fx",
        "/api%23x",
        "/api%2523x/y",
        "/api%3f/x",
        "/api%09",
        "/%09api/x",
        "/a%09pi/x",
        "/a%2509pi/x",
        "/%20api/x",
        "/api%20HTTP/1.1",
        "/api%0b/x",
        "/api%7f/x",
        "/api%C2%A0/x",
        "/%E3%80%80api/x",
        "/%EF%BB%BFapi/x",
        "/api::$DATA",
        "/api%3A%3A$DATA",
        "/api::$INDEX_ALLOCATION/x",
        "/api:$I30:$INDEX_ALLOCATION/x",
        "/public%3Fx",
        "/public%20/x",
        "/;x\\api",
        "/;x%2Fapi%3Fy",
        "/engineers%3F",
        "/.candor%3F/me",
        "/.candor/%3Flogin/../me",
        "/.candor::$DATA/me",
    ];
    let ambiguous = two.into_iter().map(|path| get(&format!("{path}?@ID"), Refused(&[400, 404])));
    let upwards = ["..%3F", "..%23x", "..%253F", "..%20x", "..%09x", ".%09.", "..::$DATA", "..:", "..%ef%bc%9b"];
    let steps = upwards.into_iter().map(|step| get(&format!("/public/{step}/api/x?@ID"), Refused(&[400])));
    let kept = [
        "/public/a%3Fb/c",
        "/public/a%23b%3Fc",
        "/public/a%20b%20c/d%20",
        "/public/%20a",
        "/public/a%09b",
        "/public/a::$DATA",
        "/public/a:b/c:80",
        "/public/REPORT~1.DOC",
        "/public/~ada",
        "/public/...%20and%20more",
    ];
    let same = kept.into_iter().map(|path| get(&format!("{path}?@ID"), As(format!("{path}?@ID"))));
    ambiguous.chain(steps).chain(same).collect()
}

/// A method within a request of another, where the method decides who may pass.
fn overrides() -> Vec<Payload> {
    let post = |query: &str, field: String, expected| {
        let bytes = public(&format!("POST /public/orders/7?@ID{query}"), &field, "");
        Payload::new(format!("override {query} {field:?}"), bytes, expected)
    };
    let names = ["x-http-method-override", "x-http-method", "x-method-override", "x-method"];
    let spelt = |separator: char| names.map(|name| name.replace('-', &separator.to_string()));
    let fields = SEPARATORS.into_iter().flat_map(spelt).map(|name| post("", format!("{name}: evil\r\n"), Forwarded));
    let parameters = ["_method", "%5Fmethod", "+_method", ".method", "_METHOD", "_method[]", "X-HTTP-Method-Override"];
    let queries = parameters.map(|name| post(&format!("&{name}=DELETE"), String::new(), Refused(&[400])));
    let fine = [
        post("&method=DELETE&a=_method", String::new(), Forwarded),
        Payload::new("the method itself", public("DELETE /public/orders/7?@ID", "", ""), Refused(&[401])),
        Payload::new("elsewhere", public("POST /public/x?@ID&_method=DELETE", "X-HTTP-Method: PUT\r\n", ""), Forwarded),
    ];
    fields.chain(queries).chain(fine).collect()
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

/// Names of ours, of the framing and of one connection, with every byte that CGI folds into `_`.
fn separators() -> Vec<Payload> {
    let ours = ["x-gateway-identity", "x-auth-request-user", "x-forwarded-for", "remote-user", "x-real-ip"];
    let framing = ["content-length", "transfer-encoding", "keep-alive", "proxy-connection", "proxy-authorization"];
    let mut payloads = Vec::new();
    for separator in SEPARATORS.map(String::from) {
        for name in ours.map(|name| name.replace('-', &separator)) {
            let bytes = public("GET /public/x?@ID", format!("{name}: evil\r\n"), "");
            payloads.push(Payload::new(format!("separators: {name}"), bytes, AtMostOnce));
            let named = with_token(&format!("Connection: {name}\r\n"));
            payloads.push(Payload::new(format!("separators: connection {name}"), named, Refused(&[400])));
        }
        for name in framing.map(|name| name.replace('-', &separator)).into_iter().filter(|_| separator != "-") {
            let bytes = public("POST /public/x?@ID", format!("{name}: 5\r\n"), "");
            payloads.push(Payload::new(format!("separators: {name}"), bytes, Refused(&[400])));
        }
    }
    let apart = public("GET /public/x?@ID", "X--Auth-Request-User: mine\r\nRemote--User: mine\r\n", "");
    payloads.push(Payload::new("separators: another name", apart, Forwarded));
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
    let next = || public("GET /api/y?@ID", "X-Gateway-Identity: evil\r\n", "");
    let upgrade = |to: &str| format!("Connection: Upgrade\r\nUpgrade: {to}\r\nSec-WebSocket-Version: 13\r\n");
    let after =
        |name: &str, to: &str, expected| Payload::new(name, public("GET /public/x?@ID", upgrade(to), next()), expected);
    let upgrades = [
        after("bytes after half a WebSocket handshake", "websocket", Refused(&[400])),
        after("bytes after another upgrade", "candor/1", AtMostOnce),
    ];
    refused.into_iter().chain(fine).chain(hops).chain(upgrades).collect()
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
