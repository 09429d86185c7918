//! What a good configuration means, on one screen.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use auth_core::{
    clock::{Clock, Timestamp},
    policy::Allow,
    principal::Kind,
};

use crate::certificates::Metadata;
use crate::config::{Config, OnDenial, Route};
use crate::server::control;

/// The seconds of a day.
const DAY: u64 = 24 * 3600;

/// Who renews certificates by a program has done it long before.
const SOON: Duration = Duration::from_secs(14 * DAY);

/// Listeners, issuers, routes, and what our own paths shadow.
pub(super) fn of(config: &Config) -> String {
    let mut text = String::from("the configuration is good\n");
    write(&mut text, config).unwrap_or_default();
    text
}

/// Writing to a String cannot fail.
fn write(text: &mut String, config: &Config) -> std::fmt::Result {
    let public = config.server.public_url.origin().ascii_serialization();
    for listen in &config.server.listen {
        writeln!(text, "listens  {listen}, known as {public}")?;
    }
    tls(text, config)?;
    writeln!(text, "admin    {}", config.admin.listen)?;
    for (may, role) in [("ended", &config.admin.security_admin), ("seen", &config.admin.viewer)] {
        if !role.is_empty() {
            writeln!(text, "         sessions {may} by {}", who(role))?;
        }
    }
    for listen in &config.forward_auth.listen {
        writeln!(text, "verify   {listen}{}/verify, for trusted_proxies alone", config.own_prefix)?;
    }
    let held = control::holder(&config.server.data).map(|holder| format!(", held by {holder}"));
    let runs = held.is_some();
    writeln!(text, "data     {}{}", config.server.data.display(), held.unwrap_or_default())?;
    if runs {
        writeln!(
            text,
            "         a reload changes none of {}: a restart or `gateway upgrade` does",
            Config::FIXED.join(", ")
        )?;
    }
    for identity in &config.identity {
        writeln!(text, "people   {}: {}", identity.name, identity.issuer)?;
        writeln!(text, "         register the callback {public}{}/callback/{}", config.own_prefix, identity.name)?;
        if identity.logout_at_provider {
            writeln!(
                text,
                "         register the way back from signing out there: {public}{}/logout",
                config.own_prefix
            )?;
        }
    }
    for bearer in &config.bearer {
        let whose = match bearer.kind {
            Kind::Service | Kind::Device => "programs",
            Kind::User => "people",
        };
        let name = bearer.name.as_deref().map(|name| format!(", named {name}")).unwrap_or_default();
        writeln!(text, "tokens   {whose}: {}, for {}{name}", bearer.issuer, bearer.audience.join(" or "))?;
    }
    if let Some(devices) = &config.devices {
        let own = format!("{public}{}", config.own_prefix);
        writeln!(text, "devices  {own}/device/, PINs of {} digits", devices.pin_digits)?;
        if !config.admin.installer.is_empty() {
            writeln!(text, "         confirmed at {own}/activate by {}", who(&config.admin.installer))?;
        }
        if let Some(legacy) = &devices.legacy {
            writeln!(text, "         tokens of before: {} is asked at {}", legacy.adopt_from, legacy.path)?;
        }
        if let Some(pin) = &devices.legacy_pin {
            writeln!(text, "         PINs of before: answered at {} and {}…", pin.path, pin.poll)?;
        }
        for (tenant, of) in &devices.tenants {
            writeln!(text, "         tenant {tenant}: put in by {}", who(&of.allow))?;
        }
    }
    for route in &config.routes {
        writeln!(text, "route    {}", line(route))?;
    }
    // Routes of one place that differ by method are shadowed alike: it is said once.
    let shadowed = config.routes.iter().filter(|route| shadowed(&route.path, &config.own_prefix)).map(place);
    for place in shadowed.collect::<BTreeSet<_>>() {
        writeln!(text, "shadows  {}/… of route {place} is the gateway's own", config.own_prefix)?;
    }
    Ok(())
}

/// What clients are shown over TLS, and what they may not like about it.
fn tls(text: &mut String, config: &Config) -> std::fmt::Result {
    let server = &config.server;
    for redirect in &server.tls.redirect_http {
        writeln!(text, "redirect {redirect}, to https")?;
    }
    let read: Vec<_> = server.tls.certificates.iter().map(|files| (files, files.read())).collect();
    for (files, certificate) in &read {
        let file = files.certificate.display();
        match certificate {
            Ok(certificate) => {
                let metadata = &certificate.metadata;
                writeln!(text, "tls      {file}, for {}, until {}", metadata.subjects(), metadata.expires)?;
                for doubt in doubts(metadata, Clock::system().now().wall()) {
                    writeln!(text, "warning {file}: {doubt}")?;
                }
            }
            Err(fault) => writeln!(text, "warning {fault}")?,
        }
    }
    let host = server.public_url.host_str().unwrap_or_default();
    let covered = read.iter().any(|(_, read)| read.as_ref().is_ok_and(|certificate| certificate.metadata.covers(host)));
    if !read.is_empty() && !covered {
        writeln!(text, "warning no certificate is for {host}, the host of `public_url`")?;
    }
    Ok(())
}

/// What clients may not like about a certificate.
fn doubts(metadata: &Metadata, now: Timestamp) -> Vec<String> {
    let mut doubts = Vec::new();
    if metadata.expires <= now {
        doubts.push("it has expired".to_owned());
    } else if metadata.expires.since(now) < SOON {
        doubts.push(format!("it expires in {} days", metadata.expires.since(now).as_secs() / DAY));
    }
    if metadata.begins > now {
        doubts.push(format!("it is good from {} on", metadata.begins));
    }
    if !metadata.in_order {
        doubts.push("the chain is out of order: each certificate belongs after the one that it has issued".to_owned());
    }
    doubts
}

fn place(route: &Route) -> String {
    format!("{}{}", route.host.as_deref().unwrap_or_default(), route.path)
}

fn line(route: &Route) -> String {
    let methods = route.methods.iter().flatten().map(|method| format!("{method} ")).collect::<String>();
    let denial = match route.on_denial {
        OnDenial::Dispute => "",
        OnDenial::Pass => ", its denials pass",
    };
    format!("{methods}{} -> {}, for {}{denial}", place(route), route.upstream, who(route.requirement.allow()))
}

fn who(allowed: &[Allow]) -> String {
    let word = |allow: &Allow| match allow {
        Allow::Anyone => "anyone".to_owned(),
        Allow::Known { is, from: None } => is.to_string(),
        Allow::Known { is, from: Some(issuer) } => format!("{is} from {issuer}"),
    };
    allowed.iter().map(word).collect::<Vec<_>>().join(" or ")
}

/// Whether the route would serve our own paths, if they were not ours.
fn shadowed(path: &str, own_prefix: &str) -> bool {
    let path = path.trim_end_matches('/');
    own_prefix.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
}
