//! The flows of people and programs through a gateway, each with secrets in it wherever a secret can be.

use gateway::demo::{AccessTokenSpec, Twin, browser::Browser};
use url::Url;
use world::{
    caller::{Caller, Form},
    raw,
    scripted::answer,
};

use super::Stage;

/// The cookie that holds a ticket.
pub(super) const TICKET: &str = "candor";

impl Stage {
    /// One request byte for byte; the gateway must have answered.
    pub(super) async fn ask(&self, method: &str, target: &str, fields: &str, body: &str) {
        let heard = raw::ask(&self.host, raw::request(method, target, &self.host, fields, body)).await;
        assert!(!heard.hung && heard.status().is_some(), "{method} {target}: {heard:?}");
    }

    /// What another proxy asks about a request; the gateway must have answered.
    async fn verify(&self, query: &str, fields: &str) {
        let verify = self.world.settings.verify_url();
        let asked = raw::request("GET", &format!("{}{query}", verify.path()), &self.host, fields, "");
        let heard = raw::ask(verify.authority(), asked).await;
        assert!(!heard.hung && heard.status().is_some_and(|status| status != 404), "verify: {heard:?}");
    }

    /// A browser at its callback, and that address; what it carries is planted.
    pub(super) async fn at_callback(&mut self, path: &str) -> (Caller, Url) {
        let mut caller = Caller::new(Form::Browser);
        let callback = self.world.until_callback(&mut caller, "ada", path).await;
        for (name, value) in callback.query_pairs() {
            self.canaries.plant(&format!("callback's {name}"), &value);
        }
        self.plant_cookies(caller.browser());
        let sent = self.provider.heard("/authorize");
        assert!(sent.is_empty(), "browsers ask the provider itself");
        (caller, callback)
    }

    pub(super) fn plant_cookies(&mut self, browser: &Browser) {
        let url = self.world.url("/");
        for name in browser.cookie_names(&url) {
            let value = browser.cookie(&url, &name).unwrap_or_default();
            self.canaries.plant(&format!("cookie {name}"), value);
        }
    }

    /// Plants what the last exchange of a code showed of us, and what it brought.
    pub(super) fn plant_exchange(&mut self) {
        let exchanges = self.provider.heard("/token");
        let last = exchanges.last().expect("a code was exchanged");
        let (head, form) = last.request.split_once("\r\n\r\n").expect("it has a form");
        for (name, value) in url::form_urlencoded::parse(form.as_bytes()) {
            if name == "code_verifier" {
                self.canaries.plant("PKCE verifier", &value);
            }
        }
        let basic = head.lines().find_map(|line| line.split_once("Basic ")).map(|(_, basic)| basic);
        self.canaries.plant("client credentials", basic.expect("we say who we are"));
        let Some((_, body)) = last.answer.split_once("\r\n\r\n") else { return };
        let Ok(tokens) = serde_json::from_str::<serde_json::Value>(body) else { return };
        for name in ["access_token", "refresh_token"] {
            self.canaries.plant(name, tokens[name].as_str().expect("the provider gives one"));
        }
        self.canaries.plant_jwt("ID token", tokens["id_token"].as_str().expect("the provider gives one"));
    }
}

