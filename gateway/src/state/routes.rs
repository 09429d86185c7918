//! The routes of one configuration, as requests find them.

use std::{collections::BTreeSet, sync::Arc};

use auth_core::policy::{Allow, Attribute};

use crate::{
    config::Config,
    route::{Route, RouteTable},
    telemetry::RouteMetrics,
};

/// The route table of `config`.
pub(super) fn table(config: &Config) -> RouteTable {
    let table = RouteTable::new(config.routes.iter().cloned(), &config.own_prefix, |upstream| {
        config.upstreams.get(upstream).map(|upstream| upstream.names).unwrap_or_default()
    });
    table.with_devices(config.devices.is_some())
}

/// What is counted of the requests on each route of `config`, by the route's index.
pub(super) fn metrics(config: &Config) -> Vec<Arc<RouteMetrics>> {
    let metrics = |route: &Route| Arc::new(RouteMetrics::new(&route.path, route.upstream.clone()));
    config.routes.iter().map(metrics).collect()
}

/// The groups that some route or some role asks about: only these are worth a place in a ticket.
pub(super) fn groups_asked(config: &Config) -> BTreeSet<String> {
    let tenants = config.devices.iter().flat_map(|devices| devices.tenants.values());
    let installers = config.admin.installer.iter().chain(tenants.flat_map(|tenant| &tenant.allow));
    let allowed = config.routes.iter().flat_map(|route| route.requirement.allow());
    allowed
        .chain(installers)
        .filter_map(|allow| match allow {
            Allow::Known { is: Attribute::Group(group), from: _ } => Some(group.to_string()),
            Allow::Anyone | Allow::Known { .. } => None,
        })
        .collect()
}
