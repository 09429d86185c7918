//! What a head brought that could be a credential, kept raw until the requirement is known that says what counts.

use std::fmt;

use http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use secrecy::SecretString;

use super::{Credential, CredentialText, OpaqueCredential, TokenOrigin, UnsupportedCredential, cookie::cookies};
use crate::{policy::Requirement, principal::Kind};

/// Every candidate of one request. Nothing of it is ever shown.
pub struct CredentialCandidates {
    authorization: Authorization,
    tickets: Tickets,
    /// What could be a token of before, where such tokens are adopted.
    opaque: Option<OpaqueCredential>,
}

/// Whether a token of before is known already. Asks nobody.
pub(crate) type IsKnown<'a> = &'a dyn Fn(&CredentialText) -> bool;

/// A request from which no one credential can be read. It is a bad request, and proves nothing about any of them: nobody
/// knows which of them somebody planted, so nothing is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AmbiguousCredentials {
    /// `Authorization` came more than once. Another reader could take another one.
    #[error("two Authorization fields")]
    TwoAuthorizations,
    /// `X-Gateway-Identity` came more than once.
    #[error("two X-Gateway-Identity fields")]
    TwoIdentities,
    /// The session cookie came with two different values.
    #[error("two different tickets")]
    TwoTickets,
}

/// What `Authorization` holds.
enum Authorization {
    Absent,
    /// What could be a bearer token. Whether it is one of ours is not known yet.
    Bearer(SecretString),
    /// What could be a device token, sent under the scheme of those that are bound to a key.
    Dpop(SecretString),
    /// What cannot.
    Unsupported(UnsupportedCredential),
}

/// The different values of the session cookie. An empty one is none.
enum Tickets {
    None,
    One(SecretString),
    Different,
}

impl CredentialCandidates {
    /// Reads the candidates of a head. `cookie` is the name of the session cookie, `legacy` that of the field in which
    /// tokens of before stand, if such are adopted.
    ///
    /// # Errors
    /// [`AmbiguousCredentials::TwoAuthorizations`]: whatever the requirement is, and equal ones too.
    pub fn read(headers: &HeaderMap, cookie: &str, legacy: Option<&HeaderName>) -> Result<Self, AmbiguousCredentials> {
        let (authorization, tickets) = (Authorization::of(headers)?, Tickets::of(headers, cookie));
        if legacy.is_some_and(|name| headers.get_all(name).iter().nth(1).is_some()) {
            return Err(AmbiguousCredentials::TwoAuthorizations);
        }
        let opaque = legacy.and_then(|name| OpaqueCredential::read(headers, name));
        Ok(Self { authorization, tickets, opaque })
    }

    /// The same of a service that knows no sessions: `Authorization` alone.
    ///
    /// # Errors
    /// [`AmbiguousCredentials::TwoAuthorizations`].
    pub(crate) fn of_authorization(headers: &HeaderMap) -> Result<Self, AmbiguousCredentials> {
        Ok(Self { authorization: Authorization::of(headers)?, tickets: Tickets::None, opaque: None })
    }

