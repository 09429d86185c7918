//! `me`: who am I, how fresh, until when.

use auth_core::{
    clock::Now,
    principal::{Kind, Principal},
    refusal_guard::Harm,
};
use serde_json::{Value, json};

use super::{anybody_known, moment};
use crate::{
    config::site::Site,
    context::RequestContext,
    fault::ClientKind,
    request::RequestHead,
    response::{answer::Answer, own_answer::OwnAnswer, page::Page},
};

/// Who is asking. Refused like any route that wants somebody known.
pub(super) async fn answer(context: &RequestContext, head: &RequestHead) -> Answer {
    let admitted = match context.admit(head, &anybody_known(), Harm::None).await {
        Ok(admitted) => admitted,
        Err(answer) => return answer,
    };
    let principal = match admitted.principal() {
        Ok(principal) => principal,
        Err(fault) => return Answer::Fault(fault),
    };
    Answer::Own(match context.client_kind() {
        ClientKind::Browser => OwnAnswer::page(page(principal, &context.running.site)),
        _ => OwnAnswer::json(described(principal, context.now)),
    })
}

fn page(principal: &Principal, site: &Site) -> Page {
    let who = principal.display_name();
    let page = Page::new("You are signed in", format!("You are signed in as {who}."))
        .say("If you came here to send something once more, go back to the tab that holds it.")
        .link("To the service", "/");
    let page = if principal.kind == Kind::User { page.link("Your sessions", site.own("sessions")) } else { page };
    page.link("Sign out", site.own("logout"))
}

fn described(principal: &Principal, now: Now) -> Value {
    json!({
        "kind": principal.kind,
        "issuer": principal.subject.issuer,
        "subject": principal.subject.id,
        "tenant": principal.tenant,
        "user": principal.user(),
        "name": principal.name,
        "preferred_username": principal.preferred_username,
        "email": principal.email,
        "roles": principal.roles.stated(),
        "groups": principal.groups.stated(),
        "until": moment(principal.until),
        "live": principal.freshness.staleness(now).is_none(),
        "missing": principal.freshness.staleness(now).map(|(dependency, age)| json!({
            "dependency": dependency.as_str(),
            "seconds": age.as_secs(),
        })),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use auth_core::{
        clock::Timestamp,
        dependency::Dependency,
        principal::{Freshness, Groups, Roles, Silence, Subject, UserName},
    };

    use super::*;

    #[test]
    fn me_says_who_how_fresh_and_until_when() {
        let mut ada = Principal {
            kind: Kind::User,
            subject: Subject::new("https://issuer.example", "ada"),
            tenant: None,
            user_name: UserName::Subject,
            name: Some("Ada".into()),
            preferred_username: None,
            email: None,
            roles: Roles::known([]),
            groups: Groups::NotStated(Silence::Absent),
            session: None,
            device: None,
            begun: Timestamp::from_secs(0),
            until: Timestamp::from_secs(86_400),
            freshness: Freshness::Live,
        };
        let now = Now::at(Timestamp::from_secs(100));
        let value = described(&ada, now);
        assert_eq!(value["until"], "1970-01-02T00:00:00Z");
        assert_eq!((&value["live"], &value["missing"], &value["groups"]), (&json!(true), &Value::Null, &Value::Null));
        ada.freshness =
            Freshness::LastKnownGood { missing: Dependency::Store, since: now.steady() - Duration::from_secs(9) };
        let value = described(&ada, now);
        assert_eq!(value["missing"], json!({ "dependency": "store", "seconds": 9 }));
        assert_eq!(value["live"], json!(false));
    }
}
