//! The provider's endpoints, over HTTP.

use std::{collections::HashMap, sync::atomic::Ordering, time::UNIX_EPOCH};

use auth_core::{Past, Timestamp, lock::lock};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{
    CODE_LIFETIME, Grant, Health, Lie, Login, Part, Refreshable, State, User,
    tokens::{Signer, random},
};
use crate::demo::server::without_answer;

type Answer = Response<Full<Bytes>>;
type Fields = HashMap<String, String>;

/// Answers a request, as the provider's health allows.
pub(super) fn answer(state: &State, request: &Request<Bytes>) -> Answer {
    let health = lock(&state.changing).health;
    let part = Part::ALL.into_iter().find(|part| part.path() == request.uri().path());
    if let Some(part) = part {
        state.asked[part as usize].fetch_add(1, Ordering::SeqCst);
    }
    let mut answer = match (health, part) {
        (Health::Failing, _) => page(StatusCode::INTERNAL_SERVER_ERROR, "<h1>Runtime Error</h1>"),
        (Health::NonsenseKeys, Some(Part::Keys)) => page(StatusCode::OK, "<h1>Welcome to nginx!</h1>"),
        (Health::UnreachableKeys, Some(Part::Keys)) => return without_answer(),
        (_, Some(Part::Discovery)) => json(StatusCode::OK, &document(state)),
        (_, Some(Part::Keys)) => json(StatusCode::OK, &state.keys.published()),
        (_, Some(Part::Authorize)) => authorize(state, request),
        (_, Some(Part::Token)) => token(state, request),
        (_, Some(Part::Userinfo)) => userinfo(state, request.headers()),
        (_, Some(Part::Introspection)) => introspection(state, request),
        (_, None) if request.uri().path() == END_SESSION => end_session(state, request),
        (_, None) => page(StatusCode::NOT_FOUND, "<h1>There is nothing here</h1>"),
    };
    let seconds = u64::try_from(state.now().as_secs()).unwrap_or(0);
    let date = httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(seconds));
    let dateless = lock(&state.changing).dateless;
    if let (false, Ok(date)) = (dateless, date.parse()) {
        answer.headers_mut().insert(header::DATE, date);
    }
    answer
}

/// Where people sign out (OpenID Connect RP-Initiated Logout 1.0 §2).
const END_SESSION: &str = "/end_session";

/// Signs whoever comes out, and sends them back. It keeps no session, so there is nothing to end.
fn end_session(state: &State, request: &Request<Bytes>) -> Answer {
    let asked = fields(request.uri().query().unwrap_or_default().as_bytes());
    let field = |name: &str| asked.get(name).map_or("", String::as_str);
    match Url::parse(field("post_logout_redirect_uri")) {
        Ok(back) if is_loopback(&back) && field("client_id") == state.options.client_id => {
            send_back(back, false, &[("state", field("state"))])
        }
        _ => page(StatusCode::BAD_REQUEST, "<h1>unknown client_id, or an address that is not on loopback</h1>"),
    }
}

impl State {
    fn now(&self) -> Timestamp {
        self.options.clock.now().wall()
    }
}

/// OpenID Connect Discovery 1.0 §3.
fn document(state: &State) -> Value {
    let issuer = match state.lie() {
        Some(Lie::OtherDocument) => "https://another-issuer.example".to_owned(),
        Some(_) | None => state.base(Part::Discovery),
    };
    let offers_logout = lock(&state.changing).offers_logout;
    let end_session = offers_logout.then(|| state.base(Part::Authorize) + END_SESSION);
    json!({
        "end_session_endpoint": end_session,
        "issuer": issuer,
        "authorization_endpoint": state.url(Part::Authorize),
        "token_endpoint": state.url(Part::Token),
        "jwks_uri": state.url(Part::Keys),
        "userinfo_endpoint": state.url(Part::Userinfo),
        "introspection_endpoint": state.url(Part::Introspection),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": ["sub", "name", "email", "groups"],
    })
}

