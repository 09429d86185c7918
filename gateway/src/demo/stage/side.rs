//! One side of the stage: a wall of displays and a few people, behind the same kind of gate.

use auth_core::Timestamp;
use futures_util::future::join_all;
use url::Url;

use super::super::{
    cast::{Display, Person, Turned},
    state::{Counts, SideState},
};

/// The rooms before which displays hang, on both sides.
pub(super) const ROOMS: [&str; 24] = [
    "Oslo", "Kyoto", "Quito", "Lima", "Cairo", "Porto", "Turin", "Delhi", "Accra", "Bergen", "Hanoi", "Sofia", "Riga",
    "Tunis", "Dakar", "Perth", "Leeds", "Lyon", "Basel", "Ghent", "Split", "Tampa", "Cork", "Nara",
];

/// The people on both sides: what they are called, and who they are to the provider.
pub(super) const PEOPLE: [(&str, &str); 4] = [("Ada", "ada"), ("Grace", "grace"), ("Alan", "alan"), ("Emmy", "emmy")];

/// One side.
pub(super) struct Side {
    wall: Vec<Display>,
    people: Vec<Person>,
    login: &'static str,
    counts: Counts,
}

impl Side {
    /// People at `site`, and displays behind `devices` that hold these tokens, each that of its room.
    pub(super) fn new(site: &Url, login: &'static str, devices: &Url, tokens: &[String]) -> Self {
        let display =
            |(room, token): (&&'static str, &String)| Display::activated(room, devices.clone(), token.clone());
        Self {
            wall: ROOMS.iter().zip(tokens).map(display).collect(),
            people: PEOPLE.iter().map(|(name, subject)| Person::new(name, subject, site.clone())).collect(),
            login,
            counts: Counts::default(),
        }
    }

    /// Everybody asks once. What became of each display.
    pub(super) async fn act(&mut self, at: Timestamp) -> Vec<(&'static str, Turned)> {
        let displays = self.wall.iter_mut().map(async |display| (display.room(), display.act(at).await));
        let people = self.people.iter_mut().map(Person::act);
        let (turned, out) = tokio::join!(join_all(displays), join_all(people));
        self.counts.signed_out += count(out.into_iter().filter(|out| *out).count());
        self.counts.typed += count(turned.iter().filter(|turn| turn.1 == Turned::Activated).count());
        self.counts.count(self.wall.iter().map(Display::mood));
        turned
    }

    pub(super) fn add_erased(&mut self, displays: usize) {
        self.counts.erased += count(displays);
    }

    /// The token of the display before `room`, if it has one.
    pub(super) fn token_before(&self, room: &str) -> Option<&str> {
        self.wall.iter().find(|display| display.room() == room)?.token()
    }

    /// Whoever is signed out signs in again, if they can.
    pub(super) async fn everybody_signs_in(&mut self) {
        let out = self.people.iter_mut().filter(|person| !person.is_signed_in());
        for could in join_all(out.map(|person| person.sign_in(self.login))).await {
            if let Err(no_answer) = could {
                tracing::warn!(%no_answer, "somebody could not sign in");
            }
        }
    }

    /// The PINs that displays show, and the rooms before which these hang.
    pub(super) fn pins(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.wall.iter().filter_map(|display| Some((display.room(), display.pin()?.to_owned())))
    }

    /// The last display is taken off the wall, and a new one hung in its place.
    pub(super) fn hang_a_new_one(&mut self) {
        if let Some(display) = self.wall.last_mut() {
            display.replace();
        }
    }

    /// Whether nobody waits for a person to help.
    pub(super) fn is_whole(&self) -> bool {
        self.counts.asking == 0 && self.people.iter().all(Person::is_signed_in)
    }

    pub(super) fn view(&self, time: &str) -> SideState {
        SideState {
            counts: self.counts,
            displays: self.wall.iter().map(|display| display.view(time)).collect(),
            people: self.people.iter().map(Person::view).collect(),
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
