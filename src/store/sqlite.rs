//! SQLite: one file, one writer. What differs from PostgreSQL is here and nowhere else: how to connect, how to
//! begin, how to claim.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use super::StoreError;
use super::copy::CopyError;
use super::found::Look;
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
#[path = "queries/clocks.rs"]
mod clocks;
#[path = "queries/directory.rs"]
mod directory;
#[path = "queries/grants.rs"]
mod grants;
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
#[path = "queries/search.rs"]
mod search;
#[path = "queries/threads.rs"]
mod threads;
#[path = "queries/users.rs"]
mod users;
#[path = "queries/walls.rs"]
mod walls;

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
    .map_err(|error| match StoreError::from(error) {
        StoreError::Query(error) => unusable(&error),
        known => known,
    })?;
    Ok(conn)
}

/// Needs all that a change needs, and changes nothing.
const WRITES: &str = "DELETE FROM __diesel_schema_migrations WHERE 0";

/// Runs `work` while no other process migrates; it is done whole or not at all.
pub fn with_migration_lock(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    conn.exclusive_transaction(|conn| {
        work(conn)?;
        // BEGIN takes a file that can only be read for one that is only to be read; a change does not.
        Ok(conn.batch_execute(WRITES)?)
    })
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
    fn try_lock_outbox(&mut self) -> Result<bool, StoreError> {
        Ok(true)
    }
    fn ping(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("SELECT 1")?)
    }
}

/// Looks through every page.
pub fn examine(conn: &mut Conn) -> Result<(), StoreError> {
    let found: Vec<Line> =
        diesel::sql_query("SELECT quick_check AS line FROM pragma_quick_check LIMIT 1").load(conn)?;
    match found.as_slice() {
        [Line { line }] if line == "ok" => Ok(()),
        _ => Err(StoreError::Damaged),
    }
}

/// Empties the write-ahead log into the file.
pub fn checkpoint(conn: &mut Conn) -> Result<(), StoreError> {
    // A backup that reads just now is not waited for: the log then stays, and the next start takes it.
    Ok(conn.batch_execute("PRAGMA busy_timeout = 500; PRAGMA wal_checkpoint(TRUNCATE)")?)
}

/// Writes a consistent copy into `path` while others go on writing.
pub fn copy(conn: &mut Conn, path: &Path) -> Result<(), StoreError> {
    // One statement sees one state; unlike the backup interface it need not start again when somebody writes.
    diesel::sql_query("VACUUM INTO ?")
        .bind::<diesel::sql_types::Text, _>(path.to_string_lossy().into_owned())
        .execute(conn)
        .map(drop)
        .map_err(|error| match StoreError::from(error) {
            StoreError::Unavailable(_) => {
                StoreError::Unavailable("the disk it is written to is full or failing; make room".into())
            }
            other => other,
        })
}

/// Opens a finished file without changing a byte of it or leaving anything beside it.
pub fn open_copy(path: &Path) -> Result<Conn, CopyError> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        std::fs::metadata(name).is_ok_and(|about| about.len() > 0)
    };
    if beside("-wal") || beside("-journal") {
        return Err(CopyError::InUse);
    }
    let mut conn = Conn::establish(&format!("file:{}?mode=ro&immutable=1", escaped(path)))
        .map_err(|error| StoreError::Unusable(format!("it cannot be opened ({error})")))?;
    let damaged = |error: &dyn std::fmt::Display| CopyError::Damaged(error.to_string());
    let tables: i64 = diesel::sql_query("SELECT count(*) AS number FROM sqlite_schema")
        .get_result::<Number>(&mut conn)
        .map_err(|error| {
            // A file that does not begin like a database is something else; one that does is damaged.
            if error.to_string().contains("not a database") { CopyError::Foreign } else { damaged(&error) }
        })?
        .number;
    if tables == 0 {
        return Err(CopyError::Foreign);
    }
    let found: Vec<Line> =
        diesel::sql_query("SELECT integrity_check AS line FROM pragma_integrity_check LIMIT 2")
            .load(&mut conn)
            .map_err(|error| damaged(&error))?;
    match found.as_slice() {
        [Line { line }] if line == "ok" => {}
        _ => return Err(CopyError::Damaged("its pages contradict each other".into())),
    }
    super::known_schema(backups::applied(&mut conn), &super::versions::<Db>(&MIGRATIONS)?)?;
    Ok(conn)
}

/// A path within a URI of SQLite.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

/// Looks at the file without making or changing anything.
pub fn look(path: &Path) -> Result<Look<Conn>, StoreError> {
    let known = super::versions::<Db>(&MIGRATIONS)?;
    let nothing = Look { conn: None, pending: known.len(), server_time: None };
    if !path.exists() {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return match tempfile::tempfile_in(parent) {
            Ok(_) => Ok(nothing),
            Err(error) => Err(StoreError::Unusable(format!(
                "{}: the database cannot be made there ({}); make the directory and let the daemon's user write it",
                path.display(),
                error.kind()
            ))),
        };
    }
    let unusable = |error: &dyn std::fmt::Display| {
        StoreError::Unusable(format!("{}: the database cannot be opened ({error})", path.display()))
    };
    let mut conn =
        Conn::establish(&format!("file:{}?mode=rw", escaped(path))).map_err(|error| unusable(&error))?;
    conn.batch_execute("PRAGMA busy_timeout = 10000").map_err(|error| unusable(&error))?;
    let tables: Number =
        diesel::sql_query("SELECT count(*) AS number FROM sqlite_schema").get_result(&mut conn)?;
    if tables.number == 0 {
        return Ok(nothing);
    }
    let applied = backups::applied(&mut conn).map_err(|_| {
        StoreError::Unusable(format!(
            "{}: this is no register of Caseward; name another file",
            path.display()
        ))
    })?;
    let pending = super::found::pending(&applied, &known)?;
    conn.batch_execute(WRITES)?;
    Ok(Look { conn: Some(conn), pending, server_time: None })
}
