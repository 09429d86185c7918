//! A small real browser for programs: an HTTP client with a cookie jar, which reads forms and follows redirects only
//! when told to, so that every answer on the way can be looked at.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use cookie::Cookie;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE},
};
use http_body_util::{BodyExt, Full};
use url::Url;

use super::wire::Wire;

const REDIRECTS: usize = 10;

/// A client with a cookie jar. Cookies are kept by host and path, as browsers do, whatever the port.
pub struct Browser {
    wire: Arc<dyn Fn(&Url) -> Wire + Send + Sync>,
    jar: BTreeMap<Kept, String>,
    headers: HeaderMap,
    deadline: Duration,
}

/// What is posted.
enum Sent {
    Form(String),
    Json(String),
}

/// What names a cookie in the jar (RFC 6265 §5.3).
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    host: String,
    name: String,
    path: String,
}

/// One answer, read whole.
#[derive(Clone, Debug)]
pub struct SeenPage {
    /// The address that was asked.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// No answer was had.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing within the deadline.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// The connection failed, or the answer was cut short.
    #[error("{0}")]
    Broken(String),
    /// The address is not one that this browser opens.
    #[error("cannot open {0}")]
    Address(String),
    /// A page lacks what was expected on it.
    #[error("{0}")]
    Page(&'static str),
}

impl Browser {
    /// A browser with an empty jar that waits `deadline` for each answer, as somebody navigating.
    pub fn navigating(deadline: Duration) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml;q=0.9"));
        headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
        headers.insert("sec-fetch-dest", HeaderValue::from_static("document"));
        Self::with_headers(deadline, headers)
    }

    /// A program that sends `headers` with every request.
    pub fn with_headers(deadline: Duration, headers: HeaderMap) -> Self {
        Self { wire: Arc::new(|_| Wire::default()), jar: BTreeMap::new(), headers, deadline }
    }

    /// Reaches each address as `wire` says; without this, in HTTP/1.1 over TCP.
    pub fn reach_by(&mut self, wire: impl Fn(&Url) -> Wire + Send + Sync + 'static) {
        self.wire = Arc::new(wire);
    }

