//! What a provider sends back with the browser (RFC 6749 §4.1.2, RFC 9207), read strictly.

use std::fmt;

use secrecy::SecretString;

/// The parameters of a callback. Unknown ones are ignored (RFC 6749 §4.1.2): Entra sends some.
#[derive(Default)]
pub struct CallbackParams {
    pub(super) state: Option<String>,
    pub(super) code: Option<SecretString>,
    pub(super) error: Option<String>,
    pub(super) error_description: Option<String>,
    pub(super) iss: Option<String>,
}

/// A callback that no provider sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCallback {
    /// A parameter came twice (RFC 6749 §3.1).
    #[error("`{0}` came more than once")]
    Repeated(&'static str),
    /// Neither a code nor an error.
    #[error("neither a code nor an error")]
    Empty,
    /// Both a code and an error.
    #[error("both a code and an error")]
    Both,
}

impl CallbackParams {
    /// Reads the query of a callback, or the body of one that came by `form_post`.
    ///
    /// # Errors
    /// If a parameter that matters came twice.
    pub fn parse(form: &[u8]) -> Result<Self, MalformedCallback> {
        let mut params = Self::default();
        for (name, value) in url::form_urlencoded::parse(form) {
            let value = value.into_owned();
            match &*name {
                "state" => once(&mut params.state, value, "state")?,
                "code" => once(&mut params.code, value.into(), "code")?,
                "error" => once(&mut params.error, value, "error")?,
                "error_description" => once(&mut params.error_description, value, "error_description")?,
                "iss" => once(&mut params.iss, value, "iss")?,
                _ => {}
            }
        }
        Ok(params)
    }

    /// What the provider answered: a code, or an error word.
    pub(super) fn answer(&self) -> Result<ProviderAnswer<'_>, MalformedCallback> {
        match (&self.code, &self.error) {
            (Some(code), None) => Ok(ProviderAnswer::Code(code)),
            (None, Some(error)) => Ok(ProviderAnswer::Error(error)),
            (None, None) => Err(MalformedCallback::Empty),
            (Some(_), Some(_)) => Err(MalformedCallback::Both),
        }
    }
}

/// A code or an error, never both (RFC 6749 §4.1.2).
pub(super) enum ProviderAnswer<'p> {
    Code(&'p SecretString),
    Error(&'p str),
}

fn once<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), MalformedCallback> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(MalformedCallback::Repeated(name)),
    }
}

impl fmt::Debug for CallbackParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackParams(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_a_code_or_an_error() {
        let check = |form: &str, expected| {
            let read = CallbackParams::parse(form.as_bytes()).and_then(|params| match params.answer()? {
                ProviderAnswer::Code(_) => Ok("code"),
                ProviderAnswer::Error(_) => Ok("error"),
            });
            assert_eq!(read, expected, "{form}");
        };
        check("state=s&code=c", Ok("code"));
        check("state=s&code=c&session_state=x&client_info=y", Ok("code"));
        check("state=s&error=access_denied&error_description=no", Ok("error"));
        check("", Err(MalformedCallback::Empty));
        check("state=s", Err(MalformedCallback::Empty));
        check("code=c&error=e", Err(MalformedCallback::Both));
        check("code=c&code=d", Err(MalformedCallback::Repeated("code")));
        check("state=s&state=s&code=c", Err(MalformedCallback::Repeated("state")));
        check("iss=a&iss=b&code=c", Err(MalformedCallback::Repeated("iss")));
        check("session_state=a&session_state=b&code=c", Ok("code"));
        check("%FF%FE=%00&code=%ZZ", Ok("code"));
    }
}
