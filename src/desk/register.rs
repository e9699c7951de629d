//! The mail register's book-keeping: epochs of folders, UIDs whose mail is not (or not yet) taken in, what was
//! settled on the server, who works a mailbox, and the numbers of Maildir names.

use super::context::{Context, DeskError};
use super::runner::Action;
use crate::case::{Actor, FolderId, Moment};
use crate::settings::Since;
use crate::store::rows::{FolderRow, RegisterRow, RegisterState};
use crate::store::tx::Fence;

macro_rules! system_action {
    ($type:ty, $name:literal) => {
        fn actor(&self) -> &Actor {
            &Actor::System
        }
        fn name(&self) -> &'static str {
            $name
        }
    };
}

/// Opens a folder: the current epoch if the server's number is the same, else a new one.
pub struct OpenFolder {
    pub lease: Lease,
    pub mailbox: String,
    pub folder: String,
    pub validity: u32,
    pub since: Since,
}

impl Action for OpenFolder {
    type Output = FolderRow;
    system_action!(Self, "register.open");

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<FolderRow, DeskError> {
        self.lease.check(cx)?;
        let latest = cx.tx.latest_epoch(&self.mailbox, &self.folder)?;
        if let Some(row) = latest.as_ref().filter(|row| row.validity == i64::from(self.validity)) {
            return Ok(row.clone());
        }
        let start_at = match (&latest, self.since) {
            // What came before the start stays "before start" in every later epoch.
            (Some(before), _) => before.start_at,
            // INTERNALDATE has whole seconds: what comes within this one is not before it.
            (None, Since::Now) => Moment::from_micros(cx.now.micros() / 1_000_000 * 1_000_000),
            (None, Since::All) => Moment::from_micros(i64::MIN),
            (None, Since::Date(date)) => {
                date.to_zoned(jiff::tz::TimeZone::UTC).map_or(cx.now, |zoned| zoned.timestamp().into())
            }
        };
        let row = FolderRow {
            id: FolderId::new(),
            mailbox: self.mailbox.clone(),
            folder: self.folder.clone(),
            epoch: latest.as_ref().map_or(1, |before| before.epoch + 1),
            validity: i64::from(self.validity),
            start_at,
            opened_at: cx.now,
            reconciled_at: None,
        };
        cx.tx.insert_folder(&row)?;
        let details = serde_json::json!({ "mailbox": row.mailbox, "folder": row.folder, "epoch": row.epoch });
        cx.record(&Actor::System, "register.epoch", None, &details)?;
        Ok(row)
    }
}

/// One UID to be accounted for without its mail being taken in.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    pub uid: i64,
    pub bytes: u64,
    pub received_at: Moment,
}

/// Accounts for UIDs that are never taken in: before the start, vanished.
pub struct AccountFor {
    pub lease: Lease,
    pub folder: FolderId,
    pub state: RegisterState,
    pub places: Vec<Account>,
}

impl Action for AccountFor {
    type Output = ();
    system_action!(Self, "register.account");

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        self.lease.check(cx)?;
        for place in &self.places {
            let before = cx.tx.place(self.folder, place.uid)?;
            if before.as_ref().is_some_and(|row| !row.is_unread()) {
                continue;
            }
            cx.tx.put_place(&RegisterRow {
                folder_id: self.folder,
                uid: place.uid,
                state: self.state,
                reason: None,
                message_id: None,
                bytes: i64::try_from(place.bytes).unwrap_or(i64::MAX),
                received_at: place.received_at,
                at: cx.now,
                attempts: before.map_or(0, |row| row.attempts),
                settled: true,
            })?;
        }
        Ok(())
    }
}

/// Notes that the mails of these UIDs could not be had: they are asked for again, later and more carefully.
pub struct NotHad {
    pub lease: Lease,
    pub folder: FolderId,
    pub uids: Vec<i64>,
    /// `Pending`, or `Quarantined` where a person must look.
    pub state: RegisterState,
    pub reason: Option<String>,
}

/// The reason of pending places whose mails the daemon has in hand. Found after a start, the daemon died over them,
/// or beside them.
pub const IN_HAND: &str = "in hand";

