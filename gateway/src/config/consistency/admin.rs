//! Whether anybody could come to the admin listener who may look after sessions, and nobody else.

use auth_core::{
    policy::{Allow, Attribute},
    principal::Kind,
};

use super::Parts;
use crate::config::value::Value;

impl Parts<'_, '_> {
    /// Whether those whom `security-admin` and `viewer` name can come, and are no displays.
    pub(super) fn administrators(&self) {
        let (admin, _) = self.admin;
        for role in [&admin.roles.security_admin, &admin.roles.viewer] {
            for (allow, at) in role {
                self.may_administer(allow, at);
            }
            self.is_one_issuers(role.iter().map(|(allow, at)| (allow, at)));
        }
    }

    fn may_administer(&self, allow: &Allow, at: &Value<'_>) {
        const INSTEAD: &str = "for example \"group:security\", or \"role:sessions\" for a program";
        let Allow::Known { is, from } = allow else {
            at.problem("anybody at all could look after people's sessions", INSTEAD);
            return;
        };
        match is {
            Attribute::Kind(Kind::Device) | Attribute::Tenant(_) => {
                at.problem(format!("`{is}` may be a display, which looks after nobody's sessions"), INSTEAD);
            }
            _ if !self.is_in_a_token(is, from.as_deref()) => at.problem(
                format!("`{is}` can never come: the admin listener takes bearer tokens alone, and none says so here"),
                "add [[bearer]], with kind = \"user\" where its tokens are people's",
            ),
            Attribute::Kind(_) => {
                at.warning(format!("every `{is}` with a token may look after people's sessions"), INSTEAD);
            }
            Attribute::Group(_) | Attribute::Role(_) => {}
        }
    }

    /// Whether a token that we take could be of somebody who is that, by the word of `from` if one is named.
    fn is_in_a_token(&self, is: &Attribute, from: Option<&str>) -> bool {
        let tokens = self.bearer.iter();
        // What is wrong with one is said already.
        tokens
            .map(|(it, _)| it)
            .any(|it| it.as_ref().is_none_or(|it| is.may_be(it.kind) && from.is_none_or(|from| *it.issuer == *from)))
    }
}
