//! One mailbox's task: connects, compares the server's UIDs with the register, takes in what is new, settles what
//! is committed, waits. Driven by UID sets, never by flags, counts or sequence numbers; a session that erred is
//! dropped.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::prepare::{Incoming, Preparation};
use crate::case::{Channel, Moment};
use crate::desk::receive::{Arrived, Place, Receive};
use crate::desk::register::{Account, AccountFor, OpenFolder, Reconciled, ReleaseLease, Settled, TakeLease};
use crate::desk::{Desk, DeskError, Shared};
use crate::mailbox::backoff::Backoff;
use crate::mailbox::{Fetched, Listed, Mailbox, MailboxError, Settle, Uid};
use crate::settings::{After, MailboxSettings, Since};
use crate::store::Store;
use crate::store::rows::{FolderRow, RegisterState};

/// Mails fetched at once: by number and by size.
const BATCH: usize = 100;
const BATCH_BYTES: u64 = 20 << 20;
/// Sizes asked for at once.
const LISTED: usize = 500;
/// A daemon that stops without a word is replaced after this long.
const LEASE: Duration = Duration::from_secs(120);
/// How often the whole UID sets are compared.
const RECONCILE_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Opens a mailbox; given from outside so that tests can inject faults.
#[async_trait::async_trait]
pub trait Connect: Send + Sync {
    async fn connect(&self) -> Result<Box<dyn Mailbox>, MailboxError>;
}

/// What health and metrics want to know of one mailbox.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Microseconds of the last complete look; 0 before the first.
    pub polled_at: AtomicI64,
    pub started_at: AtomicI64,
    /// 1 while the last attempt failed.
    pub failing: AtomicI64,
    /// Mails listed and not yet taken in.
    pub waiting: AtomicI64,
}

