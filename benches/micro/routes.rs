//! One route match, in a small table and in a large one.

use std::hint::black_box;

use criterion::Criterion;
use gateway::{
    request::{Host, path::CanonicalPath},
    route::{RouteTable, Target},
};
use http::{HeaderValue, Method, uri::PathAndQuery};

use crate::stand::{Stand, StandFault, route};

pub(crate) fn measure(criterion: &mut Criterion, stand: &Stand) -> Result<(), StandFault> {
    let mut group = criterion.benchmark_group("route match");
    let host = Host::parse(&HeaderValue::from_static("127.0.0.1:8080"));
    let host = host.ok_or_else(|| StandFault::Wrong("the host is none".to_owned()))?;
    for (name, routes) in [("10 routes", 10), ("1,000 routes", 1000)] {
        let table = table(stand, routes)?;
        // The places are of one length, so this one stands in the middle.
        let path = format!("/service-{:04}/orders/17?full=true", routes / 2);
        let target = PathAndQuery::try_from(path).map_err(|error| StandFault::Wrong(error.to_string()))?;
        let read = || CanonicalPath::read(&target);
        let path = read().map_err(|_| StandFault::Wrong("the path is none".to_owned()))?;
        match table.find(&path, &host, &Method::GET) {
            Ok(Target::Upstream(route)) if route.path.len() > 1 => {}
            other => return Err(StandFault::Wrong(format!("the route found is {other:?}"))),
        }
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(table.find(black_box(&path), &host, &Method::GET).is_ok()));
        });
        if routes == 10 {
            group.bench_function("a path, in all its readings", |bencher| bencher.iter(|| black_box(read().is_ok())));
        }
    }
    group.finish();
    Ok(())
}

/// So many routes, of which the last takes everything.
fn table(stand: &Stand, routes: usize) -> Result<RouteTable, StandFault> {
    let named = (1..routes).map(|number| route(&format!("/service-{number:04}/"), "user"));
    let written: String = named.chain([route("/", "user")]).collect();
    let config = stand.config(&written)?;
    Ok(RouteTable::new(config.routes.iter().cloned(), &config.own_prefix, |upstream| {
        config.upstreams.get(upstream).map(|upstream| upstream.names).unwrap_or_default()
    }))
}
