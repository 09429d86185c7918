//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0): a provider says that somebody has left there, and their
//! sessions end here.
//!
//! By `sid` those of that session at the provider; by `sub` alone whatever of theirs had begun when the token was issued,
//! so that the same token shown again, even to another gateway or after a restart, ends nothing that came later.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex},
};

use super::{EndingOrder, StandingSessions};
use crate::{
    clock::{Now, Past, Timestamp},
    idp::{
        LogoutTokenFault, Provider, WrongLogoutToken,
        logout_token::{Leaver, LogoutToken},
    },
    lock::lock,
};

/// The logout tokens that were taken, while they are good: each is taken once. One a process; clones share them.
#[derive(Clone, Default)]
pub struct LogoutTokensTaken(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    ids: HashSet<Arc<str>>,
    by_end: BTreeSet<(Timestamp, Arc<str>)>,
}

/// What a logout token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackChannelLogout {
    /// So many sessions, of one at the provider.
    Sessions(usize),
    /// Whatever somebody had begun.
    Person,
}

impl StandingSessions {
    /// Ends what `token` says has ended at one of `providers`.
    ///
    /// # Errors
    /// [`LogoutTokenFault`]: nothing has ended. Where it is Unavailable, the same token may be sent again.
    pub async fn end_by_logout_token(
        &self,
        providers: &[Provider],
        token: &str,
        taken: &LogoutTokensTaken,
        now: Now,
    ) -> Result<BackChannelLogout, LogoutTokenFault> {
        let LogoutToken { provider, leaver, id, issued, until } = LogoutToken::verify(providers, token, now).await?;
        if taken.has(&id, now) {
            return Err(WrongLogoutToken::Replayed.into());
        }
        let order = EndingOrder { who: &format!("provider {provider}"), why: "signed out at the provider" };
        let ended = match leaver {
            Leaver::Session { issuer, sid, subject } => {
                let ended = self.end_of_provider_session(&issuer, &sid, subject.as_ref(), order, now).await?;
                BackChannelLogout::Sessions(ended)
            }
            Leaver::Person(subject) => {
                self.sign_out_before(&subject, issued, &provider, order, now).await?;
                BackChannelLogout::Person
            }
        };
        taken.add(id, until);
        Ok(ended)
    }
}

impl LogoutTokensTaken {
    /// How many are remembered: a hundred a second for as long as one is good.
    const MOST: usize = 60_000;

    fn has(&self, id: &str, now: Now) -> bool {
        let mut taken = lock(&self.0);
        while let Some((until, _)) = taken.by_end.first()
            && now.past(*until) == Past::Yes
            && let Some((_, over)) = taken.by_end.pop_first()
        {
            taken.ids.remove(&over);
        }
        taken.ids.contains(id)
    }

    fn add(&self, id: String, until: Timestamp) {
        let (mut taken, id) = (lock(&self.0), Arc::<str>::from(id));
        if taken.ids.insert(id.clone()) {
            taken.by_end.insert((until, id));
        }
        if taken.ids.len() > Self::MOST
            && let Some((_, soonest)) = taken.by_end.pop_first()
        {
            taken.ids.remove(&soonest);
        }
    }
}