impl Action for NotHad {
    type Output = ();
    system_action!(Self, "register.not-had");

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        self.lease.check(cx)?;
        for uid in &self.uids {
            let before = cx.tx.place(self.folder, *uid)?;
            if before.as_ref().is_some_and(|row| !row.is_unread()) {
                continue;
            }
            // A second failure of another kind does not make it less conspicuous.
            let conspicuous = before.as_ref().filter(|row| row.state == RegisterState::Quarantined);
            let earlier = conspicuous.and_then(|row| row.reason.clone());
            let state = conspicuous.map_or(self.state, |row| row.state);
            cx.tx.put_place(&RegisterRow {
                folder_id: self.folder,
                uid: *uid,
                state,
                reason: self.reason.clone().or(earlier),
                message_id: None,
                bytes: before.as_ref().map_or(0, |row| row.bytes),
                received_at: before.as_ref().map_or(cx.now, |row| row.received_at),
                at: cx.now,
                attempts: before.map_or(1, |row| row.attempts.saturating_add(1)),
                settled: true,
            })?;
        }
        Ok(())
    }
}

/// Notes that nothing is left to do on the server for these.
pub struct Settled {
    pub lease: Lease,
    pub folder: FolderId,
    pub uids: Vec<i64>,
    /// What is odd about that: the mails had left the folder before.
    pub reason: Option<&'static str>,
}

impl Action for Settled {
    type Output = ();
    system_action!(Self, "register.settled");

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        self.lease.check(cx)?;
        Ok(cx.tx.set_settled(self.folder, &self.uids, self.reason)?)
    }
}

/// Notes that the UID sets of server and register were compared.
pub struct Reconciled {
    pub lease: Lease,
    pub folder: FolderId,
}

impl Action for Reconciled {
    type Output = ();
    system_action!(Self, "register.reconciled");

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        self.lease.check(cx)?;
        Ok(cx.tx.set_reconciled(self.folder, cx.now)?)
    }
}

/// What lets one daemon of several work a mailbox. It is checked within each transaction that changes the register:
/// a daemon that was held up may find that another has taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub name: String,
    pub holder: String,
    pub fence: Fence,
}

impl Lease {
    /// # Errors
    /// When somebody else holds it now.
    pub fn check(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        if cx.tx.holds_lease(&self.name, &self.holder, self.fence)? {
            return Ok(());
        }
        Err(DeskError::Refused("another daemon has taken this mailbox over"))
    }
}

/// Takes or renews the lease on a mailbox; none while another daemon's runs.
pub struct TakeLease {
    pub name: String,
    pub holder: String,
    pub span: std::time::Duration,
}

impl Action for TakeLease {
    type Output = Option<Lease>;
    system_action!(Self, "lease.take");

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Option<Lease>, DeskError> {
        let fence = cx.tx.take_lease(&self.name, &self.holder, cx.now, cx.now.plus(self.span))?;
        Ok(fence.map(|fence| Lease { name: self.name.clone(), holder: self.holder.clone(), fence }))
    }
}

/// Gives a lease back at a clean stop.
pub struct ReleaseLease {
    pub name: String,
    pub holder: String,
}

impl Action for ReleaseLease {
    type Output = ();
    system_action!(Self, "lease.release");

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        Ok(cx.tx.release_lease(&self.name, &self.holder)?)
    }
}

/// Numbers base names of a Maildir folder; known ones keep their number.
pub struct NumberNames {
    pub mailbox: String,
    pub folder: String,
    pub names: Vec<String>,
}

impl Action for NumberNames {
    type Output = Vec<u32>;
    system_action!(Self, "maildir.number");

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Vec<u32>, DeskError> {
        let known = cx.tx.maildir_numbers(&self.mailbox, &self.folder)?;
        let mut last = known.last().map_or(0, |(uid, _)| *uid);
        let known: std::collections::HashMap<_, _> =
            known.into_iter().map(|(uid, name)| (name, uid)).collect();
        let mut numbers = Vec::with_capacity(self.names.len());
        for name in &self.names {
            let uid = match known.get(name) {
                Some(uid) => *uid,
                None => {
                    last += 1;
                    cx.tx.insert_maildir_name(&self.mailbox, &self.folder, last, name)?;
                    last
                }
            };
            numbers.push(
                u32::try_from(uid).map_err(|_| DeskError::Invalid("too many names in one Maildir".into()))?,
            );
        }
        Ok(numbers)
    }
}
