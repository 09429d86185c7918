//! Activation from the first PIN to the token, and everybody who is not meant by it.

use std::collections::BTreeSet;

use aws_lc_rs::rand;
use secrecy::ExposeSecret;

use super::*;
use crate::{
    dependency::Dependency,
    device::{
        proof::ProvenDeviceKey,
        registry::{NewDevice, Order},
    },
    principal::{BindingState, Generation},
    testing::fleet::{Fleet, administrator, display, key, network},
};

fn word(answer: &PollAnswer) -> &'static str {
    match answer {
        PollAnswer::Pending { .. } => "pending",
        PollAnswer::SlowDown { .. } => "slow-down",
        PollAnswer::Granted(_) => "granted",
        PollAnswer::Expired => "expired",
    }
}

async fn poll(fleet: &Fleet, key: &ProvenDeviceKey, activation: &Activation) -> &'static str {
    let code = activation.device_code.expose_secret();
    let polled = fleet.devices.poll_activation(key, activation.id.as_str(), code, fleet.now()).await;
    word(&polled.expect("healthy"))
}

async fn find(fleet: &Fleet, pin: Pin, who: &Administrator) -> &'static str {
    find_by(fleet, pin, TypedTag::NotAsked, who).await
}

async fn find_by(fleet: &Fleet, pin: Pin, tag: TypedTag, who: &Administrator) -> &'static str {
    match fleet.devices.find_pin(pin, tag, who, fleet.now()).await.expect("healthy") {
        PinAnswer::Found(_) => "found",
        PinAnswer::NotFound { .. } => "not found",
        PinAnswer::AsksTag => "tag?",
        PinAnswer::TooManyGuesses { .. } => "too many",
    }
}

/// One that nobody shows: of another length.
fn wrong(number: u32) -> Pin {
    format!("{number:08}").parse().expect("a PIN")
}

#[tokio::test]
async fn a_pin_leads_to_a_token() {
    let (fleet, key) = (Fleet::new().await, key());
    let activation = fleet.begin(&key).await;
    assert_eq!(activation.expires_in, Duration::from_secs(600));
    assert_eq!(activation.pin.to_string().len(), 6);
    assert_eq!(poll(&fleet, &key, &activation).await, "pending");
    let who = administrator("ada", &["acme", "globex"]);
    let PinAnswer::Found(found) =
        fleet.devices.find_pin(activation.pin, TypedTag::NotAsked, &who, fleet.now()).await.expect("healthy")
    else {
        panic!("it is open")
    };
    assert_eq!((&*found.model, &*found.hardware_id, found.first_seen), ("Wall 10", "s1", None));
    assert_eq!(found.tenants, ["acme", "globex"]);
    let binding = fleet.confirm(found.activation.as_str(), "globex", &who).await.expect("it is open");
    assert_eq!((&*binding.tenant, &*binding.room, binding.generation), ("globex", "4.12", Generation::FIRST));
    assert_eq!(poll(&fleet, &key, &activation).await, "granted");
    assert_eq!(poll(&fleet, &key, &activation).await, "granted", "the first answer was lost");
    assert_eq!(fleet.audited().await, ["device-registered", "binding-made", "activation-confirmed"]);
    assert_eq!(find(&fleet, activation.pin, &who).await, "not found", "it was used");
    let again = fleet.confirm(found.activation.as_str(), "globex", &who).await.expect("the same again");
    assert_eq!(again, binding);
    assert!(fleet.confirm(found.activation.as_str(), "acme", &who).await.is_none(), "it hangs elsewhere");
    let other = administrator("eve", &["globex"]);
    assert!(fleet.confirm(found.activation.as_str(), "globex", &other).await.is_none());
}

#[tokio::test]
async fn the_same_key_has_one_pin_until_it_is_over() {
    let (fleet, key) = (Fleet::new().await, key());
    let first = fleet.begin(&key).await;
    fleet.pass(599);
    let second = fleet.begin(&key).await;
    assert!(second.pin == first.pin && second.id == first.id);
    assert_eq!(second.device_code.expose_secret(), first.device_code.expose_secret());
    assert_eq!(second.expires_in, Duration::from_secs(1));
    fleet.pass(1);
    assert_eq!(poll(&fleet, &key, &first).await, "expired");
    let third = fleet.begin(&key).await;
    assert!(third.pin != first.pin && third.id != first.id);
}

