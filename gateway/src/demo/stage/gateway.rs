//! The gateway of the demonstration: the one that is deployed, in this process, so that its store can be broken.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use super::super::{
    Idp, Monolith,
    deployment::{self, Deployment, Scratch},
    show::ShowOptions,
};
use crate::server;

/// Its loopback address: its own, so that its cookies stay apart.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

pub(super) async fn start_gateway(
    provider: &Idp,
    monolith: &Monolith,
    data: &Scratch,
    show: &ShowOptions,
) -> io::Result<server::Started> {
    let port = TcpListener::bind((GATEWAY, 0))?.local_addr()?.port();
    let listen = SocketAddr::from((GATEWAY, port));
    let file = Deployment { listen, provider, monolith, deadline: show.deadline }.write_into(data.path())?;
    deployment::start(&file, |options| {
        options.tuning.drain = Some(Duration::from_millis(200));
        options.tuning.legacy.settle = show.settle;
    })
    .await
}
