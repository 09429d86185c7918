//! A fleet that lost its service at one moment comes back: a hundred thousand of the real state machines, and the
//! gateway's own reckoning of when each of them is to come, in virtual time and without a socket.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, time::Duration};

use auth_core::{
    Now, Timestamp,
    client::{
        ClientAction, ClientEvent, ClientKey, ClientSettings, ClientState, Concealed, DeviceClient, DeviceCredential,
        HttpAnswer, Moment, StoredState,
    },
};
use gateway::limits::Backlog;
use libtest_mimic::Trial;

use crate::{plain, report};

const DEVICES: u32 = 100_000;
const A_SECOND: u32 = 500;
/// What it would take if each came exactly when there is room for it.
const IDEAL: Duration = Duration::from_secs((DEVICES / A_SECOND) as u64);
/// When the service comes back. Before, every device is known to it.
const BACK_AT: Duration = Duration::from_secs(1800);
const LAST_MINUTE: Duration = Duration::from_secs(60);
/// So many tries a second they may make in the last minute of a long outage, which has reached the longest wait. They are in
/// vain, and cost the network alone.
const MOST_IN_VAIN: u32 = DEVICES / 100;

pub(crate) fn tests() -> Vec<Trial> {
    vec![plain("returning::a_hundred_thousand_devices_come_back_in_the_time_it_takes", come_back)]
}

/// How the service was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    /// The power was gone: all are switched on within ten seconds, when the service is there.
    PowerCut,
    /// For ten minutes the gateway was there and what is behind it was not: each device was told when to come.
    Unavailable,
    /// Nothing answered for so long, and each device asked by itself, later each time.
    Silence(Duration),
}

const TWO_MINUTES: Outage = Outage::Silence(Duration::from_secs(120));
const TWENTY_MINUTES: Outage = Outage::Silence(Duration::from_secs(1200));

impl Outage {
    /// When the device with this number asks for the first time in vain, or for the first time at all.
    fn first(self, random: &mut Random) -> Duration {
        match self {
            Self::PowerCut => BACK_AT + random.up_to(10_000),
            Self::Unavailable => BACK_AT - Duration::from_secs(600) + random.up_to(60_000),
            Self::Silence(lasted) => BACK_AT - lasted + random.up_to(60_000),
        }
    }

    fn words(self) -> String {
        match self {
            Self::PowerCut => "after a power cut".to_owned(),
            Self::Unavailable => "after ten minutes of 503".to_owned(),
            Self::Silence(lasted) => format!("after {} minutes of silence", lasted.as_secs() / 60),
        }
    }
}

/// Numbers that look random, always the same (`SplitMix64`).
struct Random(u64);

struct Service {
    backlog: Backlog,
    /// The second under way, and how many were served in it.
    second: (u64, u32),
}

/// What came of it.
#[derive(Debug)]
struct Return {
    after: Duration,
    tries: f64,
    busiest_second: u32,
    /// How many tries a second were in vain in the last minute before it was over.
    in_vain: u32,
}

fn come_back() {
    for outage in [Outage::PowerCut, Outage::Unavailable, TWO_MINUTES, TWENTY_MINUTES] {
        let came = simulate(outage);
        let (after, ideal) = (came.after.as_secs_f64(), IDEAL.as_secs());
        report::say(format!(
            "returning: {DEVICES} devices at {A_SECOND}/s {}: {after:.0} s (ideal {ideal} s), {:.2} tries a device, at most {}/s; {}/s in vain before",
            outage.words(),
            came.tries,
            came.busiest_second,
            came.in_vain,
        ));
        assert!(came.after <= IDEAL * 13 / 10 && came.tries < 2.5, "{outage:?}: {came:?}");
        let grows_rare = matches!(outage, TWENTY_MINUTES | Outage::Unavailable);
        assert!(!grows_rare || came.in_vain <= MOST_IN_VAIN, "{outage:?}: {came:?}");
    }
}

