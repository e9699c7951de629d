//! One look through one folder: compares the server's UIDs with the register, takes in what is new, asks again for
//! what could not be had, and settles on the server what is committed here. Every UID ends in the register.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::attempts::{self, Ask, Try};
use super::poll::{Poller, Stop};
use super::prepare::Incoming;
use crate::case::{Channel, FolderId, Moment};
use crate::desk::DeskError;
use crate::desk::receive::Place;
use crate::desk::register::{Account, AccountFor, IN_HAND, Lease, NotHad, OpenFolder, Reconciled};
use crate::mailbox::{Fetched, Listed, Mailbox, MailboxError, Uid};
use crate::settings::Since;
use crate::store::StoreError;
use crate::store::rows::{FolderRow, RegisterRow, RegisterState};

/// Mails fetched at once: by number and by size.
const BATCH: usize = 100;
const BATCH_BYTES: u64 = 20 << 20;
/// Sizes asked for at once.
const LISTED: usize = 500;
/// How often the whole UID sets are compared.
const RECONCILE_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Why a mail stands in quarantine that was never had.
const BREAKS_OFF: &str =
    "the mail server breaks off whenever it is asked for this mail; look at it with a mail program";
const DEADLY: &str = "caseward died over this mail, and again in a process of its own; it is kept as it came";
const HEAD_ONLY: &str =
    "the mail server breaks off whenever it is asked for this mail; only its head could be had";

/// A folder while it is looked through.
pub(super) struct Look<'a> {
    pub(super) poller: &'a Poller,
    pub(super) mailbox: &'a mut dyn Mailbox,
    pub(super) lease: &'a Lease,
    pub(super) row: FolderRow,
}

/// What the register says of the folder.
struct Known {
    /// Every UID; in a partial look none, for only higher ones are listed then.
    uids: HashSet<u32>,
    unread: HashMap<u32, RegisterRow>,
}

impl<'a> Look<'a> {
    pub(super) async fn open(
        poller: &'a Poller,
        mailbox: &'a mut dyn Mailbox,
        lease: &'a Lease,
        name: &str,
    ) -> Result<Self, Stop> {
        let state = mailbox.open(name).await?;
        let open = OpenFolder {
            lease: lease.clone(),
            mailbox: poller.settings.name.clone(),
            folder: name.into(),
            validity: state.validity,
            since: poller.settings.since,
        };
        let row = poller.desk.run(open).await?;
        Ok(Self { poller, mailbox, lease, row })
    }

    /// Brings the folder up to date. The `first` look of a session compares all, and so does one a day.
    pub(super) async fn run(&mut self, first: bool, stop: &CancellationToken) -> Result<(), Stop> {
        let due = self.row.reconciled_at.is_none_or(|at| at.plus(RECONCILE_AFTER) <= self.now());
        let highest = self.highest().await?;
        let whole = first || due || highest.is_none();
        let known = self.known(whole).await?;
        let listed = self.mailbox.list(if whole { None } else { highest }).await?;
        if whole {
            self.account_vanished(&known, &listed).await?;
            self.settle_left_over(&listed).await?;
        }
        self.settle_backed_up(whole.then_some(&listed)).await?;
        let tries = self.to_try(&known, &listed);
        self.take_in(tries, stop).await?;
        if whole && !stop.is_cancelled() {
            // Only now: a first look that was cut short is a first look again.
            self.poller.desk.run(Reconciled { lease: self.lease.clone(), folder: self.row.id }).await?;
            tracing::debug!(
                mailbox = self.poller.settings.name,
                folder = self.row.folder,
                listed = listed.len(),
                registered = known.uids.len(),
                unread = known.unread.len(),
                "server and register were compared"
            );
        }
        Ok(())
    }

    pub(super) fn now(&self) -> Moment {
        self.poller.shared.now()
    }

    async fn highest(&mut self) -> Result<Option<Uid>, Stop> {
        let id = self.row.id;
        let highest: Result<_, StoreError> = self.poller.store.read(move |tx| tx.highest_uid(id)).await;
        Ok(highest.map_err(DeskError::from)?.and_then(|uid| u32::try_from(uid).ok()).map(Uid))
    }

