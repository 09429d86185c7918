use std::fs;

use super::*;
use crate::{
    background::Background,
    database::Database,
    jws::{self, TokenKind},
    keyring::{SignedBy, seal::Purpose},
    testing::Folder,
    verdict::Stop,
};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn after(time: Duration) -> Now {
    Now::at(START + time)
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

struct Bench {
    folder: Folder,
    data: crate::data_folder::DataFolder,
    keyring: Keyring,
}

impl Bench {
    async fn new() -> Self {
        let folder = Folder::new();
        let data = folder.taken();
        let keyring = Keyring::open(&data, &store(&folder), after(Duration::ZERO)).await.expect("both are absent");
        Self { folder, data, keyring }
    }

    /// Another process that opens what is on disk.
    async fn opened_again(&self) -> Keyring {
        Keyring::open(&self.data, &store(&self.folder), after(Duration::ZERO)).await.expect("it is whole")
    }

    fn rotate(&self, when: TakeOver, time: Duration) {
        self.keyring.rotate(self.data.place(), when, after(time)).expect("the folder can be written");
    }

    fn advance(&self, time: Duration) -> bool {
        self.keyring.advance(self.data.place(), after(time)).expect("the folder can be written")
    }
}

fn store(folder: &Folder) -> Database {
    Database::at(folder.path().join("store.sqlite"), Background::current(), Duration::from_millis(500))
}

/// A ticket that lasts as long as any may.
fn ticket(keyring: &Keyring, time: Duration) -> String {
    keyring.seals().seal(Purpose::Ticket, START + time + LONGEST_SEALED, b"ada")
}

fn opened(keyring: &Keyring, ticket: &str, time: Duration) -> &'static str {
    match keyring.seals().open(Purpose::Ticket, ticket, after(time)) {
        Ok(_) => "opens",
        Err(Stop::Rejected(rejected)) => rejected.reason().as_str(),
        Err(Stop::Unavailable(_)) => "unavailable",
    }
}

fn device_token(keyring: &Keyring) -> String {
    keyring.sign(jws::DEVICE_TOKEN, &serde_json::json!({ "iss": "us" })).expect("an object can be signed")
}

fn signer(keyring: &Keyring, token: &str) -> SignedBy {
    keyring.signer_of(&jws::read(token, TokenKind::Device).expect("it is a token"))
}

