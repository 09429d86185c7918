//! `allow`: who may pass, in its short form and with the issuer that must say so.

use auth_core::{
    policy::{Allow, Attribute},
    principal::Kind,
};

use super::{file::nearest, issuer_names::IssuerNames, value::Value};

/// For whoever left it out.
pub(super) const EXAMPLE: &str = "[\"user\"]";

/// Who may pass, and where the file says so.
pub(super) fn read<'a>(value: &Value<'a>, named: &IssuerNames) -> Option<Vec<(Allow, Value<'a>)>> {
    let read = value.each(EXAMPLE, |one| {
        let allow = match one.entries() {
            Some(entries) => allow_from(one, &entries, named),
            None => one_allow(one),
        };
        Some((allow?, one.clone()))
    })?;
    if value.list(EXAMPLE)?.is_empty() {
        value.problem("`allow` is empty: nobody could pass", "for example [\"user\"], or [\"anyone\"] for everybody");
    }
    Some(read)
}

/// The short form: whoever vouches for it.
fn one_allow(value: &Value<'_>) -> Option<Allow> {
    let text = value.text("\"user\"")?;
    if text == "anyone" {
        return Some(Allow::Anyone);
    }
    if let Some((key, name)) = text.split_once(':').filter(|(_, name)| !name.is_empty())
        && let Some(is) = attribute(key, name)
    {
        return Some(Allow::known(is));
    }
    match kind(text) {
        Some(kind) => Some(Allow::kind(kind)),
        None => {
            let words = ["anyone", "user", "service", "device", "group:…", "role:…", "tenant:…"];
            let suggestion = match nearest(text, &words) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("one of {}", words.join(", ")),
            };
            value.problem(format!("`allow` does not know {text:?}"), suggestion);
            None
        }
    }
}

/// The long form, such as `{ group = "staff", from = "entra" }`: only if this issuer vouches for it.
fn allow_from(whole: &Value<'_>, entries: &[(Value<'_>, Value<'_>)], named: &IssuerNames) -> Option<Allow> {
    const FORM: &str = "for example { group = \"staff\", from = \"entra\" }";
    let (mut is, mut from) = (None, None);
    for (key, value) in entries {
        match key.key() {
            "from" => from = Some(named.issuer(value)),
            "kind" => {
                let text = value.text("\"user\"")?;
                let kind = match kind(text) {
                    Some(Kind::Device) => {
                        value.problem("a device's issuer is the gateway itself", "write \"device\", without `from`");
                        return None;
                    }
                    Some(kind) => kind,
                    None => {
                        value.problem(format!("`kind` must be \"user\" or \"service\", not {text:?}"), "");
                        return None;
                    }
                };
                is = Some((Attribute::Kind(kind), is.is_some()));
            }
            word @ ("group" | "role" | "tenant") => {
                let name = value.text("\"staff\"")?;
                is = Some((attribute(word, name)?, is.is_some()));
            }
            _ => {
                key.problem("`allow` can ask for `group`, `role`, `tenant` or `kind`, and `from` whom", FORM);
                return None;
            }
        }
    }
    match (is, from) {
        (Some((is, false)), Some(from)) => Some(Allow::Known { is, from: Some(from?) }),
        (Some((is, false)), None) => {
            whole.problem("without `from` this is the short form", format!("write \"{is}\""));
            None
        }
        (Some((_, true)), _) => {
            whole.problem("one of `group`, `role`, `tenant` and `kind` is asked for, not two", FORM);
            None
        }
        (None, _) => {
            whole.problem("`from` alone would let in whomever that issuer knows", FORM);
            None
        }
    }
}

fn attribute(key: &str, name: &str) -> Option<Attribute> {
    match key {
        "group" => Some(Attribute::Group(name.into())),
        "role" => Some(Attribute::Role(name.into())),
        "tenant" => Some(Attribute::Tenant(name.into())),
        _ => None,
    }
}

/// The kind that `text` names, if it names one.
fn kind(text: &str) -> Option<Kind> {
    match text {
        "user" => Some(Kind::User),
        "service" => Some(Kind::Service),
        "device" => Some(Kind::Device),
        _ => None,
    }
}
