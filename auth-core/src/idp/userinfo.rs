//! Userinfo (OpenID Connect Core §5.3): what a provider says of a person to who holds their access token.
//!
//! It is asked after an ID token that held, and says nothing by itself: its `sub` must be the ID token's, and what it says
//! besides only fills gaps. Read by ourselves: the library reads all claims of an answer by their types or none, so that a
//! claim that nobody asks for would cost the sign-in. Deliberately absent: signed and encrypted answers (§5.3.2).

use http::{Request, StatusCode, header};
use serde_json::{Map, Value};

use super::{Provider, ProviderConfig, client::lacks, id_token::IdTokenFault, invalid_response::InvalidResponse};
use crate::{
    dependency::Dependency,
    jws::strict_object,
    outbound::Answer,
    verdict::{OrUnavailable, Unavailable},
};

/// What userinfo is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserinfoUse {
    /// Nothing.
    #[default]
    Never,
    /// Whether it is about the person of the ID token.
    VerifySub,
    /// That, and what the ID token does not say of them.
    Merge,
}

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

impl Provider {
    /// The claims of an ID token that held, with what userinfo adds to them, as configured.
    ///
    /// # Errors
    /// Invalid, if it is about somebody else, or signed. Unavailable(Userinfo), if it does not say.
    pub(crate) async fn with_userinfo(
        &self,
        mut claims: Map<String, Value>,
        access_token: &str,
    ) -> Result<Map<String, Value>, IdTokenFault> {
        let config = self.config();
        if config.userinfo == UserinfoUse::Never {
            return Ok(claims);
        }
        let said = self.userinfo(access_token).await?;
        let of_the_same = said.get("sub") == claims.get("sub");
        #[cfg(candor_mutants)]
        let of_the_same = of_the_same || crate::mutants::is("userinfo-foreign-sub-passes");
        if !of_the_same {
            return Err(InvalidResponse::UserinfoSubject.into());
        }
        if config.userinfo == UserinfoUse::Merge {
            merge(&mut claims, said, config);
        }
        Ok(claims)
    }