fn published(keyring: &Keyring) -> usize {
    keyring.public_keys()["keys"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn what_old_keys_made_is_good_until_it_is_over_and_dead_after_that() {
    let bench = Bench::new().await;
    let mut made = Vec::new();
    for round in 0..5 {
        let time = days(round);
        made.push((time, ticket(&bench.keyring, time), device_token(&bench.keyring)));
        bench.rotate(TakeOver::Now, time);
        for keyring in [&bench.keyring, &bench.opened_again().await] {
            for (made_at, ticket, token) in &made {
                assert_eq!(opened(keyring, ticket, time), "opens", "made at {made_at:?}, looked at {time:?}");
                assert_eq!(signer(keyring, token), SignedBy::Us);
            }
        }
    }
    bench.advance(days(29));
    assert_eq!(opened(&bench.keyring, &made[0].1, days(29)), "opens");
    assert!(bench.advance(days(31) + Duration::from_secs(1)), "the first key has no work left");
    for keyring in [&bench.keyring, &bench.opened_again().await] {
        assert_eq!(opened(keyring, &made[0].1, Duration::ZERO), "bad-seal", "whatever the ticket says of its time");
        assert_eq!(opened(keyring, &made[1].1, days(29)), "opens");
        assert_eq!(signer(keyring, &made[0].2), SignedBy::Us, "a printed token lasts ten years");
    }
    assert!(bench.advance(LONGEST_SIGNED + days(10)));
    assert_eq!(signer(&bench.keyring, &made[0].2), SignedBy::RetiredKey);
    assert_eq!(signer(&bench.keyring, &device_token(&Bench::new().await.keyring)), SignedBy::UnknownKey);
    let foreign = ticket(&Bench::new().await.keyring, Duration::ZERO);
    assert_eq!(opened(&bench.keyring, &foreign, Duration::ZERO), "unavailable");
}

#[tokio::test]
async fn a_signing_key_is_published_for_a_day_before_it_signs() {
    let bench = Bench::new().await;
    let name = |token: &str| jws::read(token, TokenKind::Device).expect("a token").kid().map(ToOwned::to_owned);
    let before = name(&device_token(&bench.keyring));
    bench.rotate(TakeOver::OncePublished, Duration::ZERO);
    assert_eq!(published(&bench.keyring), 2);
    let next = bench.keyring.public_keys()["keys"][1]["kid"].as_str().map(ToOwned::to_owned);
    bench.rotate(TakeOver::OncePublished, days(0));
    assert_eq!(published(&bench.keyring), 2, "another rotation waits for the same key");
    assert!(!bench.advance(Duration::from_secs(DAY - 1)));
    assert_eq!(name(&device_token(&bench.keyring)), before);
    assert!(bench.advance(days(1) + Duration::from_secs(1)));
    assert_eq!(name(&device_token(&bench.keyring)), next);
    assert_eq!(published(&bench.keyring), 2, "services may still hold what the old one signed");
    assert!(bench.advance(days(2) + Duration::from_secs(2)));
    assert_eq!(published(&bench.keyring), 1);
    assert!(!bench.advance(days(3)), "there is nothing more to do");
}

#[tokio::test]
async fn a_rotation_that_cannot_be_written_changes_nothing() {
    let bench = Bench::new().await;
    let before = (bench.keyring.list(), ticket(&bench.keyring, Duration::ZERO));
    let in_the_way = bench.folder.path().join("keyring.new");
    fs::create_dir_all(in_the_way.join("full")).expect("the folder can be written");
    bench
        .keyring
        .rotate(bench.data.place(), TakeOver::Now, after(Duration::ZERO))
        .expect_err("something is in the way");
    assert_eq!(bench.keyring.list(), before.0);
    let after_failure = ticket(&bench.keyring, Duration::ZERO);
    fs::remove_dir_all(in_the_way).expect("it is there");
    let again = bench.opened_again().await;
    assert_eq!(
        opened(&again, &after_failure, Duration::ZERO),
        "opens",
        "nothing was sealed by a key that is not on disk"
    );
    fs::write(bench.folder.path().join("keyring.new"), "{ \"version\"").expect("a write that was cut short");
    bench.rotate(TakeOver::Now, Duration::ZERO);
    assert_eq!(opened(&bench.opened_again().await, &before.1, Duration::ZERO), "opens");
}

#[tokio::test]
async fn an_old_key_can_be_thrown_away_and_the_current_one_cannot() {
    let bench = Bench::new().await;
    let (old_ticket, old_token) = (ticket(&bench.keyring, Duration::ZERO), device_token(&bench.keyring));
    bench.rotate(TakeOver::Now, Duration::ZERO);
    for key in bench.keyring.list() {
        let retired = bench.keyring.retire(bench.data.place(), &key.id);
        assert_eq!(retired.is_ok(), matches!(key.state, KeyState::Old(_)), "{key}");
    }
    for keyring in [&bench.keyring, &bench.opened_again().await] {
        assert_eq!(opened(keyring, &old_ticket, Duration::ZERO), "bad-seal");
        assert_eq!(signer(keyring, &old_token), SignedBy::RetiredKey);
        assert_eq!(opened(keyring, &ticket(keyring, Duration::ZERO), Duration::ZERO), "opens");
    }
}

#[tokio::test]
async fn no_key_is_retired_while_the_clock_is_in_doubt() {
    let bench = Bench::new().await;
    bench.rotate(TakeOver::OncePublished, Duration::ZERO);
    let clock = crate::clock::Clock::standing_at(START);
    clock.step_wall(60 * 24 * 3600 * 1000);
    let in_doubt = clock.now();
    assert!(in_doubt.is_in_doubt());
    assert!(!bench.keyring.advance(bench.data.place(), in_doubt).expect("the folder can be written"));
}

#[tokio::test]
async fn a_keyring_in_place_of_ours_is_not_written_over() {
    let (ours, theirs) = (Bench::new().await, Bench::new().await);
    let path = ours.folder.path().join("keyring");
    let foreign = fs::read(theirs.folder.path().join("keyring")).expect("it was made");
    fs::write(&path, &foreign).expect("the folder can be written");
    ours.keyring.rotate(ours.data.place(), TakeOver::Now, after(Duration::ZERO)).expect_err("it is another's");
    assert_eq!(fs::read(&path).expect("it is there"), foreign);
}
