//! The commands that show the clock and accept it.

use world::{
    World,
    process::{self, Process},
};

use super::DAY;

/// By a command, while the gateway runs and while it does not. The machine's clock cannot be stepped in a test, but what
/// was written of it can.
pub(super) async fn accepted() {
    let world = World::new().prepare().await;
    let config = world.write_config();
    let says = |arguments: &[&str], expected: &str| {
        let (status, said) = process::run(arguments, &config);
        assert!(status.success() && said.contains(expected), "{arguments:?}: {said}");
    };
    let step_what_was_written = || {
        let path = world.folder().join("data/clock");
        let mut record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).expect("it was written")).expect("JSON");
        let anchor = &mut record["reckoning"]["anchor"];
        *anchor = (anchor.as_i64().expect("a number") - 2 * DAY * 1000).into();
        std::fs::write(&path, record.to_string()).expect("it can be written");
    };
    let mut process = Process::start(&config);
    process.serving().await;
    says(&["clock"], "they agree");
    process.stop().await;
    step_what_was_written();
    let mut process = Process::start(&config);
    process.serving().await;
    says(&["clock"], "in doubt");
    says(&["clock", "accept"], "they agree");
    // The log is written by a thread of its own.
    process.until("ClockAccept").await;
    let said = String::from_utf8_lossy(&process.said()).into_owned();
    assert!(
        said.contains("clock-doubt") && said.contains("Z and the anchor "),
        "the alarm rang, and says when: {said}"
    );
    process.kill();
    says(&["clock"], "they agree");
    step_what_was_written();
    says(&["clock"], "in doubt");
    says(&["clock", "accept"], "they agree");
    let mut process = Process::start(&config);
    process.serving().await;
    says(&["clock"], "they agree");
}