/// The authorisation endpoint (RFC 6749 §4.1.1), and the form that it shows.
fn authorize(state: &State, request: &Request<Bytes>) -> Answer {
    let asked = match *request.method() {
        Method::POST => fields(request.body()),
        _ => fields(request.uri().query().unwrap_or_default().as_bytes()),
    };
    let field = |name: &str| asked.get(name).map_or("", String::as_str);
    let back = match Url::parse(field("redirect_uri")) {
        Ok(back) if is_loopback(&back) => back,
        _ => return page(StatusCode::BAD_REQUEST, "<h1>redirect_uri is missing or not on loopback</h1>"),
    };
    if field("client_id") != state.options.client_id {
        return page(StatusCode::BAD_REQUEST, "<h1>unknown client_id</h1>");
    }
    let wrong = if field("response_type") != "code" {
        Some("unsupported_response_type")
    } else if !field("scope").split(' ').any(|scope| scope == "openid") {
        Some("invalid_scope")
    } else if field("code_challenge_method") != "S256" || field("code_challenge").len() != 43 {
        Some("invalid_request")
    } else {
        None
    };
    let form_post = field("response_mode") == "form_post";
    if let Some(error) = wrong {
        return send_back(back, form_post, &[("error", error), ("state", field("state"))]);
    }
    let chosen = match lock(&state.changing).login.clone() {
        Login::Refuse(error) => {
            let said = [("error", &*error), ("error_description", "as the test asked"), ("state", field("state"))];
            return send_back(back, form_post, &said);
        }
        Login::Form => field("user").to_owned(),
        Login::Immediately(subject) => subject,
    };
    let Some(user) = state.options.users.iter().find(|user| user.subject == chosen) else {
        return login_page(state, &asked);
    };
    let code = random();
    let grant = Grant {
        user: user.clone(),
        redirect_uri: field("redirect_uri").to_owned(),
        challenge: field("code_challenge").to_owned(),
        nonce: asked.get("nonce").cloned(),
        scope: field("scope").to_owned(),
        expires: state.now() + CODE_LIFETIME,
    };
    lock(&state.changing).codes.insert(code.clone(), grant);
    send_back(back, form_post, &[("code", &code), ("state", field("state"))])
}

/// The token endpoint (RFC 6749 §4.1.3, RFC 7636 §4.6). A code is spent by the first who shows it, right or wrong.
fn token(state: &State, request: &Request<Bytes>) -> Answer {
    let asked = fields(request.body());
    let field = |name: &str| asked.get(name).map_or("", String::as_str);
    if !is_the_client(state, request.headers(), &asked) {
        return json(StatusCode::UNAUTHORIZED, &json!({ "error": "invalid_client" }));
    }
    if field("grant_type") == "refresh_token" {
        return refresh(state, field("refresh_token"));
    }
    if field("grant_type") != "authorization_code" {
        return json(StatusCode::BAD_REQUEST, &json!({ "error": "unsupported_grant_type" }));
    }
    let Some(grant) = lock(&state.changing).codes.remove(field("code")) else { return invalid_grant() };
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, field("code_verifier").as_bytes()));
    let expired = state.options.clock.now().past(grant.expires) != Past::No;
    if expired || challenge != grant.challenge || field("redirect_uri") != grant.redirect_uri {
        return invalid_grant();
    }
    let access = random();
    lock(&state.changing).access.insert(access.clone(), grant.user.clone());
    let mut answer = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": grant.scope,
        "id_token": id_token(state, &grant.user, grant.nonce),
    });
    if state.lie() == Some(Lie::NoIdToken) {
        answer["id_token"] = Value::Null;
    }
    if grant.scope.split(' ').any(|scope| scope == "offline_access") {
        answer["refresh_token"] = refresh_token(state, Refreshable { user: grant.user, scope: grant.scope }).into();
    }
    json(StatusCode::OK, &answer)
}

/// The same for a refresh token (RFC 6749 §6, OpenID Connect Core 1.0 §12). Each is good once: who loses the answer has
/// lost the next.
fn refresh(state: &State, token: &str) -> Answer {
    let Some(Refreshable { user, scope }) = lock(&state.changing).refresh.remove(token) else { return invalid_grant() };
    if lock(&state.changing).disabled.contains(&user.subject) {
        // It may be enabled again.
        lock(&state.changing).refresh.insert(token.to_owned(), Refreshable { user, scope });
        return invalid_grant();
    }
    let access = random();
    lock(&state.changing).access.insert(access.clone(), user.clone());
    let answer = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": scope,
        "id_token": id_token(state, &user, None),
        "refresh_token": refresh_token(state, Refreshable { user, scope }),
    });
    json(StatusCode::OK, &answer)
}

fn refresh_token(state: &State, of: Refreshable) -> String {
    let token = random();
    lock(&state.changing).refresh.insert(token.clone(), of);
    token
}

/// OpenID Connect Core 1.0 §2.
fn id_token(state: &State, user: &User, nonce: Option<String>) -> String {
    let now = state.now().as_secs();
    let mut claims = person(user);
    claims["iss"] = state.base(Part::Discovery).into();
    claims["aud"] = state.options.client_id.clone().into();
    claims["iat"] = now.into();
    claims["auth_time"] = now.into();
    claims["exp"] = (now + 300).into();
    claims["sid"] = random().into();
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    let stated = lock(&state.changing).stated.get(&user.subject).cloned();
    if let (Some(claims), Some(Value::Object(stated))) = (claims.as_object_mut(), stated) {
        claims.extend(stated);
        claims.retain(|_, claim| !claim.is_null());
    }
    let Some(lie) = state.lie() else { return state.keys.sign(Signer::Current, Some("JWT"), &claims) };
    lie.bend(&mut claims);
    lie.sign(&state.keys, &claims)
}

