//! The one place that lets an upstream's answer through, and the only maker of [`VettedResponse`].
//!
//! The monolith's word about identity is heard only where the gateway is not the authority. Only heads are read:
//! status, `Location`, `WWW-Authenticate`, `Content-Type` and `grpc-status`. A denial of somebody we vouch for is disputed, and one of
//! somebody whom we could not tell says nothing about them: either becomes a [`Fault`], and a fault cannot say 401.

#![warn(clippy::wildcard_enum_match_arm)]

use std::{borrow::Cow, sync::Arc};

use auth_core::{
    policy::{Holder, Permit},
    principal::{Kind, Principal},
    verdict::Unavailable,
};
use http::{StatusCode, Uri, header, response};
use http_body::Body as _;
use url::{Position, Url};

use super::tunnel::{Tunnel, UpgradeRequest};
use crate::{
    body::{Body, Watch},
    fault::{DisputedDenial, Fault, FaultContext, UndecidedDenial},
    headers::{elements, grpc},
    route::{Expect, OnDenial, Route, RouteClientKind},
};

/// An upstream's answer that was vetted, and may leave.
#[derive(Debug)]
#[must_use]
pub struct VettedResponse {
    head: response::Parts,
    body: Body,
    denies: bool,
    tunnel: Option<Box<Tunnel>>,
}

/// A head that may pass, still as the upstream sent it.
#[must_use]
pub(super) struct VettedHead {
    head: response::Parts,
    denies: bool,
}

/// One answer before its judge.
pub(super) struct UnvettedResponse<'a> {
    pub(super) route: &'a Route,
    pub(super) permit: &'a Permit,
    /// The request's target, which a relative `Location` starts from.
    pub(super) target: &'a Uri,
    /// The endpoint, as configured.
    pub(super) endpoint: &'a Arc<str>,
    /// The path of our own sign-in.
    pub(super) sign_in: &'a str,
}

/// A denial, by the setting that would let it pass.
type DenialAnswer = &'static str;

impl VettedResponse {
    /// The status that the upstream chose.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Whether it is a 401 to somebody whom we vouch for, which the route lets pass: such an answer counts with the
    /// mass-refusal guard. So does a challenge of the application's own, since one that is half dead may send it to all.
    pub fn is_denial(&self) -> bool {
        self.denies
    }

    /// The same, which opens `tunnel`.
    pub(super) fn with_tunnel(self, tunnel: Tunnel) -> Self {
        Self { tunnel: Some(Box::new(tunnel)), ..self }
    }

    /// The tunnel that it opens, if it is a 101.
    pub fn take_tunnel(&mut self) -> Option<Box<Tunnel>> {
        self.tunnel.take()
    }

    /// Whether its body is still to come.
    pub fn lasts(&self) -> bool {
        !self.body.is_end_stream()
    }

    /// The same answer, whose body breaks off once it is proven that whoever it is for may not have it.
    pub fn watched(self, watch: Option<Watch>) -> Self {
        Self { body: self.body.watched(watch), ..self }
    }

    /// The head, already cleaned of what must not leave, and the body.
    pub fn into_parts(self) -> (response::Parts, Body) {
        (self.head, self.body)
    }
}

impl VettedHead {
    /// The answer that leaves: this head, after `clean` took out what must not, and `body`.
    pub(super) fn pass(self, body: Body, clean: impl FnOnce(&mut response::Parts)) -> VettedResponse {
        let Self { mut head, denies } = self;
        clean(&mut head);
        VettedResponse { head, body, denies, tunnel: None }
    }
}

