//! The gateway's side: it listens, and does what it is asked.

use std::{fs, io, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

use auth_core::{
    data_folder::DataFolder,
    disk::{self, FileId},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    select,
    sync::Semaphore,
    time::{interval, sleep, timeout},
};

use super::{
    Command, CommandAnswer, MAX_LINE, SOCKET_NAME, TIMEOUT, endpoints, fits, fleet, held, keys, legacy, sessions,
};
use crate::{
    server::orders::{Order, Orders},
    state::Gateway,
};

/// How many commands may be executed at once.
const MAX_COMMANDS: usize = 8;

/// How long a connection may take to say its command: silent ones must not keep others out.
const LINE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the last ones may take to be answered when the gateway stops.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// How often it is checked whether the socket is still in its place.
const CHECK_EVERY: Duration = Duration::from_secs(3);

/// How long to wait when no connection can be accepted: again at once would fail at once.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(50);

/// The socket of a gateway that holds its folder. Its file goes when this is dropped.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// The socket's file.
    file: Option<FileId>,
    permits: Arc<Semaphore>,
}

/// The commands that are being executed.
pub struct CommandsUnderWay(Arc<Semaphore>);

impl Control {
    /// Listens in `data`. The folder is ours, so whoever left a socket there is gone.
    ///
    /// # Errors
    /// Whatever the file system says; or the path is too long for a socket.
    pub fn listen(data: &DataFolder) -> io::Result<Self> {
        let (path, fresh) = (data.path().join(SOCKET_NAME), data.path().join("control.new"));
        fits(&path)?;
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&fresh)?;
        let file = disk::id(&fresh)?;
        // It gets its name when nobody else can connect to it any more.
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
        fs::rename(&fresh, &path)?;
        Ok(Self { listener, path, file, permits: Arc::new(Semaphore::new(MAX_COMMANDS)) })
    }

    /// The commands that are being executed, for whoever stops this.
    pub fn under_way(&self) -> CommandsUnderWay {
        CommandsUnderWay(self.permits.clone())
    }

    /// Answers commands to `gateway` for ever. What it cannot do itself is given to `orders`.
    pub async fn serve(mut self, gateway: Arc<Gateway>, orders: Option<Orders>) {
        let mut check = interval(CHECK_EVERY);
        loop {
            let accepted = select! {
                accepted = self.listener.accept() => accepted,
                _ = check.tick() => {
                    self.listen_again(&gateway.data);
                    continue;
                }
            };
            let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
            match accepted {
                Ok((stream, _)) => {
                    let (gateway, orders) = (gateway.clone(), orders.clone());
                    tokio::task::spawn_local(async move {
                        // A command that went away, or says nothing, is told nothing.
                        let _ = answer(stream, &gateway, orders.as_ref()).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no command can be accepted");
                    sleep(OUT_OF_SOCKETS).await;
                }
            }
        }
    }
}

impl Control {
    /// Listens once more where somebody removed the socket, or the folder with it.
    fn listen_again(&mut self, data: &DataFolder) {
        if !self.is_in_place()
            && data.place().is_ours()
            && !data.is_handed_over()
            && let Ok(mut again) = Self::listen(data)
        {
            again.permits = self.permits.clone();
            *self = again;
        }
    }

    fn is_in_place(&self) -> bool {
        disk::id(&self.path).is_ok_and(|found| found == self.file)
    }
}

impl CommandsUnderWay {
    /// Waits until they have been answered, or not much longer.
    pub async fn ended(self) {
        let all = u32::try_from(MAX_COMMANDS).unwrap_or(u32::MAX);
        let _ = timeout(LAST_ANSWERS, self.0.acquire_many(all)).await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // One that is left behind leads nowhere, and the next gateway replaces it.
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn answer(mut stream: UnixStream, gateway: &Gateway, orders: Option<&Orders>) -> io::Result<()> {
    let operator = operator(stream.peer_cred()?.uid());
    let (read, mut write) = stream.split();
    let mut line = String::new();
    timeout(LINE_TIMEOUT, BufReader::new(read.take(MAX_LINE)).read_line(&mut line)).await??;
    let answer = match serde_json::from_str::<Command>(&line) {
        Ok(command) => timeout(command.timeout(), execute(command, operator, gateway, orders)).await?,
        Err(_) => CommandAnswer::Refused(format!("gateway {} does not know this command", env!("CARGO_PKG_VERSION"))),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    timeout(TIMEOUT, async {
        write.write_all(&line).await?;
        write.shutdown().await
    })
    .await?
}

/// Has an order carried out by whoever runs the process.
async fn order(order: Order, orders: Option<&Orders>) -> CommandAnswer {
    let Some(orders) = orders else {
        return CommandAnswer::Refused("nobody carries out such orders in this process".to_owned());
    };
    orders.give(order).await.map_or_else(CommandAnswer::Refused, CommandAnswer::Done)
}

async fn execute(command: Command, operator: String, gateway: &Gateway, orders: Option<&Orders>) -> CommandAnswer {
    // These change nothing: `check` asks who holds the folder, and a process that ends asks for its last revocations.
    if !matches!(command, Command::Holder | Command::ReadRevocations) {
        tracing::info!(?command, operator, "a command came over the control socket");
    }
    match command {
        Command::Holder => CommandAnswer::Holder(gateway.data.holder().clone()),
        Command::Reload => order(Order::Reload, orders).await,
        Command::Upgrade => order(Order::Upgrade, orders).await,
        Command::ReadRevocations => match gateway.revocations.poll().await {
            Ok(()) => CommandAnswer::Done("read".to_owned()),
            Err(down) => CommandAnswer::Refused(down.to_string()),
        },
        Command::Clock => CommandAnswer::Done(gateway.clock().readings().to_string()),
        Command::ClockAccept => {
            let accepted = gateway.clock().accept();
            gateway.clock().written().await;
            CommandAnswer::Done(accepted.to_string())
        }
        Command::Endpoints => endpoints::list(gateway),
        Command::Fleet(command) => match gateway.devices() {
            Some(devices) => fleet::execute(&devices, command, operator, gateway.now()).await,
            None => {
                CommandAnswer::Refused("this gateway has no devices: its configuration has no [devices]".to_owned())
            }
        },
        Command::Held(command) => held::execute(&gateway.sessions(), command, &operator, gateway.now()).await,
        Command::Legacy(command) if gateway.devices().is_some() => {
            legacy::execute(&gateway.legacy, command, operator, gateway.now()).await
        }
        Command::Legacy(_) => {
            CommandAnswer::Refused("this gateway has no devices: its configuration has no [devices]".to_owned())
        }
        Command::Keys(command) => {
            let (keyring, data, now) = (gateway.keyring.clone(), gateway.data.clone(), gateway.now());
            let work = move || keys::execute(&keyring, &data, &command, &operator, now);
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|fault| CommandAnswer::Refused(format!("it was cut short: {fault}")))
        }
        Command::Sessions(command) => {
            sessions::execute(&gateway.standing_sessions(), command, &operator, gateway.now()).await
        }
        Command::KeysAdopt => match gateway.repair().await {
            Ok(()) => CommandAnswer::Done("keyring and store belong together".to_owned()),
            Err(why) => CommandAnswer::Refused(why.to_string()),
        },
    }
}

/// Who gives an order, as the records name them: by the account that the system knows them by.
pub fn operator(uid: u32) -> String {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    format!("operator {}", named.unwrap_or_else(|| uid.to_string()))
}
