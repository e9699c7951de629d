//! The Merkle tree over the entries, hashed as in RFC 6962. Each entry is kept with the hashes of the subtrees that it
//! completes, leaf first (about two for an entry), so that any proof is a handful of look-ups. The arithmetic of
//! places and proofs is the library's.

use std::cell::RefCell;
use std::collections::HashMap;

use tlog_tiles::{Error, HashReader, node_hash, record_hash, split_stored_hash_index, sub_tree_index};

pub use tlog_tiles::Hash;

/// More entries than any log will have; bounds the arithmetic on what comes from outside.
pub const MOST: u64 = 1 << 48;
const SIZE: usize = tlog_tiles::HASH_SIZE;

/// The hash of an entry as a leaf.
#[must_use]
pub fn entry_hash(entry: &[u8]) -> Hash {
    record_hash(entry)
}

/// The hashes kept with one entry: of its leaf, and of each subtree that it completes, smallest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Hashes(Vec<Hash>);

impl Hashes {
    /// Reads what [`Hashes::as_stored`] gave.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<SIZE>();
        (rest.is_empty() && !hashes.is_empty()).then(|| Self(hashes.iter().map(|hash| Hash(*hash)).collect()))
    }

    #[must_use]
    pub fn as_stored(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.0).collect()
    }

    /// The hash at a height; the leaf is at 0.
    #[must_use]
    pub fn at(&self, level: usize) -> Option<Hash> {
        self.0.get(level).copied()
    }
}

/// The right edge of a tree: all that is needed to let it grow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frontier {
    size: u64,
    /// The roots of the complete subtrees, largest first.
    roots: Vec<Hash>,
}

impl Frontier {
    /// The edge of a tree of `size` entries, `kept` giving the hashes of an entry.
    ///
    /// # Errors
    /// When `kept` does not have what it must have; what `kept` returns.
    pub fn resume<E>(
        size: u64,
        mut kept: impl FnMut(u64) -> Result<Option<Hashes>, E>,
    ) -> Result<Option<Self>, E> {
        let mut roots = Vec::new();
        for index in sub_tree_index(0, size.min(MOST), Vec::new()) {
            let (entry, level) = place(index);
            match kept(entry)?.and_then(|hashes| hashes.at(level)) {
                Some(hash) => roots.push(hash),
                None => return Ok(None),
            }
        }
        Ok(Some(Self { size, roots }))
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; the hashes to keep with it.
    pub fn push(&mut self, leaf: Hash) -> Hashes {
        let mut completed = vec![leaf];
        let mut top = leaf;
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.roots.pop() else { break };
            top = node_hash(left, top);
            completed.push(top);
        }
        self.roots.push(top);
        self.size += 1;
        Hashes(completed)
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return tlog_tiles::EMPTY_HASH };
        roots.fold(*last, |right, left| node_hash(*left, right))
    }
}

/// Proves that entry `index` is in the tree of `size` entries.
///
/// # Errors
/// When there is no such entry, or what `kept` returns.
pub fn prove_inclusion<E>(
    size: u64,
    index: u64,
    kept: impl FnMut(u64) -> Result<Option<Hashes>, E>,
) -> Result<Option<Vec<Hash>>, E> {
    let reader = Reader::new(kept);
    if index >= size || size > MOST {
        return Ok(None);
    }
    let proof = tlog_tiles::prove_record(size, index, &reader);
    reader.finish(proof)
}

/// Proves that the tree of `old` entries is the beginning of the tree of `new` entries.
///
/// # Errors
/// As [`prove_inclusion`].
pub fn prove_growth<E>(
    new: u64,
    old: u64,
    kept: impl FnMut(u64) -> Result<Option<Hashes>, E>,
) -> Result<Option<Vec<Hash>>, E> {
    let reader = Reader::new(kept);
    if !(1..=new).contains(&old) || new > MOST {
        return Ok(None);
    }
    let proof = tlog_tiles::prove_tree(new, old, &reader);
    reader.finish(proof)
}

/// Which entry keeps the hash of a storage index, and at which height.
fn place(index: u64) -> (u64, usize) {
    let (level, n) = split_stored_hash_index(index);
    (((n + 1) << level) - 1, usize::from(level))
}

/// Lets the library read hashes through a function that may fail in its own way.
struct Reader<F, E> {
    kept: RefCell<F>,
    failed: RefCell<Option<E>>,
}

