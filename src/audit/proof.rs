//! The proof that one entry stands in the log, in the form `c2sp.org/tlog-proof@v1`: place, path, checkpoint. The
//! entry itself goes along as its extra data, so that one file and the public key are all that somebody needs.

use std::fmt;

use data_encoding::BASE64;

use super::checkpoint::{Checkpoint, CheckpointError, PublicKey};
use super::tree::{Hash, entry_hash};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A path in the largest tree there can be.
const LONGEST: usize = 64;

/// One entry with all that proves it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    pub entry: Vec<u8>,
    pub index: u64,
    pub path: Vec<Hash>,
    /// The checkpoint as a signed note.
    pub note: Vec<u8>,
}

/// Why a proof proves nothing; one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("this is no proof: it begins with {HEADER} and ends with a signed checkpoint")]
    Malformed,
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(
        "the proof does not fit: this entry does not stand at this place of the log that the checkpoint vouches for"
    )]
    Wrong,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        writeln!(f, "extra {}", BASE64.encode(&self.entry))?;
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", String::from_utf8_lossy(&self.note))
    }
}

impl Proof {
    /// Reads a proof's text.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &str) -> Result<Self, ProofError> {
        let (head, note) = text.split_once("\n\n").ok_or(ProofError::Malformed)?;
        let mut lines = head.lines();
        let mut after = |prefix: &str| lines.next().and_then(|line| line.strip_prefix(prefix));
        let entry = after(HEADER).and_then(|_| after("extra ")).map(|text| BASE64.decode(text.as_bytes()));
        let index = after("index ").and_then(|text| text.parse().ok());
        let path: Result<Vec<_>, _> = lines.take(LONGEST + 1).map(Hash::parse_hash).collect();
        match (entry, index, path) {
            (Some(Ok(entry)), Some(index), Ok(path)) if path.len() <= LONGEST => {
                Ok(Self { entry, index, path, note: note.as_bytes().to_vec() })
            }
            _ => Err(ProofError::Malformed),
        }
    }

    /// Checks it with nothing but the log's public key; the checkpoint it rests on.
    ///
    /// # Errors
    /// When it proves nothing.
    pub fn check(&self, key: &PublicKey) -> Result<Checkpoint, ProofError> {
        let checkpoint = key.open(&self.note)?;
        let leaf = entry_hash(&self.entry);
        tlog_tiles::check_record(&self.path, checkpoint.size, checkpoint.root, self.index, leaf)
            .map_err(|_| ProofError::Wrong)?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::LogKey;
    use super::super::tree::{Frontier, prove_inclusion};
    use super::*;

    #[test]
    fn a_proof_stands_alone_and_every_changed_byte_of_it_is_noticed() {
        let key = LogKey::from_seed(&[3; 32]);
        let mut front = Frontier::default();
        let entries: Vec<_> = (0..5u8).map(|n| format!("{{\"n\":{n}}}")).collect();
        let kept: Vec<_> = entries.iter().map(|entry| front.push(entry_hash(entry.as_bytes()))).collect();
        let path =
            prove_inclusion(5, 2, |entry| Ok::<_, ()>(kept.get(usize::try_from(entry).unwrap()).cloned()));
        let note = key.public().note(5, front.root(), &key.sign(5, front.root()));
        let proof = Proof { entry: entries[2].clone().into(), index: 2, path: path.unwrap().unwrap(), note };
        let text = proof.to_string();
        insta::assert_snapshot!(text);
        let read = Proof::read(&text).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.check(key.public()), Ok(Checkpoint { size: 5, root: front.root() }));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(forged) = String::from_utf8(bytes) else { continue };
            let held = Proof::read(&forged).is_ok_and(|forged| forged.check(key.public()).is_ok());
            assert!(!held, "byte {at}: {forged}");
        }
    }
}
