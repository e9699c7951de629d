//! Copies of the register: one is taken of SQLite while the daemon runs, and any is looked into without a byte of it
//! being changed. What a copy means, and whether it is one to rely on, is decided elsewhere.

use std::path::Path;

use secrecy::SecretString;

use super::tx::Tx;
use super::{Backend, Connection, Store, StoreError, postgres, sqlite};

/// A copy of a register, opened for reading alone.
pub struct Copy {
    connection: Box<dyn Connection>,
    /// Drives the connection.
    _backend: Backend,
}

/// What is wrong with a copy; one sentence that names no file.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("it is no register of Caseward: name a file that `caseward backup` made")]
    Foreign,
    #[error("it is damaged ({0}): use another backup")]
    Damaged(String),
    #[error("it was made by a newer caseward: install that version or a newer one")]
    Newer,
    #[error(
        "it is still in use by a running program: name a file that `caseward backup` made, not a plain copy"
    )]
    InUse,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Copy {
    /// Opens the copy at `url` (`sqlite:PATH` or `postgres://…`) and checks that it is whole and of a schema known
    /// here. Blocks; on a large SQLite file for minutes, because every page is read.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(
        url: &str,
        password: Option<&SecretString>,
        ca_file: Option<&Path>,
    ) -> Result<Self, CopyError> {
        let backend = Backend::new(url, password, ca_file)?;
        let connection: Box<dyn Connection> = match &backend {
            Backend::Sqlite(path) => Box::new(sqlite::open_copy(path)?),
            Backend::Postgres(server) => Box::new(postgres::open_copy(server)?),
        };
        Ok(Self { connection, _backend: backend })
    }

    /// Reads `read` from the copy in one transaction.
    ///
    /// # Errors
    /// What `read` returns, or that the copy cannot be read.
    pub fn read<T, E: From<StoreError>>(
        &mut self,
        read: impl FnOnce(&mut dyn Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let tx = self.connection.tx();
        tx.begin_read()?;
        let result = read(tx);
        tx.rollback()?;
        result
    }
}

impl Store {
    /// Brings all that is committed into the database's own file, so that it is whole when the daemon has stopped.
    /// PostgreSQL needs none of that.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn settle(&self) -> Result<(), StoreError> {
        match &*self.backend {
            Backend::Sqlite(file) => sqlite::checkpoint(&mut sqlite::connect(file)?),
            Backend::Postgres(_) => Ok(()),
        }
    }

    /// Writes all that is committed now into the empty or missing file at `path`, while others go on writing. `false`
    /// when the database is no file and has tools of its own for that (PostgreSQL). Blocks. The file is not yet on
    /// the disk when this returns: sync it.
    ///
    /// # Errors
    /// When the file cannot be written, a full disk above all; what was written of it is the caller's to remove.
    pub fn copy_to(&self, path: &Path) -> Result<bool, StoreError> {
        match &*self.backend {
            Backend::Sqlite(file) => sqlite::copy(&mut sqlite::connect(file)?, path).map(|()| true),
            Backend::Postgres(_) => Ok(false),
        }
    }
}
