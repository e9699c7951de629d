//! Marking, moving or deleting on the server what is committed here (promise 1), and noting that. What a crash left
//! over is settled at the next look.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::look::Look;
use super::poll::Stop;
use crate::case::Moment;
use crate::desk::DeskError;
use crate::desk::register::Settled;
use crate::mailbox::{MailboxError, Settle, Uid};
use crate::settings::After;
use crate::store::StoreError;
use crate::store::rows::RegisterState;

/// A row bears the time at which its action began; the group that it is committed with may take a while. A backup
/// that began sooner than this after it may lack it.
const COMMITTED_WITHIN: Duration = Duration::from_secs(10 * 60);
const LEFT_EARLY: &str = "it had left the folder before it was settled";

impl Look<'_> {
    /// Settles what was just committed.
    pub(super) async fn settle(&mut self, done: &[(Uid, RegisterState)]) -> Result<(), Stop> {
        let quarantined = |state: &RegisterState| *state == RegisterState::Quarantined;
        let uids = |bad: bool| -> Vec<Uid> {
            done.iter().filter(|(_, state)| quarantined(state) == bad).map(|(uid, _)| *uid).collect()
        };
        let settings = &self.poller.settings;
        for (uids, target) in
            [(uids(false), &settings.processed_folder), (uids(true), &settings.quarantine_folder)]
        {
            if uids.is_empty() {
                continue;
            }
            match settings.after {
                After::Keep => self.note(&uids, None).await?,
                After::Seen => self.settle_as(&uids, &Settle::Seen).await?,
                After::Move => self.settle_as(&uids, &Settle::MoveTo(target.clone())).await?,
                // Nothing is expunged before a verified backup holds it.
                After::Delete => {}
            }
        }
        Ok(())
    }

    async fn settle_as(&mut self, uids: &[Uid], how: &Settle) -> Result<(), Stop> {
        match self.mailbox.settle(uids, how).await {
            Ok(()) => {
                self.poller.pulse.unsettled.store(false, Ordering::Relaxed);
                self.note(uids, None).await
            }
            // A folder that cannot be written to must not keep the next mail from being taken in.
            Err(MailboxError::Misconfigured(why)) => {
                if !self.poller.pulse.unsettled.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        mailbox = self.poller.settings.name,
                        why,
                        "what was taken in cannot be settled"
                    );
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn note(&mut self, uids: &[Uid], reason: Option<&'static str>) -> Result<(), Stop> {
        if uids.is_empty() {
            return Ok(());
        }
        let uids = uids.iter().map(|uid| i64::from(uid.0)).collect();
        let settled = Settled { lease: self.lease.clone(), folder: self.id(), uids, reason };
        Ok(self.poller.desk.run(settled).await?)
    }

    /// What an earlier run committed and did not mark or move any more.
    pub(super) async fn settle_left_over(&mut self, listed: &[Uid]) -> Result<(), Stop> {
        let id = self.id();
        let rows: Result<_, StoreError> = self.poller.store.read(move |tx| tx.unsettled(id)).await;
        let rows = rows.map_err(DeskError::from)?;
        let present: HashSet<u32> = listed.iter().map(|uid| uid.0).collect();
        let rows = rows.iter().filter_map(|row| Some((Uid(u32::try_from(row.uid).ok()?), row.state)));
        let (left, gone): (Vec<_>, Vec<_>) = rows.partition(|(uid, _)| present.contains(&uid.0));
        self.settle(&left).await?;
        let gone: Vec<Uid> = gone.into_iter().map(|(uid, _)| uid).collect();
        self.note(&gone, Some(LEFT_EARLY)).await
    }

    /// Expunges what a verified backup holds whole. What is here only in part stays on the server for ever.
    pub(super) async fn settle_backed_up(&mut self, listed: Option<&Vec<Uid>>) -> Result<(), Stop> {
        if self.poller.settings.after != After::Delete {
            return Ok(());
        }
        let id = self.id();
        let uids: Result<Vec<i64>, StoreError> = self
            .poller
            .store
            .read(move |tx| match tx.last_verified_backup()? {
                Some(at) => tx.deletable(id, safely_before(at)),
                None => Ok(Vec::new()),
            })
            .await;
        let uids: Vec<Uid> = uids
            .map_err(DeskError::from)?
            .into_iter()
            .filter_map(|uid| u32::try_from(uid).ok())
            .map(Uid)
            .filter(|uid| listed.is_none_or(|listed| listed.binary_search(uid).is_ok()))
            .collect();
        if uids.is_empty() {
            return Ok(());
        }
        tracing::info!(
            mailbox = self.poller.settings.name,
            mails = uids.len(),
            "deleting what is in a backup"
        );
        self.settle_as(&uids, &Settle::Delete).await
    }
}

fn safely_before(backup: Moment) -> Moment {
    backup.minus(COMMITTED_WITHIN)
}
