use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use super::*;
use crate::{
    authenticator::tests::Counted, background::Background, clock::Timestamp, database::Disturbance,
    keyring::seal::Purpose, testing::Folder,
};

const NOW: Now = Now::at(Timestamp::from_secs(43_200));
const LATER: Timestamp = Timestamp::from_secs(43_260);

fn store(folder: &Folder) -> Database {
    Database::at(folder.path().join("store.sqlite"), Background::current(), Duration::from_millis(200))
}

async fn open(folder: &Folder) -> Result<Keyring, KeyringFault> {
    Keyring::open(&folder.taken(), &store(folder), NOW).await
}

async fn fault(folder: &Folder) -> String {
    open(folder).await.err().expect("it must not start").to_string()
}

fn seal(keyring: &Keyring) -> String {
    keyring.seals().seal(Purpose::Ticket, LATER, b"ada")
}

fn opens(keyring: &Keyring, envelope: &str) -> bool {
    keyring.seals().open(Purpose::Ticket, envelope, NOW).is_ok_and(|opened| *opened.content == b"ada")
}

#[tokio::test]
async fn keys_are_made_once_and_are_the_same_at_the_next_start() {
    let folder = Folder::new();
    let first = open(&folder).await.expect("both are absent");
    let mode = fs::metadata(folder.path().join("keyring")).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = open(&folder).await.expect("both are there");
    assert!(opens(&second, &seal(&first)));
    assert!(!folder.path().join("keyring.begun").exists());
}

#[tokio::test]
async fn one_without_the_other_is_a_fault_with_a_way_out() {
    for (lost, expected) in [("keyring", "its keyring"), ("store.sqlite", "its store")] {
        let folder = Folder::new();
        let _ = open(&folder).await.expect("both are absent");
        fs::rename(folder.path().join(lost), folder.path().join("elsewhere")).expect("it is there");
        let fault = fault(&folder).await;
        assert!(fault.contains(expected) && fault.contains("gateway keys adopt"), "{fault}");
        assert!(!folder.path().join(lost).exists(), "nothing was invented");
        Keyring::adopt(&folder.taken(), &store(&folder), NOW).await.expect("the way out");
        let _ = open(&folder).await.expect("they were joined");
    }
}

#[tokio::test]
async fn anothers_store_and_an_empty_one_are_faults() {
    let (ours, theirs) = (Folder::new(), Folder::new());
    let (before, _) = (open(&ours).await.expect("both are absent"), open(&theirs).await.expect("both are absent"));
    let their_store = store(&theirs);
    their_store.disturb(Disturbance::Closed).await.expect("this writes the log into the file");
    fs::copy(their_store.path(), ours.path().join("store.sqlite")).expect("the folder can be written");
    assert!(fault(&ours).await.contains("not the one"));
    fs::write(ours.path().join("store.sqlite"), b"").expect("the folder can be written");
    assert!(fault(&ours).await.contains("holds no store"));
    Keyring::adopt(&ours.taken(), &store(&ours), NOW).await.expect("the way out");
    let after = open(&ours).await.expect("they were joined");
    assert!(opens(&after, &seal(&before)), "the keys stayed");
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_down_and_the_gateway_starts() {
    for how in [Disturbance::Garbage, Disturbance::Locked] {
        let folder = Folder::new();
        let before = open(&folder).await.expect("both are absent");
        let broken = store(&folder);
        broken.disturb(how).await.expect("it was whole");
        let after = open(&folder).await.expect("a store that is down is no fault");
        assert!(opens(&after, &seal(&before)), "{how:?}");
        broken.heal().await.expect("nothing else is wrong");
    }
}

#[tokio::test]
async fn a_start_that_was_cut_short_is_taken_up() {
    let folder = Folder::new();
    let keyring = open(&folder).await.expect("both are absent");
    let (path, begun) = (folder.path().join("keyring"), folder.path().join("keyring.begun"));
    fs::rename(&path, &begun).expect("it is there");
    assert!(opens(&open(&folder).await.expect("after the store was made"), &seal(&keyring)));
    fs::rename(&path, &begun).expect("it is there");
    fs::write(folder.path().join("store.sqlite"), b"").expect("the folder can be written");
    assert!(opens(&open(&folder).await.expect("while the store was made"), &seal(&keyring)));
    fs::rename(&path, &begun).expect("it is there");
    fs::remove_file(folder.path().join("store.sqlite")).expect("it is there");
    fs::write(&begun, b"{ \"version").expect("the folder can be written");
    let _ = open(&folder).await.expect("before the store was made");
}

#[tokio::test]
async fn a_damaged_keyring_is_a_fault_and_its_keys_are_never_shown() {
    let folder = Folder::new();
    let _ = open(&folder).await.expect("both are absent");
    let path = folder.path().join("keyring");
    let good = fs::read_to_string(&path).expect("it was made");
    let at = good.find("\"key\": \"").expect("it holds a key") + 10;
    let flipped = format!("{}{}{}", &good[..at], if good.as_bytes()[at] == b'A' { 'B' } else { 'A' }, &good[at + 1..]);
    let secret = &good[at + 2..at + 30];
    let check = |content: String, expected: &'static str| {
        fs::write(&path, content).expect("the folder can be written");
        async move { expected }
    };
    let cases = [
        (flipped, "not the one that its id names"),
        (good[..good.len() / 2].to_owned(), "damaged"),
        (String::new(), "damaged"),
        ("garbage".to_owned(), "damaged"),
        (good.replacen("\"version\": 1", "\"version\": 2", 1), "newer release"),
        (good.replacen("\"key\": \"", "\"key\": 7, \"x\": \"", 1), "damaged"),
    ];
    for (content, expected) in cases {
        let expected = check(content, expected).await;
        let fault = fault(&folder).await;
        assert!(fault.contains(expected) && fault.contains("Way out"), "{fault}");
        assert!(!fault.contains(secret));
    }
    fs::write(&path, "garbage").expect("the folder can be written");
    assert!(fault(&folder).await.contains("move it away, and `gateway keys adopt"));
    fs::rename(&path, folder.path().join("elsewhere")).expect("it is there");
    Keyring::adopt(&folder.taken(), &store(&folder), NOW).await.expect("the way out");
    let _ = open(&folder).await.expect("they were joined");
}