#[tokio::test]
async fn unknown_over_and_foreign_are_one_answer_to_a_device() {
    let (fleet, mine, other) = (Fleet::new().await, key(), key());
    let (activation, others) = (fleet.begin(&mine).await, fleet.begin(&other).await);
    let ask = async |key: &ProvenDeviceKey, id: &str, code: &str| {
        word(&fleet.devices.poll_activation(key, id, code, fleet.now()).await.expect("healthy"))
    };
    let code = activation.device_code.expose_secret();
    assert_eq!(ask(&other, activation.id.as_str(), code).await, "expired", "another's key");
    assert_eq!(ask(&mine, others.id.as_str(), others.device_code.expose_secret()).await, "expired");
    assert_eq!(ask(&mine, others.id.as_str(), code).await, "expired", "another's activation");
    assert_eq!(ask(&mine, activation.id.as_str(), &code[1..]).await, "expired");
    for id in ["", "6", "nonsense", "6AAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(ask(&mine, id, code).await, "expired", "{id}");
    }
    assert_eq!(ask(&mine, activation.id.as_str(), code).await, "pending");
}

#[tokio::test]
async fn who_polls_too_often_is_slowed_down_and_no_more() {
    let (fleet, key) = (Fleet::new().await, key());
    let activation = fleet.begin(&key).await;
    let mut said = Vec::new();
    for wait in [0, 1, 5, 4, 3, 10] {
        fleet.pass(wait);
        said.push(poll(&fleet, &key, &activation).await);
    }
    assert_eq!(said, ["pending", "slow-down", "pending", "pending", "slow-down", "pending"]);
    fleet.activated(&key, "acme").await;
    assert_eq!(poll(&fleet, &key, &activation).await, "granted", "that is not made to wait");
}

#[tokio::test]
async fn what_was_confirmed_is_granted_as_long_as_it_stands() {
    let (fleet, key) = (Fleet::new().await, key());
    let activation = fleet.begin(&key).await;
    let binding = fleet.activated(&key, "acme").await;
    fleet.pass(3_600);
    assert_eq!(poll(&fleet, &key, &activation).await, "granted", "the network was away for an hour");
    fleet.change(&binding, BindingState::Revoked).await;
    assert_eq!(poll(&fleet, &key, &activation).await, "expired");
    let again = fleet.activated(&key, "acme").await;
    assert_eq!((again.device, again.generation), (binding.device, Generation::new(2)));
}

#[tokio::test]
async fn a_pin_of_a_display_that_stands_somewhere_is_visible_there_only() {
    let fleet = Fleet::new().await;
    let (known, renamed) = (key(), key());
    let (acme, globex) = (administrator("ada", &["acme"]), administrator("eve", &["globex"]));
    let binding = fleet.activated(&known, "acme").await;
    // By its key, and by its serial number after it was reset.
    for key in [&known, &renamed] {
        let activation = fleet.begin(key).await;
        assert_eq!(find(&fleet, activation.pin, &globex).await, "not found");
        assert_eq!(find(&fleet, activation.pin, &acme).await, "found");
        assert!(fleet.confirm(activation.id.as_str(), "globex", &globex).await.is_none());
    }
    let PinAnswer::Found(found) = fleet
        .devices
        .find_pin(fleet.begin(&known).await.pin, TypedTag::NotAsked, &acme, fleet.now())
        .await
        .expect("healthy")
    else {
        panic!("it is open")
    };
    assert!(found.first_seen.is_some(), "its key is known");
    // Once it is let go of, anybody may have it.
    fleet.change(&binding, BindingState::Revoked).await;
    fleet.pass(601);
    assert_eq!(find(&fleet, fleet.begin(&known).await.pin, &globex).await, "found");
}

