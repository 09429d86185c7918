//! The service manager that started this process, if it wants to be told how it goes (`sd_notify`(3), `NOTIFY_SOCKET`).

use std::{env, ffi::OsString, io, os::unix::ffi::OsStrExt, os::unix::net::UnixDatagram, sync::Arc};

use auth_core::Clock;

/// A service manager; or none, who is told nothing.
#[derive(Clone, Debug)]
pub(super) struct Supervisor(Option<Arc<OsString>>);

impl Supervisor {
    /// The one that started this process.
    pub(super) fn of_this_process() -> Self {
        Self(env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()).map(Arc::new))
    }

    /// We serve.
    pub(super) fn ready(&self) {
        self.tell("READY=1\nSTATUS=serving");
    }

    /// Another configuration is being read: ready is said again when that has ended, whatever came of it.
    pub(super) fn reloading(&self) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", Clock::monotonic_micros()));
    }

    /// We end.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing what is under way");
    }

    /// Another process is the service from now on.
    pub(super) fn main_process(&self, pid: u32) {
        self.tell(&format!("MAINPID={pid}\nREADY=1"));
    }

    fn tell(&self, state: &str) {
        let Some(address) = &self.0 else { return };
        if let Err(fault) = send(address, state) {
            tracing::warn!("the service manager cannot be told {state:?}: {fault}");
        }
    }
}

fn send(address: &OsString, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = address.as_bytes().strip_prefix(b"@") {
        use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};

        return socket.send_to_addr(state.as_bytes(), &SocketAddr::from_abstract_name(name)?).map(drop);
    }
    socket.send_to(state.as_bytes(), address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_told_and_nobody_is_not_missed() {
        let folder = std::env::temp_dir().join(format!("candor-supervisor-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).expect("it can be bound");
        let supervisor = Supervisor(Some(Arc::new(path.into_os_string())));
        let heard = || {
            let mut some = [0; 256];
            let length = socket.recv(&mut some).expect("it was told");
            String::from_utf8_lossy(&some[..length]).into_owned()
        };
        supervisor.ready();
        assert_eq!(heard(), "READY=1\nSTATUS=serving");
        supervisor.reloading();
        let told = heard();
        let at = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("as systemd wants it");
        assert!(at.parse::<u64>().is_ok_and(|at| at > 0), "{told}");
        supervisor.main_process(7);
        assert_eq!(heard(), "MAINPID=7\nREADY=1");
        Supervisor(None).ready();
        std::fs::remove_dir_all(&folder).expect("the folder goes");
        supervisor.stopping();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_address_is_one_too() {
        use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};

        let name = format!("candor-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("it can be bound");
        Supervisor(Some(Arc::new(format!("@{name}").into()))).stopping();
        let mut some = [0; 256];
        let length = socket.recv(&mut some).expect("it was told");
        assert!(some[..length].starts_with(b"STOPPING=1"));
    }
}