    /// What userinfo says. It has a `sub`.
    async fn userinfo(&self, access_token: &str) -> Result<Map<String, Value>, IdTokenFault> {
        let document = self.document().await?;
        let url = document.userinfo_endpoint.as_ref().ok_or_else(|| lacks("userinfo_endpoint"))?;
        let request = Request::get(url.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {access_token}"))
            .header(header::CACHE_CONTROL, "no-store")
            .header(header::USER_AGENT, concat!("candor/", env!("CARGO_PKG_VERSION")))
            .body(Vec::new())
            .or_unavailable(Dependency::Userinfo)?;
        let _call = self.0.calls.acquire().await.or_unavailable(Dependency::Userinfo)?;
        let answer = self.0.outbound.send(request, MAX_ANSWER).await.or_unavailable(Dependency::Userinfo)?;
        if answer.status != StatusCode::OK {
            let down = nonsense(format!("userinfo was answered {}", answer.status));
            return Err(down.retry_after(answer.retry_after().unwrap_or(Unavailable::RETRY_AFTER)).into());
        }
        match media_type(&answer).as_str() {
            "application/json" => {}
            "application/jwt" => return Err(InvalidResponse::UserinfoSigned.into()),
            _ => return Err(nonsense("userinfo was answered 200 without application/json").into()),
        }
        // The parser's words are not told: they may quote the answer.
        let said = strict_object(&answer.body).map_err(|_| nonsense("the userinfo answer is no strict JSON object"))?;
        if said.get("sub").and_then(Value::as_str).unwrap_or_default().is_empty() {
            return Err(nonsense("the userinfo answer has no `sub`").into());
        }
        Ok(said)
    }
}

/// Adds what the configuration reads and the ID token does not state. Nothing that it states is replaced, and of who it is,
/// for whom and when, it alone speaks.
fn merge(claims: &mut Map<String, Value>, mut said: Map<String, Value>, config: &ProviderConfig) {
    let user_claim = config.user_claim.to_string();
    let read = [
        config.name_claim.as_str(),
        config.groups_claim.as_str(),
        user_claim.as_str(),
        "name",
        "preferred_username",
        "email",
        "roles",
    ];
    let states = |claims: &Map<String, Value>, name: &str| claims.get(name).is_some_and(|value| !value.is_null());
    // A marker that a list is elsewhere stands for the list, where the ID token has none.
    let elsewhere = said.remove("_claim_names");
    for (name, source) in elsewhere.iter().filter_map(Value::as_object).flatten() {
        if !states(claims, name) {
            let names = claims.entry("_claim_names").or_insert_with(|| Value::Object(Map::new()));
            if let Some(names) = names.as_object_mut() {
                names.entry(name).or_insert_with(|| source.clone());
            }
        }
    }
    if !states(claims, &config.groups_claim) && !states(claims, "hasgroups") {
        take(claims, &mut said, "hasgroups");
    }
    for name in read {
        if !PROTOCOL.contains(&name) && !states(claims, name) {
            take(claims, &mut said, name);
            // That an address is verified is said of that address.
            if name == "email" && states(claims, "email") {
                claims.remove("email_verified");
                take(claims, &mut said, "email_verified");
            }
        }
    }
}

/// Claims about the token, not the person.
const PROTOCOL: [&str; 14] =
    ["acr", "amr", "at_hash", "aud", "auth_time", "azp", "c_hash", "exp", "iat", "iss", "nbf", "nonce", "sid", "sub"];

fn take(claims: &mut Map<String, Value>, said: &mut Map<String, Value>, name: &str) {
    if let Some(value) = said.remove(name).filter(|value| !value.is_null()) {
        claims.insert(name.to_owned(), value);
    }
}

fn media_type(answer: &Answer) -> String {
    let text = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn nonsense(what: impl Into<String>) -> Unavailable {
    Unavailable::because(Dependency::Userinfo, what.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        idp::ResponseMode,
        principal::{UserClaim, stated::Absence},
    };

    #[test]
    fn userinfo_fills_gaps_and_replaces_nothing() {
        let config = ProviderConfig {
            name: "p".into(),
            client_id: "candor".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
            user_claim: UserClaim::named("upn"),
            name_claim: "display".to_owned(),
            groups_claim: "teams".to_owned(),
            absence: Absence::default(),
            prompt: None,
            response_mode: ResponseMode::Query,
            userinfo: UserinfoUse::Merge,
            logout_at_provider: true,
        };
        let check = |token: Value, said: Value, expected: Value| {
            let object = |value: &Value| value.as_object().expect("an object").clone();
            let mut claims = object(&token);
            merge(&mut claims, object(&said), &config);
            assert_eq!(Value::Object(claims), expected, "{token} and {said}");
        };
        let all = json!({ "sub": "a", "display": "A", "teams": ["x"], "upn": "a@b", "roles": ["r"], "photo": "p" });
        check(
            json!({ "sub": "a" }),
            all.clone(),
            json!({ "sub": "a", "display": "A", "teams": ["x"], "upn": "a@b", "roles": ["r"] }),
        );
        let token = json!({ "sub": "a", "display": "B", "teams": [], "upn": "c", "roles": "s" });
        check(token.clone(), all, token);
        check(
            json!({ "sub": "a", "teams": null }),
            json!({ "sub": "b", "iss": "i", "exp": 9, "sid": "s", "teams": "x", "nonce": "n" }),
            json!({ "sub": "a", "teams": "x" }),
        );
        check(json!({ "email": "a" }), json!({ "email": "b", "email_verified": true }), json!({ "email": "a" }));
        check(json!({ "email": "a" }), json!({ "email": "a", "email_verified": true }), json!({ "email": "a" }));
        check(
            json!({ "email_verified": true }),
            json!({ "email": "b", "email_verified": false }),
            json!({ "email": "b", "email_verified": false }),
        );
        check(json!({ "email_verified": true }), json!({ "email": "b" }), json!({ "email": "b" }));
        let elsewhere = json!({ "_claim_names": { "teams": "s", "roles": "s" }, "hasgroups": true });
        check(
            json!({ "roles": [] }),
            elsewhere.clone(),
            json!({ "roles": [], "_claim_names": { "teams": "s" }, "hasgroups": true }),
        );
        check(json!({ "roles": [], "teams": [] }), elsewhere, json!({ "roles": [], "teams": [] }));
    }
}