#[tokio::test]
async fn displays_in_the_same_network_are_counted_as_neighbours() {
    let fleet = Fleet::new().await;
    for (network, near, far) in [
        ("192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7"], "192.0.2.8"),
        ("2001:db8:1:2::7", ["2001:db8:1:2::8", "2001:db8:1:2:ffff::"], "2001:db8:1:3::7"),
    ] {
        for address in near.into_iter().chain([far]) {
            let binding = fleet.activated(&key(), "acme").await;
            fleet.devices.saw(binding.device, Some(address.parse().expect("an address")), fleet.now());
            fleet.pass(60);
        }
        let order = Order { who: "root".to_owned(), why: "a test".to_owned() };
        let (tenant, room) = ("globex".to_owned(), "1".to_owned());
        let foreign = NewDevice { description: display("s3"), key: None, tenant, room };
        let foreign = fleet.devices.registry().register(foreign, order, fleet.now()).await.expect("healthy");
        fleet.devices.saw(foreign.id, Some(near[0].parse().expect("an address")), fleet.now());
        fleet.devices.write_last_seen().await.expect("healthy");
        let network = AskingNetwork::of(network.parse().expect("an address"));
        let begun = fleet.devices.begin_activation(&key(), display("s2"), &network, fleet.now()).await;
        let Ok(BeginAnswer::Begun(activation)) = begun else { panic!("it is the first of its network") };
        let who = administrator("ada", &["acme"]);
        let found =
            fleet.devices.find_pin(activation.pin, TypedTag::NotAsked, &who, fleet.now()).await.expect("healthy");
        let PinAnswer::Found(found) = found else { panic!("{found:?}") };
        assert_eq!(found.neighbours, 2, "{network:?}");
        fleet.pass(60);
    }
}

#[tokio::test]
async fn a_serial_number_gives_nobody_another_displays_place() {
    let (fleet, mine, thief) = (Fleet::new().await, key(), key());
    let binding = fleet.activated(&mine, "acme").await;
    let stolen = fleet.activated(&thief, "acme").await;
    assert_ne!(stolen.device, binding.device);
}

#[tokio::test]
async fn wrong_over_used_and_foreign_pins_are_one_answer_and_each_is_a_guess() {
    let fleet = Fleet::new().await;
    let keys: Vec<_> = (0..4).map(|_| key()).collect();
    let over = fleet.begin(&keys[0]).await;
    fleet.pass(600);
    let who = administrator("ada", &["acme"]);
    let used = fleet.begin(&keys[1]).await;
    fleet.confirm(used.id.as_str(), "acme", &who).await.expect("it is open");
    let foreign = match fleet.devices.begin_activation(&keys[1], display("s1"), &network(1), fleet.now()).await {
        Ok(BeginAnswer::Begun(activation)) => activation,
        _ => panic!("it is begun"),
    };
    let (other, mut said) = (administrator("eve", &["globex"]), BTreeSet::new());
    for pin in [over.pin, used.pin, foreign.pin, wrong(1)] {
        said.insert(format!(
            "{:?}",
            fleet.devices.find_pin(pin, TypedTag::NotAsked, &other, fleet.now()).await.expect("healthy")
        ));
    }
    assert_eq!(said.into_iter().collect::<Vec<_>>(), ["NotFound { asks_tag: false }"]);
    assert_eq!(find(&fleet, wrong(2), &other).await, "not found", "the fifth");
    assert_eq!(find(&fleet, wrong(3), &other).await, "too many");
    assert_eq!(find(&fleet, foreign.pin, &who).await, "found", "others are not stopped");
}

#[tokio::test]
async fn who_has_guessed_too_often_waits_and_hears_nothing_meanwhile() {
    let (fleet, key) = (Fleet::new().await, key());
    let who = administrator("ada", &["acme"]);
    for number in 0..5 {
        assert_eq!(find(&fleet, wrong(number), &who).await, "not found");
        fleet.pass(60);
    }
    let open = fleet.begin(&key).await;
    let PinAnswer::TooManyGuesses { retry_after } =
        fleet.devices.find_pin(open.pin, TypedTag::NotAsked, &who, fleet.now()).await.expect("healthy")
    else {
        panic!("five were wrong")
    };
    assert_eq!(
        retry_after,
        Duration::from_secs(15 * 60 - 5 * 60),
        "until the first of them is a quarter of an hour old"
    );
    fleet.pass(retry_after.as_secs() - 1);
    assert_eq!(find(&fleet, wrong(1), &who).await, "too many");
    fleet.pass(1);
    let open = fleet.begin(&key).await;
    assert_eq!(find(&fleet, open.pin, &who).await, "found", "what is right costs nothing");
    assert_eq!(find(&fleet, wrong(1), &who).await, "not found");
}

/// A wrong PIN that was looked at.
struct Guess {
    at: u64,
    who: String,
    tenant: &'static str,
    from: u8,
    with_tag: bool,
}