#[tokio::test]
async fn keys_that_others_can_read_or_replace_are_a_fault_that_says_what_mends_it() {
    let folder = Folder::new();
    let before = open(&folder).await.expect("both are absent");
    let path = folder.path().join("keyring");
    let check = async |place: &std::path::Path, mode: u32, expected: Option<&str>| {
        let right = fs::metadata(place).expect("it is there").permissions();
        fs::set_permissions(place, fs::Permissions::from_mode(mode)).expect("it is ours");
        let found = open(&folder).await.map(|again| assert!(opens(&again, &seal(&before))));
        fs::set_permissions(place, right).expect("it is ours");
        let found = found.err().map(|fault| fault.to_string());
        match expected {
            None => assert_eq!(found, None, "{mode:o}"),
            Some(mended) => {
                let mended = format!("`chmod {mended} {}`", place.display());
                assert!(found.as_ref().is_some_and(|fault| fault.contains(&mended)), "{mode:o}: {found:?}");
            }
        }
    };
    for mode in [0o640, 0o644, 0o604, 0o620, 0o666, 0o610] {
        check(&path, mode, Some("600")).await;
    }
    check(&path, 0o700, None).await;
    for mode in [0o775, 0o777, 0o722] {
        check(folder.path(), mode, Some("700")).await;
    }
    for mode in [0o700, 0o750, 0o755] {
        check(folder.path(), mode, None).await;
    }
    // Only root can give a file away; for everybody else there is nothing to see.
    if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
        assert!(fault(&folder).await.contains("`chown 0 "), "it is somebody else's");
        std::os::unix::fs::chown(folder.path(), Some(65_534), None).expect("it can be given away");
        let _ = open(&folder).await.expect("root works on the folder of the gateway's user");
    }
}

