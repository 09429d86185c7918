//! Under what names an upstream is told who is asking, and which host it sees.

use auth_core::principal::{Groups, Principal};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The `Host` that an upstream sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// That of the request, which is the public one.
    Public,
    /// That of the endpoint.
    Endpoint,
    /// This one.
    Literal(HeaderValue),
}

/// The names of the plain identity headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityHeaders {
    /// `X-Auth-Request-User`, `-Issuer`, `-Kind`, `-Email`, `-Groups`, `-Preferred-Username`.
    XAuthRequest,
    /// `X-Forwarded-User`, `-Issuer`, `-Kind`, `-Email`, `-Groups`, `-Preferred-Username`.
    XForwarded,
    /// `Remote-User`, `-Issuer`, `-Kind`, `-Email`, `-Groups`, `-Name`.
    RemoteUser,
    /// Names of your own.
    Named(Box<NamedHeaders>),
}

/// Names of your own for the plain identity headers; what has no name is not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedHeaders {
    /// The user: the subject, or what `user_claim` names. Alone it means nothing where more than one issuer is configured.
    pub user: Option<HeaderName>,
    /// Who vouches for the subject: the issuer.
    pub issuer: Option<HeaderName>,
    /// Whether that is a person or a program: `user`, `service` or `device`.
    pub kind: Option<HeaderName>,
    /// The e-mail address.
    pub email: Option<HeaderName>,
    /// The name to show.
    pub name: Option<HeaderName>,
    /// What they are called at their issuer: `preferred_username`.
    pub preferred_username: Option<HeaderName>,
    /// The groups, separated by commas.
    pub groups: Option<HeaderName>,
}

const X_AUTH_REQUEST: [HeaderName; 6] = [
    HeaderName::from_static("x-auth-request-user"),
    HeaderName::from_static("x-auth-request-issuer"),
    HeaderName::from_static("x-auth-request-kind"),
    HeaderName::from_static("x-auth-request-email"),
    HeaderName::from_static("x-auth-request-preferred-username"),
    HeaderName::from_static("x-auth-request-groups"),
];

const X_FORWARDED: [HeaderName; 6] = [
    HeaderName::from_static("x-forwarded-user"),
    HeaderName::from_static("x-forwarded-issuer"),
    HeaderName::from_static("x-forwarded-kind"),
    HeaderName::from_static("x-forwarded-email"),
    HeaderName::from_static("x-forwarded-preferred-username"),
    HeaderName::from_static("x-forwarded-groups"),
];

const REMOTE_USER: [HeaderName; 6] = [
    HeaderName::from_static("remote-user"),
    HeaderName::from_static("remote-issuer"),
    HeaderName::from_static("remote-kind"),
    HeaderName::from_static("remote-email"),
    HeaderName::from_static("remote-name"),
    HeaderName::from_static("remote-groups"),
];

impl IdentityHeaders {
    /// The names in use: of the user, the issuer, the kind, the e-mail address, the name to show, what they are called at
    /// their issuer, and the groups.
    pub fn names(&self) -> [Option<HeaderName>; 7] {
        match self {
            Self::XAuthRequest => with_username(X_AUTH_REQUEST),
            Self::XForwarded => with_username(X_FORWARDED),
            Self::RemoteUser => {
                let [user, issuer, kind, email, name, groups] = REMOTE_USER.map(Some);
                [user, issuer, kind, email, name, None, groups]
            }
            Self::Named(named) => {
                let NamedHeaders { user, issuer, kind, email, name, preferred_username, groups } = &**named;
                [user, issuer, kind, email, name, preferred_username, groups].map(Clone::clone)
            }
        }
    }

    /// Says who `principal` is. What we were not told is not said; in particular no groups header is not "no groups".
    pub fn say(&self, principal: &Principal, headers: &mut HeaderMap) {
        let [user, issuer, kind, email, name, preferred_username, groups] = self.names();
        let mut put = |header: Option<HeaderName>, value: Option<HeaderValue>| {
            if let (Some(header), Some(value)) = (header, value) {
                headers.insert(header, value);
            }
        };
        put(user, Some(plain(principal.user(), "")));
        #[cfg(candor_mutants)]
        let (issuer, kind) = if auth_core::mutants::is("issuer-not-said") { (None, None) } else { (issuer, kind) };
        put(issuer, Some(plain(&principal.subject.issuer, "")));
        put(kind, Some(HeaderValue::from_static(principal.kind.as_str())));
        put(email, principal.email.as_deref().map(|email| plain(email, "")));
        put(name, principal.name.as_deref().map(|name| plain(name, "")));
        put(preferred_username, principal.preferred_username.as_deref().map(|name| plain(name, "")));
        put(groups, listed(&principal.groups));
    }
}

/// The headers of a naming that has one for `preferred_username`, and none for the name to show.
fn with_username(headers: [HeaderName; 6]) -> [Option<HeaderName>; 7] {
    let [user, issuer, kind, email, username, groups] = headers.map(Some);
    [user, issuer, kind, email, None, username, groups]
}

/// Groups in their order, separated by commas; a comma in a group's name is escaped.
fn listed(groups: &Groups) -> Option<HeaderValue> {
    let list = groups.stated()?.iter().map(|group| escaped(group, ",")).collect::<Vec<_>>().join(",");
    HeaderValue::try_from(list).ok()
}

fn plain(text: &str, also: &str) -> HeaderValue {
    HeaderValue::try_from(escaped(text, also)).expect("only printable ASCII is left")
}

/// Percent-encodes what is not printable ASCII, `%` itself, and `also`: a value must not be two values, and must read
/// back (RFC 3986 §2.1 on its UTF-8). So is a space at either end, which whoever reads a field takes away (RFC 9110
/// §5.5): it would make two users one.
fn escaped(text: &str, also: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let trimmed = byte == b' ' && (at == 0 || at == text.len() - 1);
        if matches!(byte, b' '..=b'~') && byte != b'%' && !trimmed && !also.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_value_and_reads_back() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text, ","), expected);
        check("ada", "ada");
        check("Ada Lovelace", "Ada Lovelace");
        check("J\u{fc}rgen", "J%C3%BCrgen");
        check("a\r\nX-Evil: 1", "a%0D%0AX-Evil: 1");
        check("50%", "50%25");
        check("sales, north", "sales%2C north");
        check(" ada", "%20ada");
        check("ada  ", "ada %20");
        check(" ", "%20");
    }

    #[test]
    fn an_application_that_has_names_of_its_own_gets_those_alone() {
        let named = NamedHeaders { user: Some(HeaderName::from_static("x-me")), ..NamedHeaders::default() };
        assert_eq!(IdentityHeaders::Named(Box::new(named)).names().into_iter().flatten().count(), 1);
        assert_eq!(IdentityHeaders::RemoteUser.names().into_iter().flatten().count(), 6);
    }
}
