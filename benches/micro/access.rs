//! One line of the access log, as its thread forms it.

use std::{hint::black_box, time::Duration};

use auth_core::{
    clock::Timestamp,
    principal::{Kind, Subject},
};
use criterion::Criterion;
use gateway::{
    fault::{AnswerWord, ClientKind},
    telemetry::{AccessLine, Format, LoggedPrincipal},
};
use http::Method;

use crate::fields::CLIENT;

pub(crate) fn measure(criterion: &mut Criterion) {
    let line = line();
    let mut group = criterion.benchmark_group("access line");
    for (name, format) in [("to read", Format::Human), ("JSON", Format::Json)] {
        let mut out = Vec::with_capacity(4096);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                line.form(format, &mut out);
                black_box(out.len())
            });
        });
    }
    group.finish();
}

fn line() -> AccessLine {
    AccessLine {
        time: Timestamp::from_millis(1_767_268_800_123),
        id: "019b7a1c-3c00-7000-8000-0123456789ab".to_owned(),
        client: Some(CLIENT),
        protocol: None,
        method: Method::GET,
        path: "/orders/17".to_owned(),
        status: Some(200),
        answer: Some(AnswerWord::Upstream),
        client_kind: ClientKind::Script,
        principal: Some(LoggedPrincipal { kind: Kind::User, subject: Subject::new("https://idp.example", "ada") }),
        route: Some("/orders/".into()),
        upstream: Some("monolith".into()),
        head: Some(Duration::from_micros(1250)),
        duration: Duration::from_micros(1500),
        received: 0,
        sent: 95,
        incomplete: None,
        reason: None,
        detail: None,
        fault: None,
    }
}
