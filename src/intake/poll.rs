//! One mailbox's task: takes the lease, connects, looks through the folders, waits, begins again. Driven by UID sets,
//! never by flags, counts or sequence numbers; a session that erred is dropped. What happens in a folder is `look`'s.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::look::Look;
use super::prepare::Preparation;
use super::probe::Probe;
use super::prove::Prover;
use super::pulse::Pulse;
use crate::desk::register::{Lease, ReleaseLease, TakeLease};
use crate::desk::{Desk, DeskError, Shared};
use crate::mailbox::backoff::{Backoff, Patience, Trouble, dice};
use crate::mailbox::{Mailbox, MailboxError};
use crate::settings::MailboxSettings;
use crate::store::Store;

/// A daemon that stops without a word is replaced after this long.
const LEASE: Duration = Duration::from_secs(120);

/// Opens a mailbox; given from outside so that tests can inject faults.
#[async_trait::async_trait]
pub trait Connect: Send + Sync {
    async fn connect(&self) -> Result<Box<dyn Mailbox>, MailboxError>;
}

/// Everything one mailbox's task needs.
pub struct Poller {
    pub settings: MailboxSettings,
    pub max_message_size: u64,
    pub workers: usize,
    pub patience: Patience,
    pub connect: Box<dyn Connect>,
    pub desk: Desk,
    pub store: Store,
    pub shared: Arc<Shared>,
    pub preparation: Arc<Preparation>,
    /// Looks up what proves senders that our own servers said nothing of.
    pub prover: Option<Arc<Prover>>,
    /// Tries mails that were in hand when the daemon died.
    pub probe: Option<Probe>,
    pub holder: String,
    pub pulse: Arc<Pulse>,
}

/// Why a session ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    #[error(transparent)]
    Desk(#[from] DeskError),
    #[error("another daemon has taken this mailbox over")]
    TakenOver,
}

impl Poller {
    /// Works the mailbox until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        self.pulse.here(self.shared.now());
        let mut backoff = Backoff::new(self.patience);
        while !stop.is_cancelled() {
            let Err(error) = self.turn(&stop, &mut backoff).await else { continue };
            let pause = match &error {
                Stop::TakenOver => {
                    tracing::info!(mailbox = self.settings.name, %error, "this mailbox is left");
                    continue;
                }
                Stop::Mailbox(error) => backoff.failed(error, dice()),
                Stop::Desk(_) => backoff.failed(Trouble::Lost, dice()),
            };
            self.pulse.failing.store(1, Ordering::Relaxed);
            tracing::warn!(mailbox = self.settings.name, %error, "this mailbox could not be worked");
            self.pause(&stop, pause).await;
        }
        let release = ReleaseLease { name: self.lease_name(), holder: self.holder.clone() };
        if let Err(error) = self.desk.run(release).await {
            tracing::debug!(%error, "the lease runs out by itself");
        }
    }

    /// A session under the lease; without the lease, a pause.
    async fn turn(&self, stop: &CancellationToken, backoff: &mut Backoff) -> Result<(), Stop> {
        let Some(lease) = self.take_lease().await? else {
            self.pulse.elsewhere();
            self.pause(stop, LEASE / 8).await;
            return Ok(());
        };
        self.pulse.here(self.shared.now());
        tokio::select! {
            ended = self.session(&lease, stop, backoff) => ended,
            lost = self.keep(&lease) => Err(lost),
        }
    }

    fn lease_name(&self) -> String {
        format!("mailbox/{}", self.settings.name)
    }

    async fn take_lease(&self) -> Result<Option<Lease>, DeskError> {
        self.desk.run(TakeLease { name: self.lease_name(), holder: self.holder.clone(), span: LEASE }).await
    }

    /// Renews the lease, however long a batch takes; ends when it is lost.
    async fn keep(&self, lease: &Lease) -> Stop {
        loop {
            tokio::time::sleep(LEASE / 4).await;
            match self.take_lease().await {
                Ok(Some(renewed)) if renewed == *lease => {}
                Ok(_) => return Stop::TakenOver,
                Err(error) => return error.into(),
            }
        }
    }

    /// One connection, from login to its end.
    async fn session(
        &self,
        lease: &Lease,
        stop: &CancellationToken,
        backoff: &mut Backoff,
    ) -> Result<(), Stop> {
        self.pause(stop, backoff.before_login(self.shared.now().timestamp())).await;
        let mut mailbox = self.connect.connect().await?;
        backoff.logged_in(self.shared.now().timestamp());
        let mut first = true;
        loop {
            for name in &self.settings.folders {
                Look::open(self, mailbox.as_mut(), lease, name).await?.run(first, stop).await?;
            }
            first = false;
            self.pulse.polled(self.shared.now());
            backoff.worked();
            if stop.is_cancelled() {
                mailbox.close().await;
                return Ok(());
            }
            if self.settings.folders.len() > 1
                && let Some(watched) = self.settings.folders.first()
            {
                mailbox.open(watched).await?;
            }
            tokio::select! {
                woken = mailbox.wait(self.settings.poll) => { woken?; }
                // The wait is abandoned: what the session says next may be its answer.
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    async fn pause(&self, stop: &CancellationToken, span: Duration) {
        tokio::select! {
            () = tokio::time::sleep(span) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// What proves a sender in this mailbox.
#[must_use]
pub fn policy_of(settings: &MailboxSettings) -> crate::mail::authentication::Policy {
    let trust = &settings.trust;
    crate::mail::authentication::Policy {
        authserv_id: trust.authserv_id.clone(),
        anonymous_results: trust.anonymous_results,
        own_hosts: trust.own_hosts.clone(),
        internal_header: trust.internal_header.clone(),
        authenticated_received: trust.authenticated_received,
        all_internal: trust.all_internal,
    }
}
