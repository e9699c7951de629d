//! The keys a register needs before anything else: made at the first start, opened at every later one. With the
//! wrong master key nothing starts.

use super::context::{DIRECTORY, DeskError, new_scope};
use crate::case::Moment;
use crate::store::{Store, StoreError, Tx};
use crate::vault::{Field, Key, MasterKey, Vault};

const LOOKUP: &[u8] = b"lookup";

/// Opens the vault of the register in `store`, making its keys if it is new. Blocks.
///
/// # Errors
/// When the master key is not the register's.
pub fn open_vault(store: &Store, master: MasterKey, now: Moment) -> Result<Vault, DeskError> {
    let mut writer = store.writer()?;
    let tx = writer.tx();
    tx.begin_write()?;
    let opened = open(tx, &master, now);
    match &opened {
        Ok(_) => tx.commit()?,
        Err(_) => tx.rollback()?,
    }
    Ok(Vault::new(master, opened?))
}

fn open(tx: &mut dyn Tx, master: &MasterKey, now: Moment) -> Result<Key, DeskError> {
    // Two daemons may start on an empty register together.
    tx.lock_intake()?;
    if let Some(key) = lookup_key(tx, master)? {
        return Ok(key);
    }
    new_scope(tx, master.key(), DIRECTORY, "directory", now)?;
    new_scope(tx, master.key(), LOOKUP, "lookup", now)
}

/// The look-up key, if the register has one already.
///
/// # Errors
/// When the master key is not the register's.
pub fn lookup_key(tx: &mut dyn Tx, master: &MasterKey) -> Result<Option<Key>, DeskError> {
    let Some(row) = tx.key(LOOKUP)? else { return Ok(None) };
    let field = Field { table: "vault_keys", id: LOOKUP, column: "wrapped" };
    master.key().unwrap_key(&field, &row.wrapped).map(Some).map_err(|_| {
        StoreError::Unusable(
            "the master key is not the one this register was made with; put the right file at vault.master_key".into(),
        )
        .into()
    })
}
