//! The form of not being able to tell.

use auth_core::{
    principal::Silence,
    verdict::{Unavailable, Uncertainty},
};
use http::Response;

use super::{Form, Head, PROXY_STATUS, set};
use crate::{
    body::Body,
    fault::{AnswerWord, FaultStatus, RENEWAL_REQUIRED, VERDICT_UNAVAILABLE},
    response::{page::Page, pages},
};

impl Form<'_> {
    pub(super) fn unavailable(&self, unavailable: &Unavailable) -> Response<Body> {
        match unavailable.uncertainty() {
            Uncertainty::Outage | Uncertainty::Unsettled => {}
            Uncertainty::NotStated(silence) => return self.not_stated(unavailable, silence),
            Uncertainty::RenewalRequired => return self.renewal_required(),
            Uncertainty::Suspended => return self.suspended(unavailable),
        }
        let retry = self.spread(unavailable.retry_after);
        let head = Head::failed(FaultStatus::ServiceUnavailable, AnswerWord::VerdictUnavailable, Some(retry));
        let detail = "Something that is needed to check the credential does not answer. Keep it, and ask again later.";
        let mut response = self.said(&head, detail, || pages::unavailable(self.sign_in()));
        set(&mut response, PROXY_STATUS, VERDICT_UNAVAILABLE);
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("store-error-clears-cookie") {
            let taken_back = format!("{}=; Max-Age=0; Path=/", self.site.ticket_cookie());
            set(&mut response, http::header::SET_COOKIE, taken_back);
        }
        response
    }

    /// We know who it is, and their issuer did not say whether they may: nothing is down, and nothing is refused.
    fn not_stated(&self, unavailable: &Unavailable, silence: Silence) -> Response<Body> {
        let retry = self.spread(unavailable.retry_after);
        let head = Head::failed(FaultStatus::ServiceUnavailable, AnswerWord::GroupsNotStated, Some(retry));
        let detail = "The issuer did not state the groups or roles that this address asks for. Keep the credential.";
        self.said(&head, detail, || pages::groups_not_stated(silence, self.sign_in()))
    }

    /// An administrator has suspended the device, and its app may take a refusal for the end.
    fn suspended(&self, unavailable: &Unavailable) -> Response<Body> {
        let retry = self.spread(unavailable.retry_after);
        let head = Head::failed(FaultStatus::ServiceUnavailable, AnswerWord::VerdictUnavailable, Some(retry));
        let detail =
            "An administrator has suspended this device. Keep the credential and all data: it will be good again.";
        self.said(&head, detail, || pages::unavailable(self.sign_in()))
    }

    /// A device whose token has merely run out can get another one with its key.
    pub(super) fn renewal_required(&self) -> Response<Body> {
        let retry = self.spread(Unavailable::RETRY_AFTER);
        let head = Head::failed(FaultStatus::ServiceUnavailable, AnswerWord::RenewalRequired, Some(retry));
        self.said(&head, RENEWAL_REQUIRED, Page::default)
    }
}