/// The userinfo endpoint (OpenID Connect Core 1.0 §5.3).
fn userinfo(state: &State, headers: &HeaderMap) -> Answer {
    let token = text(headers, header::AUTHORIZATION).strip_prefix("Bearer ").unwrap_or_default();
    let Some(user) = lock(&state.changing).access.get(token).cloned() else {
        return json(StatusCode::UNAUTHORIZED, &json!({ "error": "invalid_token" }));
    };
    let mut said = person(&user);
    if state.lie() == Some(Lie::OtherUserinfo) {
        said["sub"] = "somebody else".into();
    }
    json(StatusCode::OK, &said)
}

/// The introspection endpoint (RFC 7662 §2), for the one client.
fn introspection(state: &State, request: &Request<Bytes>) -> Answer {
    let asked = fields(request.body());
    if !is_the_client(state, request.headers(), &asked) {
        return json(StatusCode::UNAUTHORIZED, &json!({ "error": "invalid_client" }));
    }
    let token = asked.get("token").map_or("", String::as_str);
    let known = lock(&state.changing).opaque.get(token).cloned();
    let now = state.now().as_secs();
    match known.filter(|claims| claims["exp"].as_i64().is_some_and(|until| now < until)) {
        Some(mut claims) => {
            claims["active"] = true.into();
            json(StatusCode::OK, &claims)
        }
        None => json(StatusCode::OK, &json!({ "active": false })),
    }
}

fn person(user: &User) -> Value {
    json!({
        "sub": user.subject,
        "name": user.name,
        "email": user.email,
        "preferred_username": user.email,
        "groups": user.groups,
    })
}

/// By `client_secret_basic` or `client_secret_post` (RFC 6749 §2.3.1).
fn is_the_client(state: &State, headers: &HeaderMap, asked: &Fields) -> bool {
    let options = &state.options;
    let basic = text(headers, header::AUTHORIZATION)
        .strip_prefix("Basic ")
        .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let (id, secret) = match basic.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((id, secret)) => (decoded(id), decoded(secret)),
        None => (
            asked.get("client_id").cloned().unwrap_or_default(),
            asked.get("client_secret").cloned().unwrap_or_default(),
        ),
    };
    id == options.client_id && secret == options.client_secret
}

/// Basic credentials are form-encoded first.
fn decoded(text: &str) -> String {
    form_urlencoded::parse(format!("v={text}").as_bytes()).next().map(|(_, value)| value.into()).unwrap_or_default()
}

fn login_page(state: &State, asked: &Fields) -> Answer {
    let hidden: String = asked
        .iter()
        .filter(|(name, _)| *name != "user")
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(name), escaped(value)))
        .collect();
    let users: String = state
        .options
        .users
        .iter()
        .map(|user| {
            format!("<button name=\"user\" value=\"{}\">{}</button> ", escaped(&user.subject), escaped(&user.name))
        })
        .collect();
    let form = format!(
        "<h1>A pretend provider</h1><p>It stands for Entra ID, or whatever you sign in with. Who are you?</p>\
         <form method=\"post\" action=\"/authorize\">{hidden}{users}</form>"
    );
    page(StatusCode::OK, &form)
}

/// Back to the client, by redirect or by a form that posts itself (OAuth 2.0 Form Post Response Mode).
fn send_back(mut to: Url, form_post: bool, said: &[(&str, &str)]) -> Answer {
    let said = said.iter().filter(|(_, value)| !value.is_empty());
    if form_post {
        let inputs: String = said
            .map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value)))
            .collect();
        let form = format!("<form method=\"post\" action=\"{}\">{inputs}</form>", escaped(to.as_str()));
        return page(StatusCode::OK, &format!("<body onload=\"document.forms[0].submit()\">{form}</body>"));
    }
    to.query_pairs_mut().extend_pairs(said);
    let mut answer = page(StatusCode::SEE_OTHER, "");
    if let Ok(location) = to.as_str().parse() {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

fn invalid_grant() -> Answer {
    json(StatusCode::BAD_REQUEST, &json!({ "error": "invalid_grant" }))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

fn fields(form: &[u8]) -> Fields {
    form_urlencoded::parse(form).into_owned().collect()
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn json(status: StatusCode, value: &Value) -> Answer {
    made(status, "application/json", value.to_string())
}

fn page(status: StatusCode, inner: &str) -> Answer {
    const STYLE: &str = include_str!("../page/plain.css");
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><link rel=\"icon\" href=\"data:,\">\
         <title>Pretend provider</title><style>{STYLE}</style>{inner}</html>"
    );
    made(status, "text/html; charset=utf-8", html)
}

fn made(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    answer.headers_mut().insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    answer
}