/// Sign-in, good and bad, tickets, good and bad, and logout.
pub(super) async fn people(stage: &mut Stage) {
    stage.canaries.plant("client secret", "a pretend secret");
    let secret = stage.canaries.make("query of the address that was wanted");
    let wanted = format!("/here-and-in-the-log?session={secret}");
    let begun = Caller::new(Form::Browser).browser().visit(&stage.world.url(&wanted)).await.expect("an answer");
    assert_eq!(begun.url.path(), "/here-and-in-the-log", "signed in on the way, and back");

    let (mut ada, callback) = stage.at_callback(&wanted).await;
    let seen = ada.browser().get(&callback).await.expect("an answer");
    assert!(seen.status.is_redirection(), "signed in: {}", seen.text());
    stage.plant_exchange();
    stage.plant_cookies(ada.browser());
    let ticket = ada.browser().cookie(&stage.world.url("/"), TICKET).expect("a ticket").to_owned();
    for path in ["/", "/engineers/x", "/.candor/me", "/.candor/logout"] {
        let secret = stage.canaries.make("query beside a ticket");
        let fields = format!("Cookie: {TICKET}={ticket}; other={secret}\r\n");
        stage.ask("GET", &format!("{path}?key={secret}"), &fields, "").await;
    }
    let secret = stage.canaries.make("query beside a ticket, asked by a proxy");
    let original = format!("X-Forwarded-Uri: /private?key={secret}\r\nX-Forwarded-Method: GET\r\n");
    stage.verify(&format!("?key={secret}"), &format!("Cookie: {TICKET}={ticket}; other={secret}\r\n{original}")).await;
    let identity = stage.upstream.heard("/engineers/x");
    let identity = identity.first().and_then(|seen| seen.request.split("x-gateway-identity: ").nth(1)).expect("a JWT");
    stage.canaries.plant_jwt("signed identity", identity.lines().next().unwrap_or_default());

    let forged = stage.canaries.plant("forged ticket", &format!("{}kestrelsings", &ticket[..ticket.len() - 12]));
    for cookies in [format!("{TICKET}={forged}"), format!("{TICKET}={ticket}; {TICKET}={forged}")] {
        for path in ["/", "/api/x", "/public/x", "/.candor/me", "/.candor/logout"] {
            stage.ask("GET", path, &format!("Cookie: {cookies}\r\nAccept: text/html\r\n"), "").await;
            stage.ask("POST", path, &format!("Cookie: {cookies}\r\nOrigin: http://{}\r\n", stage.host), "").await;
        }
    }
    bad_callbacks(stage).await;
    stage.ask("POST", "/.candor/logout", &format!("Cookie: {TICKET}={ticket}\r\nOrigin: http://evil\r\n"), "").await;
    let ours = format!("Cookie: {TICKET}={ticket}\r\nOrigin: http://{}\r\n", stage.host);
    stage.ask("POST", "/.candor/logout", &ours, "").await;
    stage.ask("GET", "/", &format!("Cookie: {TICKET}={ticket}\r\n"), "").await;
}

/// Callbacks that are refused, and that belong to nobody.
async fn bad_callbacks(stage: &mut Stage) {
    let (_, callback) = stage.at_callback("/").await;
    let query = callback.query().unwrap_or_default().to_owned();
    let (code, state) = (stage.canaries.make("foreign code"), stage.canaries.make("foreign state"));
    let echo: String = url::form_urlencoded::byte_serialize(code.as_bytes()).collect();
    let other = format!("code={echo}&state={state}");
    let path = "/.candor/callback/pretend";
    let queries = [query.clone(), other.clone(), format!("code={echo}"), format!("{query}&{other}")];
    for query in &queries {
        // Without the cookie, with another provider, by a form, by a form of the wrong kind.
        stage.ask("GET", &format!("{path}?{query}"), "", "").await;
        stage.ask("GET", &format!("/.candor/callback/nobody?{query}"), "", "").await;
        for kind in ["application/x-www-form-urlencoded", "text/plain"] {
            stage.ask("POST", path, &format!("Content-Type: {kind}\r\n"), query).await;
        }
        stage.ask("PUT", &format!("{path}?{query}"), "", query).await;
    }
    // The provider said no, and repeats what it was asked.
    for error in ["access_denied", "server_error", "kestrel"] {
        let (mut caller, callback) = stage.at_callback("/").await;
        let state = callback.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
        let mut refused = callback.clone();
        let said = format!("no sign-in for state {state}");
        refused.query_pairs_mut().clear().extend_pairs([
            ("error", error),
            ("error_description", &said),
            ("state", &state),
        ]);
        caller.browser().get(&refused).await.expect("an answer");
    }
}

/// Bearer tokens, good and bad, and whatever else programs authenticate with.
pub(super) async fn programs(stage: &mut Stage) {
    let display = AccessTokenSpec::of("display");
    let mut tokens = vec![("good bearer", stage.world.idp.mint(&display))];
    tokens.extend(Twin::ALL.map(|twin| (twin.as_str(), stage.world.idp.twin(&display, twin))));
    let schemes = tokens.into_iter().map(|(what, token)| format!("Bearer {}", stage.canaries.plant_jwt(what, &token)));
    let mut fields: Vec<String> = schemes.collect();
    for scheme in ["Bearer", "Basic", "Digest", "bearer", "Kestrel"] {
        fields.push(format!("{scheme} {}", stage.canaries.make("another authorization")));
    }
    fields.push(format!("{}\r\nAuthorization: Bearer {}", fields[0], stage.canaries.make("second authorization")));
    for credentials in fields {
        for path in ["/api/x", "/display/x", "/public/x", "/through/x", "/", "/nowhere/../x", "/.candor/me"] {
            let secret = stage.canaries.make("query beside a bearer");
            let authorized = format!("Authorization: {credentials}\r\nX-Api-Key: {secret}\r\n");
            stage.ask("GET", &format!("{path}?access_token={secret}"), &authorized, "").await;
        }
        let body = stage.canaries.make("body");
        stage.ask("POST", "/api/x", &format!("Authorization: {credentials}\r\n"), &body).await;
        let original = format!("X-Original-URI: /api/x?key={body}\r\nX-Original-Method: GET\r\n");
        stage.verify("", &format!("Authorization: {credentials}\r\n{original}")).await;
    }
}

