//! What an upstream is told of who is asking, by us or by another proxy that asked us.

use auth_core::{dependency::Dependency, principal::Principal};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::headers::IdentityHeaders;

/// Who is asking, as far as we know.
#[derive(Debug)]
pub enum IdentityFields<'a> {
    /// Nobody who showed a good credential.
    Nobody,
    /// Somebody whom we cannot tell, because of this dependency. They may be known: an upstream that would turn them away
    /// for want of a name says 503 instead.
    Undecided(Dependency),
    /// Somebody whom we vouch for.
    Known {
        /// Who it is, for the plain headers.
        principal: &'a Principal,
        /// The same, signed: for `X-Gateway-Identity`.
        signed: HeaderValue,
    },
}

/// What another proxy is told of who is asking: fields of those names, and no others.
#[derive(Debug)]
pub struct StatedIdentity(HeaderMap);

/// Who is asking, as a signed JWT.
const X_GATEWAY_IDENTITY: HeaderName = HeaderName::from_static("x-gateway-identity");
/// Because of which dependency we cannot tell who is asking.
const X_GATEWAY_UNDECIDED: HeaderName = HeaderName::from_static("x-gateway-undecided");

impl IdentityFields<'_> {
    /// Says it to an upstream that knows people by `naming`. What stood there before is not ours, and gone already.
    pub(super) fn say(&self, naming: &IdentityHeaders, headers: &mut HeaderMap) {
        match self {
            Self::Nobody => {}
            Self::Undecided(dependency) => {
                headers.insert(X_GATEWAY_UNDECIDED, HeaderValue::from_static(dependency.as_str()));
            }
            Self::Known { principal, signed } => {
                naming.say(principal, headers);
                let mut signed = signed.clone();
                signed.set_sensitive(true);
                headers.insert(X_GATEWAY_IDENTITY, signed);
            }
        }
    }

    /// Says it to another proxy, which copies our fields over those that its client sent: so each name of `namings` is
    /// stated, empty where there is nothing to say under it.
    pub fn state<'n>(
        &self,
        naming: Option<&IdentityHeaders>,
        namings: impl Iterator<Item = &'n IdentityHeaders>,
    ) -> StatedIdentity {
        let ours = [X_GATEWAY_IDENTITY, X_GATEWAY_UNDECIDED];
        let mut headers = HeaderMap::new();
        for name in namings.flat_map(IdentityHeaders::names).flatten().chain(ours) {
            headers.insert(name, HeaderValue::from_static(""));
        }
        if let Some(naming) = naming {
            self.say(naming, &mut headers);
        }
        StatedIdentity(headers)
    }
}

impl StatedIdentity {
    /// The fields.
    pub(crate) fn into_headers(self) -> HeaderMap {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use auth_core::{
        clock::Timestamp,
        principal::{Freshness, Groups, Kind, Roles, Silence, Subject, UserName},
    };

    use super::*;

    fn stated(identity: &IdentityFields<'_>) -> Vec<String> {
        let known = IdentityHeaders::RemoteUser;
        let namings = [IdentityHeaders::XAuthRequest, known.clone(), IdentityHeaders::XAuthRequest];
        let headers = identity.state(Some(&known), namings.iter()).into_headers();
        assert_eq!(headers.len(), headers.keys_len(), "each once");
        assert!(headers.contains_key("x-auth-request-user") && headers.contains_key("remote-groups"));
        let said = headers.iter().filter(|(_, value)| !value.is_empty());
        let mut said: Vec<_> = said.map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
        said.sort();
        said
    }

    #[test]
    fn another_proxy_is_told_each_name_whether_there_is_something_to_say_or_not() {
        let ada = Principal {
            kind: Kind::User,
            subject: Subject::new("https://idp.example", "ada"),
            tenant: None,
            user_name: UserName::Subject,
            name: None,
            preferred_username: None,
            email: None,
            roles: Roles::known([]),
            groups: Groups::NotStated(Silence::Absent),
            session: None,
            device: None,
            begun: Timestamp::default(),
            until: Timestamp::default() + Duration::from_secs(60),
            freshness: Freshness::Live,
        };
        assert!(stated(&IdentityFields::Nobody).is_empty());
        assert_eq!(stated(&IdentityFields::Undecided(Dependency::Clock)), ["x-gateway-undecided: clock"]);
        let known = IdentityFields::Known { principal: &ada, signed: HeaderValue::from_static("signed") };
        let said = [
            "remote-issuer: https://idp.example",
            "remote-kind: user",
            "remote-user: ada",
            "x-gateway-identity: signed",
        ];
        assert_eq!(stated(&known), said);
    }
}
