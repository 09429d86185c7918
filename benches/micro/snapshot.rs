//! What a request takes at its beginning: the configuration in force, its id and the moment that it is judged by.

use std::hint::black_box;

use criterion::Criterion;
use gateway::context::RequestContext;

use crate::{
    fields::{CLIENT, sample},
    stand::{Stand, StandFault},
};

pub(crate) fn measure(criterion: &mut Criterion, stand: &Stand) -> Result<(), StandFault> {
    let request = sample()?;
    let mut group = criterion.benchmark_group("beginning");
    group.bench_function("the configuration in force", |bencher| bencher.iter(|| black_box(stand.gateway.running())));
    group.bench_function("the time, by both clocks", |bencher| bencher.iter(|| black_box(stand.gateway.now())));
    group.bench_function("all that a request takes", |bencher| {
        bencher.iter(|| black_box(RequestContext::new(stand.gateway.clone(), CLIENT, &request)));
    });
    group.finish();
    Ok(())
}
