//! What a person's sessions were confirmed with before, for the one question of whether a silent token means none.

use serde_json::{Map, Value};

use super::sql::ConfirmedWith;
use crate::{
    clock::Timestamp,
    principal::stated::{Earlier, Stated},
};

/// The claims of the tokens that a person's sessions were confirmed with before, the latest first; `None` if that cannot be told.
pub(super) struct EarlierTokens(Option<Vec<Token>>);

struct Token {
    at: Timestamp,
    /// `None`: there is more than is looked at, or a row that cannot be read.
    claims: Option<Map<String, Value>>,
}

impl EarlierTokens {
    /// How many are looked at.
    pub(super) const MOST: u32 = 100;

    /// Nobody can say.
    pub(super) fn unknown() -> Self {
        Self(None)
    }

    pub(super) fn read(rows: &[ConfirmedWith]) -> Self {
        let read = |row: &ConfirmedWith| Token { at: row.confirmed, claims: serde_json::from_str(&row.claims).ok() };
        let mut tokens: Vec<_> = rows.iter().map(read).collect();
        if let Some(last) = rows.last().filter(|_| rows.len() >= Self::MOST as usize) {
            tokens.push(Token { at: last.confirmed, claims: None });
        }
        Self(Some(tokens))
    }

    /// What each stated, by `stated`. What was not looked at counts as a list that nobody has seen.
    pub(super) fn stating(&self, stated: impl Fn(&Map<String, Value>) -> Stated) -> Option<Vec<Earlier>> {
        let one =
            |token: &Token| Earlier { at: token.at, stated: token.claims.as_ref().map_or(Stated::Unlisted, &stated) };
        Some(self.0.as_ref()?.iter().map(one).collect())
    }
}

/// There were none, or nobody asks.
impl Default for EarlierTokens {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}
