//! Groups and roles, as far as we were told. Not knowing is not "no", and says why.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

/// Group membership, as far as we were told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups {
    /// The issuer stated them.
    Known(Arc<BTreeSet<String>>),
    /// The issuer stated them, and we kept what we asked about: a ticket has no room for more.
    Kept {
        /// Which groups we asked about.
        asked: Arc<BTreeSet<String>>,
        /// Which of these they are in.
        member_of: Arc<BTreeSet<String>>,
    },
    /// The issuer did not.
    NotStated(Silence),
}

/// Application roles, as far as we were told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roles {
    /// The issuer stated them. A ticket has room for all.
    Stated(Arc<[String]>),
    /// The issuer did not.
    NotStated(Silence),
}

/// Whether somebody is in a group, or has a role. Not knowing is not "no".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// They are.
    Member,
    /// The issuer stated all, and this is not among them.
    NotMember,
    /// We were not told.
    NotStated(Silence),
}

/// Why we were not told: what would help differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silence {
    /// The token has no such claim, and nobody said that this means none.
    Absent,
    /// The ticket does not say: it was made before any rule asked. The next sign-in settles it.
    NotAsked,
    /// The token has no such claim, which means none, and the one before it had some: one silent token is not enough.
    StatedBefore,
    /// The token says that there are some, and does not list them; or not in a way that can be read.
    Unlisted,
}

impl Groups {
    /// Exactly these.
    pub fn known(groups: impl IntoIterator<Item = String>) -> Self {
        Self::Known(Arc::new(groups.into_iter().collect()))
    }

    /// Whether `group` is among them.
    pub fn membership(&self, group: &str) -> Membership {
        match self {
            Self::Known(groups) if groups.contains(group) => Membership::Member,
            Self::Kept { member_of, .. } if member_of.contains(group) => Membership::Member,
            Self::Known(_) => Membership::NotMember,
            Self::Kept { asked, .. } if asked.contains(group) => Membership::NotMember,
            Self::Kept { .. } => Membership::NotStated(Silence::NotAsked),
            Self::NotStated(silence) => Membership::NotStated(*silence),
        }
    }

    /// The groups to tell others of: all that the issuer stated, or of a ticket those that we asked about. `None` if
    /// nobody knows of any group whether they are in it, which is not "in none".
    pub fn stated(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Known(groups) => Some(groups),
            Self::Kept { asked, member_of } => (!asked.is_empty()).then_some(&**member_of),
            Self::NotStated(_) => None,
        }
    }

    /// The groups that they are known to be in.
    pub fn member_of(&self) -> impl Iterator<Item = &str> {
        let known = match self {
            Self::Known(groups) => Some(groups),
            Self::Kept { member_of, .. } => Some(member_of),
            Self::NotStated(_) => None,
        };
        known.into_iter().flat_map(|groups| groups.iter().map(String::as_str))
    }
}

impl Roles {
    /// Exactly these.
    pub fn known(roles: impl IntoIterator<Item = String>) -> Self {
        Self::Stated(roles.into_iter().collect())
    }

    /// Whether `role` is among them.
    pub fn membership(&self, role: &str) -> Membership {
        match self {
            Self::Stated(roles) if roles.iter().any(|has| has == role) => Membership::Member,
            Self::Stated(_) => Membership::NotMember,
            Self::NotStated(silence) => Membership::NotStated(*silence),
        }
    }

    /// The roles to tell others of. `None` if nobody knows of any role whether they have it, which is not "has none".
    pub fn stated(&self) -> Option<&[String]> {
        match self {
            Self::Stated(roles) => Some(roles),
            Self::NotStated(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> Arc<BTreeSet<String>> {
        Arc::new(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn not_stated_is_not_a_no() {
        let known = Groups::Known(set(&["staff"]));
        assert_eq!(known.membership("staff"), Membership::Member);
        assert_eq!(known.membership("admin"), Membership::NotMember);
        let kept = Groups::Kept { asked: set(&["staff", "admin"]), member_of: set(&["staff"]) };
        assert_eq!(kept.membership("staff"), Membership::Member);
        assert_eq!(kept.membership("admin"), Membership::NotMember);
        assert_eq!(kept.membership("board"), Membership::NotStated(Silence::NotAsked));
        assert_eq!(kept.stated(), Some(&*set(&["staff"])));
        assert_eq!(Groups::Kept { asked: set(&["admin"]), member_of: set(&[]) }.stated(), Some(&*set(&[])));
        assert_eq!(Groups::Kept { asked: set(&[]), member_of: set(&[]) }.stated(), None, "not knowing is not none");
        let roles = Roles::known(["editor".to_owned()]);
        assert_eq!(roles.membership("editor"), Membership::Member);
        assert_eq!(roles.membership("admin"), Membership::NotMember);
        assert_eq!(Roles::known([]).membership("admin"), Membership::NotMember, "an empty list is a statement");
        for silence in [Silence::Absent, Silence::NotAsked, Silence::StatedBefore, Silence::Unlisted] {
            assert_eq!(Groups::NotStated(silence).membership("admin"), Membership::NotStated(silence));
            assert_eq!(Roles::NotStated(silence).membership("admin"), Membership::NotStated(silence));
            assert_eq!(Groups::NotStated(silence).stated(), None);
            assert_eq!(Roles::NotStated(silence).stated(), None);
        }
    }
}
