//! Which endpoint a request goes to, and where it goes if it must go once more.
//!
//! Each goes to the endpoint with the fewest requests, of all workers together; those with as few take turns. Who finds
//! it full goes to the next before they wait. An endpoint that is unhealthy is asked only where no other is healthy:
//! nobody is left without an endpoint by what we believe of them. The loop over attempts stands above the choice: each
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
    attempts::{Answered, Attempts, Judge},
    endpoint::{Endpoint, EndpointSlot},
    exchange::Exchange,
    health::Eligibility,
    request_fields,
};
use crate::{body::Body, fault::Fault, headers::HostHeader, request::Forwarded};

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
    ) -> Result<Answered, Fault> {
        let mut attempts = Attempts::new(self, exchange, judge);
        let mut kept: Option<EndpointSlot> = None;
        loop {
            let slot = match (kept.take(), &attempts.only) {
                (Some(slot), _) => slot,
                (None, Some(only)) => only.slot(attempts.deadline()).await?,
                (None, None) => self.slot(&attempts.tried, attempts.repeatable, attempts.deadline()).await?,
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

    /// A slot for the next attempt of a request that went to those `tried`: at another endpoint. Where all that are healthy
    /// are full, the first that is given back until `deadline`.
    ///
    /// # Errors
    /// [`Fault::NoEndpoint`], if there is none.
    async fn slot(&self, tried: &[Arc<Endpoint>], repeatable: bool, deadline: Instant) -> Result<EndpointSlot, Fault> {
        let none = || Fault::NoEndpoint { upstream: self.config.name.clone() };
        let (now, turn) = (Instant::now(), self.turn());
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
            if let Some(slot) = endpoint.free_slot() {
                if rank == Rank::Ejected && tried.is_empty() {
                    self.metrics.all_unhealthy.increment(1);
                }
                return Ok(slot);
            }
            full_and_healthy |= rank != Rank::Ejected;
            full.push(endpoint.clone());
        }
        match &full[..] {
            [] => Err(none()),
            [only] => only.slot(deadline).await,
            several => {
                let waiting = several.iter().map(|endpoint| Box::pin(endpoint.slot(deadline)));
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
