//! The same work through each gateway, by turns.

use std::{path::Path, sync::Arc, time::Duration};

use gateway::demo::{Idp, idp::IdpOptions};

use crate::{
    drive::{Requests, saturate},
    origin::Origin,
    peer::{self, Site, Way},
};

/// Runs it.
///
/// # Errors
/// Something of our own cannot be started.
pub async fn run(folder: &Path) -> std::io::Result<()> {
    let origin = Origin::start().await?;
    let provider = Idp::start(IdpOptions::default()).await?;
    for peer in peer::all() {
        let program = match peer.install(&folder.join("tools")) {
            Ok(program) => program,
            Err(not_here) => {
                println!("{}: {not_here}", peer.name());
                continue;
            }
        };
        let own = folder.join(peer.name());
        let site = Site { folder: &own, origin: origin.address(), provider: &provider, core: Some(1) };
        let running = peer::start(&*peer, &program, &site).await.map_err(std::io::Error::other)?;
        let host = running.address.to_string();
        let requests = Arc::new(Requests::get(&host, &format!("{}x", Way::Open.path()), &[String::new()]));
        saturate(running.address, &requests, 32, Duration::from_millis(300)).await;
        let before = running.cpu_time();
        let (tally, took) = saturate(running.address, &requests, 32, Duration::from_secs(3)).await;
        let cpu = running.cpu_time().since(before);
        let (served, other, none) = tally.read();
        let each = cpu.sum().as_secs_f64() * 1e6 / served as f64;
        println!(
            "{} {}: {served} served, {other} other, {none} none, {:.0}/s, {each:.1} µs a request ({cpu:?})",
            peer.name(),
            program.version,
            served as f64 / took.as_secs_f64()
        );
        running.end().await;
    }
    Ok(())
}
