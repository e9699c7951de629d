//! Backups: a mark is committed before the copy is taken, and when the copy was opened and holds the mark, all that
//! was committed before it is known to be safe. Taking, copying and opening are others' work.

use std::time::Duration;

use super::bootstrap::keys_of_copy;
use super::context::{Context, DIRECTORY, DeskError, open_record};
use super::runner::Action;
use crate::case::{Actor, BackupId, Moment};
use crate::store::rows::BackupRow;
use crate::store::{StoreError, Tx};
use crate::vault::{MasterKey, Vault};

/// How far an action's time may lie before its commit, and one daemon's clock from another's.
const ALLOWANCE: Duration = Duration::from_secs(15 * 60);

/// How many audit entries are opened to see that the keys fit.
const OPENED: i64 = 100;

/// Marks that a copy is about to be taken.
pub struct Begin;

impl Action for Begin {
    type Output = BackupId;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "backup.begun"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<BackupId, DeskError> {
        let row = BackupRow { id: BackupId::new(), at: cx.now.minus(ALLOWANCE), verified_at: None };
        cx.tx.insert_backup(&row)?;
        let details = serde_json::json!({ "backup": row.id.to_string() });
        cx.record(&Actor::System, self.name(), None, &details)?;
        Ok(row.id)
    }
}

/// Notes that the copy with this mark was opened and read.
pub struct Verified {
    pub id: BackupId,
}

impl Action for Verified {
    /// All that was committed before this moment is in the copy.
    type Output = Moment;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "backup.verified"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Moment, DeskError> {
        let row = cx.tx.backup(self.id)?.ok_or(DeskError::NotFound)?;
        cx.tx.set_backup_verified(row.id, cx.now)?;
        let details = serde_json::json!({ "backup": row.id.to_string() });
        cx.record(&Actor::System, self.name(), None, &details)?;
        Ok(row.at)
    }
}

/// Opens the newest audit entries in a copy with the keys of `vault`; the mark of the backup that was begun last.
///
/// # Errors
/// When something does not open, or the copy was taken without a mark (`NotFound`).
pub fn read_copy(tx: &mut dyn Tx, vault: &Vault) -> Result<BackupId, DeskError> {
    let row = tx.latest_backup()?.ok_or(DeskError::NotFound)?;
    let mut opened = 0;
    for entry in tx.entries(None, OPENED)? {
        let (Some(key), Some(details)) = (&entry.key, &entry.details) else { continue };
        let scope = entry.case_id.map_or_else(|| DIRECTORY.to_vec(), |case| case.as_bytes().to_vec());
        open_record(tx, vault, &scope, "audit_entries", entry.id.as_bytes(), key)?
            .read("details", details)?;
        opened += 1;
    }
    if opened == 0 { Err(DeskError::NotFound) } else { Ok(row.id) }
}

/// The vault of a copy, for one who has the register's master key.
///
/// # Errors
/// When the key is another one.
pub fn vault_of_copy(tx: &mut dyn Tx, master: MasterKey) -> Result<Vault, DeskError> {
    let keys = keys_of_copy(tx, &master)?;
    let (purposes, generation) = keys.ok_or_else(|| StoreError::Unusable("it holds no keys".into()))?;
    Ok(Vault::new(master, purposes).of_generation(generation))
}
