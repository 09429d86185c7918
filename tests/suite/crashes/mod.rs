//! The gateway is killed at random moments of sign-ins, renewals and logouts, with one folder throughout: whoever was told
//! that they are signed in stays so, and whoever was told that they are signed out too.
//!
//! The provider takes each refresh token once. A crash between its answer and what the gateway writes of it loses the next
//! one, and the refusal that follows is then of the gateway's own doing.

mod moments;
mod people;

use std::{os::unix::process::ExitStatusExt, sync::Arc};

use libtest_mimic::Trial;
use tokio::task::JoinSet;
use world::{World, process::Process};

use self::{
    moments::{Moment, Progress, Random},
    people::{Fate, Person},
};
use crate::{in_a_runtime, report};

/// So many crashes.
const CRASHES: usize = 200;

/// How many are signed in when a round begins, at least; and how many are signed in beforehand if they are fewer.
const SIGNED_IN: usize = 6;
const MORE: usize = 14;

/// So many of each are under way when the gateway is killed.
const SIGN_INS: usize = 2;
const RENEWALS: usize = 3;
const LOGOUTS: usize = 2;

/// What the gateway says where it finds that a crash cost a refresh token.
const TOKEN_LOST: &str = "may have spent before, and lost the answer";

pub(crate) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("crashes::what_was_acknowledged_outlives_every_crash", acknowledged)]
}

/// Everybody, by what they were told last.
#[derive(Default)]
struct Everybody {
    /// They are signed in, and no crash has met them.
    fresh: Vec<Person>,
    /// They are signed in.
    signed_in: Vec<Person>,
    /// They are signed out.
    signed_out: Vec<Person>,
    /// They asked to be signed out, and were not told whether they are.
    unsure: Vec<Person>,
}

async fn acknowledged() {
    let mut random = Random::drawn();
    let seed = random.seed();
    let stage = Arc::new(stage().await);
    let config = stage.world.write_config();
    let (mut all, mut killed, mut tokens_lost) = (Everybody::default(), 0, 0);
    for _ in 0..CRASHES {
        let mut gateway = Process::start(&config);
        gateway.serving().await;
        if all.fresh.len() < SIGNED_IN {
            all.fresh.extend(everybody((0..MORE).map(|_| people::sign_in(stage.clone()))).await.into_iter().flatten());
        }
        let under_way = all.storm(&stage, &mut random);
        Moment::drawn(&mut random).come(&stage).await;
        tokens_lost += count(&gateway.said(), TOKEN_LOST);
        let status = gateway.kill();
        assert_eq!(status.signal(), Some(9), "it ended before by itself: {status}");
        killed += 1;
        all.settle(under_way).await;
        stage.world.monolith.forget();
    }
    let mut gateway = Process::start(&config);
    gateway.serving().await;
    let (people, told_out) = (all.fresh.len() + all.signed_in.len(), all.signed_out.len());
    let kept = all.fresh.into_iter().chain(all.signed_in).map(|person| person.comes_back(stage.clone()));
    let lost: Vec<Fate> = everybody(kept).await.into_iter().filter(|fate| !matches!(fate, Fate::Kept)).collect();
    let out = all.signed_out.into_iter().map(|person| person.stays_out(stage.clone()));
    let undone: Vec<Fate> = everybody(out).await.into_iter().filter(|fate| !matches!(fate, Fate::Kept)).collect();
    tokens_lost += count(&gateway.said(), TOKEN_LOST);
    report::say(format!("crashes: {killed}, sessions lost {}, logouts undone {}", lost.len(), undone.len()));
    report::say(format!(
        "crashes met {people} sessions and {told_out} logouts, and lost {tokens_lost} refresh tokens (seed {seed})"
    ));
    assert!(lost.is_empty() && undone.is_empty(), "seed {seed}: lost {lost:#?}, undone {undone:#?}");
    assert!(tokens_lost > 0, "seed {seed}: no crash came between the provider's answer and the store");
    assert!(people > CRASHES / 2 && told_out > CRASHES / 2, "seed {seed}: {people} sessions, {told_out} logouts");
}

/// A world where sessions are due every second, and the counts of what happens in it.
async fn stage() -> people::Stage {
    let mut world = World::new().prepare().await;
    world.settings.renew_sessions();
    world.settings.replace("hard = \"12h\"", "hard = \"12h\"\nrenew = \"1s\"\nrenew_grace = \"0s\"");
    people::Stage { world, progress: Progress::default() }
}

/// What somebody was about when the gateway was killed.
enum UnderWay {
    SignIn(Option<Person>),
    Renewal(Person),
    Logout(Person, bool),
    Return(Person, Fate),
}

impl Everybody {
    /// Everything at once, until the gateway is gone.
    fn storm(&mut self, stage: &Arc<people::Stage>, random: &mut Random) -> JoinSet<UnderWay> {
        let mut under_way = JoinSet::new();
        for _ in 0..SIGN_INS {
            let signing_in = people::sign_in(stage.clone());
            under_way.spawn(async { UnderWay::SignIn(signing_in.await) });
        }
        for _ in 0..LOGOUTS {
            let Some(person) = random.take(&mut self.fresh) else { break };
            let leaving = person.log_out(stage.clone());
            under_way.spawn(async {
                let (person, told) = leaving.await;
                UnderWay::Logout(person, told)
            });
        }
        for _ in 0..RENEWALS {
            let Some(person) = random.take(&mut self.fresh) else { break };
            let asking = person.ask_on(stage.clone());
            under_way.spawn(async { UnderWay::Renewal(asking.await) });
        }
        // The last crash may have met these.
        let last = self.signed_out.len().saturating_sub(LOGOUTS);
        for person in self.signed_out.drain(last..) {
            let (stage, mut person) = (stage.clone(), person);
            under_way.spawn(async move {
                let fate = person.is_out(&stage).await;
                UnderWay::Return(person, fate)
            });
        }
        for person in self.unsure.drain(..) {
            let (stage, mut person) = (stage.clone(), person);
            under_way.spawn(async move {
                let fate = person.is_in(&stage).await;
                UnderWay::Return(person, fate)
            });
        }
        under_way
    }

    /// Sorts them by what they were told.
    async fn settle(&mut self, mut under_way: JoinSet<UnderWay>) {
        while let Some(done) = under_way.join_next().await {
            match done.expect("nobody panics") {
                UnderWay::SignIn(person) => self.fresh.extend(person),
                UnderWay::Renewal(person) => self.signed_in.push(person),
                UnderWay::Logout(person, _) if person.is_wronged() => self.signed_in.push(person),
                UnderWay::Logout(person, true) => self.signed_out.push(person),
                UnderWay::Logout(person, false) => self.unsure.push(person),
                UnderWay::Return(person, _) if person.was_told_out() => self.signed_out.insert(0, person),
                // It may end yet, since the logout was begun: nothing was promised.
                UnderWay::Return(_, Fate::Kept) => {}
                // It is out, and was to be: so it stays out.
                UnderWay::Return(person, Fate::Lost(_)) => self.signed_out.insert(0, person.told_out()),
                UnderWay::Return(person, Fate::Unknown(_)) => self.unsure.push(person),
            }
        }
    }
}

/// What comes of them all, at once.
async fn everybody<T: Send + 'static>(of: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    of.collect::<JoinSet<T>>().join_all().await
}

fn count(said: &[u8], text: &str) -> usize {
    String::from_utf8_lossy(said).matches(text).count()
}
