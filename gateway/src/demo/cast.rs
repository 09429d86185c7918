//! The four clients of the demonstration: real HTTP clients that ask every round, and do with the answer what such a
//! client does.

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER};
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::browser::{Browser, NoAnswer, SeenPage};

/// Longer than the gateway's own deadlines in the demonstration, so that its answer is seen and not ours.
const PATIENCE: Duration = Duration::from_secs(4);

/// What one client met in the last round, and what it did then.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Scene {
    /// The status line, or why there was none.
    pub(super) answer: String,
    /// What the client did with it.
    pub(super) then: String,
    /// How the client is now.
    pub(super) mood: Mood,
}

/// How a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mood {
    /// It works.
    Well,
    /// It waits, and has lost nothing.
    Waiting,
    /// It was signed out, or it erased itself.
    Lost,
}

/// Ada, in a browser with a cookie jar.
pub(super) struct Ada {
    browser: Browser,
    site: Url,
    signed_in: bool,
}

/// The wall display of room 4.12, with a bearer token and a calendar on it.
pub(super) struct Display {
    program: Browser,
    calendar_at: Url,
    calendar_of: Option<String>,
    /// The answer that made it erase itself, until somebody types its PIN.
    erased_by: Option<String>,
}

impl Ada {
    pub(super) fn new(site: Url) -> Self {
        Self { browser: Browser::navigating(PATIENCE), site, signed_in: false }
    }

    /// Signs in through the provider, by hand so to say.
    pub(super) async fn sign_in(&mut self, login: &str) -> Result<(), NoAnswer> {
        let login = self.site.join(login).map_err(|error| NoAnswer::Address(error.to_string()))?;
        let form = self.browser.visit(&login).await?;
        let page = self.browser.submit(&form, &[("user", "ada")]).await?;
        self.signed_in = page.status == StatusCode::OK && page.url == self.site;
        if self.signed_in { Ok(()) } else { Err(NoAnswer::Page("signing in did not lead to a page")) }
    }

    pub(super) fn is_signed_in(&self) -> bool {
        self.signed_in
    }

    pub(super) async fn act(&mut self) -> Scene {
        let met = self.browser.get(&self.site).await;
        let cleared = matches!(&met, Ok(seen) if !seen.deleted_cookies().is_empty());
        // A 403 is about one page, and takes no sign-in away.
        let sent_away = |seen: &SeenPage| seen.status.is_redirection() || seen.status == StatusCode::UNAUTHORIZED;
        let sent_away = matches!(&met, Ok(seen) if sent_away(seen));
        self.signed_in &= !(cleared || sent_away);
        let answer = line(&met);
        let (then, mood) = match &met {
            _ if !self.signed_in => ("signed out, sits at the sign-in page".to_owned(), Mood::Lost),
            Ok(seen) if seen.status == StatusCode::OK => ("sees her calendar".to_owned(), Mood::Well),
            Ok(seen) => (format!("a page that says so{}; still signed in", retry(seen)), Mood::Waiting),
            Err(_) => ("the browser waits; still signed in".to_owned(), Mood::Waiting),
        };
        Scene { answer, then, mood }
    }
}

impl Display {
    pub(super) fn new(calendar_at: Url, token: &str) -> Self {
        Self { program: program(token), calendar_at, calendar_of: None, erased_by: None }
    }

    /// Somebody types its PIN: it has a token again, and fetches its calendar anew.
    pub(super) fn activate(&mut self, token: &str) {
        (self.program, self.erased_by) = (program(token), None);
    }

    pub(super) fn is_activated(&self) -> bool {
        self.erased_by.is_none()
    }

    /// Asks for the calendar; `time` is what it writes beside a calendar that it got.
    pub(super) async fn act(&mut self, time: &str) -> Scene {
        if let Some(answer) = &self.erased_by {
            return scene(answer, "erased token and calendar, wants a PIN", Mood::Lost);
        }
        let met = self.program.get(&self.calendar_at).await;
        let answer = line(&met);
        match &met {
            Ok(seen) if refused(seen) => {
                (self.calendar_of, self.erased_by) = (None, Some(answer.clone()));
                scene(&answer, "erased token and calendar, wants a PIN", Mood::Lost)
            }
            Ok(seen) if is_calendar(seen) => {
                self.calendar_of = Some(time.to_owned());
                scene(&answer, &format!("shows today's calendar, as of {time}"), Mood::Well)
            }
            Ok(seen) => scene(&format!("{answer}{}", retry(seen)), &self.kept(), Mood::Waiting),
            Err(_) => scene(&answer, &self.kept(), Mood::Waiting),
        }
    }

    fn kept(&self) -> String {
        match &self.calendar_of {
            Some(time) => format!("keeps today's calendar, as of {time}"),
            None => "has no calendar yet, and waits".to_owned(),
        }
    }
}

fn program(token: &str) -> Browser {
    let mut program = Browser::bearing(PATIENCE, token);
    program.always_send(HeaderName::from_static("x-display"), HeaderValue::from_static("4.12"));
    program
}

fn scene(answer: &str, then: &str, mood: Mood) -> Scene {
    Scene { answer: answer.to_owned(), then: then.to_owned(), mood }
}

fn refused(seen: &SeenPage) -> bool {
    matches!(seen.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

fn is_calendar(seen: &SeenPage) -> bool {
    seen.status == StatusCode::OK && serde_json::from_slice::<Value>(&seen.body).is_ok()
}

fn line(met: &Result<SeenPage, NoAnswer>) -> String {
    match met {
        Ok(seen) => match seen.location() {
            Some(to) => format!("{} → {}", seen.status, to.path()),
            None => seen.status.to_string(),
        },
        Err(no_answer) => no_answer.to_string(),
    }
}

fn retry(seen: &SeenPage) -> String {
    match seen.header(RETRY_AFTER.as_str()) {
        Some(seconds) => format!(", retry in {seconds} s"),
        None => String::new(),
    }
}
