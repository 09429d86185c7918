//! Pending sign-ins: what must survive the way to the provider and back, sealed into one cookie each.
//!
//! The `state` names its cookie and holds nothing that the cookie needs; the cookie holds the nonce and the PKCE
//! verifier, so a `state` without it is worth nothing. Nothing is kept here, so they cost no store and outlive a
//! restart.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    clock::{Now, Timestamp},
    keyring::seal::{Purpose, Seals},
    random::random_bytes,
    session::Before,
    verdict::Unavailable,
};

/// How long one lives: as long as a code does (RFC 6749 §4.1.2 recommends ten minutes at most).
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// How many one browser may have at a time.
const MOST: usize = 8;
/// How many bytes their cookies may take together, so that they leave room in a request head.
const MOST_BYTES: usize = 6 * 1024;
/// The longest return address that one keeps, in bytes.
const LONGEST_RETURN: usize = 2048;
/// The longest one that `state` carries too, for a person who comes back without the cookie.
const LONGEST_RETURN_IN_STATE: usize = 512;

/// A cookie to set for a pending sign-in. Always `HttpOnly` and `Path=/`.
pub struct PendingCookie {
    /// Its name; `__Host-` where `public_url` is https.
    pub name: String,
    /// Its sealed value.
    pub value: SecretString,
    /// Its `Max-Age`.
    pub lifetime: Duration,
    /// Whether it needs `SameSite=None`, since the provider answers by a cross-site POST; else `Lax`.
    pub cross_site: bool,
}

/// A pending sign-in as its cookie holds it.
#[derive(Deserialize, Serialize)]
pub(super) struct PendingSignIn {
    pub(super) id: String,
    pub(super) provider: String,
    pub(super) nonce: String,
    verifier: String,
    pub(super) return_to: String,
    begun: Timestamp,
    /// The session that the browser had when it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Before>,
    /// How long ago the person may have signed in at the provider at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_age: Option<Duration>,
}

/// What the `state` parameter holds.
#[derive(Deserialize, Serialize)]
pub(super) struct SealedState {
    id: String,
    pub(super) provider: String,
    /// Whether it was begun because an earlier one came back without its cookie.
    pub(super) again: bool,
    pub(super) return_to: Option<String>,
}

/// What the cookies of pending sign-ins are called.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingCookieNames {
    pub(super) secure: bool,
}

/// What the name of every cookie of a pending sign-in begins with, by whether people reach us by https: then browsers bind
/// it to this host (RFC 6265bis §4.1.3.2).
pub const fn pending_cookie_prefix(secure: bool) -> &'static str {
    if secure { "__Host-candor-signin-" } else { "candor-signin-" }
}

impl PendingSignIn {
    pub(super) fn begin(provider: &str, return_to: &str, now: Now) -> Result<Self, Unavailable> {
        let return_to = if return_to.len() > LONGEST_RETURN { "/" } else { return_to };
        Ok(Self {
            id: random::<16>()?,
            provider: provider.to_owned(),
            nonce: random::<32>()?,
            verifier: random::<32>()?,
            return_to: return_to.to_owned(),
            begun: now.anchor(),
            before: None,
            max_age: None,
        })
    }

    /// The PKCE verifier (RFC 7636 §4.1): 256 random bits.
    pub(super) fn verifier(&self) -> SecretString {
        self.verifier.clone().into()
    }

    pub(super) fn state(&self, seals: &Seals, again: bool, now: Now) -> String {
        let return_to = (self.return_to.len() <= LONGEST_RETURN_IN_STATE).then(|| self.return_to.clone());
        let state = SealedState { id: self.id.clone(), provider: self.provider.clone(), again, return_to };
        seal(seals, Purpose::SignInState, &state, now)
    }

    pub(super) fn cookie(&self, seals: &Seals, names: PendingCookieNames, cross_site: bool, now: Now) -> PendingCookie {
        PendingCookie {
            name: names.of(&self.id),
            value: seal(seals, Purpose::PendingSignIn, self, now).into(),
            lifetime: LIFETIME,
            cross_site,
        }
    }
}

impl SealedState {
    /// Reads a `state`, if it is one of ours and not too old. Whatever else it is, the answer is to begin again.
    pub(super) fn read(seals: &Seals, state: &str, now: Now) -> Option<Self> {
        open(seals, Purpose::SignInState, state, now)
    }

    /// Finds the pending sign-in that this names among the browser's cookies, and the name of its cookie. A cookie of that name
    /// which does not open is somebody else's doing, and is passed over.
    pub(super) fn find(
        &self,
        seals: &Seals,
        names: PendingCookieNames,
        cookies: &[(String, String)],
        now: Now,
    ) -> Option<(PendingSignIn, String)> {
        let name = names.of(&self.id);
        cookies
            .iter()
            .filter(|(of, _)| *of == name)
            .filter_map(|(_, value)| open::<PendingSignIn>(seals, Purpose::PendingSignIn, value, now))
            .find(|found| found.id == self.id && found.provider == self.provider)
            .map(|found| (found, name))
    }
}

impl PendingCookieNames {
    fn prefix(self) -> &'static str {
        pending_cookie_prefix(self.secure)
    }

    /// That of somebody who signs out at their provider: one a browser. A sign-in that begins meanwhile takes it back.
    pub(super) fn of_logout(self) -> String {
        self.of("logout")
    }

    fn of(self, id: &str) -> String {
        format!("{}{id}", self.prefix())
    }

    /// Which of the browser's pending sign-ins to clear so that there is room for `new`: those that do not open, then the
    /// oldest.
    pub(super) fn beyond_the_most(
        self,
        seals: &Seals,
        cookies: &[(String, String)],
        new: &PendingCookie,
        now: Now,
    ) -> Vec<String> {
        let mut known: Vec<_> = cookies
            .iter()
            .filter(|(name, _)| name.starts_with(self.prefix()))
            .map(|(name, value)| {
                (open::<PendingSignIn>(seals, Purpose::PendingSignIn, value, now).map(|found| found.begun), name, value)
            })
            .collect();
        known.sort_by_key(|(begun, ..)| std::cmp::Reverse(*begun));
        let mut room = MOST_BYTES.saturating_sub(new.name.len() + new.value.expose_secret().len());
        let mut kept = 1;
        let mut clear: Vec<String> = Vec::new();
        for (begun, name, value) in known {
            let size = name.len() + value.len();
            if begun.is_some() && kept < MOST && size <= room {
                kept += 1;
                room -= size;
            } else {
                room = 0;
                clear.push(name.clone());
            }
        }
        clear
    }
}

pub(super) fn seal(seals: &Seals, purpose: Purpose, content: &impl Serialize, now: Now) -> String {
    let content = serde_json::to_vec(content).expect("strings, numbers and booleans are always JSON");
    seals.seal(purpose, now.earlier() + LIFETIME, &content)
}

/// What is sealed; `None` if it is not ours, or over. What only one reading of the clock calls over is good here: a
/// pending sign-in admits nobody by itself, and the ID token at its end may be what ends the doubt.
pub(super) fn open<T: for<'de> Deserialize<'de>>(
    seals: &Seals,
    purpose: Purpose,
    envelope: &str,
    now: Now,
) -> Option<T> {
    let opened = seals.open_if_perhaps_over(purpose, envelope, now).ok()?;
    serde_json::from_slice(&opened.content).ok()
}

/// `N` random bytes as base64url.
pub(super) fn random<const N: usize>() -> Result<String, Unavailable> {
    random_bytes::<N>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests;
