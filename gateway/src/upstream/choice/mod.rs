//! Which endpoint a request goes to, and where it goes if it must go once more.
//!
//! Each goes to the endpoint with the fewest requests, of all workers together; those with as few take turns. Who finds
//! it full goes to the next before they wait. An endpoint that is unhealthy is asked only where no other is healthy:
//! nobody is left without an endpoint by what we believe of them. Where a service keeps sessions in memory, requests go
//! where their session is, and wait there (see [`affinity`](super::affinity)). The loop over attempts stands above the choice: each
//! attempt asks for an endpoint anew, and the request is addressed to what it gets.

use std::{
    ops::ControlFlow::{Break, Continue},
    sync::{Arc, atomic::Ordering},
};

use futures_util::future::select_ok;
use http::{HeaderValue, Request};
use tokio::time::Instant;

use super::{
    Upstream,
    affinity::AffinityKey,
    attempts::{Answered, Attempts, Judge},
    endpoint::{Endpoint, EndpointSlot},
    exchange::Exchange,
    health::Eligibility,
    request_fields,
};
use crate::{body::Body, fault::Fault, headers::HostHeader, limits::Prefix, request::Forwarded};

/// What is asked of the choice.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    /// Not these.
    pub(super) tried: &'a [Arc<Endpoint>],
    /// Whether the request may be sent elsewhere if this attempt fails.
    pub(super) repeatable: bool,
    /// Where its session is.
    pub(super) key: Option<&'a AffinityKey>,
    /// Whose share of an endpoint's places it takes.
    pub(super) client: Option<Prefix>,
}

/// How well an endpoint fits a request; the first is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It was ejected, and this request tries it.
    Trial,
    /// It is healthy, or this request is of the share that it gets.
    Eligible,
    /// It is recovering, and this request is not of its share.
    Spare,
    /// It is ejected.
    Ejected,
}

impl Upstream {
    /// Sends `request` to an endpoint, and once more, to the endpoint that is chosen then, if the retry rule allows that.
    ///
    /// # Errors
    /// That of the last attempt.
    pub(super) async fn ask(
        &self,
        exchange: Exchange<'_>,
        mut request: Request<Body>,
        forwarded: &Forwarded,
        judge: Judge<'_>,
        key: Option<AffinityKey>,
    ) -> Result<Answered, Fault> {
        let mut attempts = Attempts::new(self, exchange, judge, key);
        let mut kept: Option<EndpointSlot> = None;
        loop {
            let slot = match (kept.take(), &attempts.only) {
                (Some(slot), _) => slot,
                (None, Some(only)) => only.slot(attempts.wish().client, attempts.deadline()).await?,
                (None, None) => self.slot(&attempts.wish(), attempts.deadline()).await?,
            };
            request_fields::address(request.headers_mut(), self.host(slot.endpoint(), forwarded));
            match attempts.attempt(request, slot).await {
                Break(result) => return result,
                Continue((again, slot)) => (request, kept) = (*again, slot),
            }
        }
    }

    /// Whether there is another endpoint than `this` and those `tried` that is not ejected.
    pub(super) fn has_another(&self, this: &Arc<Endpoint>, tried: &[Arc<Endpoint>], now: Instant) -> bool {
        self.endpoints.iter().any(|endpoint| {
            !Arc::ptr_eq(endpoint, this) && !is_among(tried, endpoint) && endpoint.eligibility(now) != Eligibility::None
        })
    }

    /// A slot for the next attempt: where the request belongs, else at the endpoint with the fewest requests. Where all that
    /// are healthy are full, the first that is given back until `deadline`.
    ///
    /// # Errors
    /// [`Fault::NoEndpoint`], if there is none; [`Fault::OverShare`], if the client has too many places there.
    async fn slot(&self, wish: &Wish<'_>, deadline: Instant) -> Result<EndpointSlot, Fault> {
        let none = || Fault::NoEndpoint { upstream: self.config.name.clone() };
        let Wish { tried, repeatable, key, client } = *wish;
        let now = Instant::now();
        if let Some(key) = key {
            let (rank, home) = self.home(key, tried, repeatable, now).ok_or_else(none)?;
            self.note_rank(rank, tried);
            // Its session is there and nowhere else: so it is waited for.
            return home.slot(client, deadline).await;
        }
        let turn = self.turn();
        let mut full: Vec<Arc<Endpoint>> = Vec::new();
        let mut full_and_healthy = false;
        while let Some((rank, endpoint)) = self.best(turn, |endpoint| {
            let may_serve = !is_among(tried, endpoint) && !is_among(&full, endpoint);
            may_serve.then(|| rank(endpoint.eligibility(now), repeatable, turn))
        }) {
            #[cfg(candor_mutants)]
            if rank == Rank::Ejected && auth_core::mutants::is("everybody-is-ejected") {
                return Err(none());
            }
            if rank == Rank::Ejected && full_and_healthy {
                break;
            }
            if let Some(slot) = endpoint.free_slot(client) {
                self.note_rank(rank, tried);
                return Ok(slot);
            }
            full_and_healthy |= rank != Rank::Ejected;
            full.push(endpoint.clone());
        }
        match &full[..] {
            [] => Err(none()),
            [only] => only.slot(client, deadline).await,
            several => {
                let waiting = several.iter().map(|endpoint| Box::pin(endpoint.slot(client, deadline)));
                select_ok(waiting).await.map(|(slot, _)| slot)
            }
        }
    }

