//! Requests whose head can be read, and whose cookies, tokens, parameters, forms or methods make no sense.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::json;
use world::{World, raw};

use super::{Case, Expected, heads::Random};

/// Whatever was meant to be a value.
const VALUES: [&str; 24] = [
    "",
    "a",
    "null",
    "..",
    "=",
    "====",
    "%00",
    "%",
    "%zz",
    "%ff%fe",
    "\"",
    "\"quoted\"",
    "a,b",
    "a b",
    "{}",
    "[]",
    "AAAA",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "____",
    "-1",
    "18446744073709551616",
    "<script>",
    "'; DROP TABLE session; --",
    "${jndi:ldap://127.0.0.1/a}",
];

pub(super) fn cases(world: &World, host: &str) -> Vec<Case> {
    let make = Make { host };
    let mut cases = Vec::new();
    cases.extend(cookies(&make));
    cases.extend(tokens(&make, world));
    cases.extend(callbacks(&make));
    cases.extend(logins(&make));
    cases.extend(methods(&make));
    cases.extend(preflights(&make));
    cases
}

struct Make<'a> {
    host: &'a str,
}

impl Make<'_> {
    fn case(&self, expected: Expected, (method, target): (&str, &str), fields: &str, body: &str) -> Case {
        let name = format!("{method} {target}");
        Case { name, bytes: raw::request(method, target, self.host, fields, body).into_bytes(), expected }
    }
}

/// Every value, and longer ones.
fn values() -> Vec<String> {
    let mut random = Random::new(42);
    let mut values: Vec<String> = VALUES.iter().map(ToString::to_string).collect();
    for length in [1, 2, 12, 28, 29, 64, 300, 3000] {
        let bytes: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        values.push(BASE64.encode(&bytes));
        values.push("a".repeat(length));
    }
    values
}

fn cookies(make: &Make<'_>) -> Vec<Case> {
    let mut cases = Vec::new();
    for value in values() {
        for cookie in [format!("candor={value}"), format!("candor={value}; candor={value}x"), value.clone()] {
            let fields = format!("Cookie: {cookie}\r\n");
            cases.push(make.case(Expected::Refused, ("GET", "/x"), &fields, ""));
            cases.push(make.case(Expected::Answered, ("GET", "/.candor/me"), &fields, ""));
            let ours = format!("{fields}Origin: http://{}\r\n", make.host);
            cases.push(make.case(Expected::Answered, ("POST", "/.candor/logout"), &ours, ""));
        }
        let fields = format!("Cookie: candor-signin-{value}={value}; candor-signin-={value}\r\n");
        let target = "/.candor/callback/pretend?code=a&state=b";
        cases.push(make.case(Expected::Answered, ("GET", target), &fields, ""));
    }
    cases
}