/// What is lost, foreign or broken, and what a start says: `None` for one that serves whom it knows.
#[tokio::test]
async fn every_combination_of_keyring_and_store_has_an_answer() {
    type Break = fn(&std::path::Path, &std::path::Path);
    let cases: &[(&str, Break, Option<&str>)] = &[
        ("both are whole", |_, _| (), None),
        (
            "both were lost",
            |ours, _| {
                gone(ours, "keyring");
                gone(ours, "store.sqlite")
            },
            None,
        ),
        ("the keyring was lost", |ours, _| gone(ours, "keyring"), Some("restore the keyring from a backup")),
        ("the store was lost", |ours, _| gone(ours, "store.sqlite"), Some("restore the store from a backup")),
        (
            "the store is another's",
            |ours, theirs| copied(theirs, ours, "store.sqlite"),
            Some("put the two that belong"),
        ),
        ("the keyring is another's", |ours, theirs| copied(theirs, ours, "keyring"), Some("put the two that belong")),
        (
            "both are another's",
            |ours, theirs| {
                copied(theirs, ours, "keyring");
                copied(theirs, ours, "store.sqlite")
            },
            None,
        ),
        ("the store is no database", |ours, _| written(ours, "store.sqlite", &"garbage".repeat(1000)), None),
        ("the store is empty", |ours, _| written(ours, "store.sqlite", ""), Some("it can be read, and holds no store")),
        (
            "the keyring is cut in half",
            |ours, _| {
                let whole = fs::read_to_string(ours.join("keyring")).expect("it was made");
                written(ours, "keyring", &whole[..whole.len() / 2]);
            },
            Some("restore it from a backup"),
        ),
        ("the keyring is empty", |ours, _| written(ours, "keyring", ""), Some("restore it from a backup")),
        ("a write of the keyring was cut short", |ours, _| written(ours, "keyring.new", "{ \"version"), None),
        (
            "the keyring is of a later release",
            |ours, _| {
                let whole = fs::read_to_string(ours.join("keyring")).expect("it was made");
                written(ours, "keyring", &whole.replacen("\"version\": 1", "\"version\": 2", 1));
            },
            Some("run the newer release"),
        ),
        (
            "the keyring is cut in half and the store lost",
            |ours, _| {
                written(ours, "keyring", "{");
                gone(ours, "store.sqlite");
            },
            Some("restore it from a backup"),
        ),
        (
            "the keyring was lost, and the store is no database",
            |ours, _| {
                gone(ours, "keyring");
                written(ours, "store.sqlite", &"garbage".repeat(1000));
            },
            Some("restore the keyring from a backup"),
        ),
    ];
    for (case, broken, expected) in cases {
        let (ours, theirs) = (Folder::new(), Folder::new());
        for folder in [&ours, &theirs] {
            let _ = open(folder).await.expect("both are absent");
            store(folder).disturb(Disturbance::Closed).await.expect("this writes the log into the file");
        }
        broken(ours.path(), theirs.path());
        let found = open(&ours).await.err().map(|fault| fault.to_string());
        match (expected, found) {
            (None, None) => {}
            (Some(way_out), Some(fault)) => {
                assert!(fault.contains(way_out) && fault.contains("Way out: "), "{case}: {fault}");
            }
            (expected, found) => panic!("{case}: {found:?} and not {expected:?}"),
        }
    }
}

fn gone(folder: &std::path::Path, name: &str) {
    for name in [name.to_owned(), format!("{name}-wal"), format!("{name}-shm")] {
        let _ = fs::remove_file(folder.join(name));
    }
}

fn copied(from: &std::path::Path, to: &std::path::Path, name: &str) {
    gone(to, name);
    fs::copy(from.join(name), to.join(name)).expect("the folder can be written");
}

fn written(folder: &std::path::Path, name: &str, content: &str) {
    let _ = fs::remove_file(folder.join(format!("{name}-wal")));
    fs::write(folder.join(name), content).expect("the folder can be written");
}

#[tokio::test]
async fn what_we_sign_names_our_key() {
    let folder = Folder::new();
    let keyring = open(&folder).await.expect("both are absent");
    let jwt = keyring.sign("identity+jwt", &serde_json::json!({ "sub": "ada" })).expect("an object can be signed");
    assert_eq!(jwt.split('.').count(), 3);
    let keys = keyring.public_keys();
    assert_eq!(keys["keys"][0]["kty"], "OKP");
    assert!(keys["keys"][0]["kid"].is_string());
    assert!(keys["keys"][0].get("d").is_none(), "the private half stays with us");
}

