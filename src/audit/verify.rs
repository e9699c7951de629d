//! Verifying a log from its first entry to its last, in one pass, without holding it. Every entry bears a signature
//! over the tree that it completes. As each root depends on all entries before it, one signature in thousands
//! proves them all; only when one fails are those behind the last proved one looked at singly, and the first that
//! fails is the first wrong entry, exactly.

use super::checkpoint::{PublicKey, SIGNATURE};
use super::tree::{Frontier, Hash, Hashes};

/// Entries between two signatures that are checked while all is well.
const STRIDE: usize = 4_096;

/// The first wrong entry of a log, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} is the first wrong one: {why}")]
pub struct Fault {
    /// Counted from 0.
    pub index: u64,
    pub why: String,
}

/// A checkpoint that somebody kept elsewhere.
#[derive(Clone, Debug)]
pub struct Known {
    pub size: u64,
    pub root: Hash,
    /// Where it comes from, for the sentence that says it does not fit.
    pub from: String,
}

/// Takes a log in, entry by entry.
pub struct Verifier {
    key: PublicKey,
    /// Smallest last.
    known: Vec<Known>,
    front: Frontier,
    /// The tree up to the last signature that was checked.
    proved: Frontier,
    unproved: Vec<(Hash, [u8; SIGNATURE])>,
}

impl Verifier {
    /// A verifier of the log of `key`; each checkpoint of `known` must fit it.
    #[must_use]
    pub fn new(key: PublicKey, mut known: Vec<Known>) -> Self {
        known.sort_by_key(|known| std::cmp::Reverse(known.size));
        Self {
            key,
            known,
            front: Frontier::default(),
            proved: Frontier::default(),
            unproved: Vec::with_capacity(STRIDE),
        }
    }

    /// How many entries were taken in.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.front.size()
    }

    /// Takes the next entry in, by its hash as a leaf; the hashes that belong with it.
    ///
    /// # Errors
    /// The first wrong entry, if it is known by now.
    pub fn push(&mut self, leaf: Hash, signature: &[u8]) -> Result<Hashes, Fault> {
        let Ok(signature) = <[u8; SIGNATURE]>::try_from(signature) else {
            return Err(self.fault("its signature is damaged"));
        };
        let hashes = self.front.push(leaf);
        self.unproved.push((leaf, signature));
        if self.unproved.len() >= STRIDE {
            self.prove()?;
        }
        while let Some(known) = self.known.pop_if(|known| known.size <= self.front.size()) {
            if known.size == self.front.size() && known.root != self.front.root() {
                self.prove()?;
                let why = format!(
                    "the log up to here is not the one that {} vouches for: who has the signing key rewrote it",
                    known.from
                );
                return Err(Fault { index: known.size.saturating_sub(1), why });
            }
        }
        Ok(hashes)
    }

    /// The next entry is wrong for a reason that the caller saw; an earlier one may be, too, and is then named.
    pub fn fault(&mut self, why: impl Into<String>) -> Fault {
        let index = self.front.size();
        self.prove().err().unwrap_or(Fault { index, why: why.into() })
    }

    /// The last entry taken in is wrong for a reason that the caller saw; as [`Verifier::fault`].
    pub fn fault_of_last(&mut self, why: impl Into<String>) -> Fault {
        let index = self.front.size().saturating_sub(1);
        let earlier = self.unproved.len().saturating_sub(1);
        self.first_wrong(earlier).unwrap_or(Fault { index, why: why.into() })
    }

    /// Ends the log here: its size and root.
    ///
    /// # Errors
    /// The first wrong entry; or the first missing one, when a known checkpoint vouches for more.
    pub fn finish(mut self) -> Result<(u64, Hash), Fault> {
        self.prove()?;
        match self.known.first() {
            Some(known) => Err(Fault {
                index: self.front.size(),
                why: format!(
                    "the log ends before it, but {} vouches for {} entries: the end was cut off",
                    known.from, known.size
                ),
            }),
            None => Ok((self.front.size(), self.front.root())),
        }
    }

    fn prove(&mut self) -> Result<(), Fault> {
        let Some((_, signature)) = self.unproved.last() else { return Ok(()) };
        if !self.key.signed(self.front.size(), self.front.root(), signature) {
            let all = self.unproved.len();
            if let Some(fault) = self.first_wrong(all) {
                return Err(fault);
            }
        }
        self.proved = self.front.clone();
        self.unproved.clear();
        Ok(())
    }

    /// The first of the next `count` unproved entries whose own signature does not fit.
    fn first_wrong(&self, count: usize) -> Option<Fault> {
        let mut front = self.proved.clone();
        for (leaf, signature) in self.unproved.iter().take(count) {
            let index = front.size();
            front.push(*leaf);
            if !self.key.signed(front.size(), front.root(), signature) {
                let why = "it is not what was signed here: it, its place or its signature was changed".into();
                return Some(Fault { index, why });
            }
        }
        None
    }
}
