//! The legacy service's pages for people: today's meetings, and the page on which somebody types a display's PIN.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use url::form_urlencoded;

use super::{
    LegacyDisplay,
    calendar::{self, Meeting},
    displays::Displays,
    monolith::{SeenRequest, made},
};

/// Where PINs are typed.
pub(super) const PIN_PAGE: &str = "/pin";

/// The demonstration's customer.
pub(super) const TENANT: &str = "acme";

const STYLE: &str = include_str!("page/plain.css");

/// Whether the asker wants a page.
pub(super) fn is_wanted(request: &Request<Bytes>) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// The page for this request.
pub(super) fn page(
    request: &Request<Bytes>,
    seen: &SeenRequest,
    home: Option<&str>,
    displays: &Displays,
) -> Response<Full<Bytes>> {
    let (inner, below) = match (request.method(), request.uri().path()) {
        (&Method::GET, PIN_PAGE) => {
            (pin_form(request.uri().query().unwrap_or_default().as_bytes(), displays), String::new())
        }
        (&Method::POST, PIN_PAGE) => (typed(request.body(), displays), String::new()),
        _ => today(seen),
    };
    let links = home.map(|home| links(seen, home)).unwrap_or_default();
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><link rel=\"icon\" href=\"data:,\"><title>Calendar</title>\
         <style>{STYLE}</style>{inner}{links}{below}</html>"
    );
    let mut answer = made(StatusCode::OK, "text/html; charset=utf-8", html);
    let style = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    answer
}

fn today(seen: &SeenRequest) -> (String, String) {
    let who =
        seen.identity().map_or("nobody in particular", |_| seen.header("x-auth-request-user").unwrap_or("somebody"));
    let meetings: String = calendar::of_room(who)
        .iter()
        .map(|Meeting { start, end, title }| format!("<li>{start}–{end} {title}</li>"))
        .collect();
    (format!("<h1>Calendar</h1><p>For {}.</p>", escaped(who)), format!("<ol>{meetings}</ol>"))
}

/// The way out, by whichever gate let them in, and the way back.
fn links(seen: &SeenRequest, home: &str) -> String {
    let out = if seen.header("x-gateway-identity").is_some() { "/.candor/logout" } else { "/logout" };
    format!(
        "<p>You are signed in. Break something on the demonstration's page, then reload this one: do you stay signed \
         in?</p><ul><li><a href=\"{}\">Back to the demonstration</a></li><li><a href=\"{out}\">Sign out</a></li></ul>",
        escaped(home)
    )
}

fn pin_form(query: &[u8], displays: &Displays) -> String {
    let (pin, room) = pin_and_room(query);
    let rooms: String = displays
        .rooms()
        .iter()
        .map(|has| format!("<option{}>{}</option>", if *has == room { " selected" } else { "" }, escaped(has)))
        .collect();
    format!(
        "<h1>Activate a display</h1><p>Type the PIN that it shows.</p><form method=\"post\" action=\"{PIN_PAGE}\">\
         <p><label>PIN <input name=\"pin\" inputmode=\"numeric\" autocomplete=\"off\" pattern=\"[0-9]{{6}}\" required \
         value=\"{}\"></label></p><p><label>Room <select name=\"room\">{rooms}</select></label></p>\
         <p><button>Activate</button></p></form>",
        escaped(&pin)
    )
}

fn typed(form: &[u8], displays: &Displays) -> String {
    let (pin, room) = pin_and_room(form);
    let said = match displays.confirm(&pin, at(&room)) {
        Some(_) => format!("<h1>Activated</h1><p>The display of {} works again in a moment.</p>", escaped(&room)),
        None => "<h1>No display shows this PIN</h1><p>Perhaps it shows another by now.</p>".to_owned(),
    };
    format!("{said}<ul><li><a href=\"{PIN_PAGE}\">Activate another display</a></li></ul>")
}

/// The display of the demonstration's customer before this room.
pub(super) fn at(room: &str) -> LegacyDisplay {
    LegacyDisplay { id: format!("d-{room}"), name: format!("Display {room}"), tenant: TENANT.into(), room: room.into() }
}

fn pin_and_room(form: &[u8]) -> (String, String) {
    let field = |wanted: &str| {
        let found = form_urlencoded::parse(form).find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    (field("pin"), field("room"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_typed_on_a_page_and_only_once() {
        let displays = Displays::new();
        let ask = |method: &str, path: &str, body: String| {
            Request::builder().method(method).uri(path).body(Bytes::from(body)).expect("a request")
        };
        let new = displays.answer(&ask("POST", super::super::displays::PIN, String::new()), false, None);
        assert_eq!(new.expect("a PIN").status(), StatusCode::OK);
        let form = pin_form(b"pin=%22%3E%3Cscript%3E&room=1.01", &displays);
        assert!(form.contains("<option selected>1.01</option>") && !form.contains("<script>"), "{form}");
        assert!(typed(b"pin=999999&room=1.01", &displays).contains("No display shows this PIN"));
        let pin = "104729";
        assert!(typed(format!("pin={pin}&room=1.01").as_bytes(), &displays).contains("Activated"));
        assert!(typed(format!("pin={pin}&room=1.01").as_bytes(), &displays).contains("No display shows this PIN"));
    }
}