    /// Of the endpoints that `rank` gives one, the one of the best rank with the fewest requests; of several, each in turn.
    fn best(&self, turn: usize, rank: impl Fn(&Arc<Endpoint>) -> Option<Rank>) -> Option<(Rank, &Arc<Endpoint>)> {
        let (before, from_first) = self.endpoints.split_at(turn % self.endpoints.len().max(1));
        let ranked = from_first.iter().chain(before).filter_map(|endpoint| Some((rank(endpoint)?, endpoint)));
        ranked.min_by_key(|(rank, endpoint)| (*rank, endpoint.requests()))
    }

    /// Where the requests of `key` belong: at the endpoint that is named in them, or that they are drawn to most, of those
    /// that are not ejected; if all are, of all. Who is of the share of one that recovers is so until it is whole.
    fn home(
        &self,
        key: &AffinityKey,
        tried: &[Arc<Endpoint>],
        repeatable: bool,
        now: Instant,
    ) -> Option<(Rank, &Arc<Endpoint>)> {
        let left = self.endpoints.iter().filter(|endpoint| !is_among(tried, endpoint));
        let ranked = left.map(|endpoint| (rank(endpoint.eligibility(now), repeatable, key.turn()), endpoint));
        ranked.min_by_key(|(rank, endpoint)| {
            let bound = key.is_bound_to(endpoint.tag());
            // What is named in the request is there, whatever the share.
            let standing = match rank {
                Rank::Ejected => 2,
                Rank::Spare if !bound => 1,
                Rank::Trial | Rank::Eligible | Rank::Spare => 0,
            };
            (standing, !bound, std::cmp::Reverse(key.weight(endpoint.name())))
        })
    }

    /// Counts a request that goes to an ejected endpoint, since there is no other.
    fn note_rank(&self, rank: Rank, tried: &[Arc<Endpoint>]) {
        if rank == Rank::Ejected && tried.is_empty() {
            self.metrics.all_unhealthy.increment(1);
        }
    }

    fn turn(&self) -> usize {
        if self.endpoints.len() > 1 { self.turn.fetch_add(1, Ordering::Relaxed) } else { 0 }
    }

    /// The `Host` that it sees.
    fn host(&self, endpoint: &Endpoint, forwarded: &Forwarded) -> HeaderValue {
        match &self.config.host {
            HostHeader::Public => forwarded.host.field().clone(),
            HostHeader::Endpoint => endpoint.authority().clone(),
            HostHeader::Literal(host) => host.clone(),
        }
    }
}

/// The rank of an endpoint for a request that has this turn.
fn rank(eligibility: Eligibility, repeatable: bool, turn: usize) -> Rank {
    match eligibility {
        // Who may be repeated elsewhere loses nothing if the trial fails.
        Eligibility::Trial { by_any } if repeatable || by_any => Rank::Trial,
        Eligibility::Full => Rank::Eligible,
        // Of a hundred turns in a row, so many, and spread over them.
        Eligibility::Share(percent) if turn.wrapping_mul(61) % 100 < percent as usize => Rank::Eligible,
        Eligibility::Share(_) => Rank::Spare,
        Eligibility::Trial { .. } | Eligibility::None => Rank::Ejected,
    }
}

fn is_among(endpoints: &[Arc<Endpoint>], one: &Arc<Endpoint>) -> bool {
    endpoints.iter().any(|endpoint| Arc::ptr_eq(endpoint, one))
}

#[cfg(test)]
mod tests;
