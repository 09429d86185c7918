//! What a token states of somebody's groups and roles, and what its silence means.
//!
//! An empty list is a statement. Silence is one only where the operator says so, since providers differ: Keycloak leaves
//! an empty claim out, others leave out what they were not asked for. Nothing is learned by itself. A marker that the
//! list is elsewhere (Entra's, above 200 groups) is never "none"; where it points to is never asked, since the address
//! comes from a token.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{
    clock::{Now, Past, Timestamp},
    principal::{Groups, Roles, Silence},
};

/// What it means that an issuer's token has no claim of groups, or of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenAbsent {
    /// Nothing: we were not told.
    #[default]
    Unknown,
    /// That there are none.
    None,
}

/// What an issuer's silence means, by claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absence {
    /// Without a claim of groups.
    pub groups: WhenAbsent,
    /// Without a claim of roles.
    pub roles: WhenAbsent,
}

/// What one token states under one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stated {
    /// These, and no others.
    Listed(Vec<String>),
    /// That there are some, without listing them.
    Unlisted,
    /// Nothing.
    Absent,
}

/// A token that an issuer gave about the same person before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// When we were given it.
    pub(crate) at: Timestamp,
    /// What it stated under the claim in question.
    pub(crate) stated: Stated,
}

/// How long after the first silent token a second one counts.
const SECOND_SILENCE: Duration = Duration::from_secs(600);

/// The claim of roles: Entra's, and RFC 9068 §2.2.3.1's.
const ROLES: &str = "roles";

impl Stated {
    /// What a token states of groups, under the claim that holds them.
    pub(crate) fn groups(token: &Map<String, Value>, claim: &str) -> Self {
        // Entra's marker in tokens that have no room even for `_claim_names`.
        if is_true(token.get("hasgroups")) { Self::Unlisted } else { Self::under(token, claim) }
    }

    /// What a token states of roles.
    pub(crate) fn roles(token: &Map<String, Value>) -> Self {
        Self::under(token, ROLES)
    }

    /// An array of strings, or one string. Null and an empty string are claims that should have been left out (OpenID
    /// Connect Core §5.3.2), and a marker in place of the list says that it is elsewhere (§5.6.2).
    fn under(token: &Map<String, Value>, claim: &str) -> Self {
        if token.get("_claim_names").and_then(Value::as_object).is_some_and(|names| names.contains_key(claim)) {
            return Self::Unlisted;
        }
        match token.get(claim) {
            None | Some(Value::Null) => Self::Absent,
            Some(Value::String(one)) if one.is_empty() => Self::Absent,
            Some(Value::String(one)) => Self::Listed(vec![one.clone()]),
            Some(Value::Array(many)) => {
                let listed: Option<Vec<_>> = many.iter().map(|one| one.as_str().map(str::to_owned)).collect();
                listed.map_or(Self::Unlisted, Self::Listed)
            }
            Some(_) => Self::Unlisted,
        }
    }

    /// Whether it is silent where silence means none: then what came before is asked for.
    pub(crate) fn needs_earlier(&self, when_absent: WhenAbsent) -> bool {
        *self == Self::Absent && when_absent == WhenAbsent::None
    }

    /// The list, or why there is none. `earlier`: what the issuer's tokens about the same person stated before, the
    /// latest first; `None` if that cannot be told.
    pub(crate) fn settled(
        self,
        when_absent: WhenAbsent,
        earlier: Option<&[Earlier]>,
        now: Now,
    ) -> Result<Vec<String>, Silence> {
        #[cfg(candor_mutants)]
        if self == Self::Absent && crate::mutants::is("silence-is-none") {
            return Ok(Vec::new());
        }
        match (self, when_absent) {
            (Self::Listed(list), _) => Ok(list),
            (Self::Unlisted, _) => Err(Silence::Unlisted),
            (Self::Absent, WhenAbsent::Unknown) => Err(Silence::Absent),
            (Self::Absent, WhenAbsent::None) if earlier.is_some_and(|earlier| means_none(earlier, now)) => {
                Ok(Vec::new())
            }
            (Self::Absent, WhenAbsent::None) => Err(Silence::StatedBefore),
        }
    }
}

/// Whether one more silent token means none: nothing was stated before it, or one was silent ten minutes ago already.
fn means_none(earlier: &[Earlier], now: Now) -> bool {
    let mut silent_since = None;
    for Earlier { at, stated } in earlier {
        match stated {
            Stated::Absent => silent_since = Some(*at),
            Stated::Listed(list) if list.is_empty() => return true,
            Stated::Listed(_) | Stated::Unlisted => {
                return silent_since.is_some_and(|since| now.past(since + SECOND_SILENCE) == Past::Yes);
            }
        }
    }
    true
}

impl From<Result<Vec<String>, Silence>> for Groups {
    fn from(settled: Result<Vec<String>, Silence>) -> Self {
        settled.map_or_else(Self::NotStated, Self::known)
    }
}

