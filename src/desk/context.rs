//! What an action works with: the transaction, the keys, the time, the settings. Also the few things every action
//! does: opening scopes, writing audit entries, counting versions.

use std::sync::Arc;

use super::keys::other_of;
use super::people::OpenedRoster;
use super::random;
use super::sequence::entry_mac;
use crate::audit;
use crate::calendar::Calendars;
use crate::case::access::{Access, Standing, access};
use crate::case::{Actor, CaseId, EntryId, Moment, User};
use crate::letters::Letters;
use crate::settings::Settings;
use crate::store::rows::{CaseRow, EntryRow, KeyRow};
use crate::store::{StoreError, Tx};
use crate::vault::{Field, Key, Record, SealError, Sealed, Vault};

/// Why an action did nothing.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// There is no such thing, or the actor may not know of it.
    #[error("there is no such thing here")]
    NotFound,
    /// The actor sees it and may not do this.
    #[error("{0}")]
    Refused(&'static str),
    /// Somebody changed it meanwhile.
    #[error("this was changed by somebody else meanwhile; read it again")]
    Conflict,
    /// What was asked makes no sense.
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SealError> for DeskError {
    fn from(error: SealError) -> Self {
        Self::Store(error.into())
    }
}

/// What all actions share; fixed while the daemon runs, except settings, which a reload replaces.
pub struct Shared {
    pub vault: Vault,
    pub letters: Letters,
    /// Working hours and clock packs.
    pub calendars: Calendars,
    pub roster: OpenedRoster,
    pub settings: std::sync::RwLock<Arc<Settings>>,
    /// The edge's clock; tests move it.
    pub clock: Box<dyn Fn() -> Moment + Send + Sync>,
    /// Rung after each commit: there may be mail to send.
    pub committed: tokio::sync::Notify,
    pub meter: super::meter::Meter,
}

impl Shared {
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
    #[must_use]
    pub fn now(&self) -> Moment {
        (self.clock)()
    }
}

/// One action's world.
pub struct Context<'a> {
    pub tx: &'a mut dyn Tx,
    pub shared: &'a Shared,
    pub settings: &'a Settings,
    pub now: Moment,
    /// The case that was asked for last; a refusal names it.
    pub(super) asked: Option<CaseId>,
    /// Audit entries written so far.
    pub(super) recorded: usize,
}

/// The scope under which the directory, users and what belongs to no case are sealed.
pub const DIRECTORY: &[u8] = b"directory";

impl Context<'_> {
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.shared.vault
    }

    /// Makes the key of a new scope.
    pub fn new_scope(&mut self, id: &[u8], purpose: &str) -> Result<Key, DeskError> {
        // During a change of the master key, what is new is wrapped by the new one already.
        let ours = self.vault().generation();
        let newest = self.tx.master_keys()?.into_iter().map(|row| row.generation).max().unwrap_or(ours);
        let master = master_of(self.tx, &self.shared.vault, newest)?;
        new_scope(self.tx, (&master, newest), id, purpose, self.now)
    }

    /// The key of a scope.
    pub fn scope(&mut self, id: &[u8]) -> Result<Key, DeskError> {
        scope(self.tx, &self.shared.vault, id)
    }

    /// Writes the audit entry of a change; `details` is sealed under the case's key, or the directory's.
    pub fn record(
        &mut self,
        actor: &Actor,
        action: &str,
        case: Option<&CaseRow>,
        details: &serde_json::Value,
    ) -> Result<(), DeskError> {
        let case = case.map(|case| (case.id, Some(case.version)));
        self.write_entry(actor, action, case, details)
    }

    /// Writes the audit entry of what changed nothing: reading, being refused, signing in.
    pub fn note(
        &mut self,
        actor: &Actor,
        action: &str,
        case: Option<CaseId>,
        details: &serde_json::Value,
    ) -> Result<(), DeskError> {
        self.write_entry(actor, action, case.map(|case| (case, None)), details)
    }

    fn write_entry(
        &mut self,
        actor: &Actor,
        action: &str,
        case: Option<(CaseId, Option<i64>)>,
        details: &serde_json::Value,
    ) -> Result<(), DeskError> {
        let id = EntryId::new();
        let scope = match &case {
            Some((case, _)) => self.scope(case.as_bytes())?,
            None => self.scope(DIRECTORY)?,
        };
        let (record, key) = Record::create(&scope, "audit_entries", id.as_bytes())?;
        let salt = random::<16>()?;
        let text = details.to_string();
        let mut sealed = salt.to_vec();
        sealed.extend_from_slice(text.as_bytes());
        let entry = audit::Entry {
            id,
            at: self.now,
            actor: actor.user_id(),
            behalf: None,
            action,
            case: case.map(|(case, _)| case),
            version: case.and_then(|(_, version)| version),
            commitment: Some(audit::commit(&salt, text.as_bytes())),
        };
        let mut row = EntryRow {
            id,
            at: self.now,
            case_id: entry.case,
            case_version: entry.version,
            actor_id: entry.actor,
            action: action.into(),
            bytes: audit::bytes(&entry),
            key: Some(key),
            details: Some(record.seal("details", &sealed)?),
            mac: None,
        };
        row.mac = Some(entry_mac(self.vault(), &row).as_stored().to_vec());
        self.tx.insert_entry(&row)?;
        self.recorded += 1;
        Ok(())
    }

    /// The case, if `actor` has at least `least` access to it; what may not be seen does not exist.
    pub fn case_for(&mut self, actor: &Actor, id: CaseId, least: Access) -> Result<CaseRow, DeskError> {
        self.case_if(actor, id, |have, _| have >= least)
    }

    /// The case, if `actor` sees it and `may` says so of their access and standing.
    pub fn case_if(
        &mut self,
        actor: &Actor,
        id: CaseId,
        may: impl FnOnce(Access, &Standing<'_>) -> bool,
    ) -> Result<CaseRow, DeskError> {
        let case = self.tx.case(id)?.ok_or(DeskError::NotFound)?;
        self.asked = Some(case.id);
        let Actor::User(user) = actor else { return Ok(case) };
        let standing = standing(self.tx, user, &case, self.now)?;
        let have = access(user, &standing);
        if have == Access::None || !may(have, &standing) {
            return Err(match have {
                Access::None => DeskError::NotFound,
                _ => DeskError::Refused("your access to this case does not reach that far"),
            });
        }
        Ok(case)
    }

    /// Writes a changed case under its next version. Its time never runs backwards.
    pub fn advance(&mut self, case: &mut CaseRow) -> Result<(), DeskError> {
        case.version += 1;
        case.updated_at = case.updated_at.max(self.now);
        // Words hashed under the key of standard cases are gone with the change that makes the case more than that.
        let before = self.tx.case(case.id)?.map(|before| before.sensitivity);
        if before.is_some_and(|before| before < case.sensitivity) {
            self.tx.delete_words(case.id)?;
        }
        self.tx.queue_index(case.id, self.now)?;
        if self.tx.update_case(case)? { Ok(()) } else { Err(DeskError::Conflict) }
    }
}

