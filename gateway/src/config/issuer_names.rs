//! The names that the configuration gives to issuers: the one thing by which routes speak of them.

use std::sync::Arc;

use super::{
    file::{Section, nearest},
    issuers::{BearerConfig, IdentityConfig},
    value::Value,
};

/// The issuers by the names that the configuration gives them, for `from` in a route's `allow`.
pub(super) struct IssuerNames {
    known: Vec<(Arc<str>, Arc<str>)>,
    /// Whether each section could be read: else a name may stand in one that could not, which is a problem already.
    whole: bool,
}

impl IssuerNames {
    pub(super) fn new(
        identity: &[(Option<IdentityConfig>, Section<'_>)],
        bearer: &[(Option<BearerConfig>, Section<'_>)],
    ) -> Self {
        let people = identity.iter().filter_map(|(it, _)| it.as_ref()).map(|it| (it.name.clone(), it.issuer.clone()));
        let programs = bearer.iter().filter_map(|(it, _)| it.as_ref());
        let programs = programs.filter_map(|it| Some((it.name.clone()?, it.issuer.clone())));
        let whole = identity.iter().all(|(it, _)| it.is_some()) && bearer.iter().all(|(it, _)| it.is_some());
        Self { known: people.chain(programs).collect(), whole }
    }

    /// The issuer that `value` names.
    pub(super) fn issuer(&self, value: &Value<'_>) -> Option<Arc<str>> {
        let name = value.text("\"entra\"")?;
        let found = self.known.iter().find(|(known, _)| **known == *name);
        if found.is_none() && self.whole {
            let names: Vec<&str> = self.known.iter().map(|(name, _)| &**name).collect();
            let suggestion = match (nearest(name, &names), &names[..]) {
                (Some(near), _) => format!("did you mean {near:?}?"),
                (None, []) => "give an [[identity]] or a [[bearer]] this `name`".to_owned(),
                (None, names) => format!("the names are {}", names.join(", ")),
            };
            value.problem(format!("no [[identity]] and no [[bearer]] is called {name:?}"), suggestion);
        }
        found.map(|(_, issuer)| issuer.clone())
    }
}
