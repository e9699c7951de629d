//! `caseward serve`: the daemon, until a signal ends it. SIGTERM and SIGINT finish what is in hand, a second one
//! does not wait for it; SIGHUP starts the parts anew with the settings read again, or keeps the old. Tells systemd
//! when it is ready and, as long as the register's threads answer, that it is alive.

use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::case::Moment;
use crate::daemon::{Daemon, StartError};
use crate::desk::meter::Alive;
use crate::intake::probe::Probe;
use crate::logging;
use crate::settings::Settings;
use crate::store::{Store, StoreError};

/// Runs the daemon with the settings at `config`.
pub fn run(config: Option<&Path>) -> ExitCode {
    super::finish(serve(config))
}

fn serve(config: Option<&Path>) -> Result<(), StartError> {
    let settings = super::settings(config)?;
    logging::init(&settings.log);
    settings.notes().iter().for_each(|note| tracing::info!(note, "settings"));
    let runtime = super::runtime()?;
    let done = runtime.block_on(until_the_end(config, settings));
    // Whatever still blocks a thread must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

async fn until_the_end(config: Option<&Path>, mut settings: Settings) -> Result<(), StartError> {
    let mut signals = Signals::listen()?;
    let mut daemon = tokio::select! {
        started = start(None, settings.clone()) => started?,
        () = signals.end() => return Ok(()),
    };
    let damage = examine(daemon.register.store.clone());
    tokio::pin!(damage);
    let mut alive = Watchdog::start(&daemon);
    ready(&daemon, &settings);
    let end = loop {
        tokio::select! {
            heard = signals.next() => match heard {
                Heard::End => break Ok(()),
                Heard::Reload => {
                    let Some(new) = readable(config) else { continue };
                    drop(alive);
                    (daemon, settings) = reload(daemon, settings, new).await?;
                    alive = Watchdog::start(&daemon);
                    ready(&daemon, &settings);
                }
            },
            part = daemon.ended() => break Err(StartError::Failed(format!(
                "{part} ended by itself; the log has the place"
            ))),
            error = &mut damage => break Err(error.into()),
        }
    };
    notify(&[NotifyState::Stopping]);
    drop(alive);
    stop(daemon, &mut signals).await;
    tracing::info!("caseward has stopped");
    end
}

/// Finishes what is in hand, unless asked to end a second time.
async fn stop(daemon: Daemon, signals: &mut Signals) {
    let hurry = CancellationToken::new();
    let stopping = daemon.stop_unless(hurry.clone());
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            () = &mut stopping => return,
            () = signals.end() => {
                tracing::warn!("asked again to end: what is not done yet is done at the next start");
                hurry.cancel();
            }
        }
    }
}

/// The settings as they are written now, if they can be used.
fn readable(config: Option<&Path>) -> Option<Settings> {
    let read = super::settings(config).map_err(StartError::from);
    read.and_then(|new| crate::daemon::try_settings(&new).map(|()| new)).inspect_err(refuse).ok()
}

fn refuse(error: &StartError) {
    tracing::error!(%error, "the new settings are refused; the old ones stay");
    notify(&[NotifyState::Status("The new settings are refused; the old ones stay. The log says why.")]);
}

/// The daemon with the new settings; with the old ones when it does not start with the new.
async fn reload(daemon: Daemon, old: Settings, new: Settings) -> Result<(Daemon, Settings), StartError> {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    if old.log != new.log {
        tracing::warn!("[log] takes a restart; the rest is in force");
    }
    // Who connects meanwhile waits for a moment instead of being refused.
    let listener = (old.api.listen == new.api.listen).then(|| daemon.listener()).flatten();
    daemon.stop().await;
    let kept = listener.as_ref().and_then(|listener| listener.try_clone().ok());
    match start(listener, new.clone()).await {
        Ok(daemon) => {
            tracing::info!("settings were read again");
            Ok((daemon, new))
        }
        Err(error) => {
            refuse(&error);
            Ok((start(kept, old.clone()).await?, old))
        }
    }
}

async fn start(listener: Option<TcpListener>, settings: Settings) -> Result<Daemon, StartError> {
    let probe = std::env::current_exe().ok().map(|program| Probe { program });
    Daemon::start_on(listener, probe, settings, Box::new(Moment::now)).await
}

fn ready(daemon: &Daemon, settings: &Settings) {
    tracing::info!(address = %daemon.address, mailboxes = settings.mailboxes.len(), "caseward is ready");
    let status = format!("Ready: {} mailboxes, API at {}.", settings.mailboxes.len(), daemon.address);
    notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

enum Heard {
    End,
    Reload,
}

impl Signals {
    fn listen() -> Result<Self, StartError> {
        let listen = |kind| {
            signal(kind).map_err(|error| StartError::Other(format!("no signal can be heard: {error}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.terminate.recv() => Heard::End,
            _ = self.interrupt.recv() => Heard::End,
            _ = self.hangup.recv() => Heard::Reload,
        }
    }

    /// A reload is not heard meanwhile; it comes later, or no more.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Looks through the whole register beside its work; returns only if it is damaged.
async fn examine(store: Store) -> StoreError {
    let (tell, told) = oneshot::channel();
    let looking = std::thread::Builder::new().name("examine".into()).spawn(move || {
        if let Err(error @ StoreError::Damaged) = store.examine()
            && tell.send(error).is_err()
        {
            tracing::debug!("the daemon ended before the register was looked through");
        }
    });
    if let Err(error) = looking {
        tracing::warn!(%error, "the register is not looked through");
    }
    match told.await {
        Ok(error) => error,
        Err(_) => std::future::pending().await,
    }
}

/// Reports to systemd while the register answers; dropped, it stops.
struct Watchdog(Option<tokio::task::JoinHandle<()>>);

impl Watchdog {
    fn start(daemon: &Daemon) -> Self {
        let Some(patience) = sd_notify::watchdog_enabled() else { return Self(None) };
        let (desk, store) = (daemon.register.desk.clone(), daemon.register.store.clone());
        Self(Some(tokio::spawn(async move {
            loop {
                // An error is an answer too: a database that is away is no reason to be killed. A thread that hangs
                // answers nothing.
                let written = desk.run(Alive).await.is_ok();
                let read: Result<(), StoreError> = store.read(|tx| tx.ping()).await;
                tracing::trace!(written, read = read.is_ok(), "alive");
                notify(&[NotifyState::Watchdog]);
                tokio::time::sleep(patience / 4).await;
            }
        })))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
