//! Whether a device could ever be let in, and by whom.

use auth_core::{
    policy::{Allow, Attribute},
    principal::Kind,
};

use super::Parts;
use crate::config::{OnDenial, ProviderKind, value::Value};

impl Parts<'_, '_> {
    /// Whether what `[devices]` and `[admin] allow` say of people fits together.
    pub(super) fn devices(&self) {
        let (admin, _) = self.admin;
        let Some(devices) = self.devices else {
            if let Some(value) = admin.allow.as_ref().filter(|_| !admin.roles.installer.is_empty()) {
                value.warning("without [devices] there is nothing that an installer could do", "add [devices]");
            }
            return;
        };
        if let (Some(legacy), Some(at)) = (&devices.config.legacy, &devices.adopt_from) {
            self.upstream_exists(&legacy.adopt_from, at);
            self.spares_devices_of_before();
        }
        if devices.config.legacy_pin.is_some() && devices.config.legacy.is_none() {
            let instead = "add `legacy`: a token that a device is given for its PIN stands where the old ones do";
            devices.section.problem("`legacy_pin` without `legacy`".to_owned(), Some(instead.to_owned()));
        }
        for allowed in [&admin.roles.installer, &devices.allowed] {
            self.are_people(allowed);
            self.is_one_issuers(allowed.iter().map(|(allow, at)| (allow, at)));
        }
        let section = &devices.section;
        if admin.config.installer.is_empty() {
            let instead = "name somebody in [admin], for example allow = { installer = [\"group:displays\"] }";
            section.warning(
                "nobody may confirm a PIN: only `gateway device register` lets a device in".to_owned(),
                instead,
            );
        } else if devices.config.tenants.is_empty() && !self.states_tenants() {
            let instead = "add [devices.tenants.NAME], with those who may put devices in it";
            section.warning(
                "no provider here is known to name people's tenants, and devices need one".to_owned(),
                instead,
            );
        }
        if !self.routes.iter().any(|written| written.route.requirement.may_allow(Kind::Device)) {
            section.warning("no route is for devices".to_owned(), "write allow = [\"device\"] where they may go");
        }
    }

    /// Whether devices of before show their opaque tokens where an issuer's stand.
    pub(super) fn devices_of_before_are_bearers(&self) -> bool {
        let legacy = self.devices.and_then(|devices| devices.config.legacy.as_ref());
        legacy.is_some_and(|legacy| legacy.header == http::header::AUTHORIZATION)
    }

    /// Whether any route would tell a device of before something that it erases itself on.
    fn spares_devices_of_before(&self) {
        for written in self.routes {
            let route = &written.route;
            if route.requirement.is_open() || !route.requirement.may_allow(Kind::Device) {
                continue;
            }
            if let Some(value) = written.on_denial.as_ref().filter(|_| route.on_denial == OnDenial::Pass) {
                let why = "a device of before erases itself on any denial, and here the service's would reach it";
                value.problem(why, "leave it out, or give devices a route of their own");
            }
            if route.expect.is_none() && route.is_for_devices_only() {
                let instead = "write expect = \"json\", if the app expects that";
                written.path.warning("a sign-in page of the service's would reach devices here", instead);
            }
        }
    }

    /// Only a person who signed in can confirm a PIN.
    fn are_people(&self, allowed: &[(Allow, Value<'_>)]) {
        for (allow, at) in allowed {
            let Allow::Known { is, from: _ } = allow else {
                at.problem("anybody at all could let devices in", "for example \"group:displays\"");
                continue;
            };
            if !is.may_be(Kind::User) {
                at.problem(
                    format!("`{is}` is nobody who can sign in and type a PIN"),
                    "for example \"group:displays\"",
                );
            } else if !self.people_can_sign_in() {
                at.problem("nothing here signs people in, and a PIN is confirmed by a person", "add [[identity]]");
            } else if *is == Attribute::Kind(Kind::User) {
                at.warning("everybody who can sign in may let devices in", "for example \"group:displays\"");
            }
        }
    }

    fn states_tenants(&self) -> bool {
        self.identity.iter().any(|(it, _)| it.as_ref().is_none_or(|it| it.kind == ProviderKind::Entra))
    }
}