    /// The credential that counts for `requirement`: a token that `origin` knows as ours, else the ticket, if
    /// anybody who has one may pass. An `Authorization` that is not ours is somebody else's business; but where tokens of
    /// before are adopted (`is_known`), one that is known is a device's everywhere, and one that nobody knows yet may be one
    /// where devices may pass.
    ///
    /// # Errors
    /// [`AmbiguousCredentials::TwoTickets`], if one would count. Where anyone may pass, neither counts.
    pub(crate) fn credential(
        &self,
        requirement: &Requirement,
        origin: impl FnOnce(&CredentialText) -> TokenOrigin,
        is_known: Option<IsKnown<'_>>,
    ) -> Result<Credential, AmbiguousCredentials> {
        let without_ticket = match &self.authorization {
            Authorization::Bearer(token) => {
                let token = CredentialText::new(token.clone());
                match origin(&token) {
                    TokenOrigin::Issuer => return Ok(Credential::Bearer(token)),
                    TokenOrigin::Device => return Ok(Credential::DeviceToken(token)),
                    TokenOrigin::Elsewhere => Some(UnsupportedCredential::Bearer),
                }
            }
            Authorization::Dpop(token) => {
                let token = CredentialText::new(token.clone());
                if origin(&token) == TokenOrigin::Device {
                    return Ok(Credential::DeviceToken(token));
                }
                Some(UnsupportedCredential::Scheme)
            }
            Authorization::Unsupported(what) => Some(*what),
            Authorization::Absent => None,
        };
        let opaque = self.opaque.as_ref().zip(is_known);
        if let Some((token, is_known)) = opaque
            && is_known(token.text())
        {
            return Ok(Credential::LegacyDevice(token.clone()));
        }
        // What a browser answers to a prompt of the application's own is no device's, where anyone may pass.
        let opaque = opaque.map(|(token, _)| token).filter(|token| {
            requirement.may_allow(Kind::Device) && !(requirement.is_open() && token.answers_a_prompt())
        });
        let looked_for = requirement.may_allow(Kind::User);
        match &self.tickets {
            Tickets::One(ticket) if looked_for => Ok(Credential::Ticket(CredentialText::new(ticket.clone()))),
            Tickets::Different if looked_for && !requirement.is_open() => Err(AmbiguousCredentials::TwoTickets),
            tickets => Ok(match (opaque, tickets) {
                (Some(token), _) => Credential::LegacyDevice(token.clone()),
                (None, Tickets::None) => without_ticket.map_or(Credential::None, Credential::Unsupported),
                (None, Tickets::One(_) | Tickets::Different) => {
                    Credential::Unsupported(without_ticket.unwrap_or(UnsupportedCredential::Ticket))
                }
            }),
        }
    }

    /// Forgets whatever is no `Authorization`: for places where a cookie, which browsers send by themselves, counts for
    /// nothing, and neither does a token of before.
    pub fn only_authorization(&mut self) {
        #[cfg(candor_mutants)]
        if crate::mutants::is("ticket-administers") {
            return;
        }
        self.tickets = Tickets::None;
        self.opaque = None;
    }

    /// The one ticket, whatever else came: for signing out, and for signing in again.
    ///
    /// # Errors
    /// [`AmbiguousCredentials::TwoTickets`], if there are two different ones.
    pub fn ticket(&self) -> Result<Option<CredentialText>, AmbiguousCredentials> {
        match &self.tickets {
            Tickets::None => Ok(None),
            Tickets::One(ticket) => Ok(Some(CredentialText::new(ticket.clone()))),
            Tickets::Different => Err(AmbiguousCredentials::TwoTickets),
        }
    }
}

impl Authorization {
    /// The scheme in any case (RFC 9110 §11.1), then the token (RFC 6750 §2.1).
    fn of(headers: &HeaderMap) -> Result<Self, AmbiguousCredentials> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let Some(field) = fields.next() else { return Ok(Self::Absent) };
        if fields.next().is_some() {
            return Err(AmbiguousCredentials::TwoAuthorizations);
        }
        // No scheme and no token has a byte beyond ASCII.
        let Ok(field) = field.to_str() else { return Ok(Self::Unsupported(UnsupportedCredential::Scheme)) };
        let field = field.trim();
        let (scheme, rest) = field.split_once(' ').unwrap_or((field, ""));
        Ok(if field.is_empty() {
            Self::Absent
        } else if scheme.eq_ignore_ascii_case("dpop") && is_token68(rest.trim()) {
            Self::Dpop(rest.trim().into())
        } else if !scheme.eq_ignore_ascii_case("bearer") {
            Self::Unsupported(UnsupportedCredential::Scheme)
        } else if is_token68(rest.trim()) {
            Self::Bearer(rest.trim().into())
        } else {
            Self::Unsupported(UnsupportedCredential::Bearer)
        })
    }
}

impl Tickets {
    fn of(headers: &HeaderMap, cookie: &str) -> Self {
        let named = cookies(headers).filter(|(name, value)| *name == cookie.as_bytes() && !value.is_empty());
        // A value of ours is ASCII; anything else under our name is a candidate that no seal fits.
        let mut values = named.map(|(_, value)| String::from_utf8_lossy(value));
        let Some(first) = values.next() else { return Self::None };
        #[cfg(candor_mutants)]
        if crate::mutants::is("first-ticket-counts") {
            return Self::One(first.as_ref().into());
        }
        if values.all(|value| value == first) { Self::One(first.as_ref().into()) } else { Self::Different }
    }
}

/// The characters of a token (RFC 6750 §2.1).
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(fits)
}

impl fmt::Debug for CredentialCandidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialCandidates(..)")
    }
}