#[tokio::test]
async fn a_keyring_that_was_removed_is_written_again_to_our_folder_only() {
    let folder = Folder::new();
    let data = folder.taken();
    let keyring = Keyring::open(&data, &store(&folder), NOW).await.expect("both are absent");
    let path = folder.path().join("keyring");
    let before = fs::read(&path).expect("it was made");
    fs::remove_file(&path).expect("it is there");
    keyring.tend(data.place()).expect("the folder can be written");
    assert_eq!(fs::read(&path).expect("it is there again"), before);
    fs::remove_file(&path).expect("it is there");
    fs::remove_file(folder.path().join("lock")).expect("it is there");
    keyring.tend(data.place()).expect_err("the folder may be another's");
    assert!(!path.exists());
    keyring.may_lie_in(folder.path()).expect("there is none");
    let theirs = Folder::new();
    let _ = open(&theirs).await.expect("both are absent");
    keyring.may_lie_in(theirs.path()).expect_err("there is another");
}

#[tokio::test]
async fn a_keyring_that_cannot_be_written_again_rings_once() {
    let folder = Folder::new();
    let data = folder.taken();
    let keyring = Keyring::open(&data, &store(&folder), NOW).await.expect("both are absent");
    let (path, in_the_way) = (folder.path().join("keyring"), folder.path().join("keyring.new"));
    fs::remove_file(&path).expect("it is there");
    fs::create_dir_all(in_the_way.join("full")).expect("the folder can be written");
    let counted = Counted::default();
    metrics::with_local_recorder(&counted, || {
        for _ in 0..3 {
            keyring.tend(data.place()).expect_err("something is in the way");
        }
        fs::remove_dir_all(&in_the_way).expect("it is there");
        keyring.tend(data.place()).expect("nothing is in the way");
        assert_eq!(counted.sum()["alarms{keyring-gone}"], 1);
        fs::remove_file(&path).expect("it is there again");
        keyring.tend(data.place()).expect("nothing is in the way");
    });
    assert_eq!(counted.sum()["alarms{keyring-gone}"], 2, "it was removed once more");
}

#[tokio::test]
async fn what_a_start_would_say_is_said_without_making_anything() {
    let folder = Folder::new();
    let found = async || Keyring::examine(folder.path(), &store(&folder)).await;
    assert!(matches!(found().await, Ok(Found::Neither)));
    assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
    let _ = open(&folder).await.expect("both are absent");
    assert!(matches!(found().await, Ok(Found::Both)));
    for lost in ["store.sqlite", "keyring"] {
        let (path, aside) = (folder.path().join(lost), folder.path().join("aside"));
        fs::rename(&path, &aside).expect("it is there");
        assert_eq!(found().await.expect_err("a start would end").to_string(), fault(&folder).await);
        assert!(!path.exists(), "nothing was invented");
        fs::rename(&aside, &path).expect("it is there");
    }
    fs::write(folder.path().join("store.sqlite"), "garbage".repeat(1000)).expect("the folder can be written");
    assert!(matches!(found().await, Ok(Found::StoreDown(_))));
}

#[tokio::test]
async fn a_keyring_from_before_there_were_statements_gets_their_key_once() {
    let folder = Folder::new();
    let before = open(&folder).await.expect("both are absent");
    let path = folder.path().join("keyring");
    let aged = || {
        let mut file: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).expect("it was made")).expect("it is JSON");
        file.as_object_mut().expect("an object").remove("statement").expect("a new file has one");
        fs::write(&path, file.to_string()).expect("the folder can be written");
    };
    aged();
    let first = open(&folder).await.expect("an older keyring is no fault");
    assert!(opens(&first, &seal(&before)), "the other keys stayed");
    let keys = first.statement_keys();
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(1));
    assert!(keys["keys"][0].get("d").is_none(), "the private half stays with us");
    assert_ne!(keys["keys"][0]["x"], first.public_keys()["keys"][0]["x"], "it is another key than the tokens'");
    assert_eq!(open(&folder).await.expect("both are there").statement_keys(), keys, "it is on disk");
    aged();
    fs::create_dir_all(folder.path().join("keyring.new/full")).expect("the folder can be written");
    let without = open(&folder).await.expect("whom it knows is served");
    assert_eq!(without.statement_keys(), serde_json::json!({ "keys": [] }));
    let _ =
        without.sign_statement("device-statement+jwt", &serde_json::json!({})).expect_err("the key would be forgotten");
    fs::remove_dir_all(folder.path().join("keyring.new")).expect("it is there");
    let _ = open(&folder).await.expect("both are there").sign_statement("t", &serde_json::json!({})).expect("it signs");
}