    async fn known(&mut self, whole: bool) -> Result<Known, Stop> {
        let id = self.row.id;
        let read: Result<_, StoreError> = self
            .poller
            .store
            .read(move |tx| {
                let uids = if whole { tx.registered_uids(id)? } else { Vec::new() };
                Ok((uids, tx.unread(id)?))
            })
            .await;
        let (uids, unread) = read.map_err(DeskError::from)?;
        let number = |uid: i64| u32::try_from(uid).ok();
        Ok(Known {
            uids: uids.into_iter().filter_map(number).collect(),
            unread: unread.into_iter().filter_map(|row| Some((number(row.uid)?, row))).collect(),
        })
    }

    /// New UIDs, and those that could not be had and are due.
    fn to_try(&self, known: &Known, listed: &[Uid]) -> Vec<Try> {
        let now = self.now();
        let new = listed
            .iter()
            .filter(|uid| !known.uids.contains(&uid.0) && !known.unread.contains_key(&uid.0))
            .map(|uid| Try { uid: *uid, attempts: 0, suspect: false });
        let again = known.unread.iter().filter(|(_, row)| attempts::due(row.at, row.attempts) <= now).map(
            |(uid, row)| Try {
                uid: Uid(*uid),
                attempts: row.attempts,
                suspect: row.reason.as_deref() == Some(IN_HAND),
            },
        );
        new.chain(again).collect()
    }

    async fn take_in(&mut self, tries: Vec<Try>, stop: &CancellationToken) -> Result<(), Stop> {
        let waiting = &self.poller.pulse.waiting;
        let mut left = tries.len();
        for group in attempts::groups(tries) {
            for some in group.chunks(LISTED) {
                waiting.store(i64::try_from(left).unwrap_or(i64::MAX), Ordering::Relaxed);
                if stop.is_cancelled() {
                    return Ok(());
                }
                match some {
                    [one] if attempts::ask(one.attempts) == Ask::Head => self.take_head(*one).await?,
                    some => self.take_some(some, stop).await?,
                }
                left = left.saturating_sub(some.len());
            }
        }
        waiting.store(0, Ordering::Relaxed);
        self.poller.pulse.oldest.store(0, Ordering::Relaxed);
        Ok(())
    }

