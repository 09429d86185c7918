//! What the monolith answered in January 2021, when it was half dead: right at times, and otherwise anything.
//!
//! The demonstration and the replay of the benches share it. What it answers is a function of a number, so that every
//! replay is the same, and every gateway meets the same.

use http::StatusCode;

/// How one request fares at the half-dead monolith.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turn {
    /// It is answered as it should be.
    Right,
    /// It is not.
    Wrong(WrongAnswer),
}

/// What it answers when it does not answer right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WrongAnswer {
    /// 401, as if the token had expired.
    Unauthorized,
    /// 401 with the web server's own prompt for a password.
    PasswordPrompt,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 500.
    Failing,
    /// 502, of a proxy within.
    BadGateway,
    /// 200 with a page, whatever was wanted.
    Page,
    /// A redirect to its own sign-in page.
    SignIn,
    /// No answer, and the connection stays.
    Hang,
    /// No answer, and the connection goes.
    Reset,
}

/// The parts of a wrong answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongHead {
    /// Its status.
    pub status: StatusCode,
    /// The one header field that goes with such a status, if any does.
    pub field: Option<(&'static str, &'static str)>,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its body.
    pub body: &'static str,
}

/// Of a hundred requests, so many are answered right.
const RIGHT: u64 = 40;

impl Turn {
    /// How the request with this number fares.
    pub fn of(number: u64) -> Self {
        match (mixed(number) % 100).checked_sub(RIGHT) {
            None => Self::Right,
            Some(rest) => Self::Wrong(WrongAnswer::ALL[usize::try_from(rest).unwrap_or(0) % WrongAnswer::ALL.len()]),
        }
    }
}

impl WrongAnswer {
    /// Every kind, each as likely as the others.
    pub const ALL: [Self; 10] = [
        Self::Unauthorized,
        Self::PasswordPrompt,
        Self::Forbidden,
        Self::NotFound,
        Self::Failing,
        Self::BadGateway,
        Self::Page,
        Self::SignIn,
        Self::Hang,
        Self::Reset,
    ];

    /// Where its own sign-in page is.
    pub const SIGN_IN: &'static str = "/accounts/login";

    /// What it sends, if it sends anything.
    pub fn head(self) -> Option<WrongHead> {
        let html = |status, body| WrongHead { status, field: None, content_type: "text/html", body };
        Some(match self {
            Self::Unauthorized => WrongHead {
                status: StatusCode::UNAUTHORIZED,
                field: Some(("www-authenticate", "Bearer")),
                content_type: "application/json",
                body: r#"{"error":"token expired"}"#,
            },
            Self::PasswordPrompt => WrongHead {
                field: Some(("www-authenticate", r#"Basic realm="EventBoard""#)),
                ..html(StatusCode::UNAUTHORIZED, "<h1>Authorization Required</h1>")
            },
            Self::Forbidden => html(StatusCode::FORBIDDEN, "<h1>Forbidden</h1>"),
            Self::NotFound => html(StatusCode::NOT_FOUND, "<h1>Not Found</h1>"),
            Self::Failing => html(StatusCode::INTERNAL_SERVER_ERROR, "<h1>Server Error</h1>"),
            Self::BadGateway => html(StatusCode::BAD_GATEWAY, "<h1>Bad Gateway</h1>"),
            Self::Page => html(StatusCode::OK, "<h1>Welcome</h1>"),
            Self::SignIn => WrongHead {
                field: Some(("location", "/accounts/login?next=/")),
                ..html(StatusCode::FOUND, "<h1>Please sign in</h1>")
            },
            Self::Hang | Self::Reset => return None,
        })
    }
}

/// Numbers in a row, far apart (the finaliser of `SplitMix64`).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_in_five_are_right_and_every_wrong_answer_comes() {
        const REQUESTS: u64 = 100_000;
        let turns = || (0..REQUESTS).map(Turn::of);
        let count = |kind| turns().filter(|turn| *turn == kind).count();
        let right = count(Turn::Right);
        assert!((39_500..40_500).contains(&right), "{right} of {REQUESTS} are right");
        for kind in WrongAnswer::ALL {
            let met = count(Turn::Wrong(kind));
            assert!((5_700..6_300).contains(&met), "{kind:?}: {met} of {REQUESTS}");
        }
    }
}
