//! Somebody at a browser with a cookie jar, who looks at the calendar again and again.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use url::Url;

use super::{
    super::browser::{Browser, NoAnswer, SeenPage},
    line,
};

/// Longer than the gates' own deadlines, so that their answer is seen and not ours.
const PATIENCE: Duration = Duration::from_secs(4);

/// A person, and whether they are signed in.
pub(in super::super) struct Person {
    name: &'static str,
    /// Who they are to the provider.
    subject: &'static str,
    browser: Browser,
    site: Url,
    signed_in: bool,
    answer: String,
    waits: bool,
}

/// What the page is told of a person.
#[derive(Clone, Debug, Serialize)]
pub(in super::super) struct PersonView {
    name: &'static str,
    /// `well`, `waiting` (an error page, but still signed in) or `out`.
    mood: &'static str,
    answer: String,
}

impl Person {
    pub(in super::super) fn new(name: &'static str, subject: &'static str, site: Url) -> Self {
        let browser = Browser::navigating(PATIENCE);
        Self { name, subject, browser, site, signed_in: false, answer: "not asked yet".to_owned(), waits: false }
    }

    /// Signs in through the provider, by hand so to say.
    pub(in super::super) async fn sign_in(&mut self, login: &str) -> Result<(), NoAnswer> {
        let login = self.site.join(login).map_err(|error| NoAnswer::Address(error.to_string()))?;
        let form = self.browser.visit(&login).await?;
        let page = self.browser.submit(&form, &[("user", self.subject)]).await?;
        self.signed_in = page.status == StatusCode::OK && page.url == self.site;
        if self.signed_in { Ok(()) } else { Err(NoAnswer::Page("signing in did not lead to a page")) }
    }

    pub(in super::super) fn is_signed_in(&self) -> bool {
        self.signed_in
    }

    /// Loads the page anew. Whether that signed them out.
    pub(in super::super) async fn act(&mut self) -> bool {
        let met = self.browser.get(&self.site).await;
        let cleared = matches!(&met, Ok(seen) if !seen.deleted_cookies().is_empty());
        // A 403 is about one page, and takes no sign-in away.
        let sent_away = |seen: &SeenPage| seen.status.is_redirection() || seen.status == StatusCode::UNAUTHORIZED;
        let sent_away = matches!(&met, Ok(seen) if sent_away(seen));
        let was = self.signed_in;
        self.signed_in &= !(cleared || sent_away);
        self.waits = !matches!(&met, Ok(seen) if seen.status == StatusCode::OK);
        self.answer = line(&met);
        was && !self.signed_in
    }

    pub(in super::super) fn view(&self) -> PersonView {
        let mood = match (self.signed_in, self.waits) {
            (false, _) => "out",
            (true, true) => "waiting",
            (true, false) => "well",
        };
        PersonView { name: self.name, mood, answer: self.answer.clone() }
    }
}
