//! The gateway's own paths on the public listener, under `own_prefix`.

use http::Method;

use crate::fault::{AllowedMethods, AnswerWord, DeviceProblem, Fault};

/// One of our own paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnPath {
    /// `login`: begins a sign-in.
    Login,
    /// `callback/{provider}`: where a provider sends people back to. The provider may not exist.
    Callback(String),
    /// `logout`: GET shows a button, POST signs out.
    Logout,
    /// `logout/backchannel`: a provider says that somebody has left there.
    BackChannelLogout,
    /// `logout/frontchannel`: the same, in a frame in their browser.
    FrontChannelLogout,
    /// `sessions`: where else somebody is signed in, and an end of it.
    Sessions,
    /// `me`: who am I, how fresh, until when.
    Me,
    /// `keys.json`: our public keys (RFC 7517).
    Keys,
    /// `problems/{word}`: the plain explanation of an answer.
    Problem(ProblemWord),
    /// `activate`: where people type the PIN of a device.
    Activate,
    /// `device/…`: where devices ask.
    Device(DevicePath),
}

/// One of the paths of devices, under `device/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevicePath {
    /// `nonce`: a fresh one for key proofs.
    Nonce,
    /// `activations`: begins an activation.
    Activations,
    /// `activations/token`: what has become of one.
    ActivationToken,
    /// `token`: renews a token.
    Token,
    /// `reactivations`: comes back without a token.
    Reactivations,
    /// `statements`: a signed statement about the device.
    Statements,
    /// `keys`: brings another key.
    Keys,
    /// `statement-keys.json`: the public keys of statements (RFC 7517).
    StatementKeys,
}

/// A word that `problems/` explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemWord {
    /// One of `x-gateway-answer`.
    Answer(AnswerWord),
    /// One that only devices are told.
    Device(DeviceProblem),
}

impl DevicePath {
    const ALL: [(&'static str, Self); 8] = [
        ("nonce", Self::Nonce),
        ("activations", Self::Activations),
        ("activations/token", Self::ActivationToken),
        ("token", Self::Token),
        ("reactivations", Self::Reactivations),
        ("statements", Self::Statements),
        ("keys", Self::Keys),
        ("statement-keys.json", Self::StatementKeys),
    ];

    /// What follows `own_prefix`, as a device wrote it and signed it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, path)| *path == self).map_or("", |(text, _)| text)
    }
}

impl ProblemWord {
    fn parse(text: &str) -> Option<Self> {
        AnswerWord::parse(text).map(Self::Answer).or_else(|| DeviceProblem::parse(text).map(Self::Device))
    }
}

impl OwnPath {
    /// The path that `rest`, which follows `own_prefix` and its slash, names. `devices`: whether there are any.
    ///
    /// # Errors
    /// [`Fault::NoSuchRoute`] for anything that is not exactly one of ours; [`Fault::WrongMethod`].
    pub(super) fn find(rest: &str, method: &Method, devices: bool) -> Result<Self, Fault> {
        let path = match rest {
            "login" => Self::Login,
            "logout" => Self::Logout,
            "logout/backchannel" => Self::BackChannelLogout,
            "logout/frontchannel" => Self::FrontChannelLogout,
            "sessions" => Self::Sessions,
            "me" => Self::Me,
            "keys.json" => Self::Keys,
            "activate" if devices => Self::Activate,
            _ => match rest.split_once('/') {
                Some(("callback", provider)) if !provider.is_empty() && !provider.contains('/') => {
                    Self::Callback(provider.to_owned())
                }
                Some(("problems", word)) => ProblemWord::parse(word).map(Self::Problem).ok_or(Fault::NoSuchRoute)?,
                Some(("device", rest)) if devices => {
                    let path = DevicePath::ALL.iter().find(|(text, _)| *text == rest);
                    path.map(|(_, path)| Self::Device(*path)).ok_or(Fault::NoSuchRoute)?
                }
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
            Self::Callback(_) | Self::Logout | Self::Sessions | Self::Activate => {
                &[Method::GET, Method::HEAD, Method::POST]
            }
            Self::Login
            | Self::Me
            | Self::FrontChannelLogout
            | Self::Keys
            | Self::Problem(_)
            | Self::Device(DevicePath::Nonce | DevicePath::StatementKeys) => &[Method::GET, Method::HEAD],
            Self::BackChannelLogout | Self::Device(_) => &[Method::POST],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exactly_our_own_paths_are_found() {
        let check = |rest: &str, expected: Option<OwnPath>| {
            assert_eq!(OwnPath::find(rest, &Method::GET, false).ok(), expected, "{rest}");
        };
        check("login", Some(OwnPath::Login));
        check("logout", Some(OwnPath::Logout));
        check("me", Some(OwnPath::Me));
        check("sessions", Some(OwnPath::Sessions));
        check("logout/frontchannel", Some(OwnPath::FrontChannelLogout));
        check("keys.json", Some(OwnPath::Keys));
        check("callback/entra", Some(OwnPath::Callback("entra".to_owned())));
        check("problems/no-such-route", Some(OwnPath::Problem(ProblemWord::Answer(AnswerWord::NoSuchRoute))));
        // `verify` has a listener of its own.
        for rest in [
            "activate",
            "device/nonce",
            "",
            "verify",
            "logout/",
            "logout/backchannel",
            "logout/x",
            "sessions/",
            "login/",
            "Login",
            "logins",
            "callback",
            "callback/",
            "callback/a/b",
            "problems/x",
            "keys",
        ] {
            check(rest, None);
        }
    }

    #[test]
    fn a_wrong_method_says_which_are_right() {
        let check = |rest: &str, method: Method, expected: Option<&str>| {
            let found = OwnPath::find(rest, &method, true);
            let allow = found.err().and_then(|fault| fault.allow());
            assert_eq!(allow.as_ref().map(|value| value.to_str().expect("ASCII")), expected, "{method} {rest}");
        };
        check("login", Method::POST, Some("GET, HEAD"));
        check("me", Method::DELETE, Some("GET, HEAD"));
        check("logout/backchannel", Method::GET, Some("POST"));
        check("logout/backchannel", Method::POST, None);
        check("callback/entra", Method::PUT, Some("GET, HEAD, POST"));
        check("callback/entra", Method::POST, None);
        check("device/token", Method::GET, Some("POST"));
        check("device/nonce", Method::POST, Some("GET, HEAD"));
        check("activate", Method::DELETE, Some("GET, HEAD, POST"));
    }

    #[test]
    fn devices_have_paths_only_where_there_are_devices() {
        for (rest, path) in DevicePath::ALL {
            let method =
                if OwnPath::Device(path).methods().contains(&Method::GET) { Method::GET } else { Method::POST };
            let rest = format!("device/{rest}");
            assert_eq!(OwnPath::find(&rest, &method, true).ok(), Some(OwnPath::Device(path)), "{rest}");
            assert!(matches!(OwnPath::find(&rest, &method, false), Err(Fault::NoSuchRoute)), "{rest}");
        }
        assert_eq!(OwnPath::find("activate", &Method::POST, true).ok(), Some(OwnPath::Activate));
        for rest in ["device", "device/", "device/tokens", "device/activations/", "device//token", "device/token/x"] {
            assert!(matches!(OwnPath::find(rest, &Method::POST, true), Err(Fault::NoSuchRoute)), "{rest}");
        }
        let explained = OwnPath::find("problems/tenant-ambiguous", &Method::GET, true).ok();
        assert_eq!(explained, Some(OwnPath::Problem(ProblemWord::Device(DeviceProblem::TenantAmbiguous))));
    }
}
