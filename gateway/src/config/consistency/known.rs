//! Who can be known who meets a route's `allow`, and by whose word.

use std::collections::BTreeMap;

use auth_core::{
    policy::{Allow, Attribute},
    principal::Kind,
};

use super::Parts;
use crate::config::{issuers::BearerConfig, routes::Written, value::Value};

impl Parts<'_, '_> {
    /// Whether anybody can be known who meets the route's `allow`.
    pub(super) fn can_be_met(&self, written: &Written<'_>) {
        let add = |section: &str| format!("add [[{section}]]");
        for (allow, at) in written.allowed.iter().zip(&written.allowed_at) {
            let Allow::Known { is, from } = allow else { continue };
            let issuer = from.as_deref();
            let (people, programs) = (self.people_are_known(issuer), self.programs_are_known(issuer));
            let devices = self.devices.is_some() && issuer.is_none();
            let could = (people && is.may_be(Kind::User))
                || (programs && is.may_be(Kind::Service))
                || (devices && is.may_be(Kind::Device));
            match (is, issuer) {
                _ if could => {}
                (is, Some(issuer)) => {
                    let message = format!("`{is}` can never pass: {issuer} vouches for nobody of that kind");
                    at.problem(message, "name another in `from`, or see its `kind`");
                }
                (Attribute::Group(group), None) => {
                    let message = format!("`group:{group}` needs people, and nothing here signs them in");
                    written.allow.problem(message, add("identity"));
                }
                (Attribute::Kind(Kind::User), None) => {
                    written.allow.warning("nothing here signs people in: no `user` can ever pass", add("identity"));
                }
                (Attribute::Kind(Kind::Service), None) => {
                    written.allow.warning("no issuer of programs' tokens: no `service` can ever pass", add("bearer"));
                }
                (Attribute::Kind(Kind::Device), None) => {
                    let instead = "add [devices]; a display that comes with a JWT of another issuer is a \"service\"";
                    at.warning("nothing here knows devices: no `device` can ever pass", instead);
                }
                (Attribute::Role(_) | Attribute::Tenant(_), None) => {
                    written.allow.warning("no issuer at all: nobody can ever pass", add("bearer"));
                }
            }
        }
    }

    /// Two issuers may use one name for two things: whose word is meant, the route must say.
    pub(super) fn is_one_issuers<'w>(&self, allowed: impl Iterator<Item = (&'w Allow, &'w Value<'w>)>) {
        for (allow, at) in allowed {
            let Allow::Known { is, from: None } = allow else { continue };
            let (word, name) = match is {
                Attribute::Kind(_) => continue,
                Attribute::Group(name) => ("group", name),
                Attribute::Role(name) => ("role", name),
                Attribute::Tenant(name) => ("tenant", name),
            };
            let issuers = self.issuers_of(Some(is));
            if issuers.len() > 1 {
                let from = issuers.values().copied().flatten().next();
                let instead = match from {
                    Some(from) => format!("write {{ {word} = {name:?}, from = {from:?} }}, one for each that may"),
                    None => format!("give each [[bearer]] a `name`, and write {{ {word} = {name:?}, from = NAME }}"),
                };
                let any: Vec<&str> = issuers.into_keys().collect();
                at.warning(format!("any of {} can say `{is}`", any.join(" and ")), instead);
            }
        }
    }

    /// The issuers that vouch for somebody, or of whom this could be true: each with its name here, if it has one.
    pub(super) fn issuers_of(&self, is: Option<&Attribute>) -> BTreeMap<&str, Option<&str>> {
        let may_be = |kind: Kind| is.is_none_or(|is| is.may_be(kind));
        let tokens = self.bearer.iter().filter_map(|(it, _)| it.as_ref());
        let tokens = tokens.filter(|it| may_be(it.kind));
        let people = self.identity.iter().filter_map(|(it, _)| it.as_ref()).filter(|_| may_be(Kind::User));
        let people = people.map(|it| (&*it.issuer, Some(&*it.name)));
        // An issuer that both sign-ins and tokens come from has a name by either.
        tokens.map(|it| (&*it.issuer, it.name.as_deref())).chain(people).collect()
    }

    /// Whether a person can be known at all, by a ticket or by a token, and `from` this issuer if one is named.
    fn people_are_known(&self, from: Option<&str>) -> bool {
        let by_token = |it: &BearerConfig| it.kind == Kind::User && from.is_none_or(|from| *it.issuer == *from);
        self.identity.iter().any(|(it, _)| it.as_ref().is_none_or(|it| from.is_none_or(|from| *it.issuer == *from)))
            || self.bearer.iter().any(|(it, _)| it.as_ref().is_none_or(by_token))
    }

    /// The same for a program.
    fn programs_are_known(&self, from: Option<&str>) -> bool {
        let by_token = |it: &BearerConfig| it.kind == Kind::Service && from.is_none_or(|from| *it.issuer == *from);
        self.bearer.iter().any(|(it, _)| it.as_ref().is_none_or(by_token))
    }
}
