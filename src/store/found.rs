//! A database as it is found: nothing is made, migrated or written in it. For looking before a first start or an
//! upgrade.

use std::path::Path;

use secrecy::SecretString;

use super::tx::Tx;
use super::{Backend, Connection, StoreError, postgres, sqlite};
use crate::case::Moment;

/// What was found at a URL.
pub struct Found {
    connection: Option<Box<dyn Connection>>,
    /// Drives the connection.
    _backend: Backend,
    /// Migrations that the next start runs; all of them when there is no register yet.
    pub pending: usize,
    /// The time at the server, where the database is one.
    pub server_time: Option<Moment>,
}

/// What a backend tells of itself.
pub(super) struct Look<C> {
    /// `None` when there is nothing yet.
    pub conn: Option<C>,
    pub pending: usize,
    pub server_time: Option<Moment>,
}

impl Found {
    /// Looks at `url`. Blocks.
    ///
    /// # Errors
    /// What would keep a daemon from working there.
    pub fn look(
        url: &str,
        password: Option<&SecretString>,
        ca_file: Option<&Path>,
    ) -> Result<Self, StoreError> {
        let backend = Backend::new(url, password, ca_file)?;
        let (connection, pending, server_time) = match &backend {
            Backend::Sqlite(path) => {
                let Look { conn, pending, server_time } = sqlite::look(path)?;
                (conn.map(|conn| Box::new(conn) as Box<dyn Connection>), pending, server_time)
            }
            Backend::Postgres(server) => {
                let Look { conn, pending, server_time } = postgres::look(server)?;
                (conn.map(|conn| Box::new(conn) as Box<dyn Connection>), pending, server_time)
            }
        };
        Ok(Self { connection, _backend: backend, pending, server_time })
    }

    /// Whether there is a register at all.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.connection.is_some()
    }

    /// Reads from the register in one transaction; `None` when there is none.
    ///
    /// # Errors
    /// What `read` returns.
    pub fn read<T, E: From<StoreError>>(
        &mut self,
        read: impl FnOnce(&mut dyn Tx) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let tx = connection.tx();
        tx.begin_read()?;
        let result = read(tx);
        tx.rollback()?;
        result.map(Some)
    }
}

/// How many of `known` were not run yet.
///
/// # Errors
/// When something was run that is not known.
pub(super) fn pending(applied: &[String], known: &[String]) -> Result<usize, StoreError> {
    if applied.iter().any(|version| !known.contains(version)) {
        return Err(super::newer());
    }
    Ok(known.iter().filter(|version| !applied.contains(version)).count())
}