#[tokio::test]
async fn no_administrator_tenant_or_network_has_more_guesses_than_its_budget() {
    let fleet = Fleet::new().await;
    for _ in 0..3 {
        fleet.begin(&key()).await;
    }
    let mut guesses: Vec<Guess> = Vec::new();
    let drawn = || {
        let mut byte = [0];
        rand::fill(&mut byte).expect("there is randomness");
        usize::from(byte[0])
    };
    let (people, tenants) = (["a", "b", "c", "d", "e", "f"], ["acme", "globex", "initech"]);
    let mut at = 0;
    for _ in 0..600 {
        let wait = u64::try_from(drawn() % 90).expect("small");
        fleet.pass(wait);
        at += wait;
        let (who, tenant, from) =
            (people[drawn() % 6], tenants[drawn() % 3], u8::try_from(drawn() % 4).expect("small"));
        let who = Administrator { network: network(from), ..administrator(who, &[tenant]) };
        let tag = [TypedTag::NotAsked, TypedTag::NoneShown, tag("BCDF")][drawn() % 3];
        if find_by(&fleet, wrong(7), tag, &who).await == "not found" {
            guesses.push(Guess { at, who: who.who, tenant, from, with_tag: matches!(tag, TypedTag::Typed(_)) });
        }
    }
    let most_in = |within: u64, same: &dyn Fn(&Guess, &Guess) -> bool| {
        let before = |index: usize| {
            let last = &guesses[index];
            guesses[..=index].iter().filter(|guess| guess.at + within > last.at && same(guess, last)).count()
        };
        (0..guesses.len()).map(before).max()
    };
    assert!(guesses.len() > 60, "{}", guesses.len());
    assert!(most_in(900, &|one, other| one.who == other.who) <= Some(5));
    assert!(most_in(86_400, &|one, other| one.who == other.who) <= Some(20));
    // With a tag that was not asked for it is one at the PIN alone, so those of a tenant may only be counted apart.
    let at_pins = |one: &Guess, other: &Guess| one.tenant == other.tenant && !one.with_tag && !other.with_tag;
    assert!(most_in(3_600, &at_pins) <= Some(20));
    assert!(most_in(3_600, &|one, other| one.from == other.from) <= Some(20));
}

#[tokio::test]
async fn once_the_fleets_guesses_are_spent_new_pins_are_longer() {
    let fleet = Fleet::new().await;
    let before = fleet.begin(&key()).await;
    for number in 0..120_u32 {
        let tenant = format!("tenant{}", number / 5);
        let who = Administrator {
            network: network(u8::try_from(number / 5).expect("small")),
            ..administrator(&tenant, &[&tenant])
        };
        assert_eq!(find(&fleet, wrong(number), &who).await, "not found");
    }
    let after = fleet.begin(&key()).await;
    assert_eq!((before.pin.to_string().len(), after.pin.to_string().len()), (6, 8));
    let innocent = administrator("ada", &["acme"]);
    for open in [before, after] {
        assert_eq!(find(&fleet, open.pin, &innocent).await, "tag?");
        assert_eq!(find_by(&fleet, open.pin, TypedTag::Typed(open.tag), &innocent).await, "found", "nobody is stopped");
    }
    let old = keyless(&fleet, 201).await;
    assert_eq!(find_by(&fleet, old.pin, TypedTag::NoneShown, &innocent).await, "found", "nor where no tag is shown");
    fleet.pass(3_600);
    assert_eq!(fleet.begin(&key()).await.pin.to_string().len(), 6);
}

fn tag(text: &str) -> TypedTag {
    TypedTag::Typed(text.parse().expect("a tag"))
}

/// A device of before, in a network of this number.
async fn keyless(fleet: &Fleet, from: u8) -> Box<KeylessActivation> {
    match fleet.devices.begin_keyless(display("old"), &network(from), fleet.now()).await.expect("healthy") {
        KeylessBegin::Begun(activation) => activation,
        KeylessBegin::TooMany { .. } => panic!("too many"),
    }
}

/// Four people of a tenant mistype until its guesses are spent.
async fn spend_guesses_of(fleet: &Fleet, tenant: &str) {
    for person in 0..4 {
        for number in 0..5 {
            let who =
                Administrator { network: network(person), ..administrator(&format!("{tenant}{person}"), &[tenant]) };
            assert_eq!(find(fleet, wrong(number), &who).await, "not found");
        }
    }
}

