//! Signs browsers in, as a person does: to the page, to the provider's form, and back.

use std::time::Duration;

use gateway::demo::browser::{Browser, NoAnswer as NoPage, SeenPage};
use url::Url;

use crate::target::{Target, TargetFault};

/// A sign-in that takes more steps goes round in circles.
const STEPS: usize = 12;

/// A browser that is signed in.
pub struct SignedIn {
    /// It, with its jar.
    pub browser: Browser,
    /// The page that it came to read.
    pub url: Url,
}

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum BrowserFault {
    /// A page did not come.
    #[error("{0}: {1}")]
    NoPage(Url, NoPage),
    /// It leads where no traffic may go.
    #[error("the sign-in leads elsewhere: {0}")]
    Elsewhere(#[from] TargetFault),
    /// It ended on a page that is not what was asked for.
    #[error("it ended with {1} at {0}")]
    Refused(Url, u16),
    /// The page came without a sign-in: there is no cookie to send.
    #[error("{0} asks nobody to sign in: no cookie was set")]
    NoCookie(Url),
    /// The form was sent, and led back to itself.
    #[error("more than {STEPS} steps, the last at {0}")]
    Endless(Url),
}

impl SignedIn {
    /// Signs somebody in who wants to read `url`, and fills the provider's form in with `fields` beside its hidden ones.
    /// `owned` are hosts beside this machine that may be asked.
    ///
    /// # Errors
    /// The sign-in did not end on a page of that site with a cookie in the jar.
    pub async fn at(
        url: &Url,
        fields: &[(String, String)],
        owned: &[String],
        patience: Duration,
    ) -> Result<Self, BrowserFault> {
        let mut browser = Browser::navigating(patience);
        let mut seen = get(&mut browser, url, owned).await?;
        let is_home = |seen: &SeenPage| seen.url.origin() == url.origin();
        for _ in 0..STEPS {
            if let Some(next) = seen.location() {
                seen = get(&mut browser, &next, owned).await?;
            } else if is_home(&seen) && seen.status.is_success() {
                if browser.cookies_for(url).is_empty() {
                    return Err(BrowserFault::NoCookie(url.clone()));
                }
                return Ok(Self { browser, url: url.clone() });
            } else if let Some((action, mut sent)) = seen.form() {
                Target::read(action.as_str(), owned).await?;
                sent.extend(fields.iter().cloned());
                let page = browser.post(&action, &sent).await;
                seen = page.map_err(|no_page| BrowserFault::NoPage(action, no_page))?;
            } else {
                return Err(BrowserFault::Refused(seen.url, seen.status.as_u16()));
            }
        }
        Err(BrowserFault::Endless(seen.url))
    }

    /// Its `Cookie` field's value.
    pub fn cookies(&self) -> String {
        self.browser.cookies_for(&self.url)
    }

    /// Keeps what an answer set. Deletions are not followed: who sends the cookie again shows whether it is still good,
    /// and each deletion is counted when it comes.
    pub fn keep(&mut self, set_cookies: &[String]) {
        let mut page = SeenPage {
            url: self.url.clone(),
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
        };
        for line in set_cookies {
            if let Ok(line) = line.parse() {
                page.headers.append(http::header::SET_COOKIE, line);
            }
        }
        if page.deleted_cookies().is_empty() {
            self.browser.keep_cookies(&page);
        }
    }
}

async fn get(browser: &mut Browser, url: &Url, owned: &[String]) -> Result<SeenPage, BrowserFault> {
    Target::read(url.as_str(), owned).await?;
    browser.get(url).await.map_err(|no_page| BrowserFault::NoPage(url.clone(), no_page))
}
