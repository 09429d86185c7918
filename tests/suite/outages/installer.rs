//! How an administrator goes from the PIN of a display to its place, and those who may not.

use gateway::demo::browser::SeenPage;
use serde_json::Value;
use std::sync::Arc;
use world::{
    World,
    caller::{Caller, Heard},
    display::DisplayKey,
};

use super::protocol::{ProtocolRequest, content};

/// What an administrator types.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    pub(super) pin: String,
    pub(super) tenant: &'static str,
}

/// What the last page says.
const DONE: &str = "The display is activated";
/// What the page says to who did not sign in just now.
const SIGN_IN_AGAIN: &str = "Sign in once more";

/// How often what a busy machine misses is tried again.
pub(super) const TRIES: usize = 10;

impl Installation {
    /// Types the PIN, says where the display hangs, and confirms: all of it, or as far as it goes.
    pub(super) async fn go(&self, world: &World, caller: &mut Caller) -> Heard {
        let page = caller.get(&world.url("/.candor/activate"), &world.monolith).await;
        let pin = ("pin".to_owned(), self.pin.clone());
        let shown = match form_of(&page) {
            Some((action, mut fields)) => {
                fields.push(pin);
                caller.post(&action, &fields, &world.monolith).await
            }
            None => return page,
        };
        let Some((action, mut fields)) = form_of(&shown).filter(|(_, fields)| !fields.is_empty()) else { return shown };
        fields.extend(
            [("tenant", self.tenant), ("room", "4.12")].map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        caller.post(&action, &fields, &world.monolith).await
    }
}

type Fields = Vec<(String, String)>;

fn form_of(heard: &Heard) -> Option<(url::Url, Fields)> {
    heard.answer.as_ref().ok().filter(|seen| seen.status == 200).and_then(SeenPage::form)
}

/// Whether the display was given its place.
pub(super) fn is_done(heard: &Heard) -> bool {
    says(heard, DONE)
}

/// Whether somebody was told that they may not, or to sign in first.
pub(super) fn is_told(heard: &Heard) -> bool {
    matches!(heard.status(), Some(303 | 400 | 401 | 403)) || says(heard, SIGN_IN_AGAIN)
}

fn says(heard: &Heard, text: &str) -> bool {
    heard.answer.as_ref().is_ok_and(|seen| seen.status == 200 && seen.text().contains(text))
}

/// A new PIN, and what the display was told with it. What a busy machine misses is tried again.
pub(super) async fn new_pin(world: &World, key: &Arc<DisplayKey>) -> Value {
    let mut request = ProtocolRequest::activation(key.clone());
    let mut last = request.go(world).await;
    for _ in 0..TRIES {
        if last.status() == Some(201) {
            return content(&last);
        }
        last = request.go(world).await;
    }
    panic!("no PIN was to be had: {}", last.line());
}