#[tokio::test]
async fn once_a_tenants_guesses_are_spent_a_pin_is_found_by_its_tag_alone() {
    let fleet = Fleet::new().await;
    let (open, other) = (fleet.begin(&key()).await, fleet.begin(&key()).await);
    spend_guesses_of(&fleet, "acme").await;
    let ada = administrator("ada", &["acme"]);
    for pin in [open.pin, wrong(9)] {
        assert_eq!(find(&fleet, pin, &ada).await, "tag?", "whatever the PIN is");
        assert_eq!(find_by(&fleet, pin, TypedTag::NoneShown, &ada).await, "too many", "whatever the PIN is");
    }
    assert_eq!(find(&fleet, open.pin, &administrator("eve", &["globex"])).await, "found", "that is acme's own matter");
    let others = TypedTag::Typed(other.tag);
    let mut said = BTreeSet::new();
    for (pin, tag) in [(open.pin, others), (wrong(1), others), (keyless(&fleet, 9).await.pin, others)] {
        said.insert(format!("{:?}", fleet.devices.find_pin(pin, tag, &ada, fleet.now()).await.expect("healthy")));
    }
    assert_eq!(said.into_iter().collect::<Vec<_>>(), ["NotFound { asks_tag: true }"]);
    assert_eq!(find_by(&fleet, open.pin, TypedTag::Typed(open.tag), &ada).await, "found", "it stands before her");
    // A wrong tag is one guess of hers, and no more of the tenant's.
    for number in 0..2 {
        assert_eq!(find_by(&fleet, wrong(number), others, &ada).await, "not found");
    }
    assert_eq!(find_by(&fleet, open.pin, TypedTag::Typed(open.tag), &ada).await, "too many", "her own budget holds");
    fleet.pass(3_600);
    assert_eq!(find(&fleet, fleet.begin(&key()).await.pin, &ada).await, "found");
}

#[tokio::test]
async fn displays_without_a_tag_wait_an_hour_at_most_for_one_administrator() {
    let policy = ActivationPolicy { most_a_minute: 1_000, most_of_network: 1_000, ..ActivationPolicy::default() };
    let fleet = Fleet::with(policy).await;
    // So many displays with tags that the tenant's day is spent by four guesses.
    for _ in 0..240 {
        fleet.begin(&key()).await;
    }
    let (bad, ada) = (administrator("bad", &["acme"]), administrator("ada", &["acme"]));
    for number in 0..4 {
        assert_eq!(find(&fleet, wrong(number), &bad).await, "not found");
    }
    let old = keyless(&fleet, 9).await;
    assert_eq!(find(&fleet, old.pin, &ada).await, "tag?");
    assert_eq!(find_by(&fleet, old.pin, TypedTag::NoneShown, &ada).await, "found", "few of them are in reach");
    let shown = fleet.begin(&key()).await;
    assert_eq!(find_by(&fleet, shown.pin, TypedTag::NoneShown, &ada).await, "not found", "of those that show none");
}

#[tokio::test]
async fn open_pins_are_two_digits_apart_and_none_comes_again_within_a_day() {
    let policy = ActivationPolicy {
        most_of_network: 100_000,
        most_a_minute: 100_000,
        most: 100_000,
        ..ActivationPolicy::default()
    };
    let fleet = Fleet::with(policy).await;
    let (mut shown, mut open) = (BTreeSet::new(), Vec::new());
    for round in 0..3 {
        for _ in 0..80 {
            let pin = fleet.begin(&key()).await.pin.to_string();
            assert!(shown.insert(pin.clone()), "{pin} was shown before, in round {round}");
            open.push(pin);
        }
        for (place, pin) in open.iter().enumerate() {
            for other in &open[..place] {
                let distance = pin.bytes().zip(other.bytes()).filter(|(a, b)| a != b).count();
                assert!(distance >= 2, "{pin} {other}");
            }
        }
        open.clear();
        fleet.pass(601);
    }
}

