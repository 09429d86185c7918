//! Somebody who goes to a display behind the gateway and types its PIN on the gateway's own page.

use std::time::Duration;

use url::Url;

use super::super::{
    browser::{Browser, NoAnswer},
    portal::TENANT,
};

/// Longer than the gateway's own deadlines.
const PATIENCE: Duration = Duration::from_secs(4);

/// The page on which PINs are typed.
pub(in super::super) const PIN_PAGE: &str = "/.candor/activate";

/// Signs in at `gateway`, since PINs are typed by people who signed in just now, and types `pin` for `room`.
pub(in super::super) async fn type_pin(gateway: &Url, pin: &str, room: &str) -> Result<(), NoAnswer> {
    let page = gateway.join(PIN_PAGE).map_err(|error| NoAnswer::Address(error.to_string()))?;
    let mut browser = Browser::navigating(PATIENCE);
    let sign_in = browser.visit(&page).await?;
    let form = browser.submit(&sign_in, &[("user", "ada")]).await?;
    let found = browser.submit(&form, &[("pin", pin)]).await?;
    let done = browser.submit(&found, &[("tenant", TENANT), ("room", room)]).await?;
    if done.text().contains("activated") { Ok(()) } else { Err(NoAnswer::Page("the PIN was not taken")) }
}
