//! All gateways at once, for who wants to measure by other means.

use std::{fs, io};

use super::{
    stage::{Here, Stage},
    tokens::Tokens,
    work::Work,
};
use crate::peer::Way;

/// Says where each gateway is, which processes are its, and what to send it on each way. The tokens that `compare` has in
/// rotation are in `tokens.txt`.
///
/// # Errors
/// The file cannot be written.
pub(super) async fn describe(stage: &mut Stage, tokens: &Tokens) -> io::Result<()> {
    let file = stage.folder.join("tokens.txt");
    fs::write(&file, tokens.remembered.join("\n"))?;
    let token = &tokens.passed;
    if let Some(core) = stage.cores.gateways {
        println!("The gateways run on core {core}, the service on {:?}.\n", stage.cores.own);
    }
    for at in 0..stage.gateways.len() {
        let cookie = stage.cookie(at, Work::Session).await;
        let gateway = &stage.gateways[at];
        let name = gateway.peer.name();
        let Here { program, running } = match &gateway.here {
            Ok(here) => here,
            Err(why) => {
                println!("{name}: {why}\n");
                continue;
            }
        };
        let ids: Vec<String> = running.ids().iter().map(ToString::to_string).collect();
        println!("{name} {} at http://{}, processes {}", program.version, running.address, ids.join(" "));
        for way in [Way::Open, Way::Token, Way::Session] {
            let header = match (way, gateway.peer.lacks(way), &cookie) {
                (_, Some(lack), _) => Err(lack.to_owned()),
                (Way::Open, None, _) => Ok(String::new()),
                (Way::Token, None, _) => Ok(format!(" -H 'Authorization: Bearer {token}'")),
                (Way::Session, None, Ok(cookie)) => Ok(format!(" -H 'Cookie: {cookie}'")),
                (Way::Session, None, Err(why)) => Err(why.clone()),
            };
            match header {
                Ok(header) => println!("  {way:?}:{header} http://{}{}calendar", running.address, way.path()),
                Err(why) => println!("  {way:?}: {why}"),
            }
        }
        println!();
    }
    println!("{} tokens of the provider, one a line: {}", tokens.remembered.len(), file.display());
    println!("Put `curl -i` or `wrk -t1 -c32 -d5` before what stands after a way. Ctrl-C ends them all.");
    Ok(())
}
