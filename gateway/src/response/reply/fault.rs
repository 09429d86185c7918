//! The form of a fault.

use http::{
    HeaderValue, Response,
    header::{ALLOW, CONNECTION},
};

use super::{Form, Head, PROXY_STATUS, set};
use crate::{body::Body, fault::Fault, response::pages};

impl Form<'_> {
    pub(super) fn fault(&self, fault: &Fault) -> Response<Body> {
        let status = fault.status(self.client_kind);
        let head = Head::failed(status, fault.word(), fault.retry_after().map(|wait| self.spread(wait)));
        let page = || {
            // Their sign-in is what cannot be checked, not the service.
            if matches!(fault, Fault::UndecidedIdentity(_)) {
                pages::unavailable(self.sign_in())
            } else {
                pages::fault(fault, status)
            }
        };
        let mut response = self.said(&head, fault.explain(), page);
        set(&mut response, PROXY_STATUS, fault.proxy_status());
        if let Some(allow) = fault.allow() {
            response.headers_mut().insert(ALLOW, allow);
        }
        if fault.ends_connection() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
