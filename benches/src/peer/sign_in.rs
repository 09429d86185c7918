//! Signing a person in through a gateway, as a browser does it.

use std::time::Duration;

use gateway::demo::{
    Idp,
    browser::{Browser, NoAnswer},
    idp::Login,
};
use http::StatusCode;
use url::Url;

use super::{Peer, Running, Way};

/// How long one answer on the way is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nobody could be signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInFault {
    /// The gateway has no sessions.
    #[error("{0}")]
    Lacks(&'static str),
    /// Something on the way did not answer, or with a page that leads nowhere.
    #[error("signing in: {0}")]
    NoAnswer(#[from] NoAnswer),
    /// The way ended elsewhere.
    #[error("signing in ended with {0} at {1}")]
    Elsewhere(StatusCode, Url),
}

/// Signs Ada in at `peer` through the form of `provider`; the value of `Cookie` that her browser sends to `/app/` then.
///
/// # Errors
/// She is not signed in.
pub async fn sign_in(peer: &dyn Peer, running: &Running, provider: &Idp) -> Result<String, SignInFault> {
    if let Some(lack) = peer.lacks(Way::Session) {
        return Err(SignInFault::Lacks(lack));
    }
    let page = format!("http://{}{}page", running.address, Way::Session.path());
    let page = Url::parse(&page).map_err(|_| NoAnswer::Address(page.clone()))?;
    provider.set_login(Login::Form);
    let mut browser = Browser::navigating(PATIENCE);
    let form = browser.visit(&page).await?;
    let seen = browser.submit(&form, &[("user", "ada")]).await?;
    if seen.status != StatusCode::OK || seen.url != page {
        return Err(SignInFault::Elsewhere(seen.status, seen.url));
    }
    let names = browser.cookie_names(&page);
    let cookies = names.iter().filter_map(|name| Some(format!("{name}={}", browser.cookie(&page, name)?)));
    Ok(cookies.collect::<Vec<_>>().join("; "))
}
