//! The outbox's worker: leases due mails, sends them, notes what became of each. Never sends inside a transaction;
//! a mail whose fate is unknown is sent again as the same mail. A server that refuses everything is left alone, ever
//! longer, and no mail is the worse for it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::transport::{Envelope, SendError, Transport};
use crate::desk::outbox::{Claim, Claimed, Note, Parcel, Tried};
use crate::desk::{Desk, DeskError, Shared};
use crate::mailbox::backoff::{Backoff, Patience, Trouble, dice};
use crate::store::{Store, StoreError};

/// A mail that the server puts off for this long is given up, visibly (RFC 5321 section 4.5.4.1 gives servers days).
const GIVE_UP_AFTER: Duration = Duration::from_secs(2 * 24 * 3600);
/// A mail whose fate is unknown may have arrived each time.
const MOST_UNKNOWN: i32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
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
    pub patience: Patience,
}

/// What a round came to.
enum Round {
    Nothing,
    Sent,
    /// Nothing may leave for so long.
    HeldBack(Duration),
    ServerDown(Trouble),
}

impl Worker {
    /// Works until `stop`; what is in hand is finished.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(self.patience);
        // After a failure one mail tries whether the server is back, before several log in at once.
        let mut parallel = self.parallel;
        while !stop.is_cancelled() {
            match self.round(parallel).await {
                Ok(Round::Nothing) => self.wait(&stop).await,
                Ok(Round::HeldBack(span)) => self.pause(&stop, span).await,
                Ok(Round::Sent) => {
                    backoff.sent();
                    parallel = self.parallel;
                }
                Ok(Round::ServerDown(trouble)) => {
                    parallel = 1;
                    let span = backoff.failed(trouble, dice());
                    tracing::warn!(seconds = span.as_secs(), "the mail server is left alone for a while");
                    self.pause(&stop, span).await;
                }
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

    /// Sends one batch.
    async fn round(&self, parallel: usize) -> Result<Round, DeskError> {
        let now = self.shared.now();
        let due =
            self.store.read(|tx| tx.next_due()).await.map_err(|error: StoreError| DeskError::from(error))?;
        if due.is_none_or(|due| due > now) {
            return Ok(Round::Nothing);
        }
        let claim = Claim {
            holder: self.holder.clone(),
            most: i64::try_from(parallel).unwrap_or(1),
            lease: self.timeout * 2 + Duration::from_secs(30),
        };
        let Claimed { parcels, again } = self.desk.run(claim).await?;
        if parcels.is_empty() {
            let Some(again) = again else { return Ok(Round::Nothing) };
            let span = u64::try_from(again.micros() - now.micros()).unwrap_or(0);
            return Ok(Round::HeldBack(
                Duration::from_micros(span).clamp(Duration::from_millis(50), LOOK_EVERY),
            ));
        }
        let sent = futures_util::future::join_all(parcels.into_iter().map(|parcel| self.send(parcel))).await;
        let mut down = None;
        for outcome in sent {
            down = outcome?.or(down);
        }
        Ok(down.map_or(Round::Sent, Round::ServerDown))
    }

    /// The trouble when the fault is the server's, so that all others would fare the same.
    async fn send(&self, parcel: Parcel) -> Result<Option<Trouble>, DeskError> {
        let from = (!parcel.null_sender).then(|| parcel.from.clone());
        let envelope = Envelope { from, to: parcel.to.clone() };
        let result = self.transport.send(&envelope, &parcel.raw).await;
        let trouble = result.as_ref().err().and_then(SendError::trouble);
        if let Err(error) = &result {
            tracing::warn!(outbox = %parcel.id, attempts = parcel.attempts + 1, %error, "a mail was not sent");
        }
        let tried = self.judge(&parcel, result);
        self.desk.run(Note { id: parcel.id, tried }).await?;
        Ok(trouble)
    }

    fn judge(&self, parcel: &Parcel, result: Result<super::Accepted, SendError>) -> Tried {
        let now = self.shared.now();
        let error = match result {
            Ok(accepted) => return Tried::Sent { line: accepted.line },
            Err(error) => error,
        };
        let why = error.to_string();
        let too_long = parcel.created_at.plus(GIVE_UP_AFTER) <= now;
        match error {
            SendError::NullSenderRefused => Tried::AsMailbox,
            SendError::Permanent { .. } => Tried::Dead { why },
            SendError::Unknown if parcel.attempts + 1 >= MOST_UNKNOWN => Tried::Dead { why },
            // Behind the others: it may be this very mail that ends each connection.
            error if error.trouble().is_some() => Tried::ServerDown { at: now.plus(FIRST_PAUSE), why },
            _ if too_long => Tried::Dead { why },
            _ => Tried::Later { at: now.plus(pause_after(parcel.attempts)), why },
        }
    }
}

fn pause_after(attempts: i32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.clamp(0, 10)).min(LONGEST_PAUSE)
}