fn tokens(make: &Make<'_>, world: &World) -> Vec<Case> {
    let issuer = world.idp.issuer();
    let good = world.token("display");
    let part = |json: &str| BASE64.encode(json);
    let claims =
        part(&json!({"iss": issuer, "aud": "api://monolith", "sub": "x", "exp": 4_000_000_000u64}).to_string());
    let mut tokens = values();
    let headers = [
        "",
        "{",
        "{}",
        "[]",
        "null",
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":7}"#,
        r#"{"alg":"RS256","kid":7}"#,
        r#"{"alg":"RS256","kid":["a"]}"#,
        r#"{"alg":"RS256","alg":"none"}"#,
        r#"{"alg":"RS256","crit":["exp"]}"#,
        r#"{"alg":"RS256","crit":[]}"#,
        r#"{"alg":"RS256","jku":"http://127.0.0.1/"}"#,
        r#"{"alg":"RS256","jwk":{}}"#,
        r#"{"alg":"RS256","x5u":"http://127.0.0.1/"}"#,
        r#"{"alg":"RS256","b64":false}"#,
        r#"{"alg":"RS256","zip":"DEF"}"#,
        r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#,
        "\u{0}",
    ];
    tokens.extend(headers.map(|header| format!("{}.{claims}.AAAA", part(header))));
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "\"\"",
        r#"{"iss":7}"#,
        r#"{"iss":"@","exp":"soon"}"#,
        r#"{"iss":"@","exp":1e400}"#,
        r#"{"iss":"@","exp":-1}"#,
        r#"{"iss":"@","exp":null,"aud":{}}"#,
        r#"{"iss":"@","iss":"@"}"#,
        r#"{"iss":"@","sub":["a"]}"#,
        r#"{"iss":"@","nbf":99999999999999999999}"#,
    ];
    tokens.extend(
        bodies.map(|body| format!("{}.{}.AAAA", part(r#"{"alg":"RS256"}"#), part(&body.replace('@', &issuer)))),
    );
    tokens.push(format!("{}.{}.AAAA", part(r#"{"alg":"RS256"}"#), part(&"[".repeat(4000))));
    for (from, to) in [(".", ""), (".", ".."), (".", "."), (".", " ."), (".", "=.")] {
        tokens.push(good.replacen(from, to, 1) + ".");
    }
    tokens.extend([
        format!("{good}="),
        format!("{good}A"),
        good[..good.len() - 1].to_owned(),
        format!("{good}.{good}"),
    ]);
    tokens.push(format!("{good}{}", "A".repeat(9000)));
    let mut cases = Vec::new();
    for token in tokens {
        for fields in [format!("Authorization: Bearer {token}\r\n"), format!("Authorization: {token}\r\n")] {
            for path in ["/api/x", "/display/x"] {
                cases.push(make.case(Expected::Refused, ("GET", path), &fields, ""));
            }
            cases.push(make.case(Expected::Answered, ("GET", "/public/x"), &fields, ""));
        }
    }
    let two = format!("Authorization: Bearer {good}\r\nAuthorization: Bearer {good}x\r\n");
    cases.push(make.case(Expected::Refused, ("GET", "/api/x"), &two, ""));
    cases
}

fn callbacks(make: &Make<'_>) -> Vec<Case> {
    let mut queries: Vec<String> = [
        "",
        "state",
        "state=",
        "code=",
        "code=a",
        "code=a&code=b&state=c",
        "state=a&state=b&code=c",
        "error=&state=a",
        "error=access_denied",
        "error=a&code=b&state=c",
        "iss=a&iss=b&code=c&state=d",
        "code=%00&state=%00",
        "code=%ff&state=%fe",
        "code=%zz&state=b",
        "&&&&",
        "====",
        "code[]=a&state[]=b",
        "a=b;code=c;state=d",
    ]
    .map(str::to_owned)
    .to_vec();
    queries
        .extend(values().iter().map(|value| format!("code={value}&state={value}").replace([' ', '"', '<', '>'], "+")));
    queries.push(format!("code=a&state={}", "a".repeat(6000)));
    let mut cases = Vec::new();
    for query in &queries {
        for provider in ["pretend", "nobody", "%70retend"] {
            let target = format!("/.candor/callback/{provider}?{query}");
            cases.push(make.case(Expected::Answered, ("GET", &target), "", ""));
        }
        for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "", "\u{7f}"] {
            let fields = format!("Content-Type: {kind}\r\n");
            cases.push(make.case(Expected::Answered, ("POST", "/.candor/callback/pretend"), &fields, query));
        }
    }
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let large = format!("state=a&code={}", "a".repeat(100_000));
    cases.push(make.case(Expected::Refused, ("POST", "/.candor/callback/pretend"), form, &large));
    for chunks in ["zz\r\n", "5\r\nhello0\r\n\r\n", "ffffffffffffffffff\r\n", "5\r\nhel"] {
        let fields = format!("{form}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        let mut case = make.case(Expected::Refused, ("POST", "/.candor/callback/pretend"), &fields, "");
        // What follows the chunks would be read as more of them.
        case.bytes.truncate(case.bytes.len() - 2);
        cases.push(case);
    }
    cases
}

fn logins(make: &Make<'_>) -> Vec<Case> {
    let mut queries: Vec<String> =
        ["provider=nobody", "return_to=a&return_to=b", "provider=pretend&provider=x", "again", "&=&"]
            .map(str::to_owned)
            .to_vec();
    let encoded = |value: &String| url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>();
    queries.extend(values().iter().map(|value| format!("return_to={}", encoded(value))));
    queries.extend(values().iter().map(|value| format!("provider={}&again={0}", encoded(value))));
    queries
        .iter()
        .map(|query| make.case(Expected::Answered, ("GET", &format!("/.candor/login?{query}")), "", ""))
        .collect()
}

fn methods(make: &Make<'_>) -> Vec<Case> {
    let methods =
        ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "PROPFIND", "PURGE", "FOO", "get", "G", "M-SEARCH", "!"];
    let paths = [
        "/.candor/login",
        "/.candor/logout",
        "/.candor/callback/pretend",
        "/.candor/me",
        "/.candor/keys.json",
        "/.candor/verify",
        "/.candor/problems/bad-request",
        "/.candor/problems/nothing",
        "/.candor/",
        "/.candor",
        "/.candor/nothing",
        "/public/x",
        "/x",
    ];
    let all = methods.iter().flat_map(|method| paths.iter().map(move |path| (*method, *path)));
    let mut cases: Vec<Case> = all.map(|asked| make.case(Expected::Answered, asked, "", "")).collect();
    cases.push(make.case(Expected::Refused, (&"A".repeat(3000), "/x"), "", ""));
    cases.push(make.case(Expected::Refused, ("CONNECT", make.host), "", ""));
    cases
}

/// Preflights whose origin or method is none, or which there are two of: none of them goes anywhere as one.
fn preflights(make: &Make<'_>) -> Vec<Case> {
    let origins =
        ["", "null", "*", "https://app.example/", "https://app.example\r\nOrigin: https://app.example", "\u{e9}"];
    let methods = ["", "PUT", "a b", "put", "PUT\r\nAccess-Control-Request-Method: GET", "\u{e9}", &"A".repeat(3000)];
    let asked = origins.iter().flat_map(|origin| methods.iter().map(move |method| (origin, method)));
    asked
        .map(|(origin, method)| {
            let fields = format!("Origin: {origin}\r\nAccess-Control-Request-Method: {method}\r\n");
            make.case(Expected::Refused, ("OPTIONS", "/api/x"), &fields, "")
        })
        .collect()
}

/// For the forward-auth listener.
pub(super) fn originals(host: &str) -> Vec<Case> {
    let make = Make { host };
    let mut cases = vec![make.case(Expected::Refused, ("GET", "/.candor/verify"), "", "")];
    let paths = ["/x/../y", "//", "*", "/%2e%2e/", "http://", "http://evil/x", "x", "/x y", "/%zz", "/a\\..\\b"]
        .map(str::to_owned);
    for address in values().into_iter().chain(paths) {
        for name in ["X-Forwarded-Uri", "X-Original-URI", "X-Original-URL"] {
            let fields = format!("{name}: {address}\r\n");
            cases.push(make.case(Expected::Refused, ("GET", "/.candor/verify"), &fields, ""));
        }
        let fields = format!("X-Forwarded-Uri: /public/x\r\nX-Forwarded-Method: {address}\r\n");
        cases.push(make.case(Expected::Answered, ("GET", "/.candor/verify"), &fields, ""));
    }
    for path in
        ["/", "/public/x", "/.candor/login", "/.candor/me", "/.candor/verify/", "/.candor/keys.json", "/metrics"]
    {
        cases.push(make.case(Expected::Refused, ("GET", path), "", ""));
    }
    let two = "X-Forwarded-Uri: /public/x\r\nX-Original-URI: /x\r\n";
    cases.push(make.case(Expected::Refused, ("GET", "/.candor/verify"), two, ""));
    cases
}
