//! The outage of January 2021, replayed through each gateway at the same time.
//!
//! Each gateway stands between a monolith and a provider of its own and has its own displays, people and intruders, so
//! that all meet the same: the monolith half dead, the provider's keys out of reach and replaced meanwhile, a crash of the
//! gateway in the middle. What is counted is what it costs: displays wiped or stuck, people signed out, clients that
//! nobody serves any more, and intruders let in.

mod clients;
mod display;
mod ledger;
mod monolith;
mod options;
mod page;
mod person;
mod result;
mod said;
mod scene;
mod script;
mod stand;
mod why;

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use gateway::demo::{Idp, idp::IdpOptions};
use tokio::{
    signal,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

pub use options::IncidentOptions;

use self::{
    clients::Client,
    result::{GatewayResult, IncidentResult},
    scene::Scene,
    script::{Script, Turning},
    stand::{Cast, Stand},
};
use crate::{peer::Peer, report::Report, terminal::Progress};

/// How often it is noted who has what.
const SAMPLE: Duration = Duration::from_millis(250);

/// Every so many of these it is shown.
const SHOWN: u64 = 16;

/// A gateway that takes part, or why it does not.
struct Participant {
    name: &'static str,
    version: Option<String>,
    stand: Result<Arc<Stand>, String>,
    clients: Vec<Client>,
}

/// Replays it, prints what it cost, and writes the report: `incident.html`, the drawing alone as `incident.svg`, and
/// everything that was met as `incident.json`. `command` is what makes it again.
///
/// # Errors
/// Something of our own cannot be started or written. What becomes of a gateway is in the report.
pub async fn run(options: &IncidentOptions, command: &str) -> io::Result<Report> {
    let (out, tools) = (std::path::absolute(&options.out)?, std::path::absolute(&options.tools)?);
    fs::create_dir_all(&out)?;
    make_keys().await?;
    let script = if options.short { Script::SHORT } else { Script::WHOLE };
    let cast = Cast { displays: options.displays, people: options.people, intruders: options.displays.div_ceil(10) };
    // Dropped when it is interrupted, and with it every gateway that was started.
    let mut participants = tokio::select! {
        participants = prepare_all(options.peers(), &out, &tools, cast) => participants,
        _ = signal::ctrl_c() => return Err(io::Error::other("interrupted before anything was replayed")),
    };
    let interrupted = play(&mut participants, script).await;
    let gateways = participants.iter().map(|participant| participant.result(interrupted.is_none())).collect();
    for stand in participants.iter().filter_map(|participant| participant.stand.as_ref().ok()) {
        stand.end().await;
    }
    let result = IncidentResult { script, cast, interrupted, gateways };
    let report = result.report(command);
    fs::write(out.join("incident.json"), serde_json::to_vec_pretty(&result)?)?;
    fs::write(out.join("incident.svg"), result.holding().svg())?;
    report.write_html(&out.join("incident.html"))?;
    print!("{}", result.lines());
    println!("report: {}", out.join("incident.html").display());
    Ok(report)
}

/// Making a key takes a while, and every provider of this process shares them: they are made before anybody waits.
async fn make_keys() -> io::Result<()> {
    Idp::start(IdpOptions::default()).await?.rotate();
    Ok(())
}

async fn prepare_all(peers: Vec<Box<dyn Peer>>, out: &Path, tools: &Path, cast: Cast) -> Vec<Participant> {
    let mut participants = Vec::new();
    for peer in peers {
        participants.push(prepare(&*peer, out, tools, cast).await);
    }
    participants
}

async fn prepare(peer: &dyn Peer, out: &Path, tools: &Path, cast: Cast) -> Participant {
    let name = peer.name();
    eprintln!("{name}: starting");
    let absent = |version, why: String| Participant { name, version, stand: Err(why), clients: Vec::new() };
    let program = match peer.install(tools) {
        Ok(program) => program,
        Err(not_here) => return absent(None, not_here.to_string()),
    };
    let folder = out.join(name.replace(' ', "-"));
    match Stand::start(peer, &program, folder, cast).await {
        Ok((stand, clients)) => {
            Participant { name, version: Some(program.version), stand: Ok(Arc::new(stand)), clients }
        }
        Err(why) => absent(Some(program.version), format!("not replayed, because {why}")),
    }
}

/// Plays to the end, or until it is interrupted; the second at which it was.
async fn play(participants: &mut [Participant], script: Script) -> Option<f64> {
    let mut asking = JoinSet::new();
    let mut stands = Vec::new();
    for participant in participants {
        let Ok(stand) = &participant.stand else { continue };
        stand.scene.begin();
        for client in participant.clients.drain(..) {
            asking.spawn(keep_asking(client, stand.scene.clone()));
        }
        stands.push(stand.clone());
    }
    let began = Instant::now();
    let sampling = tokio::spawn(sample(stands.clone()));
    let interrupted = tokio::select! {
        () = follow(script, began, &stands) => None,
        _ = signal::ctrl_c() => Some(began.elapsed().as_secs_f64()),
    };
    sampling.abort();
    asking.shutdown().await;
    interrupted
}

async fn keep_asking(mut client: Client, scene: Arc<Scene>) {
    loop {
        sleep(client.pause()).await;
        if !client.act(&scene).await {
            return;
        }
    }
}

async fn sample(stands: Vec<Arc<Stand>>) {
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let progress = Progress::new();
    for tick in 0_u64.. {
        ticks.tick().await;
        for stand in &stands {
            stand.scene.ledger().sample();
        }
        if tick.is_multiple_of(SHOWN) {
            let hold = |stand: &Arc<Stand>| format!("{} {}", stand.name, stand.scene.ledger().holding());
            let hold: Vec<String> = stands.iter().map(hold).collect();
            progress.show(&format!("       displays with their calendar: {}", hold.join(", ")));
        }
    }
}

/// Lets happen what the script says, when it says it, to all alike.
async fn follow(script: Script, began: Instant, stands: &[Arc<Stand>]) {
    // Renewals and restarts take their time, and nobody else waits for them.
    let mut meanwhile = JoinSet::new();
    let progress = Progress::new();
    for (at, turning) in script.turnings() {
        sleep_until(began + Duration::from_secs_f64(at)).await;
        progress.end();
        eprintln!("{at:>4} s: {}", turning.as_str());
        for stand in stands {
            let own = stand.clone();
            match turning {
                Turning::Outage => stand.break_down(),
                Turning::Rotation => drop(meanwhile.spawn(async move { own.rotate(Script::RENEWAL).await })),
                Turning::Kill => drop(meanwhile.spawn(async move { own.crash().await })),
                Turning::Healing => stand.heal(),
                Turning::End => {}
            }
        }
    }
}

impl Participant {
    fn result(&self, is_over: bool) -> GatewayResult {
        let (name, version) = (self.name, self.version.clone());
        match &self.stand {
            Ok(stand) => GatewayResult::of(name, version, stand, is_over),
            Err(why) => GatewayResult::absent(name, version, why.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
