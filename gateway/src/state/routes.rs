//! The routes of one configuration, as requests find them.

use std::collections::BTreeSet;

use auth_core::policy::{Allow, Attribute};

use crate::{config::Config, route::RouteTable};

/// The route table of `config`.
pub(super) fn table(config: &Config) -> RouteTable {
    RouteTable::new(config.routes.iter().cloned(), &config.own_prefix, |upstream| {
        config.upstreams.get(upstream).map(|upstream| upstream.names).unwrap_or_default()
    })
}

/// The groups that some route asks about: only these are worth a place in a ticket.
pub(super) fn groups_asked(config: &Config) -> BTreeSet<String> {
    let allowed = config.routes.iter().flat_map(|route| route.requirement.allow());
    allowed
        .filter_map(|allow| match allow {
            Allow::Known { is: Attribute::Group(group), from: _ } => Some(group.to_string()),
            Allow::Anyone | Allow::Known { .. } => None,
        })
        .collect()
}