    async fn take_some(&mut self, some: &[Try], stop: &CancellationToken) -> Result<(), Stop> {
        let mut asked: Vec<Uid> = some.iter().map(|one| one.uid).collect();
        let listed = loop {
            let sized = self.mailbox.size(&asked).await;
            match self.watched(some, sized).await {
                Err(Stop::Mailbox(MailboxError::Message { uid, reason })) if asked.contains(&uid) => {
                    self.unreadable(some, uid, reason).await?;
                    asked.retain(|other| *other != uid);
                }
                other => break other?,
            }
        };
        let present: HashSet<Uid> = listed.iter().map(|one| one.uid).collect();
        let gone: Vec<Uid> = asked.into_iter().filter(|uid| !present.contains(uid)).collect();
        self.account(RegisterState::Vanished, self.unlisted(&gone)).await?;
        let judged = self.judged_by_receipt();
        let (before, wanted): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|one| judged && Moment::from(one.received_at) < self.row.start_at);
        self.account(RegisterState::BeforeStart, before.iter().map(account_of).collect()).await?;
        if let Some(oldest) = wanted.iter().map(|one| one.received_at).min() {
            self.poller.pulse.oldest.store(Moment::from(oldest).micros(), Ordering::Relaxed);
        }
        for batch in batches(&wanted, self.poller.max_message_size) {
            if stop.is_cancelled() {
                return Ok(());
            }
            let tries: Vec<Try> =
                some.iter().filter(|one| batch.iter().any(|listed| listed.uid == one.uid)).copied().collect();
            self.take_batch(batch, &tries).await?;
        }
        Ok(())
    }

    /// Whether receipt decides what is from before the start. After the first look of the first epoch it does not:
    /// what appears then is new, whatever the server's clock says.
    fn judged_by_receipt(&self) -> bool {
        self.row.reconciled_at.is_none()
            || self.row.epoch > 1
            || matches!(self.poller.settings.since, Since::Date(_))
    }

    async fn take_batch(&mut self, batch: &[Listed], tries: &[Try]) -> Result<(), Stop> {
        let mut asked: Vec<Uid> = batch.iter().map(|one| one.uid).collect();
        let fetched = loop {
            let fetched = self.mailbox.fetch(&asked, self.poller.max_message_size).await;
            match self.watched(tries, fetched).await {
                Err(Stop::Mailbox(MailboxError::Message { uid, reason })) if asked.contains(&uid) => {
                    self.unreadable(tries, uid, reason).await?;
                    asked.retain(|other| *other != uid);
                }
                other => break other?,
            }
        };
        let arrived: HashSet<Uid> = fetched.iter().map(|one| one.uid).collect();
        let gone: Vec<Account> = batch
            .iter()
            .filter(|one| asked.contains(&one.uid) && !arrived.contains(&one.uid))
            .map(account_of)
            .collect();
        self.account(RegisterState::Vanished, gone).await?;
        let uids: Vec<Uid> = fetched.iter().map(|one| one.uid).collect();
        // Should the daemon die over them, they are suspects after its next start.
        self.not_had(uids.clone(), RegisterState::Pending, Some(IN_HAND.into())).await?;
        let mut incoming = Vec::with_capacity(fetched.len());
        for one in fetched {
            let listed = batch.iter().find(|listed| listed.uid == one.uid);
            let received_at = listed.map(|listed| listed.received_at.into());
            let suspect = tries.iter().any(|other| other.suspect && other.uid == one.uid);
            let deadly = suspect && !self.is_harmless(&one).await;
            let mut one = self.incoming(one, received_at, listed.map_or(0, |listed| listed.size), None);
            one.opaque = deadly.then_some(DEADLY);
            incoming.push(one);
        }
        self.file(&uids, incoming).await
    }

    /// The head of a mail that ends the session whenever it is asked for.
    async fn take_head(&mut self, one: Try) -> Result<(), Stop> {
        let head = self.mailbox.head(one.uid).await;
        match self.watched(&[one], head).await {
            Ok(Some(head)) => {
                let place = self.place(one.uid);
                let row: Result<_, StoreError> =
                    self.poller.store.read(move |tx| tx.place(place.folder, place.uid)).await;
                let received_at = row.map_err(DeskError::from)?.map(|row| row.received_at);
                tracing::error!(mailbox = self.poller.settings.name, uid = one.uid.0, "{HEAD_ONLY}");
                let incoming = self.incoming(head, received_at, 0, Some(HEAD_ONLY));
                self.file(&[one.uid], vec![incoming]).await
            }
            Ok(None) => self.account(RegisterState::Vanished, self.unlisted(&[one.uid])).await,
            Err(Stop::Mailbox(MailboxError::Message { uid, reason })) => {
                self.unreadable(&[one], uid, reason).await
            }
            Err(error) => Err(error),
        }
    }

    /// Tries a suspect apart; without a program for it, it is taken as any other.
    async fn is_harmless(&mut self, one: &Fetched) -> bool {
        let Some(probe) = &self.poller.probe else { return true };
        let harmless = probe.is_harmless(&one.raw).await;
        if !harmless {
            tracing::error!(mailbox = self.poller.settings.name, uid = one.uid.0, "{DEADLY}");
        }
        harmless
    }

    fn place(&self, uid: Uid) -> Place {
        Place { folder: self.row.id, uid: i64::from(uid.0) }
    }

    fn incoming(
        &self,
        one: Fetched,
        received_at: Option<Moment>,
        bytes: u64,
        quarantine: Option<&'static str>,
    ) -> Incoming {
        let settings = &self.poller.settings;
        let now = self.now();
        let received_at = received_at.unwrap_or(now).min(now);
        let oldest = now.minus(settings.acknowledge_within);
        // Who moves a mailbox to another server may lose the times of receipt: years of mail would seem new.
        let moved = self.row.epoch > 1 && self.row.reconciled_at.is_none();
        Incoming {
            place: Some(self.place(one.uid)),
            mailbox: settings.name.clone(),
            received_at,
            bytes,
            raw: one.raw,
            complete: !one.truncated,
            acknowledge: received_at >= oldest,
            dated_after: moved.then_some(oldest),
            channel: Channel::Mail,
            quarantine,
            opaque: None,
        }
    }

    async fn file(&mut self, uids: &[Uid], incoming: Vec<Incoming>) -> Result<(), Stop> {
        let answers = self.poller.hand_over(self.lease, incoming).await?;
        let mut settle = Vec::with_capacity(answers.len());
        let mut failed = None;
        for (uid, answer) in uids.iter().zip(answers) {
            match answer {
                Ok(became) => settle.push((*uid, became.state)),
                Err(error) => failed = Some(error),
            }
        }
        self.settle(&settle).await?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Passes an answer on. If the session ended over it, that stands in the register: next time these mails are
    /// asked for more carefully.
    async fn watched<T>(&mut self, tries: &[Try], answer: Result<T, MailboxError>) -> Result<T, Stop> {
        if let Err(MailboxError::Lost(_)) = &answer {
            let (given_up, pending): (Vec<Try>, Vec<Try>) =
                tries.iter().partition(|one| one.attempts + 1 >= attempts::GIVEN_UP_AFTER);
            for one in given_up.iter().filter(|one| one.attempts + 1 == attempts::GIVEN_UP_AFTER) {
                tracing::error!(mailbox = self.poller.settings.name, uid = one.uid.0, "{BREAKS_OFF}");
            }
            let uids = |tries: &[Try]| tries.iter().map(|one| one.uid).collect();
            self.not_had(uids(&pending), RegisterState::Pending, None).await?;
            self.not_had(uids(&given_up), RegisterState::Quarantined, Some(BREAKS_OFF.into())).await?;
        }
        Ok(answer?)
    }

    /// One mail that cannot be read while others can.
    async fn unreadable(&mut self, tries: &[Try], uid: Uid, reason: String) -> Result<(), Stop> {
        let attempts = tries.iter().find(|one| one.uid == uid).map_or(0, |one| one.attempts);
        if attempts == 0 {
            tracing::error!(
                mailbox = self.poller.settings.name,
                uid = uid.0,
                reason,
                "this message cannot be read"
            );
        }
        self.not_had(vec![uid], RegisterState::Quarantined, Some(reason)).await
    }

    async fn not_had(
        &mut self,
        uids: Vec<Uid>,
        state: RegisterState,
        reason: Option<String>,
    ) -> Result<(), Stop> {
        if uids.is_empty() {
            return Ok(());
        }
        let uids = uids.iter().map(|uid| i64::from(uid.0)).collect();
        let not_had = NotHad { lease: self.lease.clone(), folder: self.row.id, uids, state, reason };
        Ok(self.poller.desk.run(not_had).await?)
    }

    /// What could not be had so far and has left the folder.
    async fn account_vanished(&mut self, known: &Known, listed: &[Uid]) -> Result<(), Stop> {
        let present: HashSet<u32> = listed.iter().map(|uid| uid.0).collect();
        let gone: Vec<Uid> =
            known.unread.keys().filter(|uid| !present.contains(uid)).copied().map(Uid).collect();
        self.account(RegisterState::Vanished, self.unlisted(&gone)).await
    }

    fn unlisted(&self, uids: &[Uid]) -> Vec<Account> {
        let received_at = self.now();
        uids.iter().map(|uid| Account { uid: i64::from(uid.0), bytes: 0, received_at }).collect()
    }

    async fn account(&mut self, state: RegisterState, places: Vec<Account>) -> Result<(), Stop> {
        if places.is_empty() {
            return Ok(());
        }
        let account = AccountFor { lease: self.lease.clone(), folder: self.row.id, state, places };
        Ok(self.poller.desk.run(account).await?)
    }

    pub(super) fn id(&self) -> FolderId {
        self.row.id
    }
}

fn account_of(one: &Listed) -> Account {
    Account { uid: i64::from(one.uid.0), bytes: one.size, received_at: one.received_at.into() }
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
