//! Verifies the audit log as it lies in the database, with the keys: every entry, every column of it, its place in the
//! tree, what stands outside the tree, and that no case is further than the log tells.

use super::context::DeskError;
use super::sequence::{authentic, place_mac, tells_its_bytes};
use crate::audit::{Fault, Hash, Known, PublicKey, Verifier, entry_hash};
use crate::case::Moment;
use crate::store::Tx;
use crate::store::rows::{EntryRow, TreeRow};
use crate::vault::Vault;

/// Places read at once.
const PAGE: i64 = 2_000;
/// Entries outside the tree that are looked at; with more waiting, the sequencer has stopped long ago.
const MOST_WAITING: i64 = 100_000;

/// A log in which nothing is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    pub size: u64,
    pub root: Hash,
    /// Entries that wait for their place, and since when.
    pub waiting: usize,
    pub waiting_since: Option<Moment>,
}

/// Verifies the log, one page after another; `known` are checkpoints kept elsewhere.
///
/// # Errors
/// When the database cannot be read. The inner error is the first wrong entry.
pub fn verify_log(
    tx: &mut dyn Tx,
    vault: &Vault,
    key: PublicKey,
    known: Vec<Known>,
) -> Result<Result<Sound, Fault>, DeskError> {
    let mut verifier = Verifier::new(key, known);
    let mut next = i64::MIN;
    loop {
        let page = tx.tree_page(next, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        next = last.seq.saturating_add(1);
        for (row, entry) in &page {
            if let Err(fault) = take(&mut verifier, vault, row, entry.as_ref()) {
                return Ok(Err(fault));
            }
        }
    }
    let (size, root) = match verifier.finish() {
        Ok(end) => end,
        Err(fault) => return Ok(Err(fault)),
    };
    let outside = tx.entries_outside_tree(MOST_WAITING)?;
    if let Some(forged) = outside.iter().find(|row| !authentic(vault, row)) {
        let why =
            format!("{} stands in no tree, and not Caseward wrote it: it was inserted or changed", forged.id);
        return Ok(Err(Fault { index: size, why }));
    }
    if let Some(case) = tx.case_beyond_log()? {
        let why = format!("case {case} has changed since its last entry: the end of the log was cut off");
        return Ok(Err(Fault { index: size, why }));
    }
    let waiting_since = outside.iter().map(|row| row.at).min();
    Ok(Ok(Sound { size, root, waiting: outside.len(), waiting_since }))
}

fn take(
    verifier: &mut Verifier,
    vault: &Vault,
    row: &TreeRow,
    entry: Option<&EntryRow>,
) -> Result<(), Fault> {
    if u64::try_from(row.seq) != Ok(verifier.size()) {
        return Err(verifier.fault("its place is empty: it was dropped, or places were renumbered"));
    }
    let Some(entry) = entry else {
        return Err(verifier.fault(format!("{} is gone", row.entry_id)));
    };
    let hashes = verifier.push(entry_hash(&entry.bytes), &row.signature)?;
    let why = if hashes.as_stored() != row.hashes {
        "it is not what was entered here: it or its place was changed"
    } else if place_mac(vault, row.seq, &row.hashes, &row.signature, entry).as_stored() != row.mac.as_slice()
    {
        "its details, its signature or its place was changed"
    } else if !tells_its_bytes(entry) {
        "its columns tell something else than its signed bytes"
    } else {
        return Ok(());
    };
    Err(verifier.fault_of_last(format!("{why} ({})", row.entry_id)))
}
