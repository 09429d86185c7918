//! Who may look after sessions: by a bearer token, and while everything that vouches for it is confirmed.
//!
//! A session's cookie counts for nothing here: browsers tell no ports apart, so the public listener's comes along, and what
//! signs somebody in to the service must not administer it. Nothing stale lets anybody order anything; then it is 503.

use std::time::Duration;

use auth_core::{
    policy::{Holder, MaxStale, Requirement, RequirementId, permit},
    principal::Principal,
    refusal_guard::Harm,
    verdict::Verdict,
};
use http::{HeaderMap, HeaderName, header::ORIGIN};

use crate::{
    config::AdminConfig,
    context::RequestContext,
    fault::{BadRequest, Fault},
    request::RequestHead,
    response::answer::Answer,
};

/// What somebody wants to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// To see whose sessions there are: `viewer` and `security-admin`.
    See,
    /// To end some: `security-admin`.
    Order,
}

/// Somebody who may do what they ask for.
pub(super) struct Administrator {
    /// As the records name them.
    pub(super) who: String,
    /// Whether they may give orders too.
    pub(super) may_order: bool,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets whoever asks pass, if a role names them.
///
/// # Errors
/// The answer to give instead. Where no role is given to anybody, there is nothing at these addresses.
pub(super) async fn admit(
    context: &RequestContext,
    mut head: RequestHead,
    task: Task,
) -> Result<Administrator, Answer> {
    let admin = &context.running.config.admin;
    if admin.security_admin.is_empty() && admin.viewer.is_empty() {
        return Err(Answer::Fault(Fault::NoSuchRoute));
    }
    head.credentials.only_authorization();
    let admitted = context.admit(&head, &requirement(admin, task), Harm::None).await?;
    let Holder::Known(principal) = admitted.permit.holder() else {
        return Err(Answer::Fault(Fault::Internal("a permit for nobody in particular".into())));
    };
    let may_order = task == Task::Order || may_order(context, principal);
    Ok(Administrator { who: principal.subject.to_string(), may_order })
}

fn may_order(context: &RequestContext, principal: &Principal) -> bool {
    let asked = requirement(&context.running.config.admin, Task::Order);
    permit(Verdict::Authenticated(principal.clone()), &asked, context.now).is_ok()
}

fn requirement(admin: &AdminConfig, task: Task) -> Requirement {
    let mut allow = admin.security_admin.clone();
    if task == Task::See {
        allow.extend(admin.viewer.iter().cloned());
    }
    let max_stale = MaxStale::all(Duration::ZERO);
    #[cfg(candor_mutants)]
    let max_stale = if auth_core::mutants::is("order-by-stale-verdict") { MaxStale::DEFAULT } else { max_stale };
    // No route has this index, so this permit opens none.
    Requirement::new(RequirementId(u32::MAX - 3), allow, max_stale)
}

/// Whether this may be carried out as far as its origin goes. A token is not sent by a browser by itself; but something
/// before us may add one, and then whatever makes a browser post here would order in its name. Programs say nothing of
/// their origin, and no page can make a browser post JSON elsewhere unasked; `form`: it can post this.
pub(super) fn may_be_posted(headers: &HeaderMap, host: &str, form: bool) -> bool {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("any-site-may-order") {
        return true;
    }
    let all = |name: &HeaderName, expected: &dyn Fn(&str) -> bool| {
        let mut values = headers.get_all(name).iter().peekable();
        values.peek().map(|_| ())?;
        Some(values.all(|value| value.to_str().is_ok_and(expected)))
    };
    let ours = |origin: &str| {
        origin
            .strip_prefix("https://")
            .or(origin.strip_prefix("http://"))
            .is_some_and(|it| it.eq_ignore_ascii_case(host))
    };
    let site = all(&SEC_FETCH_SITE, &|site| site == "same-origin");
    site.or_else(|| all(&ORIGIN, &ours)).unwrap_or(!form)
}

/// What is answered where it may not.
pub(super) fn cross_site() -> Answer {
    Answer::Fault(Fault::BadRequest(BadRequest::CrossSite))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn another_site_makes_nobody_order_anything() {
        let check = |fields: &[(HeaderName, &'static str)], (json, form): (bool, bool)| {
            let headers: HeaderMap =
                fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            let may = |form| may_be_posted(&headers, "127.0.0.1:9090", form);
            assert_eq!((may(false), may(true)), (json, form), "{fields:?}");
        };
        check(&[], (true, false));
        check(&[(SEC_FETCH_SITE, "same-origin")], (true, true));
        // A proxy before us that writes `Host` anew.
        check(&[(SEC_FETCH_SITE, "same-origin"), (ORIGIN, "https://ops.example")], (true, true));
        check(&[(ORIGIN, "http://127.0.0.1:9090")], (true, true));
        for site in ["cross-site", "same-site", "none", ""] {
            check(&[(SEC_FETCH_SITE, site), (ORIGIN, "http://127.0.0.1:9090")], (false, false));
        }
        check(&[(SEC_FETCH_SITE, "same-origin"), (SEC_FETCH_SITE, "cross-site")], (false, false));
        for origin in
            ["null", "http://127.0.0.1:8080", "http://127.0.0.1", "ftp://127.0.0.1:9090", "http://evil.example"]
        {
            check(&[(ORIGIN, origin)], (false, false));
        }
    }
}
