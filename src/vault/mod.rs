//! Sealing (promise 6): content is encrypted under a key of its own record, that key is wrapped by the key of its
//! scope (a case, an unfiled mail, the directory), and that by the master key. The vault knows bytes and
//! identities, not what they mean; it stores nothing itself.

mod file;
mod lookup;
mod record;
mod seal;

pub use file::{KeyFileError, MasterKey};
pub use lookup::{Lookup, LookupHash};
pub use record::Record;
pub use seal::{Field, Key, Opened, SealError, Sealed};

/// The keys that serve one purpose each over the whole register; the database keeps them wrapped.
pub struct Purposes {
    /// Equality look-ups.
    pub lookup: Key,
    /// Words of standard cases.
    pub index: Key,
    /// Authenticates rows of the audit log.
    pub log_rows: Key,
    /// Signs the audit log's checkpoints.
    pub log_signing: Key,
}

impl Purposes {
    /// New keys.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, SealError> {
        Ok(Self {
            lookup: Key::generate()?,
            index: Key::generate()?,
            log_rows: Key::generate()?,
            log_signing: Key::generate()?,
        })
    }
}

/// The keys a running daemon holds: everything else is unwrapped when needed and forgotten.
pub struct Vault {
    master: MasterKey,
    generation: i32,
    lookup: Lookup,
    index: Lookup,
    log_rows: Lookup,
    log_signing: Key,
}

impl Vault {
    /// A vault over `master`, with the keys that the database keeps wrapped.
    #[must_use]
    pub fn new(master: MasterKey, purposes: Purposes) -> Self {
        let Purposes { lookup, index, log_rows, log_signing } = purposes;
        let (lookup, index, log_rows) = (Lookup::new(lookup), Lookup::new(index), Lookup::new(log_rows));
        Self { master, generation: 1, lookup, index, log_rows, log_signing }
    }

    /// The same vault, its master key of another generation than the first.
    #[must_use]
    pub fn of_generation(self, generation: i32) -> Self {
        Self { generation, ..self }
    }

    /// How often the master key was changed before, plus one.
    #[must_use]
    pub fn generation(&self) -> i32 {
        self.generation
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

    /// Keyed hashes of the words of standard cases.
    #[must_use]
    pub fn index(&self) -> &Lookup {
        &self.index
    }

    /// Keyed hashes that authenticate rows of the audit log.
    #[must_use]
    pub fn log_rows(&self) -> &Lookup {
        &self.log_rows
    }

    /// The seed of the key that signs the audit log's checkpoints.
    #[must_use]
    pub fn log_signing(&self) -> &Key {
        &self.log_signing
    }
}
