//! The master key's generations: proving which one is in hand, changing to a new one while daemons run, and knowing
//! that an offline copy is good. A change rewraps the keys of scopes, nothing else, and may be interrupted anywhere.

use super::context::{Context, DeskError, master_of, open_key};
use super::runner::Action;
use crate::case::{Actor, Moment};
use crate::store::rows::MasterKeyRow;
use crate::store::{StoreError, Tx};
use crate::vault::{Field, Key, MasterKey, SealError};

/// Keys rewrapped in one transaction.
const GROUP: i64 = 500;
const KNOWN: &[u8] = b"caseward master key";

fn field<'a>(generation: &'a [u8; 4], column: &'static str) -> Field<'a> {
    Field { table: "master_keys", id: generation, column }
}

/// The generation that `key` is of; `None` when it is none of this register's.
pub(super) fn generation_of(tx: &mut dyn Tx, key: &Key) -> Result<Option<i32>, StoreError> {
    let rows = tx.master_keys()?;
    let proved =
        |row: &&MasterKeyRow| key.open(&field(&row.generation.to_be_bytes(), "proof"), &row.proof).is_ok();
    Ok(rows.iter().find(proved).map(|row| row.generation))
}

/// Notes a generation of the master key.
pub(super) fn note_generation(
    tx: &mut dyn Tx,
    key: &Key,
    generation: i32,
    other: Option<&Key>,
    now: Moment,
) -> Result<(), DeskError> {
    let id = generation.to_be_bytes();
    let other = other.map(|other| key.wrap(&field(&id, "other"), other)).transpose()?;
    let proof = key.seal(&field(&id, "proof"), KNOWN)?;
    Ok(tx.put_master_key(&MasterKeyRow {
        generation,
        proof,
        other,
        created_at: now,
        copy_verified_at: None,
    })?)
}

/// The key that `row` of a generation leads to, opened with the generation's own.
pub(super) fn other_of(key: &Key, row: Option<&MasterKeyRow>) -> Result<Key, DeskError> {
    let led = row.and_then(|row| Some((row.generation, row.other.as_ref()?)));
    let (generation, other) = led.ok_or_else(|| {
        StoreError::Unusable(
            "the master key was changed: put the new file at vault.master_key and restart the daemon".into(),
        )
    })?;
    Ok(key.unwrap_key(&field(&generation.to_be_bytes(), "other"), other)?)
}

/// Begins the change to `new`, or goes on with it.
pub struct BeginRotation {
    pub new: MasterKey,
}

impl Action for BeginRotation {
    type Output = ();

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "key.rotation.begin"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        let (ours, new) = (cx.vault().generation(), self.new.key());
        let newest = cx.tx.master_keys()?.into_iter().map(|row| row.generation).max().unwrap_or(ours);
        match generation_of(cx.tx, new)? {
            Some(generation) if generation == ours => Err(DeskError::Invalid(
                "this is the master key in use; name a new file for the new one".into(),
            )),
            Some(_) => Ok(()),
            None if newest != ours => Err(DeskError::Invalid(
                "a change to another new key has begun; go on with that file, or finish it first".into(),
            )),
            None => {
                let old = cx.vault().master().clone();
                note_generation(cx.tx, &old, ours, Some(new), cx.now)?;
                note_generation(cx.tx, new, ours + 1, Some(&old), cx.now)?;
                let details = serde_json::json!({ "generation": ours + 1 });
                cx.note(&Actor::System, "key.rotation.begun", None, &details)
            }
        }
    }
}

/// Rewraps some keys by the newest master key; how many.
pub struct Rewrap;

impl Action for Rewrap {
    type Output = usize;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "key.rewrap"
    }
    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<usize, DeskError> {
        let newest = newest(cx)?;
        let to = master_of(cx.tx, &cx.shared.vault, newest)?;
        let rows = cx.tx.keys_not_under(newest, GROUP)?;
        for row in &rows {
            let place = Field { table: "vault_keys", id: &row.id, column: "wrapped" };
            let key = open_key(cx.tx, &cx.shared.vault, row)?;
            cx.tx.rewrap_key(&row.id, &to.wrap(&place, &key)?, newest)?;
        }
        Ok(rows.len())
    }
}

fn newest(cx: &mut Context<'_>) -> Result<i32, DeskError> {
    let ours = cx.vault().generation();
    Ok(cx.tx.master_keys()?.into_iter().map(|row| row.generation).max().unwrap_or(ours))
}

/// Ends a change: from now on the old master key opens nothing.
pub struct FinishRotation;

impl Action for FinishRotation {
    type Output = ();

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "key.rotation.finish"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        let newest = newest(cx)?;
        if cx.vault().generation() != newest {
            return Err(DeskError::Invalid(
                "the settings still name the old master key: put the new file at vault.master_key, restart every \
                 daemon, and run this again"
                    .into(),
            ));
        }
        if !cx.tx.keys_not_under(newest, 1)?.is_empty() {
            return Err(DeskError::Invalid("some keys are not rewrapped yet; run this again".into()));
        }
        cx.tx.forget_master_keys_before(newest)?;
        let details = serde_json::json!({ "generation": newest });
        cx.note(&Actor::System, "key.rotation.finished", None, &details)
    }
}

/// Notes that an offline copy of the master key in use was read and is good.
pub struct VerifyCopy {
    pub copy: MasterKey,
}

impl Action for VerifyCopy {
    type Output = ();

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "key.verify-copy"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        let ours = cx.vault().generation();
        if generation_of(cx.tx, self.copy.key())? != Some(ours) {
            return Err(DeskError::Invalid(
                "this copy is not of the master key in use; make a new one from the file at vault.master_key"
                    .into(),
            ));
        }
        let row = cx.tx.master_keys()?.into_iter().find(|row| row.generation == ours);
        let row = row.ok_or(SealError)?;
        cx.tx.put_master_key(&MasterKeyRow { copy_verified_at: Some(cx.now), ..row })?;
        cx.note(&Actor::System, "key.copy-verified", None, &serde_json::json!({ "generation": ours }))
    }
}

/// Has every case indexed anew by the daemon; how many.
pub struct Reindex;

impl Action for Reindex {
    type Output = usize;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "search.reindex"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<usize, DeskError> {
        Ok(cx.tx.queue_index_of_all(cx.now)?)
    }
}

/// How the keys stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// Of the master key in use.
    pub generation: i32,
    /// How many keys each generation wraps, oldest first.
    pub wrapped: Vec<(i32, i64)>,
    /// Before this the keys of an earlier generation still open: a change is not finished.
    pub changing: bool,
    pub copy_verified_at: Option<Moment>,
    /// Cases that wait to be indexed.
    pub to_index: i64,
}

/// Looks at the keys.
pub fn status(tx: &mut dyn Tx, generation: i32) -> Result<KeyStatus, StoreError> {
    let rows = tx.master_keys()?;
    Ok(KeyStatus {
        generation,
        wrapped: tx.count_keys()?,
        changing: rows.len() > 1,
        copy_verified_at: rows
            .iter()
            .find(|row| row.generation == generation)
            .and_then(|row| row.copy_verified_at),
        to_index: tx.count_queued_for_index()?,
    })
}
