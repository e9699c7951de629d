//! SQLite: one file, one writer. What differs from PostgreSQL is here and nowhere else: how to connect, how to
//! begin, how to claim.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use super::StoreError;
use super::tx::Begin;

pub type Conn = SqliteConnection;
pub type Db = diesel::sqlite::Sqlite;

pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// One writer at a time: nothing to skip.
macro_rules! skip_locked {
    ($query:expr) => {
        $query
    };
}
use skip_locked;

#[path = "queries/audit.rs"]
mod audit;
#[path = "queries/backups.rs"]
mod backups;
#[path = "queries/cases.rs"]
mod cases;
#[path = "queries/directory.rs"]
mod directory;
#[path = "queries/keys.rs"]
mod keys;
#[path = "queries/leases.rs"]
mod leases;
#[path = "queries/messages.rs"]
mod messages;
#[path = "queries/outbox.rs"]
mod outbox;
#[path = "queries/parties.rs"]
mod parties;
#[path = "queries/register.rs"]
mod register;
#[path = "queries/threads.rs"]
mod threads;
#[path = "queries/users.rs"]
mod users;

/// Opens the file, making it if it is not there.
pub fn connect(path: &Path) -> Result<Conn, StoreError> {
    let unusable = |error: &dyn std::fmt::Display| {
        StoreError::Unusable(format!(
            "{}: the database cannot be opened ({error}); check that the directory exists, is writable and has room",
            path.display()
        ))
    };
    let mut conn = Conn::establish(&path.to_string_lossy()).map_err(|error| unusable(&error))?;
    // busy_timeout first: the others already need the lock. All are settings of the connection, not of the file.
    conn.batch_execute(
        "PRAGMA busy_timeout = 10000;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA secure_delete = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA journal_size_limit = 67108864;",
    )
    .map_err(|error| unusable(&error))?;
    Ok(conn)
}

impl Begin for Conn {
    fn begin_write(&mut self) -> Result<(), StoreError> {
        // A deferred transaction that reads and then writes fails at once if another wrote in between.
        Ok(self.batch_execute("BEGIN IMMEDIATE")?)
    }
    fn begin_read(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("BEGIN")?)
    }
    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("COMMIT")?)
    }
    fn rollback(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("ROLLBACK")?)
    }
    fn savepoint(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("SAVEPOINT action")?)
    }
    fn release(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("RELEASE action")?)
    }
    fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("ROLLBACK TO action; RELEASE action")?)
    }
    fn lock_intake(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
    fn ping(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("SELECT 1")?)
    }
}
