//! `[server] tls`, `redirect_http` and `hsts`: what the public listener needs to be on the open network by itself.

use std::{net::SocketAddr, time::Duration};

use super::{file::Section, server::listeners, value::Value};
use crate::certificates::CertificateFiles;

/// How TLS is spoken on the public listener.
#[derive(Clone, Debug, Default)]
pub struct TlsConfig {
    /// The certificates, of which the first is for whoever names nobody known; empty: something before the gateway speaks
    /// TLS, or nobody does. Default empty.
    pub certificates: Vec<CertificateFiles>,
    /// Where plain HTTP is answered with the way to `public_url`. Default nowhere.
    pub redirect_http: Vec<SocketAddr>,
    /// What browsers are told to keep in mind. Default nothing.
    pub hsts: Option<Hsts>,
}

/// That a host is reached by https alone, as browsers are told (RFC 6797).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// For how long.
    pub max_age: Duration,
    /// Whether the same goes for every name below it.
    pub include_subdomains: bool,
}

const TLS_FORM: &str = "{ certificate = \"tls/chain.pem\", key = \"tls/key.pem\" }";
const HSTS_FORM: &str = "\"365d\", or { max_age = \"365d\", include_subdomains = true }";
const DAY: Duration = Duration::from_secs(24 * 3600);

impl TlsConfig {
    /// Whether we speak TLS ourselves.
    pub fn is_on(&self) -> bool {
        !self.certificates.is_empty()
    }

    /// Reads what `[server]` says of it. `secure`: whether `public_url` is https, if it is known.
    pub(super) fn read(section: &Section<'_>, secure: Option<bool>) -> Self {
        let tls = section.value("tls");
        let certificates = tls.as_ref().map(certificates).unwrap_or_default();
        let redirect = section.value("redirect_http");
        let redirect_http = redirect.as_ref().map(listeners).unwrap_or_default();
        let hsts = section.value("hsts");
        let read = hsts.as_ref().and_then(hsts_of);
        if secure == Some(false) {
            let instead = "write `public_url = \"https://…\"`";
            for value in [&tls, &redirect].into_iter().flatten() {
                value.problem(format!("`{}` is for a `public_url` that is https", value.key()), instead);
            }
        }
        if let Some(value) = hsts.filter(|_| tls.is_none()) {
            let what = "`hsts` is said over TLS alone (RFC 6797 §7.2), and there is no `tls` here";
            value.problem(what, "let what speaks TLS before the gateway say it");
        }
        Self { certificates, redirect_http, hsts: read }
    }
}

impl Hsts {
    /// `Strict-Transport-Security`.
    pub fn value(self) -> String {
        let subdomains = if self.include_subdomains { "; includeSubDomains" } else { "" };
        format!("max-age={}{subdomains}", self.max_age.as_secs())
    }
}

/// One pair of files, or a list of them. They are read, so that a bad one is found before anything starts; what is served is
/// read again then.
fn certificates(value: &Value<'_>) -> Vec<CertificateFiles> {
    if value.entries().is_some() {
        return pair(value).into_iter().collect();
    }
    let form = format!("{TLS_FORM}, or a list of such");
    let pairs = value.each(&form, pair).unwrap_or_default();
    if value.list(&form).is_some_and(|list| list.is_empty()) {
        value.problem("`tls` names no certificate", format!("for example {TLS_FORM}"));
    }
    pairs
}

fn pair(value: &Value<'_>) -> Option<CertificateFiles> {
    let Some(entries) = value.entries() else {
        value.problem("each certificate is a table of two files", format!("for example {TLS_FORM}"));
        return None;
    };
    let (mut certificate, mut key) = (None, None);
    for (name, at) in entries {
        match name.key() {
            "certificate" => certificate = at.path("\"tls/chain.pem\""),
            "key" => key = at.path("\"tls/key.pem\""),
            other => {
                let message = format!("`tls` has no key `{}`", other.escape_debug());
                name.problem(message, "its keys are certificate, key");
            }
        }
    }
    let (Some(certificate), Some(key)) = (certificate, key) else {
        value.problem("`tls` must name `certificate` and `key`", format!("for example {TLS_FORM}"));
        return None;
    };
    let files = CertificateFiles { certificate, key };
    if value.may_read_secrets()
        && let Err(fault) = files.read()
    {
        value.problem(fault.to_string(), "relative paths start at the configuration file's folder");
        return None;
    }
    Some(files)
}

fn hsts_of(value: &Value<'_>) -> Option<Hsts> {
    let age = |value: &Value<'_>| value.duration(Duration::ZERO..=DAY * 3650);
    let Some(entries) = value.entries() else {
        return age(value).map(|max_age| Hsts { max_age, include_subdomains: false });
    };
    let (mut max_age, mut include_subdomains) = (None, Some(false));
    for (name, at) in entries {
        match name.key() {
            "max_age" => max_age = age(&at),
            "include_subdomains" => include_subdomains = at.boolean(),
            other => {
                let message = format!("`hsts` has no key `{}`", other.escape_debug());
                name.problem(message, "its keys are max_age, include_subdomains");
            }
        }
    }
    if max_age.is_none() {
        value.problem("`hsts` must say `max_age`", format!("for example {HSTS_FORM}"));
    }
    Some(Hsts { max_age: max_age?, include_subdomains: include_subdomains? })
}
