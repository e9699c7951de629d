//! The keys a register needs before anything else: made at the first start, opened at every later one. With the
//! wrong master key nothing starts.

use super::context::{DIRECTORY, DeskError, new_scope};
use super::sequence::{Trust, sequence};
use crate::case::Moment;
use crate::store::{Store, StoreError, Tx};
use crate::vault::{Field, Key, MasterKey, Purposes, Vault};

const LOOKUP: &[u8] = b"lookup";
const LOG_ROWS: &[u8] = b"audit-rows";
/// The key that signs the audit log.
pub const LOG_SIGNING: &[u8] = b"audit-signing";

/// Opens the vault of the register in `store`, making its keys if it is new. Blocks.
///
/// # Errors
/// When the master key is not the register's.
pub fn open_vault(store: &Store, master: MasterKey, now: Moment) -> Result<Vault, DeskError> {
    let mut writer = store.writer()?;
    let tx = writer.tx();
    tx.begin_write()?;
    let opened = open(tx, master, now);
    match &opened {
        Ok(_) => tx.commit()?,
        Err(_) => tx.rollback()?,
    }
    opened
}

fn open(tx: &mut dyn Tx, master: MasterKey, now: Moment) -> Result<Vault, DeskError> {
    // Two daemons may start on an empty register together.
    tx.lock_intake()?;
    let key = master.key();
    let lookup = match stored(tx, key, LOOKUP)? {
        Some(lookup) => lookup,
        None => {
            new_scope(tx, key, DIRECTORY, "directory", now)?;
            new_scope(tx, key, LOOKUP, "lookup", now)?
        }
    };
    let log_keys = stored(tx, key, LOG_ROWS)?.zip(stored(tx, key, LOG_SIGNING)?);
    if let Some((log_rows, log_signing)) = log_keys {
        return Ok(Vault::new(master, Purposes { lookup, log_rows, log_signing }));
    }
    if tx.tree_size()? > 0 {
        return Err(lost_log_key());
    }
    let log_rows = new_scope(tx, key, LOG_ROWS, "audit", now)?;
    let log_signing = new_scope(tx, key, LOG_SIGNING, "audit", now)?;
    let vault = Vault::new(master, Purposes { lookup, log_rows, log_signing });
    // What was written before there was a tree begins it.
    while sequence(tx, &vault, Trust::Everything)? > 0 {}
    Ok(vault)
}

/// The keys to read a copy of a register with; new ones stand in for those that a copy of an older version lacks,
/// since nothing in it needs them. None when it holds no keys at all.
///
/// # Errors
/// When the master key is not the register's.
pub fn keys_of_copy(tx: &mut dyn Tx, master: &MasterKey) -> Result<Option<Purposes>, DeskError> {
    let key = master.key();
    let Some(lookup) = stored(tx, key, LOOKUP)? else { return Ok(None) };
    let new = Purposes::generate()?;
    Ok(Some(Purposes {
        lookup,
        log_rows: stored(tx, key, LOG_ROWS)?.unwrap_or(new.log_rows),
        log_signing: stored(tx, key, LOG_SIGNING)?.unwrap_or(new.log_signing),
    }))
}

fn stored(tx: &mut dyn Tx, master: &Key, id: &[u8]) -> Result<Option<Key>, DeskError> {
    let Some(row) = tx.key(id)? else { return Ok(None) };
    match master.unwrap_key(&Field { table: "vault_keys", id, column: "wrapped" }, &row.wrapped) {
        Ok(key) => Ok(Some(key)),
        Err(_) if id == LOOKUP => Err(StoreError::Unusable(
            "the master key is not the one this register was made with; put the right file at vault.master_key".into(),
        )
        .into()),
        Err(_) => Err(lost_log_key()),
    }
}

fn lost_log_key() -> DeskError {
    StoreError::Unusable(
        "the audit log's key in the database was replaced or removed, so from entry 0 on nothing can be trusted before it \
         is verified with the public key; restore the last backup"
            .into(),
    )
    .into()
}