/// Makes the key of a new scope.
pub fn new_scope(
    tx: &mut dyn Tx,
    (master, generation): (&Key, i32),
    id: &[u8],
    purpose: &str,
    now: Moment,
) -> Result<Key, DeskError> {
    let key = Key::generate()?;
    let wrapped = master.wrap(&Field { table: "vault_keys", id, column: "wrapped" }, &key)?;
    tx.insert_key(&KeyRow {
        id: id.to_vec(),
        purpose: purpose.into(),
        generation: 1,
        wrapped,
        created_at: now,
        master: generation,
    })?;
    Ok(key)
}

/// The master key of a generation: the one in hand or, during a change, the one that it leads to.
pub fn master_of(tx: &mut dyn Tx, vault: &Vault, generation: i32) -> Result<Key, DeskError> {
    let ours = vault.generation();
    if generation == ours {
        return Ok(vault.master().clone());
    }
    let row = tx.master_keys()?.into_iter().find(|row| row.generation == ours);
    other_of(vault.master(), row.as_ref())
}

/// Unwraps a key, whichever generation of the master key wraps it.
pub fn open_key(tx: &mut dyn Tx, vault: &Vault, row: &KeyRow) -> Result<Key, DeskError> {
    let place = Field { table: "vault_keys", id: &row.id, column: "wrapped" };
    Ok(master_of(tx, vault, row.master)?.unwrap_key(&place, &row.wrapped)?)
}

/// Opens the key of a scope.
pub fn scope(tx: &mut dyn Tx, vault: &Vault, id: &[u8]) -> Result<Key, DeskError> {
    let row = tx.key(id)?.ok_or(DeskError::NotFound)?;
    open_key(tx, vault, &row)
}

/// The details of an audit entry, opened.
pub fn entry_details(scope: &Key, row: &EntryRow) -> Result<serde_json::Value, DeskError> {
    let (Some(key), Some(sealed)) = (&row.key, &row.details) else { return Ok(serde_json::json!({})) };
    let opened = Record::open(scope, "audit_entries", row.id.as_bytes(), key)?.read("details", sealed)?;
    // The salt, which keeps details from being guessed from their commitment, comes first.
    Ok(serde_json::from_slice(opened.get(16..).unwrap_or_default()).map_err(|_| SealError)?)
}

/// Opens a record of a scope for reading.
pub fn open_record(
    tx: &mut dyn Tx,
    vault: &Vault,
    scope_id: &[u8],
    table: &'static str,
    id: &[u8],
    wrapped: &Sealed,
) -> Result<Record, DeskError> {
    let scope = scope(tx, vault, scope_id)?;
    Ok(Record::open(&scope, table, id, wrapped)?)
}

/// How `user` stands to `case`.
pub fn standing<'a>(
    tx: &mut dyn Tx,
    user: &User,
    case: &'a CaseRow,
    now: Moment,
) -> Result<Standing<'a>, DeskError> {
    Ok(Standing {
        sensitivity: case.sensitivity,
        owner: case.owner_id,
        team: &case.team,
        legal_entity: &case.legal_entity,
        grant: tx.granted(case.id, user.id, now)?,
        walled: tx.walled(case.id, user.id)?,
    })
}
