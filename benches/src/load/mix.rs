//! How much of the load each kind of client is, and in which order they come.

use std::{fmt, str::FromStr};

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Somebody signed in in a browser: a cookie.
    Browsers,
    /// A program with a bearer token.
    Programs,
    /// A display in a hallway, with a bearer token of its own on a route for devices.
    Displays,
    /// A browser that shows nothing.
    Anonymous,
    /// A program with a bearer token that is not good.
    BadTokens,
}

/// Shares of the load by kind: `browsers=20,programs=70,displays=10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix(Vec<(Kind, u32)>);

/// Whose turn it is: each kind as often as its share says, and as evenly spread as can be.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    shares: Vec<i64>,
    credit: Vec<i64>,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Browsers, Self::Programs, Self::Displays, Self::Anonymous, Self::BadTokens];

    /// Its name in a mix and in a report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browsers => "browsers",
            Self::Programs => "programs",
            Self::Displays => "displays",
            Self::Anonymous => "anonymous",
            Self::BadTokens => "bad-tokens",
        }
    }

    /// Its share where no mix is given.
    const fn usual_share(self) -> u32 {
        match self {
            Self::Browsers => 20,
            Self::Programs => 70,
            Self::Displays => 10,
            Self::BadTokens => 5,
            Self::Anonymous => 1,
        }
    }
}

impl Mix {
    /// The usual shares of these kinds.
    pub fn usual(kinds: &[Kind]) -> Self {
        Self(kinds.iter().map(|kind| (*kind, kind.usual_share())).collect())
    }

    /// The kinds that take part, with their shares.
    pub fn shares(&self) -> impl Iterator<Item = (Kind, u32)> + '_ {
        self.0.iter().copied()
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut mix: Vec<(Kind, u32)> = Vec::new();
        for part in text.split(',') {
            let (name, share) = part.split_once('=').ok_or_else(|| format!("`{part}` is not KIND=SHARE"))?;
            let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == name.trim()).ok_or_else(|| {
                format!("there are no `{}`, only {}", name.trim(), Kind::ALL.map(Kind::as_str).join(", "))
            })?;
            let share =
                share.trim().parse::<u16>().map_err(|_| format!("the share `{share}` is no number to 65535"))?;
            if mix.iter().any(|(other, _)| *other == kind) {
                return Err(format!("{name} are in it twice"));
            }
            mix.push((kind, share.into()));
        }
        mix.retain(|(_, share)| *share > 0);
        if mix.is_empty() { Err("nobody is in it".to_owned()) } else { Ok(Self(mix)) }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(kind, share)| format!("{}={share}", kind.as_str())).collect();
        f.write_str(&parts.join(","))
    }
}

impl Turns {
    /// Turns for as many as there are shares.
    pub(super) fn new(shares: impl IntoIterator<Item = u32>) -> Self {
        let shares: Vec<i64> = shares.into_iter().map(i64::from).collect();
        Self { credit: vec![0; shares.len()], shares }
    }

    /// Whose turn it is; 0 if nobody has a share. (Smooth weighted round robin: each turn everybody gains their share,
    /// who has most goes, and pays what all gained.)
    pub(super) fn take(&mut self) -> usize {
        let mut next = 0;
        for (at, share) in self.shares.iter().enumerate() {
            self.credit[at] += share;
            if self.credit[at] > self.credit[next] {
                next = at;
            }
        }
        if let Some(credit) = self.credit.get_mut(next) {
            *credit -= self.shares.iter().sum::<i64>();
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_read_as_it_is_written() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let read = text.parse::<Mix>().map(|mix| mix.to_string());
            assert_eq!(read.as_deref().map_err(|fault| &**fault), expected, "{text}");
        };
        check("browsers=20,programs=70,displays=10", Ok("browsers=20,programs=70,displays=10"));
        check("programs = 1, browsers=0", Ok("programs=1"));
        check("anonymous=1,bad-tokens=65535", Ok("anonymous=1,bad-tokens=65535"));
        check("", Err("`` is not KIND=SHARE"));
        check("browsers", Err("`browsers` is not KIND=SHARE"));
        check("cats=1", Err("there are no `cats`, only browsers, programs, displays, anonymous, bad-tokens"));
        check("browsers=-1", Err("the share `-1` is no number to 65535"));
        check("browsers=1,browsers=2", Err("browsers are in it twice"));
        check("browsers=0", Err("nobody is in it"));
    }

    #[test]
    fn turns_are_spread_as_the_shares_say() {
        let mut turns = Turns::new([2, 7, 1]);
        let taken: Vec<usize> = (0..20).map(|_| turns.take()).collect();
        for (who, share) in [(0, 2), (1, 7), (2, 1)] {
            for ten in taken.chunks(10) {
                assert_eq!(ten.iter().filter(|taken| **taken == who).count(), share, "{who} in {ten:?}");
            }
        }
        assert!(taken[..10].windows(5).all(|five| five.iter().any(|taken| *taken != 1)), "{taken:?}");
        assert_eq!(Turns::new([]).take(), 0);
    }
}
