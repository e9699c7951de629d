//! Sealing (promise 6): content is encrypted under a key of its own record, that key is wrapped by the key of its
//! scope (a case, an unfiled mail, the directory), and that by the master key. The vault knows bytes and
//! identities, not what they mean; it stores nothing itself.

mod file;
mod lookup;
mod seal;

pub use file::{KeyFileError, MasterKey};
pub use lookup::{Lookup, LookupHash};
pub use seal::{Field, Key, Opened, SealError, Sealed};

/// The keys a running daemon holds: everything else is unwrapped when needed and forgotten.
pub struct Vault {
    master: MasterKey,
    lookup: Lookup,
}

impl Vault {
    /// A vault over `master`, with the look-up key that the database keeps wrapped.
    #[must_use]
    pub fn new(master: MasterKey, lookup: Key) -> Self {
        Self { master, lookup: Lookup::new(lookup) }
    }

    /// The master key, which wraps scope keys.
    #[must_use]
    pub fn master(&self) -> &Key {
        self.master.key()
    }

    /// Keyed hashes for look-ups.
    #[must_use]
    pub fn lookup(&self) -> &Lookup {
        &self.lookup
    }
}
