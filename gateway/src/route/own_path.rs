//! The gateway's own paths on the public listener, under `own_prefix`.

use http::Method;

use crate::fault::{AllowedMethods, AnswerWord, Fault};

/// One of our own paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnPath {
    /// `login`: begins a sign-in.
    Login,
    /// `callback/{provider}`: where a provider sends people back to. The provider may not exist.
    Callback(String),
    /// `logout`: GET shows a button, POST signs out.
    Logout,
    /// `me`: who am I, how fresh, until when.
    Me,
    /// `keys.json`: our public keys (RFC 7517).
    Keys,
    /// `problems/{word}`: the plain explanation of an answer.
    Problem(AnswerWord),
}

impl OwnPath {
    /// The path that `rest`, which follows `own_prefix` and its slash, names.
    ///
    /// # Errors
    /// [`Fault::NoSuchRoute`] for anything that is not exactly one of ours; [`Fault::WrongMethod`].
    pub(super) fn find(rest: &str, method: &Method) -> Result<Self, Fault> {
        let path = match rest {
            "login" => Self::Login,
            "logout" => Self::Logout,
            "me" => Self::Me,
            "keys.json" => Self::Keys,
            _ => match rest.split_once('/') {
                Some(("callback", provider)) if !provider.is_empty() && !provider.contains('/') => {
                    Self::Callback(provider.to_owned())
                }
                Some(("problems", word)) => AnswerWord::parse(word).map(Self::Problem).ok_or(Fault::NoSuchRoute)?,
                _ => return Err(Fault::NoSuchRoute),
            },
        };
        let methods = path.methods();
        if methods.contains(method) {
            Ok(path)
        } else {
            Err(Fault::WrongMethod(AllowedMethods::new(methods.iter().cloned())))
        }
    }

    /// The methods it answers to.
    fn methods(&self) -> &'static [Method] {
        match self {
            Self::Callback(_) | Self::Logout => &[Method::GET, Method::HEAD, Method::POST],
            Self::Login | Self::Me | Self::Keys | Self::Problem(_) => &[Method::GET, Method::HEAD],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exactly_our_own_paths_are_found() {
        let check = |rest: &str, expected: Option<OwnPath>| {
            assert_eq!(OwnPath::find(rest, &Method::GET).ok(), expected, "{rest}");
        };
        check("login", Some(OwnPath::Login));
        check("logout", Some(OwnPath::Logout));
        check("me", Some(OwnPath::Me));
        check("keys.json", Some(OwnPath::Keys));
        check("callback/entra", Some(OwnPath::Callback("entra".to_owned())));
        check("problems/no-such-route", Some(OwnPath::Problem(AnswerWord::NoSuchRoute)));
        // `verify` has a listener of its own.
        for rest in
            ["", "verify", "login/", "Login", "logins", "callback", "callback/", "callback/a/b", "problems/x", "keys"]
        {
            check(rest, None);
        }
    }

    #[test]
    fn a_wrong_method_says_which_are_right() {
        let check = |rest: &str, method: Method, expected: Option<&str>| {
            let found = OwnPath::find(rest, &method);
            let allow = found.err().and_then(|fault| fault.allow());
            assert_eq!(allow.as_ref().map(|value| value.to_str().expect("ASCII")), expected, "{method} {rest}");
        };
        check("login", Method::POST, Some("GET, HEAD"));
        check("me", Method::DELETE, Some("GET, HEAD"));
        check("callback/entra", Method::PUT, Some("GET, HEAD, POST"));
        check("callback/entra", Method::POST, None);
    }
}