impl UnvettedResponse<'_> {
    /// Judges `head` as the upstream sent it.
    ///
    /// # Errors
    /// [`Fault::DisputedIdentity`] for a denial of somebody we vouch for; [`Fault::UndecidedIdentity`] for one of somebody
    /// whom we could not tell; [`Fault::RenewalRequired`] for one of a display whose token is over;
    /// [`Fault::UpstreamGarbage`] for what is no final answer.
    pub(super) fn vet(&self, mut head: response::Parts) -> Result<VettedHead, Fault> {
        let denies = self.hear(&head)? && (head.status == StatusCode::UNAUTHORIZED || is_unauthenticated(&head));
        if !denies && self.may_be_a_device() {
            // Old stacks answer a challenge whatever its status is.
            head.headers.remove(header::WWW_AUTHENTICATE);
            head.headers.remove(header::PROXY_AUTHENTICATE);
        }
        Ok(VettedHead { head, denies })
    }

    /// Judges `head`, a 101, as the answer to what was asked for. A denial has another status.
    ///
    /// # Errors
    /// [`Fault::UpgradeFailed`]: it is the answer to something else.
    pub(super) fn vet_switch(&self, head: response::Parts, asked: &UpgradeRequest) -> Result<VettedHead, Fault> {
        match asked.vet(&head.headers) {
            Ok(()) => Ok(VettedHead { head, denies: false }),
            Err(seen) => Err(Fault::UpgradeFailed(FaultContext::new(self.endpoint.clone(), seen))),
        }
    }

    /// Whether a denial passes, because the route says so.
    fn hear(&self, head: &response::Parts) -> Result<bool, Fault> {
        if !(200..600).contains(&head.status.as_u16()) {
            let seen = format!("status {} in answer to no such question", head.status.as_u16());
            return Err(Fault::UpstreamGarbage(FaultContext::new(self.endpoint.clone(), seen)));
        }
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("denial-passed-on") {
            return Ok(false);
        }
        match self.permit.holder() {
            Holder::Anyone => Ok(false),
            Holder::Lapsed => self.hear_of_lapsed(head),
            Holder::Undecided(unavailable) => self.hear_of_somebody(head, unavailable),
            Holder::Known(principal) => self.hear_of(principal, head),
        }
    }

    /// Nobody was named to the upstream because we cannot tell who they are: whatever it says for want of a name is our
    /// doing. They may be a device, which takes the most for a denial.
    fn hear_of_somebody(&self, head: &response::Parts, unavailable: &Unavailable) -> Result<bool, Fault> {
        match self.denial(head, true) {
            None => Ok(false),
            Some(_) => Err(Fault::UndecidedIdentity(UndecidedDenial {
                endpoint: self.endpoint.clone(),
                received: head.status,
                unavailable: unavailable.clone(),
            })),
        }
    }

    /// A display that must only renew its token takes a denial for a revocation: it is told to renew. All others are told
    /// what the upstream says of requests in nobody's name.
    fn hear_of_lapsed(&self, head: &response::Parts) -> Result<bool, Fault> {
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("lapsed-display-is-denied") {
            return Ok(false);
        }
        match self.denial(head, true) {
            Some(setting) if self.route.client_kind == Some(RouteClientKind::Device) => {
                Err(Fault::RenewalRequired(DisputedDenial {
                    endpoint: self.endpoint.clone(),
                    received: head.status,
                    grpc_status: received_grpc(head),
                    setting,
                }))
            }
            Some(_) | None => Ok(false),
        }
    }

    fn hear_of(&self, principal: &Principal, head: &response::Parts) -> Result<bool, Fault> {
        let for_devices = self.is_for_devices() || principal.kind == Kind::Device;
        match self.denial(head, for_devices) {
            None => Ok(false),
            // A device where anyone may pass need not be there for the setting's sake.
            Some(_)
                if self.route.on_denial == OnDenial::Pass
                    && !(principal.kind == Kind::Device && self.route.requirement.is_open()) =>
            {
                Ok(true)
            }
            #[cfg(candor_mutants)]
            Some(_)
                if !for_devices
                    && head
                        .headers
                        .get(header::WWW_AUTHENTICATE)
                        .is_some_and(|it| it.as_bytes().starts_with(b"Basic"))
                    && auth_core::mutants::is("basic-challenge-passed") =>
            {
                Ok(false)
            }
            Some(_) if principal.kind == Kind::User && self.is_own_challenge(head) => Ok(true),
            Some(setting) => Err(Fault::DisputedIdentity(DisputedDenial {
                endpoint: self.endpoint.clone(),
                received: head.status,
                grpc_status: received_grpc(head),
                setting,
            })),
        }
    }

    /// Whether the route allows devices: they take any denial at its word, so fewer are believed.
    fn is_for_devices(&self) -> bool {
        let requirement = &self.route.requirement;
        self.route.client_kind == Some(RouteClientKind::Device)
            || (requirement.names_devices() && !requirement.is_open())
    }

    /// Whether whoever is answered is a device, or may be one that nobody can tell.
    fn may_be_a_device(&self) -> bool {
        match self.permit.holder() {
            Holder::Anyone => false,
            Holder::Lapsed => self.route.client_kind == Some(RouteClientKind::Device),
            Holder::Undecided(_) => true,
            Holder::Known(principal) => principal.kind == Kind::Device || self.is_for_devices(),
        }
    }

    fn denial(&self, head: &response::Parts, for_devices: bool) -> Option<DenialAnswer> {
        match head.status {
            #[cfg(candor_mutants)]
            StatusCode::OK if auth_core::mutants::is("grpc-denial-passed-on") => None,
            // What gRPC says in place of 401 and 403.
            StatusCode::OK if is_unauthenticated(head) => Some("on_denial = \"pass\""),
            StatusCode::OK if for_devices && grpc::status_in_head(&head.headers) == Some(PERMISSION_DENIED) => {
                Some("on_denial = \"pass\"")
            }
            StatusCode::UNAUTHORIZED if self.route.may_have_own_challenges() => {
                Some("own_challenges = […], or on_denial = \"pass\"")
            }
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Some("on_denial = \"pass\""),
            StatusCode::FORBIDDEN if for_devices => Some("on_denial = \"pass\""),
            // IIS says that a sign-in has timed out, and others that a token is invalid, by numbers of their own.
            status if for_devices && matches!(status.as_u16(), 440 | 498) => Some("on_denial = \"pass\""),
            status if status.is_redirection() && self.leads_to(head, &self.route.login_paths) => {
                Some("login_paths without this path, or on_denial = \"pass\"")
            }
            // Nobody needs it whom we know, and whom we cannot tell need not have lost their sign-in.
            status if status.is_redirection() && self.leads_to(head, &[self.sign_in]) => Some("on_denial = \"pass\""),
            // Where JSON is expected a redirect leads nowhere that an app could go, unless it is the same place.
            status if for_devices && status.is_redirection() && self.leads_away_from_json(head) => {
                Some("no expect = \"json\", or on_denial = \"pass\"")
            }
            // An honest failure may look as it likes: no client takes 5xx for a refusal.
            status if for_devices && !status.is_server_error() && self.is_unexpected_html(head) => {
                Some("no expect = \"json\", or on_denial = \"pass\"")
            }
            _ => None,
        }
    }

    /// Whether it is a 401 whose every challenge is one that the application asks for by itself (RFC 9110 §11.6.1), where
    /// only people can meet it: a device would take it at its word.
    fn is_own_challenge(&self, head: &response::Parts) -> bool {
        if head.status != StatusCode::UNAUTHORIZED || !self.route.may_have_own_challenges() {
            return false;
        }
        let mut any = false;
        let all = head.headers.get_all(header::WWW_AUTHENTICATE).iter().all(|value| {
            let Ok(value) = value.to_str() else { return false };
            schemes(value).all(|scheme| {
                any = true;
                self.route.own_challenges.iter().any(|own| own.eq_ignore_ascii_case(scheme))
            })
        });
        any && all
    }

    /// Whether a redirect leads to one of these sign-in pages, on whatever host the upstream believes itself to be.
    fn leads_to(&self, head: &response::Parts, logins: &[impl AsRef<str>]) -> bool {
        head.headers.get_all(header::LOCATION).iter().any(|location| {
            // Monoliths put raw UTF-8 here; a path that cannot be read is compared as far as it can.
            let location = String::from_utf8_lossy(location.as_bytes());
            let Some(path) = self.path_of(&location) else { return false };
            logins.iter().any(|login| is_under(&path, login.as_ref()))
        })
    }

    /// Whether JSON is expected and a redirect leads anywhere but to a path at, or under, the request's own.
    fn leads_away_from_json(&self, head: &response::Parts) -> bool {
        let here = percent_decoded(self.target.path());
        self.route.expect == Some(Expect::Json)
            && head.headers.get_all(header::LOCATION).iter().any(|location| {
                let location = String::from_utf8_lossy(location.as_bytes());
                !self.path_of(&location).is_some_and(|there| is_under(&there, &here))
            })
    }

    /// The decoded path that `location` leads to, from this request's own address (RFC 9110 §10.2.2).
    fn path_of(&self, location: &str) -> Option<String> {
        let here = Url::parse("http://upstream.invalid/").and_then(|base| base.join(self.target.path())).ok()?;
        let there = here.join(location).ok()?;
        Some(percent_decoded(&there[Position::BeforePath..Position::AfterPath]).into_owned())
    }

    fn is_unexpected_html(&self, head: &response::Parts) -> bool {
        self.route.expect == Some(Expect::Json)
            && head.headers.get_all(header::CONTENT_TYPE).iter().any(|kind| {
                let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                kind.eq_ignore_ascii_case(b"text/html") || kind.eq_ignore_ascii_case(b"application/xhtml+xml")
            })
    }
}