fn simulate(outage: Outage) -> Return {
    let mut random = Random(2021);
    let settings = settings();
    let mut service = Service { backlog: Backlog::default(), second: (0, 0) };
    let mut fleet: Vec<DeviceClient> = Vec::with_capacity(DEVICES as usize);
    let mut switched_on = vec![false; DEVICES as usize];
    let mut timers = BinaryHeap::new();
    for number in 0..DEVICES {
        service.backlog.served(hash_of(number), at(Duration::ZERO));
        let first = outage.first(&mut random);
        let moment = Moment { now: first, wall: 0, entropy: random.entropy() };
        fleet.push(DeviceClient::new(settings.clone(), stored(&moment), &moment));
        timers.push(Reverse((first, number)));
    }
    let (mut tries, mut in_vain, mut back, mut last, mut seconds) = (0_u32, 0, 0, Duration::ZERO, vec![0_u32; 4000]);
    while let Some(Reverse((now, number))) = timers.pop() {
        let device = &mut fleet[number as usize];
        let is_on = std::mem::replace(&mut switched_on[number as usize], true);
        let mut event = Some(if is_on { ClientEvent::Timer } else { ClientEvent::Boot });
        while let Some(told) = event.take() {
            let moment = Moment { now, wall: 0, entropy: random.entropy() };
            for action in device.handle(told, &moment) {
                match action {
                    ClientAction::Send { request } => {
                        if now >= BACK_AT {
                            tries += 1;
                            seconds[usize::try_from((now - BACK_AT).as_secs()).expect("not for ever")] += 1;
                        } else if now + LAST_MINUTE >= BACK_AT {
                            in_vain += 1;
                        }
                        let answer = match outage {
                            _ if now >= BACK_AT => service.answer(number, now, &mut random),
                            Outage::Unavailable => service.turn_away(now, &mut random),
                            Outage::Silence(_) | Outage::PowerCut => HttpAnswer::none(),
                        };
                        event = Some(ClientEvent::Answer { number: request.number, answer });
                    }
                    ClientAction::Timer { at } if event.is_none() && device.state() != ClientState::Active => {
                        timers.push(Reverse((at, number)));
                    }
                    _ => {}
                }
            }
        }
        if device.state() == ClientState::Active {
            (back, last) = (back + 1, now);
        }
    }
    assert_eq!(back, DEVICES, "all came back");
    let busiest_second = seconds.into_iter().max().unwrap_or_default();
    let tries = f64::from(tries) / f64::from(DEVICES);
    Return { after: last - BACK_AT, tries, busiest_second, in_vain: in_vain / 60 }
}

impl Service {
    /// Serves five hundred a second, and tells all others when to come.
    fn answer(&mut self, number: u32, now: Duration, random: &mut Random) -> HttpAnswer {
        let second = now.as_secs();
        if self.second.0 != second {
            self.second = (second, 0);
        }
        if self.second.1 < A_SECOND {
            self.second.1 += 1;
            self.backlog.served(hash_of(number), at(now));
            return answer(200, "{}");
        }
        self.turn_away(now, random)
    }

    fn turn_away(&mut self, now: Duration, random: &mut Random) -> HttpAnswer {
        self.backlog.turned_away(at(now));
        let spread = u64::try_from(self.backlog.spread(A_SECOND).as_millis()).expect("not for ever");
        HttpAnswer { retry_after: Some(1 + random.up_to(spread).as_secs()), ..answer(503, "") }
    }
}

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn up_to(&mut self, millis: u64) -> Duration {
        Duration::from_millis(self.next() % (millis + 1))
    }

    fn entropy(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        bytes
    }
}

/// By what the gateway tells devices apart.
fn hash_of(number: u32) -> u64 {
    Random(u64::from(number)).next()
}

fn at(time: Duration) -> Now {
    Now::at(Timestamp::from_millis(i64::try_from(time.as_millis()).expect("not for ever")))
}

fn answer(status: u16, body: &str) -> HttpAnswer {
    HttpAnswer {
        status: Some(status),
        content_type: Some("application/json".to_owned()),
        body: body.to_owned(),
        ..HttpAnswer::default()
    }
}

fn settings() -> Arc<ClientSettings> {
    Arc::new(ClientSettings {
        origin: "https://app.example.com".to_owned(),
        own_prefix: "/.candor".to_owned(),
        data_path: "/api/v1/calendar".to_owned(),
        every: Duration::from_secs(60),
        hardware_id: "simulated".to_owned(),
        model: "simulated".to_owned(),
        app_version: "1".to_owned(),
    })
}

fn stored(moment: &Moment) -> StoredState {
    StoredState {
        key: Some(ClientKey::new(moment)),
        credential: Some(DeviceCredential {
            device_id: "d".to_owned(),
            token: Concealed("t".to_owned()),
            tenant: "acme".to_owned(),
            room: "4.12".to_owned(),
            generation: 1,
            statement_keys: Vec::new(),
        }),
        ..StoredState::default()
    }
}
