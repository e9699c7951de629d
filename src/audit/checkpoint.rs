//! The log's key, and what is signed with it: checkpoints (C2SP `tlog-checkpoint` as a `signed-note`, Ed25519). A
//! checkpoint says how many entries there are and what root they have; whoever keeps one can tell later whether the
//! history before it was changed.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, VerifyingKey};
use sha2::{Digest, Sha256};
use signed_note::{Note, Signature, StandardVerifier, VerifierList};

use super::tree::{Hash, MOST};

/// The length of an Ed25519 signature.
pub const SIGNATURE: usize = 64;
/// The first byte of an Ed25519 key in a signed note.
const ED25519: u8 = 1;

/// Signs checkpoints.
pub struct LogKey {
    secret: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl LogKey {
    /// The key of 32 secret bytes. The log's name (its origin) follows from it.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = PublicKey::of(secret.verifying_key());
        Self { secret, public }
    }

    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs that the log has `size` entries with this root.
    #[must_use]
    pub fn sign(&self, size: u64, root: Hash) -> [u8; SIGNATURE] {
        self.secret.sign(&self.public.text(size, root)).to_bytes()
    }
}

/// What verifies a log: the only thing that somebody outside needs. Written as a verifier key of a signed note,
/// `NAME+HASH+KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    origin: String,
    id: u32,
    key: VerifyingKey,
}

/// A log at one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub size: u64,
    pub root: Hash,
}

/// What is wrong with a key or a checkpoint; one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(
        "this is no public key of an audit log; `caseward audit key` prints it as NAME+HASH+KEY on one line"
    )]
    Key,
    #[error("this is no checkpoint: a name, a size, a root, an empty line and a signature are expected")]
    Malformed,
    #[error("the checkpoint is of another log: it is named {0}")]
    OtherLog(String),
    #[error("the checkpoint is not signed with the log's key: it is forged, or the key is another one")]
    Unsigned,
}

impl PublicKey {
    fn of(key: VerifyingKey) -> Self {
        let digest = Sha256::digest(key.as_bytes());
        let name =
            data_encoding::HEXLOWER.encode(digest.first_chunk::<8>().map_or(&[], |bytes| bytes.as_slice()));
        let origin = format!("caseward-audit/{name}");
        let id = signed_note::key_id(&origin, &Self::encoded(&key));
        Self { origin, id, key }
    }

    fn encoded(key: &VerifyingKey) -> Vec<u8> {
        std::iter::once(ED25519).chain(*key.as_bytes()).collect()
    }

    /// The log's name, first line of its checkpoints.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether the log's key signed this size and root.
    #[must_use]
    pub fn signed(&self, size: u64, root: Hash, signature: &[u8; SIGNATURE]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.key.verify_strict(&self.text(size, root), &signature).is_ok()
    }

    /// The checkpoint as a signed note.
    #[must_use]
    pub fn note(&self, size: u64, root: Hash, signature: &[u8; SIGNATURE]) -> Vec<u8> {
        let signature = Signature::new(self.origin.clone(), self.id, signature.to_vec());
        let note = signature.and_then(|signature| Note::new(&self.text(size, root), &[signature]));
        note.map(|note| note.to_bytes()).unwrap_or_default()
    }

    /// Reads a checkpoint that this key signed; signatures of others beside it do not matter.
    ///
    /// # Errors
    /// When it is none, or not of this key.
    pub fn open(&self, note: &[u8]) -> Result<Checkpoint, CheckpointError> {
        let note = Note::from_bytes(note).map_err(|_| CheckpointError::Malformed)?;
        let read = tlog_tiles::Checkpoint::from_bytes(note.text()).map_err(|_| CheckpointError::Malformed)?;
        if read.origin() != self.origin {
            return Err(CheckpointError::OtherLog(read.origin().chars().take(200).collect()));
        }
        if read.size() > MOST {
            return Err(CheckpointError::Malformed);
        }
        let verifier = StandardVerifier::new(&self.to_string()).map_err(|_| CheckpointError::Key)?;
        note.verify(&VerifierList::new(vec![Box::new(verifier)])).map_err(|_| CheckpointError::Unsigned)?;
        Ok(Checkpoint { size: read.size(), root: *read.hash() })
    }

    fn text(&self, size: u64, root: Hash) -> Vec<u8> {
        format!("{}\n{size}\n{root}\n", self.origin).into_bytes()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&signed_note::new_ed25519_verifier_key(&self.origin, &self.key))
    }
}

impl FromStr for PublicKey {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let text = text.trim();
        // Checks name, algorithm and the hash that ties them together.
        StandardVerifier::new(text).map_err(|_| CheckpointError::Key)?;
        // Base64 may hold further plus signs.
        let key = text.splitn(3, '+').nth(2);
        let key = key.and_then(|key| data_encoding::BASE64.decode(key.as_bytes()).ok());
        let key = key.as_deref().and_then(|key| key.last_chunk::<32>()).ok_or(CheckpointError::Key)?;
        let key = Self::of(VerifyingKey::from_bytes(key).map_err(|_| CheckpointError::Key)?);
        if text.starts_with(&format!("{}+", key.origin)) { Ok(key) } else { Err(CheckpointError::Key) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::entry_hash;
    use super::*;

    #[test]
    fn a_checkpoint_is_opened_by_its_key_alone() {
        let (key, other) = (LogKey::from_seed(&[1; 32]), LogKey::from_seed(&[2; 32]));
        let root = entry_hash(b"one");
        let note = key.public().note(1, root, &key.sign(1, root));
        let text = String::from_utf8(note.clone()).unwrap();
        insta::assert_snapshot!(text);
        assert_eq!(key.public().open(&note), Ok(Checkpoint { size: 1, root }));
        assert!(matches!(other.public().open(&note), Err(CheckpointError::OtherLog(_))));
        for at in 0..note.len() {
            let mut forged = note.clone();
            forged[at] ^= 1;
            assert!(key.public().open(&forged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_public_key_survives_being_written_down() {
        for seed in 0..=255 {
            let key = LogKey::from_seed(&[seed; 32]);
            assert_eq!(key.public().to_string().parse::<PublicKey>().as_ref(), Ok(key.public()), "{seed}");
        }
        let text = LogKey::from_seed(&[7; 32]).public().to_string();
        for wrong in ["", "a+b+c", text.get(1..).unwrap(), "caseward-audit/0000000000000000+00000000+AQ=="] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(CheckpointError::Key), "{wrong}");
        }
    }
}