    /// A program with a bearer token.
    pub fn bearing(deadline: Duration, token: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {token}")) {
            value.set_sensitive(true);
            headers.insert(http::header::AUTHORIZATION, value);
        }
        Self::with_headers(deadline, headers)
    }

    /// Sends `name: value` with every request from now on.
    pub fn always_send(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// The cookie `name` that would be sent to `url`.
    pub fn cookie(&self, url: &Url, name: &str) -> Option<&str> {
        self.sent_to(url).find(|(kept, _)| kept.name == name).map(|(_, value)| value)
    }

    /// Puts a cookie into the jar, for every path.
    pub fn set_cookie(&mut self, url: &Url, name: &str, value: &str) {
        let kept = Kept { host: host_of(url), name: name.to_owned(), path: "/".to_owned() };
        self.jar.insert(kept, value.to_owned());
    }

    /// Forgets the cookie `name`.
    pub fn forget_cookie(&mut self, url: &Url, name: &str) {
        let host = host_of(url);
        self.jar.retain(|kept, _| kept.host != host || kept.name != name);
    }

    /// The names of the cookies that would be sent to `url`.
    pub fn cookie_names(&self, url: &Url) -> Vec<String> {
        self.sent_to(url).map(|(kept, _)| kept.name.clone()).collect()
    }

    /// Asks for `url`; a redirect is an answer.
    ///
    /// # Errors
    /// No answer was had.
    pub async fn get(&mut self, url: &Url) -> Result<SeenPage, NoAnswer> {
        self.send(Method::GET, url, None).await
    }

    /// Posts a form, from the page at the same origin; a redirect is an answer.
    ///
    /// # Errors
    /// No answer was had.
    pub async fn post(&mut self, url: &Url, fields: &[(String, String)]) -> Result<SeenPage, NoAnswer> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, url, Some(Sent::Form(form))).await
    }

    /// Posts `body` (JSON), as a program; a redirect is an answer.
    ///
    /// # Errors
    /// No answer was had.
    pub async fn post_json(&mut self, url: &Url, body: String) -> Result<SeenPage, NoAnswer> {
        self.send(Method::POST, url, Some(Sent::Json(body))).await
    }

    /// Asks for `url` and follows redirects to the end.
    ///
    /// # Errors
    /// No answer was had, or there were more than ten redirects.
    pub async fn visit(&mut self, url: &Url) -> Result<SeenPage, NoAnswer> {
        let first = self.get(url).await?;
        self.follow(first).await
    }

    /// Follows the redirects that begin with `seen`.
    ///
    /// # Errors
    /// No answer was had, or there were more than ten redirects.
    pub async fn follow(&mut self, mut seen: SeenPage) -> Result<SeenPage, NoAnswer> {
        for _ in 0..REDIRECTS {
            let Some(next) = seen.location() else { return Ok(seen) };
            seen = self.get(&next).await?;
        }
        Err(NoAnswer::Page("more than ten redirects"))
    }

    /// Fills in and sends the only form of `page`, with `answers` beside its hidden fields, and follows redirects.
    ///
    /// # Errors
    /// No answer was had, or the page has no form.
    pub async fn submit(&mut self, page: &SeenPage, answers: &[(&str, &str)]) -> Result<SeenPage, NoAnswer> {
        let (action, mut fields) = page.form().ok_or(NoAnswer::Page("the page has no form"))?;
        fields.extend(answers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let answered = self.post(&action, &fields).await?;
        self.follow(answered).await
    }

    async fn send(&mut self, method: Method, url: &Url, sent: Option<Sent>) -> Result<SeenPage, NoAnswer> {
        let asked = self.request(method, url, sent)?;
        let exchange = async {
            let answer = (self.wire)(url).send(url, asked).await.map_err(|error| NoAnswer::Broken(chain(&*error)))?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(|error| NoAnswer::Broken(chain(&error)))?.to_bytes();
            Ok(SeenPage { url: url.clone(), status: head.status, headers: head.headers, body })
        };
        let seen = tokio::time::timeout(self.deadline, exchange).await.map_err(|_| NoAnswer::Late(self.deadline))??;
        self.keep_cookies(&seen);
        Ok(seen)
    }

    fn request(&self, method: Method, url: &Url, sent: Option<Sent>) -> Result<Request<Full<Bytes>>, NoAnswer> {
        let refuse = |_| NoAnswer::Address(url.to_string());
        let mut request = Request::builder().method(method).uri(url.as_str());
        let cookies = self.cookies_for(url);
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        let body = match sent {
            None => String::new(),
            Some(Sent::Form(form)) => {
                request = request
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .header(ORIGIN, url.origin().ascii_serialization())
                    .header("sec-fetch-site", "same-origin");
                form
            }
            Some(Sent::Json(json)) => {
                request = request.header(CONTENT_TYPE, "application/json");
                json
            }
        };
        let mut request = request.body(Full::new(Bytes::from(body))).map_err(|e: http::Error| refuse(e))?;
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        if !request.headers().contains_key(HOST) {
            let host = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
            request.headers_mut().insert(HOST, HeaderValue::from_str(&host).map_err(|e| refuse(e.into()))?);
        }
        Ok(request)
    }

    /// What is sent to `url` as `Cookie`.
    pub fn cookies_for(&self, url: &Url) -> String {
        self.sent_to(url).map(|(kept, value)| format!("{}={value}", kept.name)).collect::<Vec<_>>().join("; ")
    }

    fn sent_to(&self, url: &Url) -> impl Iterator<Item = (&Kept, &str)> + use<'_> {
        let (host, path) = (host_of(url), url.path().to_owned());
        self.jar
            .iter()
            .filter(move |(kept, _)| kept.host == host && path_matches(&kept.path, &path))
            .map(|(kept, value)| (kept, &**value))
    }

    /// Does to the jar what an answer that was read by other means says.
    pub fn keep_cookies(&mut self, seen: &SeenPage) {
        let host = host_of(&seen.url);
        for cookie in seen.set_cookies() {
            let path = cookie.path().filter(|path| path.starts_with('/')).unwrap_or(default_path(&seen.url)).to_owned();
            let kept = Kept { host: host.clone(), name: cookie.name().to_owned(), path };
            if is_deletion(&cookie) {
                self.jar.remove(&kept);
            } else {
                self.jar.insert(kept, cookie.value().to_owned());
            }
        }
    }
}

impl SeenPage {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// One header field as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Where a redirect leads.
    pub fn location(&self) -> Option<Url> {
        let to = self.status.is_redirection().then(|| self.header(LOCATION.as_str()))??;
        self.url.join(to).ok()
    }