/// What an upstream may send, good and bad.
pub(super) async fn upstreams(stage: &mut Stage) {
    let token = stage.world.token("display");
    stage.canaries.plant_jwt("bearer", &token);
    for status in ["200 OK", "302 Found", "401 Unauthorized", "403 Forbidden", "500 Internal Server Error"] {
        let secret = stage.canaries.make("upstream's cookie");
        let fields = format!(
            "Set-Cookie: sid={secret}; Path=/\r\nWWW-Authenticate: Basic realm=\"{secret}\"\r\n\
             Location: /accounts/login?next={secret}\r\nX-Gateway-Answer: {secret}\r\nContent-Type: text/html\r\n"
        );
        stage.upstream.say("/api/said", answer(status, &fields, &secret));
        stage.ask("GET", "/api/said", &format!("Authorization: Bearer {token}\r\n"), "").await;
    }
    let garbage = stage.canaries.make("upstream's garbage");
    for bytes in [
        format!("{garbage}\r\n\r\n"),
        format!("HTTP/1.1 {garbage}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{garbage}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {garbage}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {garbage}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{garbage}\r\n"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n{garbage}"),
        format!("HTTP/1.1 101 Switching\r\nUpgrade: {garbage}\r\n\r\n{garbage}"),
        format!("HTTP/1.1 200 OK\r\nA\u{1}: {garbage}\r\n\r\n"),
        String::new(),
    ] {
        stage.upstream.say("/api/said", bytes);
        // One that breaks off in its body is cut, perhaps before its head has left.
        let fields = format!("Authorization: Bearer {token}\r\n");
        let heard = raw::ask(&stage.host, raw::request("GET", "/api/said", &stage.host, &fields, "")).await;
        assert!(!heard.hung, "{heard:?}");
    }
    stage.upstream.relay();
}

/// Heads that cannot be read.
pub(super) async fn bad_heads(stage: &mut Stage) {
    let secret = stage.canaries.make("bad head");
    let host = &stage.host;
    for head in [
        format!("GET http://user:{secret}@{host}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /x?{secret} HTTP/1.1\r\nHost: {secret}@{host}\r\n\r\n"),
        format!("GET /x?{secret} HTTP/1.1\r\nHost: {host}\r\nHost: {secret}\r\n\r\n"),
        format!("GET /x?{secret}%zz HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /x?{secret} HTTP/1.1\r\nHost: {host}\r\nCookie: {TICKET}={secret}\u{1}\r\n\r\n"),
        format!("GET /x?{secret} HTTP/1.1\r\nHost: {host}\r\nCookie: {TICKET}={secret}\u{e9}\r\n\r\n"),
        format!("GET /x HTTP/1.1\r\nHost: {host}\r\nX_Gateway_Identity: {secret}\r\n\r\n"),
        format!("GET /x HTTP/1.1\r\nHost: {host}\r\nX-Gateway-Identity: {secret}\r\nConnection: {secret}\r\n\r\n"),
        format!("GET /x HTTP/1.1\r\nHost: {host}\r\nExpect: {secret}\r\n\r\n"),
        format!("GET /x?{secret}{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a".repeat(9000)),
        format!("GET /x HTTP/1.1\r\nHost: {host}\r\nA: {secret}{}\r\n\r\n", "a".repeat(15_000)),
        format!("{secret} /x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /x HTTP/1.1\r\n{secret}\r\n\r\n"),
    ] {
        let heard = raw::ask(host, head.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)).await;
        assert!(!heard.hung, "{heard:?}");
    }
}
