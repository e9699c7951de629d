//! The audit log, as bytes: what an entry is, the Merkle tree over all entries (RFC 6962 hashing), its signed
//! checkpoints, proofs, exports, and how any of it is verified. The forms are those of C2SP: `tlog-tiles`,
//! `tlog-checkpoint`, `signed-note`, `tlog-proof`. Knows neither the store nor why an entry is written.

mod checkpoint;
mod entry;
mod export;
mod proof;
mod tree;
mod verify;

pub use checkpoint::{Checkpoint, CheckpointError, LogKey, PublicKey};
pub use entry::{Entry, bytes, commit, read};
pub use export::{ExportError, FileExport, TileExport, Verified, verify_export};
pub use proof::{Proof, ProofError};
pub use tree::{Frontier, Hash, Hashes, entry_hash, prove_growth, prove_inclusion};
pub use verify::{Fault, Known, Verifier};
