//! The outbox's worker: leases due mails, sends them, notes what became of each. Never sends inside a transaction;
//! a mail whose fate is unknown is sent again as the same mail.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::transport::{Envelope, SendError, Transport};
use crate::desk::outbox::{Claim, Note, Parcel, Tried};
use crate::desk::{Desk, DeskError, Shared};
use crate::store::{Store, StoreError};

/// A mail that fails this often for reasons of its own is given up, visibly.
const MOST_ATTEMPTS: i32 = 12;
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// How long to leave a server alone that refuses everything.
const SERVER_PAUSE: Duration = Duration::from_secs(60);
/// Other daemons' mails are looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Sends what the outbox holds.
pub struct Worker {
    pub transport: Arc<Transport>,
    pub desk: Desk,
    pub store: Store,
    pub shared: Arc<Shared>,
    pub holder: String,
    /// Mails in hand at once.
    pub parallel: usize,
    /// The outer time limit of one send.
    pub timeout: Duration,
    pub per_minute: u32,
}

impl Worker {
    /// Works until `stop`; what is in hand is finished.
    pub async fn run(self, stop: CancellationToken) {
        let mut pace = Pace::new(self.per_minute);
        while !stop.is_cancelled() {
            match self.round(&mut pace, &stop).await {
                Ok(0) => self.wait(&stop).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the outbox could not be worked");
                    self.pause(&stop, LOOK_EVERY).await;
                }
            }
        }
        self.transport.close().await;
    }

    async fn wait(&self, stop: &CancellationToken) {
        let due: Result<_, StoreError> = self.store.read(|tx| tx.next_due()).await;
        let due = due.unwrap_or(None);
        let now = self.shared.now();
        let span = due.map_or(LOOK_EVERY, |due| {
            Duration::from_micros(u64::try_from(due.micros() - now.micros()).unwrap_or(0)).min(LOOK_EVERY)
        });
        tokio::select! {
            () = self.shared.committed.notified() => {}
            () = tokio::time::sleep(span.max(Duration::from_millis(20))) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn pause(&self, stop: &CancellationToken, span: Duration) {
        tokio::select! {
            () = tokio::time::sleep(span) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Sends one batch; how many mails were in it.
    async fn round(&self, pace: &mut Pace, stop: &CancellationToken) -> Result<usize, DeskError> {
        let now = self.shared.now();
        let due =
            self.store.read(|tx| tx.next_due()).await.map_err(|error: StoreError| DeskError::from(error))?;
        if due.is_none_or(|due| due > now) {
            return Ok(0);
        }
        let mut allowed = 0;
        let mut wait = None;
        while allowed < self.parallel {
            match pace.take(jiff::Timestamp::now()) {
                Ok(()) => allowed += 1,
                Err(span) => {
                    wait = Some(span);
                    break;
                }
            }
        }
        if allowed == 0 {
            let span = wait.and_then(|span| Duration::try_from(span).ok()).unwrap_or(LOOK_EVERY);
            self.pause(stop, span).await;
            return Ok(1);
        }
        let claim = Claim {
            holder: self.holder.clone(),
            most: i64::try_from(allowed).unwrap_or(1),
            lease: self.timeout * 2 + Duration::from_secs(30),
        };
        let parcels = self.desk.run(claim).await?;
        let count = parcels.len();
        let sent = futures_util::future::join_all(parcels.into_iter().map(|parcel| self.send(parcel))).await;
        let mut server_down = false;
        for outcome in sent {
            server_down |= outcome?;
        }
        if server_down {
            self.pause(stop, SERVER_PAUSE.min(Duration::from_secs(10))).await;
        }
        Ok(count)
    }

    /// True when the fault is the server's, so that all others would fare the same.
    async fn send(&self, parcel: Parcel) -> Result<bool, DeskError> {
        let from = (!parcel.null_sender).then(|| parcel.from.clone());
        let envelope = Envelope { from, to: parcel.to };
        let result = self.transport.send(&envelope, &parcel.raw).await;
        let down = result.as_ref().is_err_and(SendError::stops_all);
        if let Err(error) = &result {
            tracing::warn!(outbox = %parcel.id, attempts = parcel.attempts + 1, %error, "a mail was not sent");
        }
        let tried = match result {
            Ok(accepted) => Tried::Sent { line: accepted.line },
            Err(SendError::NullSenderRefused) => Tried::AsMailbox,
            Err(error @ SendError::Permanent { .. }) => Tried::Dead { why: error.to_string() },
            Err(error) if down => self.later(SERVER_PAUSE, &error),
            Err(error) if parcel.attempts + 1 >= MOST_ATTEMPTS => Tried::Dead { why: error.to_string() },
            Err(error) => self.later(pause_after(parcel.attempts), &error),
        };
        self.desk.run(Note { id: parcel.id, tried }).await?;
        Ok(down)
    }

    fn later(&self, span: Duration, error: &SendError) -> Tried {
        Tried::Later { at: self.shared.now().plus(span), why: error.to_string() }
    }
}

fn pause_after(attempts: i32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.clamp(0, 10)).min(LONGEST_PAUSE)
}