impl<E, F: FnMut(u64) -> Result<Option<Hashes>, E>> Reader<F, E> {
    fn new(kept: F) -> Self {
        Self { kept: RefCell::new(kept), failed: RefCell::new(None) }
    }

    fn finish(self, proof: Result<Vec<Hash>, Error>) -> Result<Option<Vec<Hash>>, E> {
        match self.failed.into_inner() {
            Some(error) => Err(error),
            None => Ok(proof.ok()),
        }
    }
}

impl<E, F: FnMut(u64) -> Result<Option<Hashes>, E>> HashReader for Reader<F, E> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let mut known: HashMap<u64, Option<Hashes>> = HashMap::new();
        let mut kept = self.kept.borrow_mut();
        let mut found = Vec::with_capacity(indexes.len());
        for index in indexes {
            let (entry, level) = place(*index);
            if let std::collections::hash_map::Entry::Vacant(vacant) = known.entry(entry) {
                match kept(entry) {
                    Ok(hashes) => vacant.insert(hashes),
                    Err(error) => {
                        *self.failed.borrow_mut() = Some(error);
                        return Err(Error::IndexesNotInTree);
                    }
                };
            }
            let hash = known.get(&entry).and_then(|hashes| hashes.as_ref()?.at(level));
            found.push(hash.ok_or(Error::IndexesNotInTree)?);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962 section 2.1, as it is written there.
    fn reference(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => tlog_tiles::EMPTY_HASH,
            [leaf] => *leaf,
            _ => {
                let half = leaves.len().next_power_of_two() / 2;
                node_hash(reference(&leaves[..half]), reference(&leaves[half..]))
            }
        }
    }

    fn grown(size: u64) -> (Vec<Hash>, Vec<Hashes>, Frontier) {
        let leaves: Vec<_> = (0..size).map(|n| entry_hash(&n.to_be_bytes())).collect();
        let mut front = Frontier::default();
        let kept = leaves.iter().map(|leaf| front.push(*leaf)).collect();
        (leaves, kept, front)
    }

    fn from(kept: &[Hashes]) -> impl FnMut(u64) -> Result<Option<Hashes>, ()> + '_ {
        |entry| Ok(kept.get(usize::try_from(entry).unwrap()).cloned())
    }

    proptest! {
        #[test]
        fn the_root_is_that_of_the_rfc(size in 0u64..300) {
            let (leaves, kept, front) = grown(size);
            prop_assert_eq!(front.root(), reference(&leaves));
            prop_assert_eq!(Frontier::resume(size, from(&kept)).unwrap().unwrap(), front);
        }

        #[test]
        fn every_entry_is_provable_and_no_other(size in 1u64..300, pick in any::<u64>(), other in any::<u64>()) {
            let (leaves, kept, front) = grown(size);
            let index = pick % size;
            let proof = prove_inclusion(size, index, from(&kept)).unwrap().unwrap();
            let leaf = leaves[usize::try_from(index).unwrap()];
            prop_assert!(tlog_tiles::check_record(&proof, size, front.root(), index, leaf).is_ok());
            let forged = entry_hash(&other.to_le_bytes());
            prop_assert!(tlog_tiles::check_record(&proof, size, front.root(), index, forged).is_err() || forged == leaf);
            if size > 1 {
                let elsewhere = (index + 1) % size;
                prop_assert!(tlog_tiles::check_record(&proof, size, front.root(), elsewhere, leaf).is_err());
            }
            prop_assert!(prove_inclusion(size, size, from(&kept)).unwrap().is_none());
        }

        #[test]
        fn growth_is_provable_and_rewriting_is_not(new in 1u64..300, pick in any::<u64>(), at in any::<u64>()) {
            let old = pick % new + 1;
            let (mut leaves, kept, front) = grown(new);
            let early = grown(old).2;
            let proof = prove_growth(new, old, from(&kept)).unwrap().unwrap();
            prop_assert!(tlog_tiles::check_tree(&proof, new, front.root(), old, early.root()).is_ok());
            leaves[usize::try_from(at % old).unwrap()] = entry_hash(b"rewritten");
            let mut other = Frontier::default();
            let rewritten: Vec<_> = leaves.iter().map(|leaf| other.push(*leaf)).collect();
            let proof = prove_growth(new, old, from(&rewritten)).unwrap().unwrap();
            prop_assert!(tlog_tiles::check_tree(&proof, new, other.root(), old, early.root()).is_err());
        }
    }
}