#[tokio::test]
async fn a_taken_pin_and_its_neighbours_are_not_given_out() {
    let (fleet, key) = (Fleet::new().await, key());
    let activation = fleet.begin(&key).await;
    let (keys, pin, at) = (fleet.devices.keyring().clone(), activation.pin, fleet.now().anchor());
    let ask = async |pin: Pin, at: Timestamp| sql::is_pin_taken(&fleet.store, &keys.macs(), pin, at).await;
    assert!(ask(pin, at).await);
    for neighbour in pin.neighbours() {
        assert!(ask(neighbour, at).await, "{neighbour}");
        assert!(!ask(neighbour, at + Duration::from_secs(600)).await, "{neighbour}: it is over");
    }
    assert!(ask(pin, at + Duration::from_secs(23 * 3600)).await, "not within a day");
    let two_apart = pin
        .neighbours()
        .next()
        .expect("some")
        .neighbours()
        .find(|other| *other != pin && !pin.neighbours().any(|one| one == *other));
    assert!(!ask(two_apart.expect("some"), at).await);
}

#[tokio::test]
async fn too_many_pins_are_not_opened_and_those_that_are_stay() {
    let policy = ActivationPolicy { most_of_network: 3, most: 5, ..ActivationPolicy::default() };
    let fleet = Fleet::with(policy).await;
    let known = key();
    fleet.activated(&known, "acme").await;
    let ask = async |key: &ProvenDeviceKey, from: u8| match fleet
        .devices
        .begin_activation(key, display("s"), &network(from), fleet.now())
        .await
        .expect("healthy")
    {
        BeginAnswer::Begun(_) => None,
        BeginAnswer::TooMany { retry_after } => Some(retry_after.as_secs()),
    };
    let first = key();
    assert_eq!(ask(&first, 1).await, None);
    fleet.pass(10);
    for _ in 0..2 {
        assert_eq!(ask(&key(), 1).await, None);
    }
    assert_eq!(ask(&key(), 1).await, Some(590), "until the first is over");
    assert_eq!(ask(&first, 1).await, None, "its own is open");
    for _ in 0..2 {
        assert_eq!(ask(&key(), 2).await, None, "others may");
    }
    assert_eq!(ask(&key(), 3).await, Some(590), "all together");
    assert_eq!(ask(&known, 1).await, None, "whom we know is kept from nothing");
    fleet.pass(600);
    assert_eq!(ask(&key(), 1).await, None);
}

#[tokio::test]
async fn a_network_asks_for_ten_a_minute() {
    let fleet = Fleet::new().await;
    for _ in 0..10 {
        fleet.begin(&key()).await;
    }
    let ask = async || fleet.devices.begin_activation(&key(), display("s"), &network(1), fleet.now()).await;
    assert!(matches!(ask().await, Ok(BeginAnswer::TooMany { .. })));
    fleet.pass(60);
    assert!(matches!(ask().await, Ok(BeginAnswer::Begun(_))));
}

#[tokio::test]
async fn a_store_that_is_down_says_nothing_about_anybody() {
    let (fleet, key) = (Fleet::new().await, key());
    let (activation, who) = (fleet.begin(&key).await, administrator("ada", &["acme"]));
    fleet.break_store().await;
    let now = fleet.now();
    let devices = &fleet.devices;
    let down = |stopped: Option<Unavailable>| assert_eq!(stopped.map(|down| down.dependency), Some(Dependency::Store));
    down(devices.begin_activation(&key, display("s"), &network(1), now).await.err());
    let code = activation.device_code.expose_secret();
    down(devices.poll_activation(&key, activation.id.as_str(), code, now).await.err());
    down(devices.find_pin(activation.pin, TypedTag::NotAsked, &who, now).await.err());
    down(devices.confirm_activation(&activation.id, "acme", "4.12", &who, now).await.err());
    fleet.heal_store().await;
    assert_eq!(poll(&fleet, &key, &activation).await, "pending");
    assert_eq!(find(&fleet, activation.pin, &who).await, "found");
}

#[tokio::test]
async fn a_step_of_the_wall_clock_opens_and_closes_nothing() {
    let (fleet, key) = (Fleet::new().await, key());
    let activation = fleet.begin(&key).await;
    for step in [13 * 3600, -13 * 3600 - 13 * 3600, 13 * 3600] {
        fleet.clock.step_wall(step);
        assert_eq!(find(&fleet, activation.pin, &administrator("ada", &["acme"])).await, "found", "{step}");
        fleet.pass(60);
    }
    fleet.pass(600);
    assert_eq!(poll(&fleet, &key, &activation).await, "expired");
}