/// Everything one mailbox's task needs.
pub struct Poller {
    pub settings: MailboxSettings,
    pub max_message_size: u64,
    pub workers: usize,
    pub connect: Box<dyn Connect>,
    pub desk: Desk,
    pub store: Store,
    pub shared: Arc<Shared>,
    pub preparation: Arc<Preparation>,
    pub holder: String,
    pub pulse: Arc<Pulse>,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    #[error(transparent)]
    Desk(#[from] DeskError),
}

/// A folder while it is open.
struct Folder {
    row: FolderRow,
    known: HashSet<u32>,
}

impl Poller {
    /// Works the mailbox until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        self.pulse.started_at.store(self.shared.now().micros(), Ordering::Relaxed);
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            self.pause(&stop, backoff.before_login(jiff::Timestamp::now())).await;
            if let Err(error) = self.session(&stop, &mut backoff).await {
                self.pulse.failing.store(1, Ordering::Relaxed);
                tracing::warn!(mailbox = self.settings.name, %error, "this mailbox could not be worked");
                let pause = match &error {
                    Stop::Mailbox(error) => backoff.failed(error, jitter()),
                    Stop::Desk(_) => backoff.failed(&MailboxError::Lost(String::new()), jitter()),
                };
                self.pause(&stop, pause).await;
            }
        }
        let release = ReleaseLease { name: self.lease_name(), holder: self.holder.clone() };
        if let Err(error) = self.desk.run(release).await {
            tracing::debug!(%error, "the lease runs out by itself");
        }
    }

    fn lease_name(&self) -> String {
        format!("mailbox/{}", self.settings.name)
    }

    async fn has_lease(&self) -> Result<bool, DeskError> {
        let lease = TakeLease { name: self.lease_name(), holder: self.holder.clone(), span: LEASE };
        Ok(self.desk.run(lease).await?.is_some())
    }

    /// One connection, from login to its end.
    async fn session(&self, stop: &CancellationToken, backoff: &mut Backoff) -> Result<(), Stop> {
        if !self.has_lease().await? {
            self.pause(stop, LEASE / 8).await;
            return Ok(());
        }
        let mut mailbox = self.connect.connect().await?;
        backoff.logged_in(jiff::Timestamp::now());
        let mut complete = true;
        loop {
            for name in &self.settings.folders {
                self.folder(mailbox.as_mut(), name, complete, stop).await?;
            }
            complete = false;
            self.pulse.polled_at.store(self.shared.now().micros(), Ordering::Relaxed);
            self.pulse.failing.store(0, Ordering::Relaxed);
            backoff.worked();
            if stop.is_cancelled() {
                mailbox.close().await;
                return Ok(());
            }
            if self.settings.folders.len() > 1
                && let Some(first) = self.settings.folders.first()
            {
                mailbox.open(first).await?;
            }
            let span = self.settings.poll.min(LEASE / 3);
            tokio::select! {
                woken = mailbox.wait(span) => { woken?; }
                () = stop.cancelled() => {}
            }
            if stop.is_cancelled() || !self.has_lease().await? {
                // The wait was abandoned: what the session says next may be its answer.
                return Ok(());
            }
        }
    }

    async fn pause(&self, stop: &CancellationToken, span: Duration) {
        tokio::select! {
            () = tokio::time::sleep(span) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Brings one folder up to date.
    async fn folder(
        &self,
        mailbox: &mut dyn Mailbox,
        name: &str,
        complete: bool,
        stop: &CancellationToken,
    ) -> Result<(), Stop> {
        let state = mailbox.open(name).await?;
        let open = OpenFolder {
            mailbox: self.settings.name.clone(),
            folder: name.into(),
            validity: state.validity,
            since: self.settings.since,
        };
        let row = self.desk.run(open).await?;
        let id = row.id;
        let known = self.store.read(move |tx| tx.registered_uids(id)).await.map_err(DeskError::from)?;
        let known: HashSet<u32> = known.into_iter().filter_map(|uid| u32::try_from(uid).ok()).collect();
        let due = row.reconciled_at.is_none_or(|at| at.plus(RECONCILE_AFTER) <= self.shared.now());
        let highest = known.iter().max().copied().map(Uid);
        let whole = complete || due || highest.is_none();
        let listed = mailbox.list(if whole { None } else { highest }).await?;
        let mut folder = Folder { row, known };
        if whole {
            self.settle_left_over(mailbox, &folder, &listed).await?;
        }
        let new: Vec<Uid> = listed.into_iter().filter(|uid| !folder.known.contains(&uid.0)).collect();
        self.take_in(mailbox, &mut folder, &new, stop).await?;
        if whole && !stop.is_cancelled() {
            // Only now: a first look that was cut short is a first look again.
            self.desk.run(Reconciled { folder: id }).await?;
        }
        Ok(())
    }

    /// Whether receipt decides what is from before the start. After the first look of the first epoch it does not:
    /// what appears then is new, whatever the server's clock says.
    fn judged_by_receipt(&self, row: &FolderRow) -> bool {
        row.reconciled_at.is_none() || row.epoch > 1 || matches!(self.settings.since, Since::Date(_))
    }

    /// What an earlier run committed and did not mark, move or delete any more.
    async fn settle_left_over(
        &self,
        mailbox: &mut dyn Mailbox,
        folder: &Folder,
        listed: &[Uid],
    ) -> Result<(), Stop> {
        let id = folder.row.id;
        let rows = self.store.read(move |tx| tx.unsettled(id)).await.map_err(DeskError::from)?;
        let present: HashSet<u32> = listed.iter().map(|uid| uid.0).collect();
        let mut done = Vec::new();
        for row in rows {
            let Ok(uid) = u32::try_from(row.uid) else { continue };
            if present.contains(&uid) {
                self.settle(mailbox, folder, &[(Uid(uid), row.state)]).await?;
            } else {
                done.push(row.uid);
            }
        }
        if !done.is_empty() {
            self.desk.run(Settled { folder: id, uids: done }).await?;
        }
        Ok(())
    }

    async fn take_in(
        &self,
        mailbox: &mut dyn Mailbox,
        folder: &mut Folder,
        new: &[Uid],
        stop: &CancellationToken,
    ) -> Result<(), Stop> {
        let mut left = new.len();
        for some in new.chunks(LISTED) {
            self.pulse.waiting.store(i64::try_from(left).unwrap_or(i64::MAX), Ordering::Relaxed);
            let listed = mailbox.size(some).await?;
            let judged = self.judged_by_receipt(&folder.row);
            let (before, wanted): (Vec<_>, Vec<_>) = listed
                .into_iter()
                .partition(|one| judged && Moment::from(one.received_at) < folder.row.start_at);
            self.account_before_start(folder, &before).await?;
            for batch in batches(&wanted, self.max_message_size) {
                if stop.is_cancelled() {
                    return Ok(());
                }
                self.take_batch(mailbox, folder, batch).await?;
            }
            left = left.saturating_sub(some.len());
        }
        self.pulse.waiting.store(0, Ordering::Relaxed);
        Ok(())
    }

    async fn account_before_start(&self, folder: &mut Folder, before: &[Listed]) -> Result<(), Stop> {
        if before.is_empty() {
            return Ok(());
        }
        let places = before
            .iter()
            .map(|one| Account {
                uid: i64::from(one.uid.0),
                bytes: one.size,
                received_at: one.received_at.into(),
                state: RegisterState::BeforeStart,
                settled: true,
            })
            .collect();
        self.desk.run(AccountFor { folder: folder.row.id, places }).await?;
        folder.known.extend(before.iter().map(|one| one.uid.0));
        Ok(())
    }

    async fn take_batch(
        &self,
        mailbox: &mut dyn Mailbox,
        folder: &mut Folder,
        batch: &[Listed],
    ) -> Result<(), Stop> {
        let uids: Vec<Uid> = batch.iter().map(|one| one.uid).collect();
        let fetched = self.fetch(mailbox, &uids).await?;
        let arrived: HashSet<Uid> = fetched.iter().map(|one| one.uid).collect();
        let vanished: Vec<&Listed> = batch.iter().filter(|one| !arrived.contains(&one.uid)).collect();
        self.account_vanished(folder, &vanished).await?;
        let prepared = self.prepare(folder, batch, fetched).await;
        let mut waiting = Vec::with_capacity(prepared.len());
        for (uid, arrived) in prepared {
            waiting.push((uid, self.desk.submit(Receive { arrived: Arc::new(arrived) }).await?));
        }
        let mut settle = Vec::with_capacity(waiting.len());
        let mut failed = None;
        for (uid, answer) in waiting {
            match answer.await {
                Ok(Ok(became)) => {
                    folder.known.insert(uid.0);
                    settle.push((uid, became.state));
                }
                Ok(Err(error)) => failed = Some(error),
                Err(_) => {
                    failed =
                        Some(crate::store::StoreError::Unavailable("the daemon is stopping".into()).into())
                }
            }
        }
        self.settle(mailbox, folder, &settle).await?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn fetch(&self, mailbox: &mut dyn Mailbox, uids: &[Uid]) -> Result<Vec<Fetched>, Stop> {
        match mailbox.fetch(uids, self.max_message_size).await {
            Err(MailboxError::Message { uid, reason }) => {
                tracing::error!(
                    mailbox = self.settings.name,
                    uid = uid.0,
                    reason,
                    "this message cannot be read"
                );
                let others: Vec<Uid> = uids.iter().copied().filter(|other| *other != uid).collect();
                let mut fetched = Vec::with_capacity(others.len());
                for other in others {
                    match mailbox.fetch(&[other], self.max_message_size).await {
                        Ok(one) => fetched.extend(one),
                        Err(MailboxError::Message { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(fetched)
            }
            other => Ok(other?),
        }
    }

    async fn account_vanished(&self, folder: &mut Folder, vanished: &[&Listed]) -> Result<(), Stop> {
        if vanished.is_empty() {
            return Ok(());
        }
        let places = vanished
            .iter()
            .map(|one| Account {
                uid: i64::from(one.uid.0),
                bytes: one.size,
                received_at: one.received_at.into(),
                state: RegisterState::Vanished,
                settled: true,
            })
            .collect();
        self.desk.run(AccountFor { folder: folder.row.id, places }).await?;
        folder.known.extend(vanished.iter().map(|one| one.uid.0));
        Ok(())
    }

    /// Understands a batch on the blocking threads, a share each; the order stays.
    async fn prepare(&self, folder: &Folder, batch: &[Listed], fetched: Vec<Fetched>) -> Vec<(Uid, Arrived)> {
        let now = self.shared.now();
        let oldest = now.minus(self.settings.acknowledge_within);
        let incoming: Vec<(Uid, Incoming)> = fetched
            .into_iter()
            .map(|one| {
                let listed = batch.iter().find(|listed| listed.uid == one.uid);
                let received_at = listed.map_or(now, |listed| Moment::from(listed.received_at)).min(now);
                let place = Place { folder: folder.row.id, uid: i64::from(one.uid.0) };
                let incoming = Incoming {
                    place: Some(place),
                    mailbox: self.settings.name.clone(),
                    received_at,
                    bytes: listed.map_or(0, |listed| listed.size),
                    raw: one.raw,
                    complete: !one.truncated,
                    acknowledge: received_at >= oldest,
                    channel: Channel::Mail,
                };
                (one.uid, incoming)
            })
            .collect();
        let share = incoming.len().div_ceil(self.workers.max(1)).max(1);
        let mut shares = Vec::new();
        let mut rest = incoming.into_iter().peekable();
        while rest.peek().is_some() {
            let some: Vec<_> = rest.by_ref().take(share).collect();
            let (preparation, shared) = (Arc::clone(&self.preparation), Arc::clone(&self.shared));
            let policy = policy_of(&self.settings);
            shares.push(tokio::task::spawn_blocking(move || {
                some.into_iter()
                    .map(|(uid, one)| (uid, preparation.prepare(one, &policy, shared.vault.lookup())))
                    .collect::<Vec<_>>()
            }));
        }
        let mut prepared = Vec::new();
        for share in shares {
            // Preparing catches panics itself: nothing is lost here.
            prepared.extend(share.await.unwrap_or_default());
        }
        prepared
    }

    /// Marks, moves or deletes what is committed, and notes that.
    async fn settle(
        &self,
        mailbox: &mut dyn Mailbox,
        folder: &Folder,
        done: &[(Uid, RegisterState)],
    ) -> Result<(), Stop> {
        let quarantined = |state: &RegisterState| *state == RegisterState::Quarantined;
        let uids = |bad: bool| -> Vec<Uid> {
            done.iter().filter(|(_, state)| quarantined(state) == bad).map(|(uid, _)| *uid).collect()
        };
        for (uids, target) in
            [(uids(false), &self.settings.processed_folder), (uids(true), &self.settings.quarantine_folder)]
        {
            if uids.is_empty() {
                continue;
            }
            let how = match self.settings.after {
                After::Keep => None,
                After::Seen => Some(Settle::Seen),
                After::Move => Some(Settle::MoveTo(target.clone())),
                // Nothing is expunged that no verified backup holds.
                After::Delete => continue,
            };
            if let Some(how) = how {
                mailbox.settle(&uids, &how).await?;
            }
            let uids = uids.iter().map(|uid| i64::from(uid.0)).collect();
            self.desk.run(Settled { folder: folder.row.id, uids }).await?;
        }
        Ok(())
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

/// Batches bounded by number and size; a large mail comes alone.
fn batches(listed: &[Listed], limit: u64) -> Vec<&[Listed]> {
    let mut batches = Vec::new();
    let mut rest = listed;
    while !rest.is_empty() {
        let mut bytes = 0;
        let count = rest
            .iter()
            .take(BATCH)
            .take_while(|one| {
                bytes += one.size.min(limit);
                bytes <= BATCH_BYTES
            })
            .count()
            .max(1);
        let (batch, after) = rest.split_at(count);
        batches.push(batch);
        rest = after;
    }
    batches
}

fn jitter() -> f64 {
    let mut byte = [0];
    if getrandom::fill(&mut byte).is_err() {
        return 0.5;
    }
    f64::from(byte.first().copied().unwrap_or(128)) / 255.0
}
