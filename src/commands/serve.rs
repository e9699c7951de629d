//! `caseward serve`: the daemon, until a signal ends it. Tells systemd when it is ready.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::case::Moment;
use crate::daemon::{Daemon, StartError, settings_in_force};
use crate::intake::probe::Probe;
use crate::logging;
use crate::settings::Settings;

/// Runs the daemon with the settings at `config`.
pub fn run(config: Option<&Path>) -> ExitCode {
    super::finish(serve(config))
}

fn serve(config: Option<&Path>) -> Result<(), StartError> {
    let settings = super::settings(config)?;
    logging::init(&settings.log);
    for note in settings.notes() {
        tracing::warn!(note, "settings");
    }
    super::runtime()?.block_on(async {
        let probe = std::env::current_exe().ok().map(|program| Probe { program });
        let daemon = Daemon::start_probing(settings.clone(), Box::new(Moment::now), probe).await?;
        tracing::info!(address = %daemon.address, mailboxes = daemon.pulses.len(), "caseward is ready");
        notify(&[sd_notify::NotifyState::Ready]);
        until_signal(&daemon, config, settings).await?;
        notify(&[sd_notify::NotifyState::Stopping]);
        daemon.stop().await;
        tracing::info!("caseward has stopped");
        Ok(())
    })
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// Waits for SIGTERM or SIGINT; SIGHUP reloads.
async fn until_signal(
    daemon: &Daemon,
    config: Option<&Path>,
    mut settings: Settings,
) -> Result<(), StartError> {
    let listen =
        |kind| signal(kind).map_err(|error| StartError::Other(format!("no signal can be heard: {error}")));
    let (mut terminate, mut interrupt, mut hangup) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, listen(SignalKind::hangup())?);
    let mut watchdog = tokio::time::interval(std::time::Duration::from_secs(10));
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => settings = reload(daemon, config, settings).await,
            _ = watchdog.tick() => notify(&[sd_notify::NotifyState::Watchdog]),
        }
    }
}

/// A bad file is refused and the old settings stay.
async fn reload(daemon: &Daemon, config: Option<&Path>, old: Settings) -> Settings {
    let new = match super::settings(config) {
        Ok(new) => new,
        Err(error) => {
            tracing::error!(%error, "the new settings are refused; the old ones stay");
            return old;
        }
    };
    let restart = old.restart_needed(&new);
    if !restart.is_empty() {
        tracing::warn!(keys = restart.join(", "), "these settings take a restart");
    }
    match daemon.register.shared.settings.write() {
        Ok(mut shared) => *shared = Arc::new(new.clone()),
        Err(poisoned) => *poisoned.into_inner() = Arc::new(new.clone()),
    }
    if let Err(error) = daemon.register.desk.run(settings_in_force("settings.changed", &new)).await {
        tracing::error!(%error, "the new settings could not be entered into the audit log");
    }
    tracing::info!("settings were read again");
    new
}
