//! The only code that speaks SQL. A [`Store`] answers reads on a bounded queue to threads of its own; a
//! [`Writer`] is handed to the desk's runner. The queries are written once and mounted for each database.

pub mod copy;
pub mod found;
#[expect(clippy::duplicate_mod, reason = "the queries are written once and mounted for each database")]
mod postgres;
pub mod rows;
mod schema;
#[expect(clippy::duplicate_mod, reason = "the queries are written once and mounted for each database")]
mod sqlite;
pub mod tx;
mod types;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot};

pub use tx::Tx;
pub use types::Words;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Wrong settings, missing rights, a newer schema: a person must act.
    #[error("{0}")]
    Unusable(String),
    /// Full or read-only: a person must act, and then it goes on by itself.
    #[error("{0}")]
    Unwritable(String),
    /// Gone or locked for now: try again.
    #[error("{0}")]
    Unavailable(String),
    /// The file is damaged.
    #[error("the database is damaged; stop the daemon and restore the last backup (`caseward restore`)")]
    Damaged,
    /// A sealed value did not open.
    #[error(transparent)]
    Sealed(#[from] crate::vault::SealError),
    /// A query failed in a way that should not happen.
    #[error("the database refused a query")]
    Query(#[source] DieselError),
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let DieselError::DatabaseError(kind, info) = &error else { return Self::Query(error) };
        let message = info.message();
        let has = |part: &str| message.contains(part);
        if matches!(kind, DatabaseErrorKind::ClosedConnection)
            || has("connection closed")
            || has("terminating")
        {
            return Self::Unavailable(
                "the database connection was lost; it is opened again by itself".into(),
            );
        }
        if has("database is locked") {
            return Self::Unavailable("the database is locked by another program; close it".into());
        }
        if has("disk is full") || has("No space left") || has("disk I/O error") {
            return Self::Unwritable("the disk with the database is full or failing; make room".into());
        }
        if has("readonly database") {
            return Self::Unwritable(
                "the database is read-only; give the daemon's user the right to write it".into(),
            );
        }
        if has("malformed") || has("not a database") {
            return Self::Damaged;
        }
        Self::Query(error)
    }
}

enum Backend {
    Sqlite(PathBuf),
    Postgres(Box<postgres::Server>),
}

impl Backend {
    fn new(
        url: &str,
        password: Option<&SecretString>,
        ca_file: Option<&std::path::Path>,
    ) -> Result<Self, StoreError> {
        Ok(match url.strip_prefix("sqlite:") {
            Some(path) => Self::Sqlite(PathBuf::from(path.strip_prefix("//").unwrap_or(path))),
            None => Self::Postgres(Box::new(postgres::Server::new(url, password, ca_file)?)),
        })
    }

    fn connect(&self) -> Result<Box<dyn Connection>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(sqlite::connect(path)?),
            Self::Postgres(server) => Box::new(server.connect()?),
        })
    }
}

trait Connection: Send {
    fn tx(&mut self) -> &mut dyn Tx;
}
impl Connection for sqlite::Conn {
    fn tx(&mut self) -> &mut dyn Tx {
        self
    }
}
impl Connection for postgres::Conn {
    fn tx(&mut self) -> &mut dyn Tx {
        self
    }
}

type Job = Box<dyn FnOnce(&mut Result<Box<dyn Connection>, StoreError>) + Send>;

/// The register's database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Arc<Backend>,
    reads: mpsc::Sender<Job>,
}

impl Store {
    /// Opens the database at `url` (`sqlite:PATH` or `postgres://…`), brings its schema up to date and starts the
    /// threads that read. Blocks; call it before the runtime or on a blocking thread.
    pub fn open(
        url: &str,
        password: Option<&SecretString>,
        ca_file: Option<&std::path::Path>,
        readers: u8,
    ) -> Result<Self, StoreError> {
        let backend = Backend::new(url, password, ca_file)?;
        match &backend {
            Backend::Sqlite(path) => sqlite::with_migration_lock(&mut sqlite::connect(path)?, |conn| {
                migrate(conn, sqlite::MIGRATIONS)
            })?,
            Backend::Postgres(server) => postgres::with_migration_lock(&mut server.connect()?, |conn| {
                migrate(conn, postgres::MIGRATIONS)
            })?,
        }
        let backend = Arc::new(backend);
        let (reads, queue) = mpsc::channel::<Job>(256);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..readers.max(1) {
            let (backend, queue) = (Arc::clone(&backend), Arc::clone(&queue));
            std::thread::Builder::new()
                .name("store-read".into())
                .spawn(move || serve_reads(&backend, &queue))
                .map_err(|error| StoreError::Unusable(format!("no thread could be started: {error}")))?;
        }
        Ok(Self { backend, reads })
    }

