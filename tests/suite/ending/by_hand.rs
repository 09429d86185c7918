//! `gateway sessions`, as an operator types it beside a gateway that runs, and without one.

use serde_json::Value;
use world::{World, process};

use super::{is_in, signed_in};

pub(super) async fn by_command() {
    let mut world = World::new().start().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let mut phone = signed_in(&world, "ada", "s-2").await;
    let mut grace = signed_in(&world, "grace", "s-3").await;
    let config = world.write_config();
    let issuer = world.idp.issuer();
    let run = async |words: Vec<String>| {
        let config = config.clone();
        let ran = tokio::task::spawn_blocking(move || {
            process::run(&words.iter().map(String::as_str).collect::<Vec<_>>(), &config)
        });
        let (status, said) = ran.await.expect("it ends");
        (status.code(), said)
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();

    let (code, said) = run(words("sessions list --json")).await;
    assert_eq!(code, Some(0), "{said}");
    let rows: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 3, "{said}");
    let (code, said) = run(words(&format!("sessions list --user {issuer} grace"))).await;
    assert_eq!((code, said.lines().count()), (Some(0), 1), "{said}");
    let id = said.split(' ').next().expect("an id first").to_owned();

    assert_eq!(run(words(&format!("sessions end {id}"))).await.0, Some(2), "it wants a reason");
    let (code, said) = run(words(&format!("sessions end {id} --reason lost"))).await;
    assert!(code == Some(0) && said.contains("ended"), "{said}");
    assert!(!is_in(&world, &mut grace).await && is_in(&world, &mut ada).await);
    let (code, said) = run(words(&format!("sessions end {id} --reason lost"))).await;
    assert!(code == Some(20) && said.contains("ended"), "{said}");
    assert_eq!(run(words("sessions end nonsense --reason lost")).await.0, Some(20));

    let (code, said) = run(words(&format!("sessions end --user {issuer} ada --reason left"))).await;
    assert!(code == Some(0) && said.contains("signed out"), "{said}");
    assert!(!is_in(&world, &mut ada).await && !is_in(&world, &mut phone).await);
    let (_, said) = run(words("sessions list")).await;
    assert_eq!(said.trim(), "", "nobody is left");

    // Without a gateway the command takes the folder itself, and the next start knows.
    let mut grace = signed_in(&world, "grace", "s-4").await;
    world.stop_gateway().await;
    let (code, said) = run(words(&format!("sessions end --user {issuer} grace --reason left"))).await;
    assert_eq!(code, Some(0), "{said}");
    world.start_gateway().await;
    assert!(!is_in(&world, &mut grace).await);
}
