//! The sequencer: gives committed entries their place in the tree of the audit log and signs it. One daemon does it
//! for all, under a lease; whatever the order of commits, a case's entries stand in the order of its versions.

use std::collections::HashMap;
use std::time::Duration;

use super::context::{Context, DeskError};
use super::runner::Action;
use crate::audit::{self, Frontier, Hashes, LogKey, PublicKey, entry_hash};
use crate::case::{Actor, CaseId};
use crate::store::rows::{EntryRow, TreeRow};
use crate::store::{StoreError, Tx};
use crate::vault::{LookupHash, Sealed, Vault};

/// Entries for one transaction: others must not wait long for theirs.
const GROUP: i64 = 500;
/// The name of the sequencer's lease.
pub const LEASE: &str = "audit-sequencer";
/// How long another daemon waits for one that has gone silent.
const LEASED: Duration = Duration::from_secs(10);

/// Which entries may enter the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those that a holder of the keys wrote.
    Authenticated,
    /// All: the register is from before there was a tree.
    Everything,
}

/// Gives waiting entries their places; how many.
pub struct Sequence {
    pub holder: String,
}

impl Action for Sequence {
    type Output = usize;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "audit.sequence"
    }
    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<usize, DeskError> {
        let until = cx.now.plus(LEASED);
        if cx.tx.take_lease(LEASE, &self.holder, cx.now, until)?.is_none() {
            return Ok(0);
        }
        sequence(cx.tx, &cx.shared.vault, Trust::Authenticated)
    }
}

/// The current checkpoint as a signed note; `None` while the log is empty.
pub fn checkpoint(tx: &mut dyn Tx, key: &PublicKey) -> Result<Option<Vec<u8>>, DeskError> {
    let size = tx.tree_size()?;
    let Some(last) = tx.tree_row(size - 1)? else { return Ok(None) };
    let signature = last.signature.try_into().map_err(|_| StoreError::Damaged)?;
    let front = frontier(tx, count(size))?;
    Ok(Some(key.note(front.size(), front.root(), &signature)))
}

/// The hashes kept with an entry.
pub fn kept(tx: &mut dyn Tx, seq: u64) -> Result<Option<Hashes>, StoreError> {
    let row = tx.tree_row(i64::try_from(seq).unwrap_or(i64::MAX))?;
    Ok(row.and_then(|row| Hashes::from_stored(&row.hashes)))
}

fn frontier(tx: &mut dyn Tx, size: u64) -> Result<Frontier, StoreError> {
    Frontier::resume(size, |seq| kept(tx, seq))?.ok_or(StoreError::Damaged)
}

fn count(size: i64) -> u64 {
    u64::try_from(size).unwrap_or_default()
}

/// Gives up to [`GROUP`] waiting entries their places.
pub(super) fn sequence(tx: &mut dyn Tx, vault: &Vault, trust: Trust) -> Result<usize, DeskError> {
    let mut waiting = tx.pending_entries(GROUP)?;
    waiting.retain(|row| trust == Trust::Everything || authentic(vault, row));
    if waiting.is_empty() {
        return Ok(0);
    }
    let key = LogKey::from_seed(vault.log_signing().bytes());
    let size = count(tx.tree_size()?);
    let mut front = frontier(tx, size)?;
    let before = front.size();
    for row in ordered(waiting) {
        let seq = i64::try_from(front.size()).unwrap_or(i64::MAX);
        let hashes = front.push(entry_hash(&row.bytes)).as_stored();
        let signature = key.sign(front.size(), front.root()).to_vec();
        let mac = place_mac(vault, seq, &hashes, &signature, &row);
        let place = TreeRow { seq, entry_id: row.id, hashes, signature, mac: mac.as_stored().to_vec() };
        if !tx.append_tree(&place)? {
            return Err(DeskError::Conflict);
        }
    }
    Ok(usize::try_from(front.size() - before).unwrap_or(usize::MAX))
}