/// The codes of gRPC for who is not signed in, and for who may not.
const UNAUTHENTICATED: &[u8] = b"16";
const PERMISSION_DENIED: &[u8] = b"7";

/// The status of gRPC that was received in place of one that blames.
fn received_grpc(head: &response::Parts) -> Option<Arc<str>> {
    grpc::status_in_head(&head.headers).map(|status| String::from_utf8_lossy(status).into())
}

/// Whether a gRPC answer says, in a head that is all of it, that whoever asks is not signed in.
fn is_unauthenticated(head: &response::Parts) -> bool {
    grpc::status_in_head(&head.headers) == Some(UNAUTHENTICATED)
}

/// Whether an answer of this status denies whoever asks.
pub(super) fn denies_by_status(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// The schemes of a list of challenges: an element that starts with a token and does not go on with `=`.
fn schemes(challenges: &str) -> impl Iterator<Item = &str> {
    elements(challenges.as_bytes()).filter_map(|element| {
        let element = str::from_utf8(element).ok()?;
        let end = element.find([' ', '\t', '=']).unwrap_or(element.len());
        let (token, rest) = element.split_at(end);
        (!token.is_empty() && !rest.trim_ascii_start().starts_with('=')).then_some(token)
    })
}

/// Whether `path` is `prefix` or lies under it, by whole segments, whatever the case: legacy services fold it.
fn is_under(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    let Some((start, rest)) = path.split_at_checked(prefix.len()) else { return false };
    start.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with(['/', ';']))
}

fn percent_decoded(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = path.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], escape) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests;