    /// Runs `read` in a transaction of its own on one of the reading threads.
    ///
    /// # Errors
    /// What `read` returns, or that the database is unavailable.
    pub async fn read<T, E, F>(&self, read: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = within_read(connection, read);
            if reply.send(result).is_err() {
                tracing::trace!("nobody waits for this read any more");
            }
        });
        if self.reads.send(job).await.is_err() {
            return Err(stopped().into());
        }
        answer.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// A connection for the desk's runner.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub fn writer(&self) -> Result<Writer, StoreError> {
        Ok(Writer { connection: self.backend.connect()?, backend: Arc::clone(&self.backend) })
    }

    /// Reads all that is stored: damage that would show some day shows now. Blocks, on a large SQLite file for long;
    /// PostgreSQL watches its pages itself.
    ///
    /// # Errors
    /// `Damaged`, or that the database cannot be reached.
    pub fn examine(&self) -> Result<(), StoreError> {
        match &*self.backend {
            Backend::Sqlite(path) => sqlite::examine(&mut sqlite::connect(path)?),
            Backend::Postgres(_) => Ok(()),
        }
    }

    /// Reads that wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.reads.max_capacity() - self.reads.capacity()
    }

    /// How many writers do good: SQLite takes one.
    #[must_use]
    pub fn writers(&self) -> usize {
        match *self.backend {
            Backend::Sqlite(_) => 1,
            Backend::Postgres(_) => 4,
        }
    }
}

/// One writing connection; opens itself anew when lost.
pub struct Writer {
    connection: Box<dyn Connection>,
    backend: Arc<Backend>,
}

impl Writer {
    pub fn tx(&mut self) -> &mut dyn Tx {
        self.connection.tx()
    }

    /// Replaces a broken connection.
    ///
    /// # Errors
    /// When the database still cannot be reached.
    pub fn reconnect(&mut self) -> Result<(), StoreError> {
        self.connection = self.backend.connect()?;
        Ok(())
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the daemon is stopping".into())
}

fn serve_reads(backend: &Backend, queue: &Mutex<mpsc::Receiver<Job>>) {
    let mut connection = backend.connect();
    loop {
        let job = match queue.lock() {
            Ok(mut queue) => queue.blocking_recv(),
            Err(_) => None,
        };
        let Some(job) = job else { return };
        let healthy = connection.as_mut().is_ok_and(|connection| connection.tx().ping().is_ok());
        if !healthy {
            connection = backend.connect();
        }
        job(&mut connection);
    }
}

fn within_read<T, E: From<StoreError>>(
    connection: &mut Result<Box<dyn Connection>, StoreError>,
    read: impl FnOnce(&mut dyn Tx) -> Result<T, E>,
) -> Result<T, E> {
    let tx = match connection {
        Ok(connection) => connection.tx(),
        Err(error) => return Err(StoreError::Unavailable(error.to_string()).into()),
    };
    tx.begin_read()?;
    // A panic must not leave the transaction open for the next reader.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(tx)));
    tx.rollback()?;
    result.unwrap_or_else(|_| {
        Err(StoreError::Unavailable("reading failed inside; the log has the place".into()).into())
    })
}

fn migrate<C>(conn: &mut C, migrations: EmbeddedMigrations) -> Result<(), StoreError>
where
    C: MigrationHarness<C::Backend> + diesel::Connection,
{
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| match error.downcast::<DieselError>() {
        Ok(error) => match StoreError::from(*error) {
            StoreError::Query(error) => unmigrated(&error),
            known => known,
        },
        Err(error) => unmigrated(error.as_ref()),
    };
    let known = versions::<C::Backend>(&migrations)?;
    let applied = conn.applied_migrations().map_err(failed)?;
    if applied.iter().any(|version| !known.contains(&version.to_string())) {
        return Err(newer());
    }
    conn.run_pending_migrations(migrations).map_err(failed)?;
    Ok(())
}

fn newer() -> StoreError {
    StoreError::Unusable(
        "the database was made by a newer caseward; install that version or a newer one".into(),
    )
}

fn unmigrated(error: &dyn std::error::Error) -> StoreError {
    StoreError::Unusable(format!("the database schema cannot be brought up to date: {error}"))
}

fn versions<B: diesel::backend::Backend>(migrations: &EmbeddedMigrations) -> Result<Vec<String>, StoreError> {
    let migrations = diesel::migration::MigrationSource::<B>::migrations(migrations);
    let migrations = migrations.map_err(|error| unmigrated(error.as_ref()))?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}

/// Refuses a copy whose schema is none of ours or newer than this program.
fn known_schema(applied: Result<Vec<String>, DieselError>, known: &[String]) -> Result<(), copy::CopyError> {
    let applied = applied.map_err(|error| match StoreError::from(error) {
        StoreError::Query(_) => copy::CopyError::Foreign,
        other => other.into(),
    })?;
    if applied.is_empty() {
        return Err(copy::CopyError::Foreign);
    }
    if applied.iter().any(|version| !known.contains(version)) {
        return Err(copy::CopyError::Newer);
    }
    Ok(())
}

/// How long the runner waits before it tries a lost database again.
pub const RECONNECT_AFTER: Duration = Duration::from_secs(1);