/// By time, but each case's entries by its versions.
fn ordered(mut rows: Vec<EntryRow>) -> Vec<EntryRow> {
    rows.sort_by_key(|row| (row.at, row.id));
    let mut of_case: HashMap<CaseId, Vec<&EntryRow>> = HashMap::new();
    for row in rows.iter().filter(|row| row.case_version.is_some()) {
        of_case.entry(row.case_id.unwrap_or(CaseId::from_bytes([0; 16]))).or_default().push(row);
    }
    for entries in of_case.values_mut() {
        entries.sort_by_key(|row| std::cmp::Reverse((row.case_version, row.id)));
    }
    let next = |row: &EntryRow, of_case: &mut HashMap<CaseId, Vec<&EntryRow>>| {
        let case = row.case_id.unwrap_or(CaseId::from_bytes([0; 16]));
        let turn = row.case_version.and_then(|_| of_case.get_mut(&case)?.pop());
        turn.unwrap_or(row).clone()
    };
    rows.iter().map(|row| next(row, &mut of_case)).collect()
}

/// What authenticates an entry's row until it has its place.
#[must_use]
pub fn entry_mac(vault: &Vault, row: &EntryRow) -> LookupHash {
    vault.log_rows().hash("audit-entry", &sealed_parts(row))
}

/// Whether a holder of the keys wrote this row, all of it.
#[must_use]
pub fn authentic(vault: &Vault, row: &EntryRow) -> bool {
    row.mac.as_deref() == Some(entry_mac(vault, row).as_stored()) && tells_its_bytes(row)
}

/// Whether the columns by which an entry is found say what its signed bytes say.
#[must_use]
pub fn tells_its_bytes(row: &EntryRow) -> bool {
    audit::read(&row.bytes).is_some_and(|entry| {
        (row.id, row.at) == (entry.id, entry.at)
            && (row.case_id, row.case_version) == (entry.case, entry.version)
            && (row.actor_id, row.action.as_str()) == (entry.actor, entry.action)
    })
}

/// What authenticates an entry's place, with all of its row.
#[must_use]
pub fn place_mac(vault: &Vault, seq: i64, hashes: &[u8], signature: &[u8], entry: &EntryRow) -> LookupHash {
    let (seq, mac) = (seq.to_be_bytes(), entry.mac.as_deref().unwrap_or_default());
    let mut parts: Vec<&[u8]> = vec![&seq, hashes, signature, mac];
    parts.extend(sealed_parts(entry));
    vault.log_rows().hash("audit-place", &parts)
}

fn sealed_parts(row: &EntryRow) -> [&[u8]; 3] {
    let stored = |sealed| Option::map_or(sealed, &[][..], Sealed::as_stored);
    [&row.bytes, stored(row.key.as_ref()), stored(row.details.as_ref())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{EntryId, Moment};

    fn row(at: i64, case: Option<u8>, version: Option<i64>) -> EntryRow {
        EntryRow {
            id: EntryId::new(),
            at: Moment::from_micros(at),
            case_id: case.map(|case| CaseId::from_bytes([case; 16])),
            case_version: version,
            actor_id: None,
            action: "test".into(),
            bytes: Vec::new(),
            key: None,
            details: None,
            mac: None,
        }
    }

    #[test]
    fn a_case_goes_by_its_versions_even_when_clocks_disagree() {
        let rows = vec![
            row(5, Some(1), Some(1)),
            row(4, Some(1), Some(2)),
            row(1, Some(2), Some(7)),
            row(2, None, None),
            row(3, Some(1), Some(3)),
        ];
        let order: Vec<_> =
            ordered(rows).iter().map(|row| (row.case_id.is_some(), row.case_version)).collect();
        let wanted = [(true, Some(7)), (false, None), (true, Some(1)), (true, Some(2)), (true, Some(3))];
        assert_eq!(order, wanted);
    }
}