    /// The cookies that it sets or deletes.
    pub fn set_cookies(&self) -> Vec<Cookie<'static>> {
        let lines = self.headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
        lines.filter_map(|line| Cookie::parse(line.to_owned()).ok()).collect()
    }

    /// The names of the cookies that it deletes.
    pub fn deleted_cookies(&self) -> Vec<String> {
        self.set_cookies().iter().filter(|cookie| is_deletion(cookie)).map(|cookie| cookie.name().to_owned()).collect()
    }

    /// Where the page leads to by itself and at once, as the way to sign out at the provider does.
    pub fn onward(&self) -> Option<Url> {
        let page = self.text();
        let refresh = page.split("<meta").filter_map(|rest| rest.split('>').next());
        let onward = refresh.filter(|tag| tag.contains("http-equiv=\"refresh\"")).find_map(|tag| {
            let content = attribute(tag, "content")?;
            content.strip_prefix("0; url=").map(str::to_owned)
        })?;
        self.url.join(&onward).ok()
    }

    /// The first form of the page: where it leads, and its hidden fields.
    pub fn form(&self) -> Option<(Url, Vec<(String, String)>)> {
        let page = self.text();
        let form = &page[page.find("<form")?..];
        let form = &form[..form.find("</form>").unwrap_or(form.len())];
        let opening = &form[..form.find('>')?];
        let action = attribute(opening, "action").unwrap_or_default();
        let action = if action.is_empty() { self.url.clone() } else { self.url.join(&action).ok()? };
        let inputs = form.split("<input").skip(1).filter_map(|rest| rest.split('>').next());
        let hidden = inputs.filter(|input| attribute(input, "type").as_deref() == Some("hidden"));
        let fields =
            hidden.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default())));
        Some((action, fields.collect()))
    }
}

/// By a lifetime of nothing, or by a date that nobody means otherwise: 1970.
fn is_deletion(cookie: &Cookie<'_>) -> bool {
    const A_YEAR: i64 = 365 * 24 * 3600;
    match cookie.max_age() {
        Some(age) => age.is_zero() || age.is_negative(),
        None => cookie.expires_datetime().is_some_and(|at| at.unix_timestamp() < A_YEAR),
    }
}

/// RFC 6265 §5.1.4.
fn path_matches(kept: &str, asked: &str) -> bool {
    asked.strip_prefix(kept).is_some_and(|rest| rest.is_empty() || kept.ends_with('/') || rest.starts_with('/'))
}

/// RFC 6265 §5.1.4, for a cookie that states no path.
fn default_path(url: &Url) -> &str {
    match url.path().rfind('/') {
        None | Some(0) => "/",
        Some(end) => &url.path()[..end],
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}="))? + name.len() + 2;
    let value = match tag[start..].strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => tag[start..].split([' ', '>', '/']).next()?,
    };
    Some(value.replace("&amp;", "&").replace("&#38;", "&").replace("&quot;", "\""))
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        text = format!("{text}: {deeper}");
        source = deeper.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_sent_below_its_path_until_it_is_deleted() {
        let at = |path: &str| Url::parse(&format!("http://127.0.0.3:1{path}")).expect("an address");
        let answer = |path: &str, lines: &[&'static str]| SeenPage {
            url: at(path),
            status: StatusCode::OK,
            headers: lines.iter().map(|line| (SET_COOKIE, HeaderValue::from_static(line))).collect(),
            body: Bytes::new(),
        };
        let mut browser = Browser::navigating(Duration::from_secs(1));
        let set = [
            "all=1; path=/",
            "tab=2; path=/in/7",
            "near=3",
            "tab=4; path=/in/8; expires=Fri, 01 Jan 2100 00:00:00 GMT",
        ];
        browser.keep_cookies(&answer("/in/begin", &set));
        let check = |browser: &Browser, path: &str, expected: &str| {
            assert_eq!(browser.cookies_for(&at(path)), expected, "{path}");
        };
        check(&browser, "/", "all=1");
        check(&browser, "/in/7", "all=1; near=3; tab=2");
        check(&browser, "/in/7/on?x", "all=1; near=3; tab=2");
        check(&browser, "/in/77", "all=1; near=3");
        check(&browser, "/in/8", "all=1; near=3; tab=4");
        let deleted = ["tab=; path=/in/7; expires=Thu, 01 Jan 1970 00:00:00 GMT", "all=; Max-Age=0; Path=/"];
        browser.keep_cookies(&answer("/", &deleted));
        check(&browser, "/in/7", "near=3");
        check(&browser, "/in/8", "near=3; tab=4");
    }

    #[test]
    fn a_form_is_read_with_its_hidden_fields() {
        let page = r#"<p><form method="post" action="/in?a=1&amp;b=2"><input type="hidden" name="prompt" value="login">
            <input type=hidden name=state value="x y"><input required type="text" name="login"></form>"#;
        let seen = SeenPage {
            url: Url::parse("http://127.0.0.3:1/x").expect("an address"),
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(page.as_bytes()),
        };
        let (action, fields) = seen.form().expect("a form");
        assert_eq!(action.as_str(), "http://127.0.0.3:1/in?a=1&b=2");
        let expected = [("prompt", "login"), ("state", "x y")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields, expected);
    }
}