impl From<Result<Vec<String>, Silence>> for Roles {
    fn from(settled: Result<Vec<String>, Silence>) -> Self {
        settled.map_or_else(Self::NotStated, Self::known)
    }
}

fn is_true(claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::Bool(stated)) => *stated,
        Some(Value::String(stated)) => stated == "true",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(43_200);

    fn listed(names: &[&str]) -> Stated {
        Stated::Listed(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_list_is_a_statement_and_a_marker_is_not_none() {
        let check = |token: Value, expected: Stated| {
            let claims = token.as_object().expect("an object");
            assert_eq!(Stated::groups(claims, "groups"), expected, "{token}");
        };
        check(json!({}), Stated::Absent);
        check(json!({ "groups": null }), Stated::Absent);
        check(json!({ "groups": "" }), Stated::Absent);
        check(json!({ "groups": [] }), listed(&[]));
        check(json!({ "groups": ["a", "b"] }), listed(&["a", "b"]));
        check(json!({ "groups": "a" }), listed(&["a"]));
        check(json!({ "groups": ["a", 7] }), Stated::Unlisted);
        check(json!({ "groups": { "a": 1 } }), Stated::Unlisted);
        check(json!({ "groups": 7 }), Stated::Unlisted);
        check(json!({ "_claim_names": { "groups": "src1" } }), Stated::Unlisted);
        check(json!({ "_claim_names": { "groups": "src1" }, "groups": ["a"] }), Stated::Unlisted);
        check(json!({ "_claim_names": { "photo": "src1" }, "groups": ["a"] }), listed(&["a"]));
        check(json!({ "_claim_names": { "photo": "src1" } }), Stated::Absent);
        check(json!({ "hasgroups": true }), Stated::Unlisted);
        check(json!({ "hasgroups": "true", "groups": ["a"] }), Stated::Unlisted);
        check(json!({ "hasgroups": false, "groups": ["a"] }), listed(&["a"]));
        let of_roles = |token: Value| Stated::roles(token.as_object().expect("an object"));
        assert_eq!(of_roles(json!({ "hasgroups": true })), Stated::Absent, "that is about groups");
        assert_eq!(of_roles(json!({ "_claim_names": { "roles": "src1" } })), Stated::Unlisted);
        assert_eq!(of_roles(json!({ "roles": ["editor"] })), listed(&["editor"]));
    }

    #[test]
    fn silence_is_none_only_where_the_operator_says_so_and_the_second_time() {
        let check = |stated: Stated, when, earlier: Option<&[(u64, Stated)]>, expected: Result<&[&str], Silence>| {
            let earlier: Option<Vec<_>> = earlier.map(|earlier| {
                let one = |(ago, stated): &(u64, Stated)| Earlier {
                    at: NOON - Duration::from_secs(*ago),
                    stated: stated.clone(),
                };
                earlier.iter().map(one).collect()
            });
            let shown = format!("{stated:?} {when:?} {earlier:?}");
            let settled = stated.settled(when, earlier.as_deref(), Now::at(NOON));
            let expected = expected.map(|list| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
            assert_eq!(settled, expected, "{shown}");
        };
        let (unknown, none) = (WhenAbsent::Unknown, WhenAbsent::None);
        let absent = || Stated::Absent;
        check(listed(&["a"]), unknown, None, Ok(&["a"]));
        check(listed(&[]), unknown, None, Ok(&[]));
        check(absent(), unknown, Some(&[]), Err(Silence::Absent));
        check(absent(), unknown, Some(&[(0, listed(&[]))]), Err(Silence::Absent));
        check(Stated::Unlisted, none, Some(&[]), Err(Silence::Unlisted));
        check(absent(), none, Some(&[]), Ok(&[]));
        check(absent(), none, None, Err(Silence::StatedBefore));
        check(absent(), none, Some(&[(60, listed(&[]))]), Ok(&[]));
        check(absent(), none, Some(&[(60, listed(&["a"]))]), Err(Silence::StatedBefore));
        check(absent(), none, Some(&[(86_400, listed(&["a"]))]), Err(Silence::StatedBefore));
        check(absent(), none, Some(&[(60, Stated::Unlisted)]), Err(Silence::StatedBefore));
        check(absent(), none, Some(&[(599, absent()), (900, listed(&["a"]))]), Err(Silence::StatedBefore));
        check(absent(), none, Some(&[(600, absent()), (900, listed(&["a"]))]), Ok(&[]));
        check(absent(), none, Some(&[(1, absent()), (600, absent()), (900, listed(&["a"]))]), Ok(&[]));
        check(absent(), none, Some(&[(1, absent()), (2, listed(&["a"])), (900, absent())]), Err(Silence::StatedBefore));
        check(absent(), none, Some(&[(1, absent()), (2, absent())]), Ok(&[]));
    }
}
