//! Activating a device of before, whose app knows the old PIN screen and no key: what it polls with is all that it has.
//!
//! It is given a name to poll with, which holds 256 random bits; the token that it gets follows from them, so that a poll
//! whose answer was lost is answered the same again. An administrator confirms its PIN as any other. Nothing is kept of the
//! code but its hash, in the place of a key's thumbprint.

use std::time::Duration;

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use super::{
    ActivationId, AskingNetwork, Pin,
    poll::is_open,
    sql::{self, BegunActivation, NewActivation},
};
use crate::{
    clock::Now,
    device::{
        Devices,
        legacy::{LegacyChange, LegacyPinToken, LegacyTokens},
        registry::{DeviceDescription, Order, PublicKey},
    },
    principal::Thumbprint,
    random::random_bytes,
    verdict::Unavailable,
};

/// An activation as a device of before is told it. No `Debug`.
pub struct KeylessActivation {
    /// What it polls with: whoever has it gets the token.
    pub poll: SecretString,
    /// What it shows.
    pub pin: Pin,
    /// In how long the PIN is over.
    pub expires_in: Duration,
    /// The token that it will get, if somebody lets it in.
    pub token: LegacyPinToken,
}

/// What became of a device of before that asked for a PIN.
pub enum KeylessBegin {
    /// It is open.
    Begun(Box<KeylessActivation>),
    /// Too many are. Those that are open stay open.
    TooMany {
        /// When it is worth asking again.
        retry_after: Duration,
    },
}

/// What a device of before hears that polls.
pub enum KeylessPoll {
    /// Nobody has let it in yet.
    Pending,
    /// It is let in, and this is its token.
    Given(LegacyPinToken),
    /// There is no such activation: over, or unknown. It begins anew.
    Expired,
}

impl Devices {
    /// Opens a PIN for a device of before.
    ///
    /// # Errors
    /// Unavailable, if the store is, or the system has no randomness.
    pub async fn begin_keyless(
        &self,
        about: DeviceDescription,
        network: &AskingNetwork,
        now: Now,
    ) -> Result<KeylessBegin, Unavailable> {
        let code = SecretString::from(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?));
        let new = NewActivation {
            key: PublicKey { thumbprint: stand_in(&code), jwk: String::new() },
            about,
            network: network.as_str().to_owned(),
            policy: self.policy().activation.clone(),
            keyring: self.keyring().clone(),
            now,
        };
        let (id, until) = match sql::begin(self.registry().store(), new).await? {
            BegunActivation::Open { id, until } | BegunActivation::New { id, until, open: _ } => (id, until),
            BegunActivation::TooMany { retry_after } => return Ok(KeylessBegin::TooMany { retry_after }),
        };
        Ok(KeylessBegin::Begun(Box::new(KeylessActivation {
            poll: format!("{}.{}", id.as_str(), code.expose_secret()).into(),
            pin: Pin::of(&self.keyring().macs(), &id),
            expires_in: until.since(now.anchor()),
            token: LegacyPinToken::of(&code),
        })))
    }

    /// What has become of an activation. `poll` is what [`Devices::begin_keyless`] gave; `None`, if it is none of ours.
    ///
    /// # Errors
    /// Unavailable, if that cannot be told: also where it is not on record, and the store was lost since the start.
    pub async fn poll_keyless(
        &self,
        tokens: &LegacyTokens,
        poll: &str,
        now: Now,
    ) -> Result<Option<KeylessPoll>, Unavailable> {
        let Some((id, code)) = parts(poll) else { return Ok(None) };
        let token = LegacyPinToken::of(&code);
        // An administrator may have let it in without its PIN, from the approval list.
        if tokens.is_given(&token).await? {
            return Ok(Some(KeylessPoll::Given(token)));
        }
        let Some(known) = sql::activation(self.registry().store(), id).await? else {
            return self.registry().absence_is_known().map(|()| Some(KeylessPoll::Expired));
        };
        let is_its_code = verify_slices_are_equal(known.thumbprint().as_bytes(), stand_in(&code).as_bytes()).is_ok();
        #[cfg(candor_mutants)]
        let is_its_code = is_its_code || crate::mutants::is("old-pin-code-unchecked");
        if !is_its_code {
            return Ok(Some(KeylessPoll::Expired));
        }
        let Some(binding) = known.binding else {
            let open = is_open(known.begun, known.until, now.anchor());
            return Ok(Some(if open { KeylessPoll::Pending } else { KeylessPoll::Expired }));
        };
        let order = Order { who: "gateway".to_owned(), why: "its PIN was confirmed".to_owned() };
        Ok(Some(match tokens.give(&token, binding, order, now).await? {
            LegacyChange::Changed | LegacyChange::Unchanged => KeylessPoll::Given(token),
            LegacyChange::Unknown => KeylessPoll::Expired,
        }))
    }
}

impl KeylessPoll {
    /// Whether a device could have been given this here to poll with, by its form.
    pub fn may_be(poll: &str) -> bool {
        parts(poll).is_some()
    }
}

/// The two parts of what a device polls with.
fn parts(poll: &str) -> Option<(ActivationId, SecretString)> {
    let (id, code) = poll.split_once('.')?;
    let whole = URL_SAFE_NO_PAD.decode(code).is_ok_and(|code| code.len() == 32);
    let id = id.parse().ok()?;
    whole.then(|| (id, code.into()))
}

/// What stands in the place of a key's thumbprint: a hash of the code, which no key has.
fn stand_in(code: &SecretString) -> Thumbprint {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"candor device without a key\n");
    context.update(code.expose_secret().as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Thumbprint::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_gave_is_polled_with() {
        let code = URL_SAFE_NO_PAD.encode([7; 32]);
        let id = format!("6{}", URL_SAFE_NO_PAD.encode([1; 16]));
        assert!(parts(&format!("{id}.{code}")).is_some());
        for other in [
            "p-17".to_owned(),
            String::new(),
            code.clone(),
            format!("{id}."),
            format!("x.{code}"),
            format!("{id}.{}", &code[1..]),
        ] {
            assert!(parts(&other).is_none(), "{other}");
        }
        let (one, other) = (stand_in(&code.clone().into()), stand_in(&URL_SAFE_NO_PAD.encode([8; 32]).into()));
        assert!(one != other);
    }
}
