//! The keys a register needs before anything else: made at the first start, opened at every later one. With the
//! wrong master key nothing starts.

use super::context::{DIRECTORY, DeskError, new_scope};
use super::keys::{generation_of, note_generation, other_of};
use super::sequence::{Trust, sequence};
use crate::case::Moment;
use crate::store::{Store, StoreError, Tx};
use crate::vault::{Field, Key, MasterKey, Purposes, Vault};

const LOOKUP: &[u8] = b"lookup";
const INDEX: &[u8] = b"index";
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
    let keys = Keys::of(tx, master.key())?;
    if tx.master_keys()?.is_empty() {
        note_generation(tx, master.key(), 1, None, now)?;
    }
    let wrapped_by = (master.key(), keys.generation);
    let lookup = match keys.stored(tx, LOOKUP)? {
        Some(lookup) => lookup,
        None => {
            new_scope(tx, wrapped_by, DIRECTORY, "directory", now)?;
            new_scope(tx, wrapped_by, LOOKUP, "lookup", now)?
        }
    };
    let index = match keys.stored(tx, INDEX)? {
        Some(index) => index,
        None => new_scope(tx, wrapped_by, INDEX, "index", now)?,
    };
    let log_keys = keys.stored(tx, LOG_ROWS)?.zip(keys.stored(tx, LOG_SIGNING)?);
    let generation = keys.generation;
    if let Some((log_rows, log_signing)) = log_keys {
        let purposes = Purposes { lookup, index, log_rows, log_signing };
        return Ok(Vault::new(master, purposes).of_generation(generation));
    }
    if tx.tree_size()? > 0 {
        return Err(lost_log_key());
    }
    let log_rows = new_scope(tx, wrapped_by, LOG_ROWS, "audit", now)?;
    let log_signing = new_scope(tx, wrapped_by, LOG_SIGNING, "audit", now)?;
    let vault =
        Vault::new(master, Purposes { lookup, index, log_rows, log_signing }).of_generation(generation);
    // What was written before there was a tree begins it.
    while sequence(tx, &vault, Trust::Everything)? > 0 {}
    Ok(vault)
}

/// The keys to read a copy of a register with, and the generation of its master key; new keys stand in for those that
/// a copy of an older version lacks, since nothing in it needs them. None when it holds no keys at all.
///
/// # Errors
/// When the master key is not the register's.
pub fn keys_of_copy(tx: &mut dyn Tx, master: &MasterKey) -> Result<Option<(Purposes, i32)>, DeskError> {
    let keys = Keys::of(tx, master.key())?;
    let Some(lookup) = keys.stored(tx, LOOKUP)? else { return Ok(None) };
    let new = Purposes::generate()?;
    let purposes = Purposes {
        lookup,
        index: keys.stored(tx, INDEX)?.unwrap_or(new.index),
        log_rows: keys.stored(tx, LOG_ROWS)?.unwrap_or(new.log_rows),
        log_signing: keys.stored(tx, LOG_SIGNING)?.unwrap_or(new.log_signing),
    };
    Ok(Some((purposes, keys.generation)))
}

/// The master keys that open what is stored: the one in hand and, during a change, the one that it leads to.
struct Keys {
    ours: Key,
    generation: i32,
    other: Option<Key>,
}

impl Keys {
    fn of(tx: &mut dyn Tx, ours: &Key) -> Result<Self, DeskError> {
        let rows = tx.master_keys()?;
        let generation = match generation_of(tx, ours)? {
            Some(generation) => generation,
            // A register from before generations were counted, or a new one.
            None if rows.is_empty() => 1,
            None => return Err(wrong_master_key()),
        };
        let row = rows.iter().find(|row| row.generation == generation);
        let other = match row {
            Some(row) if row.other.is_some() => Some(other_of(ours, Some(row))?),
            _ => None,
        };
        Ok(Self { ours: ours.clone(), generation, other })
    }

    fn stored(&self, tx: &mut dyn Tx, id: &[u8]) -> Result<Option<Key>, DeskError> {
        let Some(row) = tx.key(id)? else { return Ok(None) };
        let field = Field { table: "vault_keys", id, column: "wrapped" };
        let by = if row.master == self.generation { Some(&self.ours) } else { self.other.as_ref() };
        match by.ok_or(crate::vault::SealError).and_then(|by| by.unwrap_key(&field, &row.wrapped)) {
            Ok(key) => Ok(Some(key)),
            Err(_) if id == LOOKUP => Err(wrong_master_key()),
            Err(_) => Err(lost_log_key()),
        }
    }
}

fn wrong_master_key() -> DeskError {
    StoreError::Unusable(
        "the master key is not the one this register was made with; put the right file at vault.master_key"
            .into(),
    )
    .into()
}

fn lost_log_key() -> DeskError {
    StoreError::Unusable(
        "the audit log's key in the database was replaced or removed, so from entry 0 on nothing can be trusted before it \
         is verified with the public key; restore the last backup"
            .into(),
    )
    .into()
}
